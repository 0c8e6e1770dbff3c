//! Fields whose names are no names elsewhere, or are there twice.

use serde_json::json;

use crate::single::{self, columns, mark};

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

// duckdb/duckdb#11152, StarRocks/starrocks#49307
#[tokio::test]
async fn of_a_field_that_is_there_twice_the_last_one_counts_even_if_it_is_null_or_empty() {
    let row = r#"{"id": 1, "n": 1, "n": null, "tags": [1], "tags": []}"#;
    let setup = single::setup("id: id, ", ", nested: children", &[row]);
    for _ in 0..2 {
        setup.complete().await;
        assert_eq!(setup.query::<Option<i64>>("SELECT n FROM rows"), [None]);
        assert_eq!(setup.query::<i64>("SELECT count(*) FROM rows_tags"), [0]);
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

// scylladb/scylla-cdc-source-connector#27
#[tokio::test]
async fn a_column_of_a_flattened_field_that_is_dropped_later_has_no_values_from_then_on() {
    for rule in ["user_email: drop", "user: drop", "mail: { from: user.email, hash: sha256 }"] {
        let mut setup = single::setup("id: id, ", ", nested: flatten", &[ANN]);
        setup.complete().await;
        assert_eq!(setup.query::<String>("SELECT user_email FROM rows"), ["ann@example.com"]);
        setup.replace("nested: flatten", &format!("nested: flatten, columns: {{ {rule} }}"));
        for _ in 0..2 {
            setup.complete().await;
            let emails: Vec<Option<String>> = setup.query("SELECT user_email FROM rows");
            assert_eq!(emails, [None], "{rule}");
        }
    }
}

#[tokio::test]
async fn a_list_that_is_dropped_later_has_no_items_from_then_on() {
    let mut setup = single::setup(
        "id: id, ",
        ", nested: children",
        &[r#"{"id": 1, "order": {"lines": [{"sku": "a"}]}}"#],
    );
    setup.complete().await;
    assert_eq!(setup.query::<String>("SELECT sku FROM rows_order_lines"), ["a"]);
    setup.replace("nested: children", "nested: children, columns: { order_lines: drop }");
    single::serve(&setup, &[r#"{"id": 2, "order": {"lines": [{"sku": "b"}]}}"#]);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), [1, 2]);
    let skus: Vec<String> = setup.query("SELECT sku FROM rows_order_lines WHERE sku = 'b'");
    assert!(skus.is_empty(), "{skus:?}");
}

#[tokio::test]
async fn a_column_that_is_hashed_later_is_not_in_clear_text_any_more() {
    const EMAIL: &str = "email_hash: { from: email, hash: sha256 }";
    for rules in [EMAIL.to_owned(), format!("email: drop, {EMAIL}")] {
        let row = r#"{"id": 1, "email": "ann@example.com"}"#;
        let mut setup = single::setup("id: id, ", "", &[row]);
        setup.complete().await;
        setup.replace("table: rows", &format!("table: rows, columns: {{ {rules} }}"));
        for _ in 0..2 {
            setup.complete().await;
            assert_eq!(setup.query::<Option<String>>("SELECT email FROM rows"), [None], "{rules}");
            let hashes: Vec<String> = setup.query("SELECT email_hash FROM rows");
            assert!(hashes.len() == 1 && hashes[0].len() == 64, "{rules}: {hashes:?}");
        }
    }
}

// dlt-hub/dlt#3397
#[tokio::test]
async fn a_field_that_gets_another_name_later_moves_the_mark() {
    let row = |at: &str| format!("{{\"id\": 1, \"updated_at\": \"{at}\"}}");
    let mut setup = single::setup(
        "id: id, ",
        ", incremental: { field: updated_at, param: since }",
        &[row("2024-01-01T00:00:00Z")],
    );
    setup.complete().await;
    setup.replace("incremental:", "columns: { changed: { from: updated_at } }, incremental:");
    single::serve(&setup, &[row("2024-01-02T00:00:00Z")]);
    setup.complete().await;
    assert_eq!(mark(&setup).await.as_deref(), Some("2024-01-02T00:00:00Z"));
    assert_eq!(setup.query::<String>("SELECT changed FROM rows"), ["2024-01-02T00:00:00Z"]);
}

#[tokio::test]
async fn a_column_that_was_null_so_far_gets_the_type_of_its_first_value_in_a_later_run() {
    for policy in ["freeze", "quarantine"] {
        let setup = single::setup(
            "id: id, columns: { id: int }, ",
            &format!(", schema: {policy}, columns: {{ name: {{ from: full_name }} }}"),
            &[r#"{"id": 1, "full_name": null}"#],
        );
        setup.complete().await;
        assert_eq!(setup.query::<Option<String>>("SELECT name FROM rows"), [None], "{policy}");
        single::serve(&setup, &[r#"{"id": 2, "full_name": "Ann"}"#]);
        setup.complete().await;
        let names: Vec<String> = setup.query("SELECT name FROM rows WHERE id = 2");
        assert_eq!(names, ["Ann"], "{policy}");
    }
}
