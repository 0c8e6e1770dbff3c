//! Counts the connections of a whole pool, those of dead workers excluded: each
//! connection carries what counts it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many connections a pool has opened, and how many of them are open.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    opened: AtomicU64,
    /// Each open connection has a clone.
    open: Arc<()>,
}

impl Gauge {
    /// Connections opened so far, tunnel and TLS included.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        Arc::strong_count(&self.open) as u64 - 1
    }

    /// Counts a connection as long as what is returned lives.
    pub(super) fn count(&self) -> Arc<()> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.open)
    }
}
