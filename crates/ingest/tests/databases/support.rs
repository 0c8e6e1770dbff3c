//! Streams, their rows and their states.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use vantage_api_ingest::{
    description::WriteMode,
    schema::{Column, ColumnType, Schema},
    sink::{Child, Commit, Reject, Sink, SinkError, Target},
    state::{StreamState, UnitState},
};

use crate::database::{Database, Row};

pub(crate) const STREAM: &str = "cities";
/// The unit of all streams.
const UNIT: &str = "all";

/// The stream `cities`, whose rows have the key `id`.
pub(crate) fn cities(mode: WriteMode) -> Target {
    Target::new("world", STREAM, ["id"], mode)
}

pub(crate) fn schema(columns: &[(&str, ColumnType)]) -> Schema {
    let column = |(name, kind): &(&str, ColumnType)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        declared: false,
    };
    Schema { columns: columns.iter().map(column).collect() }
}

/// The columns `id` and `name`.
pub(crate) fn id_and_name() -> Schema {
    schema(&[("id", ColumnType::Int), ("name", ColumnType::Text)])
}

/// A state of a run that goes on, whose unit has written so many rows.
pub(crate) fn state(run: u64, schema: &Schema, written: u64) -> StreamState {
    let mut unit = UnitState { token: Some(format!("after {written}")), ..UnitState::default() };
    unit.counts.written = written;
    let mut state = StreamState { run, schema: schema.clone(), ..StreamState::default() };
    state.units.insert(UNIT.into(), unit);
    state
}

/// The same of a run that has ended.
pub(crate) fn ended(run: u64, schema: &Schema, written: u64) -> StreamState {
    StreamState { is_finished: true, ..state(run, schema, written) }
}

/// How many rows a state's unit has written.
pub(crate) fn written(state: &StreamState) -> u64 {
    state.units.get(UNIT).map_or(0, |unit| unit.counts.written)
}

/// Rows of these columns.
pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns.iter().map(|(name, values)| (*name, Arc::clone(values), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Rows of all columns of a schema.
pub(crate) fn batch_of(schema: &Schema, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema.arrow(), columns).unwrap()
}

pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = impl Into<Option<&'a str>>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.into_iter().map(Into::into)))
}

/// Rows of `id` and `name`.
pub(crate) fn named(rows: &[(i64, &str)]) -> RecordBatch {
    let ids = ints(rows.iter().map(|(id, _)| *id));
    batch(&[("id", ids), ("name", texts(rows.iter().map(|(_, name)| *name)))])
}

/// Commits rows with the state after them.
pub(crate) fn commit(
    sink: &mut dyn Sink,
    state: &StreamState,
    batches: &[RecordBatch],
) -> Result<(), SinkError> {
    commit_with(sink, state, batches, &[])
}

pub(crate) fn commit_with(
    sink: &mut dyn Sink,
    state: &StreamState,
    batches: &[RecordBatch],
    rejects: &[Reject],
) -> Result<(), SinkError> {
    sink.commit(&Commit::new(&state.schema, batches, rejects, state, state.is_finished))
}

/// Commits rows with the items of their lists.
pub(crate) fn commit_children(
    sink: &mut dyn Sink,
    state: &StreamState,
    batches: &[RecordBatch],
    children: &[Child<'_>],
) -> Result<(), SinkError> {
    let commit = Commit::new(&state.schema, batches, &[], state, state.is_finished);
    sink.commit(&commit.with_children(children))
}

/// The table of the list `tags` of the stream `cities`.
pub(crate) const TAGS: &str = "cities_tags";

/// Its columns.
pub(crate) fn tags() -> Schema {
    schema(&[
        ("_cities_id", ColumnType::Int),
        ("_index", ColumnType::Int),
        ("value", ColumnType::Text),
    ])
}

/// Items of it: the ids of their cities, their places and their values.
pub(crate) fn tagged(items: &[(i64, i64, &str)]) -> RecordBatch {
    batch(&[
        ("_cities_id", ints(items.iter().map(|item| item.0))),
        ("_index", ints(items.iter().map(|item| item.1))),
        ("value", texts(items.iter().map(|item| item.2))),
    ])
}

/// Commits rows of `id` and `name` with their tags.
pub(crate) fn commit_tags(
    sink: &mut dyn Sink,
    state: &StreamState,
    rows: &[(i64, &str)],
    items: &[(i64, i64, &str)],
) -> Result<(), SinkError> {
    let (columns, items) = (tags(), [tagged(items)]);
    commit_children(sink, state, &[named(rows)], &[Child::new(TAGS, &columns, &items)])
}

/// The items of the table of tags, as `1 0 a, 1 1 b`.
pub(crate) fn items(database: &dyn Database) -> String {
    listed(&database.query(
        "SELECT _cities_id, _index, value FROM cities_tags ORDER BY _cities_id, _index, value",
    ))
}

/// A sink that is open.
pub(crate) fn opened(database: &dyn Database, target: Target) -> Box<dyn Sink> {
    let mut sink = database.sink(target);
    sink.open().unwrap();
    sink
}

/// The names of the table `cities` by their ids, as `1 a, 2 b`; `null` for null.
pub(crate) fn names(database: &dyn Database) -> String {
    listed(&database.query("SELECT id, name FROM cities ORDER BY id, name"))
}

/// Rows with commas between them.
pub(crate) fn listed(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let values = row.iter().map(|value| value.as_deref().unwrap_or("null"));
        values.collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// The tables of a database, apart from the sinks' own.
pub(crate) fn tables(database: &dyn Database) -> String {
    let sql = match database.is_sqlite() {
        true => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_apipool%' \
                 ESCAPE '\\' ORDER BY name"
        }
        false => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = \
                  current_schema() AND table_name NOT LIKE '\\_apipool%' ORDER BY table_name"
        }
    };
    listed(&database.query(sql))
}

/// Whether an error stays, and says all of this.
pub(crate) fn assert_lasting<T>(result: Result<T, SinkError>, words: &[&str]) {
    let Err(error) = result else { panic!("an error that says {words:?}") };
    let text = error.to_string();
    assert!(error.is_lasting(), "{error:?}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {error:?}");
}
