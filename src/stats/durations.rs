//! [pure] How long things took, in little room.

use std::{fmt, time::Duration};

/// How long things took: how many there were, their sum, and percentiles that are at most a
/// quarter too long.
///
/// The longest that is told apart is 71 minutes. A value takes at most 1 KiB, whatever it
/// counted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    total_micros: u64,
    /// Four to each doubling. As long as it has to be.
    buckets: Vec<u64>,
}

impl Durations {
    pub(crate) fn record(&mut self, duration: Duration) {
        self.record_micros(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn record_micros(&mut self, micros: u32) {
        self.count += 1;
        self.total_micros = self.total_micros.saturating_add(micros.into());
        let bucket = bucket_of(micros);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
    }

    /// Forgets half of what was recorded, of each length alike.
    pub(crate) fn fade(&mut self) {
        self.buckets.iter_mut().for_each(|count| *count /= 2);
        self.count = self.buckets.iter().sum();
        self.total_micros /= 2;
    }

    /// What was recorded since `earlier`.
    pub(crate) fn difference(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().chain(std::iter::repeat(&0));
        let buckets = self.buckets.iter().zip(before);
        Self {
            count: self.count.saturating_sub(earlier.count),
            total_micros: self.total_micros.saturating_sub(earlier.total_micros),
            buckets: buckets.map(|(now, before)| now.saturating_sub(*before)).collect(),
        }
    }

    /// Each length that was recorded, to within a quarter, and how often.
    #[cfg(feature = "metrics")]
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Duration, u64)> {
        let all = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        all.map(|(bucket, count)| (Duration::from_micros(longest_in(bucket)), *count))
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long all of them took together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total_micros)
    }

    /// Their mean; zero where there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.total_micros.checked_div(self.count).unwrap_or_default())
    }

    /// What a share of them did not exceed: `0.5` is the median, `1.0` the longest. Shares
    /// outside `[0, 1]` count as the nearer end; zero where there is none.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        let bucket = self.buckets.iter().position(|count| {
            passed += count;
            passed >= wanted
        });
        bucket.map_or(Duration::ZERO, |bucket| Duration::from_micros(longest_in(bucket)))
    }
}

fn bucket_of(micros: u32) -> usize {
    let Some(octave @ 2..) = micros.checked_ilog2() else { return micros as usize };
    let quarter = (micros >> (octave - 2)) & 3;
    ((octave - 1) * 4 + quarter) as usize
}

fn longest_in(bucket: usize) -> u64 {
    let Some(doublings) = (bucket / 4).checked_sub(1) else { return bucket as u64 };
    (((bucket % 4 + 5) as u64) << doublings) - 1
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations")
            .field("count", &self.count)
            .field("total", &self.total())
            .field("p50", &self.percentile(0.5))
            .field("p99", &self.percentile(0.99))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[u32]) -> Durations {
        let mut durations = Durations::default();
        samples.iter().for_each(|&micros| durations.record_micros(micros));
        durations
    }

    #[test]
    fn is_zero_before_the_first() {
        let none = Durations::default();
        assert_eq!((none.count(), none.total()), (0, Duration::ZERO));
        assert_eq!((none.mean(), none.percentile(0.5)), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn every_length_is_in_a_bucket_that_ends_at_most_a_quarter_above_it() {
        for micros in (0..100_000).chain([u32::MAX / 3, u32::MAX - 1, u32::MAX]) {
            let end = longest_in(bucket_of(micros));
            let micros = u64::from(micros);
            assert!(end >= micros && end <= micros + micros / 4, "{micros} ends at {end}");
        }
        assert!(of(&[u32::MAX]).buckets.len() * size_of::<u64>() <= 1_024);
    }

    #[test]
    fn half_is_forgotten() {
        let mut durations = of(&[100; 10]);
        durations.record_micros(1_000_000);
        durations.fade();
        assert_eq!((durations.count(), durations.mean()), (5, Duration::from_micros(100_100)));
        assert!(durations.percentile(1.0) < Duration::from_micros(125));
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_a_quarter_too_long(
            mut samples in prop::collection::vec(0..50_000_000u32, 1..300),
            share in 0.0..=1.0f64,
        ) {
            let durations = of(&samples);
            samples.sort_unstable();
            let rank = (share * samples.len() as f64).ceil().max(1.0) as usize;
            let exact = u64::from(samples[rank - 1]);
            let told = durations.percentile(share).as_micros() as u64;
            prop_assert!(told >= exact && told <= exact + exact / 4);
        }

        #[test]
        fn an_interval_holds_what_came_since(
            before in prop::collection::vec(any::<u32>(), 0..50),
            after in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let interval = of(&[before.clone(), after.clone()].concat()).difference(&of(&before));
            let alone = of(&after);
            prop_assert_eq!((interval.count, interval.total_micros), (alone.count, alone.total_micros));
            for share in [0.0, 0.3, 0.9, 1.0] {
                prop_assert_eq!(interval.percentile(share), alone.percentile(share));
            }
        }
    }
}
