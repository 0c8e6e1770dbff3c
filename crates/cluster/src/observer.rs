//! Looks at a cluster, and changes nothing there.

use std::fmt;

use secrecy::SecretString;
use sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use crate::{
    Error, Overview,
    store::{PATIENCE, look, options, within},
};

/// What its session begins with. The database goes on with a statement whose answer nobody waits for any
/// more: those of one who asks again and again must not pile up.
const SESSION: &str =
    "SET statement_timeout = '4s'; SET idle_in_transaction_session_timeout = '30s'";

/// Looks at a cluster over one connection, in transactions that can only read: a role that may `SELECT` from
/// the tables is enough, as is a hot standby. Nothing is made there, unlike by
/// [`Cluster::connect`](crate::Cluster::connect).
///
/// ```no_run
/// # async fn demo() -> Result<(), vantage_api_cluster::Error> {
/// let observer = vantage_api_cluster::Observer::new("postgres://db.example.com/apipool")?;
/// for worker in observer.overview().await?.workers {
///     println!("{}: {} of {}", worker.name, worker.units.len(), worker.slots);
/// }
/// # Ok(()) }
/// ```
pub struct Observer {
    options: PgConnectOptions,
    /// Taken by who asks, so that one that is given up, in whatever state, is closed.
    connection: Mutex<Option<PgConnection>>,
}

impl Observer {
    /// For the database of a cluster, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. It is reached when it
    /// is first asked, and again after an error.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn new(url: impl Into<SecretString>) -> Result<Self, Error> {
        Ok(Self { options: options(&url.into())?, connection: Mutex::default() })
    }

    /// What is going on, as of one moment. Nothing if no worker has ever been there.
    ///
    /// # Errors
    /// That of the database, or that it has not answered for 10 s.
    pub async fn overview(&self) -> Result<Overview, Error> {
        within(PATIENCE, self.ask()).await
    }

    async fn ask(&self) -> Result<Overview, Error> {
        let mut last = self.connection.lock().await;
        let mut connection = match last.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let overview = look(&mut connection).await?;
        *last = Some(connection);
        Ok(overview)
    }

    async fn connect(&self) -> Result<PgConnection, Error> {
        let mut connection = self.options.connect().await?;
        connection.execute(SESSION).await?;
        Ok(connection)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_not_shown() {
        let observer = Observer::new("postgres://u:s3cret@h/d").unwrap();
        assert!(!format!("{observer:?}").contains("s3cret"));
        let error = Observer::new("mysql://u:s3cret@h/d").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
