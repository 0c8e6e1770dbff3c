//! Requests and responses, complete and broken, over plain sockets.

use std::time::Instant;

use tokio::sync::mpsc;

use super::{raw_server::Peer, *};
use crate::error::{Delivery, ErrorKind};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn kind(result: Result<Response, Error>) -> ErrorKind {
    result.expect_err("an error was promised").kind()
}

// Complete responses

#[actix::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = RawServer::answering(OK);
    let client = Client::new(&settings());
    for _ in 0..3 {
        assert_eq!(get(&client, &server).await.unwrap().text().unwrap(), "ok");
    }
    let seen = server.seen();
    assert_eq!((seen.connections, seen.heads.len()), (1, 3));
}

#[actix::test]
async fn any_status_is_an_answer_with_its_headers_and_body() {
    for status in [200, 201, 302, 404, 413, 429, 500, 503, 599] {
        let head = format!(
            "HTTP/1.1 {status} X\r\nx-a: 1\r\nX-A: é\r\nlocation: /b\r\ncontent-length: 4\r\n\r\n"
        );
        let response = answer_of(&[head.as_bytes(), b"body"]).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(response.body().as_ref(), b"body");
    }
}

#[actix::test]
async fn a_body_until_the_close_is_read_in_full() {
    for pieces in [
        &[b"HTTP/1.1 200 OK\r\n\r\nfull body".as_slice()][..],
        &[b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n\r\n", b"full", b" body"],
        &[b"HTTP/1.", b"1 200 OK\r", b"\n\r", b"\nfull body"],
        &[b"HTTP/1.0 200 OK\r\n\r\nfull ", b"body"],
        &[b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\nfull body"],
    ] {
        assert_eq!(answer_of(pieces).await.unwrap().text().unwrap(), "full body");
    }
}

#[actix::test]
async fn an_empty_body_until_the_close_waits_for_the_close() {
    let response = answer_of(&[b"HTTP/1.1 200 OK\r\n\r\n", b""]).await.unwrap();
    assert!(response.body().is_empty());
}

#[actix::test]
async fn a_chunked_body_is_put_together() {
    let response = answer_of(&[
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nfir",
        b"\r\n3\r",
        b"\nst \r\n4\r\nlast\r\n0\r\ntrailer: x\r\n\r\n",
    ])
    .await
    .unwrap();
    assert_eq!(response.text().unwrap(), "first last");
}

#[actix::test]
async fn an_old_answer_is_read_by_its_length() {
    for (answer, body) in [
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
        ("HTTP/1.0 204 None\r\n\r\n", ""),
        ("HTTP/1.0 304 Same\r\ncontent-length: 9\r\n\r\n", ""),
    ] {
        // The server does not close, so only the length ends the response.
        let server = RawServer::answering(answer);
        let client = Client::new(&settings());
        for _ in 0..2 {
            assert_eq!(get(&client, &server).await.unwrap().text().unwrap(), body, "{answer}");
        }
    }
}

#[actix::test]
async fn answers_without_a_body_end_with_their_head() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 204 None\r\n\r\n"),
        ("GET", "HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let server = RawServer::answering(answer);
        let client = Client::new(&settings());
        for _ in 0..3 {
            let request = Request::new(method.parse().unwrap(), "/rows");
            let response = send(&client, &server, request).await.unwrap();
            assert!(response.body().is_empty(), "{method} {answer}");
        }
        let kept = !answer.contains("content-length: 5") || method == "HEAD";
        assert!(!kept || server.seen().connections == 1, "{method} {answer}");
    }
}

#[actix::test]
async fn interim_answers_never_shift_the_answers_behind_them() {
    for split in [false, true] {
        let server = RawServer::start(move |mut peer| async move {
            let mut number = 0;
            while peer.request().await.is_some() {
                let answer = format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                     HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}"
                );
                let size = if split { 7 } else { answer.len() };
                for piece in answer.as_bytes().chunks(size) {
                    peer.write(piece).await;
                    tokio::task::yield_now().await;
                }
                number += 1;
            }
        });
        let client = Client::new(&settings());
        for number in 0..5 {
            let response = get(&client, &server).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.text().unwrap(), number.to_string(), "split: {split}");
        }
        assert_eq!(server.seen().connections, 1);
    }
}

#[actix::test]
async fn an_answer_in_single_bytes_is_read() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
        transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let server = RawServer::start(move |mut peer| async move {
        peer.request().await;
        for byte in answer.chunks(1) {
            peer.write(byte).await;
            peer.pause(Duration::from_micros(200)).await;
        }
    });
    let response = get(&Client::new(&settings()), &server).await.unwrap();
    assert_eq!(response.text().unwrap(), "ok");
}

// Requests

#[actix::test]
async fn a_get_carries_what_it_should_and_nothing_else() {
    let server = RawServer::answering(OK);
    get(&Client::new(&settings()), &server).await.unwrap();
    let head = server.seen().heads[0].1.to_ascii_lowercase();
    assert!(head.starts_with("get /rows http/1.1\r\n"), "{head}");
    let mut names: Vec<_> =
        head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    names.retain(|name| *name != "date");
    names.sort_unstable();
    assert_eq!(names, ["accept-encoding", "host", "user-agent"]);
    assert!(head.contains(&format!("host: {}\r\n", server.address())), "{head}");
    assert!(head.contains("user-agent: test\r\n"), "{head}");
    // Whatever codings are read: a feature changes nothing of what is sent.
    assert!(head.contains("accept-encoding: gzip\r\n"), "{head}");
}

#[actix::test]
async fn a_request_keeps_its_own_headers_over_the_defaults() {
    let server = RawServer::answering(OK);
    let request = Request::get("/")
        .header("user-agent", "mine")
        .and_then(|request| request.header("accept-encoding", "identity"))
        .and_then(|request| request.header("host", "virtual.example"))
        .unwrap();
    send(&Client::new(&settings()), &server, request).await.unwrap();
    let head = server.seen().heads[0].1.to_ascii_lowercase();
    for field in ["user-agent: mine", "accept-encoding: identity", "host: virtual.example"] {
        let name = field.split_once(':').unwrap().0;
        assert_eq!(head.matches(&format!("\r\n{name}:")).count(), 1, "{head}");
        assert!(head.contains(&format!("{field}\r\n")), "{head}");
    }
}

#[actix::test]
async fn without_gzip_no_encoding_is_asked_for() {
    let server = RawServer::answering(OK);
    get(&Client::new(&Settings { gzip: false, ..settings() }), &server).await.unwrap();
    assert!(!server.seen().heads[0].1.contains("accept-encoding"));
}

#[actix::test]
async fn a_body_is_sent_with_its_length() {
    let (sent, bodies) = std::sync::mpsc::channel();
    let server = RawServer::start(move |mut peer| {
        let sent = sent.clone();
        async move {
            while let Some(body) = peer.request().await {
                sent.send(body).unwrap();
                peer.write(OK).await;
            }
        }
    });
    let client = Client::new(&settings());
    let large = vec![b'x'; 3 * 1024 * 1024];
    send(&client, &server, Request::post("/").body(large.clone())).await.unwrap();
    send(&client, &server, Request::post("/")).await.unwrap();
    send(&client, &server, Request::new(http::Method::DELETE, "/")).await.unwrap();
    assert_eq!(bodies.try_iter().collect::<Vec<_>>(), [large, vec![], vec![]]);
    let heads = server.seen().heads;
    assert!(heads[0].1.contains("content-length: 3145728\r\n"));
    assert!(heads[1].1.contains("content-length: 0\r\n"), "a POST says that it is empty");
    assert!(!heads[2].1.contains("content-length"));
    assert_eq!(server.seen().connections, 1);
}

#[actix::test]
async fn headers_of_the_transport_are_refused_before_anything_is_sent() {
    let server = RawServer::answering(OK);
    for name in ["transfer-encoding", "Content-Length", "connection", "expect", "upgrade"] {
        let request = Request::post("/").body("x").header(name, "canary").unwrap();
        let error = send(&Client::new(&settings()), &server, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains(&name.to_ascii_lowercase()));
        assert!(!format!("{error:?}").contains("canary"));
    }
    assert_eq!(server.seen().connections, 0);
}

#[actix::test]
async fn dropping_the_call_closes_the_connection_at_once() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"] {
        let server = RawServer::start(move |mut peer| async move {
            peer.head().await;
            peer.write(head.as_bytes()).await;
            peer.closed().await;
        });
        // No timeout closes it.
        let read_idle_timeout = Duration::from_secs(3_600);
        let client = Client::new(&Settings { read_idle_timeout, ..settings() });
        let call = get(&client, &server);
        tokio::select! {
            _ = call => panic!("there was no answer"),
            _ = server.wait_for(|seen| seen.heads.len() == 1) => {}
        }
        server.wait_for(|seen| seen.closed.len() == 1).await;
    }
}

// Broken responses

#[actix::test]
async fn a_body_cut_short_is_truncated_and_never_partial_data() {
    for pieces in [
        &[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".as_slice()][..],
        &[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"],
        &[b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\n", b"ok"],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok"],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"],
        &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"],
    ] {
        let error = answer_of(pieces).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(error.is_retryable() && error.response().is_none());
    }
}

#[actix::test]
async fn a_chunked_body_cut_twice_in_a_row_is_truncated_twice_and_then_read() {
    let server = RawServer::start(|mut peer| async move {
        let whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        peer.request().await;
        let cut = if peer.number() < 2 { whole.len() - 3 } else { whole.len() };
        peer.write(&whole[..cut]).await;
    });
    let client = Client::new(&settings());
    assert_eq!(kind(get(&client, &server).await), ErrorKind::Truncated);
    assert_eq!(kind(get(&client, &server).await), ErrorKind::Truncated);
    assert_eq!(get(&client, &server).await.unwrap().text().unwrap(), "ok");
}

#[actix::test]
async fn a_reset_within_a_body_is_truncated_whatever_ends_the_body() {
    for head in ["content-length: 9\r\n", "transfer-encoding: chunked\r\n", "x: y\r\n"] {
        let server = RawServer::start(move |mut peer| async move {
            peer.request().await;
            peer.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n2\r\nok").as_bytes()).await;
            peer.pause(Duration::from_millis(50)).await;
            peer.reset();
        });
        let error = get(&Client::new(&settings()), &server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{head}");
    }
}

#[actix::test]
async fn a_connection_closed_before_or_within_the_head_is_disconnected() {
    for pieces in [&[][..], &[b"HTTP/1.1 200 OK\r\ncont".as_slice()], &[b"HTTP/1.1 100 X\r\n\r\n"]]
    {
        let error = answer_of(pieces).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.reset();
    });
    let error = get(&Client::new(&settings()), &server).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Disconnected, Delivery::Unknown));
}

#[actix::test]
async fn what_is_not_http_is_a_framing_error() {
    for answer in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let error = answer_of(&[answer.as_bytes()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Framing, "{answer} {error}");
        assert!(!error.is_retryable());
    }
}

#[actix::test]
async fn an_endless_row_of_interim_answers_is_a_framing_error() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        while peer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n").await {}
    });
    assert_eq!(kind(get(&Client::new(&settings()), &server).await), ErrorKind::Framing);
}

#[actix::test]
async fn a_flood_of_headers_or_an_endless_head_is_refused() {
    for (start, flood) in [("HTTP/1.1 200 OK\r\n", "a: b\r\n"), ("HTTP/1.1 200 OK\r\na: ", "b")] {
        let server = RawServer::start(move |mut peer| async move {
            peer.request().await;
            peer.write(start.as_bytes()).await;
            let flood = flood.repeat(1000);
            while peer.write(flood.as_bytes()).await {}
        });
        let error = get(&Client::new(&settings()), &server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HeadTooLarge);
    }
    let large = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(120 * 1024));
    answer_of(&[large.as_bytes()]).await.unwrap();
}

// Time

/// Writes `pieces` so far apart, and returns the longest that the client may have waited for one.
/// On a busy machine that is longer.
async fn write_apart(peer: &mut Peer, pieces: &[&[u8]], apart: Duration) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    for piece in pieces {
        let begun = Instant::now();
        peer.write(piece).await;
        longest = longest.max(last.elapsed());
        last = begun;
        peer.pause(apart).await;
    }
    longest
}

#[actix::test]
async fn a_slow_body_that_lives_is_read() {
    let idle = Duration::from_millis(400);
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = RawServer::start(move |mut peer| {
        let tell = tell.clone();
        async move {
            peer.request().await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n".as_slice();
            let pieces: Vec<_> = std::iter::once(head).chain(b"slowbody".chunks(1)).collect();
            let apart = Duration::from_millis(80);
            let _ = tell.send(write_apart(&mut peer, &pieces, apart).await);
        }
    });
    let client = Client::new(&Settings { read_idle_timeout: idle, ..settings() });
    bounded(async {
        loop {
            let response = get(&client, &server).await;
            // A server that stood still for as long was not one that lives.
            if told.recv().await.unwrap() < idle {
                return assert_eq!(response.unwrap().text().unwrap(), "slowbody");
            }
        }
    })
    .await;
}

#[actix::test]
async fn an_answer_that_stops_arriving_has_stalled() {
    for start in ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nslow"] {
        let server = RawServer::start(move |mut peer| async move {
            peer.request().await;
            peer.write(start.as_bytes()).await;
            peer.closed().await;
        });
        let settings = Settings { read_idle_timeout: Duration::from_millis(100), ..settings() };
        let begun = Instant::now();
        let error = get(&Client::new(&settings), &server).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Stalled, Delivery::Unknown));
        assert!(begun.elapsed() >= Duration::from_millis(100));
        server.wait_for(|seen| seen.closed.len() == 1).await;
    }
}

#[actix::test]
async fn a_head_that_takes_its_time_is_waited_for() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.pause(Duration::from_millis(300)).await;
        peer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
        peer.pause(Duration::from_millis(300)).await;
        peer.write(OK).await;
    });
    let settings = Settings { read_idle_timeout: Duration::from_millis(100), ..settings() };
    get(&Client::new(&settings), &server).await.unwrap();
}

#[actix::test]
async fn an_idle_connection_outlives_the_read_idle_timeout() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let idle = Duration::from_millis(100);
    bounded(async {
        loop {
            let (tell, mut told) = mpsc::unbounded_channel();
            let server = RawServer::start(move |mut peer| {
                let tell = tell.clone();
                async move {
                    while peer.request().await.is_some() {
                        let pieces: Vec<_> = answer.as_bytes().chunks(20).collect();
                        let apart = Duration::from_millis(20);
                        let _ = tell.send(write_apart(&mut peer, &pieces, apart).await);
                    }
                }
            });
            let client = Client::new(&Settings { read_idle_timeout: idle, ..settings() });
            let first = get(&client, &server).await;
            let longest = told.recv().await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let second = get(&client, &server).await;
            // A server that stood still for as long stalls within its answer.
            if longest.max(told.recv().await.unwrap()) < idle {
                first.unwrap();
                second.unwrap();
                return assert_eq!(server.seen().connections, 1);
            }
        }
    })
    .await;
}

#[actix::test]
async fn a_connection_idle_for_too_long_is_replaced() {
    let server = RawServer::answering(OK);
    let client = Client::new(&Settings { idle_timeout: Duration::from_millis(50), ..settings() });
    get(&client, &server).await.unwrap();
    bounded(async {
        // A busy machine may have given it back only a moment ago.
        while server.seen().connections < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            get(&client, &server).await.unwrap();
        }
    })
    .await;
    server.wait_for(|seen| !seen.closed.is_empty()).await;
}

#[actix::test]
async fn an_unused_connection_is_closed_though_nobody_calls() {
    let server = RawServer::answering(OK);
    let client = Client::new(&Settings { idle_timeout: Duration::from_millis(60), ..settings() });
    let calls = (0..4).map(|_| get(&client, &server));
    futures::future::join_all(calls).await.into_iter().for_each(|result| drop(result.unwrap()));
    server.wait_for(|seen| seen.closed.len() == seen.connections).await;
    get(&client, &server).await.unwrap();
}

#[actix::test]
async fn the_sweep_leaves_a_busy_connection_alone() {
    let server = RawServer::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.pause(Duration::from_millis(400)).await;
            peer.write(OK).await;
        }
    });
    let client = Client::new(&Settings { idle_timeout: Duration::from_millis(60), ..settings() });
    get(&client, &server).await.unwrap();
    get(&client, &server).await.unwrap();
    // Between the two a busy machine may leave it unused for too long.
    assert_eq!(server.seen().heads.len(), 2);
}

// Reuse

/// Responds to the first request of each connection and closes at the second without a response.
fn forgetful() -> RawServer {
    RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(OK).await;
        peer.request().await;
    })
}

#[actix::test]
async fn a_reused_connection_that_was_closed_costs_a_read_nothing() {
    let server = forgetful();
    let client = Client::new(&settings());
    for _ in 0..20 {
        get(&client, &server).await.unwrap();
    }
}

#[actix::test]
async fn a_read_that_makes_the_server_hang_up_is_not_sent_for_ever() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if head.starts_with("GET /poison") {
                return;
            }
            peer.pause(Duration::from_millis(20)).await;
            peer.write(OK).await;
        }
    });
    let client = Client::new(&settings());
    let calls = (0..8).map(|_| get(&client, &server));
    futures::future::join_all(calls).await.into_iter().for_each(|result| drop(result.unwrap()));
    let error = send(&client, &server, Request::get("/poison")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    let poison = |head: &&(usize, String)| head.1.starts_with("GET /poison");
    assert_eq!(server.seen().heads.iter().filter(poison).count(), 3);
}

#[actix::test]
async fn a_write_on_a_closed_connection_is_sent_once_and_fails() {
    let server = forgetful();
    let client = Client::new(&settings());
    get(&client, &server).await.unwrap();
    let error = send(&client, &server, Request::post("/").body("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Disconnected, Delivery::Unknown));
    let posts = |head: &&(usize, String)| head.1.starts_with("POST");
    assert_eq!(server.seen().heads.iter().filter(posts).count(), 1);
}

#[actix::test]
async fn bytes_that_nobody_asked_for_are_never_the_next_answer() {
    const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (answer, later) in [
        ([OK, EVIL].concat(), false),
        ([OK, b"H"].concat(), false),
        ([chunked, EVIL].concat(), false),
        ([b"HTTP/1.1 204 None\r\n\r\n", EVIL].concat(), false),
        (OK.to_vec(), true),
    ] {
        let (asked, strayed) =
            (std::sync::Arc::new(tokio::sync::Notify::new()), tokio::sync::Semaphore::new(0));
        let strayed = std::sync::Arc::new(strayed);
        let server = RawServer::start({
            let (asked, strayed) = (asked.clone(), strayed.clone());
            move |mut peer| {
                let (asked, strayed) = (asked.clone(), strayed.clone());
                let answer = if peer.number() == 0 { answer.clone() } else { OK.to_vec() };
                async move {
                    peer.request().await;
                    peer.write(&answer).await;
                    if peer.number() == 0 && later {
                        asked.notified().await;
                        peer.write(EVIL).await;
                        strayed.add_permits(1);
                    }
                    peer.closed().await;
                }
            }
        });
        let client = Client::new(&settings());
        assert_ne!(get(&client, &server).await.unwrap().body().as_ref(), b"evil");
        if later {
            asked.notify_one();
            bounded(strayed.acquire()).await.unwrap().forget();
        }
        assert_eq!(get(&client, &server).await.unwrap().text().unwrap(), "ok");
        assert_eq!(server.seen().connections, 2);
    }
}

// Connecting

#[actix::test]
async fn a_refused_connection_was_never_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let client = Client::new(&settings());
    let result = bounded(client.send(&Request::post("/"), &base.join("/").unwrap())).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
}

#[actix::test]
async fn a_name_that_does_not_resolve_was_never_sent() {
    // A label of 64 characters is illegal in DNS, so no server is asked.
    let base = BaseUrl::parse(&format!("http://{}/", "x".repeat(64))).unwrap();
    let client = Client::new(&Settings { connect_timeout: LIMIT, ..settings() });
    let result = bounded(client.send(&Request::post("/"), &base.join("/").unwrap())).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Resolve, Delivery::NotSent));
}

#[actix::test]
async fn a_handshake_that_hangs_ends_at_the_connect_timeout() {
    let server = RawServer::start(|mut peer| async move { peer.closed().await });
    let client =
        Client::new(&Settings { connect_timeout: Duration::from_millis(200), ..settings() });
    let base = BaseUrl::parse(&server.url().replace("http:", "https:")).unwrap();
    let result = bounded(client.send(&Request::get("/"), &base.join("/").unwrap())).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
    server.wait_for(|seen| seen.closed.len() == 1).await;
}

// Bodies in both directions

#[actix::test]
async fn an_early_refusal_of_a_large_body_is_the_answer() {
    const REFUSAL: &[u8] = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
    for closes in [true, false] {
        let server = RawServer::start(move |mut peer| async move {
            let first = peer.number() == 0;
            peer.head().await;
            peer.write(if first { REFUSAL } else { OK }).await;
            if !closes || !first {
                peer.pause(LIMIT).await;
            }
        });
        let client = Client::new(&settings());
        let request = Request::post("/").body(vec![0; 16 * 1024 * 1024]);
        let response = send(&client, &server, request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().unwrap()), (413, "big"));
        assert_eq!(get(&client, &server).await.unwrap().text().unwrap(), "ok");
        assert_eq!(server.seen().connections, 2, "the connection is not used again");
    }
}

#[actix::test]
async fn an_early_success_does_not_stop_the_upload() {
    let server = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.write(OK).await;
        let mut received = 0;
        while received < 16 * 1024 * 1024 {
            received += peer.more().await;
        }
        peer.closed().await;
    });
    let client = Client::new(&settings());
    let request = Request::post("/").body(vec![0; 16 * 1024 * 1024]);
    assert_eq!(send(&client, &server, request).await.unwrap().status(), 200);
}

#[actix::test]
async fn a_body_over_the_limit_is_refused_by_its_declared_length() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await;
        peer.closed().await;
    });
    let error = get(&Client::new(&settings()), &server).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::BodyTooLarge, Delivery::Answered));
    server.wait_for(|seen| seen.closed.len() == 1).await;
}

#[actix::test]
async fn endless_bodies_are_cut_at_the_limit() {
    for (head, chunk) in [("transfer-encoding: chunked\r\n", "3e8\r\n"), ("x: y\r\n", "")] {
        let (sent, total) = std::sync::mpsc::channel();
        let server = RawServer::start(move |mut peer| {
            let sent = sent.clone();
            async move {
                peer.request().await;
                peer.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes()).await;
                let end = if chunk.is_empty() { "" } else { "\r\n" };
                let piece = format!("{chunk}{}{end}", "x".repeat(1000)).repeat(64);
                let mut written = 0;
                while peer.write(piece.as_bytes()).await {
                    written += piece.len();
                }
                sent.send(written).unwrap();
            }
        });
        let error = get(&Client::new(&settings()), &server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        let written = total.recv_timeout(LIMIT).unwrap();
        assert!(written < 32 * 1024 * 1024, "{written} bytes were taken for a limit of 1 MiB");
    }
}

#[actix::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let body = vec![b'x'; 1024 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let response = answer_of(&[head.as_bytes(), &body]).await.unwrap();
    assert_eq!(response.body().len(), body.len());
}
