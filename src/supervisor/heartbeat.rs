//! [pure] Whether a worker's thread works, by the signs of life that it gives. A thread
//! that a callback blocks looks alive in every other way.

use std::time::{Duration, Instant};

/// How long a silence is borne.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From here on the worker counts as blocked.
    pub(super) blocked_after: Duration,
    /// From here on it is not waited for any longer.
    pub(super) lost_after: Duration,
}

/// What a look at a worker brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Unchanged,
    /// It has just become clear that it is blocked.
    Blocked,
    /// It was blocked and works again.
    Back,
    /// It has been blocked for too long.
    Lost,
}

/// What is known of one worker.
#[derive(Default)]
pub(super) struct Heart {
    is_blocked: bool,
}

impl Heart {
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Judges by the last sign of life. A silence before `excused` says nothing.
    pub(super) fn examine(
        &mut self,
        last: Instant,
        excused: Instant,
        now: Instant,
        patience: Patience,
    ) -> Finding {
        let silence = now.saturating_duration_since(last);
        let counted = now.saturating_duration_since(last.max(excused));
        if silence < patience.blocked_after {
            let was_blocked = std::mem::take(&mut self.is_blocked);
            return if was_blocked { Finding::Back } else { Finding::Unchanged };
        }
        if counted >= patience.lost_after {
            self.is_blocked = true;
            return Finding::Lost;
        }
        if counted >= patience.blocked_after && !std::mem::replace(&mut self.is_blocked, true) {
            return Finding::Blocked;
        }
        Finding::Unchanged
    }
}

/// The rounds of the one who looks. One that is itself late, since the whole process stood
/// still, blames nobody for it.
pub(super) struct Rounds {
    last: Instant,
    excused: Instant,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, excused: now }
    }

    /// Begins a round, which is late if it begins more than `late` after the last one.
    /// Returns up to when everybody is excused.
    pub(super) fn begin(&mut self, now: Instant, late: Duration) -> Instant {
        if now.saturating_duration_since(self.last) > late {
            self.excused = now;
        }
        self.last = now;
        self.excused
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        blocked_after: Duration::from_millis(500),
        lost_after: Duration::from_millis(2_000),
    };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_silent_worker_is_blocked_then_lost_and_one_that_beats_again_is_back() {
        let start = Instant::now();
        let mut heart = Heart::default();
        let mut look =
            |last, now| heart.examine(start + ms(last), start, start + ms(now), PATIENCE);
        assert_eq!(look(0, 499), Finding::Unchanged);
        assert_eq!(look(0, 500), Finding::Blocked);
        assert_eq!(look(0, 1_999), Finding::Unchanged);
        assert_eq!(look(1_990, 2_000), Finding::Back);
        assert_eq!(look(1_990, 2_010), Finding::Unchanged);
        assert_eq!(look(1_990, 3_990), Finding::Lost);
        assert_eq!(look(1_990, 4_000), Finding::Lost, "until somebody acts on it");
    }

    #[test]
    fn when_the_whole_process_stood_still_nobody_is_blamed() {
        let start = Instant::now();
        let mut rounds = Rounds::new(start);
        let mut heart = Heart::default();
        rounds.begin(start + ms(50), ms(250));
        let excused = rounds.begin(start + ms(60_000), ms(250));
        let mut look = |now| heart.examine(start + ms(40), excused, start + ms(now), PATIENCE);
        assert_eq!(look(60_000), Finding::Unchanged);
        assert_eq!(look(60_499), Finding::Unchanged);
        assert_eq!(look(60_500), Finding::Blocked, "it had its time and did not use it");
    }

    proptest! {
        /// Blocked and back alternate, and only silences of the promised length count.
        #[test]
        fn findings_follow_the_silence(looks in prop::collection::vec((1..400u64, any::<bool>()), 1..200)) {
            let start = Instant::now();
            let (mut now, mut last, mut blocked) = (start, start, false);
            let mut heart = Heart::default();
            for (passed, beats) in looks {
                now += ms(passed);
                if beats {
                    last = now;
                }
                match heart.examine(last, start, now, PATIENCE) {
                    Finding::Blocked => {
                        prop_assert!(!blocked && now - last >= PATIENCE.blocked_after);
                        blocked = true;
                    }
                    Finding::Back => {
                        prop_assert!(blocked && now - last < PATIENCE.blocked_after);
                        blocked = false;
                    }
                    Finding::Lost => {
                        prop_assert!(now - last >= PATIENCE.lost_after);
                        blocked = true;
                    }
                    Finding::Unchanged => {
                        prop_assert_eq!(blocked, now - last >= PATIENCE.blocked_after);
                    }
                }
                prop_assert_eq!(heart.is_blocked(), blocked);
            }
        }
    }
}
