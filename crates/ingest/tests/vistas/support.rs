//! Tables as a job leaves them, and the Vistas of a gateway over them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use ciborium::Value;
use indexmap::IndexMap;
use tempfile::TempDir;
use vantage_api_ingest::{
    Error,
    description::{Description, Reader, WriteMode},
    schema::{Column, ColumnType, Schema},
    sink::{Commit, Sink, Sqlite, Target},
    vistas,
};
use vantage_vista::Vista;

/// The longest wait of a test.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const DECIMAL: ColumnType = ColumnType::Decimal { precision: 20, scale: 2 };

/// A folder with the file that the job `copy` writes.
pub(crate) struct Written {
    folder: TempDir,
}

impl Written {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("copy.db")
    }

    /// Writes rows of a stream with the key `id`, as a run of the job `copy` does.
    pub(crate) fn write(&self, stream: &str, columns: Vec<(&str, ColumnType, ArrayRef)>) {
        write(&self.path(), stream, columns);
    }

    /// Writes the four rows of `things`: their values are of all types.
    pub(crate) fn with_things() -> Self {
        let written = Self::new();
        written.write("things", things());
        written
    }

    /// The description of this file, with tables and a gateway of these lines.
    pub(crate) fn describe(&self, yaml: &str) -> Description {
        let whole = format!("api: {{ base_url: \"http://127.0.0.1:1\" }}\n{yaml}");
        Reader::new().variable("DB", self.path().to_str().unwrap()).read_yaml(&whole).unwrap()
    }

    pub(crate) async fn vistas(&self, yaml: &str) -> Result<IndexMap<String, Vista>, Error> {
        let description = self.describe(yaml);
        let pool = description.api.clone().builder().unwrap().build().unwrap();
        let source = description.source(&pool);
        let served = vistas::of_gateway(&description, &source);
        tokio::time::timeout(LONG, served).await.expect("it does not hang")
    }

    /// The Vista of `things`.
    pub(crate) async fn things(&self) -> Vista {
        let vistas = self.vistas(THINGS).await.unwrap();
        vistas.into_values().next().unwrap()
    }
}

pub(crate) const THINGS: &str = r#"
tables:
- name: things
  id: id
  columns: { id: int, name: { type: text, flags: [title, searchable] }, secret: { type: text, flags: [hidden] } }
jobs: { copy: { sink: { sqlite: "${DB}" }, streams: [{ table: things }] } }
gateway: { auth: none, tables: { things: { source: { job: copy } } } }
"#;

fn write(path: &Path, stream: &str, columns: Vec<(&str, ColumnType, ArrayRef)>) {
    let column = |(name, kind, _): &(&str, ColumnType, ArrayRef)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        declared: false,
    };
    let schema = Schema { columns: columns.iter().map(column).collect() };
    let values = columns.into_iter().map(|(_, _, values)| values).collect();
    let batch = RecordBatch::try_new(schema.arrow(), values).unwrap();
    let mut sink = Sqlite::new(path, Target::new("copy", stream, ["id"], WriteMode::Merge));
    let mut state = sink.open().unwrap();
    state.begin_run("2024-01-01T00:00:00Z");
    state.schema = schema.clone();
    state.is_finished = true;
    sink.commit(&Commit::new(&schema, &[batch], &[], &state, true)).unwrap();
}

pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = impl Into<Option<&'a str>>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.into_iter().map(Into::into)))
}

fn things() -> Vec<(&'static str, ColumnType, ArrayRef)> {
    let price = Decimal128Array::from(vec![Some(1_000), Some(950), Some(-5), None]);
    let price = price.with_precision_and_scale(20, 2).unwrap();
    let noon = 1_709_208_000_000_000;
    let at = TimestampMicrosecondArray::from(vec![Some(noon), Some(noon + 1), None, None]);
    vec![
        ("id", ColumnType::Int, ints([1, 2, 3, 10])),
        ("name", ColumnType::Text, texts(["Anvil", "007", "a%b_c", "Zoë"])),
        ("price", DECIMAL, Arc::new(price)),
        (
            "weight",
            ColumnType::Float,
            Arc::new(Float64Array::from(vec![Some(657.96), Some(1826.19), Some(-2.5), None])),
        ),
        (
            "is_new",
            ColumnType::Bool,
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)])),
        ),
        (
            "day",
            ColumnType::Date,
            Arc::new(Date32Array::from(vec![Some(19_782), None, None, None])),
        ),
        ("at", ColumnType::Timestamp, Arc::new(at.with_timezone("UTC"))),
        ("tags", ColumnType::Json, texts([Some(r#"{"a":[1,"x"]}"#), Some("\"x\""), None, None])),
        ("secret", ColumnType::Text, texts(["s", "s", "s", "s"])),
    ]
}

/// The ids of all rows, in their order.
pub(crate) async fn ids(vista: &Vista) -> Vec<String> {
    let page = vista.fetch_window(0, 1000).await.unwrap();
    page.rows.into_iter().map(|(id, _)| id).collect()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
