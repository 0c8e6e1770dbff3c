//! Looks at a cluster in an SQLite file, and changes nothing there.

use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::Mutex;

use super::{
    look::look,
    open::{named, options},
    tables,
};
use crate::{Error, Overview, store::Look};

/// One connection, which is made when it is first needed.
pub(crate) struct Observed {
    path: PathBuf,
    /// Taken by who asks, so that one that is given up, in whatever state, is closed.
    connection: Mutex<Option<SqliteConnection>>,
}

impl Observed {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, connection: Mutex::default() }
    }

    /// A connection that can only read, and is not kept where a file may still be made.
    async fn connect(&self) -> Result<SqliteConnection, Error> {
        let options: SqliteConnectOptions = options(&self.path).read_only(true);
        options.connect().await.map_err(|error| named(&self.path, &error.into()))
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
        let are_there = tables::are_there(&mut connection).await;
        let overview = match are_there.map_err(|error| named(&self.path, &error))? {
            true => look(&mut connection).await?,
            false => Overview::default(),
        };
        *last = Some(connection);
        Ok(overview)
    }
}
