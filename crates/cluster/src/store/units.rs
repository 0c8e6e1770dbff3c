//! What is asked of units: who has which, and what becomes of them.

use std::time::Duration;

use async_trait::async_trait;

use super::runs::RunId;
use crate::{Error, dispatch::Dispatcher};

/// A unit that this process has, as long as the epoch in the table is this one.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) unit: i64,
    pub(crate) run: RunId,
    pub(crate) job: String,
    pub(crate) stream: String,
    pub(crate) epoch: i64,
    /// How often it was started without getting further, this time included.
    pub(crate) starts: i32,
    /// That of the last time, if it was to be tried again.
    pub(crate) error: Option<String>,
    /// Whether its end makes room for another unit of its job.
    pub(crate) is_capped: bool,
    pub(crate) work: Work,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A stream, whole or to be divided; whole, if it was begun so, in this run of it.
    Stream { stream_run: Option<u64> },
    /// A part of one, in this run of the stream, from where it was left: only in a database that has
    /// [parts](super::Store::of_parts). What part it is is read by whoever runs it: another version may
    /// have written it.
    Part { stream_run: u64, part: String, next: Option<String> },
}

/// The units of a cluster.
#[async_trait]
pub(crate) trait Units: Sync {
    /// Takes a unit of one of these jobs, if there is something to do, nobody has it who may be alive, and
    /// not as many units of its job are worked on as may be.
    async fn claim(&self, unit: i64, me: &str, jobs: &[String]) -> Result<Option<Claimed>, Error>;

    /// Those of these units, with their epochs, that are not this process's any more.
    async fn lost(&self, own: &[(i64, i64)]) -> Result<Vec<i64>, Error>;

    /// Whether a unit is still this process's.
    async fn holds(&self, own: &Claimed) -> Result<bool, Error> {
        Ok(!self.lost(&[(own.unit, own.epoch)]).await?.contains(&own.unit))
    }

    /// Gives a unit back, to be taken by anyone after a while, at once if there is none.
    async fn release(
        &self,
        own: &Claimed,
        wait: Duration,
        error: Option<&str>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error>;

    /// Gives units back whose work has ended without a word, since its task was dropped.
    async fn drop_all(&self, own: &[(i64, i64)]) -> Result<(), Error>;

    /// The time by the clock of the database, in seconds since 1970.
    async fn time(&self) -> Result<f64, Error>;

    /// Gives units back that this process has and knows nothing of, since the answer to a claim was lost:
    /// all but those in `begun`, which was looked up after this [time](Self::time). What was claimed
    /// later may have begun later, and is left alone.
    async fn disown(&self, me: &str, begun: &[i64], time: f64) -> Result<(), Error>;

    /// Sets a unit aside with its error; and with it, if it `stops` the others, what is open of its run.
    async fn fail(&self, own: &Claimed, error: &str, stops: bool) -> Result<(), Error>;

    /// Ends a unit that is done. A part has been done by its last commit; what is known of it is kept.
    async fn finish(
        &self,
        own: &Claimed,
        (pages, rows): (u64, u64),
        remarks: &[String],
    ) -> Result<(), Error>;

    /// Keeps in which run a stream is run whole, before it is: one whose end was not heard of is not run
    /// again. `false` if the stream is not this process's any more.
    async fn run_whole(&self, own: &Claimed, stream_run: u64) -> Result<bool, Error>;

    /// Keeps how far a stream has come that is run whole: it has got further.
    async fn tell(&self, own: &Claimed, pages: u64, rows: u64) -> Result<(), Error>;
}
