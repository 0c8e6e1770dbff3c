//! Tables of a program, without a description.

use std::sync::Arc;

use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering, Filters},
};
use vantage_api_sql::{ApiTableProvider, datafusion::prelude::SessionContext};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, items, shown},
};

async fn found(context: &SessionContext, sql: &str) -> Vec<String> {
    shown(&context.sql(sql).await.unwrap().collect().await.unwrap())
}

#[tokio::test]
async fn a_table_of_a_program_is_queried_with_its_conditions() {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(40));
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let table = ApiTable::new()
        .paging(Paging::page_number().page_size("per_page", PAGE as u64))
        .envelope(Envelope::items_at("data").total_at("total"))
        .filters(Filters::suffixes())
        .filtering(Filtering::Mixed);
    let source = PoolApi::new(pool).table("items", table);
    let table = Table::<PoolApi, EmptyEntity>::new("items", source)
        .with_column_of::<i64>("id")
        .with_column_of::<Option<f64>>("x")
        .with_column_of::<Option<String>>("t")
        .with_column_of::<Option<bool>>("b")
        .with_condition(ApiCondition::gt("id", 20));
    let context = SessionContext::new_with_config(config());
    context.register_table("items", Arc::new(ApiTableProvider::of(table))).unwrap();
    assert_eq!(found(&context, "SELECT count(*), min(id) FROM items").await, ["20 | 21"]);
    assert!(api.asked().iter().all(|url| url.contains("id__gt=20")));
    let some = found(&context, "SELECT id, x FROM items WHERE x <= 7 AND x > 6").await;
    assert!(
        some.iter().all(|row| row.starts_with("25")
            || row.starts_with("26")
            || row.starts_with("27")
            || row.starts_with("28")),
        "{some:?}"
    );
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains("x__lte=7") && asked[0].contains("x__gt=6"), "{asked:?}");
}

#[tokio::test]
async fn a_placeholder_that_the_table_fills_itself_is_no_column() {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("cities", vec![serde_json::json!({ "name": "Vaduz", "country": "li" })]);
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let source = PoolApi::new(pool).envelope(Envelope::items_at("data").total_at("total"));
    let table = Table::<PoolApi, EmptyEntity>::new("countries/{country}/cities", source)
        .with_column_of::<String>("name")
        .with_condition(ApiCondition::eq("country", "li"));
    let context = SessionContext::new_with_config(config());
    context.register_table("cities", Arc::new(ApiTableProvider::of(table))).unwrap();
    assert_eq!(found(&context, "SELECT * FROM cities").await, ["Vaduz"]);
    assert!(api.asked()[0].starts_with("GET /v1/countries/li/cities"));
}
