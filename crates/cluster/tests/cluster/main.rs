//! A cluster over a PostgreSQL that the tests start themselves, with workers in this process and in
//! others that are killed and frozen.
//!
//! `crates/cluster/tests/cluster/run` runs them; `APIPOOL_CHAOS=100 crates/cluster/tests/cluster/run
//! chaos -- --nocapture` injects more faults than the fifteen of a usual run, and `APIPOOL_SEED=7`
//! repeats a run. `crates/cluster/tests/cluster/run --release scaling -- --ignored --nocapture` measures what
//! several processes are worth; `APIPOOL_LATENCY=500`, in milliseconds, where the machine is too busy to
//! serve an API of 50 ms. `crates/cluster/tests/cluster/run budget -- --ignored --nocapture` measures how
//! well a limit is used.

#![cfg(test)]

mod api;
mod budget;
mod caps;
mod chaos;
mod child;
mod database;
mod failures;
mod fence;
mod holds;
mod lost;
mod observer;
mod partitions;
mod runs;
mod scaling;
#[allow(dead_code)]
#[path = "../../../ingest/tests/databases/server.rs"]
mod server;
mod times;
