//! How requests are spaced, by the configured limit and by what the API asks for.

use std::time::{Duration, Instant, SystemTime};

use crate::support::{
    hostile::{Answer, Hostile, HostileServer},
    raw_server::RawServer,
    soon,
};
use futures::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolBuilder, Request};

const DAY: Duration = Duration::from_secs(86_400);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn limited(api: &HostileServer, rate: &str) -> PoolBuilder {
    AwwPool::builder(api.url()).rate_limit(rate.parse().unwrap())
}

async fn get_many(pool: &AwwPool, calls: usize) {
    let answers = join_all((0..calls).map(|_| pool.get("/rows")));
    for answer in soon("every call is answered", answers).await {
        answer.unwrap();
    }
}

/// When each request arrived, counted from `start`.
fn arrivals(api: &HostileServer, start: Instant) -> Vec<Duration> {
    api.log(|log| log.seen.iter().map(|seen| seen.at - start).collect())
}

/// Fails if by any moment after `start` more had arrived than `burst` and `rate` per second. A
/// busy machine can make requests late, and never early. That the limit is used too is held to
/// on virtual time, in `worker/gates/tests.rs`.
fn is_spaced(arrivals: &[Duration], rate: f64, burst: usize, name: &str) {
    for (before, at) in arrivals.iter().enumerate() {
        let due = (before + 1).saturating_sub(burst) as f64 / rate;
        assert!(at.as_secs_f64() >= due, "{name}: request {before} after {at:?}, not {due} s");
    }
}

/// Waits until the pool has taken in an answer with status 429.
async fn has_seen_429(pool: &AwwPool) {
    soon("a 429", async { while pool.stats().await.unwrap().rate_limited == 0 {} }).await;
}

#[tokio::test]
async fn accept_60_a_limit_is_that_of_the_api_whatever_the_number_of_workers() {
    join_all([1, 3, 8].map(async |workers| {
        let api = Hostile::new(5).start();
        let pool = limited(&api, "50").workers(workers).build().unwrap();
        let start = Instant::now();
        get_many(&pool, 60).await;
        is_spaced(&arrivals(&api, start), 50.0, 1, &format!("{workers} workers"));
    }))
    .await;
}

#[tokio::test]
async fn a_high_limit_holds_too() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "1000").build().unwrap();
    let start = Instant::now();
    get_many(&pool, 800).await;
    is_spaced(&arrivals(&api, start), 1000.0, 10, "800 calls");
}

#[tokio::test]
async fn a_fraction_of_a_request_per_second_spaces_requests_out() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "2.5").build().unwrap();
    let start = Instant::now();
    get_many(&pool, 4).await;
    is_spaced(&arrivals(&api, start), 2.5, 1, "four calls");
}

#[tokio::test]
async fn calls_one_after_another_are_spaced_too() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "20").build().unwrap();
    let start = Instant::now();
    for _ in 0..11 {
        pool.get("/rows").await.unwrap();
    }
    is_spaced(&arrivals(&api, start), 20.0, 1, "one after the other");
}

#[tokio::test]
async fn a_burst_leaves_at_once_and_the_rest_is_spaced() {
    for workers in [1, 4] {
        let api = Hostile::new(5).start();
        // Nobody waits for a second one.
        let pool = limited(&api, "0.001").burst(20).workers(workers).build().unwrap();
        get_many(&pool, 20).await;
        let api = Hostile::new(5).start();
        let pool = limited(&api, "10").burst(20).workers(workers).build().unwrap();
        let start = Instant::now();
        get_many(&pool, 25).await;
        is_spaced(&arrivals(&api, start), 10.0, 20, &format!("{workers} workers"));
    }
}

#[tokio::test]
async fn a_call_that_gives_up_leaves_its_permit_to_the_others() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "0.5").call_timeout(Duration::from_secs(86_400)).build().unwrap();
    pool.get("/rows").await.unwrap();
    // More than a call is waited for, of those that leave at once and of the others.
    for _ in 0..100 {
        // Polled once, which hands the call to a worker.
        assert!(pool.get("/rows").now_or_never().is_none());
    }
    let limit = millis(50);
    let waiting = join_all((0..100).map(|_| tokio::time::timeout(limit, pool.get("/rows"))));
    waiting.await;
    soon("a call", pool.get("/rows")).await.unwrap();
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_fails_at_once_and_says_how_long_it_is() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "0.001").build().unwrap();
    pool.get("/rows").await.unwrap();
    // Longer than the error is waited for.
    let call = pool.request(Request::get("/rows").timeout(millis(300_000)));
    let error = soon("an error", call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let wait = error.retry_after().unwrap();
    assert!(wait > millis(300_000) && wait <= millis(1_000_000), "{wait:?}");
    assert_eq!((error.attempts(), api.log(|log| log.seen.len())), (0, 1));
}

#[tokio::test]
async fn permits_are_not_saved_up_while_calls_wait_for_a_connection() {
    let api = Hostile::new(5).closed().start();
    let pool = limited(&api, "20").workers(1).connections_per_worker(4).build().unwrap();
    let calls = get_many(&pool, 16);
    let stalled = async {
        api.wait_for("four stalled requests", |log| log.in_flight == 4).await;
        // Time for the other twelve to get a permit each.
        tokio::time::sleep(millis(700)).await;
        let opened = Instant::now();
        api.open_all();
        opened
    };
    let ((), opened) = tokio::join!(calls, stalled);
    let late: Vec<_> = arrivals(&api, opened).split_off(4);
    assert_eq!(late.len(), 12);
    is_spaced(&late, 20.0, 1, "after the pause");
}

#[tokio::test]
async fn calls_that_wait_for_a_permit_fill_the_queue() {
    let api = Hostile::new(5).start();
    let pool = limited(&api, "0.1").workers(1).connections_per_worker(2).max_queued(3);
    let pool = pool.build().unwrap();
    pool.get("/rows").await.unwrap();
    let mut waiting: FuturesUnordered<_> = (0..5).map(|_| pool.get("/rows")).collect();
    // Time for all five to come to the limiter, where they need no connection.
    assert!(tokio::time::timeout(millis(200), waiting.next()).await.is_err());
    let error = soon("a refusal", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::QueueFull, 0));
    assert_eq!(pool.stats().await.unwrap().calls_refused, 1);
}

#[tokio::test]
async fn a_limit_holds_with_tokens_too() {
    let api = Hostile::new(5).wants_token().start();
    let token = api.issue_token();
    let acquire = move || std::future::ready(Ok::<_, Error>(token.clone()));
    let apply = |request: Request, token: &str| {
        request.header("authorization", &format!("Bearer {token}")).unwrap()
    };
    let pool = limited(&api, "20").build().unwrap().with_auth_callback(1, acquire, apply);
    let start = Instant::now();
    get_many(&pool, 11).await;
    is_spaced(&arrivals(&api, start), 20.0, 1, "with tokens");
}

#[tokio::test]
async fn accept_57_retry_after_holds_every_call_to_the_api_on_every_worker() {
    for asks_with_a_date in [false, true] {
        let (now, time) = (Instant::now(), SystemTime::now());
        let date = httpdate::fmt_http_date(time + Duration::from_secs(3));
        let asked = if asks_with_a_date { date.clone() } else { "1".to_owned() };
        let api = Hostile::new(30).on_page(1, Answer::TooMany(asked.clone()).times(1)).start();
        let pool = AwwPool::builder(api.url()).workers(3).build().unwrap();
        let others = async {
            has_seen_429(&pool).await;
            join_all((0..12).map(|_| pool.get("/rows?page=2"))).await
        };
        let (first, others) =
            soon("all calls", async { tokio::join!(pool.get("/rows?page=1"), others) }).await;
        assert_eq!(first.unwrap().status(), 200);
        assert!(others.iter().all(Result::is_ok));
        let first = api.log(|log| log.seen[0].at);
        // A date counts from no request: on a busy machine it may have passed by the first one.
        let (start, wait) = if asks_with_a_date {
            let until = httpdate::parse_http_date(&date).unwrap();
            (now, until.duration_since(time).unwrap() - millis(10))
        } else {
            (first, millis(990))
        };
        let arrivals = arrivals(&api, start);
        assert_eq!(arrivals.len(), 14);
        assert!(arrivals[1..].iter().all(|at| *at >= wait), "{asked}: {arrivals:?}");
    }
}

#[tokio::test]
async fn a_503_that_names_a_wait_holds_too() {
    let unavailable = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let api = RawServer::start(move |mut peer| async move {
        while let Some(head) = peer.head().await {
            let answer = match head.contains("/busy") {
                true => unavailable,
                false => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            peer.write(answer.as_bytes()).await;
        }
    });
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let started = Instant::now();
    // Not repeated, but heard.
    let error = pool.request(Request::post("/busy")).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (503, 1));
    soon("the hold", pool.get("/fine")).await.unwrap();
    assert!(started.elapsed() >= millis(990), "{:?}", started.elapsed());
}

#[tokio::test]
async fn faults_13_a_wait_beyond_the_bound_fails_at_once_and_says_how_long_it_is() {
    for (asked, seconds) in
        [("500", 500), ("100000", 100_000), ("99999999999999999999", u64::from(u32::MAX))]
    {
        let api = Hostile::new(5).on_any(Answer::TooMany(asked.into())).start();
        // Longer than the error is waited for.
        let pool = AwwPool::builder(api.url()).max_retry_after(millis(100_000)).build().unwrap();
        let error = soon("an error", pool.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{asked}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (429, 1));
    }
}

#[tokio::test]
async fn faults_13_a_wait_beyond_the_bound_holds_the_api_up_to_the_bound() {
    let api = Hostile::new(5).on_any(Answer::TooMany("100000".into()).times(1)).start();
    let pool = AwwPool::builder(api.url()).max_retry_after(millis(1_000)).build().unwrap();
    let error = pool.get("/rows").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ErrorKind::RateLimited, Some(Duration::from_secs(100_000)))
    );
    soon("the held call", pool.get("/rows")).await.unwrap();
    let first = api.log(|log| log.seen[0].at);
    let waited = arrivals(&api, first)[1];
    assert!(waited >= millis(990), "{waited:?} instead of 1 s");
}

#[tokio::test]
async fn faults_13_a_date_counts_from_the_servers_clock_whatever_the_own_one_says() {
    let now = SystemTime::now();
    for server_time in [now, now - DAY, now + DAY] {
        let until = httpdate::fmt_http_date(server_time + Duration::from_secs(2));
        let date = httpdate::fmt_http_date(server_time);
        let busy = format!(
            "HTTP/1.1 429 Busy\r\ndate: {date}\r\nretry-after: {until}\r\ncontent-length: 0\r\n\r\n"
        );
        let api = RawServer::start(move |mut peer| {
            let busy = busy.clone();
            async move {
                let mut answered = peer.number() > 0;
                while peer.request().await.is_some() {
                    let is_first = !std::mem::replace(&mut answered, true);
                    let fine = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    peer.write(if is_first { &busy } else { fine }.as_bytes()).await;
                }
            }
        });
        let pool = AwwPool::builder(api.url()).build().unwrap();
        let started = Instant::now();
        soon("an answer after the wait", pool.get("/rows")).await.unwrap();
        let waited = started.elapsed();
        assert!(waited > millis(1_800), "{waited:?} instead of 2 s");
        assert_eq!(api.seen().heads.len(), 2);
    }
}

#[tokio::test]
async fn a_hold_beyond_the_deadline_fails_at_once_and_says_how_long_it_is() {
    let api = Hostile::new(5).on_any(Answer::TooMany("290".into()).times(1)).start();
    let pool = AwwPool::builder(api.url()).build().unwrap();
    // Longer than the errors are waited for.
    let request = || pool.request(Request::get("/rows").timeout(millis(100_000)));
    let first = soon("an error", request()).await.unwrap_err();
    let held = soon("an error", request()).await.unwrap_err();
    for error in [&first, &held] {
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        let wait = error.retry_after().unwrap();
        assert!(wait > millis(100_000) && wait <= millis(290_000), "{wait:?}");
    }
    assert_eq!(first.status().unwrap(), 429, "the answer that led to it is kept");
    assert_eq!((held.attempts(), api.log(|log| log.seen.len())), (0, 1));
}

#[tokio::test]
async fn faults_13_a_wait_that_is_garbage_or_past_is_none() {
    for asked in ["-5", "soon", "1e20", "120 s", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        let api = Hostile::new(5).on_any(Answer::TooMany(asked.into()).times(2)).start();
        let pool = AwwPool::builder(api.url()).backoff_base(millis(1)).build().unwrap();
        soon(asked, pool.get("/rows")).await.unwrap();
        assert_eq!(api.log(|log| log.seen.len()), 3, "{asked}");
    }
}

#[tokio::test]
async fn accept_59_a_call_in_back_off_holds_no_connection() {
    let api = Hostile::new(30).on_page(1, Answer::Status(503)).start();
    let long = Duration::from_secs(60);
    let pool = AwwPool::builder(api.url())
        .workers(1)
        .connections_per_worker(1)
        .backoff_base(long)
        .backoff_cap(long)
        .max_attempts(1_000)
        .build()
        .unwrap();
    let served = async {
        api.wait_for("a failed attempt", |log| log.answered(503) > 0).await;
        for _ in 0..5 {
            soon("a healthy call", pool.get("/rows?page=2")).await.unwrap();
        }
    };
    tokio::select! {
        answer = pool.get("/rows?page=1") => panic!("{answer:?}"),
        () = served => {}
    }
}
