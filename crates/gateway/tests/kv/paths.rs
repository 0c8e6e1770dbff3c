//! Keys in paths: decoded once and strictly, so that one key has one name.

use crate::{
    raw::{request, with_body},
    served::Served,
    store::read,
};

#[test]
fn a_path_is_decoded_once() {
    let served = Served::start();
    let mut client = served.connect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (path, key) in [
        ("a/b", "a/b"),
        ("a%2Fb/", "a/b/"),
        ("%2Fa", "/a"),
        ("/a//b", "/a//b"),
        ("a+b", "a+b"),
        ("a%20b%2B", "a b+"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("%E2%82%AC", "€"),
        ("%ef%bf%bd", "\u{fffd}"),
        ("http%3A%2F%2Fsome%3A1010", "http://some:1010"),
        ("a;b=c,d", "a;b=c,d"),
        ("...", "..."),
    ] {
        let put = client.ask(with_body("PUT", &format!("/kv/{path}"), &[], path));
        assert_eq!(put.status, 201, "{path}");
        assert_eq!(runtime.block_on(read(&served.kv, key)).unwrap(), path, "{key}");
        let got = client.ask(request("GET", &format!("/kv/{path}"), &[]));
        assert_eq!(got.body, path.as_bytes());
    }
    assert_eq!(served.kv.stats().values, 13);
}

#[test]
fn what_is_no_key_is_refused() {
    let served = Served::start();
    let mut client = served.connect();
    let longest = "x".repeat(1_024);
    assert_eq!(client.ask(with_body("PUT", &format!("/kv/{longest}"), &[], "")).status, 201);
    for path in [
        "%00",
        "a%00b",
        "a%0Ab",
        "%7f",
        "%c2%85",
        "%ff",
        "%c3%28",
        "%ed%a0%80",
        "%",
        "a%2",
        "%zz",
        "%u0041",
        "..",
        "%2e%2e",
        "a/../b",
        "a%2F..%2Fb",
        "a/./b",
        "a/%2E",
        &format!("{longest}x"),
    ] {
        for method in ["PUT", "GET", "DELETE"] {
            let refused = client.ask(with_body(method, &format!("/kv/{path}"), &[], ""));
            assert_eq!(refused.status, 400, "{method} {path}");
            assert_eq!(refused.problem(), "invalid_key", "{method} {path}");
        }
    }
    assert_eq!(served.kv.stats().values, 1);
}

#[test]
fn no_key_leads_to_a_table_and_no_table_to_a_key() {
    let served = Served::start();
    let mut client = served.connect();
    for path in ["tables/cities/1", "%2Ftables%2Fcities", "table/cities/1"] {
        assert_eq!(client.ask(request("GET", &format!("/kv/{path}"), &[])).status, 404);
        assert_eq!(client.ask(with_body("PUT", &format!("/kv/{path}"), &[], "x")).status, 201);
    }
    for path in ["/tables/cities/1", "/tables/cities", "/table/cities/1", "/kv/../tables"] {
        let got = client.ask(request("GET", path, &[]));
        assert!(matches!(got.status, 400 | 404), "{path}: {got:?}");
    }
}
