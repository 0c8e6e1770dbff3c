//! Reads and writes against servers that others wrote: Datasette, Django REST framework, a
//! JSON:API, fastapi-pagination, Eve, json-server, and nginx in front of them; and signatures that
//! botocore and PyJWT verify.
//!
//! `tests/real/run` installs the servers and runs this program; a plain `cargo test` does
//! neither. Each server gets the same 1,237 rows (`rows`), is started on a free port of
//! 127.0.0.1 and ends with the program (`servers`). What is read, as a stream, as a Vantage
//! table and as a Vista, is compared with those rows (`source`); there is a module for each
//! server, and one each for what goes wrong: limits, restarts, other things of HTTP, settings
//! that do not fit.

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
mod signed;
mod source;
mod writes;
