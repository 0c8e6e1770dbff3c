//! The pace over time: the simulation against its bounds, and quotas by hand.

use std::time::{Duration, Instant};

use super::{
    dampener::Slower,
    learned::Learned,
    pace::Pace,
    quota::{Quota, QuotaPolicy},
    simulation::{Limit, Record, Scene, Strategy, run},
};

const LENGTH: Duration = Duration::from_secs(360);
/// The length of scenes that were not used for tuning.
const SHORT: Duration = Duration::from_secs(120);
/// How long the dampener has to find its rate, in seconds.
const SETTLING: usize = 15;

/// Runs a scene three times, and names the seed of each.
fn thrice(scene: Scene, check: impl FnMut(&Record, &str)) {
    each(1..=3, scene, check);
}

/// Runs a scene with seeds that were not used for tuning.
fn unseen(scene: Scene, check: impl FnMut(&Record, &str)) {
    each(104..=105, Scene { length: SHORT, ..scene }, check);
}

fn each(seeds: std::ops::RangeInclusive<u64>, scene: Scene, mut check: impl FnMut(&Record, &str)) {
    let start = Instant::now();
    for seed in seeds {
        let scene = Scene { seed, ..scene };
        check(&run(&scene, start), &format!("{scene:?}"));
    }
}

fn scene(limit: Limit) -> Scene {
    Scene {
        limit,
        has_headers: false,
        says_unavailable: false,
        strategy: Strategy::Dampener,
        clients: 1,
        callers: 64,
        way: Duration::from_millis(20),
        length: LENGTH,
        seed: 0,
    }
}

fn all(record: &Record) -> std::ops::Range<usize> {
    0..record.allowed.len()
}

fn settled(record: &Record) -> std::ops::Range<usize> {
    SETTLING..record.allowed.len()
}

/// The requirements at a limit of twenty per second and more.
fn is_used_and_seldom_refused(record: &Record, name: &str) {
    let used = record.utilisation(all(record));
    assert!(used >= 0.93, "{name}: {used} used");
    // All callers come at once at first, and none knows of a limit.
    let refused = record.refusals(settled(record));
    assert!(refused <= 0.01, "{name}: {refused} refused");
    let after = record.settled_after(0);
    assert!(after.is_some_and(|after| after <= SETTLING), "{name}: after {after:?} s");
}

/// The requirements at a limit of a few per second.
fn is_used_and_not_often_refused(record: &Record, name: &str) {
    let (used, refused) = (record.utilisation(all(record)), record.refusals(all(record)));
    assert!(used >= 0.9 && refused <= 0.08, "{name}: {used} used, {refused} refused");
}

#[test]
fn the_dampener_uses_a_hidden_limit_and_is_seldom_refused() {
    for rate in [20.0, 50.0, 800.0] {
        thrice(scene(Limit::Bucket(rate)), is_used_and_seldom_refused);
    }
}

#[test]
fn the_dampener_uses_a_limit_of_a_few_per_second() {
    thrice(scene(Limit::Bucket(5.0)), is_used_and_not_often_refused);
}

#[test]
fn the_dampener_finds_a_limit_that_is_told_by_503() {
    for rate in [20.0, 50.0, 800.0] {
        let scene = Scene { says_unavailable: true, ..scene(Limit::Bucket(rate)) };
        thrice(scene, is_used_and_seldom_refused);
    }
    let scene = Scene { says_unavailable: true, ..scene(Limit::Bucket(5.0)) };
    thrice(scene, is_used_and_not_often_refused);
}

#[test]
fn the_dampener_does_as_well_where_it_was_not_tuned() {
    unseen(scene(Limit::Bucket(8.0)), is_used_and_not_often_refused);
    for (rate, callers, millis) in
        [(20.0, 256, 20), (35.0, 64, 20), (35.0, 16, 75), (120.0, 64, 3), (400.0, 64, 75)]
    {
        let way = Duration::from_millis(millis);
        let scene = Scene { callers, way, ..scene(Limit::Bucket(rate)) };
        unseen(scene, is_used_and_seldom_refused);
    }
    for (before, after) in [(400.0, 35.0), (120.0, 60.0), (8.0, 120.0), (35.0, 120.0)] {
        let at = SHORT / 2;
        unseen(scene(Limit::Step { before, at, after }), |record, name| {
            let settled = record.settled_after(60);
            assert!(settled.is_some_and(|after| after <= SETTLING), "{name}: after {settled:?} s");
            let used = record.utilisation(60 + SETTLING..120);
            assert!(used >= 0.93, "{name}: {used} used");
            let refused = record.refusals(60 + SETTLING..120);
            assert!(refused <= 0.01, "{name}: {refused} refused");
        });
    }
    for (clients, rate) in [(2, 120.0), (4, 120.0)] {
        let scene = Scene { clients, callers: 64 / clients, ..scene(Limit::Bucket(rate)) };
        unseen(scene, |record, name| {
            is_used_and_seldom_refused(record, name);
            assert!(record.fairness() >= 0.95, "{name}: {}", record.fairness());
        });
    }
}

#[test]
fn a_cut_leaves_nothing_that_was_saved() {
    let start = Instant::now();
    let millis = |millis| start + Duration::from_millis(millis);
    let mut pace = Pace::new(None, None, true, LENGTH, start);
    for n in 1..=100 {
        pace.ended(Slower::No, None, 0, millis(20 * n - 10), millis(20 * n));
    }
    pace.ended(Slower::Yes, None, 0, millis(2_000), millis(2_010));
    // Nobody takes for a while.
    assert_eq!(pace.ready_in(0, millis(3_000)), Duration::ZERO);
    pace.ended(Slower::Yes, None, 0, millis(3_000), millis(3_010));
    assert!(pace.ready_in(0, millis(3_010)) > Duration::ZERO);
}

#[test]
fn the_dampener_follows_a_limit_that_falls() {
    let at = Duration::from_secs(180);
    thrice(scene(Limit::Step { before: 100.0, at, after: 20.0 }), |record, name| {
        let refused = record.refusals(190..360);
        assert!(refused < 0.05, "{name}: {refused} refused");
        assert!(record.refusals(190..200) < 0.05, "{name}: {}", record.refusals(190..200));
        let used = record.utilisation(all(record));
        assert!(used >= 0.93, "{name}: {used} used");
    });
}

#[test]
fn the_dampener_follows_a_limit_that_rises() {
    let at = Duration::from_secs(180);
    thrice(scene(Limit::Step { before: 20.0, at, after: 100.0 }), |record, name| {
        let after = record.settled_after(180);
        assert!(after.is_some_and(|after| after <= 2 * SETTLING), "{name}: after {after:?} s");
    });
}

#[test]
fn who_is_told_the_quota_is_not_refused() {
    let window = |quota, seconds| Limit::Window { quota, length: Duration::from_secs(seconds) };
    for limit in [Limit::Bucket(50.0), window(20, 1), window(200, 10), window(5_000, 60)] {
        thrice(Scene { has_headers: true, ..scene(limit) }, |record, name| {
            let (used, refused) = (record.utilisation(all(record)), record.refusals(all(record)));
            assert!(refused <= 0.001, "{name}: {refused} refused");
            assert!(used >= 0.9, "{name}: {used} used");
        });
    }
}

#[test]
fn clients_with_one_limit_get_the_same() {
    for has_headers in [false, true] {
        let four = Scene { clients: 4, callers: 16, has_headers, ..scene(Limit::Bucket(50.0)) };
        thrice(four, |record, name| {
            let fairness = record.fairness();
            assert!(fairness >= 0.95, "{name}: {fairness}");
            assert!(record.utilisation(all(record)) >= 0.93, "{name}");
        });
    }
}

#[test]
fn where_nothing_is_refused_the_dampener_changes_nothing() {
    let served = |strategy| {
        let length = Duration::from_secs(60);
        let record = run(&Scene { strategy, length, ..scene(Limit::None) }, Instant::now());
        record.clients[0].iter().map(|second| second.served).sum::<u32>()
    };
    let (with, without) = (served(Strategy::Dampener), served(Strategy::Off));
    assert!(f64::from(with) >= 0.98 * f64::from(without), "{with} of {without}");
}

fn quota(remaining: u64, seconds: u64) -> Quota {
    Quota { remaining, reset: Duration::from_secs(seconds), policy: None }
}

#[test]
fn a_quota_is_spread_over_the_time_to_its_reset() {
    let start = Instant::now();
    let mut learned = Learned::of(quota(50, 10), None, 0, LENGTH, start);
    assert_eq!(learned.rate(start), 5.0);
    // Requests in flight may not have been counted.
    learned = Learned::of(quota(50, 10), Some(learned), 30, LENGTH, start);
    assert_eq!(learned.rate(start), 2.0);
    let policy = Some(QuotaPolicy { quota: 10, window: Duration::from_secs(10) });
    learned = Learned::of(Quota { policy, ..quota(50, 10) }, Some(learned), 0, LENGTH, start);
    assert_eq!(learned.rate(start), 1.0);
}

#[test]
fn a_quota_that_is_used_up_holds_until_its_reset_and_one_asks_first() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let learned = Learned::of(quota(0, 5), None, 0, LENGTH, start);
    assert_eq!(learned.rate(at(4_999)), 0.0);
    assert_eq!(learned.next_change(at(4_999)), Some(at(5_000)));
    assert_eq!(learned.rate(at(5_000)), 1.0);
    assert_eq!(learned.rate(at(6_000)), f64::INFINITY);
    assert_eq!(learned.next_change(at(6_000)), None);
}

#[test]
fn a_reset_that_is_far_is_not_believed_for_longer_than_the_bound() {
    let start = Instant::now();
    let learned = Learned::of(quota(0, 86_400), None, 0, Duration::from_secs(300), start);
    assert_eq!(learned.rate(start + Duration::from_secs(299)), 0.0);
    assert_eq!(learned.rate(start + Duration::from_secs(300)), 1.0);
    let far = quota(0, u64::from(u32::MAX));
    let learned = Learned::of(far, None, 0, Duration::MAX, start);
    assert_eq!(learned.rate(start + Duration::from_secs(86_400)), 0.0);
}

#[test]
fn the_reset_of_a_window_is_that_of_the_answer_that_knew_it_best() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    // Two seconds, rounded up, from a response right after the full second.
    let mut learned = Learned::of(quota(20, 2), None, 0, LENGTH, start);
    learned = Learned::of(quota(10, 2), Some(learned), 0, LENGTH, at(900));
    assert!((9.0..9.2).contains(&learned.rate(at(900))), "{}", learned.rate(at(900)));
    // With more left it is another window.
    learned = Learned::of(quota(20, 2), Some(learned), 0, LENGTH, at(2_100));
    assert_eq!(learned.rate(at(2_100)), 10.0);
}
