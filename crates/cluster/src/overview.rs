//! What is going on in a cluster, as values.

use serde::Serialize;
use sqlx::{Row, postgres::PgRow};

use crate::{Error, store::Store};

/// What is going on in a cluster: who does what, since when, and what waits.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// The workers that are alive, or were a short while ago, by their names.
    pub workers: Vec<WorkerView>,
    /// The last run of each job, by the job's name.
    pub runs: Vec<RunView>,
}

/// A process that works.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct WorkerView {
    /// Its name: the host, the process and something random.
    pub name: String,
    /// For how long it has been there, in seconds.
    pub age: f64,
    /// How long ago it was heard of, in seconds.
    pub silent: f64,
    /// Whether it may be alive. What one has that is not goes to others.
    pub is_alive: bool,
    /// How many units it works on at a time.
    pub slots: i32,
    /// What it does.
    pub units: Vec<UnitView>,
}

/// A unit that a worker has.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UnitView {
    /// The job.
    pub job: String,
    /// The stream.
    pub stream: String,
    /// The part of it, such as `pages 51-100`; empty for the whole.
    pub part: String,
    /// For how long the worker has had it, in seconds.
    pub since: f64,
    /// What was committed of it so far.
    pub pages: i64,
    /// What was committed of it so far.
    pub rows: i64,
}

/// A run of a job.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunView {
    /// The number of the run.
    pub id: i64,
    /// The job.
    pub job: String,
    /// How it stands.
    pub state: RunState,
    /// For how long it has been under way, or was, in seconds.
    pub took: f64,
    /// How many units of the job are worked on at most at a time, if there is a cap.
    pub cap: Option<i32>,
    /// Its streams, in the order of the description.
    pub streams: Vec<StreamView>,
}

/// A stream of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct StreamView {
    /// The stream.
    pub stream: String,
    /// How many units it has: one, or that of its parts.
    pub units: i64,
    /// How many of them are done.
    pub done: i64,
    /// How many a worker has.
    pub running: i64,
    /// How many have failed.
    pub failed: i64,
    /// Pages that were committed.
    pub pages: i64,
    /// Rows that were committed.
    pub rows: i64,
    /// Why it has failed, or why a part of it waits to be tried again.
    pub error: Option<String>,
    /// What a reader should know.
    pub remarks: Vec<String>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// It is under way.
    Running,
    /// It waits to be resumed.
    Paused,
    /// It was ended before its time; the next run goes on there.
    Cancelled,
    /// Every row was read and is committed.
    Complete,
    /// A stream of it has failed. Begun by hand, it goes on with what is not done; when the job is due, what
    /// is done is read again as well.
    Failed,
}

impl RunState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    /// That of a row. The table has no others.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "paused" => Self::Paused,
            "cancelled" => Self::Cancelled,
            "complete" => Self::Complete,
            "failed" => Self::Failed,
            _ => Self::Running,
        }
    }
}

impl Store {
    pub(crate) async fn overview(&self) -> Result<Overview, Error> {
        Ok(Overview { workers: self.workers().await?, runs: self.runs().await? })
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, Error> {
        let rows = sqlx::query(
            "SELECT id, extract(epoch FROM now() - begun)::float8 AS age,
                 extract(epoch FROM now() - seen)::float8 AS silent,
                 _apipool_is_alive(id) AS is_alive, slots
             FROM _apipool_worker ORDER BY id",
        );
        let mut workers = Vec::new();
        for row in rows.fetch_all(&self.pool).await? {
            let name: String = row.try_get("id")?;
            workers.push(WorkerView {
                units: self.units_of(&name).await?,
                name,
                age: row.try_get("age")?,
                silent: row.try_get("silent")?,
                is_alive: row.try_get("is_alive")?,
                slots: row.try_get("slots")?,
            });
        }
        Ok(workers)
    }

    async fn units_of(&self, worker: &str) -> Result<Vec<UnitView>, Error> {
        let rows = sqlx::query(
            "SELECT r.job, u.stream, u.key, u.pages, u.rows,
                 coalesce(extract(epoch FROM now() - u.since), 0)::float8 AS since
             FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
             WHERE u.owner = $1 AND NOT u.done AND NOT u.failed ORDER BY u.id",
        );
        let rows = rows.bind(worker).fetch_all(&self.pool).await?;
        let unit = |row: &PgRow| -> Result<UnitView, Error> {
            Ok(UnitView {
                job: row.try_get("job")?,
                stream: row.try_get("stream")?,
                part: row.try_get("key")?,
                since: row.try_get("since")?,
                pages: row.try_get("pages")?,
                rows: row.try_get("rows")?,
            })
        };
        rows.iter().map(unit).collect()
    }

    async fn runs(&self) -> Result<Vec<RunView>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT ON (job) id, job, state,
                 extract(epoch FROM coalesce(ended, now()) - begun)::float8 AS took,
                 (SELECT most FROM _apipool_cap c WHERE c.job = _apipool_run.job) AS cap
             FROM _apipool_run ORDER BY job, id DESC",
        );
        let mut runs = Vec::new();
        for row in rows.fetch_all(&self.pool).await? {
            let id: i64 = row.try_get("id")?;
            runs.push(RunView {
                id,
                job: row.try_get("job")?,
                state: RunState::of(row.try_get("state")?),
                took: row.try_get("took")?,
                cap: row.try_get("cap")?,
                streams: self.streams_of(id).await?,
            });
        }
        Ok(runs)
    }

    async fn streams_of(&self, run: i64) -> Result<Vec<StreamView>, Error> {
        let rows = sqlx::query(
            "SELECT s.stream, count(*) AS units, count(*) FILTER (WHERE u.done) AS done,
                 count(*) FILTER (WHERE u.owner IS NOT NULL AND NOT u.done AND NOT u.failed)
                     AS running,
                 count(*) FILTER (WHERE u.failed) AS failed, sum(u.pages)::bigint AS pages,
                 sum(u.rows)::bigint AS rows, coalesce(s.error, min(u.error)) AS error, s.remarks
             FROM _apipool_unit s JOIN _apipool_unit u ON u.run = s.run AND u.stream = s.stream
                 AND u.is_part = s.is_divided
             WHERE s.run = $1 AND NOT s.is_part GROUP BY s.id ORDER BY s.id",
        );
        let rows = rows.bind(run).fetch_all(&self.pool).await?;
        let stream = |row: &PgRow| -> Result<StreamView, Error> {
            Ok(StreamView {
                stream: row.try_get("stream")?,
                units: row.try_get("units")?,
                done: row.try_get("done")?,
                running: row.try_get("running")?,
                failed: row.try_get("failed")?,
                pages: row.try_get("pages")?,
                rows: row.try_get("rows")?,
                error: row.try_get("error")?,
                remarks: row.try_get("remarks")?,
            })
        };
        rows.iter().map(stream).collect()
    }
}
