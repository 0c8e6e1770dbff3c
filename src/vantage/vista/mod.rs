//! A table of the API as a Vista: without its entity type, described by its columns, with exactly
//! the capabilities that the API's settings give it.
//!
//! `factory` builds Vistas from typed tables and from YAML, `yaml` is the YAML format and
//! `yaml_limits` what is refused before it is parsed, `narrowing` decides which conditions and
//! orders are supported, and `shell` runs the operations of a Vista. None of them decides how a
//! table is read: that is the table's source.

mod factory;
mod narrowing;
mod shell;
mod yaml;
mod yaml_limits;

pub use factory::PoolVistaFactory;
pub use yaml::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec};
