//! Who runs on the thread of a token manager at the moment, so that it is known whose
//! `acquire` blocked it when it is given up. One that does so again and again is not called
//! any more while the others go on.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use futures::future::LocalBoxFuture;

use crate::actors::Heartbeat;

/// So many threads may one token's `acquire` block before it is not called until one is free.
const MOST_STUCK: u32 = 4;

/// What is known of the acquires of a set, slot by slot.
pub(crate) struct Marks(Vec<Mark>);

#[derive(Default)]
struct Mark {
    given_up: AtomicU32,
    returned: AtomicU32,
}

impl Marks {
    pub(super) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Mark::default()).collect())
    }

    /// How often a thread was given up in an acquire of the set.
    pub(crate) fn given_up(&self) -> u32 {
        self.0.iter().map(|mark| mark.given_up.load(Ordering::Acquire)).sum()
    }

    /// Whether as many threads as may be are in the acquire of `slot`.
    pub(super) fn is_stuck(&self, slot: usize) -> bool {
        let stuck = self.0.get(slot).map_or(0, |mark| {
            let returned = mark.returned.load(Ordering::Acquire);
            mark.given_up.load(Ordering::Acquire).saturating_sub(returned)
        });
        stuck >= MOST_STUCK
    }
}

/// What the thread of a manager shows to those who look after it.
pub(crate) struct Signs {
    pub(crate) heartbeat: Heartbeat,
    pub(crate) inside: Inside,
}

impl Signs {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heartbeat: Heartbeat::new(now), inside: Inside::default() }
    }
}

/// Whose acquire runs on one thread at the moment.
#[derive(Default)]
pub(crate) struct Inside(Mutex<Option<Entry>>);

struct Entry {
    marks: Arc<Marks>,
    slot: usize,
    is_given_up: bool,
}

impl Inside {
    /// Gives up the thread: whoever is inside will not be waited for.
    pub(crate) fn give_up(&self) {
        if let Some(entry) = &mut *self.entry() {
            entry.is_given_up = true;
            if let Some(mark) = entry.marks.0.get(entry.slot) {
                mark.given_up.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn enter(&self, marks: &Arc<Marks>, slot: usize) -> Stay<'_> {
        *self.entry() = Some(Entry { marks: Arc::clone(marks), slot, is_given_up: false });
        Stay(self)
    }

    fn entry(&self) -> MutexGuard<'_, Option<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stay inside, up to its end.
struct Stay<'a>(&'a Inside);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let entry = self.0.entry().take().filter(|entry| entry.is_given_up);
        if let Some(mark) = entry.as_ref().and_then(|entry| entry.marks.0.get(entry.slot)) {
            mark.returned.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// An acquire that is noted whenever it runs, at its end too.
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
        let _stay = signs.inside.enter(marks, *slot);
        match acquire {
            Some(acquire) => acquire.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Noted<'_, T> {
    fn drop(&mut self) {
        let _stay = self.signs.inside.enter(&self.marks, self.slot);
        drop(self.acquire.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_when_a_thread_is_given_up_is_stuck_until_it_returns() {
        let (inside, marks) = (Inside::default(), Arc::new(Marks::new(2)));
        inside.give_up();
        let stays: Vec<_> = (0..MOST_STUCK).map(|_| Inside::default()).collect();
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
