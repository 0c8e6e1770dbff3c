//! How tables of an API are read and written, as data: one type for code, YAML and anything else
//! that serde reads. Reads and writes decide what to do with it.

mod api;
mod combined;
mod custom;
mod filtering;
mod filters;
mod forms;
mod sorting;
mod table;
mod texts;
mod writes;

pub(super) use api::{ApiSettings, TableSettings};
pub(super) use combined::alone;
pub use combined::{Combined, Comparison};
pub use filtering::Filtering;
pub use filters::{Filters, Lists};
pub use sorting::Sorting;
pub use table::ApiTable;
pub use writes::Writes;
pub(super) use writes::{InsertBy, PatchBy, ReplaceBy};
