//! Counts the connections of a whole pool, excluding those of dead workers: each connection carries
//! its counter.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many connections a pool has opened, and how many are open.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    opened: AtomicU64,
    /// Each open connection has a clone.
    open: Arc<()>,
}

impl Gauge {
    /// Connections opened so far, including tunnel and TLS.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        Arc::strong_count(&self.open) as u64 - 1
    }

    /// Counts a connection as long as the returned value lives.
    pub(super) fn count(&self) -> Arc<()> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.open)
    }
}
