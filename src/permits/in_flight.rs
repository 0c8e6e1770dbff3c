//! A call in flight on its worker: the permit it holds and how far it has come. The supervisor can
//! take the call away from a worker that gives no sign of life; from then on nothing that the
//! worker does counts.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::Permit;
use crate::{
    cancel_flag::CancelFlag,
    error::{Error, ErrorKind},
    events::Attempt,
    lock::lock,
};

/// How far a call has come on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the mailbox or before an attempt: the outcome so far is certain.
    Unsent,
    /// In the user's `apply`, which may be what blocks the worker.
    Applying,
    /// Being sent, or back with an outcome that was not judged yet.
    Sent,
    /// Being answered.
    Answering,
    /// On the way back to the supervisor, without an answer.
    Returned,
}

/// One call on one worker.
///
/// A permit is held here from before the call is on the worker until its last attempt ends, but not
/// while the call waits: a call that waits for a limit gives its permit back first, and gets it
/// back together with what it waited for. So no permit idles, and nobody holds two things while
/// waiting for a third. The permit is kept here and not in the call's task because that task may be
/// stuck: whoever takes the call away gives the permit back instead, under the same lock under
/// which an attempt begins. After that no attempt can begin, and none can end twice.
pub(crate) struct InFlight {
    /// The worker's number; zero before the call is on a worker.
    worker: AtomicU64,
    state: Mutex<State>,
    /// Set together with `stage`, for readers without the lock.
    revoked: CancelFlag,
}

struct State {
    /// `None` once the call was taken away.
    stage: Option<Stage>,
    permit: Option<Permit>,
    /// The permit of a hedge.
    second_permit: Option<Permit>,
    attempts: UnderWay,
}

/// The attempts that have begun and not ended, and since when: at most two.
pub(crate) type UnderWay = [Option<(Attempt, Instant)>; 2];

impl State {
    /// Takes the permits that are not needed: one stays for each attempt in flight.
    fn take_spare(&mut self) -> [Option<Permit>; 2] {
        let second = self.second_permit.take();
        let is_idle = self.attempts.iter().all(Option::is_none);
        [if is_idle { self.permit.take() } else { None }, second]
    }
}

impl InFlight {
    pub(crate) fn new(permit: Permit) -> Self {
        Self {
            worker: AtomicU64::new(0),
            state: Mutex::new(State {
                stage: Some(Stage::Unsent),
                permit: Some(permit),
                second_permit: None,
                attempts: [None; 2],
            }),
            revoked: CancelFlag::default(),
        }
    }

    /// Whether its call is at `stage`, on a worker that still has the call.
    pub(crate) fn is_at(&self, stage: Stage) -> bool {
        lock(&self.state).stage == Some(stage)
    }

    pub(crate) fn place_on(&self, worker: u64) {
        self.worker.store(worker, Ordering::Release);
    }

    pub(crate) fn is_on(&self, worker: u64) -> bool {
        self.worker.load(Ordering::Acquire) == worker
    }

    pub(crate) fn has_permit(&self) -> bool {
        lock(&self.state).permit.is_some()
    }

    /// Takes the permit out.
    pub(crate) fn take(&self) -> Option<Permit> {
        lock(&self.state).permit.take()
    }

    /// Stores a permit; hands it back if the call was taken away.
    pub(crate) fn fill(&self, permit: Permit) -> Result<(), Permit> {
        let mut state = lock(&self.state);
        if state.stage.is_none() {
            return Err(permit);
        }
        let spare = state.permit.replace(permit);
        drop(state);
        drop(spare);
        Ok(())
    }

    /// Gives the permit back.
    pub(crate) fn release(&self) {
        drop(self.take());
    }

    /// Moves on to `stage`, unless the call was taken away: then the worker has nothing more
    /// to do with the call, and the error reaches nobody.
    pub(crate) fn go_on_to(&self, stage: Stage) -> Result<(), Error> {
        match &mut lock(&self.state).stage {
            Some(now) => {
                *now = stage;
                Ok(())
            }
            None => Err(gone()),
        }
    }

    /// Begins an attempt, which `tell` reports, unless the call was taken away. A hedge brings a
    /// permit of its own.
    pub(crate) fn begin(
        &self,
        now: Instant,
        second_permit: Option<Permit>,
        tell: impl FnOnce() -> Attempt,
    ) -> Result<Attempt, Error> {
        let mut state = lock(&self.state);
        if state.stage.is_none() {
            return Err(gone());
        }
        // Reported under the lock: nobody can report the end before the start.
        let attempt = tell();
        state.stage = Some(Stage::Sent);
        state.second_permit = second_permit;
        if let Some(free) = state.attempts.iter_mut().find(|attempt| attempt.is_none()) {
            *free = Some((attempt, now));
        }
        Ok(attempt)
    }

    /// Ends an attempt and gives its permit back. Returns whether the worker must report the end,
    /// which is true once, and not after the call was taken away.
    pub(crate) fn end(&self, attempt: Attempt) -> bool {
        let mut state = lock(&self.state);
        let is_it = |begun: &mut (Attempt, Instant)| begun.0 == attempt;
        let was_there = state.attempts.iter_mut().any(|begun| begun.take_if(is_it).is_some());
        let spare = if was_there { state.take_spare() } else { [None, None] };
        drop(state);
        drop(spare);
        was_there
    }

    /// Takes the call away if `may` accepts its stage: its permits are given back, and its worker
    /// can neither send nor answer the call.
    pub(crate) fn revoke_if(&self, may: impl FnOnce(Stage) -> bool) -> Option<(Stage, UnderWay)> {
        let mut state = lock(&self.state);
        let stage = state.stage.take_if(|stage| may(*stage))?;
        let attempts = std::mem::take(&mut state.attempts);
        let spare = state.take_spare();
        self.revoked.set();
        drop(state);
        drop(spare);
        Some((stage, attempts))
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_set()
    }

    /// Resolves when the call is taken away. One task at a time may wait.
    pub(crate) async fn revoked(&self) {
        self.revoked.wait().await;
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::WorkerCrashed, "the call went to another worker")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::permits::Semaphore;

    fn permit(semaphore: &Arc<Semaphore>) -> Permit {
        semaphore.try_acquire().ok().unwrap()
    }

    /// A call in flight, and the semaphore of its only permit.
    fn in_flight() -> (InFlight, Arc<Semaphore>) {
        let semaphore = Arc::new(Semaphore::new(1));
        (InFlight::new(permit(&semaphore)), semaphore)
    }

    #[test]
    fn a_call_that_is_taken_away_gives_its_permit_back_and_takes_no_other() {
        let (in_flight, semaphore) = in_flight();
        assert_eq!(semaphore.available(), 0);
        let revoked = in_flight.revoke_if(|stage| stage == Stage::Unsent);
        assert_eq!(revoked, Some((Stage::Unsent, [None; 2])));
        assert_eq!(semaphore.available(), 1);
        assert!(in_flight.fill(permit(&semaphore)).is_err());
        assert!(in_flight.go_on_to(Stage::Sent).is_err());
        assert!(in_flight.revoke_if(|_| true).is_none(), "a call is taken away once");
    }

    #[test]
    fn what_is_past_waiting_is_not_taken_for_waiting() {
        let (in_flight, _semaphore) = in_flight();
        for stage in [Stage::Applying, Stage::Sent, Stage::Answering] {
            in_flight.go_on_to(stage).unwrap();
            assert!(in_flight.revoke_if(|stage| stage == Stage::Unsent).is_none());
        }
        assert!(!in_flight.is_revoked() && in_flight.has_permit());
    }

    #[test]
    fn a_permit_that_is_released_comes_back_once() {
        let (in_flight, semaphore) = in_flight();
        in_flight.release();
        in_flight.release();
        drop(in_flight);
        assert_eq!(semaphore.available(), 1);
    }

    #[test]
    fn each_of_two_attempts_ends_once_and_gives_one_permit_back() {
        let semaphore = Arc::new(Semaphore::new(2));
        let in_flight = InFlight::new(permit(&semaphore));
        let (now, attempt) = (Instant::now(), |number| Attempt { call: 7, number, worker: 0 });
        let first = in_flight.begin(now, None, || attempt(1)).unwrap();
        let second = in_flight.begin(now, Some(permit(&semaphore)), || attempt(2)).unwrap();
        assert_eq!(semaphore.available(), 0);
        assert!(in_flight.end(first) && !in_flight.end(first));
        assert_eq!((semaphore.available(), in_flight.has_permit()), (1, true));
        assert!(in_flight.end(second));
        assert_eq!((semaphore.available(), in_flight.has_permit()), (2, false));
    }

    #[test]
    fn the_end_of_an_attempt_goes_with_the_call() {
        let semaphore = Arc::new(Semaphore::new(2));
        let in_flight = InFlight::new(permit(&semaphore));
        let now = Instant::now();
        let first =
            in_flight.begin(now, None, || Attempt { call: 7, number: 1, worker: 0 }).unwrap();
        let beside = Some(permit(&semaphore));
        let second =
            in_flight.begin(now, beside, || Attempt { call: 7, number: 2, worker: 0 }).unwrap();
        let (_, attempts) = in_flight.revoke_if(|stage| stage == Stage::Sent).unwrap();
        assert_eq!(attempts, [Some((first, now)), Some((second, now))]);
        assert!(!in_flight.end(first) && !in_flight.end(second));
        assert!(in_flight.begin(now, None, || unreachable!()).is_err());
        assert_eq!(semaphore.available(), 2);
    }
}
