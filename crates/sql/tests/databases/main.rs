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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_postgresql_is_a_table_with_the_rows_of_the_api() {
    let server = server::Server::shared();
    let url = server.config("postgres");
    stores::check(&format!("{{ postgres: \"{url}\" }}")).await;
}
