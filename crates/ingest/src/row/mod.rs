//! From the JSON of rows to Arrow batches, in one pass and without a tree.

mod batch;
mod bound;
mod cell;
mod checks;
mod children;
mod columns;
mod decoded;
mod decoder;
mod fault;
mod fields;
mod growth;
mod hash;
mod keys;
mod learned;
mod made;
mod mark;
mod names;
mod plain;
mod reader;
mod reading;
mod rules;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use bound::{Bound, Known};
pub(crate) use cell::Cell;
pub(crate) use checks::{ColumnCheck, RowChecks};
pub(crate) use children::Items;
pub(crate) use decoded::{Decoded, DecodedPage, SeenRow};
pub(crate) use decoder::RowDecoder;
pub(crate) use hash::RowHash;
pub(crate) use learned::Learned;
pub(crate) use made::Made;
pub(crate) use mark::{Mark, compare};
pub(crate) use reader::{Cells, RowReader};
pub(crate) use rules::{ColumnPlan, RowRules};
pub(crate) use value::{DAYS, MOMENTS};
