//! What jobs have written, beside the tables of the API.

use serde_json::json;
use vantage_api_ingest::{
    Job,
    description::{Description, WriteMode},
};
use vantage_api_sql::ApiSession;

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, items, rows, try_rows},
};

pub(crate) async fn check(sink: &str) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(40));
    let yaml = format!(
        "api: {{ base_url: \"{}\" }}
tables:
  - name: items
    id: id
    columns: {{ id: int, n: int, x: float, t: text, b: bool, day: date, at: timestamp, unused: json }}
    api: {{ paging: {{ by: page, size_param: per_page, size: 7 }}, envelope: {{ items: data, total: total }} }}
jobs:
  copy:
    sink: {sink}
    streams: [{{ table: items, name: copied, write: append }}]
",
        api.url()
    );
    let description = Description::from_yaml(&yaml).unwrap();
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &description).unwrap();
    let early = try_rows(&session, "SELECT id FROM copy.copied").await;
    assert!(early.is_err(), "{sink}: {early:?}");
    let report = Job::new(&description, "copy").unwrap().run().await;
    assert!(report.is_complete(), "{sink}: {report}");
    api.asked();
    let all = "SELECT id, n, x, t, b, day, at FROM";
    let mut copied = rows(&session, &format!("{all} copy.copied")).await;
    assert!(api.asked().is_empty());
    let mut own = rows(&session, &format!("{all} items")).await;
    copied.sort();
    own.sort();
    assert_eq!(copied, own, "{sink}");
    assert_eq!(rows(&session, "SELECT count(*) FROM copy.copied").await, ["40"]);
    let join = "SELECT count(*) FROM copy.copied c JOIN items i ON c.id = i.id WHERE c.id <= 5";
    assert_eq!(rows(&session, join).await, ["5"]);
    let ten = "SELECT id FROM copy.copied LIMIT 10";
    assert_eq!(rows(&session, ten).await.len(), 10);
    insert(&session, sink).await;
}

/// Rows that statements insert beside those that the job has appended.
async fn insert(session: &ApiSession, sink: &str) {
    let insert = "INSERT INTO copy.copied (id, t, x, day, at, unused) VALUES \
                  (101, 'a \"b\", c', 0.5, '2024-02-29', '2024-02-29T01:02:03Z', '{\"a\":[1]}'), \
                  (102, '', NULL, NULL, NULL, NULL)";
    assert_eq!(rows(session, insert).await, ["2"], "{sink}");
    let new = "SELECT id, n, t, x, day, at, unused FROM copy.copied WHERE id > 100 ORDER BY id";
    let found = rows(session, new).await;
    let first = "101 | - | a \"b\", c | 0.5 | 2024-02-29 | 2024-02-29T01:02:03Z | {\"a\":";
    assert!(found[0].starts_with(first), "{sink}: {found:?}");
    assert_eq!(found[1], "102 | - |  | - | - | - | -", "{sink}");
    let own = "INSERT INTO copy.copied (id, t) SELECT id + 1000, t FROM copy.copied WHERE id <= 3";
    assert_eq!(rows(session, own).await, ["3"], "{sink}");
    assert_eq!(rows(session, "SELECT count(*) FROM copy.copied").await, ["45"], "{sink}");
    let none = "INSERT INTO copy.copied (id) SELECT id FROM copy.copied WHERE id < 0";
    assert_eq!(rows(session, none).await, ["0"], "{sink}");
    assert!(try_rows(session, "INSERT OVERWRITE copy.copied (id) VALUES (1)").await.is_err());
    for (column, value) in [
        ("unused", "'oops'"),
        ("unused", "'1,\"id\":999'"),
        ("x", "arrow_cast('NaN', 'Float64')"),
        ("x", "arrow_cast('-inf', 'Float64')"),
        ("day", "arrow_cast(arrow_cast(2932897, 'Int32'), 'Date32')"),
        ("at", "arrow_cast(253402300800000000, 'Timestamp(Microsecond, Some(\"UTC\"))')"),
    ] {
        let odd =
            format!("INSERT INTO copy.copied (id, {column}) VALUES (200, NULL), (201, {value})");
        let error = try_rows(session, &odd).await.unwrap_err().to_string();
        let why = format!("a value in `{column}` that is none of its type");
        assert!(error.contains(&why), "{sink}: {value}: {error}");
    }
    let all = "SELECT count(*), count(unused), count(x), count(day), max(id) FROM copy.copied";
    assert!(rows(session, all).await[0].starts_with("45 | "), "{sink}");
}

/// The lists in rows, which are tables of their own.
pub(crate) async fn check_children(sink: &str) {
    let api = Api::start(Pages::Numbered, PAGE);
    let row = |id: usize| json!({ "id": id, "tags": (0..id % 3).map(|n| json!({ "tag": n })).collect::<Vec<_>>() });
    api.put("items", (1..=20).map(row).collect());
    let session = session(&api, "id: int", "nested: children, write: append", sink);
    let early = try_rows(&session.0, "SELECT * FROM copy.copied_tags").await;
    assert!(early.is_err(), "{sink}: {early:?}");
    let report = Job::new(&session.1, "copy").unwrap().run().await;
    assert!(report.is_complete(), "{sink}: {report}");
    let session = session.0;
    assert_eq!(rows(&session, "SELECT count(*) FROM copy.copied_tags").await, ["21"], "{sink}");
    let join = "SELECT c.id, t.tag FROM copy.copied c JOIN copy.copied_tags t ON t._copied_id = c.id \
                WHERE c.id < 6 ORDER BY c.id, t._index";
    let columns = rows(&session, "SHOW COLUMNS FROM copy.copied_tags").await;
    let found = rows(&session, join).await;
    assert_eq!(
        found,
        ["1 | 0", "2 | 0", "2 | 1", "4 | 0", "5 | 0", "5 | 1"],
        "{sink}: {columns:?}"
    );
    let error = try_rows(&session, "INSERT INTO copy.copied_tags (tag) VALUES (7)").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("copied_tags") && error.contains("items of lists"), "{sink}: {error}");
    assert!(try_rows(&session, "SELECT * FROM copy.copied_absent").await.is_err());
}

fn session(api: &Api, columns: &str, stream: &str, sink: &str) -> (ApiSession, Description) {
    let yaml = format!(
        "api: {{ base_url: \"{}\" }}
tables:
  - name: items
    id: id
    columns: {{ {columns} }}
    api: {{ paging: {{ by: page, size_param: per_page, size: 7 }}, envelope: {{ items: data, total: total }} }}
jobs:
  copy:
    sink: {sink}
    streams: [{{ table: items, name: copied, {stream} }}]
",
        api.url()
    );
    let description = Description::from_yaml(&yaml).unwrap();
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &description).unwrap();
    (session, description)
}

/// Rows that are merged, and those that are refused.
pub(crate) async fn check_merged(sink: &str) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(20));
    let columns = "id: int, t: text";
    let (session, description) = session(&api, columns, "write: merge, schema: discard", sink);
    let early = try_rows(&session, "INSERT INTO copy.copied VALUES (1, 'x')").await;
    assert!(early.is_err(), "{sink}: {early:?}");
    assert!(Job::new(&description, "copy").unwrap().run().await.is_complete());
    assert_eq!(rows(&session, "INSERT INTO copy.copied VALUES (1, 'new'), (99, 'z')").await, ["2"]);
    let found = "SELECT id, t FROM copy.copied WHERE id IN (1, 99) ORDER BY id";
    assert_eq!(rows(&session, found).await, ["1 | new", "99 | z"], "{sink}");
    assert_eq!(rows(&session, "SELECT count(*) FROM copy.copied").await, ["21"], "{sink}");
    let keyless = "INSERT INTO copy.copied (id, t) VALUES (100, 'y'), (NULL, 'x')";
    let error = try_rows(&session, keyless).await.unwrap_err().to_string();
    assert!(error.contains("`id`"), "{sink}: {error}");
    assert_eq!(rows(&session, "SELECT count(*) FROM copy.copied").await, ["21"], "{sink}");
    // The job goes on as if nothing had been inserted.
    assert!(Job::new(&description, "copy").unwrap().run().await.is_complete());
    let restored = rows(&session, found).await;
    assert_ne!(restored[0], "1 | new", "{sink}");
    assert_eq!(restored[1], "99 | z", "{sink}");
    let mut replaced = description.clone();
    replaced.jobs["copy"].streams[0].write = WriteMode::Replace;
    let other = ApiSession::with_config(config()).unwrap();
    other.add("public", &replaced).unwrap();
    let error = try_rows(&other, "INSERT INTO copy.copied VALUES (1, 'x')").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("next run of job `copy`"), "{sink}: {error}");
}

/// A run that has committed nothing yet goes on beside rows that are inserted.
pub(crate) async fn check_beside_a_run(sink: &str) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(20));
    let stream = "write: merge, schema: discard";
    let (session, description) = session(&api, "id: int, t: text", stream, sink);
    assert!(Job::new(&description, "copy").unwrap().run().await.is_complete());
    api.hold("items");
    let running = tokio::spawn(async move { Job::new(&description, "copy").unwrap().run().await });
    api.wait_until_open(true).await;
    assert_eq!(rows(&session, "INSERT INTO copy.copied VALUES (99, 'x')").await, ["1"], "{sink}");
    api.release("items");
    let report = running.await.unwrap();
    assert!(report.is_complete(), "{sink}: {report}");
    let found = "SELECT count(*), max(id) FROM copy.copied";
    assert_eq!(rows(&session, found).await, ["21 | 99"], "{sink}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_inserted_beside_a_run_that_has_committed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    check_beside_a_run(&sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_not_inserted_while_a_run_has_not_ended() {
    let (api, folder) = (Api::start(Pages::Numbered, PAGE), tempfile::tempdir().unwrap());
    api.put("items", items(20));
    let sink = sqlite(folder.path());
    let stream = "write: merge, schema: discard, commit: { rows: 1 }";
    let (session, description) = session(&api, "id: int, t: text", stream, &sink);
    api.fail("items", 2, usize::MAX);
    let report = Job::new(&description, "copy").unwrap().run().await;
    assert!(!report.is_complete());
    let error = try_rows(&session, "INSERT INTO copy.copied VALUES (1, 'x')").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a run of job `copy` has not ended"), "{error}");
    api.fail("items", 2, 0);
    assert!(Job::new(&description, "copy").unwrap().run().await.is_complete());
    assert_eq!(rows(&session, "INSERT INTO copy.copied VALUES (1, 'x')").await, ["1"]);
}

/// A table that a run is about to replace by one with other columns is read as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_being_replaced_has_the_columns_that_it_has() {
    let (api, folder) = (Api::start(Pages::Numbered, PAGE), tempfile::tempdir().unwrap());
    let row = |id: usize| json!({ "id": id, "n": id });
    api.put("items", (1..=20).map(row).collect());
    let sink = sqlite(folder.path());
    let (session, description) =
        session(&api, "id: int", "write: replace, commit: { rows: 1 }", &sink);
    assert!(Job::new(&description, "copy").unwrap().run().await.is_complete());
    let row = |id: usize| json!({ "id": id, "n": "text", "more": true });
    api.put("items", (1..=20).map(row).collect());
    api.fail("items", 3, usize::MAX);
    assert!(!Job::new(&description, "copy").unwrap().run().await.is_complete());
    assert_eq!(rows(&session, "SELECT sum(id), sum(n) FROM copy.copied").await, ["210 | 210"]);
}

fn sqlite(folder: &std::path::Path) -> String {
    format!("{{ sqlite: \"{}\" }}", folder.join("copy.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_sqlite_is_a_table_with_the_rows_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    check(&sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_files_is_a_table_with_the_rows_of_the_api() {
    for kind in ["parquet", "ndjson", "csv"] {
        let folder = tempfile::tempdir().unwrap();
        check(&format!("{{ {kind}: \"{}\" }}", folder.path().join("out").display())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_in_rows_are_tables_beside_those_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    check_children(&sqlite(folder.path())).await;
    for kind in ["parquet", "ndjson", "csv"] {
        let folder = tempfile::tempdir().unwrap();
        check_children(&format!("{{ {kind}: \"{}\" }}", folder.path().join("out").display())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_inserted_take_the_place_of_those_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    check_merged(&sqlite(folder.path())).await;
}
