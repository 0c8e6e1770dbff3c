//! What public bug reports tell of other programs that serve SQLite.

use std::time::Instant;

use ciborium::Value;
use rusqlite::Connection;
use vantage_api_ingest::schema::ColumnType;
use vantage_dataset::traits::ReadableValueSet as _;
use vantage_vista::FilterOp;

use crate::support::{LONG, Written, ids, ints, text, texts};

/// simonw/datasette#1257, coleifer/sqlite-web#33, frectonz/sql-studio#4, simonw/datasette#325.
#[tokio::test]
async fn tables_and_columns_have_names_of_any_kind() {
    for name in [
        "Yesterday's ELRs",
        "example.com",
        "hello!!world",
        "2-categories",
        "a/b",
        "\"q\"",
        "select",
        "a;b--c",
        "é",
    ] {
        let written = Written::new();
        let column = "it's \"2\"; --";
        written.write(
            name,
            vec![
                ("id", ColumnType::Int, ints([1, 2])),
                (column, ColumnType::Text, texts(["a", "b"])),
            ],
        );
        let quoted = serde_json::to_string(name).unwrap();
        let yaml = format!(
            "tables: [{{ name: things, id: id }}]
jobs: {{ copy: {{ sink: {{ sqlite: \"${{DB}}\" }}, streams: [{{ table: things, name: {quoted} }}] }} }}
gateway: {{ auth: none, tables: {{ odd: {{ source: {{ job: copy, table: {quoted} }} }} }} }}
"
        );
        let odd = written.vistas(&yaml).await.unwrap().into_values().next().unwrap();
        let narrowed = odd.clone().with_condition(column, FilterOp::Eq, "b").unwrap();
        assert_eq!(ids(&narrowed).await, ["2"], "{name}");
        let row = odd.get_value("1").await.unwrap().unwrap();
        assert_eq!(row.get(column), Some(&text("a")), "{name}");
    }
}

/// rtk-ai/icm#319: a reader of a file that is said not to change sees old rows, or takes the file
/// for damaged.
#[tokio::test]
async fn what_a_job_commits_later_is_seen() {
    let written = Written::new();
    let rows = |ids: std::ops::Range<i64>| {
        let names: Vec<String> = ids.clone().map(|id| format!("name {id}").repeat(20)).collect();
        let names = texts(names.iter().map(String::as_str));
        vec![("id", ColumnType::Int, ints(ids)), ("name", ColumnType::Text, names)]
    };
    written.write("things", rows(0..1));
    let things = written.things().await;
    for end in [2, 200, 2000] {
        written.write("things", rows(0..end));
        assert_eq!(things.count().await.unwrap(), end);
    }
    Connection::open(written.path()).unwrap().execute_batch("DELETE FROM things; VACUUM").unwrap();
    assert_eq!(things.count().await.unwrap(), 0);
}

/// A column becomes wider, and the table is made anew, while it is served.
#[tokio::test]
async fn a_table_that_is_made_anew_is_read_on() {
    let written = Written::new();
    let column = |kind, values| vec![("id", ColumnType::Int, ints([1, 2])), ("code", kind, values)];
    written.write("things", column(ColumnType::Int, ints([7, 8])));
    let things = written.things().await;
    assert_eq!(ids(&things).await, ["1", "2"]);
    written.write("things", column(ColumnType::Text, texts(["x", "8"])));
    let row = things.get_value("1").await.unwrap().unwrap();
    assert_eq!(row.get("code"), Some(&text("x")));
}

/// svandragt/lamb#831: what a reader leaves beside the file is in the way of its writer.
#[tokio::test]
async fn readers_leave_nothing_beside_the_file() {
    let written = Written::with_things();
    let things = written.things().await;
    assert_eq!(things.count().await.unwrap(), 4);
    drop(things);
    let beside = || ["-wal", "-shm"].map(|end| format!("{}{end}", written.path().display()));
    // Nobody tells when the readers have ended.
    let start = Instant::now();
    while beside().iter().any(|file| std::fs::exists(file).unwrap()) {
        assert!(start.elapsed() < LONG, "it stays");
        std::thread::yield_now();
    }
}

/// AgentWorkforce/relayhistory#46: a writer that is stopped in a transaction stops nobody who reads.
#[tokio::test]
async fn a_writer_that_never_ends_is_not_waited_for() {
    let written = Written::with_things();
    let things = written.things().await;
    let writer = Connection::open(written.path()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM things").unwrap();
    assert_eq!(tokio::time::timeout(LONG, things.count()).await.unwrap().unwrap(), 4);
    drop(writer);
}

/// simonw/datasette#1681, nocodb/nocodb#4380: numbers with a point or a sign compared as texts.
#[tokio::test]
async fn numbers_are_compared_as_numbers() {
    let written = Written::with_things();
    let things = written.things().await;
    for (column, op, value, found) in [
        ("weight", FilterOp::Gt, Value::Float(0.1), vec!["1", "2"]),
        ("weight", FilterOp::Lte, Value::Float(-2.5), vec!["3"]),
        ("price", FilterOp::Gte, text("9.5"), vec!["1", "2"]),
        ("price", FilterOp::Lt, text("-0.04"), vec!["3"]),
    ] {
        let narrowed = things.clone().with_condition(column, op, value).unwrap();
        assert_eq!(ids(&narrowed).await, found, "{column} {op:?}");
    }
}
