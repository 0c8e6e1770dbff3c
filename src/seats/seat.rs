//! The seat of a call on its worker: the permit it holds there and how far it is. The
//! supervisor can take the seat away from a worker that gives no sign of life; from then
//! on nothing that the worker does counts.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Instant,
};

use futures::task::AtomicWaker;

use super::{Capacity, Permit, Permits};
use crate::{
    error::{Error, ErrorKind},
    events::Attempt,
};

/// How far a call is on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the mailbox or before an attempt: nothing that happened so far is in doubt.
    Waiting,
    /// In the user's `apply`, which may be what blocks the worker.
    Applying,
    /// On the wire, or back with an outcome that was not judged yet.
    Sent,
    /// Getting its answer.
    Answering,
    /// On the way back to the supervisor, unanswered.
    Returned,
}

/// One stay of a call on one worker.
pub(crate) struct Seat {
    capacity: Arc<Capacity>,
    /// The worker's number; zero before the seat is on one.
    worker: AtomicU64,
    state: Mutex<State>,
    /// Set together with `stage`, for those who only look.
    is_revoked: AtomicBool,
    waker: AtomicWaker,
}

struct State {
    /// `None` once the seat was taken away.
    stage: Option<Stage>,
    permit: Option<Permit>,
    /// Of an attempt that is made beside another one.
    second_permit: Option<Permit>,
    attempts: UnderWay,
}

/// The attempts that have begun and not ended, and since when: at most two.
pub(crate) type UnderWay = [Option<(Attempt, Instant)>; 2];

/// A seat that was taken away.
pub(crate) struct Revoked {
    pub(crate) stage: Stage,
    /// Whoever took it away answers for their end.
    pub(crate) attempts: UnderWay,
}

impl State {
    /// The permits, if the seat is empty, and one of the two as long as an attempt goes on.
    fn take_spare(&mut self) -> [Option<Permit>; 2] {
        let second = self.second_permit.take();
        let is_idle = self.attempts.iter().all(Option::is_none);
        [if is_idle { self.permit.take() } else { None }, second]
    }
}

impl Seat {
    pub(crate) fn new(capacity: Arc<Capacity>, permit: Permit) -> Self {
        Self {
            capacity,
            worker: AtomicU64::new(0),
            state: Mutex::new(State {
                stage: Some(Stage::Waiting),
                permit: Some(permit),
                second_permit: None,
                attempts: [None; 2],
            }),
            is_revoked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Whether its call is at `stage`, on a worker that still has the call.
    pub(crate) fn is_at(&self, stage: Stage) -> bool {
        self.state().stage == Some(stage)
    }

    pub(crate) fn place_on(&self, worker: u64) {
        self.worker.store(worker, Ordering::Release);
    }

    pub(crate) fn is_on(&self, worker: u64) -> bool {
        self.worker.load(Ordering::Acquire) == worker
    }

    /// Where its permits come from.
    pub(crate) fn permits(&self) -> &Arc<Permits> {
        self.capacity.permits()
    }

    pub(crate) fn has_permit(&self) -> bool {
        self.state().permit.is_some()
    }

    /// Hands out the permit, which leaves the seat.
    pub(crate) fn take(&self) -> Option<Permit> {
        self.state().permit.take()
    }

    /// Takes in a permit; a seat that was taken away hands it back.
    pub(crate) fn fill(&self, permit: Permit) -> Result<(), Permit> {
        let mut state = self.state();
        if state.stage.is_none() {
            return Err(permit);
        }
        let spare = state.permit.replace(permit);
        drop(state);
        self.give_back(spare);
        Ok(())
    }

    /// Gives the permit back.
    pub(crate) fn release(&self) {
        let permit = self.take();
        self.give_back(permit);
    }

    /// Goes on to `stage`, unless the seat was taken away: then the worker has no more
    /// to do with the call, and the error reaches nobody.
    pub(crate) fn go_on_to(&self, stage: Stage) -> Result<(), Error> {
        match &mut self.state().stage {
            Some(now) => {
                *now = stage;
                Ok(())
            }
            None => Err(gone()),
        }
    }

    /// Begins an attempt, which `tell` says, unless the seat was taken away. One beside
    /// another brings a permit of its own.
    pub(crate) fn begin(
        &self,
        now: Instant,
        second_permit: Option<Permit>,
        tell: impl FnOnce() -> Attempt,
    ) -> Result<Attempt, Error> {
        let mut state = self.state();
        if state.stage.is_none() {
            drop(state);
            self.give_back(second_permit);
            return Err(gone());
        }
        // Told under the lock: nobody tells of its end before its start.
        let attempt = tell();
        state.stage = Some(Stage::Sent);
        state.second_permit = second_permit;
        if let Some(free) = state.attempts.iter_mut().find(|attempt| attempt.is_none()) {
            *free = Some((attempt, now));
        }
        Ok(attempt)
    }

    /// Ends an attempt and gives its permit back. Says whether it is the worker's to tell of
    /// its end, which it is once, and not after the seat was taken away.
    pub(crate) fn end(&self, attempt: Attempt) -> bool {
        let mut state = self.state();
        let is_it = |begun: &mut (Attempt, Instant)| begun.0 == attempt;
        let was_there = state.attempts.iter_mut().any(|begun| begun.take_if(is_it).is_some());
        let spare = if was_there { state.take_spare() } else { [None, None] };
        drop(state);
        spare.into_iter().for_each(|permit| self.give_back(permit));
        was_there
    }

    /// Takes the seat away if its stage is one that `may` be: its permits come back,
    /// and its worker can neither send for the call nor answer it.
    pub(crate) fn revoke_if(&self, may: impl FnOnce(Stage) -> bool) -> Option<Revoked> {
        let mut state = self.state();
        let stage = state.stage.take_if(|stage| may(*stage))?;
        let attempts = std::mem::take(&mut state.attempts);
        let spare = state.take_spare();
        self.is_revoked.store(true, Ordering::Release);
        drop(state);
        spare.into_iter().for_each(|permit| self.give_back(permit));
        self.waker.wake();
        Some(Revoked { stage, attempts })
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Acquire)
    }

    /// Resolves when the seat is taken away. One task at a time may wait.
    pub(crate) async fn revoked(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_revoked() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn give_back(&self, permit: Option<Permit>) {
        if let Some(permit) = permit {
            self.capacity.take_back(permit);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::WorkerCrashed, "the call went to another worker")
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat() -> Seat {
        let capacity = Arc::new(Capacity::new(1));
        let permit = capacity.permits().try_acquire().ok().unwrap();
        Seat::new(capacity, permit)
    }

    fn free(seat: &Seat) -> usize {
        seat.capacity.permits().available()
    }

    #[test]
    fn a_seat_that_is_taken_away_gives_its_permit_back_and_takes_no_other() {
        let seat = seat();
        assert_eq!(free(&seat), 0);
        let revoked = seat.revoke_if(|stage| stage == Stage::Waiting).unwrap();
        assert_eq!((revoked.stage, revoked.attempts), (Stage::Waiting, [None; 2]));
        assert_eq!(free(&seat), 1);
        let permit = seat.capacity.permits().try_acquire().ok().unwrap();
        assert!(seat.fill(permit).is_err());
        assert!(seat.go_on_to(Stage::Sent).is_err());
        assert!(seat.revoke_if(|_| true).is_none(), "a seat is taken away once");
    }

    #[test]
    fn what_is_past_waiting_is_not_taken_for_waiting() {
        let seat = seat();
        for stage in [Stage::Applying, Stage::Sent, Stage::Answering] {
            seat.go_on_to(stage).unwrap();
            assert!(seat.revoke_if(|stage| stage == Stage::Waiting).is_none());
        }
        assert!(!seat.is_revoked() && seat.has_permit());
    }

    #[test]
    fn a_permit_that_is_released_comes_back_once() {
        let seat = seat();
        seat.release();
        seat.release();
        let capacity = Arc::clone(&seat.capacity);
        drop(seat);
        assert_eq!(capacity.permits().available(), 1);
    }

    #[test]
    fn each_of_two_attempts_ends_once_and_gives_one_permit_back() {
        let capacity = Arc::new(Capacity::new(2));
        let permit = || capacity.permits().try_acquire().ok();
        let seat = Seat::new(Arc::clone(&capacity), permit().unwrap());
        let (now, attempt) = (Instant::now(), |number| Attempt::new(7, number, 0));
        let first = seat.begin(now, None, || attempt(1)).unwrap();
        let second = seat.begin(now, permit(), || attempt(2)).unwrap();
        assert_eq!(free(&seat), 0);
        assert!(seat.end(first) && !seat.end(first));
        assert_eq!((free(&seat), seat.has_permit()), (1, true));
        assert!(seat.end(second));
        assert_eq!((free(&seat), seat.has_permit()), (2, false));
    }

    #[test]
    fn the_end_of_an_attempt_goes_with_the_seat() {
        let capacity = Arc::new(Capacity::new(2));
        let permit = || capacity.permits().try_acquire().ok();
        let seat = Seat::new(Arc::clone(&capacity), permit().unwrap());
        let now = Instant::now();
        let first = seat.begin(now, None, || Attempt::new(7, 1, 0)).unwrap();
        let second = seat.begin(now, permit(), || Attempt::new(7, 2, 0)).unwrap();
        let revoked = seat.revoke_if(|stage| stage == Stage::Sent).unwrap();
        assert_eq!(revoked.attempts, [Some((first, now)), Some((second, now))]);
        assert!(!seat.end(first) && !seat.end(second));
        assert!(seat.begin(now, None, || unreachable!()).is_err());
        assert_eq!(free(&seat), 2);
    }
}
