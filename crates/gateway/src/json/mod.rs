//! [pure] JSON to CBOR values and back: bodies are read strictly, and rows are written straight to
//! bytes, without a tree between.

mod fit;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use fit::{fit, is_decimal, record_of};
pub(crate) use read::parse;
pub(crate) use rows::Shape;
pub(crate) use write::write_value;
