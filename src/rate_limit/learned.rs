//! What the quotas in the headers mean for the rate, from one answer to the next. Knows no
//! clock but the `now` it is given.

use std::time::{Duration, Instant};

use super::quota::Quota;

/// Servers tell the time to a reset in whole seconds, rounded one way or the other.
pub(super) const RESOLUTION: Duration = Duration::from_secs(1);
/// What is allowed between a reset and the first answer after it, if nothing is known.
const PROBE: f64 = 1.0;

/// The quota that binds, as it was told last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learned {
    remaining: u64,
    /// When there is more.
    reset_at: Instant,
    /// When it is forgotten.
    valid_until: Instant,
    rate: f64,
    /// The last rate that was not zero.
    usual: f64,
}

impl Learned {
    /// What follows from a quota after `known`, while `in_flight` requests are on their way, which
    /// it may not have counted yet. It is not believed for longer than `longest`.
    pub(crate) fn of(
        quota: Quota,
        known: Option<Self>,
        in_flight: u64,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let latest = now + quota.reset.max(RESOLUTION);
        // The moment that an earlier answer of the same window gave, if it is as good: the
        // first one after a full second knows it best.
        let earlier = known.filter(|known| {
            quota.remaining <= known.remaining
                && known.reset_at > now
                && known.reset_at <= latest
                && known.reset_at + RESOLUTION > latest
        });
        let reset_at = earlier.map_or(latest, |known| known.reset_at);
        let left = quota.remaining.saturating_sub(in_flight);
        let reset = reset_at.saturating_duration_since(now);
        let rate = Quota { remaining: left, reset, ..quota }.rate();
        let usual = match (known, quota.policy) {
            (_, Some(policy)) => policy.rate(),
            _ if rate > 0.0 => rate,
            (Some(known), None) => known.usual,
            (None, None) => PROBE,
        };
        let valid_until = now.checked_add(longest).map_or(reset_at, |latest| latest.min(reset_at));
        Self { remaining: quota.remaining, reset_at, valid_until, rate, usual }
    }

    /// The most requests per second at `now`; infinite once it is forgotten.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        if now < self.valid_until {
            return self.rate;
        }
        // The first answer after a reset tells how much there is; until then not everybody
        // rushes in.
        if now < self.valid_until + RESOLUTION { self.usual } else { f64::INFINITY }
    }

    /// When the rate changes by itself, after `now`.
    pub(crate) fn next_change(&self, now: Instant) -> Option<Instant> {
        [self.valid_until, self.valid_until + RESOLUTION].into_iter().find(|at| *at > now)
    }
}
