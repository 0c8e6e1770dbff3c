//! What a store counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What a store has, and has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many values the last commit left, those that have expired and are not yet removed
    /// included.
    pub values: u64,
    /// How many bytes they have together.
    pub value_bytes: u64,
    /// How many of them have a time to live.
    pub expiring: u64,
    /// How large the file is, in bytes.
    pub file_bytes: u64,
    /// How many commits were made. Each is one synchronization with the disk or two.
    pub commits: u64,
    /// How many calls these commits have carried out: more than commits if calls came together.
    pub writes: u64,
    /// How many calls were refused by a precondition.
    pub preconditions_failed: u64,
    /// How many expired values were removed.
    pub expired: u64,
    /// How many values were looked for, batches included.
    pub reads: u64,
    /// How many commits have failed.
    pub failed_commits: u64,
    /// How often the file was opened again after a failure.
    pub reopened: u64,
    /// Whether the store can be read and written: the last commit worked, or the file was opened
    /// again since.
    pub is_available: bool,
}

/// The same, as it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) values: AtomicU64,
    pub(super) value_bytes: AtomicU64,
    pub(super) expiring: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) preconditions_failed: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) failed_commits: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) is_available: AtomicBool,
}

impl Counters {
    pub(super) fn stats(&self, file_bytes: u64) -> Stats {
        Stats {
            values: self.values.load(Relaxed),
            value_bytes: self.value_bytes.load(Relaxed),
            expiring: self.expiring.load(Relaxed),
            file_bytes,
            commits: self.commits.load(Relaxed),
            writes: self.writes.load(Relaxed),
            preconditions_failed: self.preconditions_failed.load(Relaxed),
            expired: self.expired.load(Relaxed),
            reads: self.reads.load(Relaxed),
            failed_commits: self.failed_commits.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            is_available: self.is_available.load(Relaxed),
        }
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
