//! [pure] What the rows of a page have in common, and the rows that were written before.

use std::collections::HashMap;

use super::hash::RowHash;

/// What the rows of a page have in common.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// The partition that they are in; empty if there is none.
    pub(crate) partition: String,
    /// Values as JSON, by the names of their columns.
    pub(crate) values: Vec<(String, String)>,
}

/// How often each row was written by the last run and not read again yet, by partitions.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<String, HashMap<RowHash, u32>>);

impl Known {
    /// Those of a stream without partitions.
    pub(crate) fn of(rows: HashMap<RowHash, u32>) -> Self {
        let mut known = Self::default();
        known.add("", rows);
        known
    }

    /// Adds those of a partition.
    pub(crate) fn add(&mut self, partition: &str, rows: HashMap<RowHash, u32>) {
        if !rows.is_empty() {
            self.0.insert(partition.to_owned(), rows);
        }
    }

    /// Takes a row away, once: that of the partition, or one that was written before there were any.
    /// False if it is not there.
    pub(super) fn take(&mut self, partition: &str, row: RowHash) -> bool {
        [partition, ""].into_iter().any(|of| {
            let times = self.0.get_mut(of).and_then(|rows| rows.get_mut(&row));
            let times = times.filter(|times| **times > 0);
            times.map(|times| *times -= 1).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_taken_as_often_as_it_was_there_in_its_partition_or_before_there_were_any() {
        let (one, other) = (RowHash::of(["1"]), RowHash::of(["2"]));
        let mut known = Known::of(HashMap::from([(one, 1)]));
        known.add("a", HashMap::from([(one, 1), (other, 2)]));
        assert!(!known.take("b", other) && !known.take("", other));
        let taken: Vec<_> = (0..3).map(|_| known.take("a", one)).collect();
        assert_eq!(taken, [true, true, false]);
        let taken: Vec<_> = (0..3).map(|_| known.take("a", other)).collect();
        assert_eq!(taken, [true, true, false]);
        assert!(!known.take("b", one));
    }
}
