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

/// Records about the acquires of a set.
pub(crate) struct Marks {
    /// For each slot, how many abandoned threads its acquire still blocks.
    stuck: Vec<AtomicU32>,
    given_up: AtomicU32,
}

impl Marks {
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
pub(crate) struct Signs {
    pub(crate) heartbeat: Heartbeat,
    /// The acquire that runs there: its set, its slot, and whether it was given up.
    inside: Mutex<Option<(Arc<Marks>, usize, bool)>>,
}

impl Signs {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heartbeat: Heartbeat::new(now), inside: Mutex::default() }
    }

    /// Gives up the thread: nobody waits for the acquire that runs there.
    pub(crate) fn give_up(&self) {
        if let Some((marks, slot, is_given_up)) = &mut *lock(&self.inside) {
            *is_given_up = true;
            marks.given_up.fetch_add(1, Ordering::AcqRel);
            if let Some(stuck) = marks.stuck.get(*slot) {
                stuck.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn enter(&self, marks: &Arc<Marks>, slot: usize) -> Stay<'_> {
        *lock(&self.inside) = Some((Arc::clone(marks), slot, false));
        Stay(self)
    }
}

/// Marks one run of an acquire, until it is dropped.
struct Stay<'a>(&'a Signs);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        if let Some((marks, slot, true)) = lock(&self.0.inside).take()
            && let Some(stuck) = marks.stuck.get(slot)
        {
            stuck.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// An acquire that is recorded whenever it is polled or dropped.
pub(super) struct Noted<'a, T> {
    acquire: Option<LocalBoxFuture<'a, T>>,
    signs: Arc<Signs>,
    marks: Arc<Marks>,
    slot: usize,
}

impl<'a, T> Noted<'a, T> {
    pub(super) fn new(
        acquire: LocalBoxFuture<'a, T>,
        signs: Arc<Signs>,
        marks: Arc<Marks>,
        slot: usize,
    ) -> Self {
        Self { acquire: Some(acquire), signs, marks, slot }
    }
}

impl<T> Future for Noted<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { acquire, signs, marks, slot } = &mut *self;
        let _stay = signs.enter(marks, *slot);
        match acquire {
            Some(acquire) => acquire.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Noted<'_, T> {
    fn drop(&mut self) {
        let _stay = self.signs.enter(&self.marks, self.slot);
        drop(self.acquire.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_when_a_thread_is_given_up_is_stuck_until_it_returns() {
        let (signs, marks) = (|| Signs::new(Instant::now()), Arc::new(Marks::new(2)));
        let inside = signs();
        inside.give_up();
        let stays: Vec<_> = (0..MOST_STUCK).map(|_| signs()).collect();
        let mut stuck = Vec::new();
        for inside in &stays {
            assert!(!marks.is_stuck(1));
            stuck.push(inside.enter(&marks, 1));
            inside.give_up();
        }
        assert!(marks.is_stuck(1) && !marks.is_stuck(0));
        assert_eq!(marks.given_up(), MOST_STUCK);
        stuck.pop();
        assert!(!marks.is_stuck(1));
        drop(inside.enter(&marks, 0));
        assert_eq!(marks.given_up(), MOST_STUCK);
    }
}
