//! Tables of an API: what is known of their columns, and the provider of each.

mod columns;
mod infer;
mod provider;
mod source;
mod totals;

pub(crate) use columns::{Columns, SourceColumn};
pub use provider::ApiTableProvider;
pub(crate) use source::{Source, Trust, readable};
pub(crate) use totals::Totals;
