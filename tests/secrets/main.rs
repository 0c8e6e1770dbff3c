//! A token, a query string, a header value and a body show up nowhere but on the wire,
//! whatever goes wrong.

#![cfg(test)]

mod printed;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;
use printed::Printed;
use serde::Deserialize;
use support::{raw_server::RawServer, soon};
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PaginatedStream, PoolApi, PoolBuilder, Request, Token,
    messages::Fetch, tokens::Credentials, vantage::ApiCondition,
};
use vantage_dataset::prelude::ReadableValueSet;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

const CANARY: &str = "canary-8d1f";

/// Every kind of error that this test brings about.
const KINDS: [&str; 25] = [
    "body_too_large",
    "callback",
    "config",
    "connect",
    "deadline_exceeded",
    "decode",
    "disconnected",
    "foreign_origin",
    "framing",
    "head_too_large",
    "invalid_request",
    "page_loop",
    "pagination_missing",
    "queue_full",
    "rate_limited",
    "resolve",
    "shutting_down",
    "stalled",
    "status",
    "timeout",
    "tls",
    "token",
    "truncated",
    "unauthorized",
    "worker_crashed",
];

fn page(rest: &str) -> String {
    let body = format!("{{\"data\":[1,2]{rest}}}");
    format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Answers each path with a trouble of its own.
fn troubles() -> RawServer {
    RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            assert!(head.matches(CANARY).count() >= 4, "headers, bearer and query: {head}");
            let answer = match head.split(['/', '?']).nth(1).unwrap() {
                "fine" => "200 OK\r\ncontent-length: 2\r\n\r\n{}".into(),
                "failing" => "503 Unavailable\r\ncontent-length: 2\r\n\r\nno".into(),
                "unknown" => "404 Not Found\r\ncontent-length: 2\r\n\r\nno".into(),
                "echoing" => {
                    format!("400 Bad\r\ncontent-length: {}\r\n\r\n{CANARY}", CANARY.len())
                }
                "refused" => "401 Unauthorized\r\ncontent-length: 0\r\n\r\n".into(),
                "busy" => "429 Busy\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n".into(),
                "cut" => "200 OK\r\ncontent-length: 9\r\n\r\n{}".into(),
                "moved" => format!(
                    "302 Found\r\nlocation: http://127.0.0.1:9/?key={CANARY}\r\n\
                     content-length: 0\r\n\r\n"
                ),
                "round" => format!(
                    "302 Found\r\nlocation: /round?key={CANARY}\r\ncontent-length: 0\r\n\r\n"
                ),
                "garbled" => "200 OK\r\ncontent-length: two\r\n\r\n{}".into(),
                "large" => "200 OK\r\ncontent-length: 99999999\r\n\r\n{}".into(),
                "heady" => format!("200 OK\r\n{}\r\n", "a: b\r\n".repeat(200)),
                "same" => page(",\"pagination\":{\"total\":9}"),
                "endless" => page(""),
                "stalled" => {
                    peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}").await;
                    return peer.closed().await;
                }
                "slow" => return peer.closed().await,
                _ => return,
            };
            peer.write(format!("HTTP/1.1 {answer}").as_bytes()).await;
            if head.contains("/cut") {
                return;
            }
        }
    })
}

fn apply(request: Request, token: &str) -> Request {
    match request.headers().get("x-trouble").map(http::HeaderValue::as_bytes) {
        Some(b"crash") => {
            actix::Arbiter::current().stop();
        }
        Some(_) => panic!("a callback that panics"),
        None => {}
    }
    let request = request.header("x-api-key", token).unwrap();
    let request = request.header("authorization", &format!("Bearer {token}")).unwrap();
    request.query(&[("key", token)]).unwrap()
}

async fn acquire() -> Result<Token, Error> {
    Ok(Token::new(CANARY).expires_in(Duration::from_secs(3_600)))
}

fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url)
        .workers(1)
        // A worker that seems to be blocked would take the callbacks off its thread.
        .heartbeat_timeout(Duration::from_secs(10))
        .default_header("x-default", CANARY)
        .max_retry_after(Duration::from_millis(1))
        .backoff_base(Duration::from_millis(1))
        .with_auth_callback(1, acquire, apply)
}

/// As [`builder`], for what never comes. A busy machine may be late with all else.
fn hasty(url: String) -> PoolBuilder {
    builder(url).attempt_timeout(Duration::from_millis(1_500))
}

/// The errors of calls and of streams to a server that answers badly.
async fn bad_answers(printed: &Printed, api: &RawServer, pool: &AwwPool) {
    let hasty = hasty(api.url()).build().unwrap();
    let stalls = builder(api.url()).read_idle_timeout(Duration::from_millis(500));
    let stalls = stalls.build().unwrap();
    for (path, kind) in [
        ("/failing", ErrorKind::Status),
        ("/unknown", ErrorKind::Status),
        ("/echoing", ErrorKind::Status),
        ("/round", ErrorKind::Status),
        ("/refused", ErrorKind::Unauthorized),
        ("/busy", ErrorKind::RateLimited),
        ("/cut", ErrorKind::Truncated),
        ("/moved", ErrorKind::ForeignOrigin),
        ("/garbled", ErrorKind::Framing),
        ("/large", ErrorKind::BodyTooLarge),
        ("/heady", ErrorKind::HeadTooLarge),
        ("/stalled", ErrorKind::Stalled),
        ("/slow", ErrorKind::Timeout),
        ("/hung-up", ErrorKind::Disconnected),
    ] {
        let pool = match kind {
            ErrorKind::Timeout => &hasty,
            ErrorKind::Stalled => &stalls,
            _ => pool,
        };
        let target = format!("{path}?own={CANARY}");
        let called = soon(path, pool.get(target.as_str())).await.unwrap_err();
        assert_eq!(called.kind(), kind, "{path}: {called:?}");
        let mut stream = PaginatedStream::get(pool, target);
        let streamed = soon(path, stream.next()).await.unwrap().unwrap_err();
        assert_eq!(streamed.kind(), kind, "{path}: {streamed:?}");
        printed.error(&called);
        printed.error(&streamed);
        printed.debug(&stream);
    }
    for (path, kind) in [
        ("/fine", ErrorKind::Decode),
        ("/same", ErrorKind::PageLoop),
        ("/endless", ErrorKind::PaginationMissing),
    ] {
        let stream = PaginatedStream::get(pool, format!("{path}?own={CANARY}"));
        let items: Vec<_> = soon(path, stream.collect()).await;
        let error = items.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), kind, "{path}: {error:?}");
        printed.error(&error);
    }
    for (trouble, kind) in [("panic", ErrorKind::Callback), ("crash", ErrorKind::WorkerCrashed)] {
        let request = Request::get(format!("/fine?own={CANARY}")).header("x-trouble", trouble);
        let error = soon(trouble, pool.request(request.unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{trouble}: {error:?}");
        printed.error(&error);
    }
    let late = Request::get("/slow").timeout(Duration::from_millis(50));
    printed.error(&soon("a deadline", pool.request(late)).await.unwrap_err());
}

/// A type that cannot be built.
#[derive(Debug)]
struct Unwilling;

impl<'de> Deserialize<'de> for Unwilling {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a type that does not want to be built")
    }
}

/// The errors of pools that do not get as far as an answer.
async fn bad_pools(printed: &Printed, api: &RawServer) {
    let target = format!("/fine?own={CANARY}");
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, kind) in [
        (format!("http://{refused}"), ErrorKind::Connect),
        (format!("http://{}", "x".repeat(64)), ErrorKind::Resolve),
        (api.url().replace("http:", "https:"), ErrorKind::Tls),
    ] {
        // A server that takes the handshake for a request never answers it.
        let limit = Duration::from_secs(if kind == ErrorKind::Tls { 2 } else { 60 });
        let builder = builder(url).connect_timeout(limit).max_attempts(1);
        let pool = builder.build().unwrap();
        let error = soon("no connection", pool.get(target.as_str())).await.unwrap_err();
        if kind != ErrorKind::Tls {
            assert_eq!(error.kind(), kind, "{error:?}");
        }
        printed.error(&error);
    }
    let plain = RawServer::start(|mut peer| async move {
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.closed().await;
    });
    let pool = builder(plain.url().replace("http:", "https:")).max_attempts(1);
    let pool = pool.connect_timeout(Duration::from_secs(60)).build().unwrap();
    printed.error(&soon("no TLS", pool.get(target.as_str())).await.unwrap_err());

    let narrow = hasty(api.url()).connections_per_worker(1).max_queued(0).build().unwrap();
    let (slow, full) = tokio::join!(narrow.get("/slow"), narrow.get(target.as_str()));
    printed.error(&slow.unwrap_err());
    printed.error(&full.unwrap_err());
    narrow.shutdown(Duration::ZERO).await;
    printed.error(&narrow.get(target.as_str()).await.unwrap_err());

    let acquire = || async { Err::<Token, _>("no token today") };
    let tokenless = AwwPool::builder(api.url()).with_auth_callback(1, acquire, apply);
    printed.error(&soon("no token", tokenless.build().unwrap().get(target)).await.unwrap_err());
}

/// Requests that are refused before they are sent.
async fn bad_requests(printed: &Printed, pool: &AwwPool) {
    for target in [
        format!("http://{CANARY}/"),
        format!("/../{CANARY}"),
        format!("/{CANARY}#x"),
        format!("/\r\n{CANARY}"),
        format!("http://user:{CANARY}@127.0.0.1/"),
    ] {
        printed.error(&pool.get(target).await.unwrap_err());
    }
    printed.error(&Request::get("/").header(CANARY, "a\nb").unwrap_err());
    printed.error(&Request::get("/").header("x\n", CANARY).unwrap_err());
    printed.error(&Request::get("/").idempotency_key(&format!("{CANARY}\n")).unwrap_err());
    printed.error(&Request::get("/").query(&[[CANARY]]).unwrap_err());
    for base in [
        format!("http://u:{CANARY}@h/"),
        format!("http://h/?{CANARY}"),
        format!("http://h:99999/{CANARY}"),
        format!("ftp://{CANARY}"),
    ] {
        printed.error(&AwwPool::builder(base).build().unwrap_err());
    }
    let bad_header = AwwPool::builder("http://h").default_header("x", format!("{CANARY}\n"));
    printed.error(&bad_header.build().unwrap_err());
    let bad_root = AwwPool::builder("https://h").root_certificate(CANARY.as_bytes());
    printed.error(&bad_root.build().unwrap_err());
    let label = "-----BEGIN PRIVATE KEY-----";
    for pem in [CANARY.to_owned(), format!("{label}\n{CANARY}\n"), format!("{label}\n{CANARY}")] {
        let bad_key = AwwPool::builder("https://h").client_certificate(pem);
        printed.debug(&bad_key);
        printed.error(&bad_key.build().unwrap_err());
    }
    printed.error(&Request::get("/").bearer_auth(&format!("{CANARY}\n")).unwrap_err());
    printed.error(&Request::get("/").basic_auth(&format!("{CANARY}:"), CANARY).unwrap_err());
    printed.debug(&Request::get("/").basic_auth(CANARY, CANARY).unwrap());
}

#[tokio::test]
async fn faults_41_no_secret_is_in_any_error_debug_statistic_trace_or_panic() {
    let printed = Printed::of_this_process();
    let api = troubles();
    printed.debug(&Token::new(CANARY));
    printed.debug(&builder(api.url()));
    let pool = builder(api.url()).build().unwrap();

    let request = Request::get("/fine")
        .header("x-own", CANARY)
        .unwrap()
        .query(&[("own", CANARY)])
        .unwrap()
        .body(CANARY);
    printed.debug(&request);
    printed.debug(&apply(Request::get("/fine"), CANARY));
    let response = soon("a call", pool.get("/fine")).await.unwrap();
    printed.debug(&response);
    printed.error(&response.json::<u64>().unwrap_err());
    let supervisor = pool.supervisor().await.unwrap();
    let asked = supervisor.send(Fetch::new(Request::get(format!("/unknown?own={CANARY}"))));
    printed.error(&soon("a message", asked).await.unwrap().unwrap_err());

    bad_answers(&printed, &api, &pool).await;
    let credentials = Credentials::from_callback(1, acquire, apply);
    printed.debug(&credentials);
    let tenant = pool.with_credentials(credentials).unwrap();
    printed.debug(&tenant);
    for path in ["/failing", "/refused", "/moved"] {
        let answer = soon(path, tenant.get(format!("{path}?own={CANARY}"))).await;
        printed.error(&answer.unwrap_err());
    }
    bad_requests(&printed, &pool).await;
    bad_pools(&printed, &api).await;
    let unwilling = PaginatedStream::get(&pool, "/same").items_as::<Unwilling>();
    let items: Vec<_> = soon("the stream", unwilling.collect()).await;
    printed.error(items[0].as_ref().unwrap_err());

    let source = PoolApi::new(Arc::new(pool.clone()));
    printed.debug(&source);
    for name in ["unknown", "echoing"] {
        let table = Table::<PoolApi, EmptyEntity>::new(name, source.clone())
            .with_condition(ApiCondition::eq("own", CANARY));
        let error = soon(name, table.list_values()).await.unwrap_err();
        printed.debug(&error);
        printed.display(&error);
    }

    let stats = pool.stats().await.unwrap();
    printed.debug(&stats);
    printed.display(&stats);
    printed.debug(&pool);
    pool.shutdown(Duration::from_secs(1)).await;

    let missing: Vec<_> = BTreeSet::from(KINDS).difference(&printed.kinds()).copied().collect();
    assert!(missing.is_empty(), "not brought about: {missing:?}");
    let text = printed.all();
    for sign in ["retrying", "a callback that panics", "does not want to be built"] {
        assert!(text.contains(sign), "{sign:?} was not captured");
    }
    let leaks: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
