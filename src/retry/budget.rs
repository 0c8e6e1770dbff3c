//! The retry budget: how many retries an API gets, whatever the number of calls that fail.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// What one retry costs.
const RETRY: u64 = 1_000_000;
/// The balance at the start, in seconds of time-based earnings, and at least ten retries.
const START_SECONDS: u64 = 10;
/// The largest balance, in seconds of time-based earnings, and at least a hundred retries.
const MOST_SECONDS: u64 = 100;

/// What adds to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Earnings {
    /// Retries per call, from 0 to 1.
    #[serde(rename = "share_of_calls")]
    pub(crate) per_call: f64,
    /// Retries per second.
    pub(crate) per_second: u32,
}

impl Default for Earnings {
    fn default() -> Self {
        Self { per_call: 0.2, per_second: 10 }
    }
}

impl Earnings {
    fn start(self) -> u64 {
        (START_SECONDS * u64::from(self.per_second)).max(10) * RETRY
    }

    fn most(self) -> u64 {
        (MOST_SECONDS * u64::from(self.per_second)).max(100) * RETRY
    }
}

/// A balance of retries: 20 % of the calls plus ten per second unless set otherwise, at most
/// 1,000 saved.
///
/// Over any window the retries are at most 1,000 + 10 per second + 0.2 per call.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    earnings: Earnings,
    /// What one call adds.
    call: u64,
    balance: u64,
    /// The time up to which earnings were credited.
    at: Instant,
}

impl Budget {
    /// A budget with ten seconds of earnings: 100 retries.
    pub(crate) fn new(earnings: Earnings, now: Instant) -> Self {
        // Not negative and at most one retry.
        let call = (earnings.per_call * RETRY as f64) as u64;
        Self { earnings, call, balance: earnings.start(), at: now }
    }

    /// Adds what one call earns. Must be called once per call, not per attempt.
    pub(crate) fn deposit(&mut self, now: Instant) {
        self.credit(now, self.call);
    }

    /// Pays for one retry; `false` if the balance is too low.
    pub(crate) fn withdraw(&mut self, now: Instant) -> bool {
        self.credit(now, 0);
        match self.balance.checked_sub(RETRY) {
            Some(rest) => {
                self.balance = rest;
                true
            }
            None => false,
        }
    }

    fn credit(&mut self, now: Instant, earned: u64) {
        // A microsecond earns a millionth of what a second does.
        let passed = now.saturating_duration_since(self.at).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        // The rest of a microsecond is credited next time.
        self.at += Duration::from_micros(passed);
        let by_time = passed.saturating_mul(self.earnings.per_second.into());
        let balance = self.balance.saturating_add(by_time).saturating_add(earned);
        self.balance = balance.min(self.earnings.most());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(now: Instant) -> Budget {
        Budget::new(Earnings::default(), now)
    }

    fn spend_all(budget: &mut Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn starts_with_a_hundred_retries() {
        let now = Instant::now();
        assert_eq!(spend_all(&mut budget(now), now), 100);
    }

    #[test]
    fn earns_ten_retries_per_second() {
        let now = Instant::now();
        let mut budget = budget(now);
        spend_all(&mut budget, now);
        assert_eq!(spend_all(&mut budget, now + Duration::from_secs(3)), 30);
    }

    #[test]
    fn five_calls_earn_one_retry() {
        let now = Instant::now();
        let mut budget = budget(now);
        spend_all(&mut budget, now);
        for _ in 0..4 {
            budget.deposit(now);
            assert!(!budget.withdraw(now));
        }
        budget.deposit(now);
        assert!(budget.withdraw(now));
    }

    #[test]
    fn what_is_earned_can_be_set() {
        let now = Instant::now();
        let mut budget = Budget::new(Earnings { per_call: 0.5, per_second: 0 }, now);
        assert_eq!(spend_all(&mut budget, now + Duration::from_secs(60)), 10);
        (0..2).for_each(|_| budget.deposit(now));
        assert_eq!(spend_all(&mut budget, now), 1);
        let mut none = Budget::new(Earnings { per_call: 0.0, per_second: 2 }, now);
        assert_eq!(spend_all(&mut none, now), 20);
        (0..100).for_each(|_| none.deposit(now));
        assert_eq!(spend_all(&mut none, now + Duration::from_millis(1_500)), 3);
    }

    #[test]
    fn a_long_healthy_time_saves_no_more_than_the_bound() {
        let now = Instant::now();
        let mut budget = budget(now);
        for _ in 0..1_000_000 {
            budget.deposit(now);
        }
        let later = now + Duration::from_secs(86_400);
        budget.deposit(later);
        assert_eq!(spend_all(&mut budget, later), 1_000);
    }

    #[test]
    fn a_clock_that_steps_back_earns_nothing_twice() {
        let start = Instant::now();
        let mut budget = budget(start);
        let later = start + Duration::from_secs(1);
        spend_all(&mut budget, later);
        assert_eq!(spend_all(&mut budget, start), 0);
        assert_eq!(spend_all(&mut budget, later), 0);
    }

    proptest! {
        #[test]
        fn retries_never_exceed_what_was_earned(
            steps in prop::collection::vec((0..500u64, any::<bool>()), 1..400)
        ) {
            let start = Instant::now();
            let (mut budget, mut now) = (budget(start), start);
            let (mut calls, mut retries) = (0u32, 0u32);
            for (millis, is_call) in steps {
                now += Duration::from_millis(millis);
                if is_call {
                    budget.deposit(now);
                    calls += 1;
                } else if budget.withdraw(now) {
                    retries += 1;
                }
                let earned = (now - start).as_micros() as u64 * 10 + u64::from(calls) * RETRY / 5;
                prop_assert!(u64::from(retries) * RETRY <= 100 * RETRY + earned);
            }
        }
    }
}
