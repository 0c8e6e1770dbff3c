//! What the quotas in the headers mean for the rate, from one response to the next. Has no clock
//! of its own.

use std::time::{Duration, Instant};

use super::quota::Quota;

/// Servers report the time to a reset in whole seconds, rounded up or down.
pub(super) const RESOLUTION: Duration = Duration::from_secs(1);
/// What is allowed between a reset and the first response after it, if nothing is known.
const PROBE: f64 = 1.0;

/// The quota that limits the rate, as last reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learned {
    remaining: u64,
    /// The time of the reset.
    reset_at: Instant,
    /// The time when it is forgotten.
    valid_until: Instant,
    rate: f64,
    /// The last rate that was not zero.
    usual: f64,
}

impl Learned {
    /// Updates `known` with a quota, while `in_flight` requests that it may not have counted yet
    /// are in flight. It is believed for at most `longest`.
    pub(crate) fn of(
        quota: Quota,
        known: Option<Self>,
        in_flight: u64,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let latest = now + quota.reset.max(RESOLUTION);
        // The reset time from an earlier response of the same window, if it is as good: the first
        // response after a full second knows it best.
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
        // Only the first response after a reset reports how much there is; until then, prevent a
        // rush.
        if now < self.valid_until + RESOLUTION { self.usual } else { f64::INFINITY }
    }

    /// When the rate changes by itself, after `now`.
    pub(crate) fn next_change(&self, now: Instant) -> Option<Instant> {
        [self.valid_until, self.valid_until + RESOLUTION].into_iter().find(|at| *at > now)
    }
}
