//! How a call comes by a permit: at once, in its turn by priority, or not at all. A
//! call that waits says until when it does, so that whoever looks after the job table
//! can answer it; no timer of the caller's runtime is used.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Call, Tally};
use crate::{
    error::{Error, ErrorKind},
    seats::{NoPermit, Permit, Permits},
    stats::WaitCause,
};

/// How long a call waits for a connection at a time.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// `None` is as long as the call may take; zero is not at all.
    limit: Option<Duration>,
    /// The end of the wait that is under way.
    until: Mutex<Option<Instant>>,
}

impl Patience {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, until: Mutex::default() }
    }

    /// Whether the call waits at the moment and should have stopped before `now`.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| until < now)
    }

    /// Notes that a wait begins, until the answer is dropped.
    fn begin(&self) -> Waiting<'_> {
        let until = self.limit.and_then(|limit| Instant::now().checked_add(limit));
        *self.until() = until;
        Waiting(self, until)
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait and its end. The call may wait anew by the time that it is dropped, on another worker.
struct Waiting<'a>(&'a Patience, Option<Instant>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.until().take_if(|until| Some(*until) == self.1);
    }
}

/// A permit for `call`, at once if one is free and nobody waits for it.
///
/// # Errors
/// [`ErrorKind::Exhausted`] at once when none is free and the call does not wait;
/// [`ErrorKind::ShuttingDown`] when there are no more permits. That a wait took too long is
/// found out by others, see [`Patience::is_over`].
pub(crate) async fn permit(
    permits: &Arc<Permits>,
    call: &Call,
    tally: &Tally,
) -> Result<Permit, Error> {
    match permits.try_acquire() {
        Ok(permit) => return Ok(permit),
        Err(NoPermit::Closed) => return Err(Error::shutting_down()),
        Err(NoPermit::Busy) => {}
    }
    if call.patience.limit == Some(Duration::ZERO) {
        let what = "every connection of the pool is in use";
        return Err(Error::new(ErrorKind::Exhausted, what));
    }
    let _waiting = (call.patience.begin(), tally.waiting(WaitCause::Queue));
    permits.acquire(call.priority).await.map_err(|_| Error::shutting_down())
}

/// Why a call whose [`Patience`] is over ends.
pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::Exhausted, "no connection was free within queue_timeout")
}
