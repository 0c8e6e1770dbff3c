//! Which connection is used and which are closed, on a clock of the test's own.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{PoolLimits, PoolState};

const IDLE: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_secs(100);

fn pool(min: usize, max: usize) -> PoolState<u32> {
    PoolState::new(PoolLimits { min, max, idle_timeout: IDLE, max_lifetime: LIFE })
}

/// Opens the connections `numbers`, and returns them in this order.
fn fill(state: &mut PoolState<u32>, numbers: std::ops::Range<u32>, now: Instant) {
    numbers.clone().for_each(|_| state.opened());
    for number in numbers {
        put(state, number, now, now);
    }
}

fn put(state: &mut PoolState<u32>, number: u32, born: Instant, now: Instant) {
    state.returned(number, born, now);
    state.leave();
}

/// Takes all idle connections, the first one first.
fn drain(state: &mut PoolState<u32>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| Some(state.take(now, |_| true)?.0)).collect()
}

#[test]
fn the_last_one_in_is_the_first_one_out_and_unusable_ones_are_dropped() {
    let (mut state, now) = (pool(0, 8), Instant::now());
    fill(&mut state, 0..5, now);
    assert_eq!(state.take(now, |number| *number != 4).unwrap().0, 3);
    assert_eq!(state.open(), 4);
    put(&mut state, 3, now, now);
    assert_eq!(drain(&mut state, now), [3, 2, 1, 0]);
}

#[test]
fn those_that_are_idle_for_longest_close_first_and_the_minimum_stays() {
    let (mut state, now) = (pool(2, 8), Instant::now());
    fill(&mut state, 0..5, now);
    state.sweep(now + IDLE / 2, |_| true);
    assert_eq!(state.open(), 5);
    assert_eq!(state.sweep(now + IDLE, |_| true), None);
    assert_eq!(drain(&mut state, now), [4, 3]);
}

#[test]
fn a_busy_connection_counts_towards_the_minimum() {
    let (mut state, now) = (pool(2, 8), Instant::now());
    fill(&mut state, 0..3, now);
    state.take(now, |_| true).unwrap();
    state.sweep(now + IDLE, |_| true);
    assert_eq!((state.open(), state.missing()), (2, 0));
    state.leave();
    assert_eq!((state.missing(), state.is_filled()), (1, false));
    state.begin_filling();
    assert_eq!((state.missing(), state.is_filled()), (0, false));
    state.end_filling(Some(9), now);
    assert!(state.is_filled());
}

#[test]
fn a_call_waits_for_what_is_being_opened_only_if_one_more_were_too_many() {
    let mut state = pool(2, 3);
    assert!(!state.has_to_wait(0));
    (0..2).for_each(|_| state.begin_filling());
    assert!(!state.has_to_wait(0), "there is room for one");
    state.begin_connecting();
    assert!(state.has_to_wait(0) && state.has_to_wait(1));
    assert!(!state.has_to_wait(2), "none is left to wait for");
    state.end_connecting();
    assert!(!state.has_to_wait(0));
}

#[test]
fn what_a_call_opens_counts_towards_the_minimum_but_is_not_open() {
    let mut state = pool(2, 3);
    state.begin_connecting();
    assert_eq!((state.missing(), state.open()), (1, 0));
    state.end_connecting();
    assert_eq!(state.missing(), 2);
}

#[test]
fn a_minimum_that_changes_opens_what_is_missing_and_closes_what_is_unused() {
    let (mut state, now) = (pool(0, 8), Instant::now());
    fill(&mut state, 0..4, now);
    state.keep(6);
    state.sweep(now + IDLE, |_| true);
    assert_eq!((state.open(), state.missing()), (4, 2));
    state.keep(1);
    state.sweep(now + IDLE, |_| true);
    assert_eq!((state.open(), state.missing()), (1, 0));
}

#[test]
fn what_is_dead_or_too_old_closes_also_below_the_minimum() {
    let (mut state, now) = (pool(3, 8), Instant::now());
    fill(&mut state, 0..2, now);
    fill(&mut state, 2..3, now + LIFE / 2);
    let later = now + LIFE / 2 + IDLE / 2;
    assert_eq!(state.sweep(later, |number| *number != 0), Some(later - now));
    assert_eq!((state.open(), state.missing()), (2, 1));
    assert_eq!(state.sweep(now + LIFE, |_| true), None, "age is not a death");
    assert_eq!(drain(&mut state, now + LIFE), [2]);
}

#[test]
fn an_old_connection_is_neither_put_down_nor_taken() {
    let (mut state, now) = (pool(0, 8), Instant::now());
    state.opened();
    put(&mut state, 0, now, now + LIFE);
    fill(&mut state, 1..2, now);
    assert!(state.take(now + LIFE, |_| true).is_none());
    assert_eq!(state.open(), 0);
}

#[test]
fn after_use_no_more_stay_open_than_the_maximum() {
    let (mut state, now) = (pool(0, 3), Instant::now());
    fill(&mut state, 0..5, now);
    assert_eq!(drain(&mut state, now), [4, 3, 2]);
    state.begin_filling();
    state.end_filling(Some(9), now);
    assert_eq!(state.open(), 3, "one that was opened in vain is closed");
}

#[test]
fn with_no_idle_time_only_the_minimum_is_put_down() {
    let now = Instant::now();
    let limits = PoolLimits { min: 1, max: 8, idle_timeout: Duration::ZERO, max_lifetime: LIFE };
    let mut state = PoolState::new(limits);
    fill(&mut state, 0..3, now);
    assert_eq!(drain(&mut state, now), [2]);
}

#[test]
fn the_next_sweep_comes_when_the_first_connection_is_due_and_within_a_second() {
    let (mut state, now) = (pool(0, 8), Instant::now());
    assert_eq!(state.next_sweep(now), None);
    fill(&mut state, 0..2, now);
    assert_eq!(state.next_sweep(now), Some(now + Duration::from_secs(1)));
    let soon = now + IDLE - Duration::from_millis(300);
    assert_eq!(state.next_sweep(soon), Some(now + IDLE));
    assert!(pool(1, 8).next_sweep(now).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    Open,
    GiveBack(usize),
    Lose(usize),
    BeginOpening,
    EndOpening(bool),
    /// Lets so many seconds pass, then sweeps; every so many-th connection has died.
    Sweep(u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        2 => Just(Step::Open),
        4 => (0..8_usize).prop_map(Step::GiveBack),
        1 => (0..8_usize).prop_map(Step::Lose),
        1 => Just(Step::BeginOpening),
        1 => any::<bool>().prop_map(Step::EndOpening),
        2 => (0..20_u64, 2..6_u32).prop_map(|(seconds, nth)| Step::Sweep(seconds, nth)),
    ]
}

proptest! {
    /// Whatever happens, no connection is lent twice, the counts are right, nothing stays open
    /// beyond its time, and the sweep leaves the minimum of those that live.
    #[test]
    fn every_connection_is_in_one_place(
        (min, max) in (0..4_usize, 4..7_usize),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut state = pool(min, max);
        let start = Instant::now();
        let mut now = start;
        let mut lent: Vec<(u32, Instant)> = Vec::new();
        let mut opening = 0_usize;
        let mut next = 0..;
        for step in steps {
            match step {
                Step::Take => lent.extend(state.take(now, |_| true)),
                Step::Open => {
                    state.opened();
                    lent.extend(next.next().map(|number| (number, now)));
                }
                Step::GiveBack(at) if at < lent.len() => {
                    let (number, born) = lent.swap_remove(at);
                    put(&mut state, number, born, now);
                }
                Step::Lose(at) if at < lent.len() => {
                    lent.swap_remove(at);
                    state.leave();
                }
                Step::BeginOpening => {
                    state.begin_filling();
                    opening += 1;
                }
                Step::EndOpening(opened) if opening > 0 => {
                    state.end_filling(next.next().filter(|_| opened), now);
                    opening -= 1;
                }
                Step::Sweep(seconds, nth) => {
                    now += Duration::from_secs(seconds);
                    let before = state.open();
                    let mut dead = 0;
                    state.sweep(now, |number| {
                        let lives = *number % nth != 0;
                        dead += usize::from(!lives);
                        lives
                    });
                    let old = lent.iter().filter(|(_, born)| now - *born >= LIFE).count();
                    if dead == 0 && old == 0 && now < start + LIFE {
                        prop_assert!(state.open() >= before.min(min));
                    }
                }
                _ => {}
            }
            prop_assert_eq!(state.filling(), opening);
            prop_assert!(state.open() >= lent.len());
            prop_assert_eq!(state.missing(), min.saturating_sub(state.open() + opening));
            let numbers: BTreeSet<_> = lent.iter().map(|(number, _)| number).collect();
            prop_assert_eq!(numbers.len(), lent.len(), "one was lent twice");
            prop_assert!(lent.iter().all(|(_, born)| *born <= now));
        }
        let idle = state.open() - lent.len();
        prop_assert_eq!(drain(&mut state, now).len(), idle.min(state.open() - lent.len()));
    }
}
