//! Values that come due at given times. The supervisor polls them every few milliseconds, since
//! callers wait on runtimes that may have no timer. Knows nothing of what comes due.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::lock::lock;

/// The end of a wait that begins at `now`. A time beyond the clock's range never comes.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(u32::MAX.into()))
}

/// Values that come due, each at its time.
pub(crate) struct Timers<T>(Mutex<Pending<T>>);

struct Pending<T> {
    values: BTreeMap<(Instant, u64), T>,
    /// Tells apart values that are due at the same time.
    next: u64,
    is_closed: bool,
}

/// Removes a value when it is dropped, unless the value came due before.
#[must_use]
pub(crate) struct Timer<'a, T> {
    timers: &'a Timers<T>,
    key: (Instant, u64),
}

impl<T> Timers<T> {
    /// Makes `value` due after `wait`; `None` once the timers are closed.
    pub(crate) fn start(&self, wait: Duration, value: T) -> Option<Timer<'_, T>> {
        let at = after(Instant::now(), wait);
        let mut pending = self.pending();
        if pending.is_closed {
            return None;
        }
        pending.next += 1;
        let key = (at, pending.next);
        pending.values.insert(key, value);
        Some(Timer { timers: self, key })
    }

    /// Removes and returns what is due by `now`, in order.
    pub(crate) fn due(&self, now: Instant) -> impl Iterator<Item = T> + use<T> {
        let mut pending = self.pending();
        let is_due = pending.values.first_key_value().is_some_and(|((at, _), _)| *at <= now);
        let later =
            if is_due { pending.values.split_off(&(now, u64::MAX)) } else { BTreeMap::new() };
        let due = if is_due { mem::replace(&mut pending.values, later) } else { later };
        due.into_values()
    }

    /// Drops everything that is not due yet.
    pub(crate) fn clear(&self) {
        let values = mem::take(&mut self.pending().values);
        drop(values);
    }

    /// As [`clear`](Self::clear), and accepts nothing from here on.
    pub(crate) fn close(&self) {
        self.pending().is_closed = true;
        self.clear();
    }

    fn pending(&self) -> MutexGuard<'_, Pending<T>> {
        lock(&self.0)
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self(Mutex::new(Pending { values: BTreeMap::new(), next: 0, is_closed: false }))
    }
}

impl<T> Drop for Timer<'_, T> {
    fn drop(&mut self) {
        let value = self.timers.pending().values.remove(&self.key);
        // Dropping it may run a user's code, so the lock is not held.
        drop(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_30_what_is_due_comes_once_and_in_order_and_what_was_dropped_never() {
        let timers = Timers::default();
        let seconds = Duration::from_secs;
        let _late = timers.start(seconds(20), 20).unwrap();
        let _soon = timers.start(seconds(10), 10).unwrap();
        drop(timers.start(seconds(5), 5));
        let now = Instant::now();
        assert_eq!(timers.due(now).next(), None);
        assert_eq!(timers.due(now + seconds(60)).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(timers.due(now + seconds(60)).next(), None);
    }

    #[test]
    fn closed_timers_are_empty_and_take_nothing() {
        let timers = Timers::default();
        let kept = timers.start(Duration::ZERO, ());
        timers.close();
        assert!(kept.is_some() && timers.start(Duration::ZERO, ()).is_none());
        assert_eq!(timers.due(Instant::now() + Duration::from_secs(1)).count(), 0);
    }
}
