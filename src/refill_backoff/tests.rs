//! When a lost connection is opened again.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::RefillBackoff;

/// How long the next attempt waits.
fn wait(backoff: &RefillBackoff, now: Instant) -> Duration {
    backoff.until(now).map_or(Duration::ZERO, |until| until - now)
}

/// Fails so many times, each when the wait for it is over, and returns the time of the last.
fn fail(backoff: &mut RefillBackoff, times: u32, mut now: Instant, jitter: f64) -> Instant {
    for _ in 0..times {
        now += wait(backoff, now);
        backoff.failed(now, jitter);
    }
    now
}

#[test]
fn waits_double_up_to_half_a_minute_and_are_never_shorter_than_half_the_bound() {
    let (mut backoff, mut now) = (RefillBackoff::default(), Instant::now());
    assert_eq!(backoff.until(now), None);
    for bound in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
        now = fail(&mut backoff, 1, now, 0.0);
        assert_eq!(wait(&backoff, now), Duration::from_millis(bound) / 2);
    }
    assert_eq!(backoff.until(now + Duration::from_secs(15)), None);
}

#[test]
fn an_outage_ends_with_an_answer() {
    let (mut backoff, now) = (RefillBackoff::default(), Instant::now());
    let now = fail(&mut backoff, 9, now, 0.5);
    backoff.reset();
    assert_eq!(backoff.until(now), None);
    backoff.failed(now, 1.0);
    assert_eq!(wait(&backoff, now), Duration::from_millis(100));
}

#[test]
fn a_connection_that_died_young_counts_with_the_failures_before_it_and_an_old_one_does_not() {
    let (mut backoff, now) = (RefillBackoff::default(), Instant::now());
    let now = fail(&mut backoff, 2, now, 0.0);
    let now = now + wait(&backoff, now);
    backoff.died(Duration::from_secs(2), now, 0.0);
    assert_eq!(wait(&backoff, now), Duration::from_millis(200));
    let now = now + wait(&backoff, now);
    backoff.died(Duration::from_secs(75), now, 0.0);
    assert_eq!(wait(&backoff, now), Duration::from_millis(50));
}

#[test]
fn attempts_that_fail_together_are_one_failure() {
    let (mut backoff, now) = (RefillBackoff::default(), Instant::now());
    (0..16).for_each(|_| backoff.failed(now, 0.0));
    assert_eq!(wait(&backoff, now), Duration::from_millis(50));
}

proptest! {
    #[test]
    fn no_wait_is_without_bounds(failures in 1..100_u32, jitter in 0.0..1.0_f64) {
        let (mut backoff, now) = (RefillBackoff::default(), Instant::now());
        let now = fail(&mut backoff, failures, now, jitter);
        let wait = wait(&backoff, now);
        prop_assert!(wait >= Duration::from_millis(50) && wait <= Duration::from_secs(30));
    }
}
