//! The tables of a cluster in an SQLite file, for the processes of one machine. Streams are not divided
//! there: each is run whole, by the rules of its sink.

mod budgets;
mod gcra;
mod look;
mod observed;
mod open;
mod runs;
mod tables;
mod units;
mod workers;

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{Look, Store};
use crate::{Error, Overview, Settings};

pub(crate) use observed::Observed;
pub(crate) use open::file;

/// A cluster in an SQLite file. All moments are whole microseconds since 1970, by the clock of the machine.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    /// One connection, which waits for the disk.
    writer: SqlitePool,
    /// For what reads, and what a loss of power may take away: heartbeats, progress, budgets, the queue.
    pub(crate) quick: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, and makes it and the tables that are not there.
    ///
    /// # Errors
    /// [`Error::File`], or [`Error::Settings`].
    pub(crate) async fn connect(path: PathBuf, settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        let (writer, quick) = open::open(&path, settings.slots).await?;
        Ok(Self { writer, quick })
    }

    /// Begins to write: first waits for whoever else does, and then sees what that has written.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.writer.begin_with(WRITE).await?)
    }
}

#[async_trait]
impl Look for SqliteStore {
    async fn overview(&self) -> Result<Overview, Error> {
        look::look(&mut *self.quick.acquire().await?).await
    }
}

impl Store for SqliteStore {}

/// A transaction that begins by reading could not write any more if another one did in between.
const WRITE: &str = "BEGIN IMMEDIATE";

fn now() -> i64 {
    Utc::now().timestamp_micros()
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// A list, as SQLite takes one.
fn list<T: serde::Serialize>(values: &[T]) -> Result<String, Error> {
    Ok(serde_json::to_string(values)?)
}

/// The names of the workers that may be alive. The first parameter of the statement is the time.
macro_rules! alive {
    () => {
        "(SELECT w.id FROM _apipool_worker w WHERE w.seen + w.silence > ?1)"
    };
}
use alive;

/// How many units of the job of a cap `c` are with them.
macro_rules! in_work {
    () => {
        concat!(
            "(SELECT count(*) FROM _apipool_unit o JOIN _apipool_run p ON p.id = o.run
                 WHERE p.job = c.job AND NOT o.done AND NOT o.failed AND o.owner IN ",
            alive!(),
            ")"
        )
    };
}
use in_work;
