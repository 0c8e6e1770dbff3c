//! Rows of another table that do not fit into a path.

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    api::{Reply, Request},
    setup::Setup,
};

const CITIES: &str = "
tables:
  - { name: countries, id: name, api: { paging: { by: none } } }
  - name: cities
    api: { endpoint: 'countries/{country}/cities', paging: { by: none } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: cities, for_each: { table: countries, bind: { country: name } }, write: append }
";

/// Each of these countries has one city, which is called like it.
fn setup(countries: Value) -> Setup {
    Setup::new(CITIES, move |request| answer(&countries, request))
}

fn answer(countries: &Value, request: &Request) -> Reply {
    let data = match request.path.split('/').nth(2) {
        None => countries.clone(),
        Some(country) => json!([{ "city": decoded(country) }]),
    };
    Reply::json(&json!({ "data": data }))
}

fn decoded(segment: &str) -> String {
    let pair = format!("segment={segment}");
    let (_, segment) = form_urlencoded::parse(pair.as_bytes()).next().unwrap();
    segment.into_owned()
}

fn cities(setup: &Setup) -> Vec<String> {
    setup.query("SELECT city FROM cities ORDER BY city")
}

// NangoHQ/integration-templates#590, marmelab/react-admin#10207
#[tokio::test]
async fn a_parent_with_a_slash_in_its_name_is_one_step_of_the_path() {
    const NAMES: [&str; 4] = ["50% off", "Q4/2026 Pipeline", "Zürich", "a?b#c"];
    let countries = NAMES.map(|name| json!({ "name": name }));
    let setup = setup(json!(countries));
    setup.complete().await;
    assert_eq!(cities(&setup), NAMES);
}

// meltano/sdk#1601
#[tokio::test]
async fn a_parent_without_its_name_is_told_and_does_not_cost_the_others() {
    let setup = setup(json!([{ "name": "a" }, { "name": null }, { "name": "b" }]));
    for cities_of_runs in [["a", "b"].as_slice(), &["a", "a", "b", "b"]] {
        setup.fail(&["a row of the parent has no `name`"]).await;
        assert_eq!(cities(&setup), cities_of_runs);
    }
}

// meltano/sdk#1601
#[tokio::test]
async fn what_was_read_of_a_parent_that_loses_its_name_is_not_deleted() {
    let mut setup = setup(json!([{ "name": "a" }, { "name": "b" }]));
    setup.replace("write: append", "write: replace");
    setup.complete().await;
    let countries = json!([{ "name": "a" }, { "name": null }]);
    setup.api.answer(move |request| answer(&countries, request));
    setup.fail(&["a row of the parent has no `name`"]).await;
    assert_eq!(cities(&setup), ["a", "b"]);
}

// dlt-hub/dlt#2505 and the `AddFields` of Airbyte's manifests: the key of the parent as a column.
#[tokio::test]
async fn a_declared_column_that_rows_lack_is_what_they_were_read_by() {
    let countries = json!([{ "name": "a", "number": 1 }, { "name": "b", "number": 2 }]);
    let mut setup = Setup::new(CITIES, move |request| {
        let data = match request.path.split('/').nth(2) {
            None => countries.clone(),
            // One has the field itself, and another number.
            Some("1") => json!([{ "city": "x" }, { "city": "y", "country": 7 }]),
            Some(_) => json!([{ "city": "x" }, { "city": "z", "country": null }]),
        };
        Reply::json(&json!({ "data": data }))
    });
    setup.replace("{ country: name } }, write: append", "{ country: number } }, write: merge");
    setup.replace(
        "  - name: cities\n",
        "  - name: cities\n    id: [country, city]\n    columns: { country: int, city: text }\n",
    );
    setup.complete().await;
    let rows: Vec<String> = setup.query("SELECT country || city FROM cities ORDER BY 1");
    assert_eq!(rows, ["1x", "2x", "2z", "7y"]);
    setup.complete().await;
    assert_eq!(cities(&setup).len(), 4, "it is a part of the key");
}
