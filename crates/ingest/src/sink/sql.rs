//! [pure] What the databases share: names, statements, the values of columns as SQL has them, and
//! what a commit does with the tables of a stream.

pub(super) mod cells;
pub(crate) mod decimals;
pub(super) mod kinds;
pub(crate) mod names;
pub(super) mod parts;
pub(super) mod remembered;
pub(super) mod statements;
pub(super) mod steps;
pub(crate) mod text;
