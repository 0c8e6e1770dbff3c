//! A table of the API as a Vista: without its entity type, described by its
//! columns, with just the capabilities that the API's settings give it.
//!
//! `factory` builds Vistas from typed tables and from YAML, `spec` is what the YAML says,
//! `narrowing` is what it may be narrowed and ordered by, `shell`
//! runs what a Vista is asked for. None of them decides how
//! a table is read: that is the table's source.

mod bounds;
mod factory;
mod narrowing;
mod shell;
mod spec;

pub use factory::PoolVistaFactory;
pub use spec::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec};
