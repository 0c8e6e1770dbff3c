//! A cluster over a PostgreSQL that the tests start themselves, with workers in this process and in
//! others that are killed and frozen.
//!
//! `crates/cluster/tests/cluster/run` runs them; `APIPOOL_CHAOS=100 crates/cluster/tests/cluster/run
//! chaos -- --nocapture` injects more faults than the fifteen of a usual run, and `APIPOOL_SEED=7`
//! repeats a run.

#![cfg(test)]

mod api;
mod budget;
mod chaos;
mod child;
mod database;
mod failures;
mod fence;
mod holds;
mod lost;
mod runs;
#[allow(dead_code)]
#[path = "../../../ingest/tests/databases/server.rs"]
mod server;
mod times;
