//! What the quotas in the headers mean for the rate, from one answer to the next. Knows no
//! clock but the `now` it is given.

use std::time::{Duration, Instant};

use super::quota::Quota;

/// Servers tell the time to a reset in whole seconds, rounded one way or the other.
const RESOLUTION: Duration = Duration::from_secs(1);
/// What is allowed between a reset and the first answer after it, if nothing is known.
const PROBE: f64 = 1.0;

/// The quota that binds, as it was told last.
#[derive(Clone, Copy, Debug)]
struct Known {
    remaining: u64,
    /// When there is more.
    reset_at: Instant,
    /// When it is forgotten.
    valid_until: Instant,
    rate: f64,
    /// The last rate that was not zero.
    usual: f64,
}

/// The rate that the API's own words allow.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    known: Option<Known>,
    /// The longest that anything is believed.
    longest: Duration,
}

impl Learned {
    /// Nothing is believed for longer than `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { known: None, longest }
    }

    /// Takes note of a quota while `in_flight` requests are on their way, which it may not
    /// have counted yet.
    pub(crate) fn observe(&mut self, quota: Quota, in_flight: u64, now: Instant) {
        let latest = now + quota.reset.max(RESOLUTION);
        // The moment that an earlier answer of the same window gave, if it is as good: the
        // first one after a full second knows it best.
        let earlier = self.known.filter(|known| {
            quota.remaining <= known.remaining
                && known.reset_at > now
                && known.reset_at <= latest
                && known.reset_at + RESOLUTION > latest
        });
        let reset_at = earlier.map_or(latest, |known| known.reset_at);
        let left = quota.remaining.saturating_sub(in_flight);
        let reset = reset_at.saturating_duration_since(now);
        let rate = Quota { remaining: left, reset, ..quota }.rate();
        let usual = match (self.known, quota.policy) {
            (_, Some(policy)) => policy.rate(),
            _ if rate > 0.0 => rate,
            (Some(known), None) => known.usual,
            (None, None) => PROBE,
        };
        let valid_until =
            now.checked_add(self.longest).map_or(reset_at, |latest| latest.min(reset_at));
        self.known = Some(Known { remaining: quota.remaining, reset_at, valid_until, rate, usual });
    }

    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// The most requests per second at `now`; infinite where nothing is known.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        match self.known {
            Some(known) if now < known.valid_until => known.rate,
            // The first answer after a reset tells how much there is; until then not
            // everybody rushes in.
            Some(known) if now < known.valid_until + RESOLUTION => known.usual,
            _ => f64::INFINITY,
        }
    }

    /// When the rate changes by itself, after `now`.
    pub(crate) fn next_change(&self, now: Instant) -> Option<Instant> {
        let known = self.known?;
        [known.valid_until, known.valid_until + RESOLUTION].into_iter().find(|at| *at > now)
    }
}
