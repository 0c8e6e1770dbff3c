//! Streams in temporary folders, and what is in their files.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int64Type,
};
use object_store::{ObjectStoreExt, memory::InMemory};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, value::RawValue};
use vantage_api_ingest::{
    description::WriteMode,
    schema::{Column, ColumnType, Schema},
    sink::{Child, Commit, FileFormat, Files, Reject, Sink, SinkError, Target},
    state::{StreamState, UnitState},
};

pub(crate) const FORMATS: [FileFormat; 3] =
    [FileFormat::Parquet, FileFormat::Ndjson, FileFormat::Csv];
pub(crate) const STREAM: &str = "cities";
pub(crate) const NO_KEY: [&str; 0] = [];
/// A child table of the stream.
pub(crate) const TAGS: &str = "cities_tags";
/// The first column of child tables: the whole number that is the row's.
const PARENT: &str = "_cities_id";
/// The unit whose token is the number of the next row.
pub(crate) const UNIT: &str = "all";

pub(crate) fn target(stream: &str, mode: WriteMode) -> Target {
    Target::new("world", stream, NO_KEY, mode)
}

pub(crate) fn files(folder: &Path, format: FileFormat, mode: WriteMode) -> Files {
    Files::new(folder, format, target(STREAM, mode))
}

pub(crate) fn schema(columns: &[(&str, ColumnType)]) -> Schema {
    let columns = columns.iter().map(|(name, kind)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        declared: false,
    });
    Schema { columns: columns.collect() }
}

/// A state of this run.
pub(crate) fn state(run: u64, is_finished: bool, schema: &Schema) -> StreamState {
    StreamState { run, is_finished, schema: schema.clone(), ..StreamState::default() }
}

/// A state whose unit goes on with row `next`.
pub(crate) fn state_at(run: u64, is_finished: bool, next: i64) -> StreamState {
    let mut state = state(run, is_finished, &ids_schema());
    let unit = UnitState { token: Some(next.to_string()), ..UnitState::default() };
    state.units.insert(UNIT.to_owned(), unit);
    state
}

/// The row that the unit of a state goes on with.
pub(crate) fn next_row(state: &StreamState) -> i64 {
    let token = state.units.get(UNIT).and_then(|unit| unit.token.as_deref());
    token.map_or(0, |token| token.parse().unwrap())
}

pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

pub(crate) fn commit(
    sink: &mut dyn Sink,
    batches: &[RecordBatch],
    rejects: &[Reject],
    state: &StreamState,
) -> Result<(), SinkError> {
    sink.commit(&Commit::new(&state.schema, batches, rejects, state, state.is_finished))
}

/// A table of whole numbers.
pub(crate) fn ids_schema() -> Schema {
    schema(&[("id", ColumnType::Int)])
}

pub(crate) fn ids_batch(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    batch(vec![("id", Arc::new(Int64Array::from_iter_values(ids)))])
}

/// Commits whole numbers.
pub(crate) fn commit_ids(
    sink: &mut dyn Sink,
    ids: impl IntoIterator<Item = i64>,
    run: u64,
    is_finished: bool,
) -> Result<(), SinkError> {
    commit(sink, &[ids_batch(ids)], &[], &state(run, is_finished, &ids_schema()))
}

pub(crate) fn items_schema() -> Schema {
    let (key, index) = ((PARENT, ColumnType::Int), ("_index", ColumnType::Int));
    schema(&[key, index, ("value", ColumnType::Text)])
}

/// An item for each of the rows with these whole numbers.
pub(crate) fn items_batch(parents: &[i64]) -> RecordBatch {
    let values = parents.iter().map(|parent| format!("tag of {parent}"));
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(values));
    let index: ArrayRef = Arc::new(Int64Array::from(vec![0; parents.len()]));
    let parents: ArrayRef = Arc::new(Int64Array::from(parents.to_vec()));
    batch(vec![(PARENT, parents), ("_index", index), ("value", values)])
}

/// Child tables, each with the whole numbers of the rows whose items it gets.
pub(crate) type Items<'a> = &'a [(&'a str, Vec<i64>)];

/// Commits rows with their items.
pub(crate) fn commit_with(
    sink: &mut dyn Sink,
    batches: &[RecordBatch],
    items: Items<'_>,
    rejects: &[Reject],
    state: &StreamState,
) -> Result<(), SinkError> {
    let schema = items_schema();
    let of_items: Vec<_> = items.iter().map(|(_, parents)| [items_batch(parents)]).collect();
    let children = items.iter().zip(&of_items);
    let children: Vec<_> =
        children.map(|((table, _), batches)| Child::new(table, &schema, batches)).collect();
    let commit = Commit::new(&state.schema, batches, rejects, state, state.is_finished);
    sink.commit(&commit.with_children(&children))
}

/// Commits whole numbers with their items.
pub(crate) fn commit_items(
    sink: &mut dyn Sink,
    ids: impl IntoIterator<Item = i64>,
    items: Items<'_>,
    run: u64,
    is_finished: bool,
) -> Result<(), SinkError> {
    commit_with(sink, &[ids_batch(ids)], items, &[], &state(run, is_finished, &ids_schema()))
}

pub(crate) fn manifest(folder: &Path) -> Value {
    let bytes = fs::read(folder.join(STREAM).join("_state.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The files that the manifest lists under `list`.
pub(crate) fn listed(folder: &Path, list: &str) -> Vec<PathBuf> {
    let manifest = manifest(folder);
    let files = manifest[list].as_array().unwrap().iter();
    files.map(|part| folder.join(STREAM).join(part["file"].as_str().unwrap())).collect()
}

/// The whole numbers in the files that the manifest lists under `list`.
pub(crate) fn ids(folder: &Path, list: &str) -> Vec<i64> {
    listed(folder, list).iter().flat_map(|file| ids_in(file, "id")).collect()
}

/// The files that the manifest lists of a child table under `list`.
pub(crate) fn listed_of(folder: &Path, table: &str, list: &str) -> Vec<PathBuf> {
    let manifest = manifest(folder);
    let Some(files) = manifest["children"][table][list].as_array() else { return Vec::new() };
    files.iter().map(|part| folder.join(table).join(part["file"].as_str().unwrap())).collect()
}

/// The whole numbers of the rows whose items are in the files of a child table that the manifest
/// lists under `list`.
pub(crate) fn items(folder: &Path, table: &str, list: &str) -> Vec<i64> {
    listed_of(folder, table, list).iter().flat_map(|file| ids_in(file, PARENT)).collect()
}

/// The whole numbers in the column of this name.
fn ids_in(file: &Path, column: &str) -> Vec<i64> {
    match file.extension().unwrap().to_str().unwrap() {
        "parquet" => {
            let batches = read_parquet(file);
            let ids = |batch: &RecordBatch| batch[column].as_primitive::<Int64Type>().clone();
            batches.iter().flat_map(|batch| ids(batch).values().to_vec()).collect()
        }
        "ndjson" => {
            read_ndjson(file).iter().map(|row| row[column].get().parse().unwrap()).collect()
        }
        _ => {
            let rows = read_csv(file);
            let at = rows[0].iter().position(|name| name.as_deref() == Some(column)).unwrap();
            rows[1..].iter().map(|row| row[at].as_deref().unwrap().parse().unwrap()).collect()
        }
    }
}

pub(crate) fn read_parquet(file: &Path) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    builder.build().unwrap().map(Result::unwrap).collect()
}

/// The lines of a file, with each value as it stands there.
pub(crate) fn read_ndjson(file: &Path) -> Vec<BTreeMap<String, Box<RawValue>>> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records of a file; `None` for what is empty and has no quotes.
pub(crate) fn read_csv(file: &Path) -> Vec<Vec<Option<String>>> {
    parse_csv(&fs::read_to_string(file).unwrap())
}

pub(crate) fn parse_csv(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted),
            None => plain_field(rest),
        };
        record.push(field);
        rest = match after.strip_prefix("\r\n") {
            Some(next) => {
                records.push(std::mem::take(&mut record));
                next
            }
            None => {
                let next = after.strip_prefix(',').expect("a comma or the end of the record");
                match next.strip_prefix("\r\n") {
                    Some(after) => {
                        record.push(None);
                        records.push(std::mem::take(&mut record));
                        after
                    }
                    None => next,
                }
            }
        };
    }
    assert!(record.is_empty(), "the last record has no end");
    records
}

fn plain_field(text: &str) -> (Option<String>, &str) {
    let end = text.find([',', '\r']).expect("the end of a field");
    let (field, rest) = text.split_at(end);
    assert!(!field.contains(['"', '\n']), "{field}");
    ((!field.is_empty()).then(|| field.to_owned()), rest)
}

/// The field after its first quote.
fn quoted_field(text: &str) -> (Option<String>, &str) {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (piece, after) = rest.split_once('"').expect("the quote at the end of a field");
        field.push_str(piece);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return (Some(field), after),
        }
    }
}

/// All files below the folder of the stream.
pub(crate) fn all_files(folder: &Path) -> Vec<PathBuf> {
    files_below(folder.join(STREAM))
}

pub(crate) fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Checks that there are the files that the manifest lists and no others.
pub(crate) fn assert_no_strays(folder: &Path) {
    let mut expected: Vec<_> =
        ["parts", "pending", "rejects"].iter().flat_map(|list| listed(folder, list)).collect();
    let own = folder.join(STREAM);
    expected.extend([own.join("_state.json"), own.join("_lock")]);
    expected.sort();
    assert_eq!(all_files(folder), expected);
}

/// Checks that a child table has the files that the manifest lists and no others.
pub(crate) fn assert_no_stray_items(folder: &Path, table: &str) {
    let mut expected: Vec<_> =
        ["parts", "pending"].iter().flat_map(|list| listed_of(folder, table, list)).collect();
    expected.sort();
    let own = folder.join(table);
    let mut files = if own.exists() { files_below(own) } else { Vec::new() };
    // The last is there if the process was killed while it wrote the first.
    let others = ["_state.json", "_lock", "__state.json.tmp"];
    files.retain(|file| !others.iter().any(|name| file.ends_with(name)));
    assert_eq!(files, expected);
}

/// What a store answers.
pub(crate) fn block_on<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(answer)
}

/// The whole numbers in the objects that the manifest lists under `list`.
pub(crate) fn ids_of_objects(store: &InMemory, list: &str) -> Vec<i64> {
    let manifest: Value = serde_json::from_str(&object(store, STREAM, "_state.json")).unwrap();
    ids_in_objects(store, STREAM, &manifest[list])
}

/// The same of a child table.
pub(crate) fn items_of_objects(store: &InMemory, table: &str, list: &str) -> Vec<i64> {
    let manifest: Value = serde_json::from_str(&object(store, STREAM, "_state.json")).unwrap();
    match &manifest["children"][table][list] {
        Value::Null => Vec::new(),
        parts => ids_in_objects(store, table, parts),
    }
}

fn ids_in_objects(store: &InMemory, table: &str, parts: &Value) -> Vec<i64> {
    let text = |part: &Value| object(store, table, part["file"].as_str().unwrap());
    let parts = parts.as_array().unwrap().iter();
    let rows = parts.flat_map(|part| parse_csv(&text(part)).split_off(1));
    rows.map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
}

fn object(store: &InMemory, table: &str, file: &str) -> String {
    let path = object_store::path::Path::from(format!("out/{table}/{file}"));
    let bytes = block_on(async { store.get(&path).await.unwrap().bytes().await.unwrap() });
    String::from_utf8(bytes.to_vec()).unwrap()
}
