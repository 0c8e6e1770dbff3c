//! Pages that fail, and rows that do not fit.

use crate::{
    support::{Api, Pages},
    world::{PAGE, World, config, described, rows, try_rows},
};
use serde_json::json;
use vantage_api_sql::ApiSession;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_is_an_error_that_names_table_and_page() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    world.items.fail("items", 3, usize::MAX);
    for sql in [
        "SELECT id FROM items",
        "SELECT count(*) FROM items",
        "SELECT t, sum(n) FROM items GROUP BY t",
    ] {
        let error = try_rows(&session, sql).await.unwrap_err().to_string();
        assert!(error.contains("`items`") && error.contains("page 3"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_once_is_asked_for_again() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    world.items.fail("items", 3, 1);
    assert_eq!(rows(&session, "SELECT id FROM items").await.len(), crate::world::ITEMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_are_errors_that_name_table_page_and_column() {
    let api = Api::start(Pages::Numbered, PAGE);
    let row = |id: usize| json!({ "id": id, "n": if id == 10 { json!("ten") } else { json!(id) } });
    api.put("odd", (1..=20).map(row).collect());
    let mut missing: Vec<_> = (1..=20).map(|id| json!({ "id": id, "n": id })).collect();
    missing[16] = json!({ "n": 17 });
    api.put("keyless", missing);
    let table = |name: &str| {
        format!(
            "  - name: {name}\n    id: id\n    columns: {{ id: int, n: int }}\n    api: {{ envelope: {{ items: data }} }}\n"
        )
    };
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &described(&api, &(table("odd") + &table("keyless")))).unwrap();
    let error = try_rows(&session, "SELECT n FROM odd").await.unwrap_err().to_string();
    assert!(error.contains("`odd`: page 2: row 3") && error.contains("`n`"), "{error}");
    // A column that nobody wants is not looked at.
    assert_eq!(rows(&session, "SELECT id FROM odd").await.len(), 20);
    let error = try_rows(&session, "SELECT id FROM keyless").await.unwrap_err().to_string();
    assert!(error.contains("`keyless`: page 3") && error.contains("`id`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_there_is_an_error_that_names_it() {
    let world = World::new(Pages::Numbered);
    let session = ApiSession::with_config(config()).unwrap();
    let yaml =
        "  - name: absent\n    columns: { id: int }\n    api: { envelope: { items: data } }\n";
    session.add("public", &described(&world.items, yaml)).unwrap();
    let error = try_rows(&session, "SELECT id FROM absent").await.unwrap_err().to_string();
    assert!(error.contains("`absent`") && error.contains("404"), "{error}");
}
