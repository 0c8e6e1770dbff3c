//! How units get to workers. What is true of them is in the tables of the cluster, so a dispatcher may
//! lose, double or delay what it is given.

mod in_process;
mod queue;

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use sqlx::{PgConnection, SqliteConnection};
use tokio::sync::watch;

use crate::Error;

pub use in_process::InProcess;
pub(crate) use queue::{PostgresQueue, SqliteQueue};

/// Does a unit, if there is something to do.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Returns once nothing of it is done here any more. Dropped, it is given up.
    async fn handle(&self, unit: i64);
}

/// The transaction of the cluster's database in which units are handed over, or looked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transaction<'a> {
    /// In PostgreSQL.
    Postgres(&'a mut PgConnection),
    /// In an SQLite file.
    Sqlite(&'a mut SqliteConnection),
}

/// Gets units to workers.
#[async_trait]
pub trait Dispatcher: Send + Sync + fmt::Debug {
    /// Hands units over, once the transaction is committed.
    ///
    /// # Errors
    /// That of the database.
    async fn push(&self, transaction: Transaction<'_>, units: &[i64]) -> Result<(), Error>;

    /// A transaction in which units were pushed is committed.
    fn committed(&self) {}

    /// Has `slots` units handled at a time, until `stop` is true and those that have begun have ended.
    async fn run(&self, handler: Arc<dyn Handler>, slots: usize, stop: watch::Receiver<bool>);

    /// The units that wait, or are with a worker that may be alive.
    ///
    /// # Errors
    /// That of the database.
    async fn known(&self, transaction: Transaction<'_>) -> Result<HashSet<i64>, Error>;

    /// Forgets what has long ended.
    ///
    /// # Errors
    /// That of the database.
    async fn tidy(&self) -> Result<(), Error> {
        Ok(())
    }
}
