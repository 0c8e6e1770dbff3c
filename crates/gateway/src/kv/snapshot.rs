//! The store as the last commit left it, whatever is written meanwhile.

use std::ops::Range;

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use super::{
    Entry, Page,
    error::Failure,
    tables::{self, CHUNKS, ENTRIES, EXPIRY, Found},
    transaction::split_expiry_key,
};

/// The store as one commit left it, at one moment. While it lives, the space of what is overwritten
/// is not used again.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
    entries: ReadOnlyTable<&'static str, &'static [u8]>,
    store: u64,
    now: u64,
}

/// A value that was found, of which no bytes were read yet unless it is short.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) entry: Entry,
    found: Found,
}

impl Snapshot {
    pub(super) fn of(database: &Database, store: u64, now: u64) -> Result<Self, Failure> {
        let transaction = database.begin_read()?;
        let entries = transaction.open_table(ENTRIES)?;
        Ok(Self { transaction, entries, store, now })
    }

    /// The value of a key, unless it has expired.
    pub(super) fn find(&self, key: &str) -> Result<Option<Located>, Failure> {
        let found = tables::find(&self.entries, key)?;
        let alive = found.filter(|found| found.row.is_alive(self.now));
        Ok(alive.map(|found| Located { entry: found.row.entry(self.store), found }))
    }

    /// Some bytes of a value.
    pub(super) fn read(&self, located: &Located, range: Range<u64>) -> Result<Vec<Bytes>, Failure> {
        tables::read(&self.transaction.open_table(CHUNKS)?, &located.found, range)
    }

    /// The next keys with this prefix.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Failure> {
        tables::list(&self.entries, (prefix, after, limit), (self.store, self.now))
    }

    /// Whether there are values to be removed.
    pub(super) fn has_expired(&self) -> Result<bool, Failure> {
        match self.transaction.open_table(EXPIRY)?.first()? {
            Some((due, _)) => Ok(split_expiry_key(due.value())?.0 <= self.now),
            None => Ok(false),
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Snapshot").field("now", &self.now).finish_non_exhaustive()
    }
}
