//! How fast requests to an API may leave: the lowest of the configured limit, of the quotas in its
//! headers and of the dampener's rate, in one token bucket. Has no clock of its own.

use std::time::{Duration, Instant};

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    bucket::{Bucket, default_burst},
    dampener::{Dampener, Slower},
    learned::Learned,
    quota::Quota,
    times::LONGEST,
};

/// A change of the rate by less than this part of it is not reported.
const NOTICEABLE: f64 = 0.2;

/// The rate of an API and the resulting permits.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    limit: Option<Decimal>,
    /// The configured burst after a pause.
    burst: Option<u32>,
    dampener: Option<Dampener>,
    learned: Option<Learned>,
    /// The longest time for which anything in the headers is believed.
    longest: Duration,
    /// `None` as long as every request may leave.
    bucket: Option<Bucket>,
    /// The rate and the burst of the bucket.
    set: (f64, u32),
    /// Whether the API has set the pace.
    is_paced: bool,
    /// The rate that was last reported, in requests per second.
    told: f64,
}

impl Pace {
    /// The pace of an API with the configured `limit` and `burst`; the default burst is 10 ms
    /// worth of the limit. No quota is believed for longer than `longest`.
    pub(crate) fn new(
        limit: Option<Decimal>,
        burst: Option<u32>,
        use_dampener: bool,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let dampener = use_dampener.then(|| Dampener::new(now));
        let set = (f64::INFINITY, 0);
        let (learned, bucket, is_paced) = (None, None, false);
        let told = f64::INFINITY;
        let mut pace =
            Self { limit, burst, dampener, learned, longest, bucket, set, is_paced, told };
        if let Some(rate) = limit {
            let burst = pace.burst_of(rate);
            pace.set = (per_second(rate), burst);
            pace.bucket = Some(Bucket::new(rate, burst, now));
        }
        pace.told = pace.rate(now);
        pace
    }

    /// The configured limit.
    pub(crate) fn limit(&self) -> Option<Decimal> {
        self.limit
    }

    /// Sets another limit, or none; nothing is saved at the start.
    pub(crate) fn set_limit(&mut self, limit: Option<Decimal>, now: Instant) {
        self.limit = limit;
        if !self.is_watching() {
            self.learned = None;
        }
        self.adjust(now);
        self.empty(now);
    }

    /// Whether the pace depends on how requests end.
    pub(crate) fn is_watching(&self) -> bool {
        self.limit.is_some() || self.dampener.is_some()
    }

    /// Records the end of a request sent at `sent_at`, with what its response said about slowing
    /// down and about a `quota`, while `in_flight` others are in flight.
    pub(crate) fn ended(
        &mut self,
        slower: Slower,
        quota: Option<Quota>,
        in_flight: u64,
        sent_at: Instant,
        now: Instant,
    ) {
        if let Some(dampener) = &mut self.dampener
            && dampener.ended(slower, sent_at, now)
        {
            self.empty(now);
        }
        if let Some(quota) = quota {
            self.learned = Some(Learned::of(quota, self.learned, in_flight, self.longest, now));
        }
        self.adjust(now);
    }

    /// The highest rate that the API wants at `now`, in requests per second; infinite if it has set
    /// none.
    pub(crate) fn asked(&self, now: Instant) -> f64 {
        let found = self.dampener.as_ref().map_or(f64::INFINITY, Dampener::rate);
        found.min(self.learned(now))
    }

    /// The highest rate at `now`, in requests per second; infinite if unlimited.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        self.asked(now).min(self.limit.map_or(f64::INFINITY, per_second))
    }

    /// The same for display, `None` if unlimited. If the configured limit applies, it is exact.
    pub(crate) fn shown(&self, now: Instant) -> Option<Decimal> {
        let asked = self.asked(now);
        match self.limit {
            Some(limit) if asked >= per_second(limit) => Some(limit),
            _ => Decimal::try_from(asked).ok().map(|rate| rate.round_dp(3).normalize()),
        }
    }

    /// Whether `rate` is to be reported, since it differs noticeably from the one that was reported
    /// last, or `anyway`.
    pub(super) fn tells(&mut self, rate: f64, anyway: bool) -> bool {
        // The difference of two infinite rates is NaN, and so no change.
        let is_change = (rate - self.told).abs() > NOTICEABLE * self.told
            || rate.is_finite() != self.told.is_finite();
        if is_change || anyway {
            self.told = rate;
        }
        is_change || anyway
    }

    /// How long a caller behind `ahead` others waits for a permit, or until that wait may turn
    /// out shorter. If the API has set the pace, its later pace is unknown: the wait is then that
    /// of the next caller.
    pub(crate) fn ready_in(&mut self, ahead: u64, now: Instant) -> Duration {
        self.adjust(now);
        let Some(bucket) = &self.bucket else { return Duration::ZERO };
        if self.asked(now).is_infinite() {
            return bucket.ready_in(now, ahead);
        }
        let change = self.learned.and_then(|learned| learned.next_change(now));
        let change = change.map_or(LONGEST, |at| at.saturating_duration_since(now));
        bucket.ready_in(now, 0).min(change)
    }

    /// Grants a permit, which costs `cost` as far as so many are saved; or returns the time until
    /// there is one.
    pub(crate) fn take(&mut self, cost: u32, now: Instant) -> Result<(), Duration> {
        let wait = self.ready_in(0, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        // The permits saved from a configured limit belong to the user.
        let cost = if self.asked(now).is_finite() { cost } else { 1 };
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now, cost);
        }
        Ok(())
    }

    fn empty(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.empty(now);
        }
    }

    /// The rate by the quotas in the headers, in requests per second; infinite if there are none.
    pub(super) fn learned(&self, now: Instant) -> f64 {
        self.learned.map_or(f64::INFINITY, |learned| learned.rate(now))
    }

    fn burst_of(&self, limit: Decimal) -> u32 {
        self.burst.unwrap_or_else(|| default_burst(limit)).max(1)
    }

    /// Updates the bucket to the rate at `now`.
    fn adjust(&mut self, now: Instant) {
        let (asked, rate) = (self.asked(now), self.rate(now));
        // The rest of a quota is spread evenly.
        let worth = if self.learned(now) <= rate { asked / 100.0 } else { asked };
        let by_limit = self.limit.map_or(u32::MAX, |limit| self.burst_of(limit));
        // A float outside the range of this type is clamped.
        let burst = (worth as u32).clamp(1, by_limit);
        if (rate, burst) != self.set {
            self.set = (rate, burst);
            self.set_bucket(asked, rate, burst, now);
        }
        // Permits saved from the configured limit must not be used at the API's pace.
        if !std::mem::replace(&mut self.is_paced, asked.is_finite()) && self.is_paced {
            self.empty(now);
        }
    }

    fn set_bucket(&mut self, asked: f64, rate: f64, burst: u32, now: Instant) {
        let rate = match self.limit {
            Some(limit) if asked >= per_second(limit) => Some(limit),
            _ if rate.is_infinite() => None,
            _ => Some(Decimal::try_from(rate).unwrap_or(Decimal::MAX)),
        };
        self.bucket = rate.map(|rate| match self.bucket.take() {
            Some(mut bucket) => {
                bucket.set(rate, burst, now);
                bucket
            }
            // If nothing was counted, nothing was saved.
            None => {
                let mut bucket = Bucket::new(rate, burst, now);
                bucket.empty(now);
                bucket
            }
        });
    }
}

/// As a float; the bucket keeps the exact limit.
fn per_second(rate: Decimal) -> f64 {
    rate.to_f64().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVER: Duration = Duration::from_secs(86_400);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A pace of ten per second, learned from a policy.
    fn paced(now: Instant) -> Pace {
        let mut pace = Pace::new(None, None, true, EVER, now);
        for _ in 0..20 {
            pace.ended(Slower::No, None, 0, now, now);
        }
        pace.ended(Slower::Yes, None, 0, now, now + millis(1));
        pace
    }

    #[test]
    fn nothing_is_counted_until_there_is_a_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(None, None, true, EVER, start);
        for _ in 0..1_000 {
            assert_eq!(pace.take(1, start), Ok(()));
        }
        pace.set_limit(Some(10.into()), start);
        assert_eq!(pace.take(1, start), Err(millis(100)));
        pace.set_limit(None, start);
        assert_eq!(pace.take(1, start), Ok(()));
    }

    #[test]
    fn a_limit_is_exact_and_what_is_saved_of_it_costs_no_retry_more() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(10.into()), Some(5), true, EVER, start);
        for _ in 0..5 {
            assert_eq!(pace.take(10, start), Ok(()));
        }
        assert_eq!(pace.ready_in(0, start), millis(100));
        assert_eq!(pace.ready_in(9, start), millis(1_000));
        assert_eq!(pace.shown(start), Some(10.into()));
    }

    #[test]
    fn a_retry_costs_what_is_saved_and_waits_for_no_longer_than_others() {
        let start = Instant::now();
        let mut pace = paced(start);
        let rate = pace.asked(start + millis(1));
        assert!((13.0..15.0).contains(&rate), "{rate}");
        let later = start + millis(701);
        let others = (0..).take_while(|_| pace.take(1, later).is_ok()).count();
        assert_eq!(others, (rate * 0.7) as usize);
        let mut pace = paced(start);
        assert_eq!(pace.take(5, later), Ok(()));
        let rest = (0..).take_while(|_| pace.take(1, later).is_ok()).count();
        assert_eq!(rest, (rate * 0.7) as usize - 5);
        let wait = pace.ready_in(0, later);
        assert!(wait <= Duration::from_secs_f64(1.0 / rate), "{wait:?}");
        assert_eq!(pace.take(10, later + wait), Ok(()));
    }

    #[test]
    fn what_was_saved_of_the_limit_is_gone_when_the_api_begins_to_ask_for_a_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(1_000.into()), Some(50), false, EVER, start);
        assert_eq!(pace.take(1, start), Ok(()));
        let reset = Duration::from_secs(2);
        let quota = Quota { remaining: 0, reset, policy: None };
        pace.ended(Slower::No, Some(quota), 0, start, start);
        assert_eq!(pace.take(1, start), Err(reset));
        assert_eq!(pace.take(1, start + millis(1_999)), Err(millis(1)));
    }

    #[test]
    fn the_lower_of_the_limit_and_what_the_api_asks_for_is_in_force() {
        let start = Instant::now();
        let mut pace = paced(start);
        pace.set_limit(Some(5.into()), start + millis(1));
        assert_eq!(pace.rate(start + millis(1)), 5.0);
        assert_eq!(pace.shown(start + millis(1)), Some(5.into()));
        pace.set_limit(Some(100.into()), start + millis(1));
        assert!(pace.rate(start + millis(1)) < 15.0);
        assert!(pace.ready_in(99, start + millis(1)) < millis(100));
    }

    proptest! {
        #[test]
        fn nothing_leaves_beyond_the_burst_and_the_rates_that_were_in_force(
            changes in prop::collection::vec(
                (prop::option::of(1..500_i64), prop::option::of((0..300_u64, 0..2_000_u64))),
                1..20,
            ),
            burst in 1..50_u32,
        ) {
            let mut now = Instant::now();
            let mut pace = Pace::new(Some(100.into()), Some(burst), false, EVER, now);
            let (mut taken, mut due) = (0_u32, f64::from(burst));
            for (limit, quota) in changes {
                if let Some(limit) = limit {
                    pace.set_limit(Some(limit.into()), now);
                }
                if let Some((remaining, reset)) = quota {
                    let quota = Quota { remaining, reset: millis(reset), policy: None };
                    pace.ended(Slower::No, Some(quota), 0, now, now);
                }
                for _ in 0..300 {
                    if pace.take(1, now).is_ok() {
                        taken += 1;
                        continue;
                    }
                    let before = pace.rate(now);
                    now += millis(1);
                    due += before.max(pace.rate(now)) / 1_000.0;
                }
            }
            prop_assert!(f64::from(taken) <= due + 1e-6, "{taken} of {due}");
        }
    }
}
