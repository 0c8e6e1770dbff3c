//! Tables of an API as Vistas, from typed tables and from YAML.

use std::sync::Arc;

use crate::support::{
    hostile::{Dialect, Form, Hostile, HostileServer, Log, Shape, Sorts, Style, Total},
    rest::{Habits, RestServer},
    soon,
};
use async_trait::async_trait;
use ciborium::Value;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Paging, PoolApi,
    vantage::{ApiCondition, Filtering, Filters, Lists, PoolVistaFactory, Sorting},
};
use vantage_dataset::prelude::*;
use vantage_table::{pagination::Pagination, prelude::Hook, table::Table};
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{
    Capability, Catalog, ColumnFlag, FilterOp, JoinKey, NativeCondition, ReferenceKind,
    SortDirection, Vista, VistaFactory, VistaResolver,
    contract::{self, TxFixture, TxTables},
};

/// Twelve countries and three cities for each, ten rows a page at most.
fn geography() -> Hostile {
    let countries = (1..=12).map(|id| {
        json!({
            "id": id, "name": format!("country {id}"), "continent": id % 2,
            "stats": { "population": id * 1000 },
            "borders": [{ "code": "a", "km": 7 }, { "code": "b", "km": id }],
        })
    });
    let cities = (1..=12).flat_map(|country| {
        (0..3).map(move |n| {
            json!({ "id": country * 10 + n, "name": format!("city {n}"), "country_id": country, "n": n })
        })
    });
    let cities: Vec<_> = cities.collect();
    Hostile::with_rows(countries.collect())
        .at("/countries")
        .collection("/countries/{country_id}/cities", cities.clone())
        .collection("/cities", cities)
}

const YAML: &str = "
name: countries
columns:
  id: { type: int, flags: [id] }
  name: { type: string, flags: [title] }
  continent: { type: int }
references:
  cities: { table: cities, kind: has_many, foreign_key: country_id }
contained:
  borders:
    host_column: borders
    kind: contains_many
    id_column: code
    columns: { code: { type: string }, km: { type: float } }
---
name: cities
api: { endpoint: 'countries/{country_id}/cities' }
columns:
  id: { type: int, flags: [id] }
  name: { type: string, flags: [title] }
  country_id: { type: int }
  n: { type: int }
references:
  country: { table: countries, kind: has_one, foreign_key: country_id }
  namesakes:
    table: all_cities
    kind: has_many
    keys: [{ from: country_id, to: country_id }, { from: n, to: n }]
---
name: all_cities
api: { endpoint: cities }
columns:
  id: { type: int, flags: [id] }
  country_id: { type: int }
  n: { type: int }
";

fn api(server: &HostileServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.url()).build().unwrap())
        .paging(Paging::page_number().page_size("per_page", 10))
}

fn factory(server: &HostileServer) -> PoolVistaFactory {
    api(server).vista_factory().with_yaml(YAML).unwrap()
}

fn countries(api: PoolApi) -> Table<PoolApi, EmptyEntity> {
    let cities = |api| {
        Table::<PoolApi, EmptyEntity>::new("countries/{country_id}/cities", api)
            .with_id_column("id")
    };
    Table::new("countries", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("continent")
        .with_many("cities", "country_id", cities)
}

async fn ids(vista: &Vista) -> Vec<String> {
    soon("the list", vista.list_values()).await.unwrap().into_keys().collect()
}

fn numbers(range: impl IntoIterator<Item = u64>) -> Vec<String> {
    range.into_iter().map(|number| number.to_string()).collect()
}

fn row(fields: &[(&str, Value)]) -> Record<Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn incorrect(error: &vantage_core::VantageError, named: &str) {
    assert!(error.is_incorrect_usage() && error.to_string().contains(named), "{error}");
}

#[tokio::test]
async fn accept_73_what_a_vista_advertises_works_on_a_server_with_small_pages() {
    let server = geography().start();
    let local = api(&server).filtering(Filtering::Local);
    let unpaged = api(&server).paging(Paging::page_number());
    for api in [api(&server), local, unpaged] {
        let factory = api.vista_factory().with_yaml(YAML).unwrap();
        contract::check_advertised(&factory.build("countries").unwrap()).await;
        contract::check_advertised(&factory.build("all_cities").unwrap()).await;
        contract::check_advertised(&factory.from_table(countries(api)).unwrap()).await;
    }
}

#[tokio::test]
async fn accept_73_a_clone_owns_its_narrowing() {
    let server = geography().start();
    let cities = factory(&server).build("all_cities").unwrap();
    contract::check_clone(&cities, "country_id", 3.into()).await;
    let typed = factory(&server).from_table(countries(api(&server))).unwrap();
    contract::check_clone(&typed, "continent", 1.into()).await;
}

/// An API has no transactions: what is written in one is written at once.
struct Untransacted(HostileServer);

#[async_trait]
impl TxFixture for Untransacted {
    async fn fresh(&self) -> TxTables {
        let factory = factory(&self.0);
        TxTables::new(factory.build("countries").unwrap(), factory.build("all_cities").unwrap())
    }

    async fn fresh_pool_of_one(&self) -> TxTables {
        self.fresh().await
    }

    fn detects_deadlocks(&self) -> bool {
        false
    }

    fn supports_transactions(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn accept_73_a_transaction_passes_through() {
    contract::check_transactions(&Untransacted(geography().start())).await;
}

#[tokio::test]
async fn accept_73_lists_gets_counts_and_windows_hold_the_rows_of_the_set() {
    let server = geography().start();
    let factory = factory(&server);
    for vista in
        [factory.build("countries").unwrap(), factory.from_table(countries(api(&server))).unwrap()]
    {
        assert_eq!((vista.name(), vista.id_column()), ("countries", Some("id")));
        assert_eq!(ids(&vista).await, numbers(1..=12));
        assert_eq!(soon("the count", vista.count()).await.unwrap(), 12);
        let found = soon("the row", vista.get_value("11")).await.unwrap().unwrap();
        assert_eq!(found["name"], "country 11".into());
        assert!(soon("no row", vista.get_value("99")).await.unwrap().is_none());
        for (offset, limit) in [(0, 1), (0, 5), (3, 4), (8, 10), (10, 2), (12, 3), (0, 50)] {
            let page = soon("the window", vista.fetch_window(offset, limit)).await.unwrap();
            let rows: Vec<String> = page.rows.into_iter().map(|(id, _)| id).collect();
            assert_eq!(rows, numbers((1..=12).skip(offset).take(limit)), "[{offset}, +{limit})");
        }
    }
}

#[tokio::test]
async fn accept_73_a_window_brings_the_total_of_its_answer_and_one_without_rows_sends_nothing() {
    let server = geography().start();
    let vista = factory(&server).build("countries").unwrap();
    let page = soon("the window", vista.fetch_window(10, 10)).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (2, Some(12)));
    assert_eq!(server.log(Log::pages), [2]);
    let page = soon("the window", vista.fetch_window(3, 0)).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (0, None));
    assert_eq!(server.log(Log::pages), [2]);
}

#[tokio::test]
async fn accept_73_what_the_settings_cannot_do_is_not_advertised() {
    let server = geography().start();
    let mut vista = factory(&server).build("countries").unwrap();
    let advertised: Vec<_> = vista.capabilities().iter().collect();
    assert_eq!(
        advertised,
        [Capability::NativeConditions, Capability::Window, Capability::Traverse]
    );
    assert!(vista.set_search(Some("x")).unwrap_err().is_unsupported());
    assert!(
        soon("the write", vista.insert_value("1", &row(&[]))).await.unwrap_err().is_unsupported()
    );
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn accept_73_operators_are_evaluated_on_the_rows_where_the_settings_say_so() {
    let server = geography().start();
    let local = api(&server).filtering(Filtering::Local).vista_factory().with_yaml(YAML).unwrap();
    let countries = local.build("countries").unwrap();
    assert!(countries.capabilities().has(Capability::FilterOps));
    let list = |values: &[u64]| Value::Array(values.iter().map(|n| (*n).into()).collect());
    for (column, op, value, expected) in [
        ("id", FilterOp::Ne, 1.into(), numbers(2..=12)),
        ("id", FilterOp::Gt, 10.into(), numbers(11..=12)),
        ("id", FilterOp::Gte, 10.into(), numbers(10..=12)),
        ("id", FilterOp::Lt, 3.into(), numbers(1..=2)),
        ("id", FilterOp::Lte, 3.into(), numbers(1..=3)),
        ("id", FilterOp::InSet, list(&[7, 3]), numbers([3, 7])),
        ("id", FilterOp::NotInSet, list(&[2, 3, 4, 5, 6, 7, 8]), numbers([1, 9, 10, 11, 12])),
        ("name", FilterOp::Like, "COUNTRY 1".into(), numbers([1, 10, 11, 12])),
    ] {
        let narrowed = countries.clone().with_condition(column, op, value).unwrap();
        assert_eq!(ids(&narrowed).await, expected, "{column} {op:?}");
        assert_eq!(soon("the count", narrowed.count()).await.unwrap(), expected.len() as i64);
    }
}

#[tokio::test]
async fn accept_73_an_order_is_set_replaced_and_taken_back() {
    let server = geography().start();
    let api = api(&server).sorting(Sorting::none().on_rows(true));
    let factory = api.vista_factory().with_yaml(YAML).unwrap();
    let mut countries = factory.build("countries").unwrap();
    contract::check_advertised(&countries).await;
    countries.set_order(Some(("name", SortDirection::Descending))).unwrap();
    let by_name = ids(&countries).await;
    assert_eq!((&*by_name[0], &*by_name[11]), ("9", "1"));
    countries.set_order(Some(("id", SortDirection::Descending))).unwrap();
    assert_eq!(ids(&countries).await, numbers((1..=12).rev()));
    countries.set_order(None).unwrap();
    assert_eq!(ids(&countries).await, numbers(1..=12));
    assert!(countries.with_order("nowhere", SortDirection::Ascending).is_err());
}

#[tokio::test]
async fn accept_73_an_api_that_filters_sorts_and_searches_is_asked_to() {
    let server = geography()
        .dialect(Dialect::Suffixes)
        .sorts(Sorts::Prefixed)
        .searches("q")
        .strict()
        .start();
    let api = api(&server)
        .filters(Filters::suffixes().search_param("q"))
        .sorting(Sorting::prefixed("sort").only(["id", "name"]));
    let countries = api.vista_factory().with_yaml(YAML).unwrap().build("countries").unwrap();
    for capability in [Capability::FilterOps, Capability::Order, Capability::Search] {
        assert!(countries.capabilities().has(capability), "{capability}");
    }
    contract::check_advertised(&countries).await;
    let orderable = |name: &str| countries.column(name).unwrap().has_flag(ColumnFlag::Orderable);
    assert_eq!((orderable("name"), orderable("continent")), (true, false));
    let mut some = countries.with_condition("id", FilterOp::Gt, 3).unwrap();
    some.set_order(Some(("id", SortDirection::Descending))).unwrap();
    some.set_search(Some("country 1")).unwrap();
    assert_eq!(ids(&some).await, numbers((10..=12).rev()));
    let query = server.log(|log| log.seen.last().unwrap().query.clone());
    let param = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for pair in [param("id__gt", "3"), param("sort", "-id"), param("q", "country 1")] {
        assert!(query.contains(&pair), "{query:?}");
    }
    some.set_search(None).unwrap();
    assert_eq!(ids(&some).await, numbers((4..=12).rev()));
}

#[tokio::test]
async fn accept_22_pages_that_name_each_other_are_read_by_cursor_and_by_window() {
    let next = "paging.next";
    for (style, yaml) in [
        (Style::Cursor(next), "by: cursor, param: page, next: paging.next"),
        (Style::NextUrl(next, Form::Absolute), "by: next_url, next: paging.next"),
        (Style::Link(Form::Relative), "by: link"),
    ] {
        let server = geography().style(style).total(Total::Absent).without_pagination().start();
        let yaml = format!(
            "name: cities\napi: {{ paging: {{ {yaml}, size_param: per_page, size: 10 }} }}\n\
             columns: {{ id: {{ type: int }}, n: {{ type: int }} }}"
        );
        let api = api(&server).filtering(Filtering::Local);
        let cities = api.vista_factory().from_yaml(&yaml).unwrap();
        assert!(cities.capabilities().has(Capability::Cursor), "{yaml}");
        contract::check_advertised(&cities).await;
        let all = ids(&cities).await;
        assert_eq!(all.len(), 36);
        let few = cities.clone().with_condition("n", FilterOp::Eq, 1).unwrap();
        for (vista, expected) in [(cities.clone(), all.clone()), (few.clone(), ids(&few).await)] {
            for limit in [1, 7, 10, 100] {
                assert_eq!(in_pieces(&vista, limit).await, expected, "{limit} by {yaml}");
            }
        }
        let window = soon("the window", cities.fetch_window(17, 9)).await.unwrap();
        let window: Vec<String> = window.rows.into_iter().map(|(id, _)| id).collect();
        assert_eq!(window, all[17..26]);
        let foreign = soon("no rows", cities.fetch_cursor(Some("x".into()), 3)).await;
        incorrect(&foreign.unwrap_err(), "token");
    }
}

#[tokio::test]
async fn accept_40_one_id_twice_in_one_answer_is_an_error_when_reading_by_cursor_too() {
    let rows = |server: &HostileServer| {
        let api = api(server).paging(Paging::link_header());
        let yaml = "name: rows\ncolumns: { id: { type: int, flags: [id] } }";
        api.vista_factory().from_yaml(yaml).unwrap()
    };
    let server = Hostile::new(25).style(Style::Link(Form::Absolute)).duplicate_id(15).start();
    let error = soon("an error", rows(&server).fetch_cursor(None, 20)).await.unwrap_err();
    assert!(error.to_string().contains("14"), "{error}");
    // On two pages it is a row that has moved.
    let server = Hostile::new(25).style(Style::Link(Form::Absolute)).duplicate_id(10).start();
    assert_eq!(in_pieces(&rows(&server), 20).await.len(), 24);
}

/// The ids of all rows, read `limit` at a time.
async fn in_pieces(vista: &Vista, limit: usize) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let (page, next) = soon("the piece", vista.fetch_cursor(token, limit)).await.unwrap();
        assert!(page.rows.len() <= limit);
        ids.extend(page.rows.into_iter().map(|(id, _)| id));
        match next {
            Some(next) => token = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn accept_22_rows_of_several_requests_are_read_piece_by_piece_too() {
    let server = geography().style(Style::Link(Form::Absolute)).start();
    let api = api(&server).paging(Paging::link_header());
    let cities = api.vista_factory().with_yaml(YAML).unwrap().build("cities").unwrap();
    let of = ApiCondition::is_in("country_id", [4, 2]);
    let cities = cities.with_native_condition(NativeCondition::new(of, "of 4 and 2")).unwrap();
    assert_eq!(in_pieces(&cities, 4).await, numbers([40, 41, 42, 20, 21, 22]));
}

#[tokio::test]
async fn a_row_that_comes_again_ends_no_reading_by_pieces() {
    let row = |(id, n): (u64, u64)| json!({ "id": id, "n": n });
    let server = Hostile::with_rows([(1, 1), (3, 1), (1, 1), (4, 2), (5, 2)].map(row).to_vec())
        .style(Style::Link(Form::Absolute))
        .page_size(1, 1)
        .start();
    let filters = Filters::equality().lists(Lists::Requests);
    let api = api(&server).paging(Paging::link_header()).filters(filters);
    let yaml = "name: rows\ncolumns: { id: { type: int }, n: { type: int } }";
    let rows = api.vista_factory().from_yaml(yaml).unwrap();
    let of = NativeCondition::new(ApiCondition::is_in("n", [1, 2]), "n is 1 or 2");
    let rows = rows.with_native_condition(of).unwrap();
    assert_eq!(in_pieces(&rows, 3).await, numbers([1, 3, 4, 5]));
}

#[tokio::test]
async fn accept_74_a_preview_shows_the_requests_of_a_list_and_sends_nothing() {
    let server = geography().start();
    let preview = |vista: Vista| vista.preview();
    let factory = factory(&server);
    let cities = factory.build("cities").unwrap();
    let unfilled = preview(cities.clone());
    assert_eq!(unfilled.query, None);
    assert!(unfilled.note.unwrap().contains("country_id"));
    let filled = cities.with_condition("country_id", FilterOp::Eq, "a b").unwrap();
    let shown = filled.clone().preview().query.unwrap();
    assert_eq!(shown, format!("GET {}/countries/a%20b/cities?page=1&per_page=10", server.url()));
    assert_eq!(server.log(|log| log.seen.len()), 0);
    assert_eq!(ids(&filled).await, [""; 0]);
    let sent = server.log(|log| log.seen[0].path.clone());
    assert!(shown.contains(&format!("{sent}?")), "{shown}");

    let local = api(&server).filtering(Filtering::Local).vista_factory().with_yaml(YAML).unwrap();
    let local = local.build("countries").unwrap();
    let narrowed = local.with_condition("continent", FilterOp::Gt, 1).unwrap().preview();
    assert!(!narrowed.query.unwrap().contains("continent"));
    assert_eq!(narrowed.note.as_deref(), Some("on the rows: continent > 1"));

    let secret = ApiCondition::eq("api_key", "canary");
    let secret = NativeCondition::new(secret, "a key");
    let secret = factory.build("countries").unwrap().with_native_condition(secret).unwrap();
    let shown = secret.preview().query.unwrap();
    assert!(shown.contains("api_key=***") && !shown.contains("canary"), "{shown}");
}

const WRITABLE: &str = "
name: rows
columns:
  id: { type: string }
  name: { type: string }
  parent: { type: string }
api:
  item_endpoint: true
  writes: { style: rest, etags: true }
";

#[tokio::test]
async fn accept_73_a_writable_table_is_a_writable_vista() {
    let habits = Habits { etags: true, ..Habits::default() };
    let start = async || {
        let row = |id: &str, parent: &str| json!({ "id": id, "name": id, "parent": parent });
        RestServer::start(habits, vec![row("a", "p"), row("b", "q"), row("c", "p")]).await
    };
    let rows = |server: &RestServer| {
        let pool = AwwPool::builder(server.url()).build().unwrap();
        PoolApi::new(pool).vista_factory().from_yaml(WRITABLE).unwrap()
    };
    let server = start().await;
    contract::check_advertised_writes(&rows(&server)).await;

    let server = start().await;
    let rows = rows(&server);
    for capability in [
        Capability::Insert,
        Capability::Update,
        Capability::Delete,
        Capability::ConfineWrites,
        Capability::WritesReachHooks,
    ] {
        assert!(rows.capabilities().has(capability), "{capability}");
    }
    let of_p = rows.clone().with_condition("parent", FilterOp::Eq, "p").unwrap();
    let named = |name: &str| row(&[("name", name.into())]);
    let stored = soon("the insert", of_p.insert_value("d", &named("new"))).await.unwrap();
    assert_eq!(stored["parent"], "p".into());
    soon("the patch", of_p.patch_value("a", &named("renamed"))).await.unwrap();
    let outside = soon("no patch", of_p.patch_value("b", &named("x"))).await.unwrap_err();
    assert!(outside.is_not_found(), "{outside}");
    let id = soon("the insert", rows.insert_return_id_value(&named("made"))).await.unwrap();
    assert!(soon("the row", rows.get_value(id.as_str())).await.unwrap().is_some());
    soon("the deletes", of_p.delete_all()).await.unwrap();
    let left = ids(&rows).await;
    assert_eq!(left, ["b", &id]);
}

#[tokio::test]
async fn accept_36_conditions_on_a_vista_are_taken_or_refused_by_what_they_are_about() {
    let server = geography().start();
    let vista = || factory(&server).build("countries").unwrap();
    let refused = |column: &str, value: Value| {
        vista().with_condition(column, FilterOp::Eq, value).unwrap_err()
    };
    assert!(refused("name.first", "x".into()).is_unimplemented());
    let unknown = refused("colour", "red".into());
    assert!(!unknown.is_unsupported() && !unknown.is_unimplemented(), "{unknown}");
    assert!(refused("name", Value::Null).is_unsupported());
    assert!(refused("name", Value::Array(vec![])).is_unsupported());

    let local = api(&server).filtering(Filtering::Local).vista_factory().with_yaml(YAML).unwrap();
    let null = local.build("countries").unwrap().with_condition("name", FilterOp::Eq, Value::Null);
    assert_eq!(ids(&null.unwrap()).await, [""; 0]);

    let cities = factory(&server).build("cities").unwrap();
    let cities = cities.with_condition("country_id", FilterOp::Eq, 4).unwrap();
    assert_eq!(ids(&cities).await, numbers(40..43));
}

#[tokio::test]
async fn a_native_condition_is_one_of_this_source() {
    let server = geography().start();
    let vista = factory(&server).build("countries").unwrap();
    let native = NativeCondition::new(ApiCondition::eq("continent", 1), "continent=1");
    let odd = vista.clone().with_native_condition(native).unwrap();
    assert_eq!(ids(&odd).await, numbers((1..=12).step_by(2)));
    let foreign = vista.with_native_condition(NativeCondition::new(7_u8, "seven"));
    incorrect(&foreign.unwrap_err(), "seven");
}

#[tokio::test]
async fn accept_75_yaml_builds_the_vista_of_the_typed_table() {
    let server = geography().start();
    let from_yaml = factory(&server).build("countries").unwrap();
    let typed = factory(&server).from_table(countries(api(&server))).unwrap();
    let columns = |vista: &Vista| vista.columns().keys().cloned().collect::<Vec<_>>();
    assert_eq!(columns(&from_yaml), ["id", "name", "continent"]);
    assert_eq!(columns(&typed)[1..], ["name", "continent"]);
    assert_eq!(from_yaml.title_columns(), ["name"]);
    assert_eq!(from_yaml.capabilities(), typed.capabilities());
    let rows = soon("the list", from_yaml.list_values()).await.unwrap();
    assert_eq!(rows, soon("the list", typed.list_values()).await.unwrap());
    let cities = from_yaml.reference("cities").unwrap();
    assert_eq!((cities.kind, &*cities.target), (ReferenceKind::HasMany, "cities"));
    assert_eq!(cities.keys, [JoinKey::new("id", "country_id")]);
}

#[tokio::test]
async fn accept_75_the_endpoint_is_the_name_unless_the_api_block_names_another() {
    let server = geography().start();
    let endpoint = |api_block: &str| {
        let yaml = format!("name: cities\n{api_block}\ncolumns: {{ id: {{ type: int }} }}");
        api(&server).vista_factory().from_yaml(&yaml).unwrap()
    };
    assert_eq!(ids(&endpoint("")).await.len(), 36);
    assert_eq!(ids(&endpoint("api: { endpoint: /countries }")).await.len(), 12);
    let paths = |log: &Log| (log.to("/cities").len(), log.to("/countries").len());
    assert_eq!(server.log(paths), (4, 2));
}

#[tokio::test]
async fn accept_75_the_api_block_says_how_the_table_is_asked_for() {
    let server =
        geography().shape(Shape::At("result.rows")).params("p", "n").first_page(0).strict().start();
    let yaml = "
name: nations
id_column: id
api:
  endpoint: countries
  item_endpoint: true
  envelope: { items: result.rows, pagination: pagination }
  paging: { by: page, param: p, first: 0, size_param: n, size: 5 }
  filtering: local
columns: { id: {}, name: {}, continent: { type: int } }
";
    let vista = api(&server).vista_factory().from_yaml(yaml).unwrap();
    assert_eq!(ids(&vista).await, numbers(1..=12));
    let odd = vista.clone().with_condition("continent", FilterOp::Eq, 1).unwrap();
    assert_eq!(ids(&odd).await, numbers((1..=12).step_by(2)));
    assert!(soon("the row", vista.get_value("7")).await.unwrap().is_some());
    assert_eq!(server.log(|log| log.to("/countries/7").len()), 1);
}

#[test]
fn accept_75_what_is_wrong_with_the_yaml_is_named() {
    let api = PoolApi::new(AwwPool::new(1, None, false, "http://127.0.0.1:1"));
    let refused = |yaml: &str| api.vista_factory().with_yaml(yaml).unwrap_err();
    for (yaml, named) in [
        ("name: a\ncolumns: { id: { type: int } }\ncolour: red", "colour"),
        ("name: a\ncolumns: { id: { type: int, tpye: int } }", "tpye"),
        ("name: a\napi: { endpiont: b }\ncolumns: { id: {} }", "endpiont"),
        ("name: a\ncolumns: { id: { type: quaternion } }", "quaternion"),
        ("name: a\nid_column: code\ncolumns: { id: {} }", "code"),
        ("name: a\ncolumns: { name: {} }", "id"),
        ("name: a\napi: { paging: { by: page, size: 7 } }\ncolumns: { id: {} }", "size_param"),
    ] {
        incorrect(&refused(yaml), named);
    }
    let computed = refused("name: a\ncolumns: { id: {}, x: { expr: 'a + b' } }");
    assert!(computed.is_unsupported() && computed.to_string().contains("\"x\""), "{computed}");
}

#[test]
fn accept_75_an_unknown_model_is_not_found() {
    let api = PoolApi::new(AwwPool::new(1, None, false, "http://127.0.0.1:1"));
    let factory = api.vista_factory().with_yaml(YAML).unwrap();
    assert_eq!(factory.models().collect::<Vec<_>>(), ["countries", "cities", "all_cities"]);
    let error = factory.build("rivers").unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("rivers"), "{error}");
}

#[tokio::test]
async fn accept_45_a_vista_traverses_from_a_row_by_every_key() {
    let server = geography().start();
    let factory = factory(&server);
    let typed = factory.from_table(countries(api(&server))).unwrap();
    for countries in [factory.build("countries").unwrap(), typed] {
        let cities = countries.get_ref("cities", Some(&row(&[("id", 7.into())]))).unwrap();
        assert!(cities.is_narrowed());
        assert_eq!(ids(&cities).await, numbers(70..73));
    }
    let city = row(&[("id", 71.into()), ("country_id", 7.into()), ("n", 1.into())]);
    let cities = factory.build("cities").unwrap();
    assert_eq!(ids(&cities.get_ref("country", Some(&city)).unwrap()).await, ["7"]);
    let namesakes = cities.get_ref("namesakes", Some(&city)).unwrap();
    assert_eq!(namesakes.query().conditions.len(), 2);
    assert_eq!(ids(&namesakes).await, ["71"]);
    assert!(cities.get_ref("country", Some(&row(&[]))).is_err());
}

#[tokio::test]
async fn accept_47_an_unknown_relation_and_an_unknown_target_are_not_found() {
    let server = geography().start();
    let factory = factory(&server);
    let typed = factory.from_table(countries(api(&server))).unwrap();
    for vista in [factory.build("countries").unwrap(), typed] {
        assert!(vista.get_ref("rivers", None).unwrap_err().is_not_found());
    }
    let yaml = "name: a\ncolumns: { id: {} }\nreferences: { b: { table: nowhere } }";
    let vista = api(&server).vista_factory().from_yaml(yaml).unwrap();
    assert!(vista.get_ref("b", None).unwrap_err().is_not_found());
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn accept_48_a_resolver_supplies_targets_of_other_sources() {
    let (server, other) = (geography().start(), geography().start());
    let elsewhere = factory(&other);
    let catalog = Catalog::new().with("cities", move |name: &str| elsewhere.build(name));
    let factory = factory(&server).with_resolver(Arc::new(catalog));
    let countries = factory.build("countries").unwrap();
    let cities = countries.get_ref("cities", Some(&row(&[("id", 5.into())]))).unwrap();
    assert_eq!(ids(&cities).await, numbers(50..53));
    assert_eq!((server.log(|log| log.seen.len()), other.log(|log| log.seen.len())), (0, 1));
    let resolver: &dyn VistaResolver = &factory;
    assert_eq!(resolver.vista("all_cities").unwrap().name(), "all_cities");
}

#[tokio::test]
async fn contained_records_are_a_vista_of_their_row() {
    let server = geography().start();
    let countries = factory(&server).build("countries").unwrap();
    let row = soon("the row", countries.get_value("9")).await.unwrap().unwrap();
    let borders = countries.get_ref("borders", Some(&row)).unwrap();
    assert_eq!(ids(&borders).await, ["a", "b"]);
    assert_eq!(soon("the count", borders.count()).await.unwrap(), 2);
    let none = countries.get_ref("borders", None).unwrap();
    assert_eq!(ids(&none).await, [""; 0]);
}

#[tokio::test]
async fn accept_76_a_hook_before_reads_refuses_list_get_count_and_window() {
    let server = geography().start();
    let refuse = vantage_table::table::select_hook(|_| {
        Box::pin(async { Err(vantage_core::VantageError::other("not now")) })
    });
    let table = countries(api(&server)).with_hook(Hook::BeforeSelect(refuse));
    let vista = factory(&server).from_table(table).unwrap();
    let refused = |error: vantage_core::VantageError| error.to_string().contains("not now");
    assert!(soon("the list", vista.list_values()).await.is_err_and(refused));
    assert!(soon("the row", vista.get_value("1")).await.is_err_and(refused));
    assert!(soon("the count", vista.count()).await.is_err_and(refused));
    assert!(soon("the window", vista.fetch_window(0, 2)).await.is_err_and(refused));
    assert!(soon("no window", vista.fetch_window(0, 0)).await.is_err_and(refused));
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[test]
fn a_table_with_a_window_makes_no_vista() {
    let api = PoolApi::new(AwwPool::new(1, None, false, "http://127.0.0.1:1"));
    let window = Pagination::window(3, 4);
    let table = countries(api.clone()).with(|table| table.set_pagination(Some(window)));
    incorrect(&api.vista_factory().from_table(table).unwrap_err(), "window");
}
