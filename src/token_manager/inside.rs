//! Records which `acquire` runs on the thread of a token manager: if it blocks the thread until
//! that is given up, it is known which one it was. An acquire that blocks again and again is no
//! longer called, while the others go on.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use futures::future::LocalBoxFuture;

use crate::{actors::Heartbeat, lock::lock};

/// How many threads one token's `acquire` may block before it is no longer called.
const MOST_STUCK: u32 = 4;

/// Which acquires of a set block threads.
pub(crate) struct StuckAcquires {
    /// For each slot, how many abandoned threads its acquire still blocks.
    stuck: Vec<AtomicU32>,
    given_up: AtomicU32,
}

impl StuckAcquires {
    pub(super) fn new(slots: usize) -> Self {
        let stuck = (0..slots).map(|_| AtomicU32::new(0)).collect();
        Self { stuck, given_up: AtomicU32::new(0) }
    }

    /// How often a thread was given up in an acquire of the set.
    pub(crate) fn given_up(&self) -> u32 {
        self.given_up.load(Ordering::Acquire)
    }

    /// Whether the acquire of `slot` blocks as many threads as allowed.
    pub(super) fn is_stuck(&self, slot: usize) -> bool {
        self.stuck.get(slot).is_some_and(|stuck| stuck.load(Ordering::Acquire) >= MOST_STUCK)
    }
}

/// State of a manager's thread, for those who watch it.
pub(crate) struct ManagerThread {
    pub(crate) heartbeat: Heartbeat,
    /// The acquire that runs there: its set, its slot, and whether it was given up.
    inside: Mutex<Option<(Arc<StuckAcquires>, usize, bool)>>,
}

impl ManagerThread {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heartbeat: Heartbeat::new(now), inside: Mutex::default() }
    }

    /// Gives up the thread: nobody waits for the acquire that runs there.
    pub(crate) fn give_up(&self) {
        if let Some((acquires, slot, is_given_up)) = &mut *lock(&self.inside) {
            *is_given_up = true;
            acquires.given_up.fetch_add(1, Ordering::AcqRel);
            if let Some(stuck) = acquires.stuck.get(*slot) {
                stuck.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn enter(&self, acquires: &Arc<StuckAcquires>, slot: usize) -> RunGuard<'_> {
        *lock(&self.inside) = Some((Arc::clone(acquires), slot, false));
        RunGuard(self)
    }
}

/// Records one run of an acquire until it is dropped.
struct RunGuard<'a>(&'a ManagerThread);

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        if let Some((acquires, slot, true)) = lock(&self.0.inside).take()
            && let Some(stuck) = acquires.stuck.get(slot)
        {
            stuck.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// An acquire that is recorded whenever it is polled or dropped.
pub(super) struct WatchedAcquire<'a, T> {
    acquire: Option<LocalBoxFuture<'a, T>>,
    thread: Arc<ManagerThread>,
    acquires: Arc<StuckAcquires>,
    slot: usize,
}

impl<'a, T> WatchedAcquire<'a, T> {
    pub(super) fn new(
        acquire: LocalBoxFuture<'a, T>,
        thread: Arc<ManagerThread>,
        acquires: Arc<StuckAcquires>,
        slot: usize,
    ) -> Self {
        Self { acquire: Some(acquire), thread, acquires, slot }
    }
}

impl<T> Future for WatchedAcquire<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { acquire, thread, acquires, slot } = &mut *self;
        let _guard = thread.enter(acquires, *slot);
        match acquire {
            Some(acquire) => acquire.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for WatchedAcquire<'_, T> {
    fn drop(&mut self) {
        let _guard = self.thread.enter(&self.acquires, self.slot);
        drop(self.acquire.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_when_a_thread_is_given_up_is_stuck_until_it_returns() {
        let (thread, acquires) =
            (|| ManagerThread::new(Instant::now()), Arc::new(StuckAcquires::new(2)));
        let inside = thread();
        inside.give_up();
        let stays: Vec<_> = (0..MOST_STUCK).map(|_| thread()).collect();
        let mut stuck = Vec::new();
        for inside in &stays {
            assert!(!acquires.is_stuck(1));
            stuck.push(inside.enter(&acquires, 1));
            inside.give_up();
        }
        assert!(acquires.is_stuck(1) && !acquires.is_stuck(0));
        assert_eq!(acquires.given_up(), MOST_STUCK);
        stuck.pop();
        assert!(!acquires.is_stuck(1));
        drop(inside.enter(&acquires, 0));
        assert_eq!(acquires.given_up(), MOST_STUCK);
    }
}
