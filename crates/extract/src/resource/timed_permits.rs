//! The permits of a pool with the time limits of those who wait for one: they have one deadline
//! together, the earliest.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Instant,
};

use vantage_api_pool::pooling::Semaphore;

use super::deadlines::Deadline;

pub(super) struct TimedPermits {
    pub(super) semaphore: Semaphore,
    /// When waits are ended next.
    next: Mutex<Option<(Instant, Deadline)>>,
}

impl TimedPermits {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { semaphore: Semaphore::new(size), next: Mutex::default() })
    }

    fn next(&self) -> MutexGuard<'_, Option<(Instant, Deadline)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends waits that are too long at `until`, if not earlier.
    pub(super) fn expire_at(self: &Arc<Self>, until: Instant) {
        let mut next = self.next();
        if next.as_ref().is_some_and(|(earlier, _)| *earlier <= until) {
            return;
        }
        let mut deadline = Deadline::new(Some(until));
        // Over before it began, or without a thread that would end it.
        let is_over = deadline.is_over(&Waker::from(Arc::clone(self)), Instant::now);
        let former = if is_over { next.take() } else { next.replace((until, deadline)) };
        drop(next);
        drop(former);
        if is_over {
            self.expire(until.max(Instant::now()));
        }
    }

    fn expire(self: &Arc<Self>, now: Instant) {
        if let Some(next) = self.semaphore.expire(now) {
            self.expire_at(next);
        }
    }

    /// Forgets the deadline.
    pub(super) fn stop(&self) {
        let former = mem::take(&mut *self.next());
        drop(former);
    }
}

impl Wake for TimedPermits {
    fn wake(self: Arc<Self>) {
        // It may be a later one than the one that is over. Then it is set again.
        self.stop();
        self.expire(Instant::now());
    }
}
