//! A worker's state for hedging: how long its latest attempts took, and the budget for more.

use std::time::Duration;

use crate::{
    retry::{Hedge, MOST_HEDGES_SAVED},
    stats::Durations,
};

/// From this many samples on the older ones count half.
const MOST_SAMPLES: u64 = 2_000;
/// Fewer samples are not enough for a percentile.
const FEWEST_SAMPLES: u64 = 100;

/// A worker's state for hedging.
pub(super) struct Hedging {
    /// The hedges that are saved up; one needs 1.
    pub(super) saved: f64,
    /// How long the latest attempts took, once anyone needs it.
    pace: Option<Durations>,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { saved: MOST_HEDGES_SAVED, pace: None }
    }
}

impl Hedging {
    /// Records how long attempts took, in µs.
    pub(super) fn observe(&mut self, latencies: &[u32]) {
        let Some(pace) = &mut self.pace else { return };
        latencies.iter().for_each(|&micros| pace.record_micros(micros));
        if pace.count() > MOST_SAMPLES {
            pace.fade();
        }
    }

    /// After how long an attempt is hedged, if that is known.
    pub(super) fn delay(&mut self, hedge: &Hedge) -> Option<Duration> {
        self.saved = hedge.saved_with(self.saved);
        hedge.after.or_else(|| {
            let percentile = hedge.at_percentile?;
            let pace = self.pace.get_or_insert_default();
            (pace.count() >= FEWEST_SAMPLES).then(|| pace.percentile(percentile))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_known_after_enough_samples_and_follows_the_latest() {
        let mut hedging = Hedging::default();
        let hedge = Hedge::at_percentile(0.9);
        assert_eq!(hedging.delay(&hedge), None);
        hedging.observe(&[1_000; 99]);
        assert_eq!(hedging.delay(&hedge), None);
        hedging.observe(&[1_000; 99]);
        let delay = hedging.delay(&hedge).unwrap();
        assert!(delay >= Duration::from_millis(1) && delay <= Duration::from_micros(1_250));
        (0..5).for_each(|_| hedging.observe(&[50_000; 1_000]));
        assert!(hedging.delay(&hedge).unwrap() >= Duration::from_millis(50));
        let after = Hedge::after(Duration::from_secs(3));
        assert_eq!(hedging.delay(&after), Some(Duration::from_secs(3)));
    }
}
