//! Rows into a table of Vantage.

mod records;

pub(crate) use records::rows_of;

use std::{
    error::Error as _,
    ffi::OsStr,
    fmt,
    sync::{Arc, mpsc},
};

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use indexmap::IndexMap;
use tokio::runtime::Handle;
use vantage_core::{ErrorKind, VantageError};
use vantage_dataset::traits::WritableValueSet;
use vantage_types::Record;

use super::{Commit, FileFormat, Files, Sink, SinkError, Target};
use crate::{description::WriteMode, state::StreamState};

/// How many rows are written at a time.
const WRITES_AT_ONCE: usize = 8;

/// A table of Vantage whose values are CBOR: one of an API, a set in memory, or the `Vista` of any
/// other table, whose driver converts them.
///
/// ```no_run
/// use vantage_api_ingest::{Job, sink::VantageTable};
/// use vantage_api_pool::PoolApi;
/// use vantage_table::table::Table;
/// use vantage_types::EmptyEntity;
///
/// # async fn demo(
/// #     cities: Table<PoolApi, EmptyEntity>,
/// #     copy: Table<PoolApi, EmptyEntity>,
/// # ) -> Result<(), vantage_api_ingest::Error> {
/// let job = Job::of(cities)
///     .into_own_sink(move |target| VantageTable::new(copy.clone(), "state", target))
///     .build()?;
/// println!("{}", job.run().await);
/// # Ok(()) }
/// ```
///
/// Each row is written with `replace_value`, by its id: the value of the key, which is one column.
/// Decimals are the text of their digits, days and moments texts of RFC 3339, and JSON is read into
/// its values, in which a number that neither 64 bits nor a float hold loses digits. A column that a
/// row does not have is null.
///
/// # What is exactly once
///
/// Vantage has no transaction around rows and state. So the rows of a commit are written first, and
/// then the state and the rows that were set aside, into files below a folder of the program, as
/// [`Files`] writes them. Whatever ends the process in between, the next run writes some rows once
/// more: the same rows by the same ids. So the table ends up with each row once, although readers may
/// see half a commit, and although whoever counts writes, such as a hook of the table, may see one
/// twice. That holds for [`WriteMode::Merge`] alone: with another mode it does not open, since a row
/// that is appended twice is there twice, and since rows that are replaced as a whole would be gone
/// for a while. Lists have no tables of their own here: with `nested: children` a commit is refused.
///
/// A sink that has lost the stream to another one learns that from the state, after it has written
/// the rows of its commit.
pub struct VantageTable<T> {
    table: Arc<T>,
    target: Target,
    /// The state, and the rows that were set aside: a stream of files that has no rows.
    state: Files,
    /// Where the table is used otherwise too: connections are tied to their runtime.
    runtime: Option<Handle>,
}

impl<T> VantageTable<T> {
    /// A sink for the rows of `target` in `table`, whose state is kept below `state`: a folder, which
    /// is made if it is not there, or a URL, as for [`Files::new`].
    ///
    /// Rows are written on the Tokio runtime in which this is called, as it is by a job that runs.
    /// Without one the sink can tell and forget its state, and no more.
    pub fn new(table: T, state: impl AsRef<OsStr>, target: Target) -> Self {
        let own = Target { key: Vec::new(), mode: WriteMode::Append, ..target.clone() };
        let state = Files::new(state, FileFormat::Ndjson, own);
        Self { table: Arc::new(table), target, state, runtime: Handle::try_current().ok() }
    }

    /// The column whose values are the ids.
    ///
    /// # Errors
    /// If the table cannot be written like this.
    fn id(&self) -> Result<&str, SinkError> {
        let Target { stream, key, mode, .. } = &self.target;
        match (mode, key.as_slice()) {
            (WriteMode::Merge, [id]) => Ok(id),
            (WriteMode::Merge, _) => Err(SinkError::lasting(format!(
                "rows of a Vantage table have an id, so the key of `{stream}` has to be one column"
            ))),
            _ => Err(SinkError::lasting(format!(
                "a Vantage table has no transactions, so `{stream}` can only be written with `merge`"
            ))),
        }
    }
}

impl<T> VantageTable<T>
where
    T: WritableValueSet<Value = Value> + Send + Sync + 'static,
    T::Id: From<String>,
{
    fn write(&self, rows: IndexMap<String, Record<Value>>) -> Result<(), SinkError> {
        let runtime = self.runtime.as_ref().ok_or_else(|| {
            SinkError::lasting("there was no Tokio runtime when the sink was made")
        })?;
        let table = Arc::clone(&self.table);
        let (done, result) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let result = replace(table, rows).await;
            // There is room for it, and whoever waits does so until it comes.
            let _ = done.send(result);
        });
        // The task is gone without a result, if the runtime is.
        let result = result.recv().map_err(|error| {
            SinkError::passing("the runtime of the Vantage table has ended").because(error)
        })?;
        result.map_err(|error| failed(&self.target.stream, error))
    }
}

impl<T> Sink for VantageTable<T>
where
    T: WritableValueSet<Value = Value> + Send + Sync + 'static,
    T::Id: From<String>,
{
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.id()?;
        self.state.open()
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        self.state.state()
    }

    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError> {
        if drop_rows {
            return Err(SinkError::lasting(
                "a Vantage table may have rows of others, so the program has to delete them itself",
            ));
        }
        self.state.reset(false)
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        let id = self.id()?;
        if !commit.children.is_empty() {
            return Err(SinkError::lasting(format!(
                "the lists of `{}` would need tables of their own, which a Vantage table does not \
                 have: give the stream `nested: json` or `nested: flatten`",
                self.target.stream
            )));
        }
        for batch in commit.batches {
            self.write(records::records_of(batch, commit.schema, id)?)?;
        }
        self.state.commit(&Commit { batches: &[], ..*commit })
    }
}

/// Writes rows by their ids.
async fn replace<T>(
    table: Arc<T>,
    rows: IndexMap<String, Record<Value>>,
) -> Result<(), VantageError>
where
    T: WritableValueSet<Value = Value> + Send + Sync + 'static,
    T::Id: From<String>,
{
    let writes = rows.into_iter().map(move |(id, row)| {
        let table = Arc::clone(&table);
        async move { table.replace_value(T::Id::from(id), &row).await.map(drop) }
    });
    let mut writes = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE);
    while writes.try_next().await?.is_some() {}
    Ok(())
}

fn failed(stream: &str, error: VantageError) -> SinkError {
    let what = format!("a row of `{stream}` in its Vantage table: {error}");
    let sink_error = match may_pass(&error) {
        true => SinkError::passing(what),
        false => SinkError::lasting(what),
    };
    sink_error.because(error)
}

/// Whether the same may work later. An API says so; of others, an error that has no kind may.
fn may_pass(error: &VantageError) -> bool {
    let source = error.source();
    let of_api = source.and_then(|source| source.downcast_ref::<vantage_api_pool::Error>());
    of_api.map_or(error.kind() == ErrorKind::Generic, vantage_api_pool::Error::is_retryable)
}

impl<T> fmt::Debug for VantageTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("VantageTable");
        debug.field("target", &self.target).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use vantage_dataset::prelude::{ImDataSource, ImTable};
    use vantage_types::EmptyEntity;

    use super::*;
    use crate::{schema::Schema, sink::Child};

    #[test]
    fn tables_for_lists_are_refused() {
        let table: ImTable<EmptyEntity, Value> = ImTable::new(&ImDataSource::new(), "cities");
        let target = Target::new("world", "cities", ["id"], WriteMode::Merge);
        let mut sink = VantageTable::new(table, "state", target);
        let (schema, state) = (Schema::default(), StreamState::default());
        let children = [Child::new("cities_tags", &schema, &[])];
        let commit = Commit::new(&schema, &[], &[], &state, false).with_children(&children);
        let refused = sink.commit(&commit).unwrap_err();
        assert!(
            refused.is_lasting() && refused.to_string().contains("`nested: json`"),
            "{refused}"
        );
    }
}
