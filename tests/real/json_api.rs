//! JSON:API, as djangorestframework-jsonapi has it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vantage_api_pool::{
    Envelope, Paging,
    vantage::{ApiCondition, ApiTable, Filters, Lists, Operator, Sorting},
};
use vantage_vista::{FilterOp, SortDirection};

use crate::{
    rows::Row,
    servers::{Program, Server},
    source::{
        Source, entities_are_whole, finds, names_are_found, orders, streams_are_whole,
        tables_are_whole, vistas_are_whole, yaml_holds,
    },
};

/// A row as an item of the server.
#[derive(Serialize, Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    attributes: Attributes,
}

#[derive(Serialize, Deserialize)]
struct Attributes {
    name: String,
    note: Option<String>,
    big: i64,
    score: Option<f64>,
    flag: bool,
    team: i64,
    nested: Value,
}

const COLUMNS: [&str; 7] = ["name", "note", "big", "score", "flag", "team", "nested"];

fn by_page() -> Source {
    let mut filters = Filters::none()
        .operator(Operator::Eq, "filter[{field}]={value}")
        .operator(Operator::Gt, "filter[{field}.gt]={value}")
        .operator(Operator::Lte, "filter[{field}.lte]={value}")
        .operator(Operator::In, "filter[{field}.in]={value}")
        .operator(Operator::Contains, "filter[{field}.icontains]={value}")
        .lists(Lists::Joined)
        .only(["id", "name", "team"]);
    let mut sorting = Sorting::prefixed("sort").only(["id", "name", "team"]);
    let mut table = ApiTable::new().item_endpoint(true);
    for column in COLUMNS {
        table = table.alias(column, format!("attributes.{column}"));
        filters = filters.parameter(column, column);
        sorting = sorting.parameter(column, column);
    }
    let paging = Paging::page_number().page_param("page[number]").page_size("page[size]", 100);
    let envelope = Envelope::items_at("data").total_at("meta.pagination.count");
    let url = Server::shared(Program::Django).url();
    Source {
        table: table.filters(filters).sorting(sorting),
        item: |row| {
            let mut attributes = row.as_object().unwrap().clone();
            let id = attributes.remove("id").unwrap().to_string();
            json!({ "type": "rows", "id": id, "attributes": attributes })
        },
        row: |row| {
            let mut row = row.clone();
            row["id"] = row["id"].to_string().into();
            row
        },
        ..Source::new(url, "jsonapi/rows", paging.not_found_ends(true), envelope)
    }
}

#[tokio::test]
async fn pages_by_number_are_read_whole() {
    let source = by_page();
    streams_are_whole::<Resource>(&source).await;
    tables_are_whole(&source).await;
    vistas_are_whole(&source).await;
    entities_are_whole::<Row<bool, String>>(&source).await;
}

#[tokio::test]
async fn pages_that_name_the_next_one_are_read_whole() {
    let paging = Paging::next_url("links.next").page_size("page[size]", 90);
    let source = Source { paging, ..by_page() };
    streams_are_whole::<Resource>(&source).await;
    tables_are_whole(&source).await;
}

#[tokio::test]
async fn every_condition_that_it_takes_finds_its_rows() {
    let source = by_page();
    let team = |row: &Value| row["team"].as_i64().unwrap();
    finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
    finds(&source, ApiCondition::gt("team", 7), |row| team(row) > 7).await;
    finds(&source, ApiCondition::is_in("team", [12, 0]), |row| [0, 12].contains(&team(row))).await;
    finds(&source, ApiCondition::contains("name", "{{7*7}} %s"), |row| {
        row["name"].as_str().unwrap().contains("{{7*7}} %s")
    })
    .await;
}

#[tokio::test]
async fn every_text_that_it_takes_is_found() {
    let takes = |name: &str| name.trim() == name && !name.contains('\0') && !name.is_empty();
    names_are_found(&by_page(), takes).await;
}

#[tokio::test]
async fn orders_are_those_of_the_server() {
    let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
    orders(&by_page(), "name", SortDirection::Descending, name).await;
}

#[tokio::test]
async fn yaml_describes_it() {
    let yaml = "
name: rows
columns:
  id: { type: string, flags: [id] }
  name: { type: string, path: attributes.name }
  note: { type: string, path: attributes.note }
  big: { type: int, path: attributes.big }
  score: { type: float, path: attributes.score }
  flag: { type: bool, path: attributes.flag }
  team: { type: int, path: attributes.team }
  nested: { type: json, path: attributes.nested }
api:
  endpoint: jsonapi/rows
  item_endpoint: true
  envelope: { items: data, total: meta.pagination.count }
  paging: { by: page, param: 'page[number]', size_param: 'page[size]', size: 100 }
  filters: { style: brackets, family: filter, only: [team], parameters: { team: team } }
  sorting: { style: prefixed, param: sort }
";
    let of_team = |row: &Value| row["team"] == 5;
    yaml_holds(&by_page(), yaml, vec![("team", FilterOp::Eq, 5.into(), of_team)]).await;
}
