//! How a call gets a permit: at once, in its turn by priority, or not at all. A call that waits
//! starts a timer, which the supervisor polls; no timer of the caller's runtime is used.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::sync::TryAcquireError;

use super::{Call, SharedCounters};
use crate::{
    error::{Error, ErrorKind},
    permits::{Permit, Semaphore},
    stats::WaitCause,
    timers::Timers,
};

/// Shared by callers and workers to admit calls.
pub(crate) struct Admission {
    pub(crate) semaphore: Arc<Semaphore>,
    pub(crate) counters: SharedCounters,
    /// The calls that wait for a permit, until their queue timeout.
    waiting: Timers<Weak<Call>>,
}

impl Admission {
    /// At most `size` requests are in flight.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(size)),
            counters: SharedCounters::default(),
            waiting: Timers::default(),
        }
    }

    /// A permit for `call`, at once if one is free and nobody waits for it.
    ///
    /// # Errors
    /// [`ErrorKind::PoolTimeout`] at once if none is free and the call does not wait;
    /// [`ErrorKind::ShuttingDown`] when there are no more permits. Waits that are too long are
    /// ended by [`fail_overdue`](Self::fail_overdue).
    pub(crate) async fn permit(&self, call: &Arc<Call>) -> Result<Permit, Error> {
        match self.semaphore.try_acquire() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(Error::shutting_down()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let timeout = call.request.own_queue_timeout();
        if timeout == Some(Duration::ZERO) {
            let what = "every connection of the pool is in use";
            return Err(Error::new(ErrorKind::PoolTimeout, what));
        }
        let _timer = timeout.map(|timeout| self.waiting.start(timeout, Arc::downgrade(call)));
        let _waiting = self.counters.waiting(WaitCause::Queue);
        self.semaphore.acquire(call.priority).await.map_err(|_| Error::shutting_down())
    }

    /// Ends the calls that have waited for longer than their queue timeout at `now`.
    pub(super) fn fail_overdue(&self, now: Instant) {
        for call in self.waiting.due(now).filter_map(|call| call.upgrade()) {
            let what = "no connection was free within queue_timeout";
            call.fail(Error::new(ErrorKind::PoolTimeout, what));
        }
    }
}
