//! What can go wrong in a cluster.

use std::path::PathBuf;

/// Why a cluster cannot do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is not that of a PostgreSQL database or of an SQLite file. What is wrong with it could show
    /// a password.
    #[error(
        "invalid URL of the cluster, expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or \
         `sqlite:FILE` without parameters"
    )]
    Url,
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// The database cannot be reached, or refuses a statement.
    #[error("the database of the cluster: {0}")]
    Database(#[from] sqlx::Error),
    /// The SQLite file cannot be used.
    #[error("the file {} of the cluster {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, such as `can only be read`.
        what: String,
    },
    /// The queue cannot be made or written.
    #[error("the queue of the cluster: {0}")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A dispatcher was given a transaction of a database that is not its own.
    #[error("the dispatcher is not of the database of the cluster")]
    Foreign,
    /// A job, or a part of one, is not what a run of it needs.
    #[error(transparent)]
    Job(#[from] vantage_api_ingest::Error),
    /// There is no run of this job that could be held.
    #[error("no run of job `{0}` is under way")]
    NoRun(String),
    /// A job of this name was never run.
    #[error("no job `{0}` was ever run here")]
    NoJob(String),
    /// A value that another version has written.
    #[error("the tables of the cluster have a value that this version does not read: {0}")]
    Value(#[from] serde_json::Error),
}

impl Error {
    pub(crate) fn queue(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Queue(Box::new(error))
    }
}
