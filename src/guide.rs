//! How to use the crate, by subject. The same pages are in `docs/guide`.

#[doc = include_str!("../docs/guide/connections.md")]
pub mod connections {}
#[doc = include_str!("../docs/guide/limits.md")]
pub mod limits {}
#[doc = include_str!("../docs/guide/promises.md")]
pub mod promises {}
#[doc = include_str!("../docs/guide/settings.md")]
pub mod settings {}
#[doc = include_str!("../docs/guide/streams.md")]
pub mod streams {}
#[doc = include_str!("../docs/guide/tables.md")]
pub mod tables {}
#[doc = include_str!("../docs/guide/tokens.md")]
pub mod tokens {}
#[doc = include_str!("../docs/guide/watching.md")]
pub mod watching {}
