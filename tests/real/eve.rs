//! Eve: conditions as one JSON object, relative URLs of next pages, entity tags on writes.

use serde_json::Value;
use vantage_api_pool::{
    Envelope, Paging,
    vantage::{ApiCondition, ApiTable, Combined, Filtering, Filters, Operator, Sorting},
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

/// `where={"team": {"$gt": 7}}`, one at a time.
fn one_at_a_time() -> Filters {
    Filters::none().custom(|field, operator, texts| {
        let value = |text: &String| match field {
            "name" | "note" => serde_json::to_string(text).unwrap(),
            _ => text.clone(),
        };
        let values = || texts.iter().map(value).collect::<Vec<_>>().join(",");
        let value = texts.first().map(value).unwrap_or_default();
        let test = match operator {
            Operator::Eq => value,
            Operator::Ne => format!(r#"{{"$ne":{value}}}"#),
            Operator::Gt => format!(r#"{{"$gt":{value}}}"#),
            Operator::Lte => format!(r#"{{"$lte":{value}}}"#),
            Operator::In => format!(r#"{{"$in":[{}]}}"#, values()),
            Operator::IsNull => "null".to_owned(),
            Operator::IsNotNull => r#"{"$ne":null}"#.to_owned(),
            _ => return Some(Vec::new()),
        };
        Some(vec![("where".to_owned(), format!(r#"{{"{field}":{test}}}"#))])
    })
}

fn by_page() -> Source {
    let filters = Filters::none().combined(Combined::json("where"));
    let table =
        ApiTable::new().item_endpoint(true).filters(filters).sorting(Sorting::prefixed("sort"));
    let paging = Paging::page_number().page_size("max_results", 400);
    let envelope = Envelope::items_at("_items").total_at("_meta.total");
    let url = Server::shared(Program::Eve).url();
    Source { table, ..Source::new(url, "rows", paging, envelope) }
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
async fn pages_that_name_the_next_one_are_read_whole() {
    let paging = Paging::next_url("_links.next.href").page_size("max_results", 310);
    streams_are_whole::<Row>(&Source { paging, ..by_page() }).await;
}

#[tokio::test]
async fn every_condition_that_it_takes_finds_its_rows() {
    for filtering in [Filtering::Server, Filtering::Checked] {
        let source = by_page().filtered(filtering);
        let team = |row: &Value| row["team"].as_i64().unwrap();
        finds(&source, ApiCondition::eq("team", 7), |row| team(row) == 7).await;
        finds(&source, ApiCondition::ne("team", 7), |row| team(row) != 7).await;
        finds(&source, ApiCondition::gt("team", 7), |row| team(row) > 7).await;
        finds(&source, ApiCondition::is_in("team", [12, 0]), |row| [0, 12].contains(&team(row)))
            .await;
        finds(&source, ApiCondition::eq("flag", true), |row| row["flag"] == true).await;
        finds(&source, ApiCondition::is_null("note"), |row| row["note"].is_null()).await;
        finds(&source, ApiCondition::eq("name", ""), |row| row["name"] == "").await;
    }
}

#[tokio::test]
async fn every_text_is_found() {
    names_are_found(&by_page(), |_| true).await;
}

#[tokio::test]
async fn of_two_conditions_one_is_sent_and_the_other_evaluated_on_the_rows() {
    let both = ApiCondition::eq("team", 5) & ApiCondition::is_null("note");
    for filtering in [Filtering::Mixed, Filtering::Checked] {
        let table = by_page().table.filters(one_at_a_time());
        let source = Source { table, ..by_page() }.filtered(filtering);
        let holds = |row: &Value| row["team"] == 5 && row["note"].is_null();
        finds(&source, both.clone(), holds).await;
    }
}

#[tokio::test]
async fn two_conditions_are_one_parameter() {
    let both = ApiCondition::eq("team", 5) & ApiCondition::is_null("note");
    finds(&by_page(), both, |row| row["team"] == 5 && row["note"].is_null()).await;
    let between = ApiCondition::gt("team", 5) & ApiCondition::lte("team", 7);
    let named = between & ApiCondition::ne("name", "") & ApiCondition::eq("flag", false);
    finds(&by_page(), named, |row| {
        let team = row["team"].as_i64().unwrap();
        team > 5 && team <= 7 && row["name"] != "" && row["flag"] == false
    })
    .await;
}

#[tokio::test]
async fn orders_are_those_of_the_server() {
    orders(&by_page(), "big", SortDirection::Descending, |row| row["big"].as_i64()).await;
}

#[tokio::test]
async fn yaml_describes_it() {
    let yaml = r#"
name: rows
columns: { id: { type: int }, name: { type: string }, team: { type: int } }
api:
  item_endpoint: true
  envelope: { items: _items, total: _meta.total }
  paging: { by: page, size_param: max_results, size: 400 }
  filters: { style: none, combined: { style: json, param: where } }
  sorting: { style: prefixed, param: sort }
"#;
    yaml_holds(
        &by_page(),
        yaml,
        vec![
            ("team", FilterOp::Eq, 5.into(), |row| row["team"] == 5),
            ("team", FilterOp::Gt, 5.into(), |row| row["team"].as_i64() > Some(5)),
            ("name", FilterOp::Eq, "".into(), |row| row["name"] == ""),
        ],
    )
    .await;
}
