//! [pure] The rows that a run has read last, as far as the next one reads them again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::row::{Mark, RowHash, compare};

/// The most rows of a stream that are remembered: they are written with each commit, which takes 40 bytes for
/// each.
pub(crate) const MAX_ROWS: usize = 50_000;

/// The rows that a run has read and the next one reads again, since it asks for those from the greatest
/// value of a field on: by their hashes it knows them, and leaves them out. Up to 50,000 rows, those
/// with the greatest values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Boundary {
    /// How often each row was there, by the value of its incremental field, the least one first.
    rows: VecDeque<(String, BTreeMap<RowHash, u32>)>,
    /// The greatest value of the rows that there was no room for.
    forgotten: Option<String>,
}

impl Boundary {
    /// Whether rows that the next run reads again will be taken for new ones.
    pub(crate) fn is_cut(&self) -> bool {
        self.forgotten.is_some()
    }

    /// How often each row was there.
    pub(crate) fn rows(&self) -> HashMap<RowHash, u32> {
        let mut all: HashMap<RowHash, u32> = HashMap::new();
        for (row, times) in self.rows.iter().flat_map(|(_, rows)| rows) {
            *all.entry(*row).or_default() += *times;
        }
        all
    }

    /// Adds a row that was there so often.
    pub(crate) fn add(&mut self, value: &str, row: RowHash, times: u32) {
        let place = match self.place(value) {
            Ok(place) => place,
            Err(place) => {
                self.rows.insert(place, (value.to_owned(), BTreeMap::new()));
                place
            }
        };
        if let Some((_, rows)) = self.rows.get_mut(place) {
            *rows.entry(row).or_default() += times;
        }
    }

    /// Takes a row away, once. False if it is not there.
    pub(crate) fn remove(&mut self, value: &str, row: RowHash) -> bool {
        let Ok(place) = self.place(value) else { return false };
        let Some((_, rows)) = self.rows.get_mut(place) else { return false };
        let Some(times) = rows.get_mut(&row) else { return false };
        *times = times.saturating_sub(1);
        if *times == 0 {
            rows.remove(&row);
        }
        true
    }

    /// Adds the rows of another.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (value, rows) in other.rows {
            rows.into_iter().for_each(|(row, times)| self.add(&value, row, times));
        }
        if let Some(value) = other.forgotten {
            self.forget(&value);
        }
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.forgotten.is_none()
    }

    /// How many rows are remembered.
    pub(crate) fn len(&self) -> usize {
        self.rows.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// Keeps the rows with values that are read again, as far as there is room for so many.
    pub(crate) fn keep(&mut self, is_again: impl Fn(&str) -> bool, room: usize) {
        while self.rows.front().is_some_and(|(value, _)| !is_again(value)) {
            self.rows.pop_front();
        }
        self.forgotten = self.forgotten.take().filter(|value| is_again(value));
        for _ in room..self.len() {
            self.forget_one();
        }
    }

    /// Forgets a row with the least value.
    fn forget_one(&mut self) {
        while self.rows.front().is_some_and(|(_, rows)| rows.is_empty()) {
            self.rows.pop_front();
        }
        let Some((value, rows)) = self.rows.front_mut() else { return };
        rows.pop_first();
        let value = value.clone();
        self.forget(&value);
    }

    fn forget(&mut self, value: &str) {
        let mut forgotten = Mark(self.forgotten.take());
        forgotten.raise(value);
        self.forgotten = forgotten.0;
    }

    /// Where the rows with a value are, or belong.
    fn place(&self, value: &str) -> Result<usize, usize> {
        self.rows.binary_search_by(|(own, _)| compare(own, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize) -> RowHash {
        RowHash::of([number.to_string().as_str()])
    }

    fn values(boundary: &Boundary) -> Vec<&str> {
        boundary.rows.iter().map(|(value, _)| value.as_str()).collect()
    }

    #[test]
    fn rows_are_kept_from_a_value_on() {
        let mut boundary = Boundary::default();
        for value in ["10", "9", "2", "10"] {
            boundary.add(value, row(1), 1);
        }
        assert_eq!(values(&boundary), ["2", "9", "10"]);
        boundary.keep(|value| compare(value, "9").is_ge(), MAX_ROWS);
        assert_eq!(values(&boundary), ["9", "10"]);
        assert_eq!(boundary.rows(), HashMap::from([(row(1), 3)]));
        assert!(!boundary.is_cut());
    }

    #[test]
    fn a_row_that_was_there_twice_is_taken_away_twice() {
        let mut boundary = Boundary::default();
        boundary.add("1", row(1), 2);
        boundary.remove("1", row(1));
        assert!(!boundary.remove("2", row(1)));
        assert!(!boundary.remove("1", row(2)));
        assert_eq!(boundary.rows(), HashMap::from([(row(1), 1)]));
        assert!(boundary.remove("1", row(1)));
        assert!(!boundary.remove("1", row(1)));
        assert!(boundary.rows().is_empty());
    }

    #[test]
    fn the_rows_with_the_least_values_are_forgotten_first() {
        let mut boundary = Boundary::default();
        for number in 0..MAX_ROWS {
            boundary.add("2", row(number), 1);
        }
        boundary.add("1", row(MAX_ROWS), 1);
        boundary.keep(|_| true, MAX_ROWS);
        let rows = boundary.rows();
        assert_eq!((rows.len(), rows.contains_key(&row(MAX_ROWS))), (MAX_ROWS, false));
        assert!(boundary.is_cut());
        boundary.keep(|value| value == "2", MAX_ROWS);
        assert!(!boundary.is_cut(), "what was forgotten is not read again");
        boundary.add("2", row(MAX_ROWS), 1);
        boundary.keep(|value| value == "2", MAX_ROWS);
        assert!(boundary.is_cut());
        let mut other = Boundary::default();
        other.absorb(boundary);
        assert!(other.is_cut());
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let mut boundary = Boundary::default();
        boundary.add("2024-01-01", row(1), 2);
        boundary.add("2024-01-02", row(2), 1);
        let json = serde_json::to_string(&boundary).unwrap();
        assert_eq!(serde_json::from_str::<Boundary>(&json).unwrap(), boundary);
        assert_eq!(serde_json::from_str::<Boundary>("{}").unwrap(), Boundary::default());
    }
}
