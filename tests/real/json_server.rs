//! json-server: pages in headers, filters with suffixes of its own. Its numbers are those of
//! JavaScript, so that whole numbers above 2^53 are what a float makes of them.

use serde_json::{Value, json};
use vantage_api_pool::{
    Envelope, Paging,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, Lists, Operator, Sorting},
};
use vantage_dataset::prelude::*;
use vantage_table::prelude::OrderBy;
use vantage_vista::{FilterOp, SortDirection};

use crate::{
    rows::{Row, assert_same},
    servers::{Program, Server},
    source::{
        Source, entities_are_whole, finds, json as as_json, names_are_found, orders,
        streams_are_whole, tables_are_whole, vistas_are_whole, within, yaml_holds,
    },
};

fn rounded(row: &Value) -> Value {
    let mut row = row.clone();
    row["big"] = json!(row["big"].as_i64().unwrap() as f64 as i64);
    row
}

fn by_page() -> Source {
    let filters = Filters::none()
        .operator(Operator::Eq, "{field}={value}")
        .operator(Operator::In, "{field}={value}")
        .operator(Operator::Ne, "{field}_ne={value}")
        .operator(Operator::Gte, "{field}_gte={value}")
        .operator(Operator::Lte, "{field}_lte={value}")
        .operator(Operator::Contains, "{field}_like={value}")
        .operator(Operator::StartsWith, "{field}_like=^{value}")
        .lists(Lists::Repeated)
        .search_param("q")
        .blank_texts(true);
    let table = ApiTable::new()
        .item_endpoint(true)
        .filters(filters)
        .sorting(Sorting::separate("_sort", "_order").joined(","));
    let paging = Paging::page_number().page_param("_page").page_size("_limit", 100);
    let envelope = Envelope::bare_array().total_in_header("x-total-count");
    let url = Server::shared(Program::JsonServer).url();
    Source { table, item: rounded, row: rounded, ..Source::new(url, "rows", paging, envelope) }
}

#[tokio::test]
async fn pages_by_number_are_read_whole() {
    let source = by_page();
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
    entities_are_whole::<Row>(&source).await;
}

#[tokio::test]
async fn pages_by_link_header_are_read_whole() {
    // Without the parameter for the page there are neither pages nor links.
    let paging = Paging::link_header().page_size("_limit", 77);
    let source = Source { paging, path: "rows?_page=1", ..by_page() };
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
}

#[tokio::test]
async fn pages_by_offset_are_read_whole() {
    let source = Source { paging: Paging::offset_limit("_start", "_limit", 70), ..by_page() };
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
}

#[tokio::test]
async fn a_set_without_pages_is_read_whole() {
    streams_are_whole::<Row>(&Source { paging: Paging::none(), ..by_page() }).await;
}

#[tokio::test]
async fn every_condition_that_it_takes_finds_its_rows() {
    for filtering in [Filtering::Server, Filtering::Checked] {
        let source = by_page().filtered(filtering);
        let team = |row: &Value| row["team"].as_i64().unwrap();
        let name = |row: &Value| row["name"].as_str().unwrap().to_lowercase();
        finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
        finds(&source, ApiCondition::ne("team", 7), |row| team(row) != 7).await;
        finds(&source, ApiCondition::lte("team", 7), |row| team(row) <= 7).await;
        finds(&source, ApiCondition::is_in("team", [12, 0]), |row| [0, 12].contains(&team(row)))
            .await;
        finds(&source, ApiCondition::eq("flag", true), |row| row["flag"] == true).await;
        finds(&source, ApiCondition::contains("name", "ÆRØ"), |row| name(row).contains("ærø"))
            .await;
        finds(&source, ApiCondition::starts_with("name", "PLAIN 1"), |row| {
            name(row).starts_with("plain 1")
        })
        .await;
    }
}

#[tokio::test]
async fn every_text_is_found() {
    names_are_found(&by_page(), |_| true).await;
}

#[tokio::test]
async fn orders_are_those_of_the_server() {
    let team = |row: &Value| row["team"].as_i64();
    orders(&by_page(), "team", SortDirection::Descending, team).await;
    orders(&by_page(), "flag", SortDirection::Ascending, |row| row["flag"].as_bool()).await;
}

#[tokio::test]
async fn an_order_by_two_columns_is_that_of_the_server() {
    let table = by_page().rows();
    let table = table.with_order(OrderBy::descending(ApiCondition::column("flag")));
    let table = table.with_order(OrderBy::ascending(ApiCondition::column("team")));
    let listed = within("the list", table.list_values()).await.unwrap();
    let mut expected = by_page().expected();
    expected.sort_by_key(|row| (row["flag"] != true, row["team"].as_i64(), row["id"].as_i64()));
    let listed: Vec<_> = listed.values().map(as_json).collect();
    assert_same("the list", &listed, &expected);
}

#[tokio::test]
async fn yaml_describes_it() {
    let yaml = "
name: rows
columns: { id: { type: int }, name: { type: string }, team: { type: int } }
api:
  item_endpoint: true
  envelope: { items: ., total_header: X-Total-Count }
  paging: { by: page, param: _page, size_param: _limit, size: 100 }
  filters:
    lists: repeated
    operators:
      gte: '{field}_gte={value}'
      lte: '{field}_lte={value}'
  sorting: { style: separate, param: _sort, direction_param: _order, joined: ',' }
";
    let of_team = |row: &Value| row["team"] == 5;
    yaml_holds(&by_page(), yaml, vec![("team", FilterOp::Eq, 5.into(), of_team)]).await;
}
