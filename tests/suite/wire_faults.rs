//! What a call through the pool gives when the bytes on the wire are wrong, late
//! or missing.

use std::time::{Duration, Instant};

use crate::support::{raw_server::RawServer, soon};
use serde_json::Value;
use vantage_api_pool::{AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request, Response};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A pool of one worker that makes one attempt per call.
fn once(server: &RawServer) -> PoolBuilder {
    patient(server).max_attempts(1)
}

/// A pool of one worker that repeats without much of a wait, but waits for longer than a busy
/// machine leaves a server without a turn.
fn patient(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url())
        .workers(1)
        .backoff_base(Duration::from_millis(1))
        .max_body_bytes(1024 * 1024)
        .read_idle_timeout(Duration::from_secs(60))
}

async fn get(pool: &AwwPool) -> Result<Response, Error> {
    soon("the call ends", pool.get("/rows")).await
}

/// The error of one GET that is answered with `pieces` and a close.
async fn error_of(pieces: &[&[u8]]) -> Error {
    let server = RawServer::answering_once(pieces);
    get(&once(&server).build().unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn faults_15_a_truncated_body_is_never_partial_data() {
    for pieces in [
        &[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".as_slice()][..],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"9\r\nok"],
    ] {
        let error = error_of(pieces).await;
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert!(error.is_retryable() && error.response().is_none());
    }
}

#[tokio::test]
async fn accept_55_a_body_truncated_twice_is_read_at_the_third_attempt() {
    let server = RawServer::start(|mut peer| async move {
        let whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        peer.request().await;
        let cut = if peer.number() < 2 { whole.len() - 3 } else { whole.len() };
        peer.write(&whole[..cut]).await;
    });
    let pool = patient(&server).build().unwrap();
    assert_eq!(get(&pool).await.unwrap().text().unwrap(), "ok");
    assert_eq!(server.seen().heads.len(), 3);
}

#[tokio::test]
async fn faults_15_a_write_with_a_truncated_answer_is_sent_once() {
    let server = RawServer::answering_once(&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"]);
    let pool = patient(&server).build().unwrap();
    let request = Request::post("/rows").body("x");
    let error = soon("the call ends", pool.request(request)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Truncated, Delivery::Unknown));
    assert_eq!((error.attempts(), server.seen().heads.len()), (1, 1));
}

#[tokio::test]
async fn faults_16_a_body_that_lasts_until_the_close_is_whole() {
    let server = RawServer::answering_once(&[b"HTTP/1.1 200 OK\r\n\r\n[1,", b"2]"]);
    let pool = once(&server).build().unwrap();
    assert_eq!(get(&pool).await.unwrap().json::<Vec<u8>>().unwrap(), [1, 2]);
}

#[tokio::test]
async fn faults_17_every_caller_gets_its_own_answer_behind_interim_ones() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let answer = format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                 HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
                path.len()
            );
            // In one segment and in several.
            let size = if path.len() % 2 == 0 { answer.len() } else { 11 };
            for piece in answer.as_bytes().chunks(size) {
                peer.write(piece).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let pool = once(&server).workers(2).build().unwrap();
    let calls = (0..300).map(|number| {
        let (pool, path) = (pool.clone(), format!("/{number}"));
        async move { assert_eq!(pool.get(path.as_str()).await.unwrap().text().unwrap(), path) }
    });
    soon("the calls end", futures::future::join_all(calls)).await;
}

#[tokio::test]
async fn faults_18_connections_that_close_as_they_are_reused_fail_no_read() {
    let server = RawServer::start(|mut peer| async move {
        // Each connection serves a few requests and takes one more without an answer.
        for _ in 0..peer.number() % 4 {
            peer.request().await;
            peer.write(OK).await;
        }
        if peer.number() % 4 > 0 {
            peer.head().await;
        } else {
            while peer.request().await.is_some() {
                peer.write(OK).await;
                peer.finish().await;
            }
        }
    });
    let pool = patient(&server).workers(2).build().unwrap();
    for _ in 0..100 {
        let calls = (0..20).map(|_| get(&pool));
        for result in futures::future::join_all(calls).await {
            result.unwrap();
        }
    }
    pool.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn malformed_answers_are_framing_errors_and_not_repeated() {
    for answer in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a chunk\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let server = RawServer::answering_once(&[answer.as_bytes()]);
        let error = get(&patient(&server).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Framing, 1), "{answer}");
    }
}

#[tokio::test]
async fn faults_28_a_flood_of_headers_and_an_endless_head_are_refused() {
    for (start, flood) in [("HTTP/1.1 200 OK\r\n", "a: b\r\n"), ("HTTP/1.1 200 OK\r\na: ", "b")] {
        let server = RawServer::start(move |mut peer| async move {
            peer.request().await;
            peer.write(start.as_bytes()).await;
            while peer.write(flood.repeat(1000).as_bytes()).await {}
        });
        let error = get(&once(&server).build().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HeadTooLarge);
    }
}

#[tokio::test]
async fn faults_29_a_slow_head_ends_at_the_attempt_timeout() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\na: ").await;
        // It never ends, however late the client looks.
        while peer.write(b"a").await {
            peer.pause(Duration::from_millis(100)).await;
        }
    });
    let pool = once(&server).attempt_timeout(Duration::from_millis(400)).build().unwrap();
    let started = Instant::now();
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::Unknown));
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
}

#[tokio::test]
async fn faults_29_a_slow_body_that_lives_is_read_and_one_that_stops_has_stalled() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n").await;
            for byte in b"bytes!".chunks(1) {
                peer.pause(Duration::from_millis(100)).await;
                peer.write(byte).await;
                if head.starts_with("GET /stops") {
                    peer.closed().await;
                    return;
                }
            }
        }
    });
    let pool = once(&server).build().unwrap();
    assert_eq!(get(&pool).await.unwrap().text().unwrap(), "bytes!");
    let pool = once(&server).read_idle_timeout(Duration::from_secs(2)).build().unwrap();
    let error = soon("the call ends", pool.get("/stops")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Stalled, Delivery::Unknown));
}

#[tokio::test]
async fn faults_33_an_early_refusal_of_a_large_body_is_its_answer() {
    let server = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
    });
    let pool = once(&server).build().unwrap();
    let request = Request::post("/").body(vec![0; 16 * 1024 * 1024]);
    let error = soon("the call ends", pool.request(request)).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(413));
    assert_eq!(error.body_start().unwrap(), "big");
}

#[tokio::test]
async fn faults_26_a_body_over_the_limit_is_an_error_declared_or_not() {
    let declared = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    assert_eq!(error_of(&[declared]).await.kind(), ErrorKind::BodyTooLarge);
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        while peer.write(chunk.as_bytes()).await {}
    });
    let error = get(&once(&server).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn faults_26_json_nested_far_too_deep_is_a_decode_error() {
    let body = "[".repeat(100_000) + &"]".repeat(100_000);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let server = RawServer::answering(head + &body);
    let response = get(&once(&server).build().unwrap()).await.unwrap();
    assert_eq!(response.json::<Value>().unwrap_err().kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn stray_bytes_on_an_idle_connection_are_no_answer() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        let evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        peer.write(&[OK, evil].concat()).await;
        peer.closed().await;
    });
    let pool = once(&server).build().unwrap();
    for _ in 0..5 {
        assert_eq!(get(&pool).await.unwrap().text().unwrap(), "ok");
    }
    assert_eq!(server.seen().connections, 5);
}

#[tokio::test]
async fn connections_are_kept_and_a_get_is_plain() {
    let server = RawServer::answering(OK);
    let pool = once(&server).build().unwrap();
    for _ in 0..3 {
        get(&pool).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.connections, 1);
    let head = seen.heads[2].1.to_ascii_lowercase();
    assert!(head.starts_with("get /rows http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: vantage-api-pool/"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn answers_to_head_and_old_answers_are_read() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let pool = once(&server).build().unwrap();
    for _ in 0..2 {
        let request = Request::new("HEAD".parse().unwrap(), "/rows");
        let response = soon("the call ends", pool.request(request)).await.unwrap();
        assert_eq!(response.headers()["content-length"], "5");
        assert!(response.body().is_empty());
    }
    assert_eq!(server.seen().connections, 1);
    let server = RawServer::answering_once(&[b"HTTP/1.0 200 OK\r\n\r\nold ", b"body"]);
    let pool = once(&server).build().unwrap();
    assert_eq!(get(&pool).await.unwrap().text().unwrap(), "old body");
}

#[tokio::test]
async fn a_dropped_call_is_closed_on_the_wire_within_a_moment() {
    let server = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.closed().await;
    });
    // No timeout closes it.
    let never = Duration::from_secs(3_600);
    let pool = once(&server).attempt_timeout(never).read_idle_timeout(never).build().unwrap();
    tokio::select! {
        _ = pool.get("/rows") => panic!("there was no answer"),
        _ = server.wait_for(|seen| seen.heads.len() == 1) => {}
    }
    server.wait_for(|seen| seen.closed.len() == 1).await;
}

#[tokio::test]
async fn faults_32_a_server_that_comes_back_is_found_without_a_restart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let pool =
        AwwPool::builder(format!("http://{address}")).workers(1).max_attempts(1).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
    let listener = std::net::TcpListener::bind(address).unwrap();
    let server = RawServer::on(listener, |mut peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    });
    assert_eq!(get(&pool).await.unwrap().text().unwrap(), "ok");
    assert_eq!(server.seen().connections, 1);
}

#[tokio::test]
async fn faults_42_a_base_url_that_cannot_work_is_a_config_error() {
    for url in [
        "http://localhost:99999",
        "http://localhost:0",
        "http://",
        "http:///rows",
        "http://user:canary@localhost",
        "http://localhost?canary",
        "ftp://localhost",
        "localhost",
    ] {
        let error = AwwPool::builder(url).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        // The constructor that checks nothing gives the same error at the first call.
        let error = AwwPool::new(1, None, false, url).get("/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
    }
}

#[test]
fn a_default_header_of_the_transport_is_a_config_error() {
    for name in ["connection", "Transfer-Encoding", "expect"] {
        let builder = AwwPool::builder("http://localhost").default_header(name, "canary");
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
