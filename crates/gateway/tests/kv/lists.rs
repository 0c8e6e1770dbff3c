//! `/kv`: pages of keys, and batches.

use serde_json::{Value, json};
use vantage_api_gateway::Limits;

use crate::{
    clock::Clock,
    raw::{Connection, request, with_body},
    served::Served,
    store::{bytes, settings},
};

fn keys(client: &mut Connection, query: &str) -> (Vec<String>, Value) {
    let got = client.ask(request("GET", &format!("/kv?{query}"), &[]));
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.field("content-type"), Some("application/json"));
    let page = got.json();
    let keys = page["keys"].as_array().unwrap().iter();
    (keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect(), page["next"].clone())
}

#[test]
fn keys_are_listed_by_prefix_a_page_at_a_time() {
    let clock = Clock::new();
    let served = Served::with(clock.settings(), Limits::default());
    let mut client = served.connect();
    for path in ["a/1", "a/2", "a/3", "a", "a0", "b", "%F4%8F%BF%BF", "%F4%8F%BF%BFx"] {
        client.ask(with_body("PUT", &format!("/kv/{path}"), &[], path));
    }
    let all = ["a", "a/1", "a/2", "a/3", "a0", "b", "\u{10ffff}", "\u{10ffff}x"];
    assert_eq!(keys(&mut client, ""), (all.map(str::to_owned).to_vec(), Value::Null));
    assert_eq!(
        keys(&mut client, "prefix=a/&limit=2"),
        (vec!["a/1".into(), "a/2".into()], json!("a/2"))
    );
    assert_eq!(keys(&mut client, "prefix=a/&limit=2&after=a/2"), (vec!["a/3".into()], Value::Null));
    // A page that ends with the last key says so.
    assert_eq!(keys(&mut client, "prefix=a/&limit=3").1, Value::Null);
    assert_eq!(keys(&mut client, "prefix=%F4%8F%BF%BF").0.len(), 2);
    assert_eq!(keys(&mut client, "prefix=a/&after=A").0.len(), 3);
    assert_eq!(keys(&mut client, "prefix=a/&after=b"), (vec![], Value::Null));
    assert_eq!(keys(&mut client, "prefix=none"), (vec![], Value::Null));
    assert_eq!(client.ask(request("HEAD", "/kv", &[])).status, 200);

    client.ask(with_body("PUT", "/kv/z?ttl=60s", &[("Content-Type", "text/plain")], "four"));
    let page = client.ask(request("GET", "/kv?prefix=z", &[])).json();
    let entry = &page["keys"][0];
    let tag = client.ask(request("HEAD", "/kv/z", &[])).field("etag").unwrap().to_owned();
    assert_eq!(
        *entry,
        json!({
            "key": "z", "size": 4, "content_type": "text/plain", "etag": tag,
            "created": "2027-01-15T08:00:00.000Z", "updated": "2027-01-15T08:00:00.000Z",
            "expires": "2027-01-15T08:01:00.000Z",
        })
    );
    for (query, kind) in [
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("limit=x", "invalid_limit"),
        ("limit=-1", "invalid_limit"),
        ("offset=1", "unknown_parameter"),
        ("limit=1&limit=2", "parameter_twice"),
        ("prefix=%ff", "invalid_query"),
    ] {
        let refused = client.ask(request("GET", &format!("/kv?{query}"), &[]));
        assert_eq!((refused.status, refused.problem().as_str()), (400, kind), "{query}");
    }
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

#[test]
fn a_batch_is_carried_out_in_one_commit() {
    let served = Served::start();
    let mut client = served.connect();
    let tag = client.ask(with_body("PUT", "/kv/old", &[], [0, 255]));
    let tag = tag.field("etag").unwrap().to_owned();
    client.ask(with_body("PUT", "/kv/gone", &[], "x"));
    client.ask(with_body("PUT", "/kv/text", &[("Content-Type", "text/plain")], "hé\n\"llo"));
    let commits = served.kv.stats().commits;
    let batch = json!({ "operations": [
        { "put": "a/b", "text": "hello", "content_type": "text/plain", "ttl": "60s", "if_none_match": "*" },
        { "put": "bytes", "base64": "AAEC/w==" },
        { "get": "old" },
        { "get": "text" },
        { "delete": "gone", "if_match": "*" },
        { "delete": "none" },
        { "get": "missing" },
    ] });
    let done = client.ask(with_body("POST", "/kv", &JSON, batch.to_string()));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(served.kv.stats().commits, commits + 1);
    let done = done.json();
    let results = done["results"].as_array().unwrap();
    let statuses: Vec<_> =
        results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 201, 200, 200, 204, 404, 404]);
    assert_eq!(results[0]["key"], "a/b");
    assert_eq!(results[0]["size"], 5);
    assert!(results[0]["expires"].is_string() && results[0]["etag"].is_string());
    assert_eq!(results[1]["content_type"], "application/octet-stream");
    assert_eq!((&results[2]["base64"], &results[2]["etag"]), (&json!("AP8="), &json!(tag)));
    assert_eq!(results[3]["text"], "hé\n\"llo");
    assert_eq!(results[4], json!({ "key": "gone", "status": 204 }));
    let got = client.ask(request("GET", "/kv/bytes", &[]));
    assert_eq!(got.body, [0, 1, 2, 255]);
    // The tag of an answer is one for a request.
    let condition = [("If-Match", results[0]["etag"].as_str().unwrap())];
    assert_eq!(client.ask(request("DELETE", "/kv/a/b", &condition)).status, 204);
}

#[test]
fn a_batch_whose_condition_does_not_hold_changes_nothing() {
    let served = Served::start();
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/a", &[], "1"));
    let batch = json!({ "operations": [
        { "put": "b", "text": "2" },
        { "delete": "a", "if_match": "\"other\"" },
    ] });
    let refused = client.ask(with_body("POST", "/kv", &JSON, batch.to_string()));
    assert_eq!((refused.status, refused.problem().as_str()), (412, "precondition_failed"));
    assert_eq!(refused.json()["errors"][0]["pointer"], "/operations/1/if_match");
    let head = client.ask(request("HEAD", "/kv/a", &[]));
    assert_eq!(refused.json()["etag"], head.field("etag").unwrap());
    assert_eq!(client.ask(request("GET", "/kv/a", &[])).status, 200);
    assert_eq!(client.ask(request("GET", "/kv/b", &[])).status, 404);
}

#[test]
fn a_batch_that_cannot_be_read_is_refused_where_it_is_wrong() {
    let served = Served::with(settings(), Limits { max_batch_operations: 3, ..Limits::default() });
    let mut client = served.connect();
    for (operations, pointer) in [
        (json!([{ "put": "a" }]), "/operations/0"),
        (json!([{ "put": "a", "text": "", "base64": "" }]), "/operations/0"),
        (json!([{ "get": "a", "delete": "a" }]), "/operations/0"),
        (json!([{ "text": "a" }]), "/operations/0"),
        (json!([{ "get": "a" }, { "get": "" }]), "/operations/1/get"),
        (json!([{ "put": "a/../b", "text": "" }]), "/operations/0/put"),
        (json!([{ "put": "a", "base64": "AA" }]), "/operations/0/base64"),
        (json!([{ "put": "a", "base64": "A_==" }]), "/operations/0/base64"),
        (json!([{ "put": "a", "text": "", "ttl": "1" }]), "/operations/0/ttl"),
        (json!([{ "put": "a", "text": "", "content_type": "x" }]), "/operations/0/content_type"),
        (json!([{ "put": "a", "text": "", "if_match": "x" }]), "/operations/0/if_match"),
        (json!([{ "get": "a", "ttl": "1s" }]), "/operations/0/ttl"),
        (json!([{ "get": "a", "if_match": "*" }]), "/operations/0/if_match"),
        (json!([{ "delete": "a", "text": "" }]), "/operations/0/text"),
        (json!([{ "get": "a" }, { "delete": "a" }]), "/operations/1"),
    ] {
        let batch = json!({ "operations": operations }).to_string();
        let refused = client.ask(with_body("POST", "/kv", &JSON, &batch));
        assert_eq!(refused.status, 422, "{batch}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{batch}");
    }
    for (body, status, kind) in [
        ("{", 400, "invalid_json"),
        ("", 400, "invalid_json"),
        ("[]", 422, "invalid_batch"),
        ("{}", 422, "invalid_batch"),
        (r#"{"operations":[],"atomic":false}"#, 422, "invalid_batch"),
        (r#"{"operations":[{"get":"a","get":"b"}]}"#, 422, "invalid_batch"),
        (r#"{"operations":[{"get":1}]}"#, 422, "invalid_batch"),
        (r#"{"operations":[]}"#, 422, "batch_length"),
    ] {
        let refused = client.ask(with_body("POST", "/kv", &JSON, body));
        assert_eq!((refused.status, refused.problem().as_str()), (status, kind), "{body}");
    }
    let four: Vec<_> = (0..4).map(|n| json!({ "get": n.to_string() })).collect();
    let four = json!({ "operations": four }).to_string();
    let refused = client.ask(with_body("POST", "/kv", &JSON, four));
    assert_eq!(refused.problem(), "batch_length");
    for content_type in ["text/plain", "application/jsonp", ""] {
        let fields = [("Content-Type", content_type)];
        let refused = client.ask(with_body("POST", "/kv", &fields, "{}"));
        assert_eq!((refused.status, refused.problem().as_str()), (415, "unsupported_media_type"));
    }
    let fields = [JSON[0], ("If-Match", "*")];
    let refused = client.ask(with_body("POST", "/kv", &fields, "{}"));
    assert_eq!((refused.status, refused.problem().as_str()), (400, "unsupported_condition"));
    assert_eq!(served.kv.stats().values, 0);
}

#[test]
fn a_batch_that_would_read_too_much_does_nothing() {
    let served =
        Served::with(settings(), Limits { max_response_bytes: 1 << 20, ..Limits::default() });
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/long", &[], bytes(300_000, 1)));
    let batch = json!({ "operations": [{ "get": "long" }, { "put": "a", "text": "" }] });
    let refused = client.ask(with_body("POST", "/kv", &JSON, batch.to_string()));
    assert_eq!((refused.status, refused.problem().as_str()), (413, "batch_too_large"));
    assert_eq!(client.ask(request("GET", "/kv/a", &[])).status, 404);
}
