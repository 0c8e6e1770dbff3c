//! The hold that an API requested: a time before which no worker sends, and the gradual reopening
//! after it. Shared by all workers, so a wait reported to one stops the others at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, futures::Notified};

use super::reopening::Reopening;
use crate::{lock::lock, retry::Refusal, timers};

/// A time that only moves forward, and who may pass after it.
pub(crate) struct Hold {
    /// Whether everyone may pass: there is no hold and no reopening.
    is_open: AtomicBool,
    reopening: Mutex<Reopening>,
    freed: Notify,
    /// The handle of which the API last requested a wait, and until when.
    asked: Mutex<Option<(u64, Instant)>>,
}

impl Hold {
    pub(crate) fn new() -> Self {
        Self {
            is_open: AtomicBool::new(true),
            reopening: Mutex::new(Reopening::new()),
            freed: Notify::new(),
            asked: Mutex::default(),
        }
    }

    /// Records that the API is unavailable to `handle` for `wait` from `now`, and returns whether
    /// it is unavailable to another handle too: then it seems to be unavailable to all.
    pub(crate) fn is_for_all(&self, handle: u64, now: Instant, wait: Duration) -> bool {
        let mut asked = lock(&self.asked);
        let others = asked.is_some_and(|(other, until)| other != handle && until > now);
        *asked = Some((handle, timers::after(now, wait)));
        others
    }

    /// Holds everything for `wait` from `now`, unless an earlier hold lasts longer. Returns whether
    /// this extends the hold.
    pub(crate) fn extend(&self, now: Instant, wait: Duration) -> bool {
        let mut reopening = lock(&self.reopening);
        let is_longer = !wait.is_zero() && reopening.hold(timers::after(now, wait), now);
        if is_longer {
            self.is_open.store(false, Ordering::Release);
        }
        is_longer
    }

    /// Whether everyone may pass.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How long until the hold is over, or until one more may be let through after it; `None` if
    /// one would be let through at once. A caller that waits for its turn may be let through
    /// sooner, see [`freed`](Self::freed).
    pub(crate) fn wait(&self, now: Instant) -> Option<Refusal> {
        if self.is_open() {
            return None;
        }
        lock(&self.reopening).check(now).err()
    }

    /// Lets an attempt leave at `now`, if one may. Must be called last, once the attempt has
    /// everything else that it needs.
    pub(crate) fn admit(&self, now: Instant) -> Option<HoldPermit<'_>> {
        if self.is_open() {
            return Some(HoldPermit { hold: self, epoch: None });
        }
        let mut reopening = lock(&self.reopening);
        let epoch = reopening.admit(now).ok()?;
        if reopening.is_open() {
            self.is_open.store(true, Ordering::Release);
            self.freed.notify_waiters();
        }
        Some(HoldPermit { hold: self, epoch })
    }

    /// Resolves when there may be room for one more.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }
}

/// The permit of one attempt after a hold, given back with the attempt's end. Dropping it without
/// a call of `served` counts as not served.
#[must_use]
pub(crate) struct HoldPermit<'a> {
    hold: &'a Hold,
    /// The number of the hold that it follows.
    epoch: Option<u64>,
}

impl HoldPermit<'_> {
    /// The attempt was served.
    pub(crate) fn served(mut self) {
        self.end(true);
    }

    fn end(&mut self, is_served: bool) {
        if let Some(epoch) = self.epoch.take() {
            lock(&self.hold.reopening).ended(epoch, is_served);
            self.hold.freed.notify_one();
            if is_served {
                self.hold.freed.notify_one();
            }
        }
    }
}

impl Drop for HoldPermit<'_> {
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_by_itself_and_a_shorter_one_does_not_cut_it() {
        let start = Instant::now();
        let hold = Hold::new();
        let held = |secs| Some(Refusal::Wait(Duration::from_secs(secs)));
        assert_eq!(hold.wait(start), None);
        assert!(hold.extend(start, Duration::from_secs(10)));
        assert!(!hold.extend(start, Duration::from_secs(2)));
        assert_eq!(hold.wait(start + Duration::from_secs(4)), held(6));
        assert_eq!(hold.wait(start + Duration::from_secs(10)), None);
        assert!(!hold.extend(start + Duration::from_secs(11), Duration::ZERO));
    }

    #[test]
    fn when_a_hold_is_over_one_is_let_through_and_others_when_it_is_served() {
        let start = Instant::now();
        let hold = Hold::new();
        assert!(hold.admit(start).is_some() && hold.is_open());
        hold.extend(start, Duration::from_secs(1));
        assert_eq!(hold.wait(start), Some(Refusal::Wait(Duration::from_secs(1))));
        assert!(hold.admit(start).is_none());
        let end = start + Duration::from_secs(1);
        let first = hold.admit(end).unwrap();
        assert!(hold.admit(end).is_none());
        assert_eq!(hold.wait(end), Some(Refusal::Turn(Duration::from_millis(250))));
        drop(first);
        hold.admit(end).unwrap().served();
        let two = (hold.admit(end), hold.admit(end));
        assert!(two.0.is_some() && two.1.is_some() && hold.admit(end).is_none());
        assert!(hold.admit(end + Duration::from_secs(2)).is_some() && hold.is_open());
    }

    #[test]
    fn security_10_what_two_handles_are_told_at_a_time_is_told_to_all() {
        let start = Instant::now();
        let hold = Hold::new();
        let told = |handle, after, wait| {
            let now = start + Duration::from_secs(after);
            hold.is_for_all(handle, now, Duration::from_secs(wait))
        };
        assert!(!told(1, 0, 8) && !told(1, 1, 8));
        assert!(told(2, 8, 2), "the first one waits still");
        assert!(!told(1, 10, 8), "the second one waits no more");
    }

    #[test]
    fn an_endless_hold_does_not_overflow() {
        let start = Instant::now();
        let hold = Hold::new();
        assert!(hold.extend(start, Duration::MAX));
        assert!(hold.wait(start).is_some());
    }
}
