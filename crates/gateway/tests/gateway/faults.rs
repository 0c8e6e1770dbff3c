//! What a hostile client tries, and what may not leave the gateway.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use vantage_api_gateway::{Cors, Ops, TableConfig};
use vantage_api_pool::{AwwPool, PoolApi};
use vantage_core::error;
use vantage_vista::{Vista, VistaFactory};

use crate::support::{ADA, Gate, Served, cities, cities_mock, closed, open};

const TABLE: &str = "/api/v1/tables/cities";

#[test]
fn no_page_of_another_origin_may_make_requests_unless_it_is_named() {
    let preflight = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization"),
    ];
    let allows = |answer: &crate::support::Answer| {
        answer.fields.iter().any(|(name, _)| name.starts_with("access-control-"))
    };
    let served = Served::start(closed().table("cities", TableConfig::new(cities())));
    for answer in [
        served.send("OPTIONS", TABLE, &preflight, ""),
        served.send("GET", TABLE, &[ADA, ("origin", "https://evil.example")], ""),
        served.send("GET", TABLE, &[ADA, ("origin", "null")], ""),
    ] {
        assert!(!allows(&answer), "{answer:?}");
    }
    let cors = Cors::origins(["https://app.example.com"]).unwrap();
    let served = Served::start(closed().cors(cors).table("cities", TableConfig::new(cities())));
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "null"] {
        let fields = [ADA, ("origin", origin)];
        assert!(!allows(&served.send("GET", TABLE, &fields, "")), "{origin}");
        let fields = [("origin", origin), ("access-control-request-method", "GET")];
        assert!(!allows(&served.send("OPTIONS", TABLE, &fields, "")), "{origin}");
    }
    let app = ("origin", "https://app.example.com");
    let answer = served.send("GET", TABLE, &[ADA, app], "");
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    assert!(answer.fields.contains(&("vary".to_owned(), "Origin".to_owned())));
    // A preflight has no credentials.
    let fields = [app, ("access-control-request-method", "PATCH")];
    let answer = served.send("OPTIONS", TABLE, &fields, "");
    assert_eq!(answer.status, 204);
    assert!(answer.field("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(answer.field("access-control-allow-headers").unwrap().contains("authorization"));
    // Nor does it open anything else: an OPTIONS that is not a preflight needs some.
    assert_eq!(served.send("OPTIONS", TABLE, &[app], "").status, 401);
    // A refusal can be read by the page too.
    let refused = served.send("GET", TABLE, &[app], "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.field("access-control-allow-origin"), Some("https://app.example.com"));
    let served = Served::start(
        closed().cors(Cors::any_origin()).table("cities", TableConfig::new(cities())),
    );
    let answer = served.send("GET", TABLE, &[ADA, ("origin", "https://any.example")], "");
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
}

#[test]
fn an_id_of_a_request_that_could_forge_a_log_is_replaced() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    let id = |given: &str| {
        let answer = served.send("GET", "/api/v1/tables/none", &[("x-request-id", given)], "");
        let id = answer.field("x-request-id").unwrap().to_owned();
        assert_eq!(answer.json()["instance"], id);
        id
    };
    assert_eq!(id("req-1.A_b"), "req-1.A_b");
    for given in ["a b", "a;b", "<script>", "ü", &"x".repeat(65)] {
        let made = id(given);
        assert!(made != *given && made.len() == 32, "{given}");
    }
}

#[test]
fn every_answer_has_the_fields_that_keep_browsers_from_harm() {
    let served = Served::start(closed().table("cities", TableConfig::new(cities())));
    for answer in [
        served.send("GET", TABLE, &[ADA], ""),
        served.get(TABLE),
        served.get("/api/v1/health"),
        served.send("GET", "/api/v1/tables/none", &[ADA], ""),
    ] {
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.field("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'")
        );
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.field("cross-origin-resource-policy"), Some("same-origin"));
        assert!(answer.field("set-cookie").is_none() && answer.field("server").is_none());
        let cache = answer.field("cache-control").unwrap();
        assert!(cache == "no-store" || cache == "private, no-cache", "{cache}");
    }
}

#[test]
fn nothing_of_an_error_of_a_source_leaves_the_gateway() {
    let gate = Gate::open();
    let config =
        TableConfig::new(gate.before(cities())).operations(Ops::ALL).writable(["id", "name"]);
    let served = Served::start(open().table("cities", config));
    let failures: [(fn() -> vantage_core::VantageError, u16); 6] = [
        (|| error!("canary: SELECT * FROM /var/db", body = "canary", url = "http://canary"), 502),
        (|| error!("canary").mark_incorrect_usage(), 422),
        (|| error!("canary").mark_conflict(), 409),
        (|| error!("canary").mark_forbidden(), 403),
        (|| error!("canary").mark_unsupported(), 501),
        (|| error!("canary").mark_unimplemented(), 501),
    ];
    for (failure, status) in failures {
        gate.fail_with(Some(failure));
        for answer in [
            served.get(TABLE),
            served.get(&format!("{TABLE}/1")),
            served.json("PATCH", &format!("{TABLE}/1"), r#"{"name": "X"}"#),
            served.json("POST", TABLE, r#"{"id": "x", "name": "X"}"#),
        ] {
            assert_eq!(answer.status, status);
            assert!(!answer.text().contains("canary"), "{}", answer.text());
        }
    }
}

#[test]
fn filters_cannot_be_used_to_exhaust_the_gateway() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    let many: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let body = format!("{{\"filter\": {{\"population\": {{\"in\": [{}]}}}}}}", many.join(","));
    let refused = served.json("POST", "/api/v1/tables/cities/query", &body);
    assert_eq!(refused.status, 400);
    let members: Vec<String> = (0..20_000).map(|n| format!("\"c{n}\": 1")).collect();
    let body = format!("{{\"filter\": {{{}}}}}", members.join(","));
    let refused = served.json("POST", "/api/v1/tables/cities/query", &body);
    assert_eq!(refused.status, 400);
    assert!(refused.body.len() < 20_000, "{}", refused.body.len());
    let query = vec!["name=eq.a"; 500].join("&");
    assert_eq!(served.get(&format!("{TABLE}?{query}")).status, 400);
    let rows = format!("[{}]", vec![r#"{"name":"X"}"#; 1_001].join(","));
    let config = TableConfig::new(cities()).operations(Ops::INSERT).writable(["name"]);
    let served = Served::start(open().table("cities", config));
    assert_eq!(served.json("POST", TABLE, &rows).kind(), "too_many_rows");
}

#[test]
fn an_answer_is_bounded_and_says_how_to_ask_for_less() {
    let limits = vantage_api_gateway::Limits { max_response_bytes: 300, ..Default::default() };
    let served = Served::start(open().limits(limits).table("cities", TableConfig::new(cities())));
    let refused = served.get(TABLE);
    assert_eq!((refused.status, refused.kind().as_str()), (422, "answer_too_large"));
    assert!(refused.text().contains("per_page"));
    assert_eq!(served.get(&format!("{TABLE}?per_page=2")).status, 200);
}

#[test]
fn texts_of_rows_stay_texts() {
    let mock = cities_mock();
    let evil = "</script>\"\\\u{0}\u{2028}\r\n<b>";
    mock.set_field("1", "name", crate::support::text(evil));
    let served =
        Served::start(open().table("cities", TableConfig::new(Vista::new("cities", mock))));
    let row = served.get(&format!("{TABLE}/1"));
    assert_eq!(row.json()["name"], evil);
    assert_eq!(row.field("content-type"), Some("application/json"));
}

/// An API whose every answer is this, until the test ends.
fn upstream(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                line.clear();
            }
            // The client may have given up.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn neither_fields_nor_texts_of_an_upstream_are_passed_on() {
    const ROWS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
        set-cookie: session=canary\r\nx-canary: 1\r\naccess-control-allow-origin: *\r\n\
        etag: \"canary\"\r\ncache-control: public, max-age=canary\r\nconnection: close\r\n\
        content-length: 60\r\n\r\n\
        {\"data\":[{\"id\":\"1\",\"name\":\"Riga\"}],\"pagination\":{\"total\":1}}";
    const FAILED: &str = "HTTP/1.1 404 canary\r\ncontent-type: text/html\r\nx-canary: 1\r\n\
        location: http://canary.example/\r\nconnection: close\r\ncontent-length: 13\r\n\r\n\
        <p>canary</p>";
    for (answer, status) in [(ROWS, 200), (FAILED, 404)] {
        let pool = AwwPool::builder(upstream(answer)).build().unwrap();
        let factory = PoolApi::new(pool).vista_factory();
        let yaml =
            "name: cities\ncolumns: { id: { type: text, flags: [id] }, name: { type: text } }";
        let vista = factory.from_yaml(yaml).unwrap();
        let served = Served::start(open().table("cities", TableConfig::new(vista)));
        let list = served.get(TABLE);
        assert_eq!(list.status, status, "{}", list.text());
        assert!(!format!("{:?}", list.fields).contains("canary"), "{:?}", list.fields);
        assert!(!list.text().contains("canary"), "{}", list.text());
        assert!(list.field("access-control-allow-origin").is_none());
    }
}

#[test]
fn nothing_that_a_client_sends_is_a_place_to_read_from() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    for (path, status) in [
        ("/api/v1/tables/http%3A%2F%2F127.0.0.1%2F", 404),
        ("/api/v1/tables/%2Fetc%2Fpasswd", 404),
        ("/api/v1/tables/cities?url=http://127.0.0.1/", 400),
        ("/api/v1/tables/cities?select=http://127.0.0.1/", 400),
        ("/api/v1/tables/cities?cursor=http://127.0.0.1/", 400),
        ("/api/v1/tables/cities/http%3A%2F%2F127.0.0.1%2F", 404),
        ("/api/v1/tables/cities/1/http%3A%2F%2F127.0.0.1%2F", 404),
        ("/api/v1/http://127.0.0.1/", 404),
    ] {
        assert_eq!(served.get(path).status, status, "{path}");
    }
}
