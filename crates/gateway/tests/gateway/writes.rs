//! Inserts, replacements, patches and deletes of rows.

use serde_json::json;
use vantage_api_gateway::{Ops, TableConfig};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{Served, cities_mock, open, text};

fn served_with(ops: Ops) -> (MockShell, Served) {
    let mock = cities_mock();
    let config = TableConfig::new(Vista::new("cities", mock.clone())).operations(ops).writable([
        "id",
        "name",
        "country",
        "population",
    ]);
    (mock, Served::start(open().table("cities", config)))
}

const TABLE: &str = "/api/v1/tables/cities";

#[test]
fn an_insert_says_where_its_row_is() {
    let (mock, served) = served_with(Ops::INSERT);
    let row = r#"{"id": "a/b", "name": "Daugavpils", "country": "LV", "population": 79000}"#;
    let made = served.json("POST", TABLE, row);
    assert_eq!((made.status, made.field("location")), (201, Some("/api/v1/tables/cities/a%2Fb")));
    assert_eq!(made.json()["name"], "Daugavpils");
    let read = served.get(made.field("location").unwrap());
    assert_eq!((read.text(), read.etag()), (made.text(), made.etag()));
    assert_eq!(mock.len(), 11);
}

#[test]
fn an_insert_without_an_id_gets_one() {
    let (mock, served) = served_with(Ops::INSERT);
    mock.clear_records();
    let made = served.json("POST", TABLE, r#"{"name": "Daugavpils"}"#);
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(mock.get_record(&id).unwrap()["name"], text("Daugavpils"));
    assert_eq!(made.json()["country"], json!(null));
}

#[test]
fn an_array_is_inserted_row_by_row() {
    let (mock, served) = served_with(Ops::INSERT);
    let rows = r#"[{"id": "11", "name": "A"}, {"id": "12", "name": "B"}]"#;
    let made = served.json("POST", TABLE, rows);
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["data"][1]["name"], "B");
    // One that is refused keeps all of them out.
    let rows = r#"[{"id": "13", "name": "C"}, {"id": "14", "name": 7}]"#;
    let refused = served.json("POST", TABLE, rows);
    assert_eq!((refused.status, refused.kind().as_str()), (422, "invalid_row"));
    assert_eq!(refused.json()["errors"][0]["pointer"], "/1/name");
    // One that is in the way says what is stored.
    let rows =
        r#"[{"id": "15", "name": "C"}, {"id": "1", "name": "D"}, {"id": "16", "name": "E"}]"#;
    let refused = served.json("POST", TABLE, rows);
    assert_eq!((refused.status, &refused.json()["stored"]), (409, &json!(1)));
    assert_eq!(mock.len(), 13);
}

#[test]
fn an_id_that_is_taken_is_a_conflict_unless_the_client_says_otherwise() {
    let (mock, served) = served_with(Ops::INSERT | Ops::PATCH);
    let row = r#"{"id": "1", "name": "Changed"}"#;
    let people = mock.get_record("1").unwrap()["population"].clone();
    assert_eq!(served.json("POST", TABLE, row).kind(), "conflict");
    let post = |prefer: &str| {
        let fields = [("content-type", "application/json"), ("prefer", prefer)];
        served.send("POST", TABLE, &fields, row)
    };
    let ignored = post("resolution=ignore-duplicates");
    assert_eq!((ignored.status, &ignored.json()["name"]), (200, &json!("Berlin")));
    assert_eq!(ignored.field("preference-applied"), Some("resolution=ignore-duplicates"));
    let merged = post("resolution=merge-duplicates");
    assert_eq!((merged.status, &merged.json()["name"]), (200, &json!("Changed")));
    let stored = mock.get_record("1").unwrap();
    assert_eq!((&stored["name"], &stored["population"]), (&text("Changed"), &people));
    // Whoever may not change a row does not do so by an insert.
    let (mock, served) = served_with(Ops::INSERT | Ops::REPLACE);
    let fields = [("content-type", "application/json"), ("prefer", "resolution=merge-duplicates")];
    let refused = served.send("POST", TABLE, &fields, row);
    assert_eq!((refused.status, refused.kind().as_str()), (403, "forbidden"));
    assert_ne!(mock.get_record("1").unwrap()["name"], text("Changed"));
}

#[test]
fn a_replacement_keeps_what_a_client_may_not_set() {
    let (mock, served) = served_with(Ops::REPLACE);
    let put = served.json("PUT", "/api/v1/tables/cities/7", r#"{"name": "Rīga"}"#);
    assert_eq!(put.status, 200);
    assert_eq!(put.json()["population"], json!(null));
    let stored = mock.get_record("7").unwrap();
    assert_eq!((&stored["name"], &stored["secret"]), (&text("Rīga"), &text("canary-7")));
    // Without inserts it creates nothing.
    assert_eq!(served.json("PUT", "/api/v1/tables/cities/77", r#"{"name": "X"}"#).status, 404);
    let other = served.json("PUT", "/api/v1/tables/cities/7", r#"{"id": "8", "name": "X"}"#);
    assert_eq!((other.status, other.kind().as_str()), (422, "invalid_row"));
}

#[test]
fn a_patch_sets_some_columns() {
    let (mock, served) = served_with(Ops::PATCH);
    let patched = served.json("PATCH", "/api/v1/tables/cities/7", r#"{"population": null}"#);
    assert_eq!((patched.status, &patched.json()["name"]), (200, &json!("Riga")));
    assert!(mock.get_record("7").unwrap()["population"].is_null());
    assert_eq!(served.json("PATCH", "/api/v1/tables/cities/77", r#"{"name": "X"}"#).status, 404);
}

#[test]
fn a_delete_of_what_is_not_there_is_done_already() {
    let (mock, served) = served_with(Ops::DELETE | Ops::PATCH);
    for _ in 0..2 {
        assert_eq!(served.send("DELETE", "/api/v1/tables/cities/7", &[], "").status, 204);
    }
    assert!(mock.get_record("7").is_none() && mock.len() == 9);
}

#[test]
fn a_write_that_names_an_old_state_changes_nothing() {
    let (mock, served) = served_with(Ops::ALL);
    let path = "/api/v1/tables/cities/7";
    let etag = served.get(path).etag();
    let write = |method: &str, field: (&str, &str)| {
        let fields = [("content-type", "application/json"), field];
        let body = if method == "DELETE" { "" } else { r#"{"name": "New"}"# };
        served.send(method, path, &fields, body)
    };
    for method in ["PATCH", "PUT", "DELETE"] {
        assert_eq!(write(method, ("if-match", "\"old\"")).kind(), "precondition_failed");
        assert_eq!(write(method, ("if-none-match", "*")).status, 412);
    }
    assert_eq!(mock.get_record("7").unwrap()["name"], text("Riga"));
    let patched = write("PATCH", ("if-match", &etag));
    assert_eq!(patched.status, 200);
    assert_eq!(write("PATCH", ("if-match", &etag)).status, 412);
    assert_eq!(write("DELETE", ("if-match", &patched.etag())).status, 204);
    // A row that is to be new is so once.
    assert_eq!(write("PUT", ("if-none-match", "*")).status, 201);
    assert_eq!(write("PUT", ("if-none-match", "*")).status, 412);
}

#[test]
fn of_writers_that_name_the_same_state_one_wins() {
    let (_, served) = served_with(Ops::PATCH);
    let path = "/api/v1/tables/cities/7";
    let etag = served.get(path).etag();
    let outcomes: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let (served, etag) = (&served, &etag);
                scope.spawn(move || {
                    let fields =
                        [("content-type", "application/json"), ("if-match", etag.as_str())];
                    let body = format!("{{\"population\": {n}}}");
                    served.send("PATCH", path, &fields, &body).status
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|status| **status == 200).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|status| **status == 412).count(), 7, "{outcomes:?}");
}

#[test]
fn columns_that_may_not_be_set_are_refused_by_name() {
    let mock = cities_mock();
    let config = TableConfig::new(Vista::new("cities", mock.clone()))
        .operations(Ops::INSERT | Ops::PATCH)
        .writable(["name"])
        .write_only(["secret"]);
    let served = Served::start(open().table("cities", config));
    for column in ["id", "country", "is_admin", "secret/x"] {
        let body = format!("{{\"name\": \"X\", \"{column}\": \"1\"}}");
        let refused = served.json("POST", TABLE, &body);
        assert_eq!((refused.status, refused.kind().as_str()), (422, "invalid_row"), "{column}");
        assert!(refused.text().contains("name and secret"), "{}", refused.text());
    }
    let made = served.json("PATCH", "/api/v1/tables/cities/1", r#"{"secret": "new"}"#);
    assert_eq!(made.status, 200);
    assert!(!made.text().contains("new") && !made.text().contains("secret"));
    assert_eq!(mock.get_record("1").unwrap()["secret"], text("new"));
}

#[test]
fn values_must_be_those_of_their_columns() {
    let (mock, served) = served_with(Ops::INSERT);
    for (row, pointer) in [
        (r#"{"name": 7}"#, "/name"),
        (r#"{"name": "X", "population": "7"}"#, "/population"),
        (r#"{"name": "X", "population": 7.5}"#, "/population"),
        (r#"{"name": null}"#, "/name"),
        (r#"{"country": "LV"}"#, "/name"),
        (r#"{}"#, "/name"),
        (r#""X""#, ""),
        (r#"{"id": "..", "name": "X"}"#, "/id"),
        (r#"{"id": "a\u0000b", "name": "X"}"#, "/id"),
    ] {
        let refused = served.json("POST", TABLE, row);
        assert_eq!((refused.status, refused.kind().as_str()), (422, "invalid_row"), "{row}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{row}");
    }
    assert_eq!(mock.len(), 10);
}

#[test]
fn a_body_is_taken_as_it_is_or_not_at_all() {
    let (mock, served) = served_with(Ops::INSERT);
    mock.clear_records();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        (r#"{"name": "X"} x"#, 400),
        (r#"{"name": "X", "name": "Y"}"#, 422),
        (r#"{"name": "X", "population": 18446744073709551616}"#, 422),
    ] {
        let refused = served.json("POST", TABLE, body);
        assert_eq!((refused.status, refused.kind().as_str()), (status, "invalid_json"), "{body}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let refused = served.send("POST", TABLE, &[("content-type", kind)], r#"{"name": "X"}"#);
        assert_eq!((refused.status, refused.kind().as_str()), (415, "unsupported_type"));
    }
    let typed = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(served.send("POST", TABLE, &typed, r#"{"name": "X"}"#).status, 201);
    assert_eq!(mock.len(), 1);
}

#[test]
fn an_answer_can_be_left_out() {
    let (_, served) = served_with(Ops::ALL);
    let prefer = [("content-type", "application/json"), ("prefer", "return=minimal")];
    let made = served.send("POST", TABLE, &prefer, r#"{"id": "x", "name": "X"}"#);
    assert_eq!((made.status, made.body.len()), (201, 0));
    assert_eq!(made.field("preference-applied"), Some("return=minimal"));
    let patched = served.send("PATCH", "/api/v1/tables/cities/x", &prefer, r#"{"name": "Y"}"#);
    assert_eq!((patched.status, patched.body.len()), (200, 0));
    assert_eq!(patched.etag(), served.get("/api/v1/tables/cities/x").etag());
    let strict = [("content-type", "application/json"), ("prefer", "handling=strict, wait=1")];
    let refused = served.send("PATCH", "/api/v1/tables/cities/x", &strict, r#"{"name": "Z"}"#);
    assert_eq!(refused.kind(), "invalid_preference");
}

#[test]
fn what_is_not_allowed_has_no_method() {
    let (mock, served) = served_with(Ops::PATCH);
    for (method, path, allow) in [
        ("POST", TABLE, "GET, HEAD, OPTIONS"),
        ("DELETE", TABLE, "GET, HEAD, OPTIONS"),
        ("PUT", "/api/v1/tables/cities/1", "GET, HEAD, OPTIONS, PATCH"),
        ("DELETE", "/api/v1/tables/cities/1", "GET, HEAD, OPTIONS, PATCH"),
        ("POST", "/api/v1/tables/cities/1", "GET, HEAD, OPTIONS, PATCH"),
        ("BREW", "/api/v1/tables/cities/1", "GET, HEAD, OPTIONS, PATCH"),
    ] {
        let refused = served.json(method, path, r#"{"name": "X"}"#);
        assert_eq!((refused.status, refused.kind().as_str()), (405, "method_not_allowed"));
        assert_eq!(refused.field("allow"), Some(allow), "{method} {path}");
    }
    let options = served.send("OPTIONS", "/api/v1/tables/cities/1", &[], "");
    assert_eq!((options.status, options.field("allow")), (204, Some("GET, HEAD, OPTIONS, PATCH")));
    assert_eq!(mock.len(), 10);
}
