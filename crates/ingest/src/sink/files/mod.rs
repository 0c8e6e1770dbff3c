//! Files: Parquet, lines of JSON or comma-separated values, in a local folder or an object store.
//!
//! Each stream has a folder, named like it:
//!
//! ```text
//! out/cities/_state.json                          the state, and the list of the files that count
//! out/cities/run-000001-part-000001.parquet       the rows of commit 1
//! out/cities/_rejects/run-000001-part-000001.ndjson   the rows that it has set aside
//! out/cities/_next/run-000002-part-000004.parquet     rows that replace the table as soon as the run
//!                                                     ends, as run-000002-part-000007-000004.parquet
//! ```
//!
//! A commit writes its rows into a new file, and then replaces `_state.json`, in which `parts` lists
//! the files of the table, with one rename, or one conditional put. That is the commit: before it the
//! new file belongs to nothing, and is removed when the stream is opened again. Whoever needs the
//! exact table reads that list. A pattern such as `out/cities/*.parquet` may match a file an instant
//! before its commit, or after the process died in one, and at the end of a run that replaces the
//! table the old files and the new ones for an instant.
//!
//! Each child table has a folder of the same form beside the stream's, from its first rows on:
//!
//! ```text
//! out/cities_tags/_state.json                     says that it is a child table, and of which stream
//! out/cities_tags/run-000001-part-000001.parquet  the items of the lists in the rows of commit 1
//! ```
//!
//! The stream's `_state.json` lists its files under `children`, so that rows and their items are
//! committed together. A folder that is another table's, or has files of this form that nobody
//! lists, is left as it is, and the commit fails.
//!
//! The list grows by an entry with each commit, and is written with each. Tables of very many rows
//! get larger commits.
//!
//! - Every file has the columns that the table has at its commit; older ones have fewer or narrower
//!   ones. Readers unite them by name, such as DuckDB with `union_by_name`.
//! - JSON is text of the type `arrow.json` in Parquet, JSON in place on lines of JSON, with every
//!   digit, and text in CSV.
//! - Decimals are numbers with all their digits, also in JSON; days and moments are texts of RFC 3339
//!   where there is no type for them.
//! - CSV is that of RFC 4180. Null is empty, and an empty text is `""`. DuckDB tells them apart with
//!   `allow_quoted_nulls = false`.
//!
//! The sink that has opened a stream last may write it. A commit of one that had it before fails.

use std::{ffi::OsStr, fmt, sync::Arc};

use object_store::ObjectStore;

use self::{encode::Encoder, manifest::Mode, open::Open, place::Place, store::Store};
use super::{Commit, Sink, SinkError, TakeRows, Target, stored::Gathered};
use crate::{schema::Schema, state::StreamState};

mod cells;
mod conform;
mod csv;
mod encode;
mod error;
mod folder;
mod folders;
mod format;
mod label;
mod lines;
mod manifest;
mod names;
mod ndjson;
mod objects;
mod open;
mod parquet;
mod place;
mod records;
mod store;

pub use format::FileFormat;

/// A good ratio at a speed that the network does not outrun.
const ZSTD_LEVEL: i32 = 3;

/// Writes a stream into files.
///
/// Rows are appended, or replace the table at the end of a run, and so do the rows of its child
/// tables. Files cannot be merged: with another [mode](Target::mode) it does not open.
pub struct Files {
    place: Place,
    target: Target,
    encoder: Encoder,
    /// `None` until the stream is opened, and after an error.
    open: Option<Open>,
}

impl Files {
    /// A sink for the files of a stream below `location`: the path of a folder, which is made if it
    /// is not there, or a URL. `s3://bucket/path`, `gs://bucket/path` and `az://container/path` need
    /// the cargo features `s3`, `gcs` and `azure`, and take what else they need, such as keys, from
    /// the usual variables of the environment.
    pub fn new(location: impl AsRef<OsStr>, format: FileFormat, target: Target) -> Self {
        Self::at(Place::of(location.as_ref()), format, target)
    }

    /// A sink for objects in `store` whose names begin with `prefix`. The store has to know puts on
    /// conditions, which keep two sinks from writing one stream.
    pub fn in_store(
        store: Arc<dyn ObjectStore>,
        prefix: impl Into<String>,
        format: FileFormat,
        target: Target,
    ) -> Self {
        Self::at(Place::Objects(store, prefix.into()), format, target)
    }

    fn at(place: Place, format: FileFormat, target: Target) -> Self {
        let encoder = Encoder { format, zstd_level: ZSTD_LEVEL };
        Self { place, target, encoder, open: None }
    }

    /// The files of the stream.
    fn store(&self) -> Result<Box<dyn Store>, SinkError> {
        self.place.store(&names::folder(&self.target.stream)?)
    }

    /// The files with the rows of a table of the stream, its own or one below it, as of the last
    /// commit, by their paths below the place.
    pub(super) fn files(&self, table: &str) -> Result<Vec<String>, SinkError> {
        let folder = names::folder(table)?;
        let files = open::files(&mut *self.store()?, &self.target, table)?;
        Ok(files.into_iter().map(|file| format!("{folder}/{file}")).collect())
    }

    /// Hands over the rows of such a table with at least these columns, as far as files have them.
    pub(super) fn read(
        &self,
        table: &str,
        columns: &Schema,
        take: TakeRows<'_>,
    ) -> Result<(), SinkError> {
        let files = open::files(&mut *self.store()?, &self.target, table)?;
        let mut store = self.place.store(&names::folder(table)?)?;
        let mut rows = Gathered::new(take);
        for file in files {
            let bytes = store.read(&file)?;
            let is_wanted = match self.encoder.format {
                FileFormat::Ndjson => lines::each(&bytes, |row| rows.add(row)),
                FileFormat::Csv => records::each(&bytes, columns, |row| rows.add(row)),
                FileFormat::Parquet => Err("Parquet is read file by file".to_owned()),
            };
            let strange = |why| SinkError::lasting(format!("`{}`: {why}", store.place(&file)));
            if !is_wanted.map_err(strange)? {
                return Ok(());
            }
        }
        rows.end();
        Ok(())
    }

    /// How hard Parquet is compressed, from 1 to 22. Default: 3.
    #[must_use]
    pub fn zstd_level(mut self, level: i32) -> Self {
        self.encoder.zstd_level = level;
        self
    }
}

impl Sink for Files {
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.open = None;
        let mode = Mode::of(&self.target)?;
        let open = Open::new(self.store()?, &self.target, self.encoder.format, mode)?;
        let state = open.manifest.state.clone();
        self.open = Some(open);
        Ok(state)
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        open::state(&mut *self.store()?, &self.target)
    }

    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError> {
        self.open = None;
        open::reset(self.store()?, &self.target, drop_rows)
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        let Some(mut open) = self.open.take() else {
            let stream = &self.target.stream;
            return Err(SinkError::passing(format!("the files of `{stream}` are not open")));
        };
        open.commit(self.encoder, commit)?;
        self.open = Some(open);
        Ok(())
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = &self.encoder.format;
        f.debug_struct("Files")
            .field("target", &self.target)
            .field("format", format)
            .finish_non_exhaustive()
    }
}
