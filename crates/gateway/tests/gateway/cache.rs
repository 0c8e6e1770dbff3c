//! Answers that are kept, requests that become one, and what no principal may get of another.

use std::time::Duration;

use vantage_api_gateway::{
    Gateway, Limits, Ops, TableConfig,
    auth::{Principal, Tokens},
};
use vantage_core::error;
use vantage_vista::{Capability, FilterOp, Vista};

use crate::support::{
    ADA, BOB, Connection, Gate, Served, cities, cities_mock, closed, open, text, until,
};

const TABLE: &str = "/api/v1/tables/cities";
const LONG_CACHE: Duration = Duration::from_secs(3_600);

#[test]
fn an_answer_is_kept_for_its_time() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities())).cache_ttl(LONG_CACHE);
    let served = Served::start(open().table("cities", config));
    let first = served.get(&format!("{TABLE}?page=1&country=eq.DE"));
    // The order of parameters says nothing.
    let second = served.get(&format!("{TABLE}?country=eq.DE&page=1"));
    assert_eq!((first.text(), first.etag()), (second.text(), second.etag()));
    assert!(first.field("age").is_none() && second.field("age").is_some());
    assert_eq!(gate.reads(), 1);
    served.get(&format!("{TABLE}?country=eq.FR"));
    served.get(&format!("{TABLE}?country=eq.DE&select=id"));
    served.get(&format!("{TABLE}/1"));
    served.get(&format!("{TABLE}/1"));
    assert_eq!(gate.reads(), 4);
    let stats = served.handle.stats();
    assert_eq!((stats.cache_hits, stats.cache_misses), (2, 4));
}

#[test]
fn a_write_is_seen_by_the_next_read() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities()))
        .cache_ttl(LONG_CACHE)
        .operations(Ops::ALL)
        .writable(["name"])
        .max_bulk_rows(10);
    let served = Served::start(open().table("cities", config));
    let name = || served.get(&format!("{TABLE}/1")).json()["name"].as_str().unwrap().to_owned();
    let list = || served.get(TABLE).text();
    let (_, before) = (name(), list());
    let batch =
        r#"{"operations": [{"op": "patch", "table": "cities", "id": "1", "row": {"name": "D"}}]}"#;
    for (method, path, body, expected) in [
        ("PATCH", format!("{TABLE}/1"), r#"{"name": "A"}"#, "A"),
        ("PUT", format!("{TABLE}/1"), r#"{"name": "B"}"#, "B"),
        ("PATCH", format!("{TABLE}?id=eq.1"), r#"{"name": "C"}"#, "C"),
        ("POST", "/api/v1/batch".to_owned(), batch, "D"),
    ] {
        assert_eq!(served.json(method, &path, body).status, 200);
        assert_eq!(name(), expected);
        assert!(list() != before && list().contains(&format!("\"name\":\"{expected}\"")));
    }
}

#[test]
fn equal_requests_during_a_slow_read_are_one_read() {
    let gate = Gate::shut();
    let config = TableConfig::new(gate.before(cities())).cache_ttl(Duration::ZERO);
    let limits = Limits { max_in_flight_per_principal: 1_024, ..Limits::default() };
    let served = Served::start(open().limits(limits).table("cities", config));
    let mut connections: Vec<Connection> =
        (0..1_000).map(|_| Connection::open(served.address)).collect();
    for connection in &mut connections {
        connection.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    }
    // All of them wait for the one that is being made.
    until(|| served.handle.stats().cache_misses == 1_000);
    gate.set_open(true);
    for connection in &mut connections {
        assert_eq!(connection.answer("GET").json()["pagination"]["total"], 10);
    }
    assert_eq!(gate.reads(), 1);
    // Nothing was kept.
    served.get(TABLE);
    assert_eq!(gate.reads(), 2);
}

#[test]
fn a_client_that_leaves_does_not_end_the_read_for_the_others() {
    let gate = Gate::shut();
    let config = TableConfig::new(gate.before(cities())).cache_ttl(Duration::ZERO);
    let served = Served::start(open().table("cities", config));
    let mut first = Connection::open(served.address);
    first.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    gate.wait_for_reads(1);
    let mut second = Connection::open(served.address);
    second.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    until(|| served.handle.stats().cache_misses == 2);
    drop(first);
    // The first request is over.
    until(|| served.handle.stats().in_flight == 1);
    gate.set_open(true);
    assert_eq!(second.answer("GET").status, 200);
    assert_eq!(gate.reads(), 1);
}

#[test]
fn no_principal_gets_what_was_kept_for_another() {
    let config = TableConfig::new(cities()).cache_ttl(LONG_CACHE).scope(|principal, cities| {
        let country = if principal.id == "ada" { "DE" } else { "LV" };
        cities.with_condition("country", FilterOp::Eq, country)
    });
    let served = Served::start(closed().table("cities", config));
    for _ in 0..2 {
        for (who, country, other) in [(ADA, "DE", "LV"), (BOB, "LV", "DE")] {
            let text = served.send("GET", TABLE, &[who], "").text();
            assert!(text.contains(country) && !text.contains(other), "{text}");
        }
        assert_eq!(served.send("GET", &format!("{TABLE}/1"), &[ADA], "").status, 200);
        assert_eq!(served.send("GET", &format!("{TABLE}/1"), &[BOB], "").status, 404);
    }
    let stats = served.handle.stats();
    assert!(stats.cache_hits >= 3, "{stats:?}");
}

#[test]
fn a_scope_that_gives_each_tenant_a_table_of_its_own_is_told_apart() {
    let mock = cities_mock();
    mock.clear_records();
    let of_bob = Vista::new("cities", mock);
    // The query is the same for both; the rows behind it are not.
    let config =
        TableConfig::new(cities()).cache_ttl(LONG_CACHE).scope(move |principal, cities| {
            Ok(if principal.id == "ada" { cities } else { of_bob.clone() })
        });
    let served = Served::start(closed().table("cities", config));
    let total = |who| served.send("GET", TABLE, &[who], "").json()["pagination"]["total"].clone();
    assert_eq!((total(ADA), total(BOB), total(ADA)), (10.into(), 0.into(), 10.into()));
}

#[test]
fn a_principal_with_other_roles_is_another_one() {
    let token = |secret: &str, role: &str| {
        (Tokens::digest_of(secret), Principal::new("ada").with_role(role))
    };
    let tokens = Tokens::digests([token("one", "world"), token("two", "nobody")]).unwrap();
    let config =
        TableConfig::new(cities()).cache_ttl(LONG_CACHE).scope(|principal, cities| match principal
            .roles
            .iter()
            .any(|role| role == "world")
        {
            true => Ok(cities),
            false => cities.with_condition("country", FilterOp::Eq, "none"),
        });
    let served = Served::start(Gateway::builder().auth(tokens).table("cities", config));
    let get = |key: &str, path: &str| served.send("GET", path, &[("x-api-key", key)], "");
    let total = |key: &str| get(key, TABLE).json()["pagination"]["total"].clone();
    assert_eq!((total("one"), total("two"), total("one")), (10.into(), 0.into(), 10.into()));
    assert_eq!(get("one", &format!("{TABLE}/1")).status, 200);
    assert_eq!(get("two", &format!("{TABLE}/1")).status, 404);
    // Nor is a cursor of the one good for the other.
    let page = get("one", &format!("{TABLE}?cursor=&limit=2")).json();
    let cursor = page["pagination"]["next_cursor"].as_str().unwrap().to_owned();
    let next = get("two", &format!("{TABLE}?cursor={cursor}&limit=2"));
    assert_eq!(next.kind(), "invalid_cursor");
}

#[test]
fn what_was_kept_is_given_if_the_source_fails() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities())).cache_ttl(Duration::from_millis(1));
    let served = Served::start(open().table("cities", config));
    let fresh = served.get(TABLE);
    gate.fail_with(Some(|| error!("upstream body: canary")));
    // As soon as its time is over the source is asked, and fails.
    until(|| {
        let answer = served.get(TABLE);
        assert_eq!((answer.status, answer.text()), (200, fresh.text()));
        assert!(answer.field("age").is_some());
        served.handle.stats().cache_stale > 0
    });
    let other = served.get(&format!("{TABLE}?country=eq.DE"));
    assert_eq!((other.status, other.kind().as_str()), (502, "upstream_failed"));
    assert!(!other.text().contains("canary"));
    gate.fail_with(None);
    assert!(served.get(&format!("{TABLE}?country=eq.DE")).status == 200);
}

#[test]
fn a_failure_is_not_kept() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities())).cache_ttl(LONG_CACHE);
    let served = Served::start(open().stale_if_error(Duration::ZERO).table("cities", config));
    gate.fail_with(Some(|| error!("gone")));
    assert_eq!(served.get(TABLE).status, 502);
    gate.fail_with(None);
    assert_eq!(served.get(TABLE).status, 200);
    assert_eq!(gate.reads(), 2);
}

#[test]
fn a_change_that_the_table_tells_of_is_seen() {
    let mock = cities_mock();
    let capabilities =
        Vista::new("cities", mock.clone()).capabilities().with(Capability::Subscribe);
    let (gate, vista) =
        (Gate::open(), Vista::new("cities", mock.clone().with_capabilities(capabilities)));
    let config = TableConfig::new(gate.before(vista)).cache_ttl(LONG_CACHE);
    let served = Served::start(open().table("cities", config));
    let name = || served.get(&format!("{TABLE}/1")).json()["name"].as_str().unwrap().to_owned();
    assert_eq!(name(), "Berlin");
    mock.set_field("1", "name", text("Changed"));
    // Somebody listens as soon as something is kept.
    until(|| gate.change() == 1);
    until(|| name() == "Changed");
}
