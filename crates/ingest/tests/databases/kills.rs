//! Jobs into PostgreSQL whose process is killed at random moments, again and again.

#[path = "../kills/killed.rs"]
mod killed;

use crate::database::{Database, PostgresSchema};
use killed::{New, kill_again_and_again};

#[tokio::test]
async fn child() {
    killed::run().await;
}

#[test]
fn postgresql_has_every_row_once() {
    kill_again_and_again("kills::child", "postgres", || {
        let database = PostgresSchema::new();
        let ids = |database: &PostgresSchema| {
            // Without the table yet there are no rows.
            let rows = database.try_query("SELECT id FROM cities").unwrap_or_default();
            rows.iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
        };
        New { place: database.config().to_owned(), ids: Box::new(move || ids(&database)) }
    });
}
