//! The routes of tables: what is read, what is written, and how it is answered.

pub(crate) mod batch;
pub(crate) mod bulk;
pub(crate) mod index;
pub(crate) mod list;
mod page;
mod read;
pub(crate) mod relation;
pub(crate) mod row;
mod store;
mod stream;
pub(crate) mod write;
