//! A table of the API as a Vista: without its entity type, described by its columns, with exactly
//! the capabilities that the API's settings give it.
//!
//! `factory` builds Vistas from typed tables and from YAML, `spec` is the YAML format, `narrowing`
//! decides which conditions and orders are supported, and `shell` runs the operations of a Vista.
//! None of them decides how a table is read: that is the table's source.

mod bounds;
mod factory;
mod narrowing;
mod shell;
mod spec;

pub use factory::PoolVistaFactory;
pub use spec::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec};
