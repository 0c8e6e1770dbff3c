//! The hold that an API asked for: a moment before which no worker sends. Shared
//! by all workers, so that what one of them hears stops the others at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A moment that only moves forward.
pub(crate) struct Hold {
    origin: Instant,
    until_nanos: AtomicU64,
}

impl Hold {
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, until_nanos: AtomicU64::new(0) }
    }

    /// Holds everything for `wait` from `now`, unless it is held for longer already.
    /// Returns whether it is held for longer by that.
    pub(crate) fn extend(&self, now: Instant, wait: Duration) -> bool {
        let until = nanos(now.saturating_duration_since(self.origin).saturating_add(wait));
        self.until_nanos.fetch_max(until, Ordering::Release) < until && !wait.is_zero()
    }

    /// How much of the hold is left at `now`; `None` when there is none.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        let until = self.until_nanos.load(Ordering::Acquire);
        let now = nanos(now.saturating_duration_since(self.origin));
        (until > now).then(|| Duration::from_nanos(until - now))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_by_itself_and_a_shorter_one_does_not_cut_it() {
        let start = Instant::now();
        let hold = Hold::new(start);
        assert_eq!(hold.remaining(start), None);
        assert!(hold.extend(start, Duration::from_secs(10)));
        assert!(!hold.extend(start, Duration::from_secs(2)));
        assert_eq!(hold.remaining(start + Duration::from_secs(4)), Some(Duration::from_secs(6)));
        assert_eq!(hold.remaining(start + Duration::from_secs(10)), None);
        assert!(!hold.extend(start + Duration::from_secs(11), Duration::ZERO));
    }

    #[test]
    fn an_endless_hold_does_not_overflow() {
        let start = Instant::now();
        let hold = Hold::new(start);
        assert!(hold.extend(start, Duration::MAX));
        assert!(hold.remaining(start).is_some());
    }
}
