//! An average that follows what it measures. Pure.

/// The weight of the newest sample: half of the average comes from the latest
/// 34 samples, nine tenths from the latest 114.
const WEIGHT: f64 = 0.02;

/// An exponentially weighted moving average that starts at its first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Average(Option<f64>);

impl Average {
    pub(crate) fn observe(&mut self, sample: u32) {
        let sample = f64::from(sample);
        self.0 = Some(match self.0 {
            Some(average) => average + WEIGHT * (sample - average),
            None => sample,
        });
    }

    /// `None` before the first sample.
    pub(crate) fn value(self) -> Option<f64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: impl IntoIterator<Item = u32>) -> Option<f64> {
        let mut average = Average::default();
        samples.into_iter().for_each(|sample| average.observe(sample));
        average.value()
    }

    #[test]
    fn starts_at_the_first_sample() {
        assert_eq!(of([]), None);
        assert_eq!(of([700]), Some(700.0));
    }

    #[test]
    fn follows_a_step_by_half_within_34_samples_and_by_nine_tenths_within_114() {
        let after = |n| of([0].into_iter().chain(std::iter::repeat_n(1_000, n))).unwrap();
        assert!((490.0..510.0).contains(&after(34)));
        assert!((895.0..905.0).contains(&after(114)));
    }

    proptest! {
        #[test]
        fn stays_between_the_least_and_the_greatest_sample(
            samples in prop::collection::vec(any::<u32>(), 1..200)
        ) {
            let average = of(samples.iter().copied()).unwrap();
            let least = f64::from(*samples.iter().min().unwrap());
            let greatest = f64::from(*samples.iter().max().unwrap());
            prop_assert!((least - 1e-3..=greatest + 1e-3).contains(&average));
        }
    }
}
