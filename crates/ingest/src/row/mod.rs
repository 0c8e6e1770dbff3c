//! From the JSON of rows to Arrow batches, in one pass and without a tree.

mod batch;
mod cell;
mod decoder;
mod made;
mod mark;
mod reader;
mod value;

pub(crate) use cell::Cell;
pub(crate) use decoder::{ColumnPlan, Decoded, Learned, RowDecoder, RowRules};
pub(crate) use made::Made;
pub(crate) use mark::Mark;
