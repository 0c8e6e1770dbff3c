//! How many repeats an API is asked to bear, whatever the number of calls that fail.

use std::time::{Duration, Instant};

/// What one repeat costs. The balance grows with time itself, so this is also
/// the floor: one repeat per 100 ms, ten per second.
const REPEAT: Duration = Duration::from_millis(100);
/// What one call earns: 20 % of a repeat.
const CALL: Duration = Duration::from_millis(20);
/// The balance at the start: 100 repeats.
const START: Duration = Duration::from_secs(10);
/// The most that is saved: 1,000 repeats.
const MOST: Duration = Duration::from_secs(100);

/// A balance of repeats: 20 % of the calls plus ten per second, at most 1,000 saved.
///
/// Over any window the repeats are at most 1,000 + 10 per second + 0.2 per call.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    balance: Duration,
    /// Up to when time has been credited.
    at: Instant,
}

impl Budget {
    /// A budget for the first 100 repeats.
    pub(crate) fn new(now: Instant) -> Self {
        Self { balance: START, at: now }
    }

    /// Earns what one call earns. To be called once per call, not per attempt.
    pub(crate) fn deposit(&mut self, now: Instant) {
        self.credit(now, CALL);
    }

    /// Pays for one repeat; `false` when the balance does not cover it.
    pub(crate) fn withdraw(&mut self, now: Instant) -> bool {
        self.credit(now, Duration::ZERO);
        match self.balance.checked_sub(REPEAT) {
            Some(rest) => {
                self.balance = rest;
                true
            }
            None => false,
        }
    }

    fn credit(&mut self, now: Instant, earned: Duration) {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        self.balance = self.balance.saturating_add(passed).saturating_add(earned).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spend_all(budget: &mut Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn starts_with_a_hundred_repeats() {
        let now = Instant::now();
        assert_eq!(spend_all(&mut Budget::new(now), now), 100);
    }

    #[test]
    fn earns_ten_repeats_per_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        spend_all(&mut budget, now);
        assert_eq!(spend_all(&mut budget, now + Duration::from_secs(3)), 30);
    }

    #[test]
    fn five_calls_earn_one_repeat() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        spend_all(&mut budget, now);
        for _ in 0..4 {
            budget.deposit(now);
            assert!(!budget.withdraw(now));
        }
        budget.deposit(now);
        assert!(budget.withdraw(now));
    }

    #[test]
    fn a_long_healthy_time_saves_no_more_than_the_bound() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
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
        let mut budget = Budget::new(start);
        let later = start + Duration::from_secs(1);
        spend_all(&mut budget, later);
        assert_eq!(spend_all(&mut budget, start), 0);
        assert_eq!(spend_all(&mut budget, later), 0);
    }

    proptest! {
        #[test]
        fn repeats_never_exceed_what_was_earned(
            steps in prop::collection::vec((0..500u64, any::<bool>()), 1..400)
        ) {
            let start = Instant::now();
            let (mut budget, mut now) = (Budget::new(start), start);
            let (mut calls, mut repeats) = (0u32, 0u32);
            for (millis, is_call) in steps {
                now += Duration::from_millis(millis);
                if is_call {
                    budget.deposit(now);
                    calls += 1;
                } else if budget.withdraw(now) {
                    repeats += 1;
                }
                prop_assert!(repeats * REPEAT <= START + (now - start) + calls * CALL);
            }
        }
    }
}
