//! What the handles of a store and its writer have in common.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use redb::Database;
use tokio::sync::RwLock;

use super::{Settings, budget::Budget, error::Failure, stats::Counters};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) settings: Settings,
    /// Tells the file from others.
    pub(super) store: u64,
    /// The database, unless it could not be opened again. Those who read hold the lock as long as a
    /// snapshot takes to make; the writer takes it for itself to compact and to open again.
    pub(super) database: RwLock<Option<Database>>,
    pub(super) counters: Counters,
    pub(super) to_disk: Budget,
    pub(super) from_disk: Budget,
    /// Someone who reads has met an error after which the file must be opened again.
    pub(super) is_broken: AtomicBool,
}

impl Shared {
    /// Lets the writer know of a failure that it should mend.
    pub(super) fn note(&self, failure: &Failure) {
        if failure.needs_reopening() {
            self.is_broken.store(true, Relaxed);
        }
    }

    /// The size of the file in bytes, as far as the system tells it.
    pub(super) fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}
