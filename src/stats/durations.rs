//! [pure] Durations in a compact histogram.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The weight of the newest sample in the running average.
const WEIGHT: f64 = 0.02;

/// Durations: their number, mean, running average, and percentiles.
///
/// The percentiles of [`Stats::latency`](super::Stats::latency) have three significant digits,
/// all others are at most an eighth too long. The longest time that is distinguished is 71
/// minutes. The memory of a value depends on its longest time only, not on how many were
/// recorded: at most 190 KiB with three digits, and 4 KiB otherwise.
#[derive(Clone, Default, PartialEq)]
pub struct Durations {
    /// Allocated with the first sample.
    histogram: Option<Histogram<u64>>,
    total_micros: u64,
    average: Option<f64>,
}

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Durations", 7)?;
        map.serialize_field("count", &self.count())?;
        map.serialize_field("total", &self.total().as_secs_f64())?;
        map.serialize_field("mean", &self.mean().as_secs_f64())?;
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            map.serialize_field(name, &self.percentile(share).as_secs_f64())?;
        }
        map.end()
    }
}

/// A time as a number of seconds.
pub(super) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Durations {
    pub(crate) fn record(&mut self, duration: Duration) {
        self.record_micros(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn record_micros(&mut self, micros: u32) {
        self.record_with(1, micros);
    }

    /// As [`record_micros`](Self::record_micros), but to three digits if it was used from the
    /// start.
    pub(crate) fn record_exactly(&mut self, micros: u32) {
        self.record_with(3, micros);
    }

    fn record_with(&mut self, digits: u8, micros: u32) {
        if self.histogram.is_none() {
            self.histogram = Histogram::new(digits).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.auto(true);
            // It grows as needed.
            let _ = histogram.record(micros.into());
        }
        self.total_micros = self.total_micros.saturating_add(micros.into());
        let sample = f64::from(micros);
        self.average =
            Some(self.average.map_or(sample, |average| average + WEIGHT * (sample - average)));
    }

    /// Halves the counts of all recorded times.
    pub(crate) fn fade(&mut self) {
        let Some(histogram) = &mut self.histogram else { return };
        let all = histogram.clone();
        histogram.reset();
        for step in all.iter_recorded() {
            let _ = histogram.record_n(step.value_iterated_to(), step.count_at_value() / 2);
        }
        self.total_micros /= 2;
    }

    /// What was recorded since `earlier`. The running average is not changed.
    pub(crate) fn difference(&self, earlier: &Self) -> Self {
        let mut part = self.clone();
        part.total_micros = self.total_micros.saturating_sub(earlier.total_micros);
        if let (Some(histogram), Some(before)) = (&mut part.histogram, &earlier.histogram)
            && histogram.subtract(before).is_err()
        {
            // `earlier` is not an earlier state of this one.
            histogram.reset();
        }
        part
    }

    /// Each recorded time, as exact as the percentiles, and its count.
    #[cfg(feature = "metrics")]
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Duration, u64)> {
        let recorded = self.histogram.iter().flat_map(|all| all.iter_recorded());
        recorded
            .map(|step| (Duration::from_micros(step.value_iterated_to()), step.count_at_value()))
    }

    /// The number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The sum of all samples.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total_micros)
    }

    /// The mean; zero if there are no samples.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.total_micros.checked_div(self.count()).unwrap_or_default())
    }

    /// The running average: each sample moves it by 2 % of the difference, so half of it comes
    /// from the latest 34 samples and nine tenths from the latest 114; zero before the first.
    #[must_use]
    pub fn average(&self) -> Duration {
        // Not negative and within the samples, which are microseconds in 32 bits.
        Duration::from_micros(self.average.unwrap_or_default() as u64)
    }

    /// The time that this share of the samples did not exceed: `0.5` is the median, `0.99` the 99th
    /// percentile, `1.0` the longest. Shares outside `[0, 1]` are clamped; zero if there are no
    /// samples.
    ///
    /// ```
    /// # let stats = vantage_api_pool::stats::Stats::default();
    /// let p99 = stats.latency.percentile(0.99);
    /// assert!(p99 >= stats.latency.percentile(0.5));
    /// ```
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        // A share of zero would give the lower end of the shortest.
        let share = share.clamp(f64::MIN_POSITIVE, 1.0);
        let micros = self.histogram.as_ref().map_or(0, |all| all.value_at_quantile(share));
        Duration::from_micros(micros)
    }
}

impl fmt::Display for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, p50, p99) = (self.mean(), self.percentile(0.5), self.percentile(0.99));
        write!(f, "mean {mean:.1?}, p50 {p50:.1?}, p99 {p99:.1?}")
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("average", &self.average())
            .field("p50", &self.percentile(0.5))
            .field("p99", &self.percentile(0.99))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coarse(samples: &[u32]) -> Durations {
        let mut durations = Durations::default();
        samples.iter().for_each(|&micros| durations.record_micros(micros));
        durations
    }

    fn exact(samples: &[u32]) -> Durations {
        let mut durations = Durations::default();
        samples.iter().for_each(|&micros| durations.record_exactly(micros));
        durations
    }

    #[test]
    fn is_zero_before_the_first() {
        let none = Durations::default();
        assert_eq!((none.count(), none.total()), (0, Duration::ZERO));
        for value in [none.mean(), none.average(), none.percentile(0.5)] {
            assert_eq!(value, Duration::ZERO);
        }
    }

    #[test]
    fn the_longest_sample_is_in_range_and_takes_little_room() {
        let longest = exact(&[u32::MAX]);
        assert_eq!(longest.percentile(1.0).as_micros(), u128::from(u32::MAX));
        let room = |durations: &Durations| {
            durations.histogram.as_ref().unwrap().distinct_values() * size_of::<u64>()
        };
        assert!(room(&longest) <= 190 * 1_024, "{}", room(&longest));
        assert!(room(&coarse(&[u32::MAX])) <= 4 * 1_024);
    }

    #[test]
    fn a_share_outside_the_range_is_its_nearer_end() {
        let durations = exact(&[1_000, 2_000, 3_000]);
        assert_eq!(durations.percentile(7.0), durations.percentile(1.0));
        assert_eq!(durations.percentile(-7.0), durations.percentile(0.0));
        assert!(durations.percentile(f64::NAN) <= durations.percentile(1.0));
    }

    #[test]
    fn half_is_forgotten() {
        let mut durations = coarse(&[100; 10]);
        durations.record_micros(1_000_000);
        durations.fade();
        assert_eq!((durations.count(), durations.mean()), (5, Duration::from_micros(100_100)));
        assert!(durations.percentile(1.0) < Duration::from_micros(125));
    }

    #[test]
    fn what_is_no_earlier_state_leaves_nothing() {
        let earlier = exact(&[1_000; 10]);
        let later = exact(&[1_000; 15]);
        assert_eq!(
            (later.difference(&earlier).count(), earlier.difference(&later).count()),
            (5, 0)
        );
    }

    #[test]
    fn the_average_follows_a_step_by_half_within_34_samples_and_by_nine_tenths_within_114() {
        let after = |n| {
            let samples: Vec<_> = [0].into_iter().chain(std::iter::repeat_n(1_000, n)).collect();
            coarse(&samples).average().as_micros()
        };
        assert!((490..510).contains(&after(34)));
        assert!((895..905).contains(&after(114)));
    }

    proptest! {
        #[test]
        fn percentiles_are_as_exact_as_promised(
            mut samples in prop::collection::vec(0..1_000_000_000u32, 1..300),
            share in 0.0..=1.0f64,
        ) {
            let (coarse, exact) = (coarse(&samples), exact(&samples));
            samples.sort_unstable();
            let rank = (share * samples.len() as f64).ceil().max(1.0) as usize;
            let truth = u64::from(samples[rank - 1]);
            let told = coarse.percentile(share).as_micros() as u64;
            prop_assert!(told >= truth && told <= truth + truth / 8, "{told} for {truth}");
            let told = exact.percentile(share).as_micros() as u64;
            prop_assert!(told >= truth && told <= truth + truth / 1_000 + 1, "{told} for {truth}");
        }

        #[test]
        fn an_interval_holds_what_came_since(
            before in prop::collection::vec(any::<u32>(), 0..50),
            after in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let all = coarse(&[before.clone(), after.clone()].concat());
            let (interval, alone) = (all.difference(&coarse(&before)), coarse(&after));
            prop_assert_eq!((interval.count(), interval.total()), (alone.count(), alone.total()));
            for share in [0.0, 0.3, 0.9, 1.0] {
                prop_assert_eq!(interval.percentile(share), alone.percentile(share));
            }
        }

        #[test]
        fn the_average_stays_between_the_least_and_the_greatest_sample(
            samples in prop::collection::vec(any::<u32>(), 1..200)
        ) {
            let average = coarse(&samples).average().as_micros() as u64;
            let least = u64::from(*samples.iter().min().unwrap());
            let greatest = u64::from(*samples.iter().max().unwrap());
            prop_assert!((least.saturating_sub(1)..=greatest).contains(&average));
        }
    }
}
