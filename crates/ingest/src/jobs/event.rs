//! What happens to jobs.

use std::time::Duration;

use actix::Message;
use chrono::{DateTime, Utc};

use crate::{job::Progress, report::Report};

/// Something that happened to a job. Events of one run come in order.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub enum JobEvent {
    /// A run has begun, or goes on after a death.
    #[non_exhaustive]
    Started {
        /// The job.
        job: String,
    },
    /// A stream has committed.
    #[non_exhaustive]
    Committed {
        /// The job.
        job: String,
        /// How far the stream has come.
        progress: Progress,
    },
    /// A run has died.
    #[non_exhaustive]
    Died {
        /// The job.
        job: String,
        /// Why: the message of its panic.
        cause: String,
        /// How long until it is started again; `None` if it is given up, which its report says next.
        again_in: Option<Duration>,
    },
    /// A run has ended.
    #[non_exhaustive]
    Ended {
        /// What it did, and the name of the job.
        report: Report,
        /// When the job starts next; `None` if it does not by itself.
        next: Option<DateTime<Utc>>,
    },
    /// An actor that subscribed was too slow, and some events were not sent to it. Receivers get
    /// `RecvError::Lagged` instead.
    #[non_exhaustive]
    Missed {
        /// How many.
        events: u64,
    },
}
