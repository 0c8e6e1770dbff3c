//! Schemas and tables of a session, and what they ask for.

use std::time::Duration;

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, described, items, rows, try_rows},
};
use serde_json::{Value, json};
use vantage_api_ingest::description::Description;
use vantage_api_pool::AwwPool;
use vantage_api_sql::ApiSession;

fn api() -> Api {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(20));
    api
}

fn session(api: &Api, tables: &str) -> ApiSession {
    let session = ApiSession::with_config(config()).unwrap();
    session.add("world", &described(api, tables)).unwrap();
    session
}

const UNDECLARED: &str = "  - name: items\n    api: { envelope: { items: data, total: total } }\n";

#[tokio::test]
async fn a_thousand_tables_are_listed_without_a_request() {
    let api = api();
    let table = |number: u32| {
        let columns =
            if number.is_multiple_of(2) { "    columns: { id: int, t: text }\n" } else { "" };
        format!("  - name: endpoint_{number}\n{columns}    api: {{ endpoint: items }}\n")
    };
    let session = session(&api, &(0..1000).map(table).collect::<String>());
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'world'";
    assert_eq!(rows(&session, tables).await, ["1000"]);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'world'";
    assert_eq!(rows(&session, columns).await, ["1000"]);
    assert!(rows(&session, "SHOW TABLES").await.len() >= 1000);
    assert_eq!(rows(&session, "SHOW COLUMNS FROM world.endpoint_2").await.len(), 2);
    assert!(api.asked().is_empty());
}

#[tokio::test]
async fn columns_that_are_not_declared_are_found_on_the_first_page_at_the_first_use() {
    let api = api();
    let session = session(&api, UNDECLARED);
    let columns = "SELECT column_name, data_type FROM information_schema.columns \
                   WHERE table_name = 'items' AND table_schema = 'world' ORDER BY ordinal_position";
    assert!(rows(&session, columns).await.is_empty());
    let first = rows(&session, "SELECT id FROM world.items LIMIT 1").await;
    assert_eq!(first, ["1"]);
    // One request for the columns, one for the row.
    assert_eq!(api.asked().len(), 2);
    rows(&session, "SELECT id FROM world.items LIMIT 1").await;
    assert_eq!(api.asked().len(), 1);
    let known = rows(&session, columns).await;
    assert!(known.contains(&"id | Int64".to_owned()), "{known:?}");
    assert!(known.contains(&"x | Float64".to_owned()), "{known:?}");
    assert!(known.contains(&"t | Utf8".to_owned()), "{known:?}");
}

#[tokio::test]
async fn a_table_whose_columns_nothing_tells_is_an_error_and_is_tried_again() {
    let api = api();
    api.put("items", Vec::new());
    let session = session(&api, UNDECLARED);
    let error = try_rows(&session, "SELECT * FROM world.items").await.unwrap_err().to_string();
    assert!(error.contains("`items`") && error.contains("columns"), "{error}");
    api.put("items", items(3));
    assert_eq!(rows(&session, "SELECT id FROM world.items").await.len(), 3);
}

/// dlt-hub/dlt 1113 and 2102, apache/datafusion 3469: a field that has no value at first.
#[tokio::test]
async fn a_field_without_a_value_on_the_first_page_is_a_column_of_text_all_the_same() {
    let api = api();
    let row = |id: usize| {
        let late = |value: Value| if id > PAGE { value } else { Value::Null };
        json!({ "never": null, "id": id, "late": late(json!(id)), "odd": late(json!({ "x": id })) })
    };
    api.put("items", (1..=2 * PAGE).map(row).collect());
    let session = session(&api, UNDECLARED);
    let some = "SELECT never, late FROM world.items WHERE id IN (1, 10) ORDER BY id";
    assert_eq!(rows(&session, some).await, ["- | -", "- | 10"]);
    let types = "SELECT column_name, data_type FROM information_schema.columns \
                 WHERE table_name = 'items' AND table_schema = 'world' ORDER BY ordinal_position";
    let known = rows(&session, types).await;
    assert_eq!(known, ["id | Int64", "late | Utf8", "never | Utf8", "odd | Utf8"]);
    // Text holds no objects: what was found out wrongly is told, with the column to declare.
    let error = try_rows(&session, "SELECT odd FROM world.items").await.unwrap_err().to_string();
    assert!(error.contains("`items`: page 2") && error.contains("`odd`"), "{error}");
}

#[tokio::test]
async fn a_first_page_of_rows_without_fields_tells_no_columns() {
    let api = api();
    api.put("items", vec![json!({}), json!({})]);
    let session = session(&api, UNDECLARED);
    let error = try_rows(&session, "SELECT * FROM world.items").await.unwrap_err().to_string();
    assert!(error.contains("`items`") && error.contains("columns"), "{error}");
    api.put("items", vec![json!({ "a": null }), json!({})]);
    assert_eq!(rows(&session, "SELECT a FROM world.items").await, ["-", "-"]);
}

#[tokio::test]
async fn names_of_schemas_are_not_given_twice() {
    let api = api();
    let session = session(&api, UNDECLARED);
    let error = session.add("world", &described(&api, UNDECLARED)).unwrap_err().to_string();
    assert!(error.contains("`world`"), "{error}");
}

#[tokio::test]
async fn an_api_that_could_not_be_added_leaves_nothing_to_the_next_of_its_name() {
    let (one, other) = (api(), api());
    let session = ApiSession::with_config(config()).unwrap();
    let mut refused = described(&one, UNDECLARED);
    let job = "api: { base_url: \"http://localhost\" }
tables: [{ name: t }]
jobs: { other: { sink: { sqlite: a.db }, streams: [{ table: t }] } }";
    refused.jobs = Description::from_yaml(job).unwrap().jobs;
    refused.jobs.insert("world".to_owned(), refused.jobs["other"].clone());
    let error = session.add("world", &refused).unwrap_err().to_string();
    assert!(error.contains("`world`"), "{error}");
    session.add("world", &described(&other, UNDECLARED)).unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM world.items").await, ["20"]);
    assert!(one.asked().is_empty());
}

#[tokio::test]
async fn an_api_is_asked_through_the_pool_that_it_is_added_over() {
    let api = api();
    let description = described(&api, UNDECLARED);
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let session = ApiSession::with_config(config()).unwrap();
    session.add_over("world", &description, &pool).unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM world.items").await, ["20"]);
    assert_eq!(pool.stats().await.unwrap().attempts, api.asked().len() as u64);
    let known = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'world'";
    assert_ne!(rows(&session, known).await, ["0"]);
    session.shutdown(Duration::ZERO).await;
    // It is the caller's.
    assert!(pool.get("items").await.is_ok());
    let error = session.add_over("world", &description, &pool).unwrap_err().to_string();
    assert!(error.contains("`world`"), "{error}");
}

#[tokio::test]
async fn a_description_in_a_file_has_the_tables_that_need_no_schema() {
    let api = api();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.yaml");
    let yaml = format!("api: {{ base_url: \"{}\" }}\ntables:\n{UNDECLARED}", api.url());
    std::fs::write(&file, yaml).unwrap();
    let session = ApiSession::open(&file).unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM items").await, ["20"]);
    let error = ApiSession::open(folder.path().join("absent.yaml")).unwrap_err().to_string();
    assert!(error.contains("absent.yaml"), "{error}");
}

#[tokio::test]
async fn tables_that_statements_make_are_beside_those_of_the_api() {
    let api = api();
    let session = session(&api, UNDECLARED);
    rows(&session, "CREATE TABLE world.few AS SELECT id FROM world.items WHERE id < 4").await;
    assert_eq!(rows(&session, "SELECT count(*) FROM world.few").await, ["3"]);
    rows(&session, "DROP TABLE world.few").await;
    assert!(try_rows(&session, "DROP TABLE world.items").await.is_err());
    assert_eq!(rows(&session, "SELECT count(*) FROM world.items").await, ["20"]);
}
