//! Units in a queue that [apalis](https://crates.io/crates/apalis) keeps in the database of the cluster,
//! for the workers of all processes.

mod bell;
mod message;
mod postgres;
mod slots;
mod sqlite;

pub(crate) use postgres::PostgresQueue;
pub(crate) use sqlite::SqliteQueue;
