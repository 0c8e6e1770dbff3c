//! What plans show.

use vantage_api_pool::vantage::{ApiCondition, PoolTableExt};

use crate::{
    support::Pages,
    world::{ITEMS, PAGE, World, described, items_yaml, plan, rows},
};

#[tokio::test]
async fn a_plan_shows_the_url_that_a_preview_shows_and_that_is_asked_for() {
    let world = World::new(Pages::Numbered);
    let api = "filters: { style: suffixes }";
    let session = world.session(Pages::Numbered, api, "");
    let sql = "SELECT id FROM items WHERE n > 5";
    let shown = plan(&session, sql).await;
    let description = described(&world.items, &items_yaml(Pages::Numbered, api, ""));
    let pool = description.api.clone().builder().unwrap().build().unwrap();
    let mut table = description.table("items", &description.source(&pool)).unwrap();
    table.add_condition(ApiCondition::gt("n", 5));
    let preview = table.preview().requests;
    assert!(shown.contains(&format!("GET {}", preview[0])), "{shown}\n{preview:?}");
    assert!(world.items.asked().is_empty());
    rows(&session, sql).await;
    let first = world.items.asked().remove(0);
    assert!(preview[0].ends_with(first.trim_start_matches("GET ")), "{first}\n{preview:?}");
}

#[tokio::test]
async fn a_plan_shows_fields_and_no_secrets() {
    let world = World::new(Pages::Numbered);
    let yaml = "  - name: items
    columns: { id: int, t: text, api_key: { type: text, flags: [request_param] } }
    api: { endpoint: \"items?code=canary\", envelope: { items: data, total: total } }
    sql: { fields: fields }
";
    let session = vantage_api_sql::ApiSession::new().unwrap();
    session.add("public", &described(&world.items, yaml)).unwrap();
    let shown = plan(&session, "SELECT t FROM items WHERE api_key = 'canary'").await;
    assert!(shown.contains("fields=t") && shown.contains("code=***"), "{shown}");
    let url = shown.split("GET ").nth(1).unwrap().split(',').next().unwrap();
    assert!(!url.contains("canary"), "{url}");
    assert_eq!(
        rows(&session, "SELECT api_key FROM items WHERE api_key = 'k' LIMIT 1").await,
        ["k"]
    );
    assert!(world.items.asked()[0].contains("api_key=k"));
    let refused = crate::world::try_rows(&session, "SELECT t FROM items WHERE api_key > 'a'").await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("`api_key`") && refused.contains("parameter"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analysis_counts_requests_pages_and_bytes() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    let shown = rows(&session, "EXPLAIN ANALYZE SELECT sum(n) FROM items").await.concat();
    let pages = ITEMS.div_ceil(PAGE);
    assert!(shown.contains(&format!("pages={pages}")), "{shown}");
    assert!(shown.contains(&format!("requests={pages}")), "{shown}");
    assert!(shown.contains("bytes="), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analysis_tells_what_was_waited_for() {
    let world = World::new(Pages::Numbered);
    let tables = items_yaml(Pages::Numbered, "", "");
    let api = format!("{{ base_url: \"{}\", rate_limit: 20, burst: 1 }}", world.items.url());
    let yaml = format!("api: {api}\ntables:\n{tables}");
    let description = vantage_api_ingest::description::Description::from_yaml(&yaml).unwrap();
    let session = vantage_api_sql::ApiSession::new().unwrap();
    session.add("public", &description).unwrap();
    let shown = rows(&session, "EXPLAIN ANALYZE SELECT sum(n) FROM items").await.concat();
    assert!(shown.contains("wait_rate="), "{shown}");
}
