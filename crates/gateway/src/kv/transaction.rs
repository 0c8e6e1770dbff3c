//! What one commit does to the tables: the batches of the calls that came together, and the removal
//! of some values that have expired.

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::{
    Action, Batch, Error, Key, Outcome, Put, Stored, Value,
    entry::{self, CHUNK, NEVER, Row},
    error::Failure,
    tables::{self, ABOUT, About, CHUNKS, ENTRIES, EXPIRY, Found},
};
use crate::tag_list::Unmet;

/// What a value counts for beside its bytes.
const OVERHEAD: u64 = 1 << 10;
/// About how many rows that have expired are removed at a time to make room.
const SWEPT_FOR_ROOM: u64 = 10_000;

/// The open tables of a commit.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    entries: Table<'a, &'static str, &'static [u8]>,
    chunks: Table<'a, (u64, u32), &'static [u8]>,
    expiry: Table<'a, &'static [u8], ()>,
    about: Table<'a, &'static str, u64>,
    state: About,
    now: u64,
    quota: Option<u64>,
    has_changed: bool,
    expired: u64,
}

/// What a commit leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) commit: u64,
    pub(super) values: u64,
    pub(super) value_bytes: u64,
    pub(super) expiring: u64,
    pub(super) expired: u64,
    pub(super) has_changed: bool,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(
        transaction: &'a WriteTransaction,
        now: u64,
        quota: Option<u64>,
    ) -> Result<Self, Failure> {
        let about = transaction.open_table(ABOUT)?;
        let state = About::read(&about)?.ok_or(Failure::Damaged("its numbers are missing"))?;
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            chunks: transaction.open_table(CHUNKS)?,
            expiry: transaction.open_table(EXPIRY)?,
            about,
            state,
            now,
            quota,
            has_changed: false,
            expired: 0,
        })
    }

    /// Carries a batch out, or says why nothing of it was. A failure ends the whole commit.
    pub(super) fn run(&mut self, batch: &Batch) -> Result<Result<Vec<Outcome>, Error>, Failure> {
        if let Some(most) = self.quota.filter(|_| batch.puts()) {
            while self.used_with(batch)? > most && self.sweep(SWEPT_FOR_ROOM)? {}
        }
        let before = match self.judge(batch) {
            Ok(Ok(before)) => before,
            Ok(Err(refused)) => return Ok(Err(refused)),
            // Known before anything was written, and so of no concern to the others.
            Err(Failure::Damaged(what)) => return Ok(Err(Error::Damaged(what))),
            Err(failure) => return Err(failure),
        };
        let mut outcomes = Vec::with_capacity(before.len());
        for ((key, action), before) in batch.operations.iter().zip(before) {
            outcomes.push(match (action, before) {
                (Action::Get, Before::Read(value)) => Outcome::Got(value),
                (Action::Put(put), Before::Row(row)) => {
                    Outcome::Put(self.put(key, put, row.as_ref())?)
                }
                (Action::Delete(_), Before::Row(Some(row))) => {
                    self.remove(key.as_str(), &row)?;
                    Outcome::Deleted(row.is_alive(self.now))
                }
                _ => Outcome::Deleted(false),
            });
        }
        Ok(Ok(outcomes))
    }

    /// Looks up what the batch names, judges its preconditions, and reads what is to be read.
    fn judge(&self, batch: &Batch) -> Result<Result<Vec<Before>, Error>, Failure> {
        let mut before = Vec::with_capacity(batch.len());
        let mut bytes = 0;
        for (index, (key, action)) in batch.operations.iter().enumerate() {
            let found = tables::find(&self.entries, key.as_str())?;
            let alive = found.as_ref().filter(|found| found.row.is_alive(self.now));
            let condition = match action {
                Action::Put(Put { condition, .. }) | Action::Delete(condition) => condition,
                Action::Get => {
                    bytes += alive.map_or(0, |found| found.row.size);
                    if bytes > batch.most_read as u64 {
                        return Ok(Err(Error::BatchTooLarge { bytes, most: batch.most_read }));
                    }
                    before.push(Before::Read(alive.map(|found| self.value(found)).transpose()?));
                    continue;
                }
            };
            let is_missing_anyway = matches!(action, Action::Delete(_)) && alive.is_none();
            let current = alive.map(|found| found.row.entry(self.state.store).etag);
            match condition.check(current) {
                // A condition for deleting nothing is ignored (RFC 9110, section 13.2.1).
                Err(unmet) if !is_missing_anyway => {
                    return Ok(Err(Error::PreconditionFailed {
                        index,
                        key: key.clone(),
                        condition: match unmet {
                            Unmet::IfMatch => "if_match",
                            Unmet::IfNoneMatch => "if_none_match",
                        },
                        current,
                    }));
                }
                _ => before.push(Before::Row(found.map(|found| found.row))),
            }
        }
        Ok(self.check_room(batch, &before)?.map(|()| before))
    }

    /// Refuses a batch that stores something and after which there would be too much.
    fn check_room(&self, batch: &Batch, before: &[Before]) -> Result<Result<(), Error>, Failure> {
        let Some(most) = self.quota.filter(|_| batch.puts()) else { return Ok(Ok(())) };
        let replaced = batch.operations.iter().zip(before).filter_map(|(_, before)| match before {
            Before::Row(Some(row)) => Some(row.size.saturating_add(OVERHEAD)),
            Before::Row(None) | Before::Read(_) => None,
        });
        let bytes = self.used_with(batch)?.saturating_sub(replaced.sum());
        // Whoever makes room is let in, however full it is.
        let is_more = bytes > self.used()?;
        Ok(if bytes > most && is_more { Err(Error::Full { bytes, most }) } else { Ok(()) })
    }

    /// What all values count for.
    fn used(&self) -> Result<u64, Failure> {
        let overhead = self.entries.len()?.saturating_mul(OVERHEAD);
        Ok(self.state.value_bytes.saturating_add(overhead))
    }

    /// What they would count for if those of a batch were added.
    fn used_with(&self, batch: &Batch) -> Result<u64, Failure> {
        let added = batch.operations.iter().map(|(_, action)| match action {
            Action::Put(put) => OVERHEAD.saturating_add(put.value.len() as u64),
            Action::Get | Action::Delete(_) => 0,
        });
        Ok(self.used()?.saturating_add(added.sum()))
    }

    fn value(&self, found: &Found) -> Result<Value, Failure> {
        let parts = tables::read(&self.chunks, found, 0..found.row.size)?;
        Ok(Value { entry: found.row.entry(self.state.store), parts })
    }

    fn put(&mut self, key: &Key, put: &Put, before: Option<&Row>) -> Result<Stored, Failure> {
        let replaced = before.filter(|row| row.is_alive(self.now));
        self.state.version += 1;
        let row = Row {
            version: self.state.version,
            size: put.value.len() as u64,
            created: replaced.map_or(self.now, |row| row.created),
            updated: self.now,
            expires: entry::expiry(self.now, put.ttl),
            content_type: put.content_type.clone(),
        };
        let is_new = replaced.is_none();
        if let Some(before) = before {
            self.remove_parts(key.as_str(), before)?;
        }
        self.entries.insert(key.as_str(), row.encode(&put.value).as_slice())?;
        if row.chunks() > 0 {
            for (number, chunk) in (0..).zip(put.value.chunks(CHUNK)) {
                self.chunks.insert((row.version, number), chunk)?;
            }
        }
        if row.expires != NEVER {
            self.expiry.insert(expiry_key(row.expires, key.as_str()).as_slice(), ())?;
        }
        self.state.value_bytes += row.size;
        self.has_changed = true;
        Ok(Stored { entry: row.entry(self.state.store), is_new })
    }

    fn remove(&mut self, key: &str, row: &Row) -> Result<(), Failure> {
        self.remove_parts(key, row)?;
        self.entries.remove(key)?;
        self.has_changed = true;
        Ok(())
    }

    /// Removes what a row has in the other tables.
    fn remove_parts(&mut self, key: &str, row: &Row) -> Result<(), Failure> {
        for number in 0..row.chunks() {
            self.chunks.remove((row.version, number))?;
        }
        if row.expires != NEVER {
            self.expiry.remove(expiry_key(row.expires, key).as_slice())?;
        }
        self.state.value_bytes = self.state.value_bytes.saturating_sub(row.size);
        Ok(())
    }

    /// Removes values that have expired, the oldest first, until about as many rows are gone. Returns
    /// whether there may be more.
    pub(super) fn sweep(&mut self, most_rows: u64) -> Result<bool, Failure> {
        let mut rows = 0;
        while rows < most_rows {
            let due = match self.expiry.first()? {
                Some((due, _)) => due.value().to_vec(),
                None => break,
            };
            let (millis, key) = split_expiry_key(&due)?;
            if millis > self.now {
                break;
            }
            let found = tables::find(&self.entries, key)?;
            match found.filter(|found| found.row.expires == millis) {
                Some(found) => {
                    rows += 2 + u64::from(found.row.chunks());
                    self.remove(key, &found.row)?;
                    self.expired += 1;
                }
                None => {
                    self.expiry.remove(due.as_slice())?;
                    self.has_changed = true;
                    rows += 1;
                }
            }
        }
        Ok(rows >= most_rows)
    }

    /// Writes down the numbers about the file, unless nothing has changed.
    pub(super) fn finish(mut self) -> Result<Summary, Failure> {
        if self.has_changed {
            self.state.commit += 1;
            for (name, number) in self.state.rows() {
                self.about.insert(name, number)?;
            }
        }
        Ok(Summary {
            commit: self.state.commit,
            values: self.entries.len()?,
            value_bytes: self.state.value_bytes,
            expiring: self.expiry.len()?,
            expired: self.expired,
            has_changed: self.has_changed,
        })
    }
}

/// What an operation finds.
#[derive(Debug)]
enum Before {
    Read(Option<Value>),
    /// The row of the key, expired or not.
    Row(Option<Row>),
}

fn expiry_key(millis: u64, key: &str) -> Vec<u8> {
    [&millis.to_be_bytes(), key.as_bytes()].concat()
}

/// The moment and the key of a row of the expiry table.
pub(super) fn split_expiry_key(row: &[u8]) -> Result<(u64, &str), Failure> {
    row.split_first_chunk::<8>()
        .and_then(|(millis, key)| {
            Some((u64::from_be_bytes(*millis), std::str::from_utf8(key).ok()?))
        })
        .ok_or(Failure::Damaged("a row of the expiry table is unreadable"))
}
