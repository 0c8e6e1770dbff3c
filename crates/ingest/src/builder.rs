//! Jobs that copy a table of a program.

use std::{borrow::Cow, fmt, sync::Arc};

use ciborium::Value;
use vantage_api_pool::PoolApi;
use vantage_table::{
    column::{core::Column, flags::ColumnFlag},
    table::Table,
    traits::column_like::ColumnLike,
};
use vantage_types::{EmptyEntity, Entity};

use crate::{
    description::{
        ColumnChange, CommitEvery, Delta, Incremental, MomentFormat, Nested, OnError, Reconcile,
        SchemaPolicy, SinkDescription, StreamDescription, Windows, WriteMode,
    },
    error::Error,
    job::Job,
    plan::{Destination, Rows, Stream},
    row::ColumnPlan,
    rust_type::kind_of,
    schema::ColumnType,
    sink::{Sink, Target},
};

impl Job {
    /// Begins a job that copies a table: those of its rows that meet its conditions, which go with
    /// each request.
    ///
    /// Its columns are the declared ones of the copy. Their Rust types, also in an `Option`, say
    /// theirs: integers up to 64 bits are `int`, `u64` is a decimal of 20 digits, floats are
    /// `float`; `bool`; `String`, `Uuid` and addresses are `text`, and so is a `Decimal`, whose number
    /// of digits is not known; of `chrono`, a `NaiveDate` is a `date`, a `DateTime` and a
    /// `NaiveDateTime` are a `timestamp`; lists, maps and JSON are `json`. Other columns, and fields
    /// that are not columns, get the narrowest type of their values, as in a description. So does an
    /// id that is declared as the text that Vantage has for every id: it is a number in the copy
    /// if it is one in the API. A column with an alias is read where that says.
    ///
    /// Hooks and columns that the table computes are left out: rows are copied as they come. The id
    /// column is the key.
    pub fn of<E: Entity<Value>>(table: Table<PoolApi, E>) -> JobBuilder {
        let mut stream = StreamDescription::new(table.table_name());
        stream.name = name_of(table.table_name()).to_owned();
        JobBuilder { table: table.into_entity(), stream, write: None, destination: None }
    }
}

/// A job that copies a table, before it is built: see [`Job::of`]. What it needs is a sink.
#[must_use]
pub struct JobBuilder {
    table: Table<PoolApi, EmptyEntity>,
    stream: StreamDescription,
    write: Option<WriteMode>,
    destination: Option<Destination>,
}

impl JobBuilder {
    /// Where it writes. There has to be a sink, this or one of the program's
    /// [own](Self::into_own_sink).
    pub fn into_sink(self, sink: SinkDescription) -> Self {
        Self { destination: Some(Destination::Described(sink)), ..self }
    }

    /// Writes into sinks that `make` makes, such as a
    /// [`VantageTable`](crate::sink::VantageTable). It is called for each run, and whenever the state
    /// is asked for.
    pub fn into_own_sink<S: Sink + 'static>(
        self,
        make: impl Fn(Target) -> S + Send + Sync + 'static,
    ) -> Self {
        let make = move |target: Target| -> Box<dyn Sink> { Box::new(make(target)) };
        Self { destination: Some(Destination::Own(Arc::new(make))), ..self }
    }

    /// The name of the job, and of the table in the sink: by default the last part of the path that is
    /// no placeholder, `cities` for `countries/{country}/cities`. The state is kept under it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.stream.name = name.into();
        self
    }

    /// What is done with rows that are there: by default [`Merge`](WriteMode::Merge) if the table has
    /// an id column and the sink can; otherwise [`Replace`](WriteMode::Replace) if everything is read
    /// again, and the sink is none of the program's own, or [`Append`](WriteMode::Append).
    pub fn write(self, mode: WriteMode) -> Self {
        Self { write: Some(mode), ..self }
    }

    /// Asks only for what is new; by default everything is read again.
    pub fn incremental(mut self, incremental: Incremental) -> Self {
        self.stream.incremental = Some(incremental);
        self
    }

    /// Asks only for what has changed, by a token that the last run has kept.
    pub fn delta(mut self, delta: Delta) -> Self {
        self.stream.delta = Some(delta);
        self
    }

    /// Reads in windows of time, several at once. Without a `start` they begin at that of
    /// [`incremental`](Self::incremental), if both have the same format.
    pub fn windows(mut self, windows: Windows) -> Self {
        self.stream.windows = Some(windows);
        self
    }

    /// What is done with columns that are new or get a wider type: by default they do
    /// ([`SchemaPolicy::Evolve`]).
    pub fn schema(mut self, policy: SchemaPolicy) -> Self {
        self.stream.schema = policy;
        self
    }

    /// What becomes of objects and lists in a row: by default [`Nested::Json`].
    pub fn nested(mut self, nested: Nested) -> Self {
        self.stream.nested = nested;
        self
    }

    /// What becomes of a column of the copy.
    pub fn column(mut self, name: impl Into<String>, change: ColumnChange) -> Self {
        self.stream.columns.insert(name.into(), change);
        self
    }

    /// What follows when the rows that were read are not as many as the API says: by default the run
    /// fails ([`Reconcile::Fail`]).
    pub fn reconcile(mut self, reconcile: Reconcile) -> Self {
        self.stream.reconcile = reconcile;
        self
    }

    /// How many pages are requested ahead, at least 1: by default 8.
    pub fn prefetch(mut self, pages: usize) -> Self {
        self.stream.prefetch = u64::try_from(pages.max(1)).unwrap_or(u64::MAX);
        self
    }

    /// How much is committed at once.
    pub fn commit(mut self, commit: CommitEvery) -> Self {
        self.stream.commit = commit;
        self
    }

    /// The job, whose requests go through the pool of the table.
    ///
    /// # Errors
    /// [`Error::Settings`] without a sink, and for settings that contradict each other.
    pub fn build(self) -> Result<Job, Error> {
        let Self { table, mut stream, write, destination } = self;
        let Some(destination) = destination else {
            return Err(Error::Settings(format!("job `{}` has no sink", stream.name)));
        };
        let pool = table.data_source().pool().clone();
        let rows = rows_of(table);
        let has_key = !rows.key.is_empty();
        let reads_all = stream.reads_all();
        stream.write = write.unwrap_or(match destination {
            _ if has_key && destination.can_merge() => WriteMode::Merge,
            // All rows again would come beside those of before.
            Destination::Described(_) if reads_all => WriteMode::Replace,
            _ => WriteMode::Append,
        });
        complete(&mut stream);
        if let Some(fault) = fault(&stream, has_key) {
            return Err(Error::Settings(format!("job `{}`: {fault}", stream.name)));
        }
        let made = Stream::new(&stream.name, rows, &stream, destination);
        Ok(Job::of_streams(stream.name, pool, vec![made], OnError::default()))
    }
}

impl fmt::Debug for JobBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("JobBuilder");
        debug.field("table", &self.table).field("stream", &self.stream);
        debug.field("write", &self.write).finish_non_exhaustive()
    }
}

/// The last part of a path that is not a placeholder.
fn name_of(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    let mut parts = path.rsplit('/');
    parts.find(|part| !part.is_empty() && !part.starts_with('{')).unwrap_or(path)
}

/// What is known of the rows of a table.
fn rows_of(table: Table<PoolApi, EmptyEntity>) -> Rows {
    let id = table.id_field().map(|id| id.name().to_owned());
    let columns = table.columns().iter();
    let columns = columns.filter(|(name, column)| is_in_rows(&table, name, column));
    let columns = columns.map(|(name, column)| {
        let is_id = id.as_ref() == Some(name);
        // Every id is a text to Vantage, whatever it is in the API.
        let kind = kind_of(column.get_type()).filter(|kind| !is_id || *kind != ColumnType::Text);
        let path = table.data_source().path_of(table.table_name(), name);
        (name.clone(), ColumnPlan { kind, path, made: None })
    });
    let columns = columns.collect();
    Rows { table, columns, key: id.into_iter().collect() }
}

/// Whether the rows that the API sends have the column.
fn is_in_rows(table: &Table<PoolApi, EmptyEntity>, name: &str, column: &Column<Value>) -> bool {
    !table.is_calculated_column(name) && !column.flags().contains(&ColumnFlag::RequestParam)
}

/// Sets what follows from other settings.
fn complete(stream: &mut StreamDescription) {
    if let (Some(windows), Some(incremental)) = (&mut stream.windows, &stream.incremental) {
        windows.complete(incremental.format, incremental.start.as_deref());
    }
}

/// What contradicts itself, as in a description.
fn fault(stream: &StreamDescription, has_key: bool) -> Option<Cow<'static, str>> {
    let StreamDescription { write, incremental, windows, nested, .. } = stream;
    if *nested == Nested::Children && !has_key {
        return Some("lists of rows without an id column cannot become tables of their own".into());
    }
    if matches!(write, WriteMode::Merge | WriteMode::Sync) && !has_key {
        return Some("rows without an id column can only be appended or replaced".into());
    }
    if incremental.is_some() && matches!(write, WriteMode::Replace | WriteMode::Sync) {
        return Some(
            "`incremental` leaves out rows, of which `Replace` and `Sync` need all".into(),
        );
    }
    let is_late = |incremental: &Incremental| {
        incremental.format == MomentFormat::Text && !incremental.lookback.is_zero()
    };
    if incremental.as_ref().is_some_and(is_late) {
        return Some("the `lookback` of `incremental` needs a `format` of times".into());
    }
    if incremental.as_ref().is_some_and(|incremental| incremental.order.is_some())
        && let Some(fault) = stream.order_fault()
    {
        return Some(fault.into());
    }
    if stream.delta.is_some()
        && let Some(fault) = stream.delta_fault()
    {
        return Some(fault.into());
    }
    let (key, what) = windows.as_ref()?.fault_of_split()?;
    Some(format!("windows: `{key}` {what}").into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn a_job_is_named_by_the_end_of_the_path() {
        for (path, name) in [
            ("cities", "cities"),
            ("v1/cities/?lang=en", "cities"),
            ("/countries/{country}/cities", "cities"),
            ("reports/{id}", "reports"),
            ("{id}", "{id}"),
        ] {
            assert_eq!(name_of(path), name);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let stream = |write, incremental, windows| {
            let mut stream = StreamDescription::new("cities");
            (stream.write, stream.incremental, stream.windows) = (write, incremental, windows);
            complete(&mut stream);
            stream
        };
        let since = |format, start: Option<&str>| {
            let mut since = Incremental::new("updated_at");
            (since.format, since.start) = (format, start.map(str::to_owned));
            since
        };
        let windows = |format, start: Option<&str>| {
            let windows = Windows::new("since", "until", HOUR).format(format);
            match start {
                Some(start) => windows.start(start),
                None => windows,
            }
        };
        let coarse = windows(MomentFormat::Unix, Some("0")).granularity(2 * HOUR);
        let mut late = since(MomentFormat::Text, None);
        late.lookback = HOUR;
        let unix = since(MomentFormat::Unix, Some("0"));
        for (write, incremental, of_windows, expected) in [
            (WriteMode::Append, None, None, None),
            (WriteMode::Sync, Some(unix.clone()), None, Some("leaves out rows")),
            (WriteMode::Merge, Some(late), None, Some("lookback")),
            (WriteMode::Merge, None, Some(windows(MomentFormat::Unix, None)), Some("`start`")),
            (WriteMode::Merge, Some(unix), Some(windows(MomentFormat::Unix, None)), None),
            (
                WriteMode::Merge,
                None,
                Some(windows(MomentFormat::Text, Some("0"))),
                Some("`format`"),
            ),
            (WriteMode::Merge, None, Some(coarse), Some("`step`")),
            (
                WriteMode::Merge,
                None,
                Some(windows(MomentFormat::Date, Some("2024-01-01"))),
                Some("`step`"),
            ),
        ] {
            let found = fault(&stream(write, incremental, of_windows), true);
            let is_expected =
                |words: &str| found.as_ref().is_some_and(|found| found.contains(words));
            assert!(expected.map_or(found.is_none(), is_expected), "{found:?}");
        }
        assert!(fault(&stream(WriteMode::Merge, None, None), false).is_some());
        let mut append = stream(WriteMode::Append, None, None);
        assert!(fault(&append, false).is_none());
        append.nested = Nested::Children;
        assert!(fault(&append, false).is_some_and(|found| found.contains("lists")));
        assert!(fault(&append, true).is_none());
    }
}
