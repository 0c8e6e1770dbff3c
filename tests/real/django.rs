//! Django REST framework: its three ways to page, its filters, orders, search and tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::TryStreamExt;
use serde_json::Value;
use vantage_api_pool::{
    Envelope, ErrorKind, Paging, PoolApi, PoolConfig,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, PoolTableExt, Sorting},
};
use vantage_dataset::prelude::*;
use vantage_types::EmptyEntity;
use vantage_vista::{FilterOp, SortDirection};

use crate::{
    rows::{self, Measured, Row},
    servers::{Program, Server},
    source::{
        Rows, Source, entities_are_whole, finds, names_are_found, orders, streams_are_whole,
        tables_are_whole, vistas_are_whole, windows_bring_the_total, within, yaml_holds,
    },
};

const BIG: i64 = 1 << 53;

pub fn settings(item: &str) -> ApiTable {
    let columns = ["id", "name", "note", "big", "score", "flag", "team"];
    ApiTable::new()
        .item_path(item)
        .filters(Filters::suffixes().only(columns).search_param("search"))
        .sorting(Sorting::prefixed("ordering"))
}

pub fn by_page(server: &Server) -> Source {
    let paging = Paging::page_number().page_size("page_size", 100).not_found_ends(true);
    let envelope = Envelope::items_at("results").total_at("count");
    let source = Source::new(server.url(), "api/page/", paging, envelope);
    Source { table: settings("api/page/{id}/"), ..source }
}

fn by_offset(server: &Server) -> Source {
    let paging = Paging::offset_limit("offset", "limit", 70);
    let envelope = Envelope::items_at("results").total_at("count");
    let source = Source::new(server.url(), "api/offset/", paging, envelope);
    Source { table: settings("api/offset/{id}/"), ..source }
}

pub fn by_cursor(server: &Server) -> Source {
    let paging = Paging::next_url("next").page_size("page_size", 80);
    let source = Source::new(server.url(), "api/cursor/", paging, Envelope::items_at("results"));
    // The order is the cursor's.
    Source { table: settings("api/cursor/{id}/").sorting(Sorting::none()), ..source }
}

/// The pages by their number, but led by the URLs in them.
fn by_next_url(server: &Server) -> Source {
    Source { paging: Paging::next_url("next"), ..by_page(server) }
}

fn shared() -> &'static Server {
    Server::shared(Program::Django)
}

async fn is_whole(source: Source) {
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
    entities_are_whole::<Row>(&source).await;
}

#[tokio::test]
async fn pages_by_number_are_read_whole() {
    is_whole(by_page(shared())).await;
}

#[tokio::test]
async fn pages_by_limit_and_offset_are_read_whole() {
    is_whole(by_offset(shared())).await;
}

#[tokio::test]
async fn pages_by_cursor_are_read_whole() {
    is_whole(by_cursor(shared())).await;
}

#[tokio::test]
async fn pages_that_name_the_next_one_are_read_whole() {
    is_whole(by_next_url(shared())).await;
}

#[tokio::test]
async fn a_window_behind_the_last_row_is_empty() {
    let paging = Paging::page_number().page_size("page_size", 100);
    let table = Source { paging, ..by_page(shared()) }.rows();
    let window = within("the window", table.list_window(3_000, 5)).await.unwrap();
    assert_eq!(window.len(), 0);
}

#[tokio::test]
async fn every_window_brings_the_total() {
    for source in [by_page(shared()), by_offset(shared()), by_next_url(shared())] {
        windows_bring_the_total(&source).await;
    }
}

#[tokio::test]
async fn sums_are_exact_beyond_64_bits() {
    let table = by_page(shared()).rows();
    let big = table["big"].clone();
    let sum: i128 = rows::all().iter().map(|row| i128::from(row["big"].as_i64().unwrap())).sum();
    let got = within("the sum", table.get_sum(&big)).await.unwrap();
    assert_eq!(got.as_integer().map(i128::from), Some(sum));
    let most = within("the maximum", table.get_max(&big)).await.unwrap();
    assert_eq!(most.as_integer().map(i128::from), Some(i128::from(BIG + rows::COUNT)));
}

#[tokio::test]
async fn a_relation_finds_the_rows_of_a_row_and_of_a_set() {
    let mates = |api: PoolApi| Rows::new("rows", api).with_id_column("id");
    let table = by_page(shared()).rows().with_many("mates", "id", mates);
    let of = table.clone().with_condition(ApiCondition::is_in("id", [3, 900, 1_000]));
    let related = of.get_ref_as::<EmptyEntity>("mates").unwrap();
    let related = within("the rows", related.list_values()).await.unwrap();
    assert_eq!(related.into_keys().collect::<Vec<_>>(), ["3", "900", "1000"]);
    let none = table.with_condition(ApiCondition::eq("id", 5_000));
    let related = none.get_ref_as::<EmptyEntity>("mates").unwrap();
    assert_eq!(within("no rows", related.list_values()).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_404_past_the_last_page_is_its_end_where_no_total_is_told() {
    let paging = Paging::page_number().page_size("page_size", 100).not_found_ends(true);
    let source = Source { paging, envelope: Envelope::items_at("results"), ..by_page(shared()) };
    streams_are_whole::<Row>(&source).await;
}

#[tokio::test]
async fn every_condition_that_it_takes_finds_its_rows() {
    for (source, filtering) in [
        (by_page(shared()), Filtering::Server),
        (by_offset(shared()), Filtering::Checked),
        (by_cursor(shared()), Filtering::Server),
    ] {
        let source = source.filtered(filtering);
        let team = |row: &Value| row["team"].as_i64().unwrap();
        let big = |row: &Value| row["big"].as_i64().unwrap();
        let name = |row: &Value| row["name"].as_str().unwrap().to_lowercase();
        finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
        finds(&source, ApiCondition::gt("team", 7), |row| team(row) > 7).await;
        finds(&source, ApiCondition::is_in("team", [12, 0, 3]), |row| {
            [0, 3, 12].contains(&team(row))
        })
        .await;
        finds(&source, ApiCondition::eq("big", BIG + 333), |row| big(row) == BIG + 333).await;
        finds(&source, ApiCondition::lte("big", BIG + 99), |row| big(row) <= BIG + 99).await;
        finds(&source, ApiCondition::eq("flag", true), |row| row["flag"] == true).await;
        finds(&source, ApiCondition::is_null("note"), |row| row["note"].is_null()).await;
        finds(&source, ApiCondition::is_not_null("note"), |row| !row["note"].is_null()).await;
        finds(&source, ApiCondition::contains("name", "o'BRIEN said \""), |row| {
            name(row).contains("o'brien said \"")
        })
        .await;
        finds(&source, ApiCondition::starts_with("name", "PLAIN 1"), |row| {
            name(row).starts_with("plain 1")
        })
        .await;
    }
}

#[tokio::test]
async fn a_vista_takes_the_operators_that_the_server_has() {
    let vista = by_page(shared()).vista().with_condition("team", FilterOp::Gt, 7).unwrap();
    let expected = rows::all().iter().filter(|row| row["team"].as_i64() > Some(7)).count();
    assert_eq!(within("the count", vista.count()).await.unwrap() as usize, expected);
}

#[tokio::test]
async fn a_list_that_is_too_long_for_one_request_finds_its_rows() {
    let wanted: Vec<i64> = (2..=rows::COUNT).rev().filter(|id| id % 3 != 0).collect();
    let table = by_page(shared()).rows();
    let of = table.with_condition(ApiCondition::is_in("id", wanted.clone()));
    let listed = within("the list", of.list_values()).await.unwrap();
    let mut ids: Vec<i64> = listed.keys().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    let mut expected = wanted;
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(within("the count", of.get_count()).await.unwrap() as usize, expected.len());
}

#[tokio::test]
async fn conditions_that_it_does_not_take_are_evaluated_on_the_rows() {
    let source = by_page(shared()).filtered(Filtering::Mixed);
    let team = |row: &Value| row["team"].as_i64().unwrap();
    finds(&source, ApiCondition::ne("team", 7), |row| team(row) != 7).await;
    let either = ApiCondition::lt("team", 2) | ApiCondition::is_null("note");
    finds(&source, either, |row| team(row) < 2 || row["note"].is_null()).await;
    let both = ApiCondition::gte("team", 5) & ApiCondition::is_not_in("team", [6, 7]);
    finds(&source, both, |row| team(row) >= 5 && ![6, 7].contains(&team(row))).await;
}

#[tokio::test]
async fn every_text_that_it_takes_is_found() {
    // Its forms strip texts, refuse zeros, and take what is empty for no condition.
    let takes = |name: &str| name.trim() == name && !name.contains('\0') && !name.is_empty();
    names_are_found(&by_page(shared()), takes).await;
    // What is not sent is evaluated on the rows.
    let source = by_page(shared()).filtered(Filtering::Mixed);
    names_are_found(&source, |name| !takes(name) && !name.contains('\0') || name == "null 18")
        .await;
}

#[tokio::test]
async fn a_text_that_it_would_take_for_another_is_refused_where_it_must_be_sent() {
    for condition in [
        ApiCondition::eq("name", ""),
        ApiCondition::eq("name", "  spaces   17"),
        ApiCondition::contains("name", " "),
        ApiCondition::is_in("name", ["", "plain 1"]),
    ] {
        let table = by_page(shared()).rows().with_condition(condition);
        let error = within("no list", table.list_values()).await.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
}

#[tokio::test]
async fn a_text_that_the_server_does_not_take_as_it_is_is_found_where_rows_are_checked() {
    let source = by_page(shared()).filtered(Filtering::Checked);
    finds(&source, ApiCondition::eq("name", ""), |row| row["name"] == "").await;
}

#[tokio::test]
async fn an_empty_text_in_a_condition_is_not_taken_for_none() {
    let source = by_page(shared()).filtered(Filtering::Mixed);
    finds(&source, ApiCondition::eq("name", ""), |row| row["name"] == "").await;
}

#[tokio::test]
async fn orders_are_those_of_the_server() {
    for source in [by_page(shared()), by_offset(shared())] {
        let big = |row: &Value| row["big"].as_i64();
        orders(&source, "big", SortDirection::Descending, big).await;
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        orders(&source, "name", SortDirection::Ascending, name).await;
    }
}

#[tokio::test]
async fn its_search_is_used() {
    let table = by_page(shared()).rows().with_search("straße");
    let listed = within("the search", table.list_values()).await.unwrap();
    let all = rows::all();
    let expected = all.iter().filter(|row| row["name"].as_str().unwrap().contains("Straße"));
    assert_eq!(listed.len(), expected.count());
}

#[tokio::test]
async fn a_whole_number_is_a_float_where_the_type_says_so() {
    entities_are_whole::<Measured>(&by_page(shared())).await;
}

#[tokio::test]
async fn a_whole_number_is_a_float_where_the_type_says_so_when_read_straight_from_json() {
    let table = by_page(shared()).typed::<Measured>();
    let listed = within("the list", table.list_direct()).await.unwrap();
    assert_eq!(listed["2"].nested.dims.h, 2.0);
    assert_eq!(listed.len() as i64, rows::COUNT);
}

#[tokio::test]
async fn yaml_describes_it() {
    let yaml = "
name: rows
columns:
  id: { type: int, flags: [id] }
  name: { type: string }
  note: { type: string }
  team: { type: int }
  flag: { type: bool }
api:
  endpoint: api/page/
  item_endpoint: 'api/page/{id}/'
  envelope: { items: results, total: count }
  paging: { by: page, size_param: page_size, size: 100 }
  filters: { style: suffixes, search: search }
  sorting: { style: prefixed, param: ordering }
";
    yaml_holds(
        &by_page(shared()),
        yaml,
        vec![
            ("team", FilterOp::Eq, 5.into(), |row| row["team"] == 5),
            ("flag", FilterOp::Eq, true.into(), |row| row["flag"] == true),
            ("name", FilterOp::Eq, "a,b,,c 15".into(), |row| row["name"] == "a,b,,c 15"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_mistyped_path_of_the_items_is_an_error() {
    let source = Source { envelope: Envelope::items_at("result"), ..by_page(shared()) };
    let read = source.stream().try_collect::<Vec<Value>>();
    let error = within("no read", read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
}

#[tokio::test]
async fn a_mistyped_path_of_the_next_url_is_an_error() {
    let envelope = Envelope::items_at("results").total_at("count");
    for paging in [Paging::next_url("links.next"), Paging::cursor("cursor", "nxt"), Paging::none()]
    {
        let source = Source { paging, envelope: envelope.clone(), ..by_page(shared()) };
        let read = source.stream().try_collect::<Vec<Value>>();
        let error = within("no read", read).await.unwrap_err().to_string();
        assert!(error.contains("50") && error.contains("1237"), "{error}");
    }
}

/// Its next URLs are the URL that was asked for with another page number, and so with the key.
#[tokio::test]
async fn a_key_in_the_query_is_in_no_address_of_a_page() {
    const KEY: &str = "open-sesame-2 +";
    let config = format!(
        "base_url: {}\nauth: {{ query: {{ name: api_key, value: '{KEY}' }} }}",
        shared().url()
    );
    let pool = PoolConfig::from_yaml(&config).and_then(PoolConfig::builder).unwrap();
    let pool = pool.build().unwrap();
    let page = within("a page", pool.get("api/page/?page_size=100")).await.unwrap();
    assert!(page.text().unwrap().contains("open-sesame-2"), "the server repeats it");
    let stream = pool.stream("api/page/?page_size=100").paging(Paging::next_url("next"));
    let pages = stream.envelope(Envelope::items_at("results")).pages();
    let mut rows = 0;
    let mut pages = std::pin::pin!(pages);
    while let Some(page) = within("a page", pages.try_next()).await.unwrap() {
        let token = URL_SAFE_NO_PAD.decode(page.resume_token().to_text()).unwrap();
        assert!(!String::from_utf8_lossy(&token).contains("open-sesame"));
        rows += page.count();
    }
    assert_eq!(rows, rows::all().len());
}
