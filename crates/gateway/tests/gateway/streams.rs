//! All rows of a list as lines.

use vantage_api_gateway::TableConfig;
use vantage_core::error;
use vantage_vista::Vista;

use crate::support::{Connection, Gate, Served, cities, cities_mock, city, json, open, until};

const TABLE: &str = "/api/v1/tables/cities";
const LINES: (&str, &str) = ("accept", "application/x-ndjson");

#[test]
fn a_stream_has_all_rows_a_page_at_a_time() {
    let mock = cities_mock();
    for id in 11..=1_205 {
        mock.set_record(id.to_string(), city(&id.to_string(), "Somewhere", "XX", id));
    }
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(Vista::new("cities", mock))).page_size(10, 100);
    let served = Served::start(open().table("cities", config));
    let answer = served.send("GET", &format!("{TABLE}?select=id"), &[LINES], "");
    assert_eq!(answer.field("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    let ids: Vec<String> =
        text.lines().map(|line| json(line)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (1..=1_205).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(gate.reads(), 13);
    let answer =
        served.send("GET", &format!("{TABLE}?country=eq.LV&order=population"), &[LINES], "");
    assert_eq!(answer.text().lines().count(), 4);
    let answer = served.send("GET", &format!("{TABLE}?country=eq.ZZ"), &[LINES], "");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

/// flask-restful/flask-restful#242 and netty/netty#164: the weights of what is accepted were not read.
#[test]
fn a_stream_is_given_to_those_who_want_it_most() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    for (accept, is_stream) in [
        ("application/json, application/x-ndjson", true),
        ("application/x-ndjson;q=0.5, */*", true),
        ("application/json;q=0.5, application/x-ndjson;q=0.8", true),
        ("application/json, application/x-ndjson;q=0.5", false),
        ("application/x-ndjson;q=0", false),
        ("application/json;q=0, application/x-ndjson; Q=0.0", false),
        ("text/html", false),
    ] {
        let answer = served.send("GET", TABLE, &[("accept", accept)], "");
        let expected = if is_stream { "application/x-ndjson" } else { "application/json" };
        assert_eq!(answer.field("content-type"), Some(expected), "{accept}");
    }
}

#[test]
fn a_part_of_a_list_is_not_a_stream() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    for query in ["page=1", "per_page=3", "offset=2", "limit=3", "cursor="] {
        let refused = served.send("GET", &format!("{TABLE}?{query}"), &[LINES], "");
        assert_eq!((refused.status, refused.kind().as_str()), (400, "invalid_query"), "{query}");
    }
    let head = served.send("HEAD", TABLE, &[LINES], "");
    assert_eq!((head.status, head.field("content-type")), (200, Some("application/x-ndjson")));
}

#[test]
fn a_failure_in_the_middle_is_no_end() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities())).page_size(2, 2);
    let served = Served::start(open().table("cities", config));
    let mut connection = Connection::open(served.address);
    gate.set_open(false);
    connection
        .write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n"));
    gate.wait_for_reads(1);
    gate.set_open(true);
    connection.head();
    assert!(connection.chunk().is_some());
    gate.fail_with(Some(|| error!("gone")));
    let cut = loop {
        match connection.try_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(()) => break true,
        }
    };
    // Unless all five pages were there before the failure.
    assert!(cut || gate.reads() == 5);
    until(|| served.handle.stats().in_flight == 0);
}

#[test]
fn a_client_that_leaves_ends_its_stream() {
    let gate = Gate::open();
    let config = TableConfig::new(gate.before(cities())).page_size(1, 1);
    let served = Served::start(open().table("cities", config));
    gate.set_open(false);
    let mut connection = Connection::open(served.address);
    connection
        .write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n"));
    gate.wait_for_reads(1);
    drop(connection);
    gate.wait_for_dropped(1);
    until(|| served.handle.stats().in_flight == 0);
}
