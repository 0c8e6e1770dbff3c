//! `apipool sql`.

use std::{fs, time::Duration};

use vantage_api_sql::ApiSession;

use super::describe;
use crate::{
    arguments::Sql,
    failure::Failure,
    sql::{Cut, Input, Settings, all, converse, session},
};

/// How long requests that are under way may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(sql: &Sql) -> Result<(), Failure> {
    let description = describe(&sql.file)?;
    #[cfg(feature = "distributed")]
    let session = match sql.workers.as_slice() {
        [] => session(&description)?,
        workers => crate::sql::session_over_workers(&description, workers)?,
    };
    #[cfg(not(feature = "distributed"))]
    let session = session(&description)?;
    let done = run_in(&session, sql).await;
    session.shutdown(DRAIN).await;
    done
}

async fn run_in(session: &ApiSession, sql: &Sql) -> Result<(), Failure> {
    let Sql { format, timing, max_rows, .. } = *sql;
    let settings = Settings { format, is_expanded: false, has_timing: timing, max_rows };
    let text = match (&sql.query, &sql.query_file) {
        (Some(query), _) => query.clone(),
        (None, Some(file)) => fs::read_to_string(file)
            .map_err(|error| Failure::usage(format_args!("{}: {error}", file.display())))?,
        (None, None) => return converse(session, settings, Input::new()?).await,
    };
    all(session, Cut::of(&text).all(), &settings).await
}
