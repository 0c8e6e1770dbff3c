//! Reads back what a stream has written, for programs such as a query engine.

use std::fmt;

use serde_json::value::RawValue;

use super::{FileFormat, Files, Postgres, Sink, SinkError, Sqlite, Target};
use crate::{
    description::{SinkDescription, WriteMode},
    schema::Schema,
};

/// What a stream of a job has written, as of its last commit.
///
/// All methods block, and are for a thread that may.
pub struct Stored {
    sink: SinkDescription,
    target: Target,
}

/// Takes some rows, each an object of JSON, and returns whether it wants more.
pub type TakeRows<'t> = &'t mut dyn FnMut(Vec<Box<RawValue>>) -> bool;

/// How many rows are handed over at a time.
pub(super) const ROWS_AT_ONCE: usize = 1000;

impl Stored {
    /// What the stream `stream` of the job `job` has written into a sink.
    #[must_use]
    pub fn new(sink: SinkDescription, job: impl Into<String>, stream: impl Into<String>) -> Self {
        let (job, stream) = (job.into(), stream.into());
        Self { sink, target: Target { job, stream, key: Vec::new(), mode: WriteMode::Append } }
    }

    /// The columns of the table; none if nothing was written yet.
    ///
    /// # Errors
    /// If the sink does not tell.
    pub fn schema(&self) -> Result<Schema, SinkError> {
        let state = match &self.sink {
            SinkDescription::Sqlite(path) => self.sqlite(path).state(),
            SinkDescription::Postgres(url) => {
                Postgres::new(url.clone(), self.target.clone()).state()
            }
            _ => self.in_files()?.state(),
        };
        Ok(state?.schema)
    }

    /// Hands over the rows of the table, with these columns of its [`schema`](Self::schema), in no
    /// order.
    ///
    /// # Errors
    /// If they cannot be read, and for a sink of files: see [`files`](Self::files).
    pub fn rows(&self, columns: &Schema, take: TakeRows<'_>) -> Result<(), SinkError> {
        match &self.sink {
            SinkDescription::Sqlite(path) => self.sqlite(path).read(columns, take),
            SinkDescription::Postgres(url) => {
                Postgres::new(url.clone(), self.target.clone()).read(columns, take)
            }
            other => Err(SinkError::lasting(format!("{} is read file by file", other.kind()))),
        }
    }

    /// The files with the rows of the table, by their paths below the place of the sink.
    ///
    /// # Errors
    /// If the list cannot be read, and for a database.
    pub fn files(&self) -> Result<Vec<String>, SinkError> {
        self.in_files()?.files()
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

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("sink", &self.sink).field("target", &self.target).finish()
    }
}
