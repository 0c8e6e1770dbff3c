//! A heartbeat that a thread updates and others read. Knows nothing of who updates it and who reads
//! it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How often an actor with a thread of its own updates its heartbeat.
pub(crate) const BEAT_EVERY: Duration = Duration::from_millis(100);

/// When a thread was last seen to work.
pub(crate) struct Heartbeat {
    origin: Instant,
    last_nanos: AtomicU64,
}

impl Heartbeat {
    /// A heartbeat that beat at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, last_nanos: AtomicU64::new(0) }
    }

    pub(crate) fn beat(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        self.last_nanos.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.origin + Duration::from_nanos(self.last_nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_beat_counts_and_time_does_not_run_back() {
        let start = Instant::now();
        let heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.last(), start);
        heartbeat.beat(start + BEAT_EVERY * 2);
        heartbeat.beat(start + BEAT_EVERY);
        assert_eq!(heartbeat.last(), start + BEAT_EVERY * 2);
    }
}
