//! fastapi-pagination: pages, limit and offset, cursors, and links. It filters by `team`.

use vantage_api_pool::{
    Envelope, Paging,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, Sorting},
};
use vantage_vista::{FilterOp, SortDirection};

use crate::{
    rows::{Measured, Row},
    servers::{Program, Server},
    source::{
        Source, entities_are_whole, finds, orders, streams_are_whole, tables_are_whole,
        vistas_are_whole, windows_bring_the_total, yaml_holds,
    },
};

pub fn by_page(url: String) -> Source {
    let paging = Paging::page_number().page_size("size", 100);
    let envelope = Envelope::items_at("items").total_at("total");
    let source = Source::new(url, "page", paging, envelope);
    let filters = Filters::equality().only(["team"]);
    Source { table: ApiTable::new().item_endpoint(true).filters(filters), ..source }
}

fn shared() -> Source {
    by_page(Server::shared(Program::FastApi).url())
}

/// All four, each in the way that its pages are made for.
fn sources() -> [Source; 4] {
    let by_offset = Paging::offset_limit("offset", "limit", 70);
    let by_cursor = Paging::cursor("cursor", "next_page").page_size("size", 90);
    [
        shared(),
        Source { path: "offset", paging: by_offset, ..shared() },
        Source { path: "cursor", paging: by_cursor, ..shared() },
        Source { path: "links", paging: Paging::next_url("links.next"), ..shared() },
    ]
}

#[tokio::test]
async fn streams_of_all_four_are_whole() {
    for source in sources() {
        streams_are_whole::<Row>(&source).await;
    }
}

#[tokio::test]
async fn tables_of_all_four_are_whole() {
    for source in sources() {
        tables_are_whole(&source).await;
        entities_are_whole::<Row>(&source).await;
    }
}

#[tokio::test]
async fn vistas_of_all_four_are_whole() {
    for source in sources() {
        vistas_are_whole(&source).await;
    }
}

#[tokio::test]
async fn every_window_brings_the_total() {
    for source in sources() {
        windows_bring_the_total(&source).await;
    }
}

#[tokio::test]
async fn a_whole_number_is_a_float_where_the_type_says_so() {
    entities_are_whole::<Measured>(&shared()).await;
}

#[tokio::test]
async fn the_condition_that_it_takes_finds_its_rows_and_others_are_evaluated_on_them() {
    for source in sources() {
        let source = source.filtered(Filtering::Mixed);
        let team = |row: &serde_json::Value| row["team"].as_i64().unwrap();
        finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
        let both = ApiCondition::eq("team", 5) & ApiCondition::is_null("note");
        finds(&source, both, |row| team(row) == 5 && row["note"].is_null()).await;
    }
}

#[tokio::test]
async fn orders_that_it_does_not_take_are_made_on_the_rows() {
    let table = shared().table.sorting(Sorting::none().on_rows(true));
    let source = Source { table, ..shared() };
    orders(&source, "big", SortDirection::Descending, |row| row["big"].as_i64()).await;
    orders(&source, "team", SortDirection::Descending, |row| row["team"].as_i64()).await;
}

#[tokio::test]
async fn yaml_describes_its_cursors() {
    let yaml = "
name: rows
columns: { id: { type: int }, name: { type: string }, team: { type: int } }
api:
  endpoint: cursor
  item_endpoint: 'page/{id}'
  envelope: { items: items, total: total }
  paging: { by: cursor, param: cursor, next: next_page, size_param: size, size: 100 }
  filters: { only: [team] }
";
    let of_team = |row: &serde_json::Value| row["team"] == 5;
    yaml_holds(&shared(), yaml, vec![("team", FilterOp::Eq, 5.into(), of_team)]).await;
}
