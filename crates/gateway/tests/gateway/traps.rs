//! What HTTP and the framework leave open: each is closed, and stays so when they change.

use std::{net::Shutdown, time::Duration};

use vantage_api_gateway::{Limits, Ops, TableConfig};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{Connection, Gate, Served, cities, cities_mock, city, open, text, until};

const TABLE: &str = "/api/v1/tables/cities";
const JSON: (&str, &str) = ("content-type", "application/json");

fn writable() -> (MockShell, TableConfig) {
    let mock = cities_mock();
    let vista = Vista::new("cities", mock.clone());
    (mock, TableConfig::new(vista).operations(Ops::ALL).writable(["id", "name"]))
}

fn served_with(limits: Limits) -> Served {
    Served::start(open().limits(limits).table("cities", writable().1))
}

#[test]
fn a_coded_body_is_refused_before_it_is_decoded() {
    let served = served_with(Limits::default());
    for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        let refused = served.send("POST", TABLE, &[JSON, ("content-encoding", coding)], "x");
        assert_eq!((refused.status, refused.kind().as_str()), (415, "unsupported_coding"));
        assert_eq!(refused.field("accept-encoding"), Some("identity"));
    }
    let fields = [JSON, ("content-encoding", "identity")];
    assert_eq!(served.send("POST", TABLE, &fields, r#"{"name": "X"}"#).status, 201);
}

#[test]
fn a_body_that_is_too_large_is_refused_declared_or_not() {
    let served = served_with(Limits { max_body_bytes: 1_000, ..Limits::default() });
    let mut declared = Connection::open(served.address);
    // Refused by its length alone: the body never comes.
    declared.write(format!(
        "POST {TABLE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 1001\r\n\r\n"
    ));
    let refused = declared.answer("POST");
    assert_eq!((refused.status, refused.kind().as_str()), (413, "body_too_large"));
    let mut chunked = Connection::open(served.address);
    chunked.write(format!(
        "POST {TABLE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    ));
    for _ in 0..11 {
        chunked.write(format!("64\r\n{}\r\n", " ".repeat(100)));
    }
    assert_eq!(chunked.answer("POST").status, 413);
    let body = format!("{{\"name\": \"X\"}}{}", " ".repeat(1_000 - 13));
    assert_eq!(served.send("POST", TABLE, &[JSON], &body).status, 201);
}

#[test]
fn a_body_that_stalls_or_trickles_is_refused() {
    let idle = Limits { body_idle_timeout: Duration::from_millis(100), ..Limits::default() };
    let total = Limits { body_timeout: Duration::from_millis(300), ..Limits::default() };
    for limits in [idle, total] {
        let served = served_with(limits);
        let mut slow = Connection::open(served.address);
        slow.write(format!(
            "POST {TABLE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: 100\r\n\r\n{{"
        ));
        let answer = slow.answer("POST");
        assert_eq!((answer.status, answer.kind().as_str()), (408, "body_too_slow"));
        assert!(slow.rest().is_empty());
    }
}

#[test]
fn a_body_that_goes_on_after_its_answer_is_not_waited_for() {
    let (_, config) = writable();
    let gate = Gate::open();
    gate.panic();
    let panics = TableConfig::new(gate.before(cities()));
    let served = Served::start(open().table("cities", config).table("panics", panics));
    let chunked = "transfer-encoding: chunked\r\n";
    let fixed = "content-length: 1000000\r\n";
    for (line, fields, status) in [
        (format!("POST {TABLE}"), "content-type: text/plain\r\n", 415),
        (format!("POST {TABLE}"), "content-encoding: gzip\r\n", 415),
        ("POST /api/v1/nothing".to_owned(), "", 404),
        ("BREW /api/v1/health".to_owned(), "", 405),
        (format!("GET {TABLE}"), "", 200),
        (format!("DELETE {TABLE}/1"), "", 204),
        ("GET /api/v1/tables/panics".to_owned(), "", 500),
    ] {
        for framing in [chunked, fixed] {
            let mut connection = Connection::open(served.address);
            connection.write(format!("{line} HTTP/1.1\r\nhost: x\r\n{fields}{framing}\r\n"));
            assert_eq!(connection.answer("").status, status, "{line}");
            // It sends on, and is closed all the same.
            until(|| {
                let piece: &[u8] = if framing == chunked { b"1\r\nx\r\n" } else { b"x" };
                std::io::Write::write_all(&mut &connection.stream, piece).is_err()
            });
        }
    }
}

#[test]
fn a_head_that_does_not_come_is_given_up() {
    let served =
        served_with(Limits { header_timeout: Duration::from_millis(500), ..Limits::default() });
    for head in ["", "GET /api/v1/health HTTP/1.1\r\nhost:"] {
        let mut slow = Connection::open(served.address);
        slow.write(head);
        let said = String::from_utf8_lossy(&slow.rest()).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_its_answer_with_it() {
    let mock = cities_mock();
    let long = "x".repeat(100_000);
    for id in 100..300 {
        let id = id.to_string();
        let mut row = city(&id, "Long", "XX", 1);
        row.insert("country".to_owned(), text(&long));
        mock.set_record(id, row);
    }
    let config = TableConfig::new(Vista::new("cities", mock));
    let limits = Limits { write_timeout: Duration::from_millis(500), ..Limits::default() };
    let served = Served::start(open().limits(limits).table("cities", config));
    let mut deaf = Connection::open(served.address);
    deaf.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n"));
    until(|| served.handle.stats().in_flight == 1);
    // It never reads, and its permit comes back all the same.
    until(|| served.handle.stats().in_flight == 0);
    assert!(deaf.head().starts_with("HTTP/1.1 200"));
    let cut = loop {
        match deaf.try_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(()) => break true,
        }
    };
    assert!(cut, "a part was taken for the whole");
}

#[test]
fn a_client_that_leaves_ends_the_work_for_it() {
    let gate = Gate::shut();
    let config = TableConfig::new(gate.before(cities()));
    let served = Served::start(open().table("cities", config));
    for reads in 1..=2 {
        let mut leaving = Connection::open(served.address);
        leaving.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
        gate.wait_for_reads(reads);
        match reads {
            1 => drop(leaving),
            _ => leaving.stream.shutdown(Shutdown::Write).unwrap(),
        }
        gate.wait_for_dropped(reads);
    }
    until(|| served.handle.stats().in_flight == 0);
}

#[test]
fn a_panic_is_an_answer_and_the_server_goes_on() {
    let gate = Gate::open();
    gate.panic();
    for cache in [None, Some(Duration::ZERO)] {
        let config = TableConfig::new(gate.before(cities()));
        let config = cache.map_or(config.clone(), |time| config.cache_ttl(time));
        let builder = open().table("cities", config).table("calm", TableConfig::new(cities()));
        let served = Served::start(builder);
        let mut connection = Connection::open(served.address);
        let failed = connection.send("GET", TABLE, &[], "");
        assert_eq!((failed.status, failed.kind().as_str()), (500, "internal"));
        assert!(!failed.text().contains("told to"));
        // On the same connection too.
        assert_eq!(connection.send("GET", "/api/v1/tables/calm", &[], "").status, 200);
    }
}

#[test]
fn work_that_takes_too_long_is_given_up() {
    let gate = Gate::shut();
    let limits = Limits { request_timeout: Duration::from_millis(100), ..Limits::default() };
    let config = TableConfig::new(gate.before(cities())).operations(Ops::ALL).writable(["name"]);
    let served = Served::start(open().limits(limits).table("cities", config));
    let read = served.get(TABLE);
    assert_eq!((read.status, read.kind().as_str()), (504, "timeout"));
    gate.wait_for_dropped(1);
    let write = served.json("PATCH", &format!("{TABLE}/1"), r#"{"name": "X"}"#);
    assert_eq!(write.status, 504);
    assert!(write.text().contains("may have taken effect"));
}

#[test]
fn methods_are_answered_by_what_there_is() {
    let served = served_with(Limits::default());
    for (path, allow) in [
        ("/api/v1/health", "GET, HEAD, OPTIONS"),
        ("/api/v1/tables", "GET, HEAD, OPTIONS"),
        ("/api/v1/openapi.json", "GET, HEAD, OPTIONS"),
        ("/api/v1/batch", "OPTIONS, POST"),
        (TABLE, "GET, HEAD, OPTIONS, POST"),
    ] {
        let options = served.send("OPTIONS", path, &[], "");
        assert_eq!((options.status, options.field("allow")), (204, Some(allow)), "{path}");
        for method in ["TRACE", "BREW", "DELETE"] {
            let refused = served.send(method, path, &[], "");
            assert_eq!((refused.status, refused.field("allow")), (405, Some(allow)), "{path}");
        }
    }
    let query = served.send("OPTIONS", &format!("{TABLE}/query"), &[], "");
    assert!(query.field("allow").unwrap().ends_with(", POST, QUERY"));
    assert_eq!(served.send("HEAD", "/api/v1/health", &[], "").status, 200);
    for path in ["/", "/api", "/api/v1", "/api/v1/", "/api/v2/tables", "/api/v1/tables/a/b/c/d"] {
        let answer = served.get(path);
        assert_eq!((answer.status, answer.kind().as_str()), (404, "not_found"), "{path}");
    }
}

#[test]
fn a_path_is_decoded_once_and_strictly() {
    let (mock, config) = writable();
    for id in ["../1", "a/b", "a%2fb", "ü", "a+b", "a b"] {
        mock.set_record(id, city(id, "Odd", "XX", 1));
    }
    let served = Served::start(open().table("cities", config));
    for (segment, id) in [
        ("..%2f1", "../1"),
        ("..%2F1", "../1"),
        ("a%2fb", "a/b"),
        ("a%252fb", "a%2fb"),
        ("%C3%BC", "ü"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%31", "1"),
    ] {
        let row = served.get(&format!("{TABLE}/{segment}"));
        assert_eq!(row.status, 200, "{segment}: {}", row.text());
        assert_eq!(row.json()["id"], id, "{segment}");
    }
    for segment in [
        "%00",
        "1%00",
        "%0d%0aset-cookie:x",
        "%ff",
        "%c0%ae",
        "%",
        "%2",
        "%zz",
        "..",
        ".",
        "%2e%2e",
        "",
    ] {
        let refused = served.get(&format!("{TABLE}/{segment}"));
        assert_eq!((refused.status, refused.kind().as_str()), (400, "invalid_path"), "{segment}");
    }
}

#[test]
fn a_query_is_read_as_it_was_sent() {
    let served = served_with(Limits::default());
    let names = |query: &str| {
        let answer = served.get(&format!("{TABLE}?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()["data"].as_array().unwrap().len()
    };
    // Both of two filters on a column count.
    assert_eq!(names("population=gt.1000000&population=lt.3000000"), 2);
    assert_eq!(names("name=eq.B%6fnn&&"), 1);
    for query in ["name=eq.%ff", "name=eq.%", "name=eq.%00", "%zz=1"] {
        let refused = served.get(&format!("{TABLE}?{query}"));
        assert_eq!((refused.status, refused.kind().as_str()), (400, "invalid_query"), "{query}");
    }
}

#[test]
fn a_url_that_is_too_long_is_refused() {
    let served = served_with(Limits::default());
    let long = served.get(&format!("{TABLE}?name=eq.{}", "x".repeat(8 << 10)));
    assert_eq!((long.status, long.kind().as_str()), (414, "url_too_long"));
    assert!(long.text().contains("/query"));
}

#[test]
fn nesting_is_bounded() {
    let served = served_with(Limits { max_depth: 5, ..Limits::default() });
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [6, 200, 100_000] {
        let refused = served.json("POST", TABLE, &nested(depth));
        assert_eq!((refused.status, refused.kind().as_str()), (422, "invalid_json"), "{depth}");
    }
    assert_eq!(served.json("POST", TABLE, &nested(5)).kind(), "invalid_row");
}

#[test]
fn heads_that_may_be_read_in_two_ways_are_refused() {
    let served = served_with(Limits::default());
    for head in [
        "GET /api/v1/health HTTP/1.1\r\n\r\n",
        "GET /api/v1/health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "POST /api/v1/batch HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /api/v1/batch HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "POST /api/v1/batch HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\n{}",
    ] {
        let mut connection = Connection::open(served.address);
        connection.write(head);
        assert_eq!(connection.answer("GET").status, 400, "{head}");
    }
    let mut connection = Connection::open(served.address);
    let fields: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    connection.write(format!("GET /api/v1/health HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    assert_eq!(connection.answer("GET").status, 431);
    let mut connection = Connection::open(served.address);
    connection.write(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(70_000)));
    assert!(matches!(connection.answer("GET").status, 400 | 414 | 431));
}

#[test]
fn the_host_of_a_request_is_used_for_nothing() {
    let served = served_with(Limits::default());
    let mut connection = Connection::open(served.address);
    let body = r#"{"name": "X"}"#;
    connection.write(format!(
        "POST http://evil.example{TABLE} HTTP/1.1\r\nhost: evil.example\r\n\
         x-forwarded-host: evil.example\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let made = connection.answer("POST");
    assert_eq!(made.status, 201);
    assert!(made.field("location").unwrap().starts_with("/api/v1/tables/cities/"));
    assert!(!format!("{made:?}").contains("evil"));
}

#[test]
fn more_requests_than_are_worked_on_are_told_to_come_again() {
    let gate = Gate::shut();
    let limits = Limits { max_in_flight: 2, max_in_flight_per_principal: 2, ..Limits::default() };
    let config = TableConfig::new(gate.before(cities()));
    let served = Served::start(open().limits(limits).table("cities", config));
    let mut working: Vec<Connection> = (0..2).map(|_| Connection::open(served.address)).collect();
    for connection in &mut working {
        connection.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    }
    gate.wait_for_reads(2);
    let refused = served.get(TABLE);
    assert_eq!((refused.status, refused.kind().as_str()), (503, "full"));
    assert_eq!(refused.field("retry-after"), Some("1"));
    // Whether it lives is told all the same.
    assert_eq!(served.get("/api/v1/health").status, 200);
    gate.set_open(true);
    for connection in &mut working {
        assert_eq!(connection.answer("GET").status, 200);
    }
    assert_eq!(served.get(TABLE).status, 200);
}

#[test]
fn requests_that_follow_each_other_on_a_connection_are_answered_in_order() {
    let served = served_with(Limits::default());
    let mut connection = Connection::open(served.address);
    let requests: String =
        (1..=10).map(|id| format!("GET {TABLE}/{id} HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    connection.write(requests);
    for id in 1..=10 {
        assert_eq!(connection.answer("GET").json()["id"], id.to_string());
    }
}
