//! The tables of a cluster in PostgreSQL, in which streams may be divided into parts.

mod budgets;
mod look;
mod observed;
mod parts;
mod runs;
mod settle;
mod tables;
mod units;
mod workers;

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Look, PATIENCE, Store};
use crate::{Error, Overview, Settings};

pub(crate) use observed::Observed;
pub(crate) use settle::{Divided, StreamEnd};

/// What each session begins with.
const SESSION: &str =
    "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '30s'";

/// A cluster in PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct PostgresStore {
    pub(crate) pool: PgPool,
}

impl PostgresStore {
    /// Connects, and makes the tables that are not there.
    ///
    /// # Errors
    /// [`Error::Url`], or that of the database.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        let options = options(&settings.url)?;
        let connections = u32::try_from(settings.slots).unwrap_or(u32::MAX).saturating_add(5);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SESSION).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        let store = Self { pool };
        store.make_tables().await?;
        Ok(store)
    }
}

#[async_trait]
impl Look for PostgresStore {
    async fn overview(&self) -> Result<Overview, Error> {
        look::look(&mut *self.pool.acquire().await?).await
    }
}

impl Store for PostgresStore {
    fn of_parts(&self) -> Option<&PostgresStore> {
        Some(self)
    }
}

/// How the database at a URL is reached.
///
/// # Errors
/// [`Error::Url`].
pub(crate) fn options(url: &SecretString) -> Result<PgConnectOptions, Error> {
    let url = url.expose_secret();
    // Any other scheme would be read as this one.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Error::Url);
    }
    let options: PgConnectOptions = url.parse().map_err(|_| Error::Url)?;
    Ok(options.application_name("apipool cluster"))
}

/// An interval as PostgreSQL is told it.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
