//! The back-pressure of a read: what it may hold at a time, in flight or in memory, in pages and
//! in bytes. The prefetcher takes a permit before it requests a page, and the reader gives it back
//! once the page was consumed: a slow consumer stops the requests. All reads of the pool together
//! are bounded by `dispatch/byte_budget.rs`. Knows nothing of what pages are.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::Context,
};

use futures::task::AtomicWaker;

use crate::{
    dispatch::{ByteBudget, HeldBytes},
    lock::lock,
};

/// The window of one read.
pub(super) struct PageWindow {
    pages: usize,
    bytes: usize,
    /// The budget that all reads of the pool share.
    shared: ByteBudget,
    held: Mutex<Held>,
    /// Woken when there is room.
    waiting: AtomicWaker,
}

#[derive(Default)]
struct Held {
    pages: usize,
    bytes: usize,
    is_closed: bool,
}

/// The permit of one page in the window, returned when this is dropped.
pub(super) struct PagePermit {
    window: Arc<PageWindow>,
    bytes: usize,
    shared: HeldBytes,
}

impl PageWindow {
    pub(super) fn new(pages: usize, bytes: usize, shared: ByteBudget) -> Arc<Self> {
        let (held, waiting) = (Mutex::default(), AtomicWaker::new());
        Arc::new(Self { pages, bytes, shared, held, waiting })
    }

    /// The permit for a page of about `expected` bytes, or `to_come` bytes together with all
    /// pages in flight; `None` until there is room. One page always fits.
    pub(super) fn poll_acquire(
        self: &Arc<Self>,
        expected: usize,
        to_come: usize,
        cx: &mut Context<'_>,
    ) -> Option<PagePermit> {
        self.try_acquire(expected, to_come).or_else(|| {
            self.waiting.register(cx.waker());
            // A permit may have become free before anybody waited for it.
            self.try_acquire(expected, to_come)
        })
    }

    /// If other reads use up the shared budget, nothing signals when it is free again: the next
    /// permit of this window that is dropped makes the pager check again.
    fn try_acquire(self: &Arc<Self>, expected: usize, to_come: usize) -> Option<PagePermit> {
        let mut held = self.held();
        let fits = held.pages < self.pages && held.bytes.saturating_add(to_come) <= self.bytes;
        if held.is_closed || held.pages > 0 && !fits {
            return None;
        }
        let shared = match held.pages {
            0 => self.shared.hold(expected),
            _ => self.shared.try_hold(expected)?,
        };
        held.pages += 1;
        Some(PagePermit { window: Arc::clone(self), bytes: 0, shared })
    }

    /// There are no permits any more.
    pub(super) fn close(&self) {
        self.held().is_closed = true;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }
}

impl PagePermit {
    /// The page has arrived, with this many bytes.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.window.held().bytes += bytes;
        self.bytes += bytes;
        self.shared.resize(self.bytes);
    }
}

impl Drop for PagePermit {
    fn drop(&mut self) {
        let mut held = self.window.held();
        held.pages -= 1;
        held.bytes -= self.bytes;
        drop(held);
        self.window.waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn acquire(window: &Arc<PageWindow>, bytes: usize) -> Option<PagePermit> {
        window.poll_acquire(bytes, bytes, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn pages_and_bytes_bind_and_one_page_always_fits() {
        let window = PageWindow::new(3, 100, ByteBudget::new(usize::MAX));
        let mut first = acquire(&window, 1_000).unwrap();
        first.charge(40);
        assert!(acquire(&window, 61).is_none());
        let mut second = acquire(&window, 60).unwrap();
        second.charge(70);
        assert!(acquire(&window, 0).is_none());
        drop(first);
        let third = acquire(&window, 30).unwrap();
        let fourth = acquire(&window, 0).unwrap();
        assert!(acquire(&window, 0).is_none());
        drop((second, third, fourth));
        assert!(acquire(&window, usize::MAX).is_some());
    }

    #[test]
    fn security_05_one_page_fits_however_much_other_reads_hold() {
        let shared = ByteBudget::new(100);
        let [one, other] = [(); 2].map(|()| PageWindow::new(9, 1_000, shared.clone()));
        let held = [acquire(&one, 60).unwrap(), acquire(&one, 40).unwrap()];
        assert!(acquire(&one, 1).is_none());
        let first = acquire(&other, 500).unwrap();
        assert!(acquire(&other, 1).is_none());
        drop(first);
        drop(held);
        assert!(acquire(&other, 60).is_some());
    }

    #[test]
    fn a_window_that_is_closed_has_no_permits() {
        let window = PageWindow::new(9, 100, ByteBudget::new(usize::MAX));
        window.close();
        assert!(acquire(&window, 0).is_none());
    }
}
