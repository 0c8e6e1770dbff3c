//! Which connection is used and which are closed, on a clock of the test's own.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use crate::transport::stack::{Limits, Stack};

const IDLE: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_secs(100);

fn stack(min: usize, max: usize) -> Stack<u32> {
    Stack::new(Limits { min, max, idle_timeout: IDLE, max_lifetime: LIFE })
}

/// Opens the connections `numbers`, and puts them down in this order.
fn fill(stack: &mut Stack<u32>, numbers: std::ops::Range<u32>, now: Instant) {
    numbers.clone().for_each(|_| stack.enter());
    for number in numbers {
        put(stack, number, now, now);
    }
}

fn put(stack: &mut Stack<u32>, number: u32, born: Instant, now: Instant) {
    stack.put(number, born, now);
    stack.leave();
}

/// Takes all idle connections, the first one first.
fn drain(stack: &mut Stack<u32>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| Some(stack.take(now, |_| true)?.0)).collect()
}

#[test]
fn the_last_one_in_is_the_first_one_out_and_unusable_ones_are_dropped() {
    let (mut stack, now) = (stack(0, 8), Instant::now());
    fill(&mut stack, 0..5, now);
    assert_eq!(stack.take(now, |number| *number != 4).unwrap().0, 3);
    assert_eq!(stack.open(), 4);
    put(&mut stack, 3, now, now);
    assert_eq!(drain(&mut stack, now), [3, 2, 1, 0]);
}

#[test]
fn those_that_are_idle_for_longest_close_first_and_the_minimum_stays() {
    let (mut stack, now) = (stack(2, 8), Instant::now());
    fill(&mut stack, 0..5, now);
    stack.sweep(now + IDLE / 2, |_| true);
    assert_eq!(stack.open(), 5);
    assert_eq!(stack.sweep(now + IDLE, |_| true), None);
    assert_eq!(drain(&mut stack, now), [4, 3]);
}

#[test]
fn a_busy_connection_counts_towards_the_minimum() {
    let (mut stack, now) = (stack(2, 8), Instant::now());
    fill(&mut stack, 0..3, now);
    stack.take(now, |_| true).unwrap();
    stack.sweep(now + IDLE, |_| true);
    assert_eq!((stack.open(), stack.missing()), (2, 0));
    stack.leave();
    assert_eq!((stack.missing(), stack.is_filled()), (1, false));
    stack.begin_opening();
    assert_eq!((stack.missing(), stack.is_filled()), (0, false));
    stack.end_opening(Some(9), now);
    assert!(stack.is_filled());
}

#[test]
fn a_call_waits_for_what_is_being_opened_only_if_one_more_were_too_many() {
    let mut stack = stack(2, 3);
    assert!(!stack.has_to_wait(0));
    (0..2).for_each(|_| stack.begin_opening());
    assert!(!stack.has_to_wait(0), "there is room for one");
    stack.begin_dialling();
    assert!(stack.has_to_wait(0) && stack.has_to_wait(1));
    assert!(!stack.has_to_wait(2), "none is left to wait for");
    stack.end_dialling();
    assert!(!stack.has_to_wait(0));
}

#[test]
fn what_a_call_opens_counts_towards_the_minimum_but_is_not_open() {
    let mut stack = stack(2, 3);
    stack.begin_dialling();
    assert_eq!((stack.missing(), stack.open()), (1, 0));
    stack.end_dialling();
    assert_eq!(stack.missing(), 2);
}

#[test]
fn a_minimum_that_changes_opens_what_is_missing_and_closes_what_is_unused() {
    let (mut stack, now) = (stack(0, 8), Instant::now());
    fill(&mut stack, 0..4, now);
    stack.keep(6);
    stack.sweep(now + IDLE, |_| true);
    assert_eq!((stack.open(), stack.missing()), (4, 2));
    stack.keep(1);
    stack.sweep(now + IDLE, |_| true);
    assert_eq!((stack.open(), stack.missing()), (1, 0));
}

#[test]
fn what_is_dead_or_too_old_closes_also_below_the_minimum() {
    let (mut stack, now) = (stack(3, 8), Instant::now());
    fill(&mut stack, 0..2, now);
    fill(&mut stack, 2..3, now + LIFE / 2);
    let later = now + LIFE / 2 + IDLE / 2;
    assert_eq!(stack.sweep(later, |number| *number != 0), Some(later - now));
    assert_eq!((stack.open(), stack.missing()), (2, 1));
    assert_eq!(stack.sweep(now + LIFE, |_| true), None, "age is no death");
    assert_eq!(drain(&mut stack, now + LIFE), [2]);
}

#[test]
fn an_old_connection_is_neither_put_down_nor_taken() {
    let (mut stack, now) = (stack(0, 8), Instant::now());
    stack.enter();
    put(&mut stack, 0, now, now + LIFE);
    fill(&mut stack, 1..2, now);
    assert!(stack.take(now + LIFE, |_| true).is_none());
    assert_eq!(stack.open(), 0);
}

#[test]
fn after_use_no_more_stay_open_than_the_maximum() {
    let (mut stack, now) = (stack(0, 3), Instant::now());
    fill(&mut stack, 0..5, now);
    assert_eq!(drain(&mut stack, now), [4, 3, 2]);
    stack.begin_opening();
    stack.end_opening(Some(9), now);
    assert_eq!(stack.open(), 3, "one that was opened in vain is closed");
}

#[test]
fn with_no_idle_time_only_the_minimum_is_put_down() {
    let now = Instant::now();
    let limits = Limits { min: 1, max: 8, idle_timeout: Duration::ZERO, max_lifetime: LIFE };
    let mut stack = Stack::new(limits);
    fill(&mut stack, 0..3, now);
    assert_eq!(drain(&mut stack, now), [2]);
}

#[test]
fn the_next_sweep_comes_when_the_first_connection_is_due_and_within_a_second() {
    let (mut stack, now) = (stack(0, 8), Instant::now());
    assert_eq!(stack.next_sweep(now), None);
    fill(&mut stack, 0..2, now);
    assert_eq!(stack.next_sweep(now), Some(now + Duration::from_secs(1)));
    let soon = now + IDLE - Duration::from_millis(300);
    assert_eq!(stack.next_sweep(soon), Some(now + IDLE));
    assert!(self::stack(1, 8).next_sweep(now).is_some());
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
        let mut stack = stack(min, max);
        let mut now = Instant::now();
        let mut lent: Vec<(u32, Instant)> = Vec::new();
        let mut opening = 0_usize;
        let mut next = 0..;
        for step in steps {
            match step {
                Step::Take => lent.extend(stack.take(now, |_| true)),
                Step::Open => {
                    stack.enter();
                    lent.extend(next.next().map(|number| (number, now)));
                }
                Step::GiveBack(at) if at < lent.len() => {
                    let (number, born) = lent.swap_remove(at);
                    put(&mut stack, number, born, now);
                }
                Step::Lose(at) if at < lent.len() => {
                    lent.swap_remove(at);
                    stack.leave();
                }
                Step::BeginOpening => {
                    stack.begin_opening();
                    opening += 1;
                }
                Step::EndOpening(opened) if opening > 0 => {
                    stack.end_opening(next.next().filter(|_| opened), now);
                    opening -= 1;
                }
                Step::Sweep(seconds, nth) => {
                    now += Duration::from_secs(seconds);
                    let before = stack.open();
                    let mut dead = 0;
                    stack.sweep(now, |number| {
                        let lives = *number % nth != 0;
                        dead += usize::from(!lives);
                        lives
                    });
                    let old = lent.iter().filter(|(_, born)| now - *born >= LIFE).count();
                    if dead == 0 && old == 0 && now < Instant::now() + LIFE {
                        prop_assert!(stack.open() >= before.min(min));
                    }
                }
                _ => {}
            }
            prop_assert_eq!(stack.opening(), opening);
            prop_assert!(stack.open() >= lent.len());
            prop_assert_eq!(stack.missing(), min.saturating_sub(stack.open() + opening));
            let numbers: BTreeSet<_> = lent.iter().map(|(number, _)| number).collect();
            prop_assert_eq!(numbers.len(), lent.len(), "one was lent twice");
            prop_assert!(lent.iter().all(|(_, born)| *born <= now));
        }
        let idle = stack.open() - lent.len();
        prop_assert_eq!(drain(&mut stack, now).len(), idle.min(stack.open() - lent.len()));
    }
}
