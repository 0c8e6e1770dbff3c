//! From the JSON of rows to Arrow batches, in one pass and without a tree.

mod batch;
mod cell;
mod checks;
mod decoder;
mod hash;
mod made;
mod mark;
mod reader;
mod value;

pub(crate) use cell::Cell;
pub(crate) use checks::{ColumnCheck, RowChecks};
pub(crate) use decoder::{ColumnPlan, Decoded, Learned, RowDecoder, RowRules, SeenRow};
pub(crate) use hash::RowHash;
pub(crate) use made::Made;
pub(crate) use mark::{Mark, compare};
pub(crate) use reader::{Cells, RowReader};
