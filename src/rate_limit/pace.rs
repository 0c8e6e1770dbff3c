//! The pace that an API allows, beside the configured limit: what the dampener found out and
//! what the headers told, whichever is less, and the permits that come of it. Knows no clock
//! but the `now` it is given.

use std::time::{Duration, Instant};

use super::{
    dampener::{Dampener, Slower},
    flow::Flow,
    learned::Learned,
    quota::Quota,
};

/// Why an attempt is made, which says what its permit costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is the first of a call, or a replay.
    First,
    /// The one before failed.
    Retry,
    /// The one before timed out.
    RetryAfterTimeout,
}

impl Reason {
    /// In permits, as far as they are saved.
    fn cost(self) -> u32 {
        match self {
            Self::First => 1,
            Self::Retry => 5,
            Self::RetryAfterTimeout => 10,
        }
    }
}

/// How an attempt ended, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Whether the API said that there are too many requests.
    pub(crate) slower: Slower,
    /// When it began.
    pub(crate) sent_at: Instant,
    /// What it said of its quotas.
    pub(crate) quota: Option<Quota>,
}

/// How fast requests may leave.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    dampener: Option<Dampener>,
    learned: Learned,
    flow: Flow,
}

impl Pace {
    /// A pace without a bound until the API asks for one. No quota is believed for longer
    /// than `longest`.
    pub(crate) fn new(use_dampener: bool, longest: Duration, now: Instant) -> Self {
        Self {
            dampener: use_dampener.then(|| Dampener::new(now)),
            learned: Learned::new(longest),
            flow: Flow::new(now),
        }
    }

    /// Takes note of the end of an attempt while `in_flight` others are on their way.
    pub(crate) fn ended(&mut self, outcome: Outcome, in_flight: u64, now: Instant) {
        let Outcome { slower, sent_at, .. } = outcome;
        if let Some(dampener) = &mut self.dampener
            && dampener.ended(slower, sent_at, now)
        {
            self.flow.empty(now);
        }
        if let Some(quota) = outcome.quota {
            self.learned.observe(quota, in_flight, now);
        }
        self.adjust(now);
    }

    /// Goes on as if the API had told nothing.
    pub(crate) fn forget_quota(&mut self) {
        self.learned.forget();
    }

    /// The most requests per second at `now`; infinite where the API has asked for nothing.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        let found = self.dampener.as_ref().map_or(f64::INFINITY, Dampener::rate);
        found.min(self.learned.rate(now))
    }

    /// How long until a permit may be given, or until that may be sooner than it seems.
    pub(crate) fn ready_in(&mut self, now: Instant) -> Duration {
        self.adjust(now);
        let wait = self.flow.ready_in(now);
        let change = self.learned.next_change(now).map(|at| at.saturating_duration_since(now));
        change.map_or(wait, |change| wait.min(change))
    }

    /// Gives a permit.
    pub(crate) fn take(&mut self, reason: Reason, now: Instant) {
        self.adjust(now);
        self.flow.take(reason.cost() - 1, now);
    }

    fn adjust(&mut self, now: Instant) {
        let rate = self.rate(now);
        // What a quota leaves is spread evenly.
        let worth = if self.learned.rate(now) <= rate { rate / 100.0 } else { rate };
        self.flow.set(rate, worth.max(1.0), now);
    }
}
