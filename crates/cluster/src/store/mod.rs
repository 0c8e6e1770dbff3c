//! The tables of a cluster: what is true of its runs, units and workers.

mod budgets;
mod runs;
mod settle;
mod tables;
mod units;
mod workers;

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Error, Settings};

pub(crate) use budgets::Grant;
pub(crate) use runs::RunId;
pub(crate) use settle::{Divided, StreamEnd};
pub(crate) use units::{Claimed, Work};

/// How long a connection to the database is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) pool: PgPool,
}

impl Store {
    /// Connects, and makes the tables that are not there.
    ///
    /// # Errors
    /// [`Error::Url`], or that of the database.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        let options: PgConnectOptions =
            settings.url.expose_secret().parse().map_err(|_| Error::Url)?;
        let connections = u32::try_from(settings.slots).unwrap_or(u32::MAX).saturating_add(4);
        let options = options.application_name("apipool cluster");
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        let store = Self { pool };
        store.make_tables().await?;
        Ok(store)
    }
}

/// An interval as PostgreSQL is told it.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
