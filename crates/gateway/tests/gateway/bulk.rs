//! Writes of all rows that a filter finds.

use serde_json::json;
use vantage_api_gateway::{Ops, TableConfig};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{Served, cities_mock, open, text};

const TABLE: &str = "/api/v1/tables/cities";

fn served(most: usize) -> (MockShell, Served) {
    let mock = cities_mock();
    let config = TableConfig::new(Vista::new("cities", mock.clone()))
        .operations(Ops::PATCH | Ops::DELETE)
        .writable(["country"])
        .max_bulk_rows(most);
    (mock, Served::start(open().table("cities", config)))
}

#[test]
fn rows_are_deleted_by_a_filter() {
    let (mock, served) = served(5);
    let deleted = served.send("DELETE", &format!("{TABLE}?country=eq.LV"), &[], "");
    assert_eq!((deleted.status, deleted.json()), (200, json!({ "affected": 4 })));
    assert_eq!(mock.len(), 6);
}

#[test]
fn rows_are_patched_by_a_filter() {
    let (mock, served) = served(5);
    let path = format!("{TABLE}?country=eq.LV&population=lt.60000");
    let patched = served.json("PATCH", &path, r#"{"country": "Latvia"}"#);
    assert_eq!((patched.status, patched.json()), (200, json!({ "affected": 2 })));
    assert_eq!(mock.get_record("9").unwrap()["country"], text("Latvia"));
    assert_eq!(mock.get_record("7").unwrap()["country"], text("LV"));
    let fields = [("content-type", "application/json"), ("prefer", "return=representation")];
    let path = format!("{TABLE}?country=eq.Latvia");
    let patched = served.send("PATCH", &path, &fields, r#"{"country": "LV"}"#);
    assert_eq!(patched.json()["data"][1]["name"], "Jelgava");
}

#[test]
fn without_a_filter_nothing_is_written() {
    let (mock, served) = served(100);
    for query in ["", "?", "?limit=1", "?order=name", "?search=a", "?country=eq.LV&page=1"] {
        let deleted = served.send("DELETE", &format!("{TABLE}{query}"), &[], "");
        assert_eq!(deleted.status, 400, "{query}");
        let patched = served.json("PATCH", &format!("{TABLE}{query}"), r#"{"country": "X"}"#);
        assert_eq!(patched.status, 400, "{query}");
    }
    assert_eq!((mock.len(), &mock.get_record("1").unwrap()["country"]), (10, &text("DE")));
}

#[test]
fn if_too_many_rows_are_found_none_is_written() {
    let (mock, served) = served(3);
    let path = format!("{TABLE}?country=eq.LV");
    let refused = served.send("DELETE", &path, &[], "");
    assert_eq!((refused.status, refused.kind().as_str()), (400, "too_many_rows"));
    let path = format!("{TABLE}?country=eq.FR");
    let fields = [("prefer", "max-affected=2")];
    let refused = served.send("DELETE", &path, &fields, "");
    assert_eq!(refused.kind(), "too_many_rows");
    // A client cannot allow itself more than the table does.
    let path = format!("{TABLE}?country=eq.LV");
    let refused = served.send("DELETE", &path, &[("prefer", "max-affected=100")], "");
    assert_eq!(refused.kind(), "too_many_rows");
    assert_eq!(mock.len(), 10);
}

#[test]
fn a_filter_by_a_column_that_does_not_exist_deletes_nothing() {
    let (mock, served) = served(100);
    for query in ["colour=eq.red", "secret=eq.canary-1", "country=DE"] {
        assert_eq!(served.send("DELETE", &format!("{TABLE}?{query}"), &[], "").status, 400);
    }
    assert_eq!(mock.len(), 10);
}

#[test]
fn tables_are_not_written_in_bulk_unless_it_is_said() {
    let (mock, served) = served(0);
    let refused = served.send("DELETE", &format!("{TABLE}?id=eq.1"), &[], "");
    assert_eq!((refused.status, refused.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(mock.len(), 10);
}
