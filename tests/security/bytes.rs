//! Bytes that count for nothing where only what comes out is counted.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, Request, retry::ResponseRule,
};

use crate::support::{raw_server::RawServer, soon};

/// The head of an answer in chunks.
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n";

/// What a call ends with that is answered by `head` and then `piece` again and again.
async fn answered_without_end(head: Vec<u8>, piece: Vec<u8>) -> Error {
    let answer = Arc::new((head, piece));
    let server = RawServer::start(move |mut peer| {
        let answer = Arc::clone(&answer);
        async move {
            peer.request().await;
            peer.write(&answer.0).await;
            while peer.write(&answer.1).await {}
        }
    });
    let pool = AwwPool::builder(server.url()).max_attempts(1).max_body_bytes(1024 * 1024);
    let pool = pool.attempt_timeout(Duration::from_secs(150)).build().unwrap();
    soon("the call", pool.get("/rows")).await.unwrap_err()
}

fn chunk(data: &[u8], extension: &str) -> Vec<u8> {
    let mut chunk = format!("{:x}{extension}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Gzip data that is nothing at all (RFC 1952 section 2.3).
const EMPTY: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn security_13_members_of_gzip_that_hold_nothing_are_limited() {
    let head = format!("{CHUNKED}content-encoding: gzip\r\n\r\n");
    let error = answered_without_end(head.into(), chunk(&EMPTY.repeat(50), "")).await;
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn security_13_what_comes_counts_though_it_decodes_to_nothing() {
    let head = format!("{CHUNKED}content-encoding: gzip\r\n\r\n");
    // One member, of stored blocks that are empty (RFC 1951 section 3.2.4).
    let head = [head.as_bytes(), &chunk(&EMPTY[..10], "")].concat();
    let error = answered_without_end(head, chunk(&[0, 0, 0, 0xff, 0xff].repeat(2_000), "")).await;
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn security_13_extensions_of_chunks_are_limited_all_together() {
    let extension = format!(";{}", "x".repeat(1_000));
    let head = format!("{CHUNKED}\r\n");
    let error = answered_without_end(head.into(), chunk(b"x", &extension)).await;
    assert_eq!(error.kind(), ErrorKind::Framing);
    assert!(error.to_string().contains("extensions"), "{error}");
}

#[tokio::test]
async fn security_21_a_proxy_that_never_says_whether_the_tunnel_is_open_is_an_error() {
    let proxy = RawServer::start(|mut peer| async move {
        peer.request().await;
        while peer.write(&b"HTTP/1.1 103 Early\r\n\r\n".repeat(40)).await {}
    });
    let pool = AwwPool::builder("http://api.invalid").proxy(proxy.url()).max_attempts(1);
    let pool = pool.connect_timeout(Duration::from_secs(150)).build().unwrap();
    let error = soon("the call", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
}

#[tokio::test]
async fn security_23_a_rate_key_is_no_longer_than_a_kilobyte() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let call = |length| {
        let request = Request::get("/rows").rate_key("k".repeat(length));
        pool.request(request)
    };
    soon("the call", call(1_024)).await.unwrap();
    let error = soon("the call", call(1_025)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.to_string().contains("rate key"), "{error}");
}

#[tokio::test]
async fn security_04_bodies_of_errors_are_cut_and_the_call_goes_on() {
    let body = "x".repeat(1024 * 1024);
    let server = RawServer::start(move |mut peer| {
        let body = body.clone();
        async move {
            while peer.request().await.is_some() {
                let head = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n", body.len());
                peer.write(head.as_bytes()).await;
                peer.write(body.as_bytes()).await;
            }
        }
    });
    let pool = AwwPool::builder(server.url()).backoff_base(Duration::ZERO).build().unwrap();
    let error = soon("the call", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (500, 3));
    assert_eq!(error.response().unwrap().body().len(), 64 * 1024);
}

#[tokio::test]
async fn security_04_a_body_that_is_cut_is_no_whole_page() {
    let rows = "{\"id\":1}\n".repeat(10_000);
    let head = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n{rows}", rows.len());
    let server = RawServer::answering(head);
    let accept = ResponseRule::accept().status(500);
    for (limit, is_whole) in [(9 * 7_000, false), (90_001, true)] {
        let pool = AwwPool::builder(server.url()).response_rule(accept.clone());
        let pool = pool.max_error_body_bytes(limit).build().unwrap();
        let stream = PaginatedStream::get(pool, "/rows").paging(Paging::none());
        let read = stream.envelope(Envelope::ndjson()).try_collect::<Vec<serde_json::Value>>();
        match soon("the rows", read).await {
            Ok(rows) => assert!(is_whole && rows.len() == 10_000, "{limit}"),
            Err(error) => assert!(!is_whole && error.kind() == ErrorKind::Decode, "{error}"),
        }
    }
}

#[tokio::test]
async fn security_18_the_body_of_a_204_is_not_the_next_answer() {
    let forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    for declared in
        [format!("content-length: {}", forged.len()), "transfer-encoding: chunked".into()]
    {
        let server = RawServer::start(move |mut peer| {
            let declared = declared.clone();
            async move {
                let number = peer.number();
                while peer.request().await.is_some() {
                    if number == 0 {
                        let head = format!("HTTP/1.1 204 None\r\n{declared}\r\n\r\n");
                        peer.write(head.as_bytes()).await;
                        peer.pause(Duration::from_millis(30)).await;
                        peer.write(forged.as_bytes()).await;
                    } else {
                        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown").await;
                    }
                }
            }
        });
        let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
        soon("the first call", pool.get("/rows")).await.unwrap();
        let answer = soon("the second call", pool.get("/rows")).await.unwrap();
        assert_eq!(answer.text().unwrap(), "own");
    }
}
