//! Every URL stays under the base URL.

use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::{
    base_url::{append_query, set_query},
    error::ErrorKind,
};

fn join(base: &str, target: &str) -> Result<String, ErrorKind> {
    let base = BaseUrl::parse(base).unwrap();
    base.join(target).map(|uri| uri.to_string()).map_err(|error| error.kind())
}

#[test]
fn a_base_url_that_cannot_work_is_a_config_error_that_echoes_nothing() {
    for (text, names) in [
        ("http://localhost:99999", "port"),
        ("http://localhost:0", "port"),
        ("http://", "host"),
        ("http:///path", "host"),
        ("http://:80/", "URL"),
        ("http://user:pw@host/", "user name"),
        ("http://user@host/", "user name"),
        ("http://@host/", "user name"),
        ("http://host/?token=pw", "query"),
        ("http://host/#pw", "fragment"),
        ("ftp://host/", "http"),
        ("file:///etc/passwd", "http"),
        ("host", "http"),
        ("", "http"),
        ("http://ho st/", "spaces"),
        ("http://host/\r\npw", "control"),
    ] {
        let error = BaseUrl::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("base_url"), "{shown}");
        assert!(shown.contains(names), "{text}: {shown}");
        assert!(!shown.contains("pw"), "{shown}");
    }
}

#[test]
fn security_07_the_base_path_is_not_left_on_any_server() {
    for out in [
        "..;",
        "%2e%2e;x=1",
        ".%2e%3b",
        "..%00",
        "..%20",
        "..%0d",
        "%09..",
        "%252e%252e",
        "..%5c",
        "%25252e.",
        "..%c0%af..",
        "%c0%ae%c0%ae",
        "%e0%80%ae.",
        ".;a",
        "..;/..;",
        "x%2f..;y",
    ] {
        for target in [format!("/v1/{out}/admin"), format!("http://h/v1/{out}/admin")] {
            assert!(join("http://h/v1", &target).is_err(), "{target}");
        }
    }
    for below in ["...", "a..b", "..a", "%2e%2e%2e", "a;..", "caf%e9", "%c3%a9.", "a%00b", "v1.0"] {
        let target = format!("/{below}/rows");
        assert_eq!(join("http://h/v1", &target), Ok(format!("http://h/v1{target}")), "{target}");
    }
}

#[test]
fn a_target_joins_the_base_with_or_without_slashes() {
    for base in ["http://Host:8080/api", "http://host:8080/api/"] {
        for (target, url) in [
            ("rows", "http://host:8080/api/rows"),
            ("/rows", "http://host:8080/api/rows"),
            ("/rows/", "http://host:8080/api/rows/"),
            ("rows?page=1&q=a%20b", "http://host:8080/api/rows?page=1&q=a%20b"),
            ("", "http://host:8080/api"),
            ("/", "http://host:8080/api/"),
            ("?page=1", "http://host:8080/api?page=1"),
            ("http://host:8080/api/rows?page=2", "http://host:8080/api/rows?page=2"),
            ("HTTP://HOST:8080/api/rows", "http://host:8080/api/rows"),
            ("http://host:8080/api", "http://host:8080/api"),
        ] {
            assert_eq!(join(base, target).as_deref(), Ok(url), "{base} {target}");
        }
    }
    assert_eq!(join("https://host:443", "").as_deref(), Ok("https://host/"));
    assert_eq!(join("https://host", "?a=b").as_deref(), Ok("https://host/?a=b"));
    assert_eq!(join("https://host", "https://host:443/a").as_deref(), Ok("https://host/a"));
    assert_eq!(join("http://[::1]:81", "a").as_deref(), Ok("http://[::1]:81/a"));
}

#[test]
fn what_a_url_cannot_hold_is_encoded_and_what_is_encoded_stays() {
    for (target, path) in [
        ("a b", "/a%20b"),
        ("ключ?имя=я", "/%D0%BA%D0%BB%D1%8E%D1%87?%D0%B8%D0%BC%D1%8F=%D1%8F"),
        ("a%2Fb", "/a%2Fb"),
        ("100%", "/100%25"),
        ("100%zz%4", "/100%25zz%254"),
        ("a\"<>[]^`{|}", "/a%22%3C%3E%5B%5D%5E%60%7B%7C%7D"),
        ("\\\\evil\\x", "/%5C%5Cevil%5Cx"),
        ("/\\evil", "/%5Cevil"),
        ("rows?next=http://evil/", "/rows?next=http://evil/"),
        ("/a:b", "/a:b"),
        ("...", "/..."),
        ("?dots=../..", "/?dots=../.."),
    ] {
        assert_eq!(join("http://host", target), Ok(format!("http://host{path}")), "{target}");
    }
}

#[test]
fn a_target_elsewhere_is_foreign() {
    for target in [
        "//evil/x",
        "http://evil/api/x",
        "https://host/api/x",
        "http://host:81/api/x",
        "http://host.evil/api/x",
        "http://host@evil/api/x",
        "http://host:80@evil/api/x",
        "http://user:pw@host/api/x",
        "http://host\\@evil/api/x",
        "http:\\\\evil/api/x",
        "http:/host/api/x",
        "http:///host/api/x",
        "http://169.254.169.254/latest",
        "http://host/",
        "http://host/apix",
        "http://host/other",
        "file:/etc/passwd",
        "file:///etc/passwd",
        "gopher://host/api",
        "javascript:alert(1)",
    ] {
        assert_eq!(join("http://host/api", target), Err(ErrorKind::ForeignOrigin), "{target}");
    }
}

#[test]
fn dot_segments_control_characters_and_fragments_are_invalid() {
    for target in [
        "..",
        ".",
        "/../x",
        "a/../x",
        "a/./x",
        "a/..?q",
        "%2e%2e/x",
        "a/.%2E/x",
        "a/%2e",
        "a/..%2fx",
        "a%2f..%2fx",
        "..\\x",
        "a/..%5cx",
        "http://host/api/../x",
        "http://host/api/%2e%2e/x",
        "a\r\nx: y",
        "a\0",
        "a\tb",
        "a\u{7f}",
        "a#b",
        "?a#b",
    ] {
        assert_eq!(join("http://host/api", target), Err(ErrorKind::InvalidRequest), "{target:?}");
    }
}

#[test]
fn a_target_that_is_far_too_long_is_refused() {
    assert_eq!(join("http://host", &"a".repeat(70_000)), Err(ErrorKind::InvalidRequest));
}

#[test]
fn query_fields_join_with_the_right_sign() {
    #[derive(Serialize)]
    struct Fields<'a> {
        name: &'a str,
        page: Option<u32>,
        none: Option<u32>,
    }
    let fields = Fields { name: "a b&c+d=é", page: Some(2), none: None };
    let query = "name=a%20b%26c%2Bd%3D%C3%A9&page=2";
    for (target, joined) in [
        ("/rows", format!("/rows?{query}")),
        ("/rows?", format!("/rows?{query}")),
        ("/rows?x=1", format!("/rows?x=1&{query}")),
        ("/rows?x=1&", format!("/rows?x=1&{query}")),
    ] {
        let mut target = target.to_owned();
        append_query(&mut target, &fields).unwrap();
        assert_eq!(target, joined);
    }
    let mut target = "/rows".to_owned();
    append_query(&mut target, &[("", ""); 0]).unwrap();
    assert_eq!(target, "/rows");
}

#[test]
fn a_field_that_is_set_replaces_what_stands_under_its_name_however_it_is_written() {
    for (target, set) in [
        ("/rows", "/rows?page=2&f%5Ba%5D=x%20y"),
        ("/rows?page=1", "/rows?page=2&f%5Ba%5D=x%20y"),
        ("/rows?page=1&page=7&b=+&c", "/rows?b=+&c&page=2&f%5Ba%5D=x%20y"),
        ("/rows?f[a]=1&p%61ge&%66%5ba%5D=%20&a=page=1", "/rows?a=page=1&page=2&f%5Ba%5D=x%20y"),
        ("/rows?pages=1&Page=1&my.page=1", "/rows?pages=1&Page=1&my.page=1&page=2&f%5Ba%5D=x%20y"),
        ("/rows?", "/rows?page=2&f%5Ba%5D=x%20y"),
        ("http://host/rows?x=1&page=1&", "http://host/rows?x=1&page=2&f%5Ba%5D=x%20y"),
        ("/rows?x=%FF&page=%FF", "/rows?x=%FF&page=2&f%5Ba%5D=x%20y"),
    ] {
        let mut set_in = target.to_owned();
        set_query(&mut set_in, &[("page", "2"), ("f[a]", "x y")]).unwrap();
        assert_eq!(set_in, set, "{target}");
        set_query(&mut set_in, &[("page", "2"), ("f[a]", "x y")]).unwrap();
        assert_eq!(set_in, set, "{target} once more");
    }
    let mut target = "/rows?ids=0&a=1".to_owned();
    set_query(&mut target, &[("ids", 1), ("ids", 2)]).unwrap();
    assert_eq!(target, "/rows?a=1&ids=1&ids=2");
    set_query(&mut target, &[("", ""); 0]).unwrap();
    assert_eq!(target, "/rows?a=1&ids=1&ids=2");
}

#[test]
fn a_query_that_is_not_flat_is_invalid_and_changes_nothing() {
    let mut target = "/rows".to_owned();
    let error = append_query(&mut target, &serde_json::json!({ "a": { "b": 1 } })).unwrap_err();
    assert_eq!((error.kind(), target.as_str()), (ErrorKind::InvalidRequest, "/rows"));
    let mut target = "/rows?a=1".to_owned();
    set_query(&mut target, &serde_json::json!({ "a": { "b": 1 } })).unwrap_err();
    assert_eq!(target, "/rows?a=1");
}

proptest! {
    #[test]
    fn whatever_the_target_the_url_stays_under_the_base(
        base in prop::sample::select(vec!["http://host", "http://host:8080/api/v1/"]),
        target in prop_oneof![
            any::<String>(),
            "(http:)?[/\\\\]{0,3}(host|evil)?(:8080)?(@evil)?[/\\\\]{0,2}(api)?(/v1)?(/[.%2eE]{0,6}){0,3}\\PC{0,8}",
        ],
    ) {
        let base = BaseUrl::parse(base).unwrap();
        if let Ok(uri) = base.join(&target) {
            let root = base.join("").unwrap();
            prop_assert_eq!(uri.scheme(), root.scheme());
            prop_assert_eq!(uri.authority(), root.authority());
            let prefix = root.path().trim_end_matches('/');
            let below = uri.path().strip_prefix(prefix);
            prop_assert!(below.is_some_and(|below| below.is_empty() || below.starts_with('/')));
            // A reader that resolves dot segments stays there, too.
            let resolved = url::Url::parse(&uri.to_string()).unwrap();
            prop_assert!(resolved.path().starts_with(prefix));
            prop_assert_eq!(resolved.host_str(), root.host());
        }
    }

    #[test]
    fn joining_is_stable(target in "[a-z]\\PC{0,20}") {
        let base = BaseUrl::parse("http://host/api").unwrap();
        if let Ok(uri) = base.join(&target) {
            prop_assert_eq!(base.join(&uri.to_string()).unwrap(), uri);
        }
    }
}
