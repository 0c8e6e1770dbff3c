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
};

use futures::task::AtomicWaker;

use super::{Capacity, Permit, Permits};
use crate::error::{Error, ErrorKind};

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
}

impl Seat {
    pub(crate) fn new(capacity: Arc<Capacity>, permit: Permit) -> Self {
        Self {
            capacity,
            worker: AtomicU64::new(0),
            state: Mutex::new(State { stage: Some(Stage::Waiting), permit: Some(permit) }),
            is_revoked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
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
            None => Err(Error::new(ErrorKind::WorkerCrashed, "the call went to another worker")),
        }
    }

    /// Takes the seat away if its stage is one that `may` be: its permit comes back,
    /// and its worker can neither send for the call nor answer it.
    pub(crate) fn revoke_if(&self, may: impl FnOnce(Stage) -> bool) -> Option<Stage> {
        let mut state = self.state();
        let stage = state.stage.take_if(|stage| may(*stage))?;
        let permit = state.permit.take();
        self.is_revoked.store(true, Ordering::Release);
        drop(state);
        self.give_back(permit);
        self.waker.wake();
        Some(stage)
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
        assert_eq!(seat.revoke_if(|stage| stage == Stage::Waiting), Some(Stage::Waiting));
        assert_eq!(free(&seat), 1);
        let permit = seat.capacity.permits().try_acquire().ok().unwrap();
        assert!(seat.fill(permit).is_err());
        assert!(seat.go_on_to(Stage::Sent).is_err());
        assert_eq!(seat.revoke_if(|_| true), None, "a seat is taken away once");
    }

    #[test]
    fn what_is_past_waiting_is_not_taken_for_waiting() {
        let seat = seat();
        for stage in [Stage::Applying, Stage::Sent, Stage::Answering] {
            seat.go_on_to(stage).unwrap();
            assert_eq!(seat.revoke_if(|stage| stage == Stage::Waiting), None);
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
}
