//! `/kv/{key}` over raw sockets: values, their types, what guards them, ranges.

use std::time::{Duration, Instant};

use vantage_api_gateway::Limits;

use crate::{
    clock::{Clock, PATIENCE},
    raw::{request, with_body},
    served::Served,
    store::{bytes, settings},
};

#[test]
fn a_value_is_served_as_it_was_written() {
    let served = Served::start();
    let mut client = served.connect();
    let text = [("Content-Type", "text/plain; charset=utf-8")];
    let put = client.ask(with_body("PUT", "/kv/a/b", &text, "hello"));
    assert_eq!((put.status, put.body.len()), (201, 0));
    let tag = put.field("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for method in ["GET", "HEAD"] {
        let got = client.ask(request(method, "/kv/a/b", &[]));
        assert_eq!(got.status, 200);
        assert_eq!(got.field("content-type"), Some(text[0].1));
        assert_eq!(got.field("content-length"), Some("5"));
        assert_eq!(got.field("etag"), Some(tag.as_str()));
        assert_eq!(got.field("accept-ranges"), Some("bytes"));
        assert_eq!(got.field("cache-control"), Some("private, no-cache"));
        assert_eq!(got.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(got.field("content-security-policy"), Some("sandbox; default-src 'none'"));
        assert_eq!(got.field("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(got.field("content-disposition"), None);
        assert_eq!(got.field("expires"), None);
        assert_eq!(got.body, if method == "GET" { &b"hello"[..] } else { &[] });
    }
    let put = client.ask(with_body("PUT", "/kv/a/b", &[], "other"));
    assert_eq!(put.status, 204);
    assert_ne!(put.field("etag"), Some(tag.as_str()));
    let got = client.ask(request("GET", "/kv/a/b", &[]));
    assert_eq!(got.field("content-type"), Some("application/octet-stream"));
    assert_eq!(client.ask(request("DELETE", "/kv/a/b", &[])).status, 204);
    for method in ["GET", "DELETE"] {
        let gone = client.ask(request(method, "/kv/a/b", &[]));
        assert_eq!((gone.status, gone.problem().as_str()), (404, "not_found"));
    }
    assert_eq!(client.ask(request("HEAD", "/kv/a/b", &[])).status, 404);
    // An empty value is one.
    assert_eq!(client.ask(with_body("PUT", "/kv/empty", &[], "")).status, 201);
    let empty = client.ask(request("GET", "/kv/empty", &[]));
    assert_eq!((empty.status, empty.field("content-length")), (200, Some("0")));
}

#[test]
fn a_value_that_may_be_active_is_an_attachment() {
    let served = Served::start();
    let mut client = served.connect();
    for (content_type, is_shown) in [
        ("text/html", false),
        ("TEXT/HTML; charset=utf-8", false),
        ("image/svg+xml", false),
        ("application/xhtml+xml", false),
        ("text/xml", false),
        ("application/pdf", false),
        ("text/javascript", false),
        ("application/octet-stream", false),
        ("image/png", true),
        ("Application/JSON ; a=b", true),
    ] {
        client.ask(with_body("PUT", "/kv/x", &[("Content-Type", content_type)], "<script>"));
        let got = client.ask(request("GET", "/kv/x", &[]));
        assert_eq!(got.field("content-type"), Some(content_type));
        let disposition = (!is_shown).then_some("attachment");
        assert_eq!(got.field("content-disposition"), disposition, "{content_type}");
        assert_eq!(got.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(got.field("content-security-policy"), Some("sandbox; default-src 'none'"));
    }
    for content_type in ["html", "a/b/c", "text/é", ""] {
        let put = client.ask(with_body("PUT", "/kv/x", &[("Content-Type", content_type)], ""));
        assert_eq!(put.status, 400, "{content_type:?}");
    }
    let twice = [("Content-Type", "text/plain"), ("Content-Type", "text/html")];
    let put = client.ask(with_body("PUT", "/kv/x", &twice, ""));
    assert_eq!((put.status, put.problem().as_str()), (400, "invalid_content_type"));
}

#[test]
fn one_range_of_a_value_is_served() {
    let served = Served::start();
    let mut client = served.connect();
    let value = bytes(200_000, 3);
    client.ask(with_body("PUT", "/kv/long", &[], &value));
    client.ask(with_body("PUT", "/kv/short", &[], "0123456789"));
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=63999-64000", 63_999, 64_000),
        ("bytes=64000-127999", 64_000, 127_999),
        ("bytes=1-199998", 1, 199_998),
        ("bytes=199999-", 199_999, 199_999),
        ("bytes=100-99999999999999999999", 100, 199_999),
        ("bytes=-5", 199_995, 199_999),
        ("bytes=-999999", 0, 199_999),
    ] {
        let got = client.ask(request("GET", "/kv/long", &[("Range", range)]));
        assert_eq!(got.status, 206, "{range}");
        let expected = format!("bytes {first}-{last}/200000");
        assert_eq!(got.field("content-range"), Some(expected.as_str()));
        assert!(got.body == value[first..=last], "{range}");
        assert_eq!(got.field("content-disposition"), Some("attachment"));
    }
    let got = client.ask(request("GET", "/kv/short", &[("Range", "bytes=3-5")]));
    assert_eq!((got.status, got.body.as_slice()), (206, &b"345"[..]));
    for range in ["bytes=10-", "bytes=-0", "bytes=12-15"] {
        let got = client.ask(request("GET", "/kv/short", &[("Range", range)]));
        assert_eq!((got.status, got.problem().as_str()), (416, "range_not_satisfiable"));
        assert_eq!(got.field("content-range"), Some("bytes */10"));
    }
    // A server may serve the whole.
    for (method, range) in
        [("GET", "bytes=0-1,5-6"), ("GET", "rows=0-1"), ("HEAD", "bytes=0-1"), ("HEAD", "bytes=x")]
    {
        let got = client.ask(request(method, "/kv/short", &[("Range", range)]));
        assert_eq!((got.status, got.field("content-length")), (200, Some("10")), "{range}");
        assert_eq!(got.field("content-range"), None);
    }
    for range in ["bytes=5-4", "bytes=", "5-6", "bytes=a-"] {
        let got = client.ask(request("GET", "/kv/short", &[("Range", range)]));
        assert_eq!((got.status, got.problem().as_str()), (400, "invalid_range"), "{range}");
    }
}

#[test]
fn a_range_of_another_version_is_not_mixed_in() {
    let served = Served::start();
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a", &[], "0123456789"));
    let tag = put.field("etag").unwrap().to_owned();
    let weak = format!("W/{tag}");
    for (condition, status) in [
        (tag.as_str(), 206),
        ("\"other\"", 200),
        (weak.as_str(), 200),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 200),
    ] {
        let fields = [("Range", "bytes=0-1"), ("If-Range", condition)];
        let got = client.ask(request("GET", "/kv/a", &fields));
        assert_eq!(got.status, status, "{condition}");
    }
}

#[test]
fn a_value_of_8_mib_comes_back_as_it_was() {
    let served = Served::start();
    let mut client = served.connect();
    let value = bytes(8 << 20, 9);
    assert_eq!(client.ask(with_body("PUT", "/kv/largest", &[], &value)).status, 201);
    let got = client.ask(request("GET", "/kv/largest", &[]));
    assert!(got.body == value);
    let head = client.ask(request("HEAD", "/kv/largest", &[]));
    assert_eq!(head.field("content-length"), Some("8388608"));
}

#[test]
fn a_value_that_is_too_large_for_an_answer_can_be_had_in_parts() {
    let served =
        Served::with(settings(), Limits { max_response_bytes: 100_000, ..Limits::default() });
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/a", &[], bytes(100_001, 1)));
    let got = client.ask(request("GET", "/kv/a", &[]));
    assert_eq!((got.status, got.problem().as_str()), (413, "answer_too_large"));
    let got = client.ask(request("GET", "/kv/a", &[("Range", "bytes=1-")]));
    assert_eq!((got.status, got.body.len()), (206, 100_000));
}

#[test]
fn a_time_to_live_is_a_parameter_and_is_told() {
    let clock = Clock::new();
    let served = Served::with(clock.settings(), Limits::default());
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a?ttl=60s", &[], "x"));
    assert_eq!(put.status, 201);
    // 2027-01-15 08:00:00 UTC, and a minute.
    assert_eq!(put.field("expires"), Some("Fri, 15 Jan 2027 08:01:00 GMT"));
    let got = client.ask(request("GET", "/kv/a", &[]));
    assert_eq!(got.field("expires"), Some("Fri, 15 Jan 2027 08:01:00 GMT"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(client.ask(request("GET", "/kv/a", &[])).status, 404);
    assert_eq!(client.ask(request("HEAD", "/kv/a", &[])).status, 404);
    assert_eq!(client.ask(with_body("PUT", "/kv/a?ttl=1h%2030m", &[], "x")).status, 201);
    for (query, kind) in [
        ("ttl=60", "invalid_ttl"),
        ("ttl=0s", "invalid_ttl"),
        ("ttl=-1s", "invalid_ttl"),
        ("ttl=", "invalid_ttl"),
        ("ttl=200years", "invalid_ttl"),
        ("ttl=1s&ttl=2s", "parameter_twice"),
        ("expires=1s", "unknown_parameter"),
        ("ttl=%zz", "invalid_query"),
    ] {
        let put = client.ask(with_body("PUT", &format!("/kv/b?{query}"), &[], "x"));
        assert_eq!((put.status, put.problem().as_str()), (400, kind), "{query}");
    }
    let got = client.ask(request("GET", "/kv/a?ttl=1s", &[]));
    assert_eq!((got.status, got.problem().as_str()), (400, "unknown_parameter"));
    assert_eq!(client.ask(request("GET", "/kv/b", &[])).status, 404);
}

#[test]
fn the_gateway_tells_how_the_store_is() {
    let served = Served::start();
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/a?ttl=1h", &[], "hello"));
    assert_eq!(client.ask(request("GET", "/ready", &[])).status, 200);
    let stats = client.ask(request("GET", "/stats", &[])).json();
    assert_eq!(stats["kv"]["values"], 1);
    assert_eq!(stats["kv"]["value_bytes"], 5);
    assert_eq!(stats["kv"]["commits"], 1);
    assert_eq!(stats["kv"]["is_available"], true);
    let metrics = String::from_utf8(client.ask(request("GET", "/metrics", &[])).body).unwrap();
    for line in ["gateway_kv_values 1", "gateway_kv_expiring 1", "gateway_kv_available 1"] {
        assert!(metrics.lines().any(|given| given == line), "{line}: {metrics}");
    }
}

#[test]
fn the_gateway_is_not_ready_without_its_store() {
    let served = Served::with(settings().with_cache_bytes(0), Limits::default());
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/a", &[], bytes(100_000, 1)));
    served.cut_off();
    let begun = Instant::now();
    while client.ask(request("GET", "/ready", &[])).status == 200 {
        client.ask(with_body("PUT", "/kv/a", &[], bytes(100_000, 1)));
        assert!(begun.elapsed() < PATIENCE);
    }
    let refused = client.ask(request("GET", "/ready", &[]));
    assert_eq!((refused.status, refused.problem().as_str()), (503, "not_ready"));
    // Nothing of the file or the system is told.
    let refused = client.ask(with_body("PUT", "/kv/a", &[], "x"));
    assert_eq!((refused.status, refused.problem().as_str()), (503, "store_unavailable"));
    let text = String::from_utf8(refused.body).unwrap();
    for secret in ["kv.redb", "tmp", "os error", "redb", "damaged"] {
        assert!(!text.contains(secret), "{text}");
    }
    // It lives.
    assert_eq!(client.ask(request("GET", "/health", &[])).status, 200);
}

#[test]
fn other_methods_are_refused_with_those_that_exist() {
    let served = Served::start();
    let mut client = served.connect();
    for (method, path, allowed) in [
        ("POST", "/kv/a", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PATCH", "/kv/a", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PUT", "/kv", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/kv", "GET, HEAD, OPTIONS, POST"),
    ] {
        let refused = client.ask(with_body(method, path, &[], ""));
        assert_eq!((refused.status, refused.problem().as_str()), (405, "method_not_allowed"));
        assert_eq!(refused.field("allow"), Some(allowed), "{method} {path}");
        let options = client.ask(request("OPTIONS", path, &[]));
        assert_eq!((options.status, options.field("allow")), (204, Some(allowed)));
    }
}
