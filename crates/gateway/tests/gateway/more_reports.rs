//! More public reports of faults in comparable software: of access, of conditions, of pages and of
//! what is kept.

use serde_json::json;
use vantage_api_gateway::{Ops, TableConfig};

use crate::{
    reports::{TABLE, found, writable},
    support::{BOB, Connection, Gate, Served, cities, city, closed, open, until},
};

/// h3js/h3#1456 and vert-x3/vertx-web#2880: an answer that is kept for one origin must not be given
/// to another, whether its origin was let in or not.
#[test]
fn whatever_depends_on_the_origin_says_so() {
    let cors = vantage_api_gateway::Cors::origins(["https://app.example.com"]).unwrap();
    let served = Served::start(open().cors(cors).table("cities", TableConfig::new(cities())));
    let varies = |method: &str, fields: &[(&str, &str)]| {
        let answer = served.send(method, TABLE, fields, "");
        let all: Vec<_> = answer.fields("vary").collect();
        assert!(all.join(",").to_ascii_lowercase().contains("origin"), "{fields:?}: {all:?}");
        answer.field("access-control-allow-origin").map(str::to_owned)
    };
    let asked = ("access-control-request-method", "GET");
    for (origin, is_allowed) in
        [("https://app.example.com", true), ("https://evil.example", false), ("null", false)]
    {
        let origin = ("origin", origin);
        for allowed in [varies("GET", &[origin]), varies("OPTIONS", &[origin, asked])] {
            assert_eq!(allowed.as_deref(), is_allowed.then_some(origin.1));
        }
    }
    assert_eq!(varies("GET", &[]), None);
}

/// HeliosSoftware/hfs#422: conditions were read in part, or passed over in deletes and batches.
#[test]
fn a_condition_holds_for_every_way_to_write() {
    let (mock, served) = writable();
    let row = format!("{TABLE}/1");
    for (condition, status) in [
        (("if-match", "*"), 412),
        (("if-match", "\"a\", \"b\""), 412),
        (("if-match", "1"), 400),
        (("if-none-match", "\"a"), 400),
    ] {
        for (method, body) in [("PUT", r#"{"name": "X"}"#), ("PATCH", r#"{"name": "X"}"#)] {
            let fields = [condition, ("content-type", "application/json")];
            let answer = served.send(method, &format!("{TABLE}/99"), &fields, body);
            assert_eq!(answer.status, status, "{method} {condition:?}");
        }
    }
    for condition in [("if-match", "\"a\""), ("if-none-match", "*")] {
        assert_eq!(served.send("DELETE", &row, &[condition], "").status, 412);
    }
    let tag = served.get(&row).etag();
    let weak = format!("W/{tag}");
    assert_eq!(served.send("DELETE", &row, &[("if-match", &weak)], "").status, 412);
    assert_eq!(served.send("DELETE", &row, &[("if-none-match", &weak)], "").status, 412);
    let batch = |op: &str| {
        let row = if op == "delete" { "" } else { r#", "row": {"name": "X"}"# };
        format!(
            r#"{{"operations": [{{"op": "{op}", "table": "cities", "id": "1",
                "if_match": "\"a\""{row}}}]}}"#
        )
    };
    for op in ["patch", "replace", "delete"] {
        let answer = served.json("POST", "/api/v1/batch", &batch(op));
        assert_eq!(answer.json()["results"][0]["status"], 412, "{op}: {}", answer.text());
    }
    assert_eq!(mock.get_record("1").unwrap(), city("1", "Berlin", "DE", 3_700_000));
    assert_eq!(mock.len(), 10);
}

/// PostgREST/postgrest#2470, #2824, #4455 and #2710: beyond the end an answer was cut off, empty or
/// an error, and a range was taken for one of rows.
#[test]
fn beyond_the_end_with_a_count_is_a_whole_answer() {
    let (_, served) = writable();
    for query in ["offset=10&limit=5", "offset=2000&limit=5", "page=99&per_page=3"] {
        let answer = served.get(&format!("{TABLE}?{query}&count=exact"));
        let page = answer.json();
        assert_eq!((answer.status, &page["data"]), (200, &json!([])), "{query}");
        assert_eq!(page["pagination"]["total"], 10);
        assert_eq!(page["pagination"]["has_next"], false);
    }
    let fields = [("range", "0-1"), ("range-unit", "items")];
    let answer = served.send("GET", TABLE, &fields, "");
    assert_eq!((answer.status, answer.json()["data"].as_array().unwrap().len()), (200, 10));
}

/// directus/next#806, typicode/json-server#1721 and #1493: a number of rows that cannot be was taken
/// for another one, and pages had other lengths than the first.
#[test]
fn a_number_of_rows_is_that_or_refused() {
    let (_, served) = writable();
    for query in
        ["limit=-1", "per_page=0", "limit=0", "page=0", "per_page=1e1", "limit=", "page=1.0"]
    {
        let answer = served.get(&format!("{TABLE}?{query}"));
        assert_eq!((answer.status, answer.kind().as_str()), (400, "invalid_query"), "{query}");
        let name = query.split('=').next().unwrap();
        assert_eq!(answer.json()["errors"][0]["pointer"], name, "{query}");
    }
    let lengths = [1, 2, 3, 4].map(|page| found(&served, &format!("page={page}&per_page=3")));
    assert_eq!(lengths, [3, 3, 3, 1]);
}

/// directus/v8-archive#1717 and yahoo/elide#3415: a column that was not shown could be selected or
/// sorted by. simonw/datasette#2868: the name of one was a part of a statement.
#[test]
fn the_name_of_a_column_is_one_of_those_that_are_shown() {
    let (_, served) = writable();
    for query in [
        "select=secret",
        "select=id,secret",
        "order=secret",
        "order=secret.desc",
        "secret=eq.canary-1",
        "secret=like.canary",
        "name%5D%20OR%201%3D1--=eq.1",
        "name%22=eq.1",
        "order=name%3B--",
        "select=*",
    ] {
        let answer = served.get(&format!("{TABLE}?{query}"));
        assert_eq!((answer.status, answer.kind().as_str()), (400, "invalid_query"), "{query}");
        assert!(!answer.text().contains("canary-1"), "{query}");
    }
    let body = served.json("POST", &format!("{TABLE}/query"), r#"{"filter": {"secret": "x"}}"#);
    assert_eq!(body.status, 400);
}

/// moka-rs/moka#43 and #59: after a load that panicked or was given up, a key could not be loaded
/// again.
#[test]
fn a_load_that_panics_fails_all_that_wait_and_none_that_come_later() {
    let gate = Gate::shut();
    let exposed =
        TableConfig::new(gate.before(cities())).cache_ttl(std::time::Duration::from_secs(3_600));
    let served = Served::start(open().table("cities", exposed));
    let mut waiting: Vec<Connection> = (0..8).map(|_| Connection::open(served.address)).collect();
    for connection in &mut waiting {
        connection.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    }
    gate.wait_for_reads(1);
    until(|| served.handle.stats().cache_misses == 8);
    gate.panic();
    gate.set_open(true);
    for connection in &mut waiting {
        assert_eq!(connection.answer("GET").status, 500);
    }
    assert_eq!(gate.reads(), 1);
    gate.calm();
    assert_eq!(served.get(TABLE).status, 200);
    assert_eq!(gate.reads(), 2);
}

/// tinyfish-io/bigset-oss#15: what was not there was told from what could not be seen.
#[test]
fn what_cannot_be_seen_is_as_if_it_were_not_there() {
    let hidden =
        TableConfig::new(cities()).readable_by(["editor"]).operations(Ops::ALL).writable(["name"]);
    let served = Served::start(closed().table("hidden", hidden));
    let told = |method: &str, path: &str| {
        let fields = [BOB, ("content-type", "application/json")];
        let answer = served.send(method, path, &fields, "{}");
        let mut told = answer.json();
        told.as_object_mut().unwrap().remove("instance");
        (answer.status, told, answer.field("allow").map(str::to_owned))
    };
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        for below in ["", "/1", "/99", "/1/cities"] {
            let hidden = told(method, &format!("/api/v1/tables/hidden{below}"));
            let nothing = told(method, &format!("/api/v1/tables/nothing{below}"));
            assert_eq!(hidden, nothing, "{method} {below}");
        }
    }
}

/// PostgREST/postgrest#641: a list without values was an error, or no filter at all.
#[test]
fn one_of_no_values_is_no_row() {
    let (_, served) = writable();
    assert_eq!(found(&served, "id=in.()"), 0);
    assert_eq!(found(&served, "id=nin.()"), 10);
    let body = served.json("POST", &format!("{TABLE}/query"), r#"{"filter": {"id": {"in": []}}}"#);
    assert_eq!(body.json()["data"], json!([]));
}
