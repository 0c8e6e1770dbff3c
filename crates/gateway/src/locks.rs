//! One write of a row at a time, so that a condition is judged by the state that the write then
//! changes. Rows share a fixed number of locks.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 256;

/// The locks of all rows.
pub(crate) struct RowLocks {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Default for RowLocks {
    fn default() -> Self {
        let locks = std::iter::repeat_with(Mutex::default).take(LOCKS).collect();
        Self { hasher: RandomState::new(), locks }
    }
}

impl RowLocks {
    /// The lock of a row, held until it is dropped. Never taken while another is held.
    pub(crate) async fn of(&self, table: &str, id: &str) -> Option<MutexGuard<'_, ()>> {
        let number = usize::try_from(self.hasher.hash_one((table, id)) % LOCKS as u64);
        Some(self.locks.get(number.ok()?)?.lock().await)
    }
}
