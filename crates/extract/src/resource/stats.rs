//! The counters of a pool.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::events::DiscardReason;

/// What a pool has done since it was built, and what it does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// The maximum.
    pub max: usize,
    /// Resources that exist.
    pub size: usize,
    /// Resources that are not in use.
    pub idle: usize,
    /// Resources that are in use, or are being reset.
    pub in_use: usize,
    /// Calls that wait.
    pub waiting: usize,
    /// Resources that were made.
    pub created: u64,
    /// Attempts to make one that failed.
    pub create_failures: u64,
    /// Resources that were handed out.
    pub checkouts: u64,
    /// Calls that got none.
    pub refused: u64,
    /// Resources that were discarded because they were not healthy.
    pub unhealthy: u64,
    /// Resources that were discarded because they could not be reset.
    pub reset_failures: u64,
    /// Resources that were discarded for any reason.
    pub discarded: u64,
    /// How long a call waited on the average, with those that got none.
    pub average_wait: Duration,
    /// How long it took to make a resource on the average.
    pub average_creation: Duration,
}

/// How many waits there were by their duration: the number of bits of their microseconds.
const BUCKETS: usize = 40;

#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) created: AtomicU64,
    pub(crate) create_failures: AtomicU64,
    pub(crate) checkouts: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unhealthy: AtomicU64,
    pub(crate) reset_failures: AtomicU64,
    pub(crate) discarded: AtomicU64,
    /// In microseconds, of all waits and of all that was made.
    waited_in_all: AtomicU64,
    made_in_all: AtomicU64,
    waits: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            created: AtomicU64::default(),
            create_failures: AtomicU64::default(),
            checkouts: AtomicU64::default(),
            refused: AtomicU64::default(),
            unhealthy: AtomicU64::default(),
            reset_failures: AtomicU64::default(),
            discarded: AtomicU64::default(),
            waited_in_all: AtomicU64::default(),
            made_in_all: AtomicU64::default(),
            waits: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Counters {
    pub(crate) fn waited(&self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.waited_in_all.fetch_add(micros, Relaxed);
        let bits = (u64::BITS - micros.leading_zeros()) as usize;
        if let Some(bucket) = self.waits.get(bits.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn made_in(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.made_in_all.fetch_add(micros, Relaxed);
    }

    /// All calls, with a resource or without.
    fn calls(&self) -> u64 {
        self.checkouts.load(Relaxed) + self.refused.load(Relaxed)
    }

    /// The wait of a call on the average.
    pub(crate) fn average_wait(&self) -> Duration {
        average(&self.waited_in_all, self.calls())
    }

    /// How long it took to make one on the average.
    pub(crate) fn average_creation(&self) -> Duration {
        average(&self.made_in_all, self.created.load(Relaxed))
    }

    pub(crate) fn discarded(&self, why: DiscardReason) {
        self.discarded.fetch_add(1, Relaxed);
        match why {
            DiscardReason::Unhealthy => self.unhealthy.fetch_add(1, Relaxed),
            DiscardReason::ResetFailed => self.reset_failures.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    /// An upper bound, within a factor of two, of 99 of 100 waits. Those that did not wait count
    /// as well.
    pub(crate) fn wait_p99(&self) -> Duration {
        let waits: Vec<u64> = self.waits.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let waited: u64 = waits.iter().sum();
        let all = self.calls().max(waited);
        // How many may be longer.
        let mut left = all / 100;
        for (bits, count) in waits.iter().enumerate().rev() {
            match left.checked_sub(*count) {
                Some(fewer) => left = fewer,
                None => return Duration::from_micros(1 << bits),
            }
        }
        Duration::ZERO
    }
}

fn average(micros: &AtomicU64, of: u64) -> Duration {
    Duration::from_micros(micros.load(Relaxed) / of.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_of_nearly_all_is_bounded() {
        let counters = Counters::default();
        assert_eq!(counters.wait_p99(), Duration::ZERO);
        counters.checkouts.store(1_000, Relaxed);
        (0..10).for_each(|_| counters.waited(Duration::from_secs(1)));
        assert_eq!(counters.wait_p99(), Duration::ZERO);
        (0..10).for_each(|_| counters.waited(Duration::from_micros(100)));
        assert_eq!(counters.wait_p99(), Duration::from_micros(128));
    }

    #[test]
    fn the_wait_of_a_call_that_got_none_is_that_of_a_call() {
        let counters = Counters::default();
        counters.checkouts.store(1, Relaxed);
        counters.refused.store(3, Relaxed);
        (0..3).for_each(|_| counters.waited(Duration::from_secs(4)));
        assert_eq!(counters.average_wait(), Duration::from_secs(3));
        counters.refused.store(999, Relaxed);
        assert_eq!(counters.wait_p99(), Duration::ZERO);
    }
}
