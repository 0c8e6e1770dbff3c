//! [pure] The row that a decoder reads, and how far it has come.

use super::{cell::Cell, children::Gathered, learned::Learned, reader::Cells, value::Value};

/// Whether a row is to be read, by the value of its cursor field.
pub(crate) type Takes<'t> = dyn FnMut(Option<&str>, &str) -> bool + 't;

/// What was gathered up to the end of a page.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) written: usize,
    pub(super) rejects: usize,
    pub(super) learned: Learned,
    /// Which change of what is known that was.
    pub(super) changes: usize,
}

/// A row that is read, and its items. Kept from row to row for its memory.
#[derive(Default)]
pub(super) struct Reading<'a> {
    pub(super) cells: Cells<'a>,
    pub(super) values: Vec<Value<'a>>,
    /// The cells of an item.
    pub(super) item: Cells<'a>,
    pub(super) gathered: Vec<Gathered<'a>>,
    /// The values of columns that the row may lack.
    pub(super) bound: Vec<(usize, Cell<'a>)>,
}
