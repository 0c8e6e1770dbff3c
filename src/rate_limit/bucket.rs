//! A token bucket in exact integer arithmetic. Has no clock of its own, and knows nothing of who
//! takes the tokens.

use std::time::{Duration, Instant};

use rust_decimal::{Decimal, prelude::ToPrimitive};

/// Decimal places of a rate that count. With them the price of a token stays
/// below 2^96, and a full bucket of `u32::MAX` tokens below 2^128.
const PLACES: u32 = 19;

/// The default burst of a limit: 10 ms worth of `rate`, at least 1.
pub(crate) fn default_burst(rate: Decimal) -> u32 {
    let worth = rate.max(Decimal::ZERO).checked_div(Decimal::ONE_HUNDRED).unwrap_or_default();
    worth.trunc().to_u32().unwrap_or(u32::MAX).max(1)
}

/// Grants at most `burst` + `rate` × time tokens over any stretch of time, and
/// exactly that many to callers that take them before the bucket is full.
///
/// Each nanosecond adds `gain` units of credit and a token costs `price` units; both are whole
/// numbers with `gain / price` = `rate` per nanosecond, so no rate is rounded and nothing drifts.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    gain: u128,
    price: u128,
    full: u128,
    credit: u128,
    /// The time up to which credit was added. It never moves back.
    at: Instant,
}

impl Bucket {
    /// A full bucket of `burst` tokens (at least 1) that refills with `rate`
    /// tokens per second.
    ///
    /// 19 decimal places of `rate` count; a rate that is zero by then never refills.
    pub(crate) fn new(rate: Decimal, burst: u32, now: Instant) -> Self {
        let rate = rate.trunc_with_scale(PLACES).normalize();
        let price = 10u128.pow(9 + rate.scale());
        let full = price * u128::from(burst.max(1));
        let gain = u128::try_from(rate.mantissa()).unwrap_or_default();
        Self { gain, price, full, credit: full, at: now }
    }

    /// A full bucket of `tokens` (at least 1) that takes `window` to fill again.
    pub(crate) fn refilling(tokens: u32, window: Duration, now: Instant) -> Self {
        let tokens = u128::from(tokens.max(1));
        let price = window.as_nanos().min(u64::MAX.into()).max(1);
        let full = price * tokens;
        Self { gain: tokens, price, full, credit: full, at: now }
    }

    /// From `now` on the bucket refills with `rate` tokens per second. Its tokens stay, except for
    /// fractions too small to be counted at the new rate.
    pub(crate) fn set_rate(&mut self, rate: Decimal, now: Instant) {
        let burst = u32::try_from(self.full / self.price).unwrap_or(u32::MAX);
        self.set(rate, burst, now);
    }

    /// The same, and from `now` on it holds at most `burst` tokens.
    pub(crate) fn set(&mut self, rate: Decimal, burst: u32, now: Instant) {
        self.refill(now);
        let mut changed = Self::new(rate, burst, self.at);
        let (whole, rest) = (self.credit / self.price, self.credit % self.price);
        // Both prices are powers of ten, so one divides the other.
        let rest = if changed.price > self.price {
            rest * (changed.price / self.price)
        } else {
            rest / (self.price / changed.price)
        };
        changed.credit = (whole * changed.price + rest).min(changed.full);
        *self = changed;
    }

    /// Whether the bucket is full at `now`, so that its past no longer matters.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        self.credit.saturating_add(nanos.saturating_mul(self.gain)) >= self.full
    }

    /// Takes up to `n` tokens and returns how many there were.
    pub(crate) fn take(&mut self, now: Instant, n: u32) -> u32 {
        self.refill(now);
        // At most `n`, so the conversion cannot fail.
        let taken = u32::try_from((self.credit / self.price).min(n.into())).unwrap_or(n);
        self.credit -= self.price * u128::from(taken);
        taken
    }

    /// Takes everything, including the fraction of a token.
    pub(crate) fn empty(&mut self, now: Instant) {
        self.refill(now);
        self.credit = 0;
    }

    /// Puts back a token that was taken and not used.
    pub(crate) fn put_back(&mut self) {
        self.credit = self.credit.saturating_add(self.price).min(self.full);
    }

    /// How long until there is a token for a caller behind `ahead` others: `0` means the very next
    /// token, [`Duration::ZERO`] means now.
    ///
    /// The token is there at `now` plus the result, and not a nanosecond earlier. A full bucket
    /// loses tokens that arrive meanwhile, so a caller that slept until then and woke late must
    /// take at the computed instant, not at the later one.
    pub(crate) fn ready_in(&self, now: Instant, ahead: u64) -> Duration {
        let wanted = self.price.saturating_mul(u128::from(ahead) + 1);
        let missing = wanted.saturating_sub(self.credit);
        if missing == 0 {
            return Duration::ZERO;
        }
        if self.gain == 0 {
            return Duration::MAX;
        }
        let nanos = missing.div_ceil(self.gain).min(Duration::MAX.as_nanos());
        // The credit is that of `at`; `now` may be later or, rarely, earlier.
        Duration::from_nanos_u128(nanos)
            .saturating_add(self.at.saturating_duration_since(now))
            .saturating_sub(now.saturating_duration_since(self.at))
    }

    /// How long until it is full.
    pub(crate) fn full_in(&self, now: Instant) -> Duration {
        let tokens = u64::try_from(self.full / self.price).unwrap_or(u64::MAX);
        self.ready_in(now, tokens.saturating_sub(1))
    }

    fn refill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        self.at = self.at.max(now);
        self.credit = self.credit.saturating_add(nanos.saturating_mul(self.gain)).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn half_a_request_per_second_is_one_every_two_seconds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("0.5"), 1, start);
        assert_eq!(bucket.take(start, 10), 1);
        assert_eq!(bucket.ready_in(start, 0), Duration::from_secs(2));
        assert_eq!(bucket.ready_in(start, 2), Duration::from_secs(6));
        assert_eq!(bucket.take(start + millis(1_999), 10), 0);
        assert_eq!(bucket.take(start + millis(2_000), 10), 1);
    }

    #[test]
    fn starts_full_and_saves_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("100"), 5, start);
        assert_eq!(bucket.take(start, 3), 3);
        assert_eq!(bucket.take(start, 3), 2);
        assert_eq!(bucket.take(start + Duration::from_secs(3_600), u32::MAX), 5);
    }

    #[test]
    fn a_third_of_a_second_does_not_drift() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("3"), 2, start);
        let mut taken = bucket.take(start, 2);
        let mut now = start;
        while now - start < Duration::from_secs(1_000) {
            now += bucket.ready_in(now, 0);
            taken += bucket.take(now, 1);
        }
        assert_eq!(now - start, Duration::from_secs(1_000));
        assert_eq!(taken, 3_002);
    }

    #[test]
    fn a_clock_that_stands_still_or_steps_back_grants_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("1"), 1, start);
        let later = start + Duration::from_secs(10);
        assert_eq!(bucket.take(later, 9), 1);
        assert_eq!(bucket.take(later, 9), 0);
        assert_eq!(bucket.take(start, 9), 0);
        assert_eq!(bucket.ready_in(start, 0), Duration::from_secs(11));
        assert_eq!(bucket.take(later, 9), 0);
        assert_eq!(bucket.take(later + Duration::from_secs(1), 9), 1);
    }

    #[test]
    fn the_wait_is_counted_from_now_and_not_from_the_last_taking() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("1"), 1, start);
        bucket.take(start, 1);
        assert_eq!(bucket.ready_in(start + millis(400), 0), millis(600));
        assert_eq!(bucket.ready_in(start + millis(1_400), 0), Duration::ZERO);
    }

    #[test]
    fn a_late_wake_costs_nothing_to_one_who_takes_at_the_computed_instant() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("100"), 1, start);
        bucket.take(start, 1);
        let (mut now, mut taken) = (start, 0);
        while now - start < Duration::from_secs(10) {
            let due = now + bucket.ready_in(now, 0);
            now = due + millis(3);
            taken += bucket.take(due, 1);
        }
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn a_bucket_by_quota_and_window_is_exact_where_the_rate_has_no_end() {
        let start = Instant::now();
        let window = Duration::from_secs(60);
        let mut bucket = Bucket::refilling(7, window, start);
        assert_eq!(bucket.take(start, 9), 7);
        assert_eq!(bucket.ready_in(start, 6), window);
        assert!(!bucket.is_full(start + window - Duration::from_nanos(1)));
        assert!(bucket.is_full(start + window));
        assert_eq!(bucket.take(start + window, 9), 7);
    }

    #[test]
    fn a_change_of_the_rate_keeps_what_was_saved_however_often_it_comes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(rate("5"), 4, start);
        bucket.take(start, 4);
        let rates = ["5.25", "5", "4.999", "5"];
        let mut now = start;
        for rate_of in rates.iter().cycle().take(400) {
            now += millis(1);
            bucket.set_rate(rate(rate_of), now);
        }
        // 400 ms at 5.06 per second on average.
        assert_eq!(bucket.take(now, 9), 2);
        bucket.set_rate(rate("1000"), now);
        assert_eq!(bucket.take(now, 9), 0);
        assert_eq!(bucket.take(now + millis(1), 9), 1);
        assert_eq!(bucket.take(now + Duration::from_secs(1), 9), 4);
    }

    #[test]
    fn the_default_burst_is_ten_milliseconds_worth() {
        for (rate, burst) in
            [("0.5", 1), ("100", 1), ("199.9", 1), ("200", 2), ("5000", 50), ("-1", 1)]
        {
            assert_eq!(default_burst(rate.parse().unwrap()), burst, "{rate}");
        }
        assert_eq!(default_burst(Decimal::MAX), u32::MAX);
    }

    /// Rates from 0.001 to 10 billion per second, with up to three decimals.
    fn any_rate() -> impl Strategy<Value = Decimal> {
        (1..10_000_000_000i64, 0..=3u32).prop_map(|(digits, scale)| Decimal::new(digits, scale))
    }

    proptest! {
        #[test]
        fn no_window_grants_more_than_burst_and_rate(
            rate in any_rate(),
            burst in 1..1_000u32,
            steps in prop::collection::vec((0..2_000_000_000u64, 0..5_000u32), 1..100),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, burst, start);
            let (mut now, mut grants) = (start, Vec::new());
            for (nanos, n) in steps {
                now += Duration::from_nanos(nanos);
                grants.push((now, bucket.take(now, n)));
            }
            for first in 0..grants.len() {
                let mut granted = Decimal::ZERO;
                for &(at, n) in &grants[first..] {
                    granted += Decimal::from(n);
                    let window = i64::try_from((at - grants[first].0).as_nanos()).unwrap();
                    let most = Decimal::from(burst) + rate * Decimal::new(window, 9);
                    prop_assert!(granted <= most, "{granted} of {most}");
                }
            }
        }

        #[test]
        fn whoever_takes_all_gets_the_rate_to_within_one_token(
            rate in any_rate(),
            steps in prop::collection::vec(0..1_000_000u64, 1..100),
        ) {
            // A burst that a step of 1 ms cannot overflow.
            let burst = 20_000;
            let rate = rate.min(Decimal::from(10_000_000));
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, burst, start);
            let (mut now, mut granted) = (start, Decimal::ZERO);
            granted += Decimal::from(bucket.take(now, u32::MAX));
            for nanos in steps {
                now += Duration::from_nanos(nanos);
                granted += Decimal::from(bucket.take(now, u32::MAX));
            }
            let window = i64::try_from((now - start).as_nanos()).unwrap();
            let due = Decimal::from(burst) + rate * Decimal::new(window, 9);
            prop_assert!(granted <= due && granted > due - Decimal::ONE, "{granted} of {due}");
        }

        #[test]
        fn a_token_is_there_when_the_wait_is_over_and_not_before(
            rate in any_rate().prop_filter("a token per ns", |rate| *rate < Decimal::from(1_000_000_000)),
            // Rounding up to a nanosecond must not fill the bucket.
            burst in 2..100u32,
            used in 0..100u32,
            ahead in 0..50u64,
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, burst, start);
            bucket.take(start, used);
            let wait = bucket.ready_in(start, ahead);
            // Those ahead take theirs as soon as it is there.
            let mut before = bucket.clone();
            for n in 0..ahead {
                let at = start + bucket.ready_in(start, n);
                prop_assert_eq!(before.take(at, 1), 1);
            }
            let mut after = before.clone();
            prop_assert_eq!(after.take(start + wait, 1), 1);
            if let Some(early) = wait.checked_sub(Duration::from_nanos(1)) {
                prop_assert_eq!(before.take(start + early, 1), 0);
            }
        }
    }
}
