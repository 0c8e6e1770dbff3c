//! The limit that each rate key has for itself, seen at the server.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, TryStreamExt, future::join_all, stream::FuturesUnordered};
use vantage_api_pool::{AwwPool, ErrorKind, PoolBuilder, Priority, Request, events::Event};

use crate::support::{
    hostile::{Hostile, HostileServer, Log},
    soon,
};

fn limited(api: &HostileServer, rate: &str) -> PoolBuilder {
    AwwPool::builder(api.url()).rate_limit_per_key(rate.parse().unwrap())
}

/// A request of `key`, which the server sees in the path only.
fn of(key: &'static str) -> Request {
    Request::get(format!("/{key}/rows")).rate_key(key)
}

fn api(keys: &[&str]) -> HostileServer {
    keys.iter()
        .fold(Hostile::new(1), |api, key| api.collection(&format!("/{key}/rows"), Vec::new()))
        .start()
}

/// When the requests of `key` arrived.
fn arrivals(api: &HostileServer, key: &str) -> Vec<Instant> {
    api.log(|log| log.to(&format!("/{key}/rows")).iter().map(|seen| seen.at).collect())
}

/// Fails if by any moment after `start` more had arrived than one and `rate` per second. A busy
/// machine can make requests late, and never early.
fn is_spaced(arrivals: &[Instant], start: Instant, rate: f64, name: &str) {
    for (before, at) in arrivals.iter().enumerate() {
        let due = before as f64 / rate;
        let at = (*at - start).as_secs_f64();
        assert!(at >= due, "{name}: request {before} after {at} s, not {due} s");
    }
}

#[tokio::test]
async fn calls_that_wait_for_their_key_hold_up_no_others() {
    let api = api(&["seven", "free"]);
    // Nobody waits for the second permit of the key.
    let pool = limited(&api, "0.001").workers(3).connections_per_worker(2).build().unwrap();
    let patient = || of("seven").timeout(Duration::from_secs(100_000));
    let mut waiting: FuturesUnordered<_> = (0..31).map(|_| pool.request(patient())).collect();
    soon("the first answer", waiting.next()).await.unwrap().unwrap();
    let free = join_all((0..200).map(|_| pool.get("/free/rows")));
    let free = futures::future::select(free, waiting.next());
    let futures::future::Either::Left((free, _)) = soon("all answers", free).await else {
        panic!("a second permit of the key");
    };
    assert!(free.iter().all(Result::is_ok));
    assert_eq!(arrivals(&api, "seven").len(), 1);
}

#[tokio::test]
async fn each_key_is_held_to_its_rate_at_the_server() {
    let api = api(&["seven", "eight", "free"]);
    let pool = limited(&api, "10").workers(3).connections_per_worker(2).build().unwrap();
    let calls =
        |key, n| join_all((0..n).map(move |_| of(key)).map(|request| pool.request(request)));
    let free = || join_all((0..200).map(|_| pool.get("/free/rows")));
    let started = Instant::now();
    let all = async { tokio::join!(calls("seven", 31), calls("eight", 31), free()) };
    let (seven, eight, free) = soon("all answers", all).await;
    for answer in seven.into_iter().chain(eight).chain(free) {
        answer.unwrap();
    }
    for key in ["seven", "eight"] {
        let at = arrivals(&api, key);
        assert_eq!(at.len(), 31, "{key}");
        is_spaced(&at, started, 10.0, key);
    }
}

#[tokio::test]
async fn permits_of_a_key_are_not_saved_up_while_its_calls_wait_for_a_connection() {
    let api = Hostile::new(1).closed().start();
    api.open(1);
    let pool = limited(&api, "10").workers(1).connections_per_worker(1).build().unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            let request = Request::get("/rows?page=1").rate_key("one");
            tokio::spawn(async move { pool.request(request).await })
        })
        .collect();
    api.wait_for("the first request", |log| !log.seen.is_empty()).await;
    // The rest wait for their key by now or soon. This one takes the only connection.
    let other = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=2").await }
    });
    api.wait_for("the other request", |log| log.pages().contains(&2)).await;
    // Time for eight permits.
    tokio::time::sleep(Duration::from_millis(800)).await;
    let opened = Instant::now();
    api.open_all();
    let answers = soon("all answers", join_all(calls)).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
    soon("the other answer", other).await.unwrap().unwrap();
    let own = |log: &Log| {
        let own = log.seen.iter().filter(|seen| seen.page == Some(1));
        own.map(|seen| seen.at).collect::<Vec<_>>()
    };
    let at: Vec<_> = api.log(own).into_iter().filter(|at| *at > opened).collect();
    is_spaced(&at, opened, 10.0, "after the pause");
}

#[tokio::test]
async fn a_key_is_counted_for_all_workers_and_besides_the_limit_of_the_api() {
    let api = api(&["a", "b"]);
    let pool = limited(&api, "1000").rate_limit("20".parse().unwrap()).workers(4).build().unwrap();
    let started = Instant::now();
    let calls = (0..30).map(|n| pool.request(of(if n % 2 == 0 { "a" } else { "b" })));
    for answer in soon("all answers", join_all(calls)).await {
        answer.unwrap();
    }
    let mut at = [arrivals(&api, "a"), arrivals(&api, "b")].concat();
    at.sort();
    assert_eq!(at.len(), 30);
    is_spaced(&at, started, 20.0, "both keys");
}

#[tokio::test]
async fn calls_that_are_dropped_leave_the_queue_of_their_key() {
    let api = api(&["k"]);
    let pool = limited(&api, "0.5").call_timeout(Duration::from_secs(86_400)).build().unwrap();
    soon("an answer", pool.request(of("k"))).await.unwrap();
    // Four minutes' worth.
    for _ in 0..60 {
        // Polled once, which hands the call to a worker.
        assert!(pool.request(of("k")).now_or_never().is_none());
    }
    let waiting = join_all((0..60).map(|_| pool.request(of("k"))));
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    soon("an answer", pool.request(of("k"))).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_key_would_pass_its_deadline_fails_at_once_and_says_how_long() {
    let api = api(&["k"]);
    let pool = limited(&api, "0.001").burst_per_key(2).build().unwrap();
    for _ in 0..2 {
        soon("an answer", pool.request(of("k"))).await.unwrap();
    }
    // Longer than the error is waited for.
    let call = pool.request(of("k").timeout(Duration::from_secs(300)));
    let error = soon("an error", call).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::DeadlineExceeded, 0));
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_secs(300) && wait <= Duration::from_secs(1_000), "{wait:?}");
    // Another key is none the worse for it.
    soon("an answer", pool.request(Request::get("/k/rows").rate_key("other"))).await.unwrap();
    assert_eq!(arrivals(&api, "k").len(), 3);
}

#[tokio::test]
async fn of_the_calls_of_a_key_or_a_worker_the_more_urgent_go_first() {
    let one = || "1".parse().unwrap();
    let limits = [
        |builder: PoolBuilder, rate| builder.rate_limit_per_key(rate),
        |builder: PoolBuilder, rate| builder.rate_limit_per_worker(rate),
    ];
    join_all(limits.map(async |limit| {
        let api = api(&["k"]);
        let pool = limit(AwwPool::builder(api.url()).workers(1), one());
        // A call that moves because its worker seems to be blocked loses its place.
        let pool = pool.heartbeat_timeout(Duration::from_secs(10)).build().unwrap();
        let mut events = pool.events();
        let calls = |pages: std::ops::Range<u32>, priority| {
            let request = move |page| Request::get(format!("/k/rows?page={page}")).rate_key("k");
            let calls = pages.map(|page| pool.request(request(page).priority(priority)));
            join_all(calls.collect::<Vec<_>>())
        };
        let urgent = async {
            api.wait_for("the first request", |log| !log.seen.is_empty()).await;
            let mut urgent = pin!(calls(101..103, Priority::High));
            assert!(futures::poll!(&mut urgent).is_pending());
            // They are on their way to the worker, which has begun so many others.
            let told = std::iter::from_fn(|| events.try_recv().ok());
            let begun = told.filter(|event| matches!(event, Event::AttemptStarted { .. })).count();
            (urgent.await, begun)
        };
        let low = pin!(calls(1..31, Priority::Low));
        let urgent = pin!(urgent);
        let first = soon("the urgent answers", futures::future::select(low, urgent)).await;
        let futures::future::Either::Right(((urgent, begun), _)) = first else {
            panic!("the urgent come last");
        };
        assert!(urgent.iter().all(Result::is_ok), "{urgent:?}");
        // One or two others may go while they are on their way.
        let pages = api.log(Log::pages);
        let first = &pages[..pages.len().min(begun + 4)];
        assert!(first.contains(&101) && first.contains(&102), "{pages:?}, {begun} begun before");
    }))
    .await;
}

#[tokio::test]
async fn a_blocked_worker_does_not_hold_up_the_other_calls_of_its_keys() {
    let api = api(&["k"]);
    // So few connections that no more than nine calls are on the wire of a worker.
    let pool = limited(&api, "50").workers(2).connections_per_worker(4);
    let pool = pool.replace_blocked_after(Duration::from_secs(300));
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let pool = pool.build().unwrap().with_auth_callback(
        1,
        || std::future::ready(Ok::<_, std::convert::Infallible>("token")),
        move |request, _| {
            if request.headers().contains_key("x-block") {
                let _ = blocked.lock().unwrap().recv_timeout(Duration::from_secs(300));
            }
            request
        },
    );
    soon("an answer", pool.request(of("k"))).await.unwrap();
    let calls = async {
        let mut calls: FuturesUnordered<_> = (0..60).map(|_| pool.request(of("k"))).collect();
        // What is on the wire of the blocked worker is answered when it goes on.
        for _ in 0..51 {
            soon("an answer while a worker is blocked", calls.next()).await.unwrap().unwrap();
        }
        drop(release);
        calls.try_collect::<Vec<_>>().await
    };
    // By then calls of both workers wait for the key.
    let blocking = async {
        api.wait_for("a few requests", |log| log.seen.len() >= 5).await;
        pool.request(Request::get("/k/rows").header("x-block", "yes").unwrap()).await
    };
    let both = async { tokio::join!(calls, blocking) };
    let (answered, blocked) = soon("all answers", both).await;
    blocked.unwrap();
    assert_eq!(answered.unwrap().len(), 9);
}

#[tokio::test]
async fn without_the_setting_a_key_means_nothing_and_settings_are_checked_by_name() {
    let api = api(&["k"]);
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let calls = join_all((0..50).map(|_| pool.request(of("k"))));
    assert!(soon("all answers", calls).await.iter().all(Result::is_ok));
    let builder = || AwwPool::builder(api.url());
    for (builder, what) in [
        (builder().rate_limit_per_key("0".parse().unwrap()), "rate_limit_per_key:"),
        (builder().rate_limit_per_key("-1".parse().unwrap()), "rate_limit_per_key:"),
        (limited(&api, "1").burst_per_key(0), "burst_per_key:"),
        (builder().burst_per_key(1), "burst_per_key:"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(what), "{error}");
    }
}
