//! The tables of a cluster: what is true of its runs, units and workers. What may be asked of them is said
//! here, once; `postgres` and `sqlite` answer it.

mod budgets;
pub(crate) mod postgres;
mod runs;
pub(crate) mod sqlite;
mod units;
mod within;
mod workers;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Error, Overview};

pub(crate) use budgets::{Budgets, Grant};
pub(crate) use postgres::{Divided, PostgresStore, StreamEnd};
pub(crate) use runs::Runs;
pub(crate) use sqlite::SqliteStore;
pub(crate) use units::{Claimed, Units, Work};
pub(crate) use within::{LIMIT, PATIENCE, within};
pub(crate) use workers::Workers;

/// What is going on in a cluster, for who changes nothing there.
#[async_trait]
pub(crate) trait Look: Send + Sync {
    /// What is going on, as of one moment.
    async fn overview(&self) -> Result<Overview, Error>;
}

/// The database of a cluster.
pub(crate) trait Store: Look + Runs + Units + Workers + Budgets + Debug {
    /// The same database, if streams may be divided in it: what commits a part and its place is one
    /// transaction there.
    fn of_parts(&self) -> Option<&PostgresStore> {
        None
    }
}
