//! [pure] The keys of rows: real ids, synthetic ones, and duplicate rows, whose ids occur twice:
//! they are left out and counted.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use foldhash::fast::FixedState;
use vantage_core::{Result, VantageError, error};

use super::record::Row;

/// How many ids a stream remembers to recognise a duplicate row.
const REMEMBERED: usize = 10_000;

const SYNTHETIC: &str = "~row:";

/// The key of a row without a usable id at `position` of the set, counted from 0.
fn synthetic(position: u64) -> String {
    format!("{SYNTHETIC}{position}")
}

/// Whether `key` has the form of a synthetic key, made for a row without an id.
pub(super) fn is_synthetic(key: &str) -> bool {
    position_in(key).is_some()
}

/// The position for which `key` may have been made.
fn position_in(key: &str) -> Option<u64> {
    key.strip_prefix(SYNTHETIC)?.parse().ok()
}

/// Assigns keys to rows, page by page.
///
/// Two rows with the same id on one page are an error, as either could be the right
/// one. An id that was on an earlier page is a row that moved while the set was
/// read: the first one is kept, the later one is left out and counted.
#[derive(Debug, Default)]
pub(super) struct Keys {
    seen: SeenKeys,
    /// The positions for which synthetic keys were made.
    made_up: VecDeque<Range<u64>>,
    /// Whether a real id has had the form of a synthetic key.
    has_confusing: bool,
    pages: u64,
    order: VecDeque<u128>,
    limit: Option<usize>,
    duplicates: u64,
}

impl Keys {
    /// Remembers every id.
    pub(super) fn exact() -> Self {
        Self::default()
    }

    /// Remembers the last 10,000 ids.
    pub(super) fn recent() -> Self {
        Self { limit: Some(REMEMBERED), ..Self::default() }
    }

    /// How many ids are remembered, if not all.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Begins another page.
    pub(super) fn begin_page(&mut self) {
        self.pages += 1;
    }

    /// The next rows of the page with their keys, from rows with their position in the set. Rows
    /// that were on an earlier page are left out.
    ///
    /// # Errors
    /// If two rows of the page have the same id; the error names it.
    pub(super) fn rows<T>(&mut self, rows: Vec<(u64, Row<T>)>) -> Result<Vec<(String, Row<T>)>> {
        let mut keyed = Vec::with_capacity(rows.len());
        for (position, row) in rows {
            keyed.extend(self.row(position, row)?);
        }
        Ok(keyed)
    }

    /// The next row of the page with its key; `None` if it was on an earlier page.
    ///
    /// # Errors
    /// If an earlier row of the page has its id; the error names it.
    pub(super) fn row<T>(
        &mut self,
        position: u64,
        mut row: Row<T>,
    ) -> Result<Option<(String, Row<T>)>> {
        let Some(id) = row.id.take() else {
            let key = synthetic(position);
            if self.has_confusing {
                let hash = self.seen.hash(&key);
                if self.seen.page_of(hash).is_some() {
                    return Err(shared(&key));
                }
            }
            self.make_up(position);
            return Ok(Some((key, row)));
        };
        let made_up_for = position_in(&id);
        self.has_confusing |= made_up_for.is_some();
        if made_up_for.is_some_and(|position| self.is_made_up(position)) {
            return Err(shared(&id));
        }
        let hash = self.seen.hash(&id);
        match self.seen.page_of(hash) {
            // A synthetic key never stands for a row that moved.
            Some(page) if *page == self.pages || made_up_for.is_some() => Err(shared(&id)),
            Some(page) => {
                *page = self.pages;
                self.duplicates += 1;
                Ok(None)
            }
            None => {
                self.remember(hash);
                Ok(Some((id, row)))
            }
        }
    }

    /// How many rows were left out since the last call.
    pub(super) fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    /// Records that the row at `position`, which is after all earlier ones, has no id.
    fn make_up(&mut self, position: u64) {
        match self.made_up.back_mut() {
            Some(last) if last.end == position => last.end += 1,
            _ => {
                if self.limit.is_some_and(|limit| self.made_up.len() >= limit) {
                    self.made_up.pop_front();
                }
                self.made_up.push_back(position..position + 1);
            }
        }
    }

    fn is_made_up(&self, position: u64) -> bool {
        let at = self.made_up.partition_point(|made_up| made_up.end <= position);
        self.made_up.get(at).is_some_and(|made_up| made_up.contains(&position))
    }

    fn remember(&mut self, hash: u128) {
        if let Some(limit) = self.limit {
            if self.order.len() == limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.map(oldest).remove(&oldest);
            }
            self.order.push_back(hash);
        }
        self.seen.map(hash).insert(hash, self.pages);
    }
}

/// Ids, each with the number of the page that it was last on.
///
/// An id is known by a 128-bit hash, with keys of this process: among a thousand million ids the
/// probability that two have the same hash is 10^-21, whoever chose the ids. So millions of them
/// need no memory for their texts and are dropped at once. They are spread over several maps,
/// because a large map takes long to grow, and unevenly, so that they do not all grow at once.
#[derive(Debug, Default)]
struct SeenKeys {
    maps: [HashMap<u128, u64, FixedState>; 32],
    keys: [RandomState; 2],
}

impl SeenKeys {
    fn hash(&self, id: &str) -> u128 {
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(id));
        u128::from(high) << u64::BITS | u128::from(low)
    }

    /// The page that it was on, if it is remembered.
    fn page_of(&mut self, hash: u128) -> Option<&mut u64> {
        self.map(hash).get_mut(&hash)
    }

    /// The map that contains it, if one does.
    fn map(&mut self, hash: u128) -> &mut HashMap<u128, u64, FixedState> {
        // Of so many parts, the first map has one, the second two, and so on.
        let parts = self.maps.len() * (self.maps.len() + 1) / 2;
        let part = hash as usize % parts;
        &mut self.maps[((8 * part + 1).isqrt() - 1) / 2]
    }
}

fn shared(id: &str) -> VantageError {
    error!("two rows share one id", id = id)
}

#[cfg(test)]
mod tests {
    use vantage_types::Record;

    use super::*;

    impl Keys {
        fn page(&mut self, rows: Vec<(u64, Row)>) -> Result<Vec<(String, Row)>> {
            self.begin_page();
            self.rows(rows)
        }
    }

    fn rows(first: u64, ids: &[&str]) -> Vec<(u64, Row)> {
        let row = |id: &&str| Row {
            id: (!id.is_empty()).then(|| (*id).to_owned()),
            record: Record::new(),
            is_inexact: false,
        };
        (first..).zip(ids.iter().map(row)).collect()
    }

    fn keys(keys: &mut Keys, first: u64, ids: &[&str]) -> Vec<String> {
        keys.page(rows(first, ids)).unwrap().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn rows_without_an_id_get_their_position() {
        let mut all = Keys::exact();
        assert_eq!(keys(&mut all, 0, &["a", "", ""]), ["a", "~row:1", "~row:2"]);
        assert_eq!(keys(&mut all, 3, &["", "b"]), ["~row:3", "b"]);
    }

    #[test]
    fn one_id_twice_in_one_page_is_an_error_that_names_it() {
        let error = Keys::exact().page(rows(0, &["a", "b", "a"])).unwrap_err();
        assert_eq!(error.context["id"], "\"a\"");
    }

    #[test]
    fn an_id_of_an_earlier_page_twice_in_one_is_an_error_too() {
        let mut all = Keys::exact();
        assert_eq!(keys(&mut all, 0, &["a"]), ["a"]);
        assert!(all.page(rows(1, &["a", "a"])).is_err());
    }

    #[test]
    fn an_id_of_an_earlier_page_keeps_the_first_row_and_is_counted() {
        let mut all = Keys::exact();
        assert_eq!(keys(&mut all, 0, &["a", "b"]), ["a", "b"]);
        assert_eq!(keys(&mut all, 2, &["b", "c"]), ["c"]);
        assert_eq!((all.take_duplicates(), all.take_duplicates()), (1, 0));
    }

    #[test]
    fn a_made_up_key_displaces_no_real_row() {
        let mut all = Keys::exact();
        assert_eq!(keys(&mut all, 0, &[""]), ["~row:0"]);
        assert!(all.page(rows(1, &["~row:0"])).is_err());
        assert!(Keys::exact().page(rows(0, &["~row:1", ""])).is_err());
        let mut gaps = Keys::exact();
        let made = keys(&mut gaps, 0, &["", "a", "", "", "b", "~row:4"]);
        assert_eq!(made, ["~row:0", "a", "~row:2", "~row:3", "b", "~row:4"]);
        for taken in ["~row:0", "~row:2", "~row:3", "~row:4"] {
            assert!(gaps.page(rows(9, &[taken])).is_err(), "{taken}");
        }
        assert_eq!(keys(&mut gaps, 10, &["~row:1"]), ["~row:1"]);
    }

    #[test]
    fn a_stream_remembers_a_bounded_number_of_ids() {
        let mut recent = Keys::recent();
        let many: Vec<String> = (0..=REMEMBERED).map(|id| id.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(keys(&mut recent, 0, &many).len(), REMEMBERED + 1);
        assert_eq!(recent.seen.maps.iter().map(HashMap::len).sum::<usize>(), REMEMBERED);
        assert_eq!(keys(&mut recent, 20_000, &["0", "10000"]), ["0"]);
    }

    #[test]
    fn a_synthetic_key_is_recognised_by_its_form() {
        assert!(is_synthetic("~row:12"));
        assert!(!is_synthetic("~row:x") && !is_synthetic("12"));
    }
}
