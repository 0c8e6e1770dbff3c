//! Fields whose names are no names elsewhere, or are there twice.

use serde_json::json;

use crate::single::{self, columns};

const NAMES: [&str; 13] = [
    "ab(cd)ef",
    "% worked",
    "Dividend (HK$)",
    "1st",
    "order",
    "a; DROP TABLE rows; --",
    "a.b",
    "\u{1f600}",
    "say \"hi\"",
    "'",
    "rowid",
    "\u{e9}",
    "e\u{301}",
];

// sqlalchemy/sqlalchemy#5941, pandas-dev/pandas#11896, OHDSI/DatabaseConnector#65
#[tokio::test]
async fn columns_are_called_as_the_fields_are() {
    let fields = NAMES.iter().zip(1..).map(|(name, number)| format!("{}: {number}", json!(name)));
    let row = format!("{{\"id\": 0, {}}}", fields.collect::<Vec<_>>().join(", "));
    let setup = single::setup("id: id, ", "", &[row]);
    for _ in 0..2 {
        setup.complete().await;
        assert_eq!(columns(&setup)[1..], NAMES);
        for (name, number) in NAMES.iter().zip(1_i64..) {
            let name = name.replace('"', "\"\"");
            let values: Vec<i64> = setup.query(&format!("SELECT \"{name}\" FROM rows"));
            assert_eq!(values, [number], "{name}");
        }
    }
}

// duckdb/duckdb#11152, StarRocks/starrocks#49307
#[tokio::test]
async fn of_a_field_that_is_there_twice_the_last_one_counts_from_the_first_row_on() {
    for stream in ["", ", nested: flatten", ", write: append"] {
        let row = r#"{"id": 7, "id": 1, "n": 1, "n": 2, "of": {"a": 1, "a": 2}}"#;
        let setup = single::setup("id: id, ", stream, &[row]);
        setup.complete().await;
        assert_eq!(setup.ids("rows"), [1], "{stream}");
        assert_eq!(columns(&setup).len(), 3, "{stream}");
        let numbers: Vec<i64> = setup.query("SELECT n FROM rows");
        assert_eq!(numbers, [2], "{stream}");
    }
}

/// A row of somebody.
const ANN: &str = r#"{"id": 1, "user": {"email": "ann@example.com", "name": "Ann"}}"#;

// scylladb/scylla-cdc-source-connector#27
#[tokio::test]
async fn a_column_of_a_flattened_field_is_dropped() {
    let stream = ", nested: flatten, columns: { user_email: drop }";
    let setup = single::setup("id: id, ", stream, &[ANN]);
    setup.complete().await;
    assert_eq!(columns(&setup), ["id", "user_name"]);
}

// scylladb/scylla-cdc-source-connector#27
#[tokio::test]
async fn a_column_of_a_flattened_field_is_hashed() {
    let stream = ", nested: flatten, columns: { user_email: { hash: sha256 } }";
    let setup = single::setup("id: id, ", stream, &[ANN]);
    setup.complete().await;
    let mut names = columns(&setup);
    names.sort();
    assert_eq!(names, ["id", "user_email", "user_name"]);
    let emails: Vec<String> = setup.query("SELECT user_email FROM rows");
    assert!(emails.len() == 1 && emails[0].len() == 64, "{emails:?}");
}
