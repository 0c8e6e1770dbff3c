//! What is sent again, how often, until when, and what never is.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::{
    mock::{self, refusal},
    raw_server::{Peer, RawServer},
    soon,
};
use futures::{StreamExt, future::join_all, stream};
use vantage_api_pool::{AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_string, method, path},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const TRUNCATED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
const FAILED: &[u8] = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn builder(url: String) -> PoolBuilder {
    // A worker that seems to be blocked would lose the calls that wait for a repeat.
    AwwPool::builder(url).backoff_base(millis(1)).heartbeat_timeout(Duration::from_secs(10))
}

fn pool(url: String) -> AwwPool {
    builder(url).build().unwrap()
}

/// Answers the first `times` requests with this status, and the others well.
async fn failing(times: u64, status: u16) -> MockServer {
    let api = mock::server().await;
    let first = Mock::given(any()).respond_with(refusal(status)).up_to_n_times(times);
    first.expect(times).mount(&api).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&api).await;
    api
}

/// A URL at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Failed,
    Truncated,
    Reset,
    HangUp,
    Silence,
}

const TROUBLES: [(Trouble, ErrorKind); 5] = [
    (Trouble::Failed, ErrorKind::Status),
    (Trouble::Truncated, ErrorKind::Truncated),
    (Trouble::Reset, ErrorKind::Disconnected),
    (Trouble::HangUp, ErrorKind::Disconnected),
    (Trouble::Silence, ErrorKind::Timeout),
];

impl Trouble {
    /// How long an attempt may take: longer than a busy server takes to answer the last one.
    fn timeout(self) -> Duration {
        match self {
            Self::Silence => millis(5_000),
            _ => Duration::from_secs(60),
        }
    }

    /// Brings it about in the first `times` connections; the others are served well.
    fn server(self, times: usize) -> RawServer {
        RawServer::start(move |mut peer: Peer| async move {
            while peer.request().await.is_some() {
                if peer.number() >= times {
                    peer.write(OK).await;
                    continue;
                }
                match self {
                    Self::Failed => {
                        peer.write(FAILED).await;
                    }
                    Self::Truncated => {
                        peer.write(TRUNCATED).await;
                    }
                    Self::Reset => return peer.reset(),
                    Self::HangUp => {}
                    Self::Silence => peer.closed().await,
                }
                return;
            }
        })
    }
}

#[tokio::test]
async fn accept_54_a_passing_failure_is_repeated_until_it_has_passed() {
    for status in [500, 502, 503, 504, 408, 425, 429] {
        let api = failing(2, status).await;
        let response = soon("an answer", pool(api.uri()).get("/rows")).await.unwrap();
        let requests = mock::count(&api).await;
        assert_eq!((response.status().as_u16(), requests), (200, 3), "{status}");
    }
}

#[tokio::test]
async fn accept_54_a_lasting_failure_ends_after_max_attempts_with_the_last_answer() {
    for max_attempts in [1, 3, 5] {
        let api = mock::answering(refusal(503)).await;
        let pool = builder(api.uri()).max_attempts(max_attempts).build().unwrap();
        let started = Instant::now();
        let error = pool.get("/rows").await.unwrap_err();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 503));
        assert_eq!(error.attempts(), max_attempts);
        assert_eq!(mock::count(&api).await, max_attempts as usize);
        assert!(error.elapsed() > Duration::ZERO && error.elapsed() <= started.elapsed());
        assert_eq!(error.body_start().unwrap(), r#"{"error":"Service Unavailable"}"#);
        assert_eq!(error.delivery(), Delivery::Answered);
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn a_final_answer_is_not_asked_for_again() {
    for status in [400, 404, 405, 409, 410, 412, 413, 422, 501] {
        let api = mock::answering(refusal(status)).await;
        let error = pool(api.uri()).get("/rows").await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!((error.attempts(), mock::count(&api).await), (1, 1), "{status}");
        assert!(error.body_start().is_some_and(|body| body.contains("error")), "{status}");
        assert!(!error.is_retryable(), "{status}");
    }
}

#[tokio::test]
async fn faults_44_what_may_have_been_acted_upon_is_sent_exactly_once() {
    let requests = [
        || Request::post("/orders").json("tea").unwrap(),
        || Request::patch("/orders/1").json("tea").unwrap(),
        || Request::put("/orders/1").idempotent(false),
    ];
    for (trouble, kind) in TROUBLES {
        join_all(requests.map(|request| async move {
            let api = trouble.server(99);
            let pool = builder(api.url()).attempt_timeout(trouble.timeout()).build().unwrap();
            let error = soon("an error", pool.request(request())).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{trouble:?}: {error:?}");
            assert_ne!(error.delivery(), Delivery::NotSent, "{trouble:?}");
            // The server may notice a request after the pool has given it up.
            let seen = api.wait_for(|seen| !seen.heads.is_empty()).await;
            assert_eq!((error.attempts(), seen.heads.len()), (1, 1), "{trouble:?}");
        }))
        .await;
    }
}

/// The lines of a head, in whatever order, but for the date.
fn fields(head: &str) -> BTreeSet<&str> {
    head.lines().filter(|line| !line.starts_with("date:")).collect()
}

#[tokio::test]
async fn what_does_no_harm_when_repeated_is_repeated() {
    let requests = [
        || Request::get("/orders"),
        || Request::put("/orders/1").json("tea").unwrap(),
        || Request::delete("/orders/1"),
        || Request::post("/orders").idempotency_key("order-7").unwrap(),
        || Request::patch("/orders/1").idempotent(true),
    ];
    for (trouble, _) in TROUBLES {
        join_all(requests.map(|request| async move {
            let api = trouble.server(2);
            let pool = builder(api.url()).attempt_timeout(trouble.timeout()).build().unwrap();
            let response = soon("an answer", pool.request(request())).await.unwrap();
            assert_eq!(response.body().as_ref(), b"ok");
            let heads = api.seen().heads;
            assert_eq!(heads.len(), 3, "{trouble:?}");
            let fields: Vec<_> = heads.iter().map(|(_, head)| fields(head)).collect();
            assert!(fields.iter().all(|these| *these == fields[0]), "{trouble:?}: {fields:?}");
        }))
        .await;
    }
}

#[tokio::test]
async fn a_post_that_was_not_processed_is_repeated() {
    for status in [429, 425] {
        let api = mock::server().await;
        let orders =
            || Mock::given(method("POST")).and(path("/orders")).and(body_string("\"tea\""));
        let refused = orders().respond_with(refusal(status)).up_to_n_times(1);
        refused.expect(1).mount(&api).await;
        orders().respond_with(ResponseTemplate::new(201)).expect(1).mount(&api).await;
        let post = Request::post("/orders").json("tea").unwrap();
        let response = soon("an answer", pool(api.uri()).request(post)).await.unwrap();
        assert_eq!((response.status().as_u16(), mock::count(&api).await), (201, 2), "{status}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_for_any_method() {
    for request in [Request::get("/rows"), Request::post("/orders")] {
        let pool = builder(nobody()).reconnect_timeout(Duration::ZERO).build().unwrap();
        let error = soon("an error", pool.request(request)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
        assert_eq!((error.delivery(), error.status()), (Delivery::NotSent, None));
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    async fn serve(mut peer: Peer) {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    }
    let api = RawServer::start(serve);
    let address = api.address();
    let pool = builder(api.url()).max_attempts(50).backoff_cap(millis(100));
    let pool = pool.reconnect_timeout(Duration::from_secs(100)).build().unwrap();
    for _ in 0..20 {
        pool.get("/rows").await.unwrap();
    }
    drop(api);
    let calls = join_all((0..20).map(|_| pool.get("/rows")));
    let (answers, _api) = tokio::join!(soon("the calls", calls), async {
        let failed = async { while pool.stats().await.unwrap().transport_errors == 0 {} };
        soon("a failure", failed).await;
        // The old server's thread may still be about to end.
        let listening = async {
            loop {
                match TcpListener::bind(address) {
                    Ok(listener) => return listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        RawServer::on(soon("the port is free", listening).await, serve)
    });
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn accept_67_a_slow_answer_is_cut_by_the_attempt_timeout() {
    let api = Trouble::Silence.server(99);
    let pool = builder(api.url()).attempt_timeout(millis(200)).build().unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 3));
    assert!(error.elapsed() >= millis(600), "{error}");
    api.wait_for(|seen| seen.closed.len() == 3).await;
    // A worker without a turn is late to report.
    let counted = async { while pool.stats().await.unwrap().attempts < 3 {} };
    soon("all attempts are counted", counted).await;
    assert_eq!(pool.stats().await.unwrap().transport_errors, 3);
}

/// When a call ends that comes nowhere.
const SOON: Duration = Duration::from_millis(400);
/// When one ends that makes an attempt before, however busy the machine is.
const LATER: Duration = Duration::from_secs(5);

/// A call with this deadline ends in time, and says that this is why.
async fn ends_in_time(phase: &str, deadline: Duration, pool: &AwwPool) -> Error {
    let request = Request::get("/rows").timeout(deadline);
    let error = soon(phase, pool.request(request)).await.unwrap_err();
    // What each phase waits for does not come at all.
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{phase}: {error:?}");
    error
}

#[tokio::test]
async fn no_call_outlives_its_deadline_in_whatever_phase() {
    let slow = async {
        let silent = Trouble::Silence.server(99);
        let error = ends_in_time("a slow answer", LATER, &pool(silent.url())).await;
        assert_eq!((error.attempts(), error.delivery()), (1, Delivery::Unknown));
        assert!(error.elapsed() >= LATER, "{error}");
    };
    let stalled = async {
        let stalled = RawServer::start(|mut peer| async move {
            peer.request().await;
            peer.write(TRUNCATED).await;
            peer.closed().await;
        });
        let error = ends_in_time("a stalled body", LATER, &pool(stalled.url())).await;
        assert_eq!(error.attempts(), 1);
    };
    let refused = async {
        let pool = builder(nobody()).max_attempts(u32::MAX).backoff_base(millis(50));
        let error = ends_in_time("refused connections", LATER, &pool.build().unwrap()).await;
        assert!(error.attempts() > 0);
    };
    tokio::join!(slow, stalled, refused);

    let silent = Trouble::Silence.server(99);
    let narrow = builder(silent.url()).workers(1).connections_per_worker(1).build().unwrap();
    let queued = async {
        silent.wait_for(|seen| seen.heads.len() == 1).await;
        let error = ends_in_time("the queue", SOON, &narrow).await;
        assert_eq!((error.attempts(), error.delivery()), (0, Delivery::NotSent));
        assert!(error.elapsed() >= SOON, "{error}");
    };
    tokio::select! {
        answer = narrow.get("/rows") => panic!("{answer:?}"),
        () = queued => {}
    }

    let failing = mock::answering(refusal(503)).await;
    let patient = AwwPool::builder(failing.uri())
        .backoff_base(Duration::from_secs(u32::MAX.into()))
        .backoff_cap(Duration::from_secs(u32::MAX.into()))
        .build()
        .unwrap();
    // It ends as soon as it has failed.
    let deadline = Duration::from_secs(100);
    let error = ends_in_time("the back-off", deadline, &patient).await;
    assert!(error.retry_after().unwrap() > deadline / 2, "{error}");
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (503, 1));

    let acquire = std::future::pending::<Result<String, Error>>;
    let locked = builder(failing.uri()).with_auth_callback(1, acquire, |request, _| request);
    let error = ends_in_time("a token", SOON, &locked.build().unwrap()).await;
    assert_eq!(error.attempts(), 0);

    let acquire = || {
        std::thread::sleep(Duration::from_secs(2));
        std::future::ready(Ok::<_, Error>("late"))
    };
    let blocked = builder(failing.uri()).with_auth_callback(1, acquire, |request, _| request);
    ends_in_time("a callback that blocks its thread", SOON, &blocked.build().unwrap()).await;
}

#[tokio::test]
async fn a_deadline_of_nothing_sends_nothing() {
    let api = mock::answering(ResponseTemplate::new(200)).await;
    let request = Request::get("/rows").timeout(Duration::ZERO);
    let error = soon("an error", pool(api.uri()).request(request)).await.unwrap_err();
    assert_eq!((error.kind(), mock::count(&api).await), (ErrorKind::DeadlineExceeded, 0));
}

/// Closes each connection after `per_connection` answers, in the moment in which the next
/// request comes.
fn closing_server(per_connection: usize) -> RawServer {
    RawServer::start(move |mut peer| async move {
        for _ in 0..per_connection {
            if peer.request().await.is_none() {
                return;
            }
            peer.write(OK).await;
        }
        peer.head().await;
    })
}

#[tokio::test]
async fn faults_18_a_connection_that_closes_while_idle_fails_no_get() {
    for per_connection in [1, 3] {
        let api = closing_server(per_connection);
        let pool = builder(api.url()).build().unwrap();
        let calls = stream::iter(0..500).map(|n| pool.get(format!("/rows/{n}")));
        let answers: Vec<_> = soon("all calls", calls.buffer_unordered(4).collect()).await;
        let failures: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!(failures.is_empty(), "{} failed: {:?}", failures.len(), failures[0]);
        assert!(api.seen().heads.len() > 500, "no connection was stale");
    }
}

#[tokio::test]
async fn faults_18_a_post_on_a_connection_that_closes_while_idle_is_sent_once() {
    let api = closing_server(1);
    let pool = builder(api.url()).workers(1).build().unwrap();
    let mut failures = 0;
    for n in 0..200 {
        if let Err(error) = pool.request(Request::post(format!("/orders/{n}"))).await {
            assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
            assert_eq!(error.delivery(), Delivery::Unknown, "{error:?}");
            failures += 1;
        }
    }
    assert!(failures > 0, "no connection was stale");
    let heads = api.seen().heads;
    let sent: BTreeSet<_> = heads.iter().map(|(_, head)| head.lines().next()).collect();
    assert_eq!((heads.len(), sent.len()), (200, 200));
}

#[tokio::test]
async fn a_storm_of_failures_is_repeated_no_more_than_the_budget_allows() {
    let api = mock::answering(refusal(500)).await;
    let pool = pool(api.uri());
    let started = Instant::now();
    let errors = soon("the storm", join_all((0..1_000).map(|_| pool.get("/rows")))).await;
    let seconds = started.elapsed().as_secs() as usize + 1;
    assert!(errors.into_iter().all(|answer| answer.unwrap_err().kind() == ErrorKind::Status));
    // A hundred to begin with, a fifth of the calls, and ten per second.
    let repeats = mock::count(&api).await - 1_000;
    let counted = async {
        loop {
            let stats = pool.stats().await.unwrap();
            if stats.attempts as usize >= 1_000 + repeats {
                return stats;
            }
        }
    };
    // A worker without a turn is late to report.
    let stats = soon("all attempts are counted", counted).await;
    let most = 100 + 200 + 10 * seconds;
    assert!((100..=most).contains(&repeats), "{repeats} repeats, at most {most}: {stats:?}");
    assert_eq!(stats.retries as usize, repeats, "{stats:?}");
}
