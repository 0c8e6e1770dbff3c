//! The messages that an actix application sends to [`Jobs`](super::Jobs).

use std::{fmt, time::Duration};

use actix::{Message, Recipient};

use super::{event::JobEvent, status::JobStatus};
use crate::{description::JobDescription, error::Error, report::Report};

/// Runs a job now, unless it runs or is due already, and returns what the run did when it has ended.
/// A job that is paused or stopped goes on.
///
/// An error is returned if there is no such job, or if it is stopped before it has run; what fails in
/// the run is in the report.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Report, Error>")]
pub struct Run(pub String);

/// Lets a job take no further page, or not start, until it is told to [resume](Resume). One that runs
/// keeps its turn.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Pause(pub String);

/// Lets a job go on after a [pause](Pause), and start at its times again after a [stop](Stop).
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Resume(pub String);

/// Commits what a job has read and ends its run, and returns what it did when it has ended; `None` if
/// it did not run. The next run goes on there.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Option<Report>, Error>")]
pub struct Stop(pub String);

/// Returns how all jobs are doing. Looks into the sinks of those that have not run in this process.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Vec<JobStatus>, Error>")]
pub struct Status;

/// Adds a job, over the API and the tables of the description.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Add {
    /// Its name, which no other job has.
    pub name: String,
    /// What it copies, where to, and when.
    pub job: JobDescription,
}

/// [Stops](Stop) a job, and forgets it when its run has ended. What it has written stays, and what its
/// sink remembers of it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Remove(pub String);

/// Sends every [`JobEvent`] from now on to an actor, until that actor stops or the jobs end. The jobs
/// never wait for it: an actor that falls behind by more than 1,024 events gets a
/// [`JobEvent::Missed`] instead of them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<JobEvent>);

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscribe").finish_non_exhaustive()
    }
}

/// Shuts the jobs down: starts no other run, stops those that are under way, and gives them at most
/// `drain` to commit what was read. What is not committed by then is read again by the next run.
/// Shuts down the pool as well, unless it was [given](super::Jobs::over).
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    /// How long runs may take to end.
    pub drain: Duration,
}
