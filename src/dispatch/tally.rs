//! What is counted outside the workers, where no actor is at hand.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{http::Gauge, stats::Stats};

/// Counts of the queue, of the pages and of the connections.
#[derive(Default)]
pub(crate) struct Tally {
    refused: AtomicU64,
    pages: AtomicU64,
    items: AtomicU64,
    connections: Arc<Gauge>,
}

impl Tally {
    /// Counts a call that found the queue full.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a page that was handed over.
    pub(crate) fn page(&self, items: usize) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Where the connections of all workers are counted.
    pub(crate) fn connections(&self) -> Arc<Gauge> {
        Arc::clone(&self.connections)
    }

    pub(crate) fn write(&self, stats: &mut Stats) {
        stats.calls_refused = self.refused.load(Ordering::Relaxed);
        stats.pages = self.pages.load(Ordering::Relaxed);
        stats.items = self.items.load(Ordering::Relaxed);
        stats.connections_opened = self.connections.opened();
        stats.connections_open = self.connections.open();
    }
}
