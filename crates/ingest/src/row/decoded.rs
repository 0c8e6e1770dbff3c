//! [pure] What comes of rows: that of each page, and the batches of several.

use arrow_array::RecordBatch;
use indexmap::IndexMap;

use super::{children::Items, hash::RowHash, learned::Learned, mark::Mark};
use crate::sink::Reject;

/// A row by which the next run may know it.
#[derive(Debug)]
pub(crate) struct SeenRow {
    /// The value of its cursor field; empty if it has none.
    pub(crate) cursor: String,
    pub(crate) hash: RowHash,
    /// Whether the last run has written it, so that it is left out.
    pub(crate) is_repeated: bool,
}

/// What came of the rows of a page, besides the rows.
#[derive(Debug, Default)]
pub(crate) struct DecodedPage {
    /// How many were set aside.
    pub(crate) rejected: usize,
    /// Why the first of them was, and whether it is not known which row one of them is.
    pub(crate) reject: Option<String>,
    pub(crate) lacks_key: bool,
    /// How many have a key that another row of the run has had.
    pub(crate) twice: usize,
    /// How many the last run has written.
    pub(crate) repeated: usize,
    /// The greatest value of the cursor field in them.
    pub(crate) mark: Mark,
    /// The rows, if rows that the last run has written are left out.
    pub(crate) seen: Vec<SeenRow>,
}

/// What came of the rows of some pages.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) batches: Vec<RecordBatch>,
    /// The items of their lists, by child tables.
    pub(crate) children: IndexMap<String, Items>,
    pub(crate) rejects: Vec<Reject>,
    /// About how many bytes the rows, the items and the rejects have.
    pub(crate) bytes: usize,
    /// What is known after these rows.
    pub(crate) learned: Learned,
}

impl Decoded {
    /// Leaves no more than so many rows, the first ones, and their items.
    pub(super) fn cut(&mut self, rows: usize) {
        cut(&mut self.batches, rows);
        for items in self.children.values_mut() {
            let kept = items.rows.partition_point(|row| *row < rows);
            items.rows.truncate(kept);
            cut(&mut items.batches, kept);
        }
        self.children.retain(|_, items| !items.rows.is_empty());
    }
}

fn cut(batches: &mut Vec<RecordBatch>, mut rows: usize) {
    for batch in batches.iter_mut() {
        let kept = rows.min(batch.num_rows());
        if kept < batch.num_rows() {
            *batch = batch.slice(0, kept);
        }
        rows -= kept;
    }
    batches.retain(|batch| batch.num_rows() > 0);
}
