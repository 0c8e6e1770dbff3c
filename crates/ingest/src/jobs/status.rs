//! [pure] How jobs are doing.

use chrono::{DateTime, Utc};

use crate::report::Report;

/// How a job is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// What it does.
    pub activity: Activity,
    /// When it starts next, by its schedule or after a death.
    pub next: Option<DateTime<Utc>>,
    /// What its last run that ended did, also in an earlier process; `None` if there was none, and
    /// while the first run of this process is under way.
    pub last: Option<Report>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It waits for its time, or has none.
    Idle,
    /// It is due, and waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It was told to pause.
    Paused,
    /// It was told to stop, or died too often, and does not start by itself.
    Stopped,
}
