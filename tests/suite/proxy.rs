//! The way through an HTTP proxy, and what its failures are called.

use std::{error::Error as _, sync::Arc, time::Duration};

use crate::support::{
    authority::authority,
    proxy,
    raw_server::{Peer, RawServer, Seen},
    soon,
};
use vantage_api_pool::{AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request, Response};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Longer than a busy machine leaves a server without a turn.
const PATIENCE: Duration = Duration::from_secs(60);

fn through(proxy: &RawServer, base: &str) -> PoolBuilder {
    AwwPool::builder(base)
        .workers(1)
        .backoff_base(Duration::ZERO)
        .connect_timeout(PATIENCE)
        .proxy(format!("http://{}", proxy.address()))
}

async fn get(pool: PoolBuilder) -> Result<Response, Error> {
    soon("an answer", pool.build().unwrap().get("/rows")).await
}

/// What a POST, which is not repeated once it was sent, meets at a proxy that says `answer`,
/// and how often the proxy was asked.
async fn refusal(answer: &str) -> (Error, usize) {
    let proxy = RawServer::answering(answer);
    let pool = through(&proxy, "http://api.invalid/").reconnect_timeout(Duration::ZERO);
    let pool = pool.build().unwrap();
    let error = soon("an error", pool.request(Request::post("/rows"))).await.unwrap_err();
    (error, proxy.seen().heads.len())
}

#[tokio::test]
async fn an_http_api_is_reached_through_a_tunnel_and_its_name_resolved_by_the_proxy() {
    let api = RawServer::answering(OK);
    let proxy = proxy::to(api.address());
    let pool = through(&proxy, "http://api.invalid/v1").build().unwrap();
    for _ in 0..3 {
        assert_eq!(soon("an answer", pool.get("/rows")).await.unwrap().text().unwrap(), "ok");
    }
    let Seen { heads, .. } = proxy.seen();
    assert_eq!(heads.len(), 1, "the tunnel is used again");
    assert_eq!(heads[0].1, "CONNECT api.invalid:80 HTTP/1.1\r\nHost: api.invalid:80\r\n\r\n");
    let Seen { heads, .. } = api.seen();
    assert_eq!(heads.len(), 3);
    assert!(heads.iter().all(|(_, head)| head.starts_with("GET /v1/rows HTTP/1.1\r\n")));
    assert!(heads.iter().all(|(_, head)| head.contains("host: api.invalid\r\n")), "{heads:?}");
}

#[tokio::test]
async fn an_https_api_is_spoken_to_in_tls_inside_the_tunnel() {
    let (pem, config) = authority("api.invalid");
    let api = RawServer::start_tls(config, |mut peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK.as_bytes()).await;
        }
    });
    let proxy = proxy::to(api.address());
    let pool = through(&proxy, "https://api.invalid").root_certificate(pem);
    assert_eq!(get(pool).await.unwrap().text().unwrap(), "ok");
    assert!(proxy.seen().heads[0].1.starts_with("CONNECT api.invalid:443 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_https_proxy_is_spoken_to_in_tls_for_http_and_https_apis() {
    let (of_proxy, proxy_config) = authority("localhost");
    let (of_api, api_config) = authority("api.invalid");
    let answer = |mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK.as_bytes()).await;
        }
    };
    for (api, base) in [
        (RawServer::start(answer), "http://api.invalid"),
        (RawServer::start_tls(api_config, answer), "https://api.invalid"),
    ] {
        let address = api.address();
        let proxy = RawServer::start_tls(Arc::clone(&proxy_config), move |mut peer| async move {
            peer.head().await;
            peer.write(proxy::OPEN.as_bytes()).await;
            peer.tunnel(address).await;
        });
        let url = format!("https://tea:p%40ss@localhost:{}", proxy.address().port());
        let builder = || AwwPool::builder(base).workers(1).max_attempts(1).proxy(&url);
        let builder = || builder().connect_timeout(PATIENCE);
        let untrusted = get(builder().root_certificate(of_api.clone())).await.unwrap_err();
        assert_eq!((untrusted.kind(), untrusted.delivery()), (ErrorKind::Tls, Delivery::NotSent));
        assert!(untrusted.to_string().contains("with the proxy"), "{untrusted}");
        assert!(proxy.seen().heads.is_empty(), "the credentials went out");

        let pool = builder().root_certificate(of_proxy.clone()).root_certificate(of_api.clone());
        let pool = pool.min_connections(1).build().unwrap();
        soon("the warm-up", pool.warm_up()).await.unwrap();
        // The session tickets of both servers are no reason to drop the connection.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        for _ in 0..3 {
            assert_eq!(soon("an answer", pool.get("/rows")).await.unwrap().text().unwrap(), "ok");
        }
        let heads = proxy.seen().heads;
        assert_eq!(heads.len(), 1, "the tunnel is used again");
        assert!(heads[0].1.contains("Proxy-Authorization: Basic dGVhOnBAc3M=\r\n"));
        drop(api);
        // The end of what is inside the tunnel ends it, and it is not lent again.
        proxy.wait_for(|seen| !seen.closed.is_empty()).await;
    }
}

#[tokio::test]
async fn credentials_go_to_the_proxy_decoded_and_not_to_the_api() {
    let api = RawServer::answering(OK);
    let proxy = proxy::to(api.address());
    let pool = through(&proxy, "http://api.invalid")
        .proxy(format!("http://tea:p%40ss@{}", proxy.address()));
    get(pool).await.unwrap();
    // "tea:p@ss" in base64.
    let expected = "Proxy-Authorization: Basic dGVhOnBAc3M=\r\n";
    assert!(proxy.seen().heads[0].1.contains(expected), "{:?}", proxy.seen().heads);
    assert!(!api.seen().heads[0].1.to_ascii_lowercase().contains("proxy"));
}

#[tokio::test]
async fn an_interim_answer_of_the_proxy_is_passed_over() {
    let api = RawServer::answering(OK);
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nvia: x\r\n\r\n";
    let proxy = proxy::saying(answer, api.address());
    assert_eq!(get(through(&proxy, "http://api.invalid")).await.unwrap().text().unwrap(), "ok");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_proxy_error_at_once() {
    for (answer, says) in [
        ("HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\n\r\n", "credentials (status 407)"),
        ("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "refused the tunnel (status 403)"),
        ("HTTP/1.1 302 Away\r\nlocation: /\r\n\r\n", "refused the tunnel (status 302)"),
        ("SSH-2.0-OpenSSH\r\n", "not HTTP"),
        ("HTTP/1.1 200 OK\r\n\r\nhello", "bytes came through the tunnel"),
    ] {
        let (error, asked) = refusal(answer).await;
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Proxy, Delivery::NotSent));
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!((asked, error.attempts()), (1, 1), "{answer}");
        assert!(!error.is_retryable());
    }
    let (error, _) = refusal(&format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(32 * 1024))).await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
}

#[tokio::test]
async fn a_proxy_that_does_not_reach_the_host_is_asked_again() {
    for answer in ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "HTTP/1.1 504 Late\r\n\r\n"] {
        let (error, asked) = refusal(answer).await;
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
        assert!(error.to_string().contains("the proxy did not reach the host"), "{error}");
        assert_eq!((asked, error.attempts()), (3, 3));
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_hangs_up_or_says_nothing_is_a_connect_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let down = AwwPool::builder("http://api.invalid").proxy(format!("http://{address}"));
    let hangs_up = RawServer::answering_once(&[b"HTTP/1.1 200 OK\r\n"]);
    let silent = RawServer::start(|mut peer| async move { peer.closed().await });
    for (pool, says) in [
        (down, "the connection to the proxy was not established"),
        (through(&hangs_up, "http://api.invalid"), "the connection to the proxy broke"),
        (
            through(&silent, "http://api.invalid").connect_timeout(Duration::from_millis(100)),
            "connect timeout",
        ),
    ] {
        let error = get(pool.max_attempts(1)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
        assert!(error.to_string().contains(says), "{error}");
    }
    silent.wait_for(|seen| seen.closed.len() == 1).await;
}

#[tokio::test]
async fn the_credentials_of_a_proxy_are_in_no_error_and_no_debug_output() {
    let canary = "canary-5e1f";
    let proxy = RawServer::answering("HTTP/1.1 407 canary-5e1f\r\nx: canary-5e1f\r\n\r\n");
    let builder = AwwPool::builder("http://api.invalid")
        .proxy(format!("http://{canary}:{canary}@{}", proxy.address()));
    let pool = builder.clone().build().unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    let mut printed = format!("{builder:?} {pool:?} {error} {error:?}");
    for bad in ["http://canary-5e1f:canary-5e1f@", "ftp://canary-5e1f@x", "canary-5e1f"] {
        let error = AwwPool::builder("http://x").proxy(bad).build().unwrap_err();
        printed += &format!("{error} {error:?} {:?}", error.source());
    }
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn a_proxy_that_cannot_work_is_a_config_error_that_names_it() {
    for bad in [
        "",
        "localhost:3128",
        "socks5://localhost",
        "http://",
        "http://localhost:0",
        "http://localhost:99999",
        "http://localhost/path",
        "https://localhost?query",
        "http://us%3Aer:password@localhost",
    ] {
        let error = AwwPool::builder("http://localhost").proxy(bad).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        assert!(error.to_string().contains("proxy: "), "{error}");
    }
    for good in ["http://localhost", "http://[::1]:3128/", "https://user@localhost:3128"] {
        AwwPool::builder("http://localhost").proxy(good).build().unwrap();
    }
}
