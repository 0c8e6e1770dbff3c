//! Counts the connections of a whole pool, those of dead workers excluded: each
//! connection carries its own place in the count.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many connections a pool has opened, and how many of them are open.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    opened: AtomicU64,
    open: AtomicU64,
}

impl Gauge {
    /// Connections opened so far, tunnel and TLS included.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection as long as the answer lives.
    pub(super) fn enter(self: &Arc<Self>) -> Counted {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }
}

/// An open connection's place in the count.
#[derive(Debug)]
pub(super) struct Counted(Arc<Gauge>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
