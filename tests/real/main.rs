//! Reads and writes against servers that others wrote, with some 1,200 ugly rows each.
#![cfg(test)]
#![allow(
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod datasette;
mod django;
mod eve;
mod fastapi;
mod http;
mod json_api;
mod json_server;
mod limits;
mod nginx;
mod restarts;
mod rows;
mod servers;
mod settings;
mod source;
mod writes;
