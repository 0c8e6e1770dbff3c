//! What becomes of the values of an item on their way into a record or an entity, and back.

use std::{future::Future, net::IpAddr};

use chrono::{DateTime, NaiveDate, Utc};
use ciborium::Value;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, ColumnConditions, Filtering, PoolTableExt, Sorting, Writes},
};
use vantage_dataset::prelude::*;
use vantage_expressions::Expression;
use vantage_table::{column::core::Column, sorting::OrderBy, table::Table};
use vantage_types::EmptyEntity;

use wiremock::{
    Mock, MockServer,
    matchers::{path, query_param},
};

use crate::support::{
    mock::{self, Pages, json_text, numbered, param},
    rest::{Habits, RestServer},
    soon,
};

type Rows = Table<PoolApi, EmptyEntity>;

fn api(server: &MockServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.uri()).build().unwrap())
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a read or a write", work).await
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Host {
    id: Uuid,
    address: IpAddr,
    fallback: Option<IpAddr>,
    load: f64,
    share: Option<f32>,
    memory: u64,
    delta: i64,
    price: Decimal,
    since: NaiveDate,
    seen: DateTime<Utc>,
}

fn hosts(api: PoolApi) -> Table<PoolApi, Host> {
    Table::new("rows", api)
        .with_column_of::<Uuid>("id")
        .with(|table| table.set_id_field("id"))
        .with_column_of::<IpAddr>("address")
        .with_column_of::<Option<IpAddr>>("fallback")
        .with_column_of::<f64>("load")
        .with_column_of::<Option<f32>>("share")
        .with_column_of::<u64>("memory")
        .with_column_of::<i64>("delta")
        .with_column_of::<Decimal>("price")
        .with_column_of::<NaiveDate>("since")
        .with_column_of::<DateTime<Utc>>("seen")
}

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn host() -> Host {
    Host {
        id: Uuid::try_parse(ID).unwrap(),
        address: "10.0.0.7".parse().unwrap(),
        fallback: Some("::1".parse().unwrap()),
        load: 7.0,
        share: Some(1.0),
        memory: u64::MAX,
        delta: -3,
        price: "1234567890123456.7800".parse().unwrap(),
        since: "2024-02-29".parse().unwrap(),
        seen: "2024-02-29T12:30:00.250Z".parse().unwrap(),
    }
}

/// As an API may send it: whole numbers for floats, floats for whole numbers.
fn host_page() -> String {
    format!(
        r#"{{"data":[{{"id":"{ID}","address":"10.0.0.7","fallback":"::1","load":7,"share":1,
            "memory":18446744073709551615,"delta":-3.0,"price":1234567890123456.7800,
            "since":"2024-02-29","seen":"2024-02-29T13:30:00.25+01:00"}}],
            "pagination":{{"page":1,"per_page":10,"total":1}}}}"#
    )
}

#[tokio::test]
async fn accept_42_fields_of_every_declared_type_read_what_json_has() {
    let server = mock::answering(json_text(host_page())).await;
    for filtering in [Filtering::Server, Filtering::Checked] {
        let table = hosts(api(&server).filtering(filtering));
        let expected = host();
        assert_eq!(within(table.list()).await.unwrap()[ID], expected);
        assert_eq!(within(table.get(ID)).await.unwrap(), Some(expected.clone()));
        assert_eq!(within(table.get_some()).await.unwrap().unwrap().1, expected);
        let narrowed = table.clone().with_condition(ApiCondition::eq("address", "10.0.0.7"));
        assert_eq!(within(narrowed.list()).await.unwrap().len(), 1, "{filtering:?}");
    }
    let price = &within(hosts(api(&server)).list_values()).await.unwrap()[ID]["price"];
    assert_eq!(price, &Value::from("1234567890123456.7800"));
}

#[tokio::test]
async fn accept_42_fields_of_every_declared_type_are_written_as_json_has_them() {
    let server = RestServer::start(Habits::default(), Vec::new()).await;
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let table = hosts(PoolApi::new(pool).writes(Writes::rest()));
    let stored = within(table.insert(ID, &host())).await.unwrap();
    assert_eq!(stored, host());
    let row = server.row(ID).unwrap();
    assert_eq!((&row["address"], &row["fallback"]), (&json!("10.0.0.7"), &json!("::1")));
    assert_eq!((&row["memory"], &row["load"]), (&json!(u64::MAX), &json!(7.0)));
    assert_eq!(row["price"], "1234567890123456.7800");
    assert_eq!(within(table.list()).await.unwrap()[ID], host());
}

#[tokio::test]
async fn accept_41_integers_keep_their_digits_up_to_64_bits() {
    let rows =
        vec![json!({ "id": u64::MAX, "n": i64::MIN }), json!({ "id": 1, "n": (1_u64 << 53) + 1 })];
    let server = mock::answering(Pages(rows)).await;
    let rows = within(Rows::new("rows", api(&server)).with_id_column("id").list_values()).await;
    let rows = rows.unwrap();
    assert_eq!(rows["18446744073709551615"]["id"], Value::from(u64::MAX));
    assert_eq!(rows["18446744073709551615"]["n"], Value::from(i64::MIN));
    assert_eq!(rows["1"]["n"], Value::from((1_u64 << 53) + 1));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Country {
    name: String,
    population: u64,
    capital: Option<String>,
}

fn countries(api: PoolApi) -> Table<PoolApi, Country> {
    let aliased = ApiTable::new()
        .alias("population", "stats.people.total")
        .alias("capital", "cities\\.first")
        .writes(Writes::rest().patch_by_merge_patch());
    Table::new("rows", api.table("rows", aliased))
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<u64>("population")
        .with_column_of::<Option<String>>("capital")
}

fn country(id: &str, population: u64) -> serde_json::Value {
    json!({
        "id": id,
        "name": id.to_uppercase(),
        "population": "not this",
        "cities.first": format!("{id}-ville"),
        "stats": { "people": { "total": population }, "area": 1 },
    })
}

#[tokio::test]
async fn accept_43_an_aliased_column_is_read_from_its_place_in_the_item() {
    let server = RestServer::start(
        Habits::default(),
        vec![country("a", 7), country("b", 8), country("c", 9)],
    )
    .await;
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let table = countries(PoolApi::new(pool));
    let list = within(table.list()).await.unwrap();
    let expected = Country { name: "B".into(), population: 8, capital: Some("b-ville".into()) };
    assert_eq!(list["b"], expected);
    assert_eq!(within(table.get("b")).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn accept_43_a_condition_on_an_aliased_column_names_its_place_and_filters_by_it() {
    let server = RestServer::start(
        Habits::default(),
        vec![country("a", 7), country("b", 8), country("c", 9)],
    )
    .await;
    for filtering in [Filtering::Server, Filtering::Checked, Filtering::Local] {
        let pool = AwwPool::builder(server.url()).build().unwrap();
        let table = countries(PoolApi::new(pool).filtering(filtering));
        let eight = table.with_condition(ApiCondition::eq("population", 8));
        let ids: Vec<String> = within(eight.list()).await.unwrap().into_keys().collect();
        assert_eq!(ids, ["b"], "{filtering:?}");
        assert_eq!(within(eight.get_count()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn accept_43_an_order_of_an_aliased_column_names_its_place() {
    let server = mock::answering(Pages(vec![country("a", 7)])).await;
    let api = api(&server).sorting(Sorting::prefixed("sort"));
    for (column, place) in [("population", "-stats.people.total"), ("capital", "-cities.first")] {
        let order = OrderBy::descending(Expression::new(column, vec![]).into());
        let table = countries(api.clone()).with_order(order);
        assert_eq!(within(table.list()).await.unwrap()["a"].population, 7);
        let sort = param(&mock::last(&server).await, "sort");
        assert_eq!(sort.as_deref(), Some(place));
    }
}

#[tokio::test]
async fn accept_43_an_aliased_column_is_written_to_its_place_in_the_item() {
    let server = RestServer::start(Habits::default(), vec![country("a", 7)]).await;
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let table = countries(PoolApi::new(pool));
    let patch = [("population".to_owned(), Value::from(70))].into_iter().collect();
    let patched = within(table.patch_value("a", &patch)).await.unwrap();
    assert_eq!(patched["population"], Value::from(70));
    let row = server.row("a").unwrap();
    assert_eq!(row["stats"], json!({ "people": { "total": 70 }, "area": 1 }));
    assert_eq!(row["population"], "not this");

    let new = Country { name: "N".into(), population: 1, capital: Some("x".into()) };
    assert_eq!(within(table.insert("n", &new)).await.unwrap(), new);
    let expected = json!({ "id": "n", "name": "N", "cities.first": "x", "stats": { "people": { "total": 1 } } });
    assert_eq!(server.row("n").unwrap(), expected);
}

#[tokio::test]
async fn accept_43_a_mistake_in_an_alias_is_loud_before_any_request() {
    let server = mock::serving(5).await;
    for (column, path) in [("nn", "stats.n"), ("n", "stats..n"), ("n", "")] {
        let api = api(&server).table("rows", ApiTable::new().alias(column, path));
        let table = Rows::new("rows", api).with_id_column("id").with_column_of::<i64>("n");
        let error = within(table.list_values()).await.unwrap_err();
        assert!(error.is_incorrect_usage(), "{column}: {error}");
        assert!(error.to_string().contains(column), "{error}");
    }
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn accept_44_a_large_body_is_read_up_to_the_limit_and_refused_beyond_it() {
    let rows: Vec<_> =
        (0..4).map(|id| json!({ "id": id, "text": "x".repeat(1_500_000) })).collect();
    let server = mock::answering(Pages(rows)).await;
    let table = |limit: usize| {
        let pool = AwwPool::builder(server.uri()).max_body_bytes(limit).build().unwrap();
        let api = PoolApi::new(pool).paging(Paging::page_number());
        Rows::new("rows", api.envelope(Envelope::default())).with_id_column("id")
    };
    assert_eq!(within(table(8_000_000).list_values()).await.unwrap().len(), 4);
    let error = within(table(5_000_000).list_values()).await.unwrap_err();
    assert_eq!(error.context["kind"], "body_too_large");
}

async fn streamed<E>(table: &Table<PoolApi, E>) -> Vec<(String, E)>
where
    E: vantage_types::Entity<Value> + serde::de::DeserializeOwned + 'static,
{
    let stream = std::pin::pin!(table.stream_direct());
    within(futures::TryStreamExt::try_collect(stream)).await.unwrap()
}

#[tokio::test]
async fn entities_are_read_from_json_without_declared_columns() {
    let server = mock::answering(json_text(host_page())).await;
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Undeclared {
        id: Uuid,
        address: IpAddr,
        load: f64,
    }
    let table = Table::<PoolApi, Undeclared>::new("rows", api(&server)).with_id_column("id");
    let expected = Undeclared { id: host().id, address: host().address, load: 7.0 };
    assert_eq!(within(table.list()).await.unwrap()[ID], expected);
    assert_eq!(within(table.list_direct()).await.unwrap()[ID], expected);
    assert_eq!(streamed(&table).await, [(ID.to_owned(), expected)]);
    assert_eq!(within(hosts(api(&server)).list_direct()).await.unwrap()[ID], host());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    name: String,
    n: i64,
}

#[tokio::test]
async fn entities_are_those_of_the_records_whatever_narrows_orders_and_windows_the_table() {
    let server = mock::serving(45).await;
    let plain = |api: PoolApi| {
        Table::<PoolApi, Entry>::new("rows", api).with_id_column("id").with_column_of::<i64>("n")
    };
    let local = || api(&server).filtering(Filtering::Local);
    let n = Column::<i64>::new("n");
    let mut window = plain(api(&server));
    window.set_pagination(Some(vantage_table::pagination::Pagination::window(17, 9)));
    let aliased = ApiTable::new().alias("n", "n");
    let descending = OrderBy::descending(Expression::new("n", vec![]).into());
    let tables = [
        (plain(api(&server)), 45),
        (plain(api(&server)).with_condition(ApiCondition::eq("n", 7)), 1),
        (plain(local()).with_condition(n.gt(20)), 24),
        (plain(api(&server)).with_condition(ApiCondition::is_in("n", [""; 0])), 0),
        (window, 9),
        (plain(api(&server).table("rows", aliased)), 45),
        (plain(api(&server).sorting(Sorting::none().on_rows(true))).with_order(descending), 45),
    ];
    for (index, (table, length)) in tables.into_iter().enumerate() {
        let records: Vec<_> = within(table.list()).await.unwrap().into_iter().collect();
        assert_eq!(records.len(), length, "{index}");
        let list: Vec<_> = within(table.list_direct()).await.unwrap().into_iter().collect();
        assert_eq!(list, records, "{index}");
        assert_eq!(streamed(&table).await, records, "{index}");
    }
}

/// Rows of which the one at `index` has the id of the one before it.
fn with_id_twice(index: usize) -> Vec<serde_json::Value> {
    let mut rows = numbered(0..25);
    rows[index]["id"] = rows[index - 1]["id"].clone();
    rows
}

#[tokio::test]
async fn accept_40_entities_get_keys_and_are_counted_like_records() {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Named {
        name: String,
    }
    let table = |server: &MockServer| {
        Table::<PoolApi, Named>::new("rows", api(server)).with_id_column("id")
    };
    let nameless = (0..25).map(|n| json!({ "name": format!("row {n}") })).collect();
    let server = mock::answering(Pages(nameless)).await;
    let keys: Vec<String> =
        within(table(&server).list_direct()).await.unwrap().into_keys().collect();
    assert_eq!(keys, (0..25).map(|position| format!("~row:{position}")).collect::<Vec<_>>());

    let server = mock::answering(Pages(with_id_twice(15))).await;
    let error = within(table(&server).list_direct()).await.unwrap_err();
    assert!(error.to_string().contains("\"14\""), "{error}");

    let server = mock::answering(Pages(with_id_twice(10))).await;
    let table = table(&server);
    assert_eq!(within(table.list()).await.unwrap()["9"].name, "row 9");
    assert_eq!(table.data_source().duplicate_rows(), 1);
    assert_eq!(within(table.list_direct()).await.unwrap().len(), 24);
    assert_eq!(table.data_source().duplicate_rows(), 2);
}

#[tokio::test]
async fn entities_end_with_the_error_of_their_page_and_respect_hooks() {
    let server = mock::server().await;
    Mock::given(path("/rows"))
        .and(query_param("page", "3"))
        .respond_with(json_text(r#"{"data":[{"id":[]}]}"#))
        .mount(&server)
        .await;
    Mock::given(path("/rows")).respond_with(Pages(numbered(0..45))).mount(&server).await;
    let table = Table::<PoolApi, Entry>::new("rows", api(&server)).with_id_column("id");
    let items: Vec<_> = within(futures::StreamExt::collect::<Vec<_>>(table.stream_direct())).await;
    assert_eq!(items.len(), 21);
    let error = items.into_iter().next_back().unwrap().unwrap_err();
    assert_eq!((error.context["kind"].as_str(), error.context["page"].as_str()), ("decode", "3"));

    let server = mock::serving(5).await;
    let refuse = vantage_table::table::select_hook(|_| {
        Box::pin(async { Err(vantage_core::VantageError::other("not now")) })
    });
    let table = Table::<PoolApi, Entry>::new("rows", api(&server))
        .with_id_column("id")
        .with_hook(vantage_table::prelude::Hook::BeforeSelect(refuse));
    assert!(within(table.list_direct()).await.is_err());
    let lazy = Table::<PoolApi, Entry>::new("rows", api(&server))
        .with_id_column("id")
        .with_lazy_expression("twice", |_| async { Ok(Value::from(2)) });
    assert!(within(lazy.list_direct()).await.unwrap_err().is_unsupported());
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn rows_are_ordered_and_compared_by_what_the_api_sends() {
    let addresses = ["10.0.0.8", "10.0.0.9", "10.0.0.7"];
    let row = |(id, address): (usize, &&str)| json!({ "id": id, "address": address });
    let server = mock::answering(Pages(addresses.iter().enumerate().map(row).collect())).await;
    let table = Rows::new("rows", api(&server).sorting(Sorting::none().on_rows(true)))
        .with_id_column("id")
        .with_column_of::<IpAddr>("address");
    let address = table["address"].clone();
    for (by, expected) in
        [(address.ascending(), ["2", "0", "1"]), (address.descending(), ["1", "0", "2"])]
    {
        let ordered = table.clone().with_order(by);
        let keys: Vec<_> = within(ordered.list_values()).await.unwrap().into_keys().collect();
        assert_eq!(keys, expected);
    }
    let least = within(table.get_min(&address)).await.unwrap();
    let greatest = within(table.get_max(&address)).await.unwrap();
    for (extreme, expected) in [(least, "10.0.0.7"), (greatest, "10.0.0.9")] {
        assert_eq!(extreme.deserialized::<IpAddr>().unwrap().to_string(), expected);
    }
}
