//! The gateway read and written by this project's own client, which is hard to please: it reads
//! sets to their end and refuses those with signs of missing rows.

use ciborium::Value;
use futures::TryStreamExt;
use serde_json::json;
use vantage_api_gateway::{Ops, TableConfig};
use vantage_api_pool::{
    AwwPool, Paging, PoolApi,
    tokens::{StaticTokens, bearer},
    vantage::{ApiCondition, Filters, Lists, Operator, Sorting, Writes},
};
use vantage_dataset::traits::{ReadableValueSet, WritableValueSet};
use vantage_table::{
    sorting::{OrderBy, SortDirection},
    table::Table,
};
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{LONG, Served, cities_mock, city, closed, text};

type Cities = Table<PoolApi, EmptyEntity>;

fn served(rows: usize) -> (MockShell, Served) {
    let mock = cities_mock();
    for id in 11..=rows {
        mock.set_record(id.to_string(), city(&id.to_string(), "Somewhere", "XX", id as i64));
    }
    let config = TableConfig::new(Vista::new("cities", mock.clone()))
        .page_size(10, 100)
        .operations(Ops::ALL)
        .writable(["id", "name", "country", "population"]);
    (mock, Served::start(closed().table("cities", config)))
}

fn pool(served: &Served) -> AwwPool {
    AwwPool::builder(format!("http://{}/api/v1/tables", served.address))
        .token_source(1, StaticTokens::new(["token-of-ada"]), bearer)
        .attempt_timeout(LONG)
        .build()
        .unwrap()
}

fn api(served: &Served) -> PoolApi {
    let filters = Filters::none()
        .operator(Operator::Eq, "{field}=eq.{value}")
        .operator(Operator::Ne, "{field}=neq.{value}")
        .operator(Operator::Gt, "{field}=gt.{value}")
        .operator(Operator::Lt, "{field}=lt.{value}")
        .operator(Operator::In, "{field}=in.({value})")
        .lists(Lists::Joined);
    PoolApi::new(pool(served))
        .item_endpoints(true)
        .filters(filters)
        .sorting(Sorting::suffixed("order", "."))
        .writes(Writes::rest().etags(true))
}

fn cities(served: &Served) -> Cities {
    Cities::new("cities", api(served))
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<String>("country")
        .with_column_of::<i64>("population")
}

#[tokio::test]
async fn a_stream_of_pages_has_every_row_once_and_in_order() {
    let (_, served) = served(1_234);
    let expected: Vec<String> = (1..=1_234).map(|id| id.to_string()).collect();
    for paging in [
        Paging::default(),
        Paging::page_number().page_size("per_page", 100),
        Paging::offset_limit("offset", "limit", 100),
    ] {
        let rows: Vec<serde_json::Value> =
            pool(&served).stream("cities").paging(paging).prefetch(8).try_collect().await.unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn a_table_is_read_through_the_gateway_as_it_is_behind_it() {
    let (_, served) = served(35);
    let table = cities(&served);
    assert_eq!(table.list_values().await.unwrap().len(), 35);
    let row = table.get_value("7").await.unwrap().unwrap();
    assert_eq!((&row["name"], &row["population"]), (&text("Riga"), &Value::from(605_000)));
    assert!(table.get_value("none").await.unwrap().is_none());
    let mut latvian = table.clone();
    latvian.add_condition(ApiCondition::eq("country", "LV"));
    latvian.add_condition(ApiCondition::gt("population", 60_000));
    latvian.add_order(OrderBy {
        expression: ApiCondition::column("population"),
        direction: SortDirection::Descending,
    });
    let rows = latvian.list_values().await.unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["7", "8"]);
    let mut some = table.clone();
    some.add_condition(ApiCondition::is_in("id", ["1", "20", "35"]));
    assert_eq!(some.list_values().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_table_is_written_through_the_gateway() {
    let (mock, served) = served(10);
    let table = cities(&served);
    let record = |name: &str| {
        Record::from_iter([("name".to_owned(), text(name)), ("country".to_owned(), text("LV"))])
    };
    let stored = table.insert_value("a/b c", &record("Cesis")).await.unwrap();
    assert_eq!(stored["name"], text("Cesis"));
    assert_eq!(mock.get_record("a/b c").unwrap()["name"], text("Cesis"));
    table.replace_value("a/b c", &record("Cēsis")).await.unwrap();
    let partial = Record::from_iter([("population".to_owned(), Value::from(15_000))]);
    let patched = table.patch_value("a/b c", &partial).await.unwrap();
    assert_eq!((&patched["name"], &patched["population"]), (&text("Cēsis"), &Value::from(15_000)));
    table.delete("a/b c").await.unwrap();
    assert!(mock.get_record("a/b c").is_none());
}

#[tokio::test]
async fn a_gateway_over_a_gateway_is_one() {
    let (mock, behind) = served(250);
    let vista = api(&behind).vista_factory().from_table(cities(&behind)).unwrap();
    let config = TableConfig::new(vista)
        .page_size(10, 50)
        .operations(Ops::INSERT | Ops::PATCH | Ops::DELETE)
        .writable(["id", "name", "country", "population"]);
    let served = Served::start(closed().table("cities", config));
    let rows: Vec<serde_json::Value> =
        pool(&served).stream("cities").prefetch(4).try_collect().await.unwrap();
    assert_eq!(rows.len(), 250);
    let table = cities(&served);
    let row = table.get_value("7").await.unwrap().unwrap();
    assert_eq!(row["name"], text("Riga"));
    let partial = Record::from_iter([("name".to_owned(), text("Rīga"))]);
    table.patch_value("7", &partial).await.unwrap();
    assert_eq!(mock.get_record("7").unwrap()["name"], text("Rīga"));
    let blocking = tokio::task::spawn_blocking(move || {
        use crate::support::ADA;
        let page = served.send("GET", "/api/v1/tables/cities?page=3&per_page=7", &[ADA], "").json();
        assert_eq!(page["pagination"]["total"], 250);
        assert_eq!(page["data"][0]["id"], json!("15"));
        let missing = served.send("GET", "/api/v1/tables/cities/none", &[ADA], "");
        assert_eq!(missing.status, 404);
        let lines = [ADA, ("accept", "application/x-ndjson")];
        let stream = served.send("GET", "/api/v1/tables/cities", &lines, "");
        assert_eq!(stream.text().lines().count(), 250);
        drop(served);
    });
    blocking.await.unwrap();
    tokio::task::spawn_blocking(move || drop(behind)).await.unwrap();
}
