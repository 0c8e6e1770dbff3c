//! The description of the gateway, made from its tables.

use serde_json::Value;
use vantage_api_gateway::{Ops, TableConfig};

use crate::support::{ADA, BOB, Served, cities, closed, countries};

fn served() -> Served {
    let cities = TableConfig::new(cities())
        .operations(Ops::ALL)
        .writable(["name", "country", "population"])
        .write_only(["secret"])
        .writable_by(["editor"])
        .max_bulk_rows(10);
    Served::start(
        closed()
            .table("cities", cities)
            .table("countries", TableConfig::new(countries()).relations(["cities"]))
            .table("internal", TableConfig::new(countries()).readable_by(["editor"])),
    )
}

fn document(served: &Served, who: (&str, &str)) -> Value {
    let answer = served.send("GET", "/api/v1/openapi.json", &[who], "");
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn it_has_what_the_principal_may_do_and_no_more() {
    let served = served();
    let (ada, bob) = (document(&served, ADA), document(&served, BOB));
    assert_eq!(ada["openapi"], "3.1.0");
    assert_eq!(ada["servers"][0]["url"], "/api/v1");
    let methods = |document: &Value, path: &str| {
        let path = document["paths"][path].as_object().cloned().unwrap_or_default();
        path.keys().filter(|key| *key != "parameters").cloned().collect::<Vec<_>>()
    };
    assert_eq!(methods(&ada, "/tables/cities"), ["delete", "get", "patch", "post"]);
    assert_eq!(methods(&ada, "/tables/cities/{id}"), ["delete", "get", "patch", "put"]);
    assert_eq!(methods(&bob, "/tables/cities"), ["get"]);
    assert_eq!(methods(&bob, "/tables/cities/{id}"), ["get"]);
    assert_eq!(methods(&bob, "/tables/countries/{id}/cities"), ["get"]);
    assert!(!methods(&ada, "/tables/internal").is_empty());
    assert!(!bob.to_string().contains("internal"));
    assert!(ada["paths"].get("/kv").is_none());
}

#[test]
fn its_schemas_are_those_of_the_columns() {
    let served = served();
    let document = document(&served, ADA);
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let row = schema("cities.Row");
    assert_eq!(row["properties"]["population"]["type"][0], "integer");
    assert!(row["properties"].get("secret").is_none());
    let new = schema("cities.NewRow");
    assert_eq!(new["required"], serde_json::json!(["name"]));
    assert!(new["properties"].get("secret").is_some() && new["properties"].get("id").is_none());
    assert_eq!(new["additionalProperties"], false);
}

#[test]
fn every_reference_in_it_leads_somewhere() {
    let served = served();
    let document = document(&served, ADA);
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(text) if name == "$ref" => found.push(text.to_owned()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let mut ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
