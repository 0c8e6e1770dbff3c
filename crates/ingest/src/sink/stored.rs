//! Reads back what a stream has written, and adds to it, for programs such as a query engine.

use std::{fmt, mem};

use arrow_array::RecordBatch;
use serde_json::value::RawValue;

use super::{
    Commit, FileFormat, Files, Postgres, Sink, SinkError, Sqlite, Target, fits::misfit, sql::steps,
};
use crate::{
    description::{SinkDescription, WriteMode},
    schema::Schema,
    state::StreamState,
};

/// What a stream of a job has written, as of its last commit: its table, or one of the lists in its
/// rows.
///
/// All methods block, and are for a thread that may.
#[derive(Clone)]
pub struct Stored {
    sink: SinkDescription,
    target: Target,
    /// The table of a list.
    child: Option<String>,
}

/// Takes some rows, each an object of JSON, and returns whether it wants more.
pub type TakeRows<'t> = &'t mut dyn FnMut(Vec<Box<RawValue>>) -> bool;

/// Refuses to add rows to a stream of which this is known.
pub(super) type CheckState<'c> = &'c dyn Fn(&StreamState) -> Result<(), SinkError>;

/// How many rows are handed over at a time.
const ROWS_AT_ONCE: usize = 1000;

impl Stored {
    /// What the stream `stream` of the job `job` has written into a sink.
    #[must_use]
    pub fn new(sink: SinkDescription, job: impl Into<String>, stream: impl Into<String>) -> Self {
        let (job, stream) = (job.into(), stream.into());
        let target = Target { job, stream, key: Vec::new(), mode: WriteMode::Append };
        Self { sink, target, child: None }
    }

    /// The same of a stream whose rows are named by these columns and are written in this mode, which
    /// [`insert`](Self::insert) has to know. By default rows have no key and are appended.
    #[must_use]
    pub fn written(
        mut self,
        key: impl IntoIterator<Item = impl Into<String>>,
        mode: WriteMode,
    ) -> Self {
        self.target.key = key.into_iter().map(Into::into).collect();
        self.target.mode = mode;
        self
    }

    /// The table of a list in the rows of the stream, by one of the [names](Self::children).
    #[must_use]
    pub fn child(&self, table: impl Into<String>) -> Self {
        Self { child: Some(table.into()), ..self.clone() }
    }

    /// The names of the tables of the lists in the rows of the stream.
    ///
    /// # Errors
    /// If the sink does not tell.
    pub fn children(&self) -> Result<Vec<String>, SinkError> {
        Ok(self.state()?.children.into_keys().collect())
    }

    /// The columns that the table has now; none if it was not written yet.
    ///
    /// # Errors
    /// If the sink does not tell.
    pub fn schema(&self) -> Result<Schema, SinkError> {
        if let SinkDescription::Sqlite(path) = &self.sink {
            return self.sqlite(path).columns(self.table());
        }
        let mut state = self.state()?;
        let known = match &self.child {
            Some(child) => state.children.swap_remove(child).map(|of| of.schema),
            None => Some(state.schema),
        };
        let known = known.unwrap_or_default();
        match &self.sink {
            SinkDescription::Postgres(url) if !known.columns.is_empty() => {
                Postgres::new(url.clone(), self.target.clone()).columns(self.table())
            }
            _ => Ok(known),
        }
    }

    /// Hands over the rows of the table, with these columns of its [`schema`](Self::schema), in no
    /// order. Rows in files may have fewer of them.
    ///
    /// # Errors
    /// If they cannot be read, and for Parquet: see [`files`](Self::files).
    pub fn rows(&self, columns: &Schema, take: TakeRows<'_>) -> Result<(), SinkError> {
        let table = self.table();
        match &self.sink {
            SinkDescription::Sqlite(path) => self.sqlite(path).read(table, columns, take),
            SinkDescription::Postgres(url) => {
                Postgres::new(url.clone(), self.target.clone()).read(table, columns, take)
            }
            _ => self.in_files()?.read(table, columns, take),
        }
    }

    /// The files with the rows of the table, by their paths below the place of the sink.
    ///
    /// # Errors
    /// If the list cannot be read, and for a database.
    pub fn files(&self) -> Result<Vec<String>, SinkError> {
        self.in_files()?.files(self.table())
    }

    /// Adds rows, all of them or none, in a commit as the job writes them: they are appended, or take
    /// the place of those with the same key. What is known of the job's runs stays as it is. Batches
    /// have columns of the [`schema`](Self::schema).
    ///
    /// A run of the job that has not committed anything yet is not seen. In a database it goes on
    /// beside the rows; in files the insert takes the stream from it, and it fails at its next commit.
    ///
    /// # Errors
    /// If they cannot be written; if the table was not written yet, or is that of a list; if a run
    /// of the job has not ended, which might read them as its own; if the next run would delete them,
    /// as in the modes [`Replace`](WriteMode::Replace) and [`Sync`](WriteMode::Sync); for a row without
    /// a value in its key; and for one with a value that is none of its column's type: a text of the
    /// type `arrow.json` that is not JSON, a float that is not finite, a decimal with too many digits, a
    /// day or a moment that is not of the years 1 to 9999.
    pub fn insert(&self, batches: &[RecordBatch]) -> Result<(), SinkError> {
        let Target { job, stream, key, mode } = &self.target;
        let refused = |why: &str| {
            let table = self.table();
            Err(SinkError::lasting(format!("no rows are inserted into `{table}`: {why}")))
        };
        if self.child.is_some() {
            return refused("they are the items of lists, and go with the rows that have them");
        }
        if matches!(mode, WriteMode::Replace | WriteMode::Sync) {
            return refused(&format!("the next run of job `{job}` would delete them"));
        }
        if steps::merges(*mode)
            && let Some(column) = key.iter().find(|column| has_null(batches, column))
        {
            return refused(&format!("a row has no `{column}`, which names it"));
        }
        if let Some(column) = misfit(batches) {
            return refused(&format!("a row has a value in `{column}` that is none of its type"));
        }
        let check = |state: &StreamState| {
            if state.run > 0 && !state.is_finished {
                return refused(&format!("a run of job `{job}` has not ended"));
            }
            if state.schema.columns.is_empty() {
                return refused(&format!("job `{job}` has not written stream `{stream}` yet"));
            }
            Ok(())
        };
        // Looked at first, so that nothing is made where nothing was written.
        check(&self.state()?)?;
        match &self.sink {
            SinkDescription::Sqlite(path) => self.sqlite(path).insert(batches, &check),
            SinkDescription::Postgres(url) => {
                Postgres::new(url.clone(), self.target.clone()).insert(batches, &check)
            }
            _ => {
                let mut files = self.in_files()?;
                let state = files.open()?;
                check(&state)?;
                files.commit(&Commit::new(&state.schema, batches, &[], &state, false))
            }
        }
    }

    /// The name of the table.
    fn table(&self) -> &str {
        self.child.as_deref().unwrap_or(&self.target.stream)
    }

    fn state(&self) -> Result<StreamState, SinkError> {
        let target = self.target.clone();
        match &self.sink {
            SinkDescription::Sqlite(path) => self.sqlite(path).state(),
            SinkDescription::Postgres(url) => Postgres::new(url.clone(), target).state(),
            _ => self.in_files()?.state(),
        }
    }

    fn sqlite(&self, path: &std::path::Path) -> Sqlite {
        Sqlite::new(path, self.target.clone())
    }

    fn in_files(&self) -> Result<Files, SinkError> {
        let target = self.target.clone();
        match &self.sink {
            SinkDescription::Parquet(place) => Ok(Files::new(place, FileFormat::Parquet, target)),
            SinkDescription::Ndjson(folder) => Ok(Files::new(folder, FileFormat::Ndjson, target)),
            SinkDescription::Csv(folder) => Ok(Files::new(folder, FileFormat::Csv, target)),
            other => Err(SinkError::lasting(format!("{} has no files", other.kind()))),
        }
    }
}

/// Whether a row has no value in a column.
fn has_null(batches: &[RecordBatch], column: &str) -> bool {
    batches.iter().any(|batch| {
        let nulls = batch.column_by_name(column).map(|column| column.null_count());
        nulls.unwrap_or(batch.num_rows()) > 0
    })
}

/// Rows that are handed over many at a time.
pub(super) struct Gathered<'t> {
    take: TakeRows<'t>,
    rows: Vec<Box<RawValue>>,
}

impl<'t> Gathered<'t> {
    pub(super) fn new(take: TakeRows<'t>) -> Self {
        Self { take, rows: Vec::new() }
    }

    /// Adds a row. Returns whether more are wanted.
    pub(super) fn add(&mut self, row: Box<RawValue>) -> bool {
        self.rows.push(row);
        self.rows.len() < ROWS_AT_ONCE || (self.take)(mem::take(&mut self.rows))
    }

    /// Hands over the last ones.
    pub(super) fn end(self) {
        if !self.rows.is_empty() {
            (self.take)(self.rows);
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Stored");
        debug.field("sink", &self.sink).field("target", &self.target);
        debug.field("child", &self.child).finish()
    }
}
