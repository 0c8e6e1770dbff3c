//! Rows into SQLite.

mod children;
mod commit;
mod connection;
pub(crate) mod error;
mod objects;
pub(crate) mod reading;
mod rows;
mod state;
mod stored;
mod table;
mod types;

use std::{fmt, path::PathBuf};

use arrow_array::RecordBatch;
use rusqlite::Connection;

use super::{
    Commit, Sink, SinkError, TakeRows, Target,
    sql::names::{Naming, OWN},
    stored::{CheckState, Gathered},
};
use crate::{
    schema::{Column, Schema},
    state::StreamState,
};

/// SQLite takes longer names; a thousand bytes are beyond any that is meant.
const NAMING: Naming = Naming {
    database: "SQLite",
    max_bytes: 1000,
    folds_case: true,
    reserved: &[OWN, "sqlite_"],
    system_columns: &[],
};

/// A table in an SQLite file, which is made if it is not there.
///
/// The file is in WAL mode with `synchronous = FULL`: a commit that returned is there after the death
/// of the process and after a loss of power, and readers are neither blocked nor shown half a commit.
/// Beside the streams' tables and those of the items of lists there are `_apipool_state`, with a row
/// for each of these tables, and `_apipool_rejects` with the rows that were set aside.
///
/// Types of columns: `bool` is `BOOLEAN` (0 or 1), `int` is `INTEGER`, `float` is `REAL`; all others
/// are `TEXT`: decimals with all their digits, `2024-02-29`, `2024-02-29T12:34:56.000000Z`, JSON.
///
/// A table that gets a wider column, and one that is replaced, is made anew. Indexes and triggers that
/// others have put on it are made again, views stay; a column that others have added is not lost
/// either, but stops the stream.
pub struct Sqlite {
    path: PathBuf,
    target: Target,
    open: Option<Open>,
}

/// A file that is open, and by what name its last writer is known there.
struct Open {
    connection: Connection,
    owner: String,
}

impl Sqlite {
    /// The table of `target` in the file at `path`.
    pub fn new(path: impl Into<PathBuf>, target: Target) -> Self {
        Self { path: path.into(), target, open: None }
    }

    /// The columns of a table of the stream, its own or one below it; none if it is not there.
    pub(super) fn columns(&self, table: &str) -> Result<Schema, SinkError> {
        let Some(connection) = reading::open(&self.path)? else { return Ok(Schema::default()) };
        let columns = reading::columns(&connection, &self.target, table)?.into_iter();
        let columns = columns.map(|(name, kind)| Column { name, kind, declared: false });
        Ok(Schema { columns: columns.collect() })
    }

    /// Hands over the rows of such a table with these columns; none if there is no file.
    pub(super) fn read(
        &self,
        table: &str,
        Schema { columns }: &Schema,
        take: TakeRows<'_>,
    ) -> Result<(), SinkError> {
        let Some(connection) = reading::open(&self.path)? else { return Ok(()) };
        let sql = reading::select(table, columns.iter().map(|column| column.name.as_str()));
        let mut rows = Gathered::new(take);
        reading::rows(&connection, table, &sql, Vec::new(), |row| {
            Ok(rows.add(stored::object(row, columns)?))
        })?;
        rows.end();
        Ok(())
    }

    /// Adds rows to the table of a stream in one transaction, without becoming the one who writes it.
    pub(super) fn insert(
        &self,
        batches: &[RecordBatch],
        check: CheckState<'_>,
    ) -> Result<(), SinkError> {
        let mut connection = connection::open(&self.path)?;
        commit::insert(&mut connection, &self.target, batches, check)
    }
}

impl Sink for Sqlite {
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.open = None;
        NAMING.check_target(&self.target)?;
        let mut connection = connection::open(&self.path)?;
        let (owner, state) = state::take(&mut connection, &self.target)?;
        self.open = Some(Open { connection, owner });
        Ok(state)
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        match connection::open_existing(&self.path)? {
            Some(connection) => state::look(&connection, &self.target),
            None => Ok(StreamState::default()),
        }
    }

    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError> {
        self.open = None;
        NAMING.check_target(&self.target)?;
        match connection::open_existing(&self.path)? {
            Some(mut connection) => state::reset(&mut connection, &self.target, drop_rows),
            None => Ok(()),
        }
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        // Taken, so that after an error the file is closed, and what was begun is undone.
        let Some(mut open) = self.open.take() else {
            let path = self.path.display();
            return Err(SinkError::passing(format!("SQLite file {path} is not open")));
        };
        commit::commit(&mut open, &self.target, commit)?;
        self.open = Some(open);
        Ok(())
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sqlite");
        debug.field("path", &self.path).field("target", &self.target);
        debug.field("is_open", &self.open.is_some()).finish()
    }
}
