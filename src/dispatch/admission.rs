//! How a call comes by a permit: at once, in its turn by priority, or not at all. A
//! call that waits says until when it does, so that whoever looks after the job table
//! can answer it; no timer of the caller's runtime is used.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
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
pub(crate) struct QueueTimeout {
    /// `None` is as long as the call may take; zero is not at all.
    limit: Option<Duration>,
    /// The end of the wait that is under way.
    until: Mutex<Option<Instant>>,
    /// Where the end of each wait is noted, and the call's place in the job table.
    ends: OnceLock<(Arc<Ends>, usize)>,
}

/// When the waits for a connection end at the latest that are under way, in order.
#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The moment, a number of the wait's own, and the call's place in the job table.
    ends: BTreeSet<(Instant, u64, usize)>,
    waits: u64,
}

impl Ends {
    /// The places of calls of which a wait was to end before `now`, each wait once.
    pub(super) fn before(&self, now: Instant) -> Vec<usize> {
        let mut noted = self.noted();
        if noted.ends.first().is_none_or(|(end, ..)| *end >= now) {
            return Vec::new();
        }
        let later = noted.ends.split_off(&(now, 0, 0));
        mem::replace(&mut noted.ends, later).into_iter().map(|(.., key)| key).collect()
    }

    fn note(&self, end: Instant, key: usize) -> (Instant, u64, usize) {
        let mut noted = self.noted();
        noted.waits += 1;
        let end = (end, noted.waits, key);
        noted.ends.insert(end);
        end
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueTimeout {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, until: Mutex::default(), ends: OnceLock::new() }
    }

    /// Has the ends of waits noted in `ends` for the call at place `key` of the job table.
    pub(super) fn enrol(&self, ends: &Arc<Ends>, key: usize) {
        if self.limit.is_some_and(|limit| !limit.is_zero()) {
            let _ = self.ends.set((Arc::clone(ends), key));
        }
    }

    /// Whether the call waits at the moment and should have stopped before `now`.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| until < now)
    }

    /// Notes that a wait begins, until the answer is dropped.
    fn begin(&self) -> Waiting<'_> {
        let until = self.limit.and_then(|limit| Instant::now().checked_add(limit));
        *self.until() = until;
        let noted = until.zip(self.ends.get()).map(|(until, (ends, key))| ends.note(until, *key));
        Waiting { queue_timeout: self, until, noted }
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait and its end. The call may wait anew by the time that it is dropped, on another worker.
struct Waiting<'a> {
    queue_timeout: &'a QueueTimeout,
    until: Option<Instant>,
    noted: Option<(Instant, u64, usize)>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue_timeout.until().take_if(|until| Some(*until) == self.until);
        if let (Some(noted), Some((ends, _))) = (self.noted, self.queue_timeout.ends.get()) {
            ends.noted().ends.remove(&noted);
        }
    }
}

/// A permit for `call`, at once if one is free and nobody waits for it.
///
/// # Errors
/// [`ErrorKind::PoolTimeout`] at once when none is free and the call does not wait;
/// [`ErrorKind::ShuttingDown`] when there are no more permits. That a wait took too long is
/// found out by others, see [`QueueTimeout::is_over`].
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
    if call.queue_timeout.limit == Some(Duration::ZERO) {
        let what = "every connection of the pool is in use";
        return Err(Error::new(ErrorKind::PoolTimeout, what));
    }
    let _waiting = (call.queue_timeout.begin(), tally.waiting(WaitCause::Queue));
    permits.acquire(call.priority).await.map_err(|_| Error::shutting_down())
}

/// Why a call whose [`QueueTimeout`] is over ends.
pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::PoolTimeout, "no connection was free within queue_timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_30_a_wait_is_looked_at_once_and_not_before_its_end_nor_after_it_is_over() {
        let ends = Arc::new(Ends::default());
        let queue_timeout = |seconds| {
            let queue_timeout = QueueTimeout::new(Some(Duration::from_secs(seconds)));
            queue_timeout.enrol(&ends, seconds as usize);
            queue_timeout
        };
        let (short, long, never) = (queue_timeout(10), queue_timeout(20), queue_timeout(0));
        let now = Instant::now();
        let waits = [short.begin(), long.begin(), long.begin(), never.begin()];
        let after = |seconds| ends.before(now + Duration::from_secs(seconds));
        assert!(after(5).is_empty());
        assert_eq!((after(15), after(15)), (vec![10], vec![]));
        let [first, second, third, fourth] = waits;
        drop((first, second, fourth));
        assert_eq!((after(25), after(25)), (vec![20], vec![]));
        drop(third);
        drop(short.begin());
        assert!(after(99).is_empty() && ends.noted().ends.is_empty());
    }
}
