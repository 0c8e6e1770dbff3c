//! Several operations in one request.

use serde_json::{Value, json};
use vantage_api_gateway::{Ops, TableConfig};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{Served, cities_mock, open, text, transactional};

fn config(vista: Vista) -> TableConfig {
    TableConfig::new(vista).operations(Ops::ALL).writable(["id", "name", "country"])
}

fn served() -> (MockShell, Served) {
    let mock = cities_mock();
    let vista = Vista::new("cities", mock.clone());
    (mock, Served::start(open().table("cities", config(vista))))
}

fn post(served: &Served, body: &Value) -> crate::support::Answer {
    served.json("POST", "/api/v1/batch", &body.to_string())
}

#[test]
fn each_operation_has_its_own_outcome() {
    let (mock, served) = served();
    let etag = served.get("/api/v1/tables/cities/2").etag();
    let answer = post(
        &served,
        &json!({ "operations": [
            { "op": "insert", "table": "cities", "row": { "id": "x", "name": "X" } },
            { "op": "get", "table": "cities", "id": "1" },
            { "op": "patch", "table": "cities", "id": "2", "row": { "name": "B" }, "if_match": etag },
            { "op": "patch", "table": "cities", "id": "2", "row": { "name": "C" }, "if_match": etag },
            { "op": "replace", "table": "cities", "id": "3", "row": { "name": "K" } },
            { "op": "delete", "table": "cities", "id": "4" },
            { "op": "get", "table": "cities", "id": "4" },
            { "op": "insert", "table": "cities", "row": { "nmae": "X" } },
            { "op": "get", "table": "nothing", "id": "1" },
        ] }),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].clone();
    let statuses: Vec<u64> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 200, 200, 412, 200, 204, 404, 422, 404]);
    assert_eq!(results[0]["location"], "/api/v1/tables/cities/x");
    assert_eq!(results[1]["row"]["name"], "Berlin");
    assert_eq!(results[7]["problem"]["errors"][0]["pointer"], "/operations/7/row/nmae");
    assert_eq!(mock.get_record("2").unwrap()["name"], text("B"));
}

#[test]
fn what_is_no_batch_is_refused_whole() {
    let (mock, served) = served();
    for (body, pointer) in [
        (json!([]), ""),
        (json!({ "operations": [] }), "/operations"),
        (json!({ "operations": {} }), "/operations"),
        (
            json!({ "operations": [{ "op": "get", "table": "cities", "id": "1" }], "atomc": true }),
            "/atomc",
        ),
    ] {
        let refused = post(&served, &body);
        assert_eq!((refused.status, refused.kind().as_str()), (422, "invalid_batch"), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let one = json!({ "op": "delete", "table": "cities", "id": "1" });
    let many: Vec<Value> = std::iter::repeat_n(one, 101).collect();
    assert_eq!(post(&served, &json!({ "operations": many })).status, 422);
    assert_eq!(mock.len(), 10);
}

#[test]
fn an_operation_that_is_not_one_is_named_before_any_is_run() {
    let (mock, served) = served();
    for (operation, pointer) in [
        (json!({ "op": "truncate", "table": "cities" }), "/operations/1/op"),
        (json!({ "op": "get", "table": "cities" }), "/operations/1/id"),
        (json!({ "op": "patch", "table": "cities", "id": "1" }), "/operations/1/row"),
        (json!({ "op": "get", "table": "cities", "id": "1", "row": {} }), "/operations/1/row"),
        (
            json!({ "op": "get", "table": "cities", "id": "1", "url": "http://x" }),
            "/operations/1/url",
        ),
        (
            json!({ "op": "insert", "table": "cities", "row": { "name": "X" }, "resolution": "x" }),
            "/operations/1/resolution",
        ),
        (json!("get"), "/operations/1/"),
        (json!({ "op": "AAA", "table": "nothing" }), "/operations/1/op"),
    ] {
        let first = json!({ "op": "delete", "table": "cities", "id": "1" });
        let answer = post(&served, &json!({ "operations": [first, operation] }));
        assert_eq!((answer.status, answer.kind().as_str()), (422, "invalid_batch"), "{operation}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(mock.len(), 10);
}

#[test]
fn tables_without_a_common_transaction_have_no_atomic_batch() {
    let (mock, served) = served();
    let refused = post(
        &served,
        &json!({ "atomic": true, "operations": [{ "op": "delete", "table": "cities", "id": "1" }] }),
    );
    assert_eq!((refused.status, refused.kind().as_str()), (422, "not_atomic"));
    assert_eq!(mock.len(), 10);
    // Even if somebody claims that the table has transactions.
    let mock = cities_mock();
    let claimed = config(Vista::new("cities", mock.clone())).transaction("world");
    let served = Served::start(open().table("cities", claimed));
    let refused = post(
        &served,
        &json!({ "atomic": true, "operations": [{ "op": "delete", "table": "cities", "id": "1" }] }),
    );
    assert_eq!((refused.kind().as_str(), mock.len()), ("not_atomic", 10));
}

#[test]
fn an_atomic_batch_takes_effect_as_a_whole_or_not_at_all() {
    let mock = cities_mock();
    let vista = transactional(&mock, cities_mock);
    let served = Served::start(open().table("cities", config(vista).transaction("world")));
    let batch = |last: Value| {
        post(
            &served,
            &json!({ "atomic": true, "operations": [
                { "op": "insert", "table": "cities", "row": { "id": "x", "name": "X" } },
                { "op": "delete", "table": "cities", "id": "1" },
                last,
            ] }),
        )
    };
    let failed = batch(json!({ "op": "get", "table": "cities", "id": "none" }));
    assert_eq!(failed.status, 404, "{}", failed.text());
    assert_eq!(failed.json()["errors"][0]["pointer"], "/operations/2");
    assert!(mock.get_record("x").is_none() && mock.len() == 10);
    let failed = batch(json!({ "op": "insert", "table": "cities", "row": { "nmae": "X" } }));
    assert_eq!((failed.status, mock.len()), (422, 10));
    let failed = batch(
        json!({ "op": "insert", "table": "cities", "row": { "id": "uncommittable", "name": "X" } }),
    );
    assert_eq!((failed.status, mock.len()), (502, 10));
    let done =
        batch(json!({ "op": "patch", "table": "cities", "id": "2", "row": { "name": "B" } }));
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(mock.get_record("x").is_some() && mock.get_record("1").is_none());
    assert_eq!(mock.get_record("2").unwrap()["name"], text("B"));
}
