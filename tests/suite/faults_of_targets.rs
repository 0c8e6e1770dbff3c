//! Targets, ids and tokens that try to lead a request elsewhere, or to write more
//! into it than they should.

use std::sync::Arc;

use crate::support::{hostile::Hostile, raw_server::RawServer, soon};
use futures::StreamExt;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, PoolApi, PoolBuilder, Request, vantage::ApiCondition,
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[]}";

fn below_api(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(format!("{}/api", server.url()))
}

/// The target of each request that came.
fn targets(server: &RawServer) -> Vec<String> {
    let heads = server.seen().heads;
    heads.iter().map(|(_, head)| head.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// Asks for `target` by a call and by a stream: both refuse it and send nothing.
async fn is_refused(server: &RawServer, target: &str, kind: ErrorKind) {
    let pool = below_api(server).build().unwrap();
    let mut stream = PaginatedStream::get(&pool, target);
    let streamed = soon("the stream", stream.next()).await.unwrap().unwrap_err();
    let called = soon("the call", pool.get(target)).await.unwrap_err();
    for error in [called, streamed] {
        assert_eq!((error.kind(), error.attempts()), (kind, 0), "{target:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{target:?}");
    }
    assert_eq!(server.seen().connections, 0, "{target:?}");
}

#[tokio::test]
async fn faults_38_a_link_to_elsewhere_is_foreign_and_nothing_is_sent() {
    let (server, other) = (RawServer::answering(OK), RawServer::answering(OK));
    for target in [
        format!("{}/api/canary", other.url()),
        format!("http://localhost:{}/api/canary", server.address().port()),
        format!("https://{}/api/canary", server.address()),
        format!("http://canary@{}/api/x", server.address()),
        "//evil.example/canary".into(),
        "http://169.254.169.254/canary".into(),
        "file:///etc/canary".into(),
        "javascript:canary".into(),
    ] {
        is_refused(&server, &target, ErrorKind::ForeignOrigin).await;
    }
    assert_eq!(other.seen().connections, 0);
    // A link below the base URL is one like any other.
    let pool = below_api(&server).build().unwrap();
    let link = format!("{}/api/rows?page=2", server.url());
    soon("a call", pool.get(link)).await.unwrap();
    assert_eq!(targets(&server), ["/api/rows?page=2"]);
}

#[tokio::test]
async fn faults_39_what_a_url_cannot_hold_is_encoded_or_refused() {
    let server = RawServer::answering(OK);
    for target in ["a\r\ncanary: x", "a\ncanary", "a\0canary", "a\u{7f}canary", "a#canary"] {
        is_refused(&server, target, ErrorKind::InvalidRequest).await;
    }
    let pool = below_api(&server).build().unwrap();
    for target in ["ключ ?q=a b", "\"<>\\^`{|}", "50%&x=%zz"] {
        soon("a call", pool.get(target)).await.unwrap();
    }
    let sent = [
        "/api/%D0%BA%D0%BB%D1%8E%D1%87%20?q=a%20b",
        "/api/%22%3C%3E%5C%5E%60%7B%7C%7D",
        "/api/50%25&x=%25zz",
    ];
    assert_eq!(targets(&server), sent);
}

#[tokio::test]
async fn faults_39_a_token_with_control_characters_writes_no_header_of_its_own() {
    const TOKEN: &str = "ключ\r\nx-evil: canary\0";
    let server = RawServer::answering(OK);
    let with = |apply: fn(Request, &str) -> Request| {
        let acquire = || std::future::ready(Ok::<_, std::io::Error>(TOKEN));
        below_api(&server).build().unwrap().with_auth_callback(1, acquire, apply)
    };
    let in_header = with(|request, token| request.header("authorization", token).unwrap());
    let error = soon("the call", in_header.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), server.seen().connections), (ErrorKind::Callback, 0));
    assert!(!format!("{error} {error:?}").contains("canary"));

    let in_query = with(|request, token| request.query(&[("key", token)]).unwrap());
    soon("the call", in_query.get("/rows")).await.unwrap();
    let head = &server.seen().heads[0].1;
    let query = "?key=%D0%BA%D0%BB%D1%8E%D1%87%0D%0Ax-evil%3A%20canary%00 HTTP/1.1\r\n";
    assert!(head.starts_with(&format!("GET /api/rows{query}")), "{head}");
    assert!(head.lines().all(|line| !line.starts_with("x-evil")), "{head}");
}

#[tokio::test]
async fn faults_40_a_path_trick_sends_nothing() {
    let server = RawServer::answering(OK);
    for target in [
        "../canary",
        "a/../../canary",
        "a/%2e%2e/canary",
        "a/.%2E/canary",
        "a/..%2fcanary",
        "a/..\\canary",
        "./canary",
    ] {
        is_refused(&server, target, ErrorKind::InvalidRequest).await;
    }
    for target in ["//host/canary", "///host/canary"] {
        is_refused(&server, target, ErrorKind::ForeignOrigin).await;
    }
}

#[tokio::test]
async fn faults_40_an_id_stays_one_segment_of_its_path() {
    let ids = ["../x", "..", "a/b", "/", "//host", "x?y=1", "x#y", "%2e%2e", "a\r\nb", "a\0b"];
    let rows = ids.map(|id| json!({ "id": id }));
    let api = Hostile::with_rows(rows.to_vec()).at("/api/rows").start();
    let pool = AwwPool::builder(format!("{}/api", api.url())).build().unwrap();
    let source = PoolApi::new(Arc::new(pool)).item_endpoints(true);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", source.clone()).with_id_column("id");
    for id in ids {
        let row = soon("a row", table.get_value(id)).await;
        let filled = Table::<PoolApi, EmptyEntity>::new("rows/{id}/parts", source.clone())
            .with_condition(ApiCondition::eq("id", id));
        let _ = soon("an answer", filled.list_values()).await;
        // What some server might read as a way up is not sent; the others are what they are.
        match id {
            "../x" | "%2e%2e" => assert!(row.unwrap_err().is_incorrect_usage(), "{id:?}"),
            _ => assert!(row.unwrap().is_some(), "{id:?}"),
        }
    }
    for seen in api.log(|log| log.seen.clone()) {
        assert!(seen.path.starts_with("/api/rows"), "{}", seen.path);
        let below: Vec<_> = seen.path.split('/').skip(3).collect();
        assert!(matches!(below[..], [] | [_] | [_, "parts"]), "{}", seen.path);
    }
}
