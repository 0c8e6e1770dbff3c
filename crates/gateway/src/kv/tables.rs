//! The tables of the file, and how their rows are read.

use std::ops::{Bound, Range};

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};

use super::{
    Entry, Key,
    entry::{CHUNK, Row},
    error::Failure,
};

/// The row of each key, see [`Row`].
pub(super) const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
/// The bytes of long values, by version and position.
pub(super) const CHUNKS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("chunks");
/// What expires when: the millisecond in eight bytes, and the key.
pub(super) const EXPIRY: TableDefinition<'_, &[u8], ()> = TableDefinition::new("expiry");
/// Numbers about the file, see [`About`].
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The number of this layout of the tables.
pub(super) const FORMAT: u64 = 1;

/// The numbers about the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) format: u64,
    /// Tells this file from others: a random number.
    pub(super) store: u64,
    /// The version that was given last.
    pub(super) version: u64,
    /// The number of the last commit.
    pub(super) commit: u64,
    /// How many bytes all values have.
    pub(super) value_bytes: u64,
}

impl About {
    /// Reads them; nothing if the file is not a store of this kind.
    pub(super) fn read(
        table: &impl ReadableTable<&'static str, u64>,
    ) -> Result<Option<Self>, Failure> {
        let mut numbers = [0; 5];
        for (number, name) in numbers.iter_mut().zip(Self::NAMES) {
            match table.get(name)? {
                Some(value) => *number = value.value(),
                None => return Ok(None),
            }
        }
        let [format, store, version, commit, value_bytes] = numbers;
        Ok(Some(Self { format, store, version, commit, value_bytes }))
    }

    const NAMES: [&'static str; 5] = ["format", "store", "version", "commit", "value_bytes"];

    /// By the names of their rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { format, store, version, commit, value_bytes } = *self;
        Self::NAMES.into_iter().zip([format, store, version, commit, value_bytes])
    }
}

/// A row that was found, with its value if that lies in the row.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) row: Row,
    inline: Bytes,
}

/// The row of a key, expired or not.
pub(super) fn find(
    entries: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Found>, Failure> {
    let Some(row) = entries.get(key)? else { return Ok(None) };
    let (row, inline) = Row::decode(row.value()).ok_or(Failure::Damaged("a row is unreadable"))?;
    Ok(Some(Found { row, inline: Bytes::copy_from_slice(inline) }))
}

/// These bytes of a value, which end with it at the latest, in parts of at most 64,000.
pub(super) fn read(
    chunks: &impl ReadableTable<(u64, u32), &'static [u8]>,
    found: &Found,
    range: Range<u64>,
) -> Result<Vec<Bytes>, Failure> {
    const MISSING: Failure = Failure::Damaged("a part of a value is missing");
    let number = |position: u64| u32::try_from(position / CHUNK as u64).map_err(|_| MISSING);
    if range.is_empty() {
        return Ok(Vec::new());
    }
    if found.row.chunks() == 0 {
        let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let (start, end) = part.filter(|(_, end)| *end <= found.inline.len()).ok_or(MISSING)?;
        return Ok(vec![found.inline.slice(start..end)]);
    }
    let (first, last) = (number(range.start)?, number(range.end - 1)?);
    let version = found.row.version;
    let mut parts = Vec::new();
    for (chunk, expected) in chunks.range((version, first)..=(version, last))?.zip(first..=last) {
        let (place, chunk) = chunk?;
        if place.value() != (version, expected) {
            return Err(MISSING);
        }
        let begins = u64::from(expected) * CHUNK as u64;
        let within = |position: u64| {
            let position = position.saturating_sub(begins).min(CHUNK as u64);
            usize::try_from(position).unwrap_or(CHUNK)
        };
        let part = chunk.value().get(within(range.start)..within(range.end)).ok_or(MISSING)?;
        parts.push(Bytes::copy_from_slice(part));
    }
    let bytes: usize = parts.iter().map(Bytes::len).sum();
    if bytes as u64 == range.end - range.start { Ok(parts) } else { Err(MISSING) }
}

/// Some keys in their order, and from where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The keys, in the order of their bytes. There may be fewer than asked for, even none, before
    /// the last page, where many have expired.
    pub keys: Vec<(Key, Entry)>,
    /// What to hand over as `after` for the next page; nothing if there is none.
    pub next: Option<String>,
}

/// How many rows that have expired a page passes over at most.
const SKIPPED: usize = 1_000;

/// The next keys with this prefix.
pub(super) fn list(
    entries: &impl ReadableTable<&'static str, &'static [u8]>,
    (prefix, after, limit): (&str, Option<&str>, usize),
    (store, now): (u64, u64),
) -> Result<Page, Failure> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let mut page = Page { keys: Vec::new(), next: None };
    let mut skipped = 0;
    // Where the page ends, should there be more.
    let mut last = None;
    for row in entries.range::<&str>((start, Bound::Unbounded))? {
        let (key, row) = row?;
        let key = key.value();
        if !key.starts_with(prefix) {
            break;
        }
        let (row, _) = Row::decode(row.value()).ok_or(Failure::Damaged("a row is unreadable"))?;
        let is_alive = row.is_alive(now);
        // The last page is known by looking one key further.
        if (is_alive && page.keys.len() == limit) || skipped == SKIPPED {
            page.next = last;
            break;
        }
        last = Some(key.to_owned());
        match is_alive {
            true => page.keys.push((Key::stored(key), row.entry(store))),
            false => skipped += 1,
        }
    }
    Ok(page)
}
