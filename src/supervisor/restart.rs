//! [pure] How soon a dead worker is replaced.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Deaths within this window count together.
const WINDOW: Duration = Duration::from_secs(10);
/// So many deaths in the window are repaired at once.
const AT_ONCE: usize = 20;
const FIRST_DELAY: Duration = Duration::from_millis(10);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The recent deaths in one slot.
#[derive(Default)]
pub(super) struct Restarts {
    deaths: VecDeque<Instant>,
}

impl Restarts {
    /// Records a death and returns how long to wait before the replacement: not at
    /// all at first, then 10 ms doubling up to 1 s, so that a worker which cannot
    /// live does not occupy a core.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        self.deaths.push_back(now);
        while self
            .deaths
            .front()
            .is_some_and(|death| now.saturating_duration_since(*death) > WINDOW)
        {
            self.deaths.pop_front();
        }
        match self.deaths.len().checked_sub(AT_ONCE + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_DELAY.saturating_mul(1 << doublings.min(16)).min(MAX_DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_deaths_are_repaired_at_once_and_a_storm_backs_off() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        assert!((0..AT_ONCE).all(|_| restarts.delay(now).is_zero()));
        assert_eq!(restarts.delay(now), FIRST_DELAY);
        assert_eq!(restarts.delay(now), FIRST_DELAY * 2);
        assert_eq!((0..100).map(|_| restarts.delay(now)).max(), Some(MAX_DELAY));
        assert_eq!(restarts.delay(now + WINDOW * 2), Duration::ZERO);
    }
}
