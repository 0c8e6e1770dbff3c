//! Relations between tables of an API, from a row and from a set.

use crate::support::{
    hostile::{Answer, Hostile, HostileServer, Log, Seen, Shape},
    soon,
};
use ciborium::Value;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use vantage_api_pool::{
    AwwPool, PoolApi,
    vantage::{ApiCondition, Filtering, PoolTableExt},
};
use vantage_dataset::{ActiveRecordSet, prelude::*};
use vantage_table::{pagination::Pagination, prelude::GetRefExt, table::Table};
use vantage_types::{EmptyEntity, Record};

type Rows = Table<PoolApi, EmptyEntity>;

/// Countries 1 to 12, each with a capital, and three cities for each: by a path
/// below the country and by a parameter. Pages have ten rows at most.
fn geography() -> Hostile {
    let countries = (1..=12).map(|id| {
        json!({ "id": id, "name": format!("country {id}"), "capital_id": id * 10, "continent": id % 2 })
    });
    let cities = (1..=12).flat_map(|country| {
        (0..3).map(move |n| {
            json!({ "id": country * 10 + n, "name": format!("city {country}.{n}"), "country_id": country })
        })
    });
    let cities: Vec<_> = cities.collect();
    Hostile::with_rows(countries.collect())
        .at("/countries")
        .collection("/countries/{country_id}/cities", cities.clone())
        .collection("/cities", cities)
}

fn api(server: &HostileServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.url()).build().unwrap())
}

fn cities(path: &'static str) -> impl Fn(PoolApi) -> Rows + Clone {
    move |api| {
        Table::new(path, api)
            .with_id_column("id")
            .with_column_of::<String>("name")
            .with_column_of::<i64>("country_id")
            .with_one("country", "country_id", countries)
    }
}

fn countries(api: PoolApi) -> Rows {
    Table::new("countries", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("capital_id")
        .with_column_of::<i64>("continent")
        .with_many("cities", "country_id", cities("countries/{country_id}/cities"))
        .with_many("listed_cities", "country_id", cities("cities"))
        .with_one("capital", "capital_id", cities("cities"))
}

fn narrowed(table: Rows, conditions: impl IntoIterator<Item = ApiCondition>) -> Rows {
    conditions.into_iter().fold(table, Table::with_condition)
}

async fn ids(table: &Rows) -> Vec<String> {
    soon("the list", table.list_values()).await.unwrap().into_keys().collect()
}

fn cities_of(countries: impl IntoIterator<Item = u64>) -> Vec<String> {
    countries
        .into_iter()
        .flat_map(|country| (0..3).map(move |n| (country * 10 + n).to_string()))
        .collect()
}

fn row(fields: &[(&str, Value)]) -> Record<Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn accept_45_a_has_many_from_a_row_fills_the_placeholder_or_the_parameter() {
    let server = geography().start();
    let countries = countries(api(&server));
    let parent = row(&[("id", 7.into())]);
    for (relation, path) in [("cities", "/countries/7/cities"), ("listed_cities", "/cities")] {
        let children: Rows = countries.get_ref_from_row(relation, &parent).unwrap();
        assert_eq!(ids(&children).await, cities_of([7]));
        assert_eq!(server.log(|log| log.to(path).len()), 1, "{relation}");
    }
    assert_eq!(
        server.log(|log| log.to("/cities")[0].param("country_id").map(str::to_owned)).as_deref(),
        Some("7")
    );
}

#[tokio::test]
async fn accept_45_a_has_one_from_a_row_narrows_the_id_of_the_target() {
    let server = geography().start();
    let capital: Rows = countries(api(&server))
        .get_ref_from_row("capital", &row(&[("capital_id", 70.into())]))
        .unwrap();
    assert_eq!(ids(&capital).await, ["70"]);
    assert_eq!(server.log(|log| log.seen[0].param("id").map(str::to_owned)).as_deref(), Some("70"));
}

#[tokio::test]
async fn accept_45_a_loaded_record_leads_to_its_relations_and_back() {
    let server = geography().start();
    let countries = countries(api(&server).item_endpoints(true));
    let germany = soon("the record", countries.get_value_record("3")).await.unwrap().unwrap();
    let children = germany.get_ref::<EmptyEntity>("cities").unwrap();
    assert_eq!(ids(&children).await, cities_of([3]));
    let city = soon("the city", children.get_value_record("31")).await.unwrap().unwrap();
    let country = city.get_ref::<EmptyEntity>("country").unwrap();
    assert_eq!(ids(&country).await, ["3"]);
}

#[tokio::test]
async fn accept_46_the_set_related_to_a_set_covers_all_parents_in_their_order() {
    let server = geography().start();
    let countries = countries(api(&server));
    let all = countries.get_ref_as::<EmptyEntity>("cities").unwrap();
    assert_eq!(ids(&all).await, cities_of(1..=12));
    let odd = narrowed(countries.clone(), [ApiCondition::eq("continent", 1)]);
    let odd = odd.get_ref_as::<EmptyEntity>("cities").unwrap();
    assert_eq!(ids(&odd).await, cities_of([1, 3, 5, 7, 9, 11]));
    let streamed: Vec<String> =
        soon("the stream", odd.stream_values().map_ok(|(id, _)| id).try_collect()).await.unwrap();
    assert_eq!(streamed, cities_of([1, 3, 5, 7, 9, 11]));
    let named = narrowed(odd, [ApiCondition::eq("name", "city 3.1")]);
    assert_eq!(ids(&named).await, ["31"]);
    assert!(soon("no row", named.get_value("32")).await.unwrap().is_none());
}

#[tokio::test]
async fn accept_46_a_set_related_by_a_parameter_or_an_id_covers_all_parents() {
    let server = geography().start();
    let api = api(&server).filtering(Filtering::Local);
    let even = narrowed(countries(api), [ApiCondition::eq("continent", 0)]);
    let listed = even.get_ref_as::<EmptyEntity>("listed_cities").unwrap();
    assert_eq!(ids(&listed).await, cities_of([2, 4, 6, 8, 10, 12]));
    let capitals = even.get_ref_as::<EmptyEntity>("capital").unwrap();
    assert_eq!(ids(&capitals).await, ["20", "40", "60", "80", "100", "120"]);
}

#[tokio::test]
async fn accept_46_an_api_that_takes_no_lists_is_asked_once_for_each_parent() {
    let server = geography().start();
    let first = Pagination::window(0, 3);
    let parents = countries(api(&server)).with(|table| table.set_pagination(Some(first)));
    let listed = parents.get_ref_as::<EmptyEntity>("listed_cities").unwrap();
    assert_eq!(ids(&listed).await, cities_of([1, 2, 3]));
    let mut asked = server.log(|log| {
        let country = |seen: &&Seen| seen.param("country_id").unwrap_or_default().to_owned();
        log.to("/cities").iter().map(country).collect::<Vec<_>>()
    });
    asked.sort();
    assert_eq!(asked, ["1", "2", "3"]);
    assert_eq!(soon("the count", listed.get_count()).await.unwrap(), 9);
}

#[tokio::test]
async fn accept_46_the_parents_of_a_set_of_children_are_each_asked_for_once() {
    let server = geography().start();
    let cities = cities("cities")(api(&server).filtering(Filtering::Local));
    let parents = cities.get_ref_as::<EmptyEntity>("country").unwrap();
    assert_eq!(ids(&parents).await.len(), 12);
    let again = parents.get_ref_as::<EmptyEntity>("cities").unwrap();
    assert_eq!(ids(&again).await, cities_of(1..=12));
    for country in 1..=12 {
        let path = format!("/countries/{country}/cities");
        assert_eq!(server.log(|log| log.to(&path).len()), 1, "{path}");
    }
}

#[tokio::test]
async fn accept_46_a_set_without_parents_sends_nothing_for_the_children() {
    let server = geography().start();
    let none = narrowed(countries(api(&server)), [ApiCondition::eq("id", 77)]);
    for relation in ["cities", "listed_cities", "capital"] {
        let children = none.get_ref_as::<EmptyEntity>(relation).unwrap();
        assert_eq!(ids(&children).await, [""; 0]);
        assert_eq!(soon("the count", children.get_count()).await.unwrap(), 0);
        assert!(soon("a row", children.get_some_value()).await.unwrap().is_none());
        assert!(soon("the row", children.get_value("10")).await.unwrap().is_none());
    }
    assert!(server.log(|log| log.seen.iter().all(|seen| seen.path == "/countries")));
}

#[tokio::test]
async fn accept_46_counts_windows_and_single_rows_of_a_set_over_parents_are_right() {
    let server = geography().start();
    let odd = narrowed(countries(api(&server)), [ApiCondition::eq("continent", 1)]);
    let children = odd.get_ref_as::<EmptyEntity>("cities").unwrap();
    assert_eq!(soon("the count", children.get_count()).await.unwrap(), 18);
    let expected = cities_of([1, 3, 5, 7, 9, 11]);
    for (skip, limit) in [(0, 1), (2, 5), (3, 3), (15, 10), (18, 4), (0, 100)] {
        let window = Pagination::window(skip, limit);
        let window = children.clone().with(|table| table.set_pagination(Some(window)));
        let rows = expected.iter().skip(skip as usize).take(limit as usize);
        assert_eq!(ids(&window).await, rows.cloned().collect::<Vec<_>>(), "[{skip}, +{limit})");
    }
    let some = soon("a row", children.get_some_value()).await.unwrap().map(|(id, _)| id);
    assert_eq!(some.as_deref(), Some("10"));
    for (id, is_there) in [("71", true), ("20", false), ("999", false)] {
        let found = soon("the row", children.get_value(id)).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{id}");
    }
}

#[tokio::test]
async fn accept_46_a_failure_names_the_parent_and_follows_the_rows_before_it() {
    let cities: Vec<_> =
        [1, 3].map(|country| json!({ "id": country * 10, "country_id": country })).into();
    let countries_of =
        [1, 2, 3].map(|id| json!({ "id": id, "name": "", "capital_id": 0, "continent": 1 }));
    let server = Hostile::with_rows(countries_of.into())
        .at("/countries")
        .collection("/countries/1/cities", cities[..1].to_vec())
        .collection("/countries/3/cities", cities[1..].to_vec())
        .start();
    let children = countries(api(&server)).get_ref_as::<EmptyEntity>("cities").unwrap();
    let error = soon("the list", children.list_values()).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.context["parent"], "country_id = 2");
    let items: Vec<_> = soon("the stream", children.stream_values().collect()).await;
    assert_eq!(items.len(), 2);
    assert!(items[0].is_ok() && items[1].is_err());
}

#[tokio::test]
async fn accept_46_a_failure_of_the_parents_names_the_relation_and_sends_nothing_for_children() {
    let server = geography().on_page(2, Answer::Status(500)).start();
    let children = countries(api(&server)).get_ref_as::<EmptyEntity>("cities").unwrap();
    let error = soon("the list", children.list_values()).await.unwrap_err();
    assert_eq!(error.context["related"], "country_id IN (id of countries)");
    assert_eq!(error.context["status"], "500");
    assert!(server.log(|log| log.seen.iter().all(|seen| seen.path == "/countries")));
}

#[tokio::test]
async fn accept_46_a_row_that_several_parents_have_is_there_once_and_another_row_is_an_error() {
    let member = |id: u32, name: &str| json!({ "id": id, "name": name });
    let teams = vec![json!({ "id": 1 }), json!({ "id": 2 })];
    let start = |second: Vec<serde_json::Value>| {
        Hostile::with_rows(teams.clone())
            .at("/teams")
            .collection("/teams/1/members", vec![member(1, "Ada"), member(2, "Bob")])
            .collection("/teams/2/members", second)
            .start()
    };
    let members = |api: PoolApi| {
        let members = |api| Rows::new("teams/{team}/members", api).with_id_column("id");
        let teams =
            Rows::new("teams", api).with_id_column("id").with_many("members", "team", members);
        teams.get_ref_as::<EmptyEntity>("members").unwrap()
    };
    let server = start(vec![member(2, "Bob"), member(3, "Cyd")]);
    let api_of = api(&server);
    let children = members(api_of.clone());
    assert_eq!(ids(&children).await, ["1", "2", "3"]);
    assert_eq!(api_of.duplicate_rows(), 1);
    let window = soon("a window", children.list_window(2, 5)).await.unwrap();
    assert_eq!(window.into_keys().collect::<Vec<_>>(), ["3"]);
    assert_eq!(soon("the count", children.get_count()).await.unwrap(), 3);

    let server = start(vec![member(1, "Zoe")]);
    let error = soon("the list", members(api(&server)).list_values()).await.unwrap_err();
    assert_eq!((&*error.context["id"], &*error.context["parent"]), ("\"1\"", "team = 2"));
}

#[tokio::test]
async fn accept_46_children_are_fetched_in_parallel_and_never_more_than_the_prefetch() {
    let server = geography().closed_below("/countries/").start();
    let children = countries(api(&server).prefetch(3)).get_ref_as::<EmptyEntity>("cities").unwrap();
    let (ids, ()) = tokio::join!(ids(&children), server.open_all_at("three parents at once", 3));
    assert_eq!(ids.len(), 36);
    assert_eq!(server.log(|log| log.max_in_flight), 3);
}

#[tokio::test]
async fn accept_46_a_consumer_that_stops_stops_the_requests_for_further_parents() {
    let server = geography().start();
    let children = countries(api(&server).prefetch(2)).get_ref_as::<EmptyEntity>("cities").unwrap();
    let first: Vec<_> = soon("four rows", children.stream_values().take(4).collect()).await;
    assert_eq!(first.len(), 4);
    let asked = |log: &Log| log.seen.iter().filter(|seen| seen.path.ends_with("/cities")).count();
    assert!(server.log(asked) <= 5, "{:?}", server.log(Log::summary));
}

#[tokio::test]
async fn accept_46_null_keys_have_no_children_and_a_column_that_no_row_has_is_an_error() {
    let rows = [
        json!({ "id": 1, "boss": null }),
        json!({ "id": 2, "boss": 1 }),
        json!({ "id": 3, "boss": 1 }),
    ];
    let server = Hostile::with_rows(rows.into()).at("/people").start();
    let people = |api| Rows::new("people", api).with_id_column("id");
    let table =
        people(api(&server)).with_one("boss", "boss", people).with_one("lost", "bos", people);
    assert_eq!(ids(&table.get_ref_as("boss").unwrap()).await, ["1"]);
    let lost: Rows = table.get_ref_as("lost").unwrap();
    let error = soon("the list", lost.list_values()).await.unwrap_err();
    assert!(error.is_incorrect_usage(), "{error}");
    assert_eq!(error.context["related"], "id IN (bos of people)");
}

#[tokio::test]
async fn accept_46_the_hooks_of_the_parents_see_the_read() {
    let server = geography().start();
    let refuse = vantage_table::table::select_hook(|_| {
        Box::pin(async { Err(vantage_core::VantageError::other("not now")) })
    });
    let countries =
        countries(api(&server)).with_hook(vantage_table::prelude::Hook::BeforeSelect(refuse));
    let children = countries.get_ref_as::<EmptyEntity>("cities").unwrap();
    assert!(soon("the list", children.list_values()).await.is_err());
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn accept_46_several_values_of_a_placeholder_are_read_as_one_set_whatever_their_shape() {
    let server = geography().shape(Shape::Table).start();
    let api = api(&server).wrapped_by_table_name();
    let table = narrowed(
        cities("countries/{country_id}/cities")(api),
        [ApiCondition::is_in("country_id", [9, 2, 9])],
    );
    assert_eq!(ids(&table).await, cities_of([9, 2]));
}

#[tokio::test]
async fn accept_47_an_unknown_relation_is_an_error_before_any_request() {
    let server = geography().start();
    let countries = countries(api(&server));
    assert!(countries.get_ref_as::<EmptyEntity>("rivers").is_err());
    assert!(countries.get_ref_from_row::<EmptyEntity>("rivers", &row(&[])).is_err());
    assert!(countries.get_ref_from_row::<EmptyEntity>("capital", &row(&[])).is_err());
    assert_eq!(server.log(|log| log.seen.len()), 0);
}
