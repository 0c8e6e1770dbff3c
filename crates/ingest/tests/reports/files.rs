//! Files that other programs take apart in another way.

use std::{fs, sync::Arc};

use arrow_array::{ArrayRef, StringArray};
use serde_json::Value;
use vantage_api_ingest::{
    description::WriteMode,
    schema::ColumnType,
    sink::{FileFormat, Sink},
};

use crate::{
    single,
    support::{batch, commit, files, listed, schema, state},
};

// steipete/birdclaw#61, nodejs/node#62785, datalad/datalad#3523
#[tokio::test]
async fn no_line_of_json_has_another_end_of_line_in_it() {
    const NOTE: &str = "a\u{2028}b\u{2029}c";
    let row = format!("{{\"id\": 1, \"note\": \"{NOTE}\", \"of\": {{\"{NOTE}\": \"{NOTE}\"}}}}");
    let mut setup = single::setup("", ", name: cities", &[row]);
    setup.replace("sqlite", "ndjson");
    setup.complete().await;
    let text = fs::read_to_string(&listed(&setup.db(), "parts")[0]).unwrap();
    assert!(!text.contains(['\u{2028}', '\u{2029}']), "{text:?}");
    let row: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&row["note"], &row["of"][NOTE]), (&Value::from(NOTE), &Value::from(NOTE)));
}

// postgresql.org, COPY, "CSV Format": a line of a backslash and a dot alone ends the data
#[test]
fn a_line_of_comma_separated_values_does_not_end_the_data_for_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("note", ColumnType::Text)]);
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["\\.", "after"]));
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    commit(&mut sink, &[batch(vec![("note", notes)])], &[], &state(1, true, &schema)).unwrap();
    let text = fs::read_to_string(&listed(folder.path(), "parts")[0]).unwrap();
    assert_eq!(text, "note\r\n\"\\.\"\r\nafter\r\n");
}
