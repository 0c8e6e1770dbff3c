//! What is going on in a cluster, as values.

use serde::Serialize;

/// What is going on in a cluster: who does what, since when, and what waits.
#[derive(Clone, Debug, Default, Serialize)]
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
    /// How many a worker has that may be alive. What others have waits.
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
