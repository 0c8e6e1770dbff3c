//! What comes back from files of each format.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, cast::AsArray, types::Float64Type,
};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use vantage_api_ingest::{
    description::WriteMode,
    schema::{ColumnType, Schema},
    sink::{FileFormat, Files, Sink},
};

use crate::support::{
    batch, block_on, commit, files, listed, parse_csv, read_csv, read_ndjson, read_parquet, schema,
    state, target,
};

/// Texts that break what is not careful.
const TEXTS: [&str; 16] = [
    "plain",
    "",
    " ",
    "null",
    "\"",
    "say \"hi\", and\tgo",
    "two\nlines",
    "two\r\nlines\r\n",
    "\\",
    "\\n",
    "\u{0}\u{1}\u{7f}",
    "é ☃ 𝒳 \u{202e}right\u{202c}",
    "\u{feff}begins with a mark",
    "',;|",
    "=1+1",
    "{\"a\": 1}",
];

const JSONS: [&str; 4] = [
    "{\"a\":1.000000000000000000000000000001,\"a\":123456789012345678901234567890}",
    "[\n  1e400,\r\n  \"\\ud83d\\ude00\"\n]",
    "\"text\"",
    "-0.0",
];

fn all_kinds() -> Schema {
    schema(&[
        ("flag", ColumnType::Bool),
        ("whole \"number\"", ColumnType::Int),
        ("float", ColumnType::Float),
        ("price", ColumnType::Decimal { precision: 38, scale: 4 }),
        ("day", ColumnType::Date),
        ("at,utc", ColumnType::Timestamp),
        ("text", ColumnType::Text),
        ("json", ColumnType::Json),
    ])
}

/// A row of nulls, and rows of values at the ends of their types.
fn rows() -> RecordBatch {
    let decimals = vec![None, Some(10_i128.pow(38) - 1), Some(-5), Some(0)];
    let decimals = Decimal128Array::from(decimals).with_precision_and_scale(38, 4).unwrap();
    let moments = vec![None, Some(0), Some(-1), Some(1_709_164_800_123_456)];
    let moments = TimestampMicrosecondArray::from(moments).with_timezone("UTC");
    let arrays: [ArrayRef; 8] = [
        Arc::new(BooleanArray::from(vec![None, Some(true), Some(false), Some(true)])),
        Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(i64::MAX), Some(0)])),
        Arc::new(Float64Array::from(vec![
            None,
            Some(0.1),
            Some(f64::MAX),
            Some(f64::MIN_POSITIVE),
        ])),
        Arc::new(decimals),
        Arc::new(Date32Array::from(vec![None, Some(0), Some(-719_162), Some(19_782)])),
        Arc::new(moments),
        Arc::new(StringArray::from(vec![None, Some(""), Some("a\"b\r\n"), Some("☃")])),
        Arc::new(StringArray::from(vec![None, Some(JSONS[0]), Some(JSONS[1]), Some(JSONS[2])])),
    ];
    RecordBatch::try_new(all_kinds().arrow(), arrays.to_vec()).unwrap()
}

/// Writes batches of a schema in one commit, and returns the file.
fn written(
    folder: &std::path::Path,
    format: FileFormat,
    schema: &Schema,
    batches: &[RecordBatch],
) -> std::path::PathBuf {
    let mut sink = files(folder, format, WriteMode::Append);
    sink.open().unwrap();
    commit(&mut sink, batches, &[], &state(1, true, schema)).unwrap();
    let files = listed(folder, "parts");
    assert_eq!(files.len(), 1);
    files.into_iter().next().unwrap()
}

#[test]
fn parquet_gives_back_every_value_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), FileFormat::Parquet, &all_kinds(), &[rows(), rows()]);
    let read = read_parquet(&file);
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 8);
    let expected = rows();
    for (number, column) in expected.columns().iter().enumerate() {
        assert_eq!(read[0].column(number).slice(0, 4).as_ref(), column.as_ref());
    }
    let fields = read[0].schema();
    let types: Vec<_> = fields.fields().iter().map(|field| field.data_type().clone()).collect();
    let kinds = all_kinds().columns;
    assert_eq!(types, kinds.iter().map(|column| column.kind.arrow()).collect::<Vec<_>>());
    let extension = |name| {
        fields.field_with_name(name).unwrap().metadata().get("ARROW:extension:name").cloned()
    };
    assert_eq!(extension("json").as_deref(), Some("arrow.json"));
    assert_eq!(extension("text"), None);
}

#[test]
fn lines_of_json_give_back_every_digit() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), FileFormat::Ndjson, &all_kinds(), &[rows()]);
    let read = read_ndjson(&file);
    assert!(read[0].len() == 8 && read[0].values().all(|value| value.get() == "null"));
    let value = |row: usize, name: &str| read[row][name].get().to_owned();
    assert_eq!([value(1, "flag"), value(2, "flag")], ["true", "false"]);
    assert_eq!(value(1, "whole \"number\""), "-9223372036854775808");
    assert_eq!(value(2, "whole \"number\""), "9223372036854775807");
    for (row, float) in [(1, 0.1), (2, f64::MAX), (3, f64::MIN_POSITIVE)] {
        assert_eq!(value(row, "float").parse::<f64>().unwrap(), float);
    }
    assert_eq!(value(1, "price"), "9999999999999999999999999999999999.9999");
    assert_eq!(value(2, "price"), "-0.0005");
    assert_eq!([value(2, "day"), value(3, "day")], ["\"0001-01-01\"", "\"2024-02-29\""]);
    assert_eq!(value(2, "at,utc"), "\"1969-12-31T23:59:59.999999Z\"");
    assert_eq!(value(3, "at,utc"), "\"2024-02-29T00:00:00.123456Z\"");
    assert_eq!([value(1, "text"), value(2, "text")], ["\"\"", "\"a\\\"b\\r\\n\""]);
    assert_eq!(value(1, "json"), JSONS[0]);
    assert_eq!(value(2, "json"), JSONS[1].replace(['\n', '\r'], " "));
    assert_eq!(value(3, "json"), JSONS[2]);
}

#[test]
fn csv_tells_null_from_an_empty_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), FileFormat::Csv, &all_kinds(), &[rows()]);
    let read = read_csv(&file);
    let names: Vec<_> = all_kinds().columns.into_iter().map(|column| Some(column.name)).collect();
    assert_eq!(read[0], names);
    assert_eq!(read[1], vec![None; 8]);
    let row =
        |number: usize| read[number].iter().map(|field| field.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        row(2),
        [
            "true",
            "-9223372036854775808",
            "0.1",
            "9999999999999999999999999999999999.9999",
            "1970-01-01",
            "1970-01-01T00:00:00.000000Z",
            "",
            JSONS[0],
        ]
    );
    assert_eq!(row(3)[2].parse::<f64>().unwrap(), f64::MAX);
    assert_eq!((&*row(3)[6], &*row(3)[7]), ("a\"b\r\n", JSONS[1]));
}

#[test]
fn ugly_texts_come_back_from_every_format() {
    let texts: ArrayRef = Arc::new(StringArray::from(TEXTS.to_vec()));
    let schema = schema(&[("a", ColumnType::Text), ("b", ColumnType::Text)]);
    // The column of a name that none of the rows have is null.
    let batches = [batch(vec![("a", texts)])];
    for format in crate::support::FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path(), format, &schema, &batches);
        let read: Vec<_> = match format {
            FileFormat::Parquet => {
                let read = read_parquet(&file);
                assert_eq!(read[0].column(1).null_count(), TEXTS.len());
                read[0]
                    .column(0)
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.unwrap().to_owned())
                    .collect()
            }
            FileFormat::Ndjson => {
                let text = |json: &str| serde_json::from_str::<String>(json).unwrap();
                read_ndjson(&file).iter().map(|row| text(row["a"].get())).collect()
            }
            _ => {
                let records = read_csv(&file);
                assert!(records[1..].iter().all(|record| record[1].is_none()));
                records[1..].iter().map(|record| record[0].clone().unwrap()).collect()
            }
        };
        assert_eq!(read, TEXTS, "{format}");
    }
}

#[test]
fn batches_of_narrower_columns_share_a_file() {
    let schema = schema(&[("a", ColumnType::Float), ("b", ColumnType::Json)]);
    let first = batch(vec![("a", Arc::new(BooleanArray::from(vec![true])) as ArrayRef)]);
    let second = batch(vec![
        ("b", Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(vec![7]))),
    ]);
    let third = RecordBatch::try_new(
        schema.arrow(),
        vec![Arc::new(Float64Array::from(vec![0.5])), Arc::new(StringArray::from(vec!["{}"]))],
    );
    let fourth = batch(vec![("b", Arc::new(StringArray::from(vec!["{}"])) as ArrayRef)]);
    let batches = [first, second, third.unwrap(), fourth];
    let folder = tempfile::tempdir().unwrap();
    let read = read_parquet(&written(folder.path(), FileFormat::Parquet, &schema, &batches));
    let floats = read[0].column(0).as_primitive::<Float64Type>();
    assert_eq!(floats.values()[..3], [1.0, 7.0, 0.5]);
    let jsons: Vec<_> = read[0].column(1).as_string::<i32>().iter().collect();
    assert_eq!(jsons, [None, Some("9223372036854775807"), Some("{}"), Some("\"{}\"")]);
}

#[test]
fn a_table_of_many_rows_is_written_in_pieces() {
    let schema = schema(&[("id", ColumnType::Int), ("text", ColumnType::Text)]);
    let batches: Vec<_> = (0..20)
        .map(|number| {
            let ids = Int64Array::from_iter_values(number * 1000..(number + 1) * 1000);
            let texts = StringArray::from(vec!["a\"b,c"; 1000]);
            batch(vec![("id", Arc::new(ids) as ArrayRef), ("text", Arc::new(texts))])
        })
        .collect();
    for format in crate::support::FORMATS {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), format, &schema, &batches);
        assert_eq!(crate::support::ids(folder.path(), "parts"), (0..20_000).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back_from_csv(texts in proptest::collection::vec(proptest::option::of("(?s).{0,12}"), 1..6)) {
        let store = Arc::new(InMemory::new());
        let sink_of = |store: Arc<InMemory>| Files::in_store(store, "", FileFormat::Csv, target("a", WriteMode::Append));
        let mut sink = sink_of(Arc::clone(&store));
        sink.open().unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let schema = schema(&[("a", ColumnType::Text), ("b", ColumnType::Text)]);
        let rows = batch(vec![("a", Arc::clone(&column)), ("b", column)]);
        commit(&mut sink, &[rows], &[], &state(1, true, &schema)).unwrap();
        let path = Path::from("a/run-000001-part-000001.csv");
        let bytes = block_on(async { store.get(&path).await.unwrap().bytes().await.unwrap() });
        let records = parse_csv(std::str::from_utf8(&bytes).unwrap());
        let read: Vec<_> = records[1..].iter().map(|record| record[1].clone()).collect();
        prop_assert_eq!(read, texts);
    }
}
