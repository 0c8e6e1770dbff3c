//! [pure] Detects blocked worker threads by their heartbeat. A thread that a callback blocks looks
//! alive in every other way.

use std::time::{Duration, Instant};

/// The result of examining a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Unchanged,
    /// It has just been found blocked.
    Blocked,
    /// It was blocked and works again.
    Back,
    /// It has been blocked for too long.
    Lost,
}

/// Examines the workers in rounds. If a round itself is late, because the whole process was
/// suspended, no worker is blamed for that.
pub(super) struct HeartbeatMonitor {
    /// A worker that is silent for this long counts as blocked.
    blocked_after: Duration,
    /// A worker that is silent for this long is given up.
    lost_after: Duration,
    last_round: Instant,
    /// Silence before this time does not count.
    pub(super) excused: Instant,
}

impl HeartbeatMonitor {
    pub(super) fn new(blocked_after: Duration, lost_after: Duration, now: Instant) -> Self {
        Self { blocked_after, lost_after, last_round: now, excused: now }
    }

    /// Begins a round. If it is late, all workers are excused.
    pub(super) fn begin_round(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_round) > self.blocked_after / 2 {
            self.excused = now;
        }
        self.last_round = now;
    }

    /// Judges a worker by its last heartbeat, and records whether it is blocked.
    pub(super) fn examine(&self, is_blocked: &mut bool, last: Instant, now: Instant) -> Finding {
        let silence = now.saturating_duration_since(last);
        let counted = now.saturating_duration_since(last.max(self.excused));
        if silence < self.blocked_after {
            let was_blocked = std::mem::take(is_blocked);
            return if was_blocked { Finding::Back } else { Finding::Unchanged };
        }
        if counted >= self.lost_after {
            *is_blocked = true;
            return Finding::Lost;
        }
        if counted >= self.blocked_after && !std::mem::replace(is_blocked, true) {
            return Finding::Blocked;
        }
        Finding::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCKED_AFTER: Duration = Duration::from_millis(500);
    const LOST_AFTER: Duration = Duration::from_millis(2_000);

    fn monitor(now: Instant) -> HeartbeatMonitor {
        HeartbeatMonitor::new(BLOCKED_AFTER, LOST_AFTER, now)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_silent_worker_is_blocked_then_lost_and_one_that_beats_again_is_back() {
        let start = Instant::now();
        let (monitor, mut is_blocked) = (monitor(start), false);
        let mut look =
            |last, now| monitor.examine(&mut is_blocked, start + ms(last), start + ms(now));
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
        let (mut monitor, mut is_blocked) = (monitor(start), false);
        monitor.begin_round(start + ms(50));
        monitor.begin_round(start + ms(60_000));
        let mut look = |now| monitor.examine(&mut is_blocked, start + ms(40), start + ms(now));
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
            let (monitor, mut is_blocked) = (monitor(start), false);
            for (passed, beats) in looks {
                now += ms(passed);
                if beats {
                    last = now;
                }
                match monitor.examine(&mut is_blocked, last, now) {
                    Finding::Blocked => {
                        prop_assert!(!blocked && now - last >= BLOCKED_AFTER);
                        blocked = true;
                    }
                    Finding::Back => {
                        prop_assert!(blocked && now - last < BLOCKED_AFTER);
                        blocked = false;
                    }
                    Finding::Lost => {
                        prop_assert!(now - last >= LOST_AFTER);
                        blocked = true;
                    }
                    Finding::Unchanged => {
                        prop_assert_eq!(blocked, now - last >= BLOCKED_AFTER);
                    }
                }
                prop_assert_eq!(is_blocked, blocked);
            }
        }
    }
}
