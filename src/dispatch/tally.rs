//! What is counted outside the workers, where no actor is at hand.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::Stats;

/// Counts of the queue and of the pages.
#[derive(Default)]
pub(crate) struct Tally {
    refused: AtomicU64,
    pages: AtomicU64,
    items: AtomicU64,
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

    pub(crate) fn write(&self, stats: &mut Stats) {
        stats.calls_refused = self.refused.load(Ordering::Relaxed);
        stats.pages = self.pages.load(Ordering::Relaxed);
        stats.items = self.items.load(Ordering::Relaxed);
    }
}
