//! The tables of a cluster: what is true of its runs, units and workers.

mod budgets;
mod look;
mod runs;
mod settle;
mod tables;
mod units;
mod workers;

use std::{io, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Error, Settings};

pub(crate) use budgets::Grant;
pub(crate) use look::look;
pub(crate) use runs::RunId;
pub(crate) use settle::{Divided, StreamEnd};
pub(crate) use units::{Claimed, Work};

/// How long a connection to the database is waited for, and a word that a process is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long the database may take for anything else: a connection, and a statement as long as it may be.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// What each session begins with.
const SESSION: &str =
    "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '30s'";

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

/// What comes of something that the database is asked, unless it takes longer: over a connection that was
/// cut off there is no answer, and no word of that.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let answered = tokio::time::timeout(limit, asked).await;
    answered.unwrap_or_else(|_| {
        let error = io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {limit:?}"));
        Err(sqlx::Error::Io(error).into())
    })
}

/// An interval as PostgreSQL is told it.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
