//! [pure] When no resource is made because the last ones could not be. The clock is passed in.

use std::time::{Duration, Instant};

/// When a pool stops to make resources for a while.
///
/// Closed, it counts failures in a row: after [`failures`](Self::failures) it opens. Nothing is
/// made until [`open_time`](Self::open_time) has passed; then one at a time is tried, and after
/// [`successes`](Self::successes) in a row it closes. A failure opens it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BreakerSettings {
    pub(crate) failures: u32,
    pub(crate) successes: u32,
    pub(crate) open_time: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, successes: 1, open_time: Duration::from_secs(5) }
    }
}

impl BreakerSettings {
    /// How many failures in a row open it: 5 by default, at least 1.
    pub fn failures(mut self, number: u32) -> Self {
        self.failures = number;
        self
    }

    /// How many successes in a row close it again: 1 by default, at least 1.
    pub fn successes(mut self, number: u32) -> Self {
        self.successes = number;
        self
    }

    /// How long it stays open: 5 s by default.
    pub fn open_time(mut self, time: Duration) -> Self {
        self.open_time = time;
        self
    }
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Resources are made.
    Closed,
    /// None is made.
    Open,
    /// One at a time is tried.
    HalfOpen,
}

/// A breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
    /// Failures in a row while it is closed, successes in a row while it is half-open.
    in_a_row: u32,
    until: Instant,
    is_probing: bool,
    /// Attempts from before the last change of state count for nothing.
    epoch: u64,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings, now: Instant) -> Self {
        let state = BreakerState::Closed;
        Self { settings, state, in_a_row: 0, until: now, is_probing: false, epoch: 0 }
    }

    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        let is_over = self.state == BreakerState::Open && now >= self.until;
        if is_over { BreakerState::HalfOpen } else { self.state }
    }

    /// How long nothing is made. `None` if something may be, now or after what is being tried.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let left = self.until.saturating_duration_since(now);
        (self.state == BreakerState::Open && !left.is_zero()).then_some(left)
    }

    /// Whether one may be made now. Its outcome is to be recorded with the epoch.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        match self.state(now) {
            BreakerState::Closed => Some(self.epoch),
            BreakerState::HalfOpen if !self.is_probing => {
                if self.state == BreakerState::Open {
                    self.enter(BreakerState::HalfOpen);
                }
                self.is_probing = true;
                Some(self.epoch)
            }
            _ => None,
        }
    }

    /// Records an outcome; `None` if there is none. Returns whether the state has changed.
    pub(crate) fn record(&mut self, epoch: u64, is_good: Option<bool>, now: Instant) -> bool {
        if epoch != self.epoch {
            return false;
        }
        self.is_probing = false;
        match (self.state, is_good) {
            (_, None) | (BreakerState::Open, _) => false,
            (BreakerState::Closed, Some(true)) => {
                self.in_a_row = 0;
                false
            }
            (BreakerState::Closed, Some(false)) => {
                self.in_a_row += 1;
                let opens = self.in_a_row >= self.settings.failures;
                if opens {
                    self.open(now);
                }
                opens
            }
            (BreakerState::HalfOpen, Some(true)) => {
                self.in_a_row += 1;
                let closes = self.in_a_row >= self.settings.successes;
                if closes {
                    self.enter(BreakerState::Closed);
                }
                closes
            }
            (BreakerState::HalfOpen, Some(false)) => {
                self.open(now);
                true
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(BreakerState::Open);
        let forever = Duration::from_secs(365 * 86_400);
        self.until = now + self.settings.open_time.min(forever);
    }

    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.in_a_row = 0;
        self.is_probing = false;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(now: Instant) -> Breaker {
        let settings = BreakerSettings::default().failures(3).successes(2).open_time(SECOND);
        Breaker::new(settings, now)
    }

    fn attempt(breaker: &mut Breaker, is_good: bool, now: Instant) -> bool {
        let epoch = breaker.admit(now).unwrap();
        breaker.record(epoch, Some(is_good), now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_successes_in_a_row_close_it() {
        let mut now = Instant::now();
        let mut breaker = breaker(now);
        for is_good in [false, false, true, false, false] {
            assert!(!attempt(&mut breaker, is_good, now));
        }
        assert!(attempt(&mut breaker, false, now));
        assert_eq!((breaker.state(now), breaker.wait(now)), (BreakerState::Open, Some(SECOND)));
        assert_eq!(breaker.admit(now), None);
        now += SECOND;
        assert_eq!((breaker.state(now), breaker.wait(now)), (BreakerState::HalfOpen, None));
        assert!(!attempt(&mut breaker, true, now));
        assert!(attempt(&mut breaker, true, now));
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[test]
    fn one_is_tried_at_a_time_and_one_without_an_outcome_makes_room() {
        let mut now = Instant::now();
        let mut breaker = breaker(now);
        let old = breaker.admit(now).unwrap();
        for _ in 0..3 {
            attempt(&mut breaker, false, now);
        }
        now += SECOND;
        let probe = breaker.admit(now).unwrap();
        assert_eq!(breaker.admit(now), None);
        assert!(!breaker.record(old, Some(false), now), "it is from before");
        assert!(!breaker.record(probe, None, now));
        let probe = breaker.admit(now).unwrap();
        assert!(breaker.record(probe, Some(false), now));
        assert_eq!(breaker.state(now), BreakerState::Open);
    }
}
