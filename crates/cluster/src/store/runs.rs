//! What is asked of runs: how they begin, are held, and go on; and whether one begins.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Error, dispatch::Dispatcher, overview::RunState};

/// The number of a run.
pub(crate) type RunId = i64;

/// The runs of a cluster.
#[async_trait]
pub(crate) trait Runs {
    /// Begins a run of a job that has these streams, and returns its number; or goes on with the last
    /// one, if that was paused, cancelled or has failed. `None` if a run is under way. One that begins
    /// since it is due by the job's schedule, at `due`, does not begin either if there was one that was
    /// due then or later, or if the last one is paused; and reads the streams again that are done, if the
    /// last one has failed.
    async fn begin(
        &self,
        job: &str,
        streams: &[String],
        due: Option<DateTime<Utc>>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<Option<RunId>, Error>;

    /// When the last run of a job was due.
    async fn last_due(&self, job: &str) -> Result<Option<DateTime<Utc>>, Error>;

    /// The run of a job that is under way or paused.
    async fn open_run(&self, job: &str) -> Result<Option<RunId>, Error>;

    /// Holds the run of a job: nobody has any of its units any more.
    ///
    /// # Errors
    /// [`Error::NoRun`], if none is under way.
    async fn hold(&self, job: &str, state: RunState) -> Result<(), Error>;

    /// Lets the run of a job go on that was paused.
    ///
    /// # Errors
    /// [`Error::NoRun`], if none is paused.
    async fn resume(&self, job: &str, dispatcher: &dyn Dispatcher) -> Result<(), Error>;

    /// Lets no more than so many units of a job be worked on at a time, or any number.
    ///
    /// # Errors
    /// [`Error::NoJob`], if it was never run.
    async fn cap(&self, job: &str, most: Option<i32>) -> Result<(), Error>;

    /// How a run stands.
    async fn state_of(&self, run: RunId) -> Result<Option<RunState>, Error>;

    /// Ends the runs whose streams have all ended.
    async fn end_runs(&self) -> Result<(), Error>;
}

/// The last run of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) run: RunId,
    pub(super) state: RunState,
    /// In microseconds since 1970.
    pub(super) due: i64,
}

/// What comes of the wish to begin a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing: one is under way, or waits, or was begun by another.
    Not,
    /// A run that is due at this moment, in microseconds since 1970.
    New { due: i64 },
    /// The last one goes on. If it `reads_again`, then what is done of it as well.
    GoesOn { run: RunId, due: i64, reads_again: bool },
}

/// Whether a run begins after the `last` one: by hand, or if it is `due` by a schedule.
pub(super) fn beginning(
    last: Option<Last>,
    due: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Beginning {
    let is_scheduled = due.is_some();
    let due = due.unwrap_or(now).timestamp_micros();
    let Some(last) = last else { return Beginning::New { due } };
    let waits = is_scheduled && (last.state == RunState::Paused || last.due >= due);
    if last.state == RunState::Running || waits {
        return Beginning::Not;
    }
    // The clock of another machine may be ahead.
    let due = due.max(last.due + 1);
    match last.state {
        RunState::Complete => Beginning::New { due },
        state => Beginning::GoesOn {
            run: last.run,
            due,
            reads_again: is_scheduled && state == RunState::Failed,
        },
    }
}

/// A moment in microseconds since 1970.
pub(super) fn moment(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_once_and_goes_on_if_it_has_not_come_to_its_end() {
        let at = |micros| moment(micros).unwrap();
        let last = |state| Some(Last { run: 7, state, due: 50 });
        let by_hand = |last| beginning(last, None, at(60));
        let due = |last, due| beginning(last, Some(at(due)), at(60));
        let goes_on = |due, reads_again| Beginning::GoesOn { run: 7, due, reads_again };
        assert_eq!(by_hand(None), Beginning::New { due: 60 });
        assert_eq!(due(None, 40), Beginning::New { due: 40 });
        for (state, asked, scheduled) in [
            (RunState::Running, Beginning::Not, Beginning::Not),
            (RunState::Paused, goes_on(60, false), Beginning::Not),
            (RunState::Cancelled, goes_on(60, false), goes_on(55, false)),
            (RunState::Failed, goes_on(60, false), goes_on(55, true)),
            (RunState::Complete, Beginning::New { due: 60 }, Beginning::New { due: 55 }),
        ] {
            assert_eq!(by_hand(last(state)), asked, "{state:?}");
            assert_eq!(due(last(state), 55), scheduled, "{state:?}");
            assert_eq!(due(last(state), 50), Beginning::Not, "{state:?}");
        }
        // Its clock was ahead.
        assert_eq!(beginning(last(RunState::Complete), None, at(10)), Beginning::New { due: 51 });
    }
}
