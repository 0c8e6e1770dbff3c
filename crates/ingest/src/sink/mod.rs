//! Where rows go: each sink writes the rows of a stream, its state and the changes of its schema
//! in one commit.

use std::{fmt, thread};

use arrow_array::RecordBatch;
use tokio::sync::oneshot;

use crate::{
    description::{SinkDescription, WriteMode},
    schema::Schema,
    state::StreamState,
};

mod files;
mod fits;
pub(crate) mod latest;
mod postgres;
pub(crate) mod sql;
pub(crate) mod sqlite;
mod stored;
mod vantage;

pub use files::{FileFormat, Files};
pub use postgres::Postgres;
pub(crate) use postgres::{PostgresPart, end_parts};
pub use sqlite::Sqlite;
pub use stored::{Stored, TakeRows};
pub use vantage::VantageTable;
pub(crate) use vantage::rows_of;

/// The sink of a description.
pub(crate) fn of(sink: &SinkDescription, target: Target) -> Box<dyn Sink> {
    match sink {
        SinkDescription::Sqlite(path) => Box::new(Sqlite::new(path, target)),
        SinkDescription::Postgres(url) => Box::new(Postgres::new(url.clone(), target)),
        SinkDescription::Parquet(place) => Box::new(Files::new(place, FileFormat::Parquet, target)),
        SinkDescription::Ndjson(folder) => Box::new(Files::new(folder, FileFormat::Ndjson, target)),
        SinkDescription::Csv(folder) => Box::new(Files::new(folder, FileFormat::Csv, target)),
    }
}

/// Makes a call of a sink, which may block, on a thread of its own.
///
/// # Errors
/// That of the call; a passing one if the system has no thread, or the sink panics.
pub(crate) async fn on_thread<T: Send + 'static>(
    mut sink: Box<dyn Sink>,
    call: impl FnOnce(&mut dyn Sink) -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let (sender, called) = oneshot::channel();
    let work = move || {
        let called = call(&mut *sink);
        // Its connection is closed before anyone goes on.
        drop(sink);
        // Nobody waits if the future was dropped.
        let _ = sender.send(called);
    };
    let spawned = thread::Builder::new().name("ingest-sink".into()).spawn(work);
    spawned.map_err(|error| SinkError::passing("no thread for the sink").because(error))?;
    called.await.unwrap_or_else(|_| Err(SinkError::passing("the sink has panicked")))
}

/// Which texts the sink of a description cannot hold, and why.
pub(crate) fn refuses(sink: &SinkDescription) -> fn(&str) -> Option<&'static str> {
    match sink {
        SinkDescription::Postgres(_) => Postgres::refuses,
        _ => |_| None,
    }
}

/// The table that a stream is written to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The job that writes it.
    pub job: String,
    /// The stream, which is the name of the table as well.
    pub stream: String,
    /// The columns whose values name a row; empty if there are none.
    pub key: Vec<String>,
    /// What is done with rows that are there.
    pub mode: WriteMode,
}

impl Target {
    /// The table of a stream.
    pub fn new(
        job: impl Into<String>,
        stream: impl Into<String>,
        key: impl IntoIterator<Item = impl Into<String>>,
        mode: WriteMode,
    ) -> Self {
        let key = key.into_iter().map(Into::into).collect();
        Self { job: job.into(), stream: stream.into(), key, mode }
    }
}

/// What is committed at once.
#[derive(Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// The columns of the table after the commit. Those of the table before it are among them,
    /// with the same type or a narrower one.
    pub schema: &'a Schema,
    /// The rows. The columns of each batch are among those of `schema`, with the same type or a
    /// narrower one; a column that a batch does not have is null in its rows.
    pub batches: &'a [RecordBatch],
    /// The rows of the tables below the stream's.
    pub children: &'a [Child<'a>],
    /// The rows that were set aside.
    pub rejects: &'a [Reject],
    /// The state after the commit, which has the same `schema`.
    pub state: &'a StreamState,
    /// Whether the run ends with it and is accepted. A table that is replaced is replaced now. A run
    /// that is not accepted ends with a state that is finished, and the next one drops what it has
    /// left.
    pub is_last: bool,
}

impl<'a> Commit<'a> {
    /// Rows, those that were set aside, and the state after them.
    #[must_use]
    pub fn new(
        schema: &'a Schema,
        batches: &'a [RecordBatch],
        rejects: &'a [Reject],
        state: &'a StreamState,
        is_last: bool,
    ) -> Self {
        Self { schema, batches, children: &[], rejects, state, is_last }
    }

    /// The same commit with the rows of child tables.
    #[must_use]
    pub fn with_children(self, children: &'a [Child<'a>]) -> Self {
        Self { children, ..self }
    }
}

/// What is committed of a child table, whose rows are the items of a list in the rows of the stream.
///
/// In the modes [`Merge`](WriteMode::Merge) and [`Sync`](WriteMode::Sync) the items take the place of
/// all that the table has of the rows of the same commit, even of those whose list is empty now. Each
/// commit has all child tables that the stream has by then, with or without rows, unless lists do not
/// become tables any more: a table that is not in a commit stays as it is, also at the end of a run in
/// the modes [`Sync`](WriteMode::Sync) and [`Replace`](WriteMode::Replace).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Child<'a> {
    /// The table: the name of the stream, an underscore and the path of the list.
    pub table: &'a str,
    /// The columns of the table after the commit. The first ones are those of the stream's key, in its
    /// order and with the same types, under names of their own; then there is `_index`, the place of
    /// the item in its list, from 0.
    pub schema: &'a Schema,
    /// The items. A stream's row that is in the commit several times has those of its last place alone.
    pub batches: &'a [RecordBatch],
}

impl<'a> Child<'a> {
    /// Items for a child table.
    #[must_use]
    pub fn new(table: &'a str, schema: &'a Schema, batches: &'a [RecordBatch]) -> Self {
        Self { table, schema, batches }
    }
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why, in words.
    pub reason: String,
    /// The row as JSON, as it came.
    pub row: String,
}

/// Writes the rows of one stream.
///
/// A commit is all or nothing: after an error, or the death of the process at any moment, the table
/// and the state are those of the last commit that returned, or of the one that was under way. A
/// [`VantageTable`] alone does with less, and says what.
/// Calls come from one thread at a time, which may block.
pub trait Sink: Send {
    /// Opens the table, and returns the state of the last commit.
    ///
    /// # Errors
    /// If the sink cannot be reached, or what is there is not what a stream has written.
    fn open(&mut self) -> Result<StreamState, SinkError>;

    /// The state of the last commit, without becoming the one that writes: a run elsewhere goes on.
    ///
    /// # Errors
    /// If the sink cannot be reached.
    fn state(&mut self) -> Result<StreamState, SinkError>;

    /// Forgets the state, so that the next run begins anew; with `drop_rows`, deletes the table and
    /// its rejects as well. A run that is under way fails at its next commit.
    ///
    /// # Errors
    /// If the sink cannot be reached.
    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError>;

    /// Writes a commit.
    ///
    /// # Errors
    /// If it cannot be written. Whether it was, if the connection was lost while it was, is known
    /// from the state when the sink is [opened](Self::open) again.
    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError>;
}

/// Why a sink cannot write.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SinkError {
    what: String,
    /// Whether the same may work later.
    is_lasting: bool,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SinkError {
    /// An error that stays: the same commit would fail again.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lasting: true, source: None }
    }

    /// An error that may pass: the sink is reached again later, and opened anew.
    pub fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lasting: false, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Whether the same commit would fail again.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink(_)")
    }
}
