//! The status of workers as `apipool serve --url` shows it: real workers over a real PostgreSQL, looked at
//! by a client and in Chromium.
//!
//! `crates/ingest/tests/databases/run setup` and `crates/gateway/tests/others/run setup` install both.

#![cfg(test)]
#![cfg(unix)]

mod page;
mod status;
mod workers;

#[allow(dead_code)]
#[path = "../../../gateway/tests/others/driver.rs"]
mod driver;
#[allow(dead_code)]
#[path = "../../../gateway/tests/others/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../../../gateway/tests/others/process.rs"]
mod process;
#[allow(dead_code)]
#[path = "../../../ingest/tests/databases/server.rs"]
mod server;
