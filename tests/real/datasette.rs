//! Datasette: tokens for the next page, `Link` headers, lines of JSON, and a SQL table whose
//! flags are 0 and 1.

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    Envelope, ErrorKind, Paging,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, Lists, Operator, PoolTableExt, Sorting},
};
use vantage_dataset::prelude::*;
use vantage_table::prelude::OrderBy;
use vantage_vista::{FilterOp, SortDirection};

use crate::{
    rows::{self, Row, assert_same},
    servers::{Program, Server},
    source::{
        Rows, Source, entities_are_whole, finds, json, names_are_found, orders, streams_are_whole,
        tables_are_whole, vistas_are_whole, within, yaml_holds,
    },
};

/// What SQLite makes of a row.
fn in_sql(row: &Value) -> Value {
    let mut row = row.clone();
    row["flag"] = json!(i64::from(row["flag"] == true));
    row
}

fn by_token() -> Source {
    let filters = Filters::none()
        .operator(Operator::Eq, "{field}__exact={value}")
        .operator(Operator::Ne, "{field}__not={value}")
        .operator(Operator::Gt, "{field}__gt={value}")
        .operator(Operator::Gte, "{field}__gte={value}")
        .operator(Operator::Lt, "{field}__lt={value}")
        .operator(Operator::Lte, "{field}__lte={value}")
        .operator(Operator::Contains, "{field}__contains={value}")
        .operator(Operator::StartsWith, "{field}__startswith={value}")
        .operator(Operator::IsNull, "{field}__isnull=1")
        .operator(Operator::IsNotNull, "{field}__notnull=1")
        .operator(Operator::In, "{field}__in={value}")
        .operator(Operator::NotIn, "{field}__notin={value}")
        .lists(Lists::Joined)
        .booleans("1", "0")
        .blank_texts(true);
    let table = ApiTable::new()
        .filters(filters)
        .sorting(Sorting::by_direction("_sort", "_sort_desc").on_rows(true));
    let paging = Paging::cursor("_next", "next").page_size("_size", 100);
    let envelope = Envelope::items_at("rows").total_at("filtered_table_rows_count");
    let url = Server::shared(Program::Datasette).url();
    let path = "real/rows.json?_shape=objects&_json=nested";
    Source { table, item: in_sql, row: in_sql, ..Source::new(url, path, paging, envelope) }
}

#[tokio::test]
async fn pages_by_token_are_read_whole() {
    let source = by_token();
    streams_are_whole::<Row<u8>>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
    entities_are_whole::<Row<u8>>(&source).await;
}

#[tokio::test]
async fn pages_that_name_the_next_one_are_read_whole() {
    for paging in [Paging::next_url("next_url"), Paging::link_header()] {
        let source = Source { paging: paging.page_size("_size", 90), ..by_token() };
        streams_are_whole::<Row<u8>>(&source).await;
        tables_are_whole(&source).await;
    }
}

#[tokio::test]
async fn lines_are_read_whole() {
    let source = Source {
        path: "real/rows.json?_shape=array&_nl=on&_json=nested",
        paging: Paging::link_header().page_size("_size", 100),
        envelope: Envelope::ndjson(),
        ..by_token()
    };
    streams_are_whole::<Row<u8>>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
}

#[tokio::test]
async fn a_bare_list_with_link_headers_is_read_whole() {
    let source = Source {
        path: "real/rows.json?_shape=array&_json=nested",
        paging: Paging::link_header().page_size("_size", 100),
        envelope: Envelope::bare_array(),
        ..by_token()
    };
    streams_are_whole::<Row<u8>>(&source).await;
    tables_are_whole(&source).await;
}

/// The token for the next page holds the text of the last row of this one.
#[tokio::test]
async fn pages_by_tokens_with_ugly_texts_in_them_are_read_whole() {
    for (by, path) in [
        ("name", "real/rows.json?_shape=objects&_json=nested&_sort=name"),
        ("name", "real/rows.json?_shape=objects&_json=nested&_sort_desc=name"),
        ("note", "real/rows.json?_shape=objects&_json=nested&_sort=note"),
        ("score", "real/rows.json?_shape=objects&_json=nested&_sort_desc=score"),
    ] {
        for paging in [by_token().paging, Paging::next_url("next_url"), Paging::link_header()] {
            // Of some thirty rows, so that many texts are the last of a page.
            let source = Source { path, paging: paging.page_size("_size", 31), ..by_token() };
            let read = source.stream().try_collect::<Vec<Value>>();
            let mut read = within("the read", read).await.unwrap();
            let is_descending = path.contains("_desc");
            let is_in_order = |pair: &[Value]| {
                let (one, other) = (&pair[0][by], &pair[1][by]);
                let (one, other) = if is_descending { (other, one) } else { (one, other) };
                match (one.as_str(), other.as_str()) {
                    (Some(one), Some(other)) => one <= other,
                    _ => one.as_f64() <= other.as_f64() && !one.is_string(),
                }
            };
            assert!(read.windows(2).all(is_in_order), "{path}");
            read.sort_by_key(|row| row["id"].as_i64());
            assert_same(path, &read, &source.expected());
        }
    }
}

#[tokio::test]
async fn rows_that_are_lists_are_read_whole() {
    let source = Source { path: "real/rows.json", ..by_token() };
    let read = source.stream().items_as::<(i64, String, Option<String>, i64, Option<f64>, u8)>();
    // A row is longer than what it is read as.
    let error = within("no read", read.try_collect::<Vec<_>>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    type Columns = (i64, String, Option<String>, i64, Option<f64>, u8, i64, String);
    let read = source.stream().items_as::<Columns>().try_collect::<Vec<_>>();
    let read = within("the read", read).await.unwrap();
    let row = |(id, name, note, big, score, flag, team, nested): Columns| {
        let nested: Value = serde_json::from_str(&nested).unwrap();
        json!({
            "id": id, "name": name, "note": note, "big": big, "score": score, "flag": flag,
            "team": team, "nested": nested,
        })
    };
    let read: Vec<_> = read.into_iter().map(row).collect();
    assert_same("the rows", &read, &source.expected());
}

#[tokio::test]
async fn every_condition_that_it_takes_finds_its_rows() {
    for filtering in [Filtering::Server, Filtering::Checked] {
        let source = by_token().filtered(filtering);
        let team = |row: &Value| row["team"].as_i64().unwrap();
        let big = |row: &Value| row["big"].as_i64().unwrap() - (1 << 53);
        let name = |row: &Value| row["name"].as_str().unwrap().to_lowercase();
        finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
        finds(&source, ApiCondition::ne("team", 7), |row| team(row) != 7).await;
        finds(&source, ApiCondition::gte("team", 7), |row| team(row) >= 7).await;
        finds(&source, ApiCondition::lt("big", (1_i64 << 53) + 99), |row| big(row) < 99).await;
        finds(&source, ApiCondition::is_in("team", [12, 0]), |row| [0, 12].contains(&team(row)))
            .await;
        finds(&source, ApiCondition::is_not_in("team", [12, 0]), |row| {
            ![0, 12].contains(&team(row))
        })
        .await;
        finds(&source, ApiCondition::eq("flag", 1), |row| row["flag"] == true).await;
        finds(&source, ApiCondition::is_null("note"), |row| row["note"].is_null()).await;
        finds(&source, ApiCondition::is_not_null("note"), |row| !row["note"].is_null()).await;
        finds(&source, ApiCondition::contains("name", "JSON\": ["), |row| {
            name(row).contains("json\": [")
        })
        .await;
        finds(&source, ApiCondition::starts_with("name", "PLAIN 1"), |row| {
            name(row).starts_with("plain 1")
        })
        .await;
        finds(&source, ApiCondition::eq("name", ""), |row| row["name"] == "").await;
    }
}

#[tokio::test]
async fn every_text_is_found() {
    names_are_found(&by_token(), |_| true).await;
}

#[tokio::test]
async fn orders_are_those_of_the_server() {
    let source = by_token();
    orders(&source, "big", SortDirection::Descending, |row| row["big"].as_i64()).await;
    orders(&source, "team", SortDirection::Ascending, |row| row["team"].as_i64()).await;
    let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
    orders(&source, "name", SortDirection::Ascending, name).await;
}

#[tokio::test]
async fn an_order_by_two_columns_is_made_on_the_rows() {
    let by = |column: &str| OrderBy::descending(ApiCondition::column(column));
    let table = by_token().rows().with_order(by("team")).with_order(by("big"));
    let listed = within("the list", table.list_values()).await.unwrap();
    let mut expected = by_token().expected();
    expected.sort_by_key(|row| (-row["team"].as_i64().unwrap(), -row["id"].as_i64().unwrap()));
    let listed: Vec<_> = listed.values().map(json).collect();
    assert_same("the list", &listed, &expected);
}

#[tokio::test]
async fn a_row_is_asked_for_where_the_server_has_rows() {
    let table = by_token().table.item_path("real/rows/{id}.json?_shape=objects&_json=nested");
    let source = Source { table, ..by_token() };
    let pool = source.pool();
    let rows: Rows = source.table_of(source.api_of(pool.clone()));
    for id in ["1", "1237"] {
        let row = within("the row", rows.get_value(id)).await.unwrap();
        assert_eq!(json(&row.unwrap())["id"].to_string(), id);
    }
    assert!(within("no row", rows.get_value("5000")).await.unwrap().is_none());
    assert_eq!(within("the counts", pool.stats()).await.unwrap().attempts, 3);
}

#[tokio::test]
async fn a_column_of_flags_that_are_0_and_1_is_one_of_bools() {
    for filtering in [Filtering::Server, Filtering::Local] {
        let source = by_token().filtered(filtering);
        let table = Rows::new("rows", source.api_of(source.pool()))
            .with_id_column("id")
            .with_column_of::<bool>("flag")
            .with_condition(ApiCondition::eq("flag", true));
        let count = within("the count", table.get_count()).await.unwrap();
        assert_eq!(count, rows::COUNT / 2, "{filtering:?}");
    }
}

#[tokio::test]
async fn yaml_describes_it() {
    let yaml = "
name: rows
columns:
  id: { type: int }
  name: { type: string }
  team: { type: int }
  flag: { type: bool }
api:
  endpoint: 'real/rows.json?_shape=objects&_json=nested'
  envelope: { items: rows, total: filtered_table_rows_count }
  paging: { by: cursor, param: _next, next: next, size_param: _size, size: 100 }
  filters:
    lists: joined
    booleans: ['1', '0']
    blank_texts: true
    operators:
      eq: '{field}__exact={value}'
      ne: '{field}__not={value}'
      gt: '{field}__gt={value}'
      gte: '{field}__gte={value}'
      lt: '{field}__lt={value}'
      lte: '{field}__lte={value}'
      in: '{field}__in={value}'
      not_in: '{field}__notin={value}'
";
    yaml_holds(
        // A column of flags is one of bools.
        &Source { row: Value::clone, ..by_token() },
        yaml,
        vec![
            ("team", FilterOp::Eq, 5.into(), |row| row["team"] == 5),
            ("team", FilterOp::Gt, 5.into(), |row| row["team"].as_i64() > Some(5)),
            ("team", FilterOp::Ne, 5.into(), |row| row["team"] != 5),
            ("flag", FilterOp::Eq, true.into(), |row| row["flag"] == true),
            ("name", FilterOp::Eq, "".into(), |row| row["name"] == ""),
        ],
    )
    .await;
}
