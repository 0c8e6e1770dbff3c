//! What is counted outside the workers, without an actor.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    lock::lock,
    stats::{Stats, WaitCause, Waits},
    transport::Gauge,
};

/// Counts of the queue, of pages, of connections and of waits.
#[derive(Default)]
pub(crate) struct SharedCounters {
    refused: AtomicU64,
    pages: AtomicU64,
    items: AtomicU64,
    paging_warnings: AtomicU64,
    connections: Arc<Gauge>,
    waits: Mutex<Waits>,
}

impl SharedCounters {
    /// Counts a call that found the queue full.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a page that was delivered.
    pub(crate) fn page(&self, items: usize) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Counts a warning about what pages say about their set.
    pub(crate) fn warn_of_paging(&self) {
        self.paging_warnings.fetch_add(1, Ordering::Relaxed);
    }

    /// The gauge of the connections of all workers.
    pub(crate) fn connections(&self) -> Arc<Gauge> {
        Arc::clone(&self.connections)
    }

    /// Begins a wait for `cause`, which is counted when the returned timer is dropped.
    pub(crate) fn waiting(&self, cause: WaitCause) -> WaitTimer<'_> {
        WaitTimer { counters: self, cause, since: Instant::now() }
    }

    pub(super) fn write(&self, stats: &mut Stats) {
        stats.calls_refused = self.refused.load(Ordering::Relaxed);
        stats.pages = self.pages.load(Ordering::Relaxed);
        stats.items = self.items.load(Ordering::Relaxed);
        stats.paging_warnings = self.paging_warnings.load(Ordering::Relaxed);
        stats.connections_opened = self.connections.opened();
        stats.connections_open = self.connections.open();
        stats.waits = lock(&self.waits).clone();
    }
}

/// A wait in progress.
#[must_use]
pub(crate) struct WaitTimer<'a> {
    counters: &'a SharedCounters,
    cause: WaitCause,
    since: Instant,
}

impl WaitTimer<'_> {
    /// Nothing had to be waited for, so nothing is counted.
    pub(crate) fn was_none(self) {
        std::mem::forget(self);
    }
}

impl Drop for WaitTimer<'_> {
    fn drop(&mut self) {
        lock(&self.counters.waits).get_mut(self.cause).record(self.since.elapsed());
    }
}
