//! Looks at a cluster in PostgreSQL, and changes nothing there.

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use super::{look::look, options};
use crate::{Error, Overview, store::Look};

/// What its session begins with. The database goes on with a statement whose answer nobody waits for any
/// more: those of one who asks again and again must not pile up.
const SESSION: &str =
    "SET statement_timeout = '4s'; SET idle_in_transaction_session_timeout = '30s'";

/// One connection, which is made when it is first needed.
pub(crate) struct Observed {
    options: PgConnectOptions,
    /// Taken by who asks, so that one that is given up, in whatever state, is closed.
    connection: Mutex<Option<PgConnection>>,
}

impl Observed {
    /// # Errors
    /// [`Error::Url`].
    pub(crate) fn new(url: &SecretString) -> Result<Self, Error> {
        Ok(Self { options: options(url)?, connection: Mutex::default() })
    }

    async fn connect(&self) -> Result<PgConnection, Error> {
        let mut connection = self.options.connect().await?;
        connection.execute(SESSION).await?;
        Ok(connection)
    }
}

#[async_trait]
impl Look for Observed {
    async fn overview(&self) -> Result<Overview, Error> {
        let mut last = self.connection.lock().await;
        let mut connection = match last.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let overview = look(&mut connection).await?;
        *last = Some(connection);
        Ok(overview)
    }
}
