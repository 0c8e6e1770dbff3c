//! [pure] How well a pool is, as a level and a score. The clock is passed in.

use std::time::{Duration, Instant};

use super::breaker::BreakerState;

/// How well a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HealthLevel {
    /// The score is at least 70 and the breaker is closed.
    Healthy,
    /// The score is at least 40 and the breaker is not open.
    Degraded,
    /// Anything else, also if the pool is closed.
    Critical,
}

/// How well a pool is, and why.
///
/// The score is 100 − 40 × errors − 30 × pressure − 20 × waiting − 10 × churn, where each is a
/// share from 0 to 1: of failures among what was tried in the last minute; of the memory between
/// the threshold and the limit; of those who wait, by the maximum; and of uses in the last minute
/// after which the resource was discarded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// How well it is.
    pub level: HealthLevel,
    /// From 0 to 100.
    pub score: u8,
    /// The share of the maximum that is in use, from 0 to 1.
    pub utilization: f64,
    /// The share of failures in the last minute: resources that could not be made or reset or were
    /// not healthy, and calls that got none.
    pub error_rate: f64,
    /// The memory.
    pub memory: MemoryStats,
    /// How many calls wait.
    pub waiting: usize,
    /// An upper bound of the wait of 99 of 100 calls.
    pub wait_p99: Duration,
    /// The state of the breaker.
    pub breaker: BreakerState,
}

/// The memory of a pool's resources, as [`Poolable::memory`](super::Poolable::memory) says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// All of them together, in bytes.
    pub used: usize,
    /// The limit, in bytes.
    pub limit: Option<usize>,
    /// The share of the limit that is used; 0 without one.
    pub pressure: f64,
    /// The most that was used at a time, in bytes.
    pub peak: usize,
    /// How often idle resources were closed to free memory.
    pub collections: u64,
}

/// What the score is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) errors: f64,
    pub(crate) pressure: f64,
    pub(crate) waiting: f64,
    pub(crate) churn: f64,
}

impl Shares {
    pub(crate) fn score(self) -> u8 {
        let Self { errors, pressure, waiting, churn } = self;
        let share = |share: f64| if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let lost = 40.0 * share(errors)
            + 30.0 * share(pressure)
            + 20.0 * share(waiting)
            + 10.0 * share(churn);
        // Between 0 and 100.
        (100.0 - lost).round() as u8
    }
}

/// The level of a score.
pub(crate) fn level(score: u8, breaker: BreakerState, is_closed: bool) -> HealthLevel {
    match (score, breaker) {
        _ if is_closed => HealthLevel::Critical,
        (_, BreakerState::Open) | (..40, _) => HealthLevel::Critical,
        (_, BreakerState::HalfOpen) | (..70, _) => HealthLevel::Degraded,
        _ => HealthLevel::Healthy,
    }
}

/// A part of the last minute.
const SLICE: Duration = Duration::from_secs(10);
const SLICES: usize = 6;

/// What happened in the last minute.
#[derive(Debug)]
pub(crate) struct LastMinute {
    begun: Instant,
    /// The part that was counted in last: its number, and its end.
    current: (u64, Instant),
    /// Uses, discards, attempts and failures of each part, by its number modulo their count.
    slices: [(u64, [u64; 4]); SLICES],
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    Use = 0,
    Discard = 1,
    Attempt = 2,
    Failure = 3,
}

impl LastMinute {
    pub(crate) fn new(now: Instant) -> Self {
        Self { begun: now, current: (0, now), slices: [(0, [0; 4]); SLICES] }
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / SLICE.as_secs()
    }

    pub(crate) fn count(&mut self, what: Counted, now: Instant) {
        self.count_all(&[what], now);
    }

    pub(crate) fn count_all(&mut self, all: &[Counted], now: Instant) {
        // Those of a little before count in it as well.
        if now >= self.current.1 {
            let number = self.number(now);
            let parts = u32::try_from(number + 1).unwrap_or(u32::MAX);
            self.current = (number, self.begun + SLICE * parts);
        }
        let number = self.current.0;
        let at = usize::try_from(number).unwrap_or(0) % SLICES;
        if let Some((own, counts)) = self.slices.get_mut(at) {
            if *own != number {
                (*own, *counts) = (number, [0; 4]);
            }
            for what in all {
                if let Some(count) = counts.get_mut(*what as usize) {
                    *count += 1;
                }
            }
        }
    }

    fn sum(&self, what: Counted, now: Instant) -> u64 {
        let number = self.number(now);
        let live =
            self.slices.iter().filter(|(own, _)| number.saturating_sub(*own) < SLICES as u64);
        live.filter_map(|(_, counts)| counts.get(what as usize)).sum()
    }

    /// The share of failures among attempts.
    pub(crate) fn errors(&self, now: Instant) -> f64 {
        share(self.sum(Counted::Failure, now), self.sum(Counted::Attempt, now))
    }

    /// The share of uses after which the resource was discarded.
    pub(crate) fn churn(&self, now: Instant) -> f64 {
        share(self.sum(Counted::Discard, now), self.sum(Counted::Use, now))
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_what_the_shares_leave() {
        for (errors, pressure, waiting, churn, score) in [
            (0.0, 0.0, 0.0, 0.0, 100),
            (1.0, 0.0, 0.0, 0.0, 60),
            (0.0, 1.0, 0.0, 0.0, 70),
            (0.0, 0.0, 1.0, 0.0, 80),
            (0.0, 0.0, 0.0, 1.0, 90),
            (1.0, 1.0, 1.0, 1.0, 0),
            (9.0, f64::NAN, -1.0, 0.5, 55),
        ] {
            assert_eq!(Shares { errors, pressure, waiting, churn }.score(), score);
        }
        for (score, breaker, level_of) in [
            (100, BreakerState::Closed, HealthLevel::Healthy),
            (70, BreakerState::Closed, HealthLevel::Healthy),
            (69, BreakerState::Closed, HealthLevel::Degraded),
            (100, BreakerState::HalfOpen, HealthLevel::Degraded),
            (39, BreakerState::Closed, HealthLevel::Critical),
            (100, BreakerState::Open, HealthLevel::Critical),
        ] {
            assert_eq!(level(score, breaker, false), level_of);
        }
        assert_eq!(level(100, BreakerState::Closed, true), HealthLevel::Critical);
    }

    #[test]
    fn what_is_older_than_a_minute_counts_no_more() {
        let mut now = Instant::now();
        let mut minute = LastMinute::new(now);
        for what in [Counted::Attempt, Counted::Attempt, Counted::Failure, Counted::Use] {
            minute.count(what, now);
        }
        assert_eq!((minute.errors(now), minute.churn(now)), (0.5, 0.0));
        now += Duration::from_secs(59);
        minute.count(Counted::Attempt, now);
        assert_eq!(minute.errors(now), 1.0 / 3.0);
        now += Duration::from_secs(2);
        assert_eq!(minute.errors(now), 0.0);
        // Who looked at the clock before others looks back.
        minute.count(Counted::Use, now + Duration::from_secs(30));
        assert_eq!(minute.errors(now), 0.0);
        now += Duration::from_secs(3600);
        minute.count(Counted::Failure, now);
        assert_eq!(minute.errors(now), 0.0);
    }
}
