//! A token bucket whose rate changes while it is used. Knows no clock but the `now` it is
//! given.

use std::time::{Duration, Instant};

use super::headers::LONGEST;

/// Lets so much through per second, and saves up to `most` while nobody takes.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Per second; infinite lets everything through.
    rate: f64,
    most: f64,
    level: f64,
    /// Up to when time was credited. It never moves back.
    at: Instant,
}

impl Flow {
    /// A flow without a bound.
    pub(crate) fn new(now: Instant) -> Self {
        Self { rate: f64::INFINITY, most: 1.0, level: 1.0, at: now }
    }

    /// From `now` on `rate` per second, and at most `most` at once.
    pub(crate) fn set(&mut self, rate: f64, most: f64, now: Instant) {
        self.fill(now);
        // Where nothing was counted, nothing was saved.
        let level = if self.rate.is_finite() { self.level } else { 0.0 };
        (self.rate, self.most) = (rate, most);
        self.level = level.min(most);
    }

    /// Takes one permit, and `more` of what is saved beyond it.
    pub(crate) fn take(&mut self, more: u32, now: Instant) {
        self.fill(now);
        self.level = (self.level - 1.0).min((self.level - 1.0 - f64::from(more)).max(0.0));
    }

    /// Takes all that is saved.
    pub(crate) fn empty(&mut self, now: Instant) {
        self.fill(now);
        self.level = self.level.min(0.0);
    }

    /// How long until there is a permit.
    pub(crate) fn ready_in(&self, now: Instant) -> Duration {
        let missing = 1.0 - self.level_at(now);
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // Where nothing comes in, that is infinite, and too long for a duration.
        Duration::try_from_secs_f64(missing / self.rate).unwrap_or(LONGEST).min(LONGEST)
    }

    fn level_at(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        if elapsed > 0.0 { (self.level + elapsed * self.rate).min(self.most) } else { self.level }
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.level_at(now);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn nothing_is_counted_until_there_is_a_rate() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        for _ in 0..1_000 {
            assert_eq!(flow.ready_in(start), Duration::ZERO);
            flow.take(0, start);
        }
        flow.set(10.0, 10.0, start);
        assert_eq!(flow.ready_in(start), millis(100));
        flow.set(f64::INFINITY, f64::INFINITY, start);
        assert_eq!(flow.ready_in(start + millis(1)), Duration::ZERO);
    }

    #[test]
    fn a_retry_costs_what_is_saved_and_waits_for_no_more_than_others() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        flow.set(10.0, 10.0, start);
        let later = start + millis(700);
        flow.take(4, later);
        flow.take(0, later);
        flow.take(0, later);
        assert_eq!(flow.ready_in(later), millis(100));
        let one = later + millis(100);
        assert_eq!(flow.ready_in(one), Duration::ZERO);
        flow.take(4, one);
        assert_eq!(flow.ready_in(one), millis(100));
    }

    #[test]
    fn a_rate_of_zero_is_a_wait_that_can_be_added() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        flow.set(0.0, 1.0, start);
        assert_eq!(flow.ready_in(start + Duration::from_secs(9)), LONGEST);
    }

    proptest! {
        #[test]
        fn no_window_grants_more_than_what_is_saved_and_the_highest_rate(
            rates in prop::collection::vec(0.1..500.0f64, 1..20),
            most in 1.0..50.0f64,
        ) {
            let start = Instant::now();
            let mut flow = Flow::new(start);
            let (mut now, mut granted) = (start, 0u32);
            for rate in &rates {
                flow.set(*rate, most, now);
                for _ in 0..200 {
                    if flow.ready_in(now).is_zero() {
                        flow.take(0, now);
                        granted += 1;
                    } else {
                        now += millis(1);
                    }
                }
            }
            let highest = rates.iter().copied().fold(0.0, f64::max);
            let due = most + highest * (now - start).as_secs_f64() + 1.0;
            prop_assert!(f64::from(granted) <= due, "{granted} of {due}");
        }
    }
}
