//! `apipool sql-worker`.

use std::time::Duration;

use tokio::net::TcpListener;
use vantage_api_sql::distributed::SqlWorker;

use super::describe;
use crate::{
    arguments::SqlWorker as Arguments,
    failure::Failure,
    interrupts::Interrupts,
    output,
    sql::{session, token},
};

/// How long requests that are under way may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let session = session(&describe(&arguments.file)?)?;
    let mut worker = SqlWorker::new(session.clone());
    if let Some(token) = token()? {
        worker = worker.token(token.into());
    }
    let listener = TcpListener::bind(arguments.bind).await;
    let listener = listener.map_err(|error| {
        Failure::run(format_args!("{}: {error}", arguments.bind))
            .advising("see whether the address is free; --bind takes another")
    })?;
    let mut interrupts = Interrupts::new();
    let address = listener.local_addr().map_err(Failure::run)?;
    output::note(format_args!("listens at http://{address}"));
    let served = worker.serve(listener, async move { interrupts.next().await }).await;
    session.shutdown(DRAIN).await;
    served.map_err(Failure::run)
}
