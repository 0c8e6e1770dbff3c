//! The bytes of pages that the streams of a pool hold in memory together, and the share of them
//! that a handle with its own credentials may use. What one stream holds is bounded by
//! `pager/page_window.rs`. Knows nothing of streams.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The budget and its use. It may be overdrawn: a page that has arrived is kept.
#[derive(Clone)]
pub(crate) struct ByteBudget {
    most: usize,
    held: Arc<AtomicUsize>,
    /// The use by the handle that this is a share for.
    by_handle: Option<Arc<AtomicUsize>>,
}

/// A part of a budget, freed when this is dropped.
pub(crate) struct HeldBytes {
    budget: ByteBudget,
    bytes: usize,
}

impl ByteBudget {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Arc::default(), by_handle: None }
    }

    /// The share of a handle that holds `held` already: it may hold as much as is free for
    /// others. So however much handles request, there is room for the next, as in the job table.
    pub(super) fn share_of(&self, held: &Arc<AtomicUsize>) -> Self {
        Self { by_handle: Some(Arc::clone(held)), ..self.clone() }
    }

    /// Holds this many bytes, and at least one, if they are free. Two concurrent callers may both
    /// be refused although there is room for one.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<HeldBytes> {
        let held = self.hold(bytes.max(1));
        let own = self.by_handle.as_ref().map_or(0, |held| held.load(Ordering::Relaxed));
        let most = self.most.saturating_sub(own);
        (self.held.load(Ordering::Relaxed) <= most).then_some(held)
    }

    /// Holds this many bytes in any case.
    pub(crate) fn hold(&self, bytes: usize) -> HeldBytes {
        self.counts().for_each(|count| _ = count.fetch_add(bytes, Ordering::Relaxed));
        HeldBytes { budget: self.clone(), bytes }
    }

    fn counts(&self) -> impl Iterator<Item = &AtomicUsize> {
        iter::once(&*self.held).chain(self.by_handle.as_deref())
    }
}

impl HeldBytes {
    /// Sets the number of bytes held, in any case.
    pub(crate) fn resize(&mut self, bytes: usize) {
        *self = self.budget.hold(bytes);
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.budget.counts().for_each(|count| _ = count.fetch_sub(bytes, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_05_what_is_held_bounds_what_may_be_held_and_comes_back() {
        let pool = ByteBudget::new(100);
        let mut first = pool.try_hold(60).unwrap();
        assert!(pool.try_hold(41).is_none());
        let second = pool.try_hold(40).unwrap();
        assert!(pool.try_hold(0).is_none());
        first.resize(500);
        drop(second);
        assert!(pool.try_hold(1).is_none());
        drop(first);
        assert!(pool.try_hold(100).is_some());
    }

    #[test]
    fn security_10_the_pages_of_a_handle_leave_room_for_those_of_others() {
        let pool = ByteBudget::new(100);
        let [a, b] = [(); 2].map(|()| pool.share_of(&Arc::default()));
        let held: Vec<_> = (0..100).map_while(|_| a.try_hold(1)).collect();
        assert_eq!(held.len(), 50);
        let others: Vec<_> = (0..100).map_while(|_| b.try_hold(1)).collect();
        assert_eq!(others.len(), 25);
        assert!(pool.try_hold(25).is_some());
        drop((held, others));
        assert!(a.try_hold(50).is_some() && pool.try_hold(100).is_some());
    }
}
