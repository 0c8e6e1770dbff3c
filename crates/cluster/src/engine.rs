//! The database that a URL names: what is true is kept in its store, and who might do something now is said
//! by its queue.

use std::{path::PathBuf, sync::Arc};

use secrecy::SecretString;

use crate::{
    Error, Settings,
    dispatch::{Dispatcher, PostgresQueue, SqliteQueue},
    store::{Look, PostgresStore, SqliteStore, Store, postgres, sqlite},
};

/// The database of a cluster.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    /// For any number of machines.
    Postgres(Arc<PostgresStore>),
    /// For the processes of one.
    Sqlite(Arc<SqliteStore>),
}

impl Engine {
    /// Connects, and makes the tables that are not there.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::File`], or that of the database.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        Ok(match sqlite::file(&settings.url)? {
            Some(path) => Self::Sqlite(Arc::new(SqliteStore::connect(path, settings).await?)),
            None => Self::Postgres(Arc::new(PostgresStore::connect(settings).await?)),
        })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Its queue, for workers whose names begin with `name`.
    ///
    /// # Errors
    /// That of the database.
    pub(crate) async fn queue(
        &self,
        name: String,
        settings: &Settings,
    ) -> Result<Arc<dyn Dispatcher>, Error> {
        let (heartbeat, silence) = (settings.heartbeat, settings.silence());
        Ok(match self {
            Self::Postgres(store) => {
                let pool = store.pool.clone();
                Arc::new(PostgresQueue::open(pool, name, heartbeat, silence).await?)
            }
            Self::Sqlite(store) => {
                Arc::new(SqliteQueue::new(store.quick.clone(), name, heartbeat, silence))
            }
        })
    }
}

/// Looks at the database that a URL names.
///
/// # Errors
/// [`Error::Url`].
pub(crate) fn observed(url: &SecretString) -> Result<Box<dyn Look>, Error> {
    let file: Option<PathBuf> = sqlite::file(url)?;
    Ok(match file {
        Some(path) => Box::new(sqlite::Observed::new(path)),
        None => Box::new(postgres::Observed::new(url)?),
    })
}
