//! How fast something comes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Over how long it is averaged: commits come every few seconds.
const WINDOW: Duration = Duration::from_secs(10);

/// How fast a number grows that is looked at again and again.
#[derive(Debug)]
pub(crate) struct Pace {
    /// From before the window to now.
    seen: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Of a number that is `number` at first.
    pub(crate) fn from(now: Instant, number: u64) -> Self {
        Self { seen: VecDeque::from([(now, number)]) }
    }

    pub(crate) fn note(&mut self, now: Instant, number: u64) {
        self.seen.push_back((now, number));
        let is_past = |(at, _): &(Instant, u64)| now.duration_since(*at) >= WINDOW;
        while self.seen.get(1).is_some_and(is_past) {
            self.seen.pop_front();
        }
    }

    /// By how much it has grown in each of the last seconds.
    pub(crate) fn per_second(&self) -> f64 {
        let (Some((from, before)), Some((to, now))) = (self.seen.front(), self.seen.back()) else {
            return 0.0;
        };
        let seconds = to.duration_since(*from).as_secs_f64();
        if seconds > 0.0 { now.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }

    /// How long it takes at this pace to grow by `more`; `None` if it stands still.
    pub(crate) fn time_for(&self, more: u64) -> Option<Duration> {
        Duration::try_from_secs_f64(more as f64 / self.per_second()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut pace = Pace::from(start, 1000);
        assert_eq!((pace.per_second(), pace.time_for(1)), (0.0, None));
        let mut note = |second: u64, number: u64| {
            pace.note(start + Duration::from_secs(second), number);
            (pace.per_second(), pace.time_for(60))
        };
        assert_eq!(note(5, 1100), (20.0, Some(Duration::from_secs(3))));
        assert_eq!(note(10, 1100), (10.0, Some(Duration::from_secs(6))));
        assert_eq!(note(15, 1400), (30.0, Some(Duration::from_secs(2))));
        assert_eq!(note(25, 1400), (0.0, None), "what was before the window is forgotten");
    }
}
