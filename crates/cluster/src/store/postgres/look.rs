//! Reads what is going on: a few statements, however many workers and runs there are, and all of one
//! moment.

use std::collections::HashMap;

use sqlx::{Connection, PgConnection, Row, postgres::PgRow};

use crate::{
    Error,
    overview::{Overview, RunState, RunView, StreamView, UnitView, WorkerView},
};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What is going on. Nothing where no worker has made the tables.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Overview, Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let overview = match has_tables(&mut transaction).await? {
        true => Overview {
            workers: workers(&mut transaction).await?,
            runs: runs(&mut transaction).await?,
        },
        false => Overview::default(),
    };
    transaction.commit().await?;
    Ok(overview)
}

/// Whether the tables are there: they are made in one transaction.
pub(super) async fn has_tables(connection: &mut PgConnection) -> Result<bool, Error> {
    let there = "SELECT to_regprocedure('_apipool_in_work(text)') IS NOT NULL";
    Ok(sqlx::query_scalar(there).fetch_one(connection).await?)
}

async fn workers(connection: &mut PgConnection) -> Result<Vec<WorkerView>, Error> {
    let mut units = units(connection).await?;
    let rows = sqlx::query(
        "SELECT id, extract(epoch FROM now() - begun)::float8 AS age,
             extract(epoch FROM now() - seen)::float8 AS silent,
             _apipool_is_alive(id) AS is_alive, slots
         FROM _apipool_worker ORDER BY id",
    );
    let worker = |row: &PgRow| -> Result<WorkerView, Error> {
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
    rows.fetch_all(connection).await?.iter().map(worker).collect()
}

/// What each worker has, by its name.
async fn units(connection: &mut PgConnection) -> Result<HashMap<String, Vec<UnitView>>, Error> {
    let rows = sqlx::query(
        "SELECT u.owner, r.job, u.stream, u.key, u.pages, u.rows,
             coalesce(extract(epoch FROM now() - u.since), 0)::float8 AS since
         FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
         WHERE u.owner IS NOT NULL AND NOT u.done AND NOT u.failed ORDER BY u.id",
    );
    let mut units: HashMap<String, Vec<UnitView>> = HashMap::new();
    for row in rows.fetch_all(connection).await? {
        let unit = UnitView {
            job: row.try_get("job")?,
            stream: row.try_get("stream")?,
            part: row.try_get("key")?,
            since: row.try_get("since")?,
            pages: row.try_get("pages")?,
            rows: row.try_get("rows")?,
        };
        units.entry(row.try_get("owner")?).or_default().push(unit);
    }
    Ok(units)
}

async fn runs(connection: &mut PgConnection) -> Result<Vec<RunView>, Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT ON (job) id, job, state,
             extract(epoch FROM coalesce(ended, now()) - begun)::float8 AS took,
             (SELECT most FROM _apipool_cap c WHERE c.job = _apipool_run.job) AS cap
         FROM _apipool_run ORDER BY job, id DESC",
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<i64>, _>>()?;
    let mut streams = streams(connection, &ids).await?;
    let run = |row: &PgRow| -> Result<RunView, Error> {
        let id = row.try_get("id")?;
        Ok(RunView {
            id,
            job: row.try_get("job")?,
            state: RunState::of(row.try_get("state")?),
            took: row.try_get("took")?,
            cap: row.try_get("cap")?,
            streams: streams.remove(&id).unwrap_or_default(),
        })
    };
    rows.iter().map(run).collect()
}

/// The streams of these runs, by the number of the run.
async fn streams(
    connection: &mut PgConnection,
    runs: &[i64],
) -> Result<HashMap<i64, Vec<StreamView>>, Error> {
    let rows = sqlx::query(
        "SELECT s.run, s.stream, count(*) AS units, count(*) FILTER (WHERE u.done) AS done,
             count(*) FILTER (WHERE w.id IS NOT NULL AND NOT u.done AND NOT u.failed) AS running,
             count(*) FILTER (WHERE u.failed) AS failed, sum(u.pages)::bigint AS pages,
             sum(u.rows)::bigint AS rows, coalesce(s.error, min(u.error)) AS error, s.remarks
         FROM _apipool_unit s JOIN _apipool_unit u ON u.run = s.run AND u.stream = s.stream
             AND u.is_part = s.is_divided
             LEFT JOIN _apipool_worker w ON w.id = u.owner
                 AND w.seen > now() - make_interval(secs => w.silence)
         WHERE s.run = ANY($1) AND NOT s.is_part GROUP BY s.id ORDER BY s.id",
    );
    let mut streams: HashMap<i64, Vec<StreamView>> = HashMap::new();
    for row in rows.bind(runs).fetch_all(connection).await? {
        let stream = StreamView {
            stream: row.try_get("stream")?,
            units: row.try_get("units")?,
            done: row.try_get("done")?,
            running: row.try_get("running")?,
            failed: row.try_get("failed")?,
            pages: row.try_get("pages")?,
            rows: row.try_get("rows")?,
            error: row.try_get("error")?,
            remarks: row.try_get("remarks")?,
        };
        streams.entry(row.try_get("run")?).or_default().push(stream);
    }
    Ok(streams)
}
