//! [pure] When a dead actor is replaced, and when it is given up.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::retry::backoff::exponential;

/// Deaths within this window slow the replacements down.
const WINDOW: Duration = Duration::from_secs(10);
/// This many deaths in the window are followed by an immediate restart.
const AT_ONCE: usize = 20;
const FIRST_DELAY: Duration = Duration::from_millis(10);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// What to do about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    AtOnce,
    After(Duration),
    GiveUp,
}

/// The recent deaths of one slot or role.
#[derive(Default)]
pub(super) struct Restarts {
    recent: VecDeque<Instant>,
    /// Deaths since the last actor that did some work.
    in_a_row: VecDeque<Instant>,
}

impl Restarts {
    /// Records the death of an actor that did some work, or none, and decides: restart at once at
    /// first, then after 10 ms doubling up to 1 s, so that an actor that keeps dying does not
    /// occupy a core, and give up after more than `most` deaths within `period`, like
    /// Erlang/OTP's supervisors (`intensity` and `period` of `supervisor:sup_flags()`). Unlike
    /// there, only consecutive deaths without work count: an actor that did some work can live,
    /// and what killed it then was the work.
    pub(super) fn died(
        &mut self,
        now: Instant,
        has_worked: bool,
        (most, period): (u32, Duration),
    ) -> Repair {
        forget(&mut self.recent, now, WINDOW);
        self.recent.push_back(now);
        if has_worked {
            self.in_a_row.clear();
        } else {
            forget(&mut self.in_a_row, now, period);
            self.in_a_row.push_back(now);
            if self.in_a_row.len() as u64 > most.into() {
                return Repair::GiveUp;
            }
        }
        match self.recent.len().checked_sub(AT_ONCE + 1) {
            None => Repair::AtOnce,
            Some(doublings) => {
                let doublings = u32::try_from(doublings).unwrap_or(u32::MAX);
                Repair::After(exponential(FIRST_DELAY, MAX_DELAY, doublings))
            }
        }
    }
}

/// Forgets deaths longer than `span` ago.
fn forget(deaths: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while deaths.front().is_some_and(|death| now.saturating_duration_since(*death) > span) {
        deaths.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENDLESS: (u32, Duration) = (u32::MAX, Duration::from_secs(60));

    #[test]
    fn the_first_deaths_are_repaired_at_once_and_a_storm_backs_off() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        let mut died = |at| restarts.died(at, true, ENDLESS);
        assert!((0..AT_ONCE).all(|_| died(now) == Repair::AtOnce));
        assert_eq!(died(now), Repair::After(FIRST_DELAY));
        assert_eq!(died(now), Repair::After(FIRST_DELAY * 2));
        assert!((0..100).any(|_| died(now) == Repair::After(MAX_DELAY)));
        assert_eq!(died(now), Repair::After(MAX_DELAY));
        assert_eq!(died(now + WINDOW * 2), Repair::AtOnce);
    }

    #[test]
    fn with_an_intensity_of_zero_the_first_fruitless_death_is_the_last() {
        let none = (0, ENDLESS.1);
        let now = Instant::now();
        assert_eq!(Restarts::default().died(now, true, none), Repair::AtOnce);
        assert_eq!(Restarts::default().died(now, false, none), Repair::GiveUp);
    }

    proptest! {
        /// Compared with a plain reading of the rule over the whole history.
        #[test]
        fn it_gives_up_on_the_first_death_that_is_one_too_many_in_a_row_within_the_period(
            lives in prop::collection::vec((0..5_000u64, prop::bool::weighted(0.1)), 1..60),
            deaths in 0..12u32,
            period in 1..30_000u64,
        ) {
            let period = Duration::from_millis(period);
            let intensity = (deaths, period);
            let start = Instant::now();
            let mut now = start;
            let mut restarts = Restarts::default();
            let mut row: Vec<Instant> = Vec::new();
            for (lived, has_worked) in lives {
                now += Duration::from_millis(lived);
                if has_worked { row.clear() } else { row.push(now) }
                let close = row.iter().filter(|death| now - **death <= period).count();
                let is_too_many = !has_worked && close > deaths as usize;
                let repair = restarts.died(now, has_worked, intensity);
                prop_assert_eq!(repair == Repair::GiveUp, is_too_many);
                if is_too_many {
                    break;
                }
                if let Repair::After(delay) = repair {
                    prop_assert!(delay >= FIRST_DELAY && delay <= MAX_DELAY);
                }
            }
        }

        #[test]
        fn what_dies_at_once_for_ever_is_given_up_and_does_not_spin(deaths in 0..200u32) {
            let intensity = (deaths, Duration::from_secs(600));
            let start = Instant::now();
            let (mut now, mut replacements) = (start, 0u32);
            let mut restarts = Restarts::default();
            loop {
                match restarts.died(now, false, intensity) {
                    Repair::AtOnce => {}
                    Repair::After(delay) => now += delay,
                    Repair::GiveUp => break,
                }
                replacements += 1;
            }
            prop_assert_eq!(replacements, deaths);
            // At most the immediate restarts plus the steps of the back-off in each window.
            let windows = (now - start).as_secs() / WINDOW.as_secs() + 1;
            prop_assert!(u64::from(replacements) <= windows * (AT_ONCE as u64 + 7 + 10));
        }
    }
}
