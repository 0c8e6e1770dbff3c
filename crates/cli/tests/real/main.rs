//! `apipool init` against servers that others wrote: what it drafts reads the whole set unchanged.
//!
//! `tests/real/run setup` installs the servers; each has the same 1,237 rows.

#![cfg(test)]
#![allow(
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod drafts;
#[allow(dead_code)]
#[path = "../../../../tests/real/rows.rs"]
mod rows;
#[allow(dead_code)]
#[path = "../../../../tests/real/servers.rs"]
mod servers;
