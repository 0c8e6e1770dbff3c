//! Copies in PostgreSQL as tables beside those of the API. `crates/ingest/tests/databases/run setup`
//! installs PostgreSQL; `cargo test -p vantage-api-sql --test databases` runs this.

#![cfg(test)]

#[allow(dead_code, reason = "the tests of the copies use all of it")]
#[path = "../../../ingest/tests/databases/server.rs"]
mod server;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../suite/stores.rs"]
mod stores;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../suite/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../suite/world.rs"]
mod world;

use vantage_api_ingest::{
    description::WriteMode,
    sink::{Postgres, Sink, Target},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_postgresql_is_a_table_as_one_in_a_file() {
    let server = server::Server::shared();
    let url = server.config("postgres");
    let sink = format!("{{ postgres: \"{url}\" }}");
    stores::check(&sink).await;
    drop_copy(&url).await;
    stores::check_children(&sink).await;
    drop_copy(&url).await;
    stores::check_merged(&sink).await;
    drop_copy(&url).await;
    stores::check_beside_a_run(&sink).await;
}

/// Drops what the job has written.
async fn drop_copy(url: &str) {
    let target = Target::new("copy", "copied", ["id"], WriteMode::Append);
    let mut sink = Postgres::new(url.to_owned().into(), target);
    tokio::task::spawn_blocking(move || sink.reset(true)).await.unwrap().unwrap();
}
