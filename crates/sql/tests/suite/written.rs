//! INSERT into an API.

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, described, rows, try_rows},
};
use serde_json::json;
use vantage_api_sql::ApiSession;

fn api(writes: &str) -> (Api, ApiSession) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("notes", vec![json!({ "id": 1, "name": "first", "size": 1.5 })]);
    let yaml = format!(
        "  - name: notes
    id: id
    columns: {{ id: {{ type: int, flags: [auto] }}, name: text, size: float, tags: json }}
    api: {{ envelope: {{ items: data }}, {writes} }}
    sql: {{ trust_total: 1h }}
"
    );
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &described(&api, &yaml)).unwrap();
    (api, session)
}

const WRITES: &str = "writes: { style: rest }";

#[tokio::test]
async fn rows_of_a_query_are_inserted_one_by_one() {
    let (api, session) = api(WRITES);
    assert_eq!(rows(&session, "SELECT count(*) FROM notes").await, ["1"]);
    let sql = "INSERT INTO notes (id, name, size) VALUES (2, 'second', 0.5), (3, 'third', NULL)";
    assert_eq!(rows(&session, sql).await, ["2"]);
    let stored = api.rows("notes");
    assert_eq!(stored[1], json!({ "id": 2, "name": "second", "size": 0.5 }));
    assert_eq!(stored[2], json!({ "id": 3, "name": "third" }));
    rows(&session, "INSERT INTO notes (name) VALUES ('numbered by the API')").await;
    assert_eq!(api.rows("notes")[3], json!({ "id": 4, "name": "numbered by the API" }));
    // The total that was told is that of before.
    assert_eq!(rows(&session, "SELECT count(*) FROM notes").await, ["4"]);
}

#[tokio::test]
async fn a_row_that_is_refused_ends_the_statement_and_those_before_it_stay() {
    let (api, session) = api(WRITES);
    let sql = "INSERT INTO notes (id, name) VALUES (2, 'a'), (3, 'b'), (4, 'refused')";
    let error = try_rows(&session, sql).await.unwrap_err().to_string();
    assert!(error.contains("`notes`") && error.contains("after 2 rows"), "{error}");
    assert_eq!(api.rows("notes").len(), 3);
}

#[tokio::test]
async fn a_table_that_takes_no_rows_is_refused_before_anything_is_sent() {
    let (api, session) = api("writes: { style: none }");
    let error = try_rows(&session, "INSERT INTO notes (id, name) VALUES (2, 'a')").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`notes`"), "{error}");
    assert!(api.asked().is_empty());
}
