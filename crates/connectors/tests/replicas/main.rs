//! Each description against a replica of what its API documents: how it pages, what it refuses, how
//! it limits, and what else is particular to it. What a job writes is compared with what the replica
//! has.

#![cfg(test)]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod by_cursor;
mod by_link;
mod by_offset;
mod by_row;
mod support;
