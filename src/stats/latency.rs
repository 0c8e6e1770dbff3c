//! How long attempts take: mean, running average and percentiles.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;

use super::average::Average;

/// The longest latency that is told apart, in µs: what 32 bits hold, 71 minutes.
const LONGEST: u64 = u32::MAX as u64;
/// Significant decimal digits of a percentile.
const DIGITS: u8 = 3;

/// How long attempts took, from the start of writing to the end of the body.
///
/// Waits for a queue, a rate permit, a token or a back-off are not part of it,
/// and attempts without a complete answer are not counted. Percentiles have
/// three significant digits and end at 71 minutes. A value that counted anything
/// holds about 190 KiB, whatever the number of attempts.
#[derive(Clone, Default)]
pub struct Latency {
    /// Made at the first sample.
    histogram: Option<Histogram<u64>>,
    count: u64,
    total_micros: u64,
    average: Average,
}

impl Latency {
    pub(crate) fn record(&mut self, micros: u32) {
        self.count += 1;
        self.total_micros = self.total_micros.saturating_add(micros.into());
        self.average.observe(micros);
        if self.histogram.is_none() {
            self.histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros.into());
        }
    }

    /// What was recorded since `earlier`. The running average stays as it is.
    pub(crate) fn difference(&self, earlier: &Self) -> Self {
        let mut part = self.clone();
        part.count = self.count.saturating_sub(earlier.count);
        part.total_micros = self.total_micros.saturating_sub(earlier.total_micros);
        if let (Some(histogram), Some(before)) = (&mut part.histogram, &earlier.histogram)
            && histogram.subtract(before).is_err()
        {
            // Not an earlier state of this one.
            histogram.reset();
        }
        part
    }

    /// Each length that was recorded, to three digits, and how often.
    #[cfg(feature = "metrics")]
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Duration, u64)> {
        let recorded = self.histogram.iter().flat_map(|all| all.iter_recorded());
        recorded
            .map(|value| (Duration::from_micros(value.value_iterated_to()), value.count_at_value()))
    }

    /// How many attempts were measured. Moves with every answered attempt.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of all that was measured; zero before the first.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.total_micros.checked_div(self.count).unwrap_or_default())
    }

    /// The running average: every attempt moves it by 2 % of the difference, so
    /// that it shows the latest hundred or so; zero before the first.
    #[must_use]
    pub fn average(&self) -> Duration {
        // Not negative and within the samples, which are microseconds in 32 bits.
        Duration::from_micros(self.average.value().unwrap_or_default() as u64)
    }

    /// The latency that a share of the attempts did not exceed: `0.5` is the
    /// median, `0.99` the 99th percentile, `1.0` the longest. Shares outside
    /// `[0, 1]` count as the nearer end; zero before the first attempt.
    ///
    /// ```
    /// # let stats = vantage_api_pool::Stats::default();
    /// let p99 = stats.latency.percentile(0.99);
    /// assert!(p99 >= stats.latency.percentile(0.5));
    /// ```
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let share = share.clamp(0.0, 1.0);
        let micros = self.histogram.as_ref().map_or(0, |all| all.value_at_quantile(share));
        Duration::from_micros(micros)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mean {:.1?}, p50 {:.1?}, p99 {:.1?}",
            self.mean(),
            self.percentile(0.5),
            self.percentile(0.99)
        )
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("count", &self.count)
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

    fn of(samples: &[u32]) -> Latency {
        let mut latency = Latency::default();
        samples.iter().for_each(|&micros| latency.record(micros));
        latency
    }

    #[test]
    fn is_zero_before_the_first_sample() {
        let latency = Latency::default();
        assert_eq!(latency.count(), 0);
        for value in [latency.mean(), latency.average(), latency.percentile(0.5)] {
            assert_eq!(value, Duration::ZERO);
        }
    }

    #[test]
    fn the_longest_sample_is_in_range() {
        let longest = of(&[u32::MAX]).percentile(1.0).as_micros();
        assert_eq!(longest, u128::from(LONGEST));
    }

    #[test]
    fn a_share_outside_the_range_is_its_nearer_end() {
        let latency = of(&[1_000, 2_000, 3_000]);
        assert_eq!(latency.percentile(7.0), latency.percentile(1.0));
        assert_eq!(latency.percentile(-7.0), latency.percentile(0.0));
        assert!(latency.percentile(f64::NAN) <= latency.percentile(1.0));
    }

    #[test]
    fn an_interval_holds_what_came_since() {
        let earlier = of(&[1_000; 10]);
        let mut later = earlier.clone();
        (0..5).for_each(|_| later.record(9_000));
        let part = later.difference(&earlier);
        assert_eq!((part.count(), part.mean()), (5, Duration::from_millis(9)));
        assert!(part.percentile(0.0) >= Duration::from_micros(8_990));
        assert_eq!(earlier.difference(&later).count(), 0);
    }

    proptest! {
        #[test]
        fn a_percentile_is_right_to_three_digits(
            mut samples in prop::collection::vec(1..1_000_000_000u32, 1..300),
            share in 0.0..=1.0f64,
        ) {
            let latency = of(&samples);
            samples.sort_unstable();
            let rank = (share * samples.len() as f64).ceil().max(1.0) as usize;
            let exact = f64::from(samples[rank - 1]);
            let told = latency.percentile(share).as_micros() as f64;
            prop_assert!((told - exact).abs() <= exact / 1_000.0 + 1.0, "{told} for {exact}");
        }
    }
}
