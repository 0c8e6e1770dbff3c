//! The tables, and how they are made.

use apalis_sqlite::SqliteStorage;
use sqlx::{Connection, SqliteConnection, migrate::MigrateError};

use super::WRITE;

/// That of the tables below, which is raised with each change of them.
const VERSION: i64 = 1;

const TABLES: [&str; 8] = [
    "CREATE TABLE _apipool_run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL,
        due INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        ended INTEGER,
        state TEXT NOT NULL DEFAULT 'running'
            CHECK (state IN ('running', 'paused', 'cancelled', 'complete', 'failed')),
        UNIQUE (job, due))",
    // A job has one run at a time.
    "CREATE UNIQUE INDEX _apipool_run_open ON _apipool_run (job)
        WHERE state IN ('running', 'paused')",
    "CREATE TABLE _apipool_unit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL REFERENCES _apipool_run ON DELETE CASCADE,
        stream TEXT NOT NULL,
        stream_run INTEGER,
        epoch INTEGER NOT NULL DEFAULT 0,
        starts INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        since INTEGER,
        not_before INTEGER NOT NULL,
        pages INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        halted INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        remarks TEXT NOT NULL DEFAULT '[]',
        UNIQUE (run, stream))",
    // At most so many units of a job are worked on at a time.
    "CREATE TABLE _apipool_cap (
        job TEXT PRIMARY KEY NOT NULL,
        most INTEGER NOT NULL CHECK (most > 0))",
    "CREATE TABLE _apipool_worker (
        id TEXT PRIMARY KEY NOT NULL,
        begun INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        silence INTEGER NOT NULL,
        slots INTEGER NOT NULL)",
    // What each says is in `gcra.rs`.
    "CREATE TABLE _apipool_budget (
        key TEXT PRIMARY KEY NOT NULL,
        most REAL,
        granted INTEGER NOT NULL,
        peak REAL,
        cut INTEGER,
        told REAL,
        told_until INTEGER,
        measured REAL,
        counted INTEGER NOT NULL DEFAULT 0,
        counted_since INTEGER NOT NULL)",
    "CREATE TABLE _apipool_cluster (version INTEGER NOT NULL)",
    "INSERT INTO _apipool_cluster VALUES (1)",
];

/// Why the tables cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TablesError {
    #[error("has tables of another version of this program: {0}, where this one knows {VERSION}")]
    Version(i64),
    /// The queue would make them its own, and drop what is in them.
    #[error(
        "has a table `{0}`, a name that the queue of the workers needs: give them another file"
    )]
    Taken(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A later version of the queue had it.
    #[error("cannot be used by the queue of the workers: {0}")]
    Queue(MigrateError),
}

impl From<MigrateError> for TablesError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Queue(error),
        }
    }
}

/// Makes the tables and those of the queue, as far as they are not there.
pub(super) async fn make(connection: &mut SqliteConnection) -> Result<(), TablesError> {
    let mut transaction = connection.begin_with(WRITE).await?;
    if are_there(&mut transaction).await? {
        // Nothing else says that a file can only be read.
        let write = "UPDATE _apipool_cluster SET version = version";
        sqlx::query(write).execute(&mut *transaction).await?;
    } else {
        let taken = "SELECT name FROM sqlite_schema
                     WHERE lower(name) IN ('jobs', 'jobs_old', 'workers', '_sqlx_migrations')";
        if let Some(table) = sqlx::query_scalar(taken).fetch_optional(&mut *transaction).await? {
            return Err(TablesError::Taken(table));
        }
        for table in TABLES {
            sqlx::query(table).execute(&mut *transaction).await?;
        }
    }
    // Not its `setup`, which has a connection of the pool wait for no disk any more. A later version of
    // the queue may have more of them.
    SqliteStorage::<()>::migrations().run(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether the tables are there, and are those of this version.
pub(super) async fn are_there(connection: &mut SqliteConnection) -> Result<bool, TablesError> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = '_apipool_cluster'";
    if sqlx::query_scalar::<_, i64>(there).fetch_one(&mut *connection).await? == 0 {
        return Ok(false);
    }
    let version = "SELECT max(version) FROM _apipool_cluster";
    match sqlx::query_scalar(version).fetch_one(connection).await? {
        Some(VERSION) => Ok(true),
        version => Err(TablesError::Version(version.unwrap_or_default())),
    }
}
