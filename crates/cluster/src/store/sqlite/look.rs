//! Reads what is going on: a few statements, however many workers and runs there are, and all of one
//! moment.

use std::collections::HashMap;

use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

use super::{alive, list, now};
use crate::{
    Error,
    overview::{Overview, RunState, RunView, StreamView, UnitView, WorkerView},
};

const STREAMS: &str = concat!(
    "SELECT u.run, u.stream, u.done, u.failed, u.pages, u.rows, u.error, u.remarks,
         u.owner IS NOT NULL AND NOT u.done AND NOT u.failed AND u.owner IN ",
    alive!(),
    " AS running
     FROM _apipool_unit u WHERE u.run IN (SELECT value FROM json_each(?2)) ORDER BY u.id"
);

/// What is going on.
pub(super) async fn look(connection: &mut SqliteConnection) -> Result<Overview, Error> {
    // All it reads is as of its first statement.
    let mut transaction = connection.begin().await?;
    let now = now();
    let overview = Overview {
        workers: workers(&mut transaction, now).await?,
        runs: runs(&mut transaction, now).await?,
    };
    transaction.commit().await?;
    Ok(overview)
}

async fn workers(connection: &mut SqliteConnection, now: i64) -> Result<Vec<WorkerView>, Error> {
    let mut units = units(connection, now).await?;
    let rows = sqlx::query(
        "SELECT id, (?1 - begun) / 1e6 AS age, (?1 - seen) / 1e6 AS silent,
             seen + silence > ?1 AS is_alive, slots
         FROM _apipool_worker ORDER BY id",
    );
    let worker = |row: &SqliteRow| -> Result<WorkerView, Error> {
        let name: String = row.try_get("id")?;
        Ok(WorkerView {
            units: units.remove(&name).unwrap_or_default(),
            name,
            age: row.try_get("age")?,
            silent: row.try_get("silent")?,
            is_alive: row.try_get("is_alive")?,
            slots: row.try_get("slots")?,
        })
    };
    rows.bind(now).fetch_all(connection).await?.iter().map(worker).collect()
}

/// What each worker has, by its name.
async fn units(
    connection: &mut SqliteConnection,
    now: i64,
) -> Result<HashMap<String, Vec<UnitView>>, Error> {
    let rows = sqlx::query(
        "SELECT u.owner, r.job, u.stream, u.pages, u.rows,
             coalesce((?1 - u.since) / 1e6, 0.0) AS since
         FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
         WHERE u.owner IS NOT NULL AND NOT u.done AND NOT u.failed ORDER BY u.id",
    );
    let mut units: HashMap<String, Vec<UnitView>> = HashMap::new();
    for row in rows.bind(now).fetch_all(connection).await? {
        let unit = UnitView {
            job: row.try_get("job")?,
            stream: row.try_get("stream")?,
            part: String::new(),
            since: row.try_get("since")?,
            pages: row.try_get("pages")?,
            rows: row.try_get("rows")?,
        };
        units.entry(row.try_get("owner")?).or_default().push(unit);
    }
    Ok(units)
}

async fn runs(connection: &mut SqliteConnection, now: i64) -> Result<Vec<RunView>, Error> {
    let rows = sqlx::query(
        "SELECT r.id, r.job, r.state, (coalesce(r.ended, ?1) - r.begun) / 1e6 AS took, c.most AS cap
         FROM _apipool_run r LEFT JOIN _apipool_cap c ON c.job = r.job
         WHERE r.id = (SELECT max(o.id) FROM _apipool_run o WHERE o.job = r.job) ORDER BY r.job",
    );
    let rows = rows.bind(now).fetch_all(&mut *connection).await?;
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<i64>, _>>()?;
    let mut streams = streams(connection, &ids, now).await?;
    let run = |row: &SqliteRow| -> Result<RunView, Error> {
        let id = row.try_get("id")?;
        let state: String = row.try_get("state")?;
        Ok(RunView {
            id,
            job: row.try_get("job")?,
            state: RunState::of(&state),
            took: row.try_get("took")?,
            cap: row.try_get("cap")?,
            streams: streams.remove(&id).unwrap_or_default(),
        })
    };
    rows.iter().map(run).collect()
}

/// The streams of these runs, by the number of the run.
async fn streams(
    connection: &mut SqliteConnection,
    runs: &[i64],
    now: i64,
) -> Result<HashMap<i64, Vec<StreamView>>, Error> {
    let mut streams: HashMap<i64, Vec<StreamView>> = HashMap::new();
    for row in sqlx::query(STREAMS).bind(now).bind(list(runs)?).fetch_all(connection).await? {
        let remarks: String = row.try_get("remarks")?;
        let stream = StreamView {
            stream: row.try_get("stream")?,
            units: 1,
            done: row.try_get("done")?,
            running: row.try_get("running")?,
            failed: row.try_get("failed")?,
            pages: row.try_get("pages")?,
            rows: row.try_get("rows")?,
            error: row.try_get("error")?,
            remarks: serde_json::from_str(&remarks)?,
        };
        streams.entry(row.try_get("run")?).or_default().push(stream);
    }
    Ok(streams)
}
