//! Hedged requests: a second attempt beside one that has no answer, within bounds.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    raw_server::{Peer, RawServer},
    soon,
};
use futures::{StreamExt, stream};
use tokio::sync::Notify;
use vantage_api_pool::{
    AwwPool, ErrorKind, PoolBuilder, Request,
    events::{Event, Outcome},
    retry::{CircuitBreaker, Hedge},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// How long an answer hangs that the test waits for.
const HANG: Duration = Duration::from_secs(2);
/// How long one hangs that the test does not wait for: longer than a busy machine takes to make
/// the second attempt.
const LONG_HANG: Duration = Duration::from_secs(60);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A server that lets each answer, counted from 0, hang for as long as `hang` says.
fn server(hang: fn(usize) -> Duration) -> RawServer {
    let turns = Arc::new(AtomicUsize::new(0));
    RawServer::start(move |peer| serve(peer, Arc::clone(&turns), hang))
}

/// A server that lets the first answer to a call hang for so long, if `hangs` says so of the call.
fn hangs_first(hang: Duration, hangs: fn(usize) -> bool) -> RawServer {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    RawServer::start(move |mut peer| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(head) = peer.head().await {
                let call = head.split(['=', ' ']).nth(2).unwrap().parse().unwrap();
                if seen.lock().unwrap().insert(call) && hangs(call) {
                    tokio::select! {
                        () = tokio::time::sleep(hang) => {}
                        () = peer.closed() => return,
                    }
                }
                peer.write(OK).await;
            }
        }
    })
}

async fn serve(mut peer: Peer, turns: Arc<AtomicUsize>, hang: fn(usize) -> Duration) {
    while peer.request().await.is_some() {
        let hang = hang(turns.fetch_add(1, Ordering::SeqCst));
        if !hang.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(hang) => {}
                () = peer.closed() => return,
            }
        }
        peer.write(OK).await;
    }
}

fn pool(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url()).workers(1)
}

/// Makes so many calls, eight at a time.
async fn make_calls(pool: &AwwPool, calls: usize) {
    let call = async |call| {
        pool.get(format!("/x?call={call}")).await.unwrap();
    };
    let all = stream::iter(0..calls).map(call).buffer_unordered(8).collect::<()>();
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("every call is answered");
}

/// An API whose first answer has this status, and whose others, counted from 1, each take as long as
/// `hang` says.
fn refuses_once(status: &'static str, hang: fn(usize) -> Duration) -> RawServer {
    let turns = Arc::new(AtomicUsize::new(0));
    RawServer::start(move |mut peer| {
        let turns = Arc::clone(&turns);
        async move {
            while peer.request().await.is_some() {
                let turn = turns.fetch_add(1, Ordering::SeqCst);
                if turn == 0 {
                    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    peer.write(head.as_bytes()).await;
                } else {
                    peer.pause(hang(turn)).await;
                    peer.write(OK).await;
                }
            }
        }
    })
}

#[tokio::test]
async fn where_one_answer_in_twenty_hangs_hedging_cuts_the_tail_at_a_bounded_cost() {
    // The second after which another attempt is made is longer than a busy machine takes, and an
    // answer hangs for longer than that machine is busy.
    let api = hangs_first(Duration::from_secs(30), |call| call % 20 == 7);
    let pool = pool(&api).hedge(Hedge::after(millis(1_000))).build().unwrap();
    let mut events = pool.events();
    make_calls(&pool, 600).await;
    let stats = pool.stats().await.unwrap();
    let sent = api.seen().heads.len();
    // Each that hangs, and at most 5 % of the calls and ten that were saved up.
    assert!((630..=640).contains(&sent), "{sent} requests for 600 calls");
    assert_eq!((stats.attempts as usize, stats.hedges as usize), (sent, sent - 600));
    assert!(stats.hedges_won >= 30 && stats.hedges_won <= stats.hedges, "{stats}");
    assert_eq!((stats.calls_ok, stats.retries), (600, 0));
    let (mut started, mut ended, mut cancelled) = (0, 0, 0);
    while let Ok(event) = events.try_recv() {
        match event {
            Event::AttemptStarted { .. } => started += 1,
            Event::AttemptEnded { outcome, .. } => {
                ended += 1;
                cancelled += u64::from(outcome == Outcome::Cancelled);
            }
            _ => {}
        }
    }
    assert_eq!((started, ended), (sent, sent), "one start and one end each");
    assert_eq!((cancelled, stats.cancelled), (stats.hedges, stats.hedges));
}

#[tokio::test]
async fn the_delay_is_learned_from_the_latest_attempts() {
    let api = server(|n| if n >= 300 && n % 40 == 7 { HANG } else { Duration::ZERO });
    let hedge = Hedge::at_percentile(0.95).at_most(0.5);
    let pool = pool(&api).hedge(hedge).build().unwrap();
    make_calls(&pool, 300).await;
    // Workers take in what they counted ten times per second.
    soon("a hedge that wins", async {
        while pool.stats().await.unwrap().hedges_won == 0 {
            make_calls(&pool, 40).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_a_get_is_hedged_and_a_request_may_say_otherwise() {
    let api = server(|_| HANG);
    let pool = pool(&api).hedge(Hedge::after(millis(50))).build().unwrap();
    let requests = [
        Request::post("/post").idempotency_key("k").unwrap(),
        Request::delete("/delete"),
        Request::get("/get").idempotent(false),
        Request::get("/not").hedge(None),
    ];
    let calls = requests.map(|request| pool.request(request));
    for answer in soon("all answers", futures::future::join_all(calls)).await {
        assert!(answer.is_ok());
    }
    assert_eq!(api.seen().heads.len(), 4);

    let api = server(|n| if n == 0 { LONG_HANG } else { Duration::ZERO });
    let pool = AwwPool::new(1, None, false, api.url());
    let request = Request::get("/x").hedge(Hedge::after(millis(50)));
    soon("an answer", pool.request(request)).await.unwrap();
    assert_eq!(pool.stats().await.unwrap().hedges_won, 1, "the request's own hedge");
    let error = pool.request(Request::get("/x").hedge(Hedge::after(Duration::ZERO))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn dropping_the_call_cancels_both_attempts() {
    let api = server(|_| LONG_HANG);
    let pool = pool(&api).hedge(Hedge::after(millis(30))).build().unwrap();
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/x").await }
    });
    api.wait_for(|seen| seen.heads.len() == 2).await;
    call.abort();
    // The server does not close them.
    api.wait_for(|seen| seen.closed.len() == 2).await;
    soon("both are counted", async {
        while pool.stats().await.unwrap().cancelled < 2 {
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
    let stats = pool.stats().await.unwrap();
    assert_eq!((stats.attempts, stats.cancelled, stats.hedges), (2, 2, 1));
    assert_eq!((stats.calls_cancelled, stats.calls_open), (1, 0));
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_the_call_to_the_other() {
    // The first hangs until the second has failed.
    let turns = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(Notify::new());
    let api = RawServer::start(move |mut peer| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        let failed = Arc::clone(&failed);
        async move {
            peer.request().await;
            if turn > 0 {
                peer.reset();
                return failed.notify_one();
            }
            failed.notified().await;
            peer.pause(millis(100)).await;
            peer.write(OK).await;
        }
    });
    let pool = pool(&api).hedge(Hedge::after(millis(50))).max_attempts(1).build().unwrap();
    soon("the answer of the first", pool.get("/x")).await.unwrap();
    let stats = pool.stats().await.unwrap();
    assert_eq!((stats.attempts, stats.transport_errors, stats.status_2xx), (2, 1, 1));
    assert_eq!((stats.hedges, stats.hedges_won), (1, 0));
}

#[tokio::test]
async fn there_is_no_hedge_without_a_free_connection_or_a_budget_or_while_the_breaker_is_open() {
    let hedge = Hedge::after(millis(50));
    let api = server(|_| HANG);
    let settings: [fn(PoolBuilder) -> PoolBuilder; 3] = [
        |pool| pool.connections_per_worker(1),
        |pool| pool.rate_limit("0.1".parse().unwrap()).burst(1),
        |pool| pool,
    ];
    for (calls, set) in (1..).zip(settings) {
        let pool = set(pool(&api)).hedge(hedge).build().unwrap();
        let hedged = pool.get("/x");
        if calls == 3 {
            // All that may be hedged of this worker: ten, and one of them only once.
            let all = (0..20).map(|_| pool.get("/y"));
            soon("answers", futures::future::join_all(all)).await;
            assert!(pool.stats().await.unwrap().hedges <= 11);
            continue;
        }
        soon("an answer", hedged).await.unwrap();
        assert_eq!((api.seen().heads.len(), pool.stats().await.unwrap().hedges), (calls, 0));
    }

    // A probe is alone.
    let api = refuses_once("500 Broken", |_| HANG);
    let breaker = CircuitBreaker::default().minimum_calls(1).open_time(millis(100));
    let pool = pool(&api).circuit_breaker(breaker).max_attempts(1).build().unwrap();
    soon("the failure", pool.get("/x")).await.unwrap_err();
    tokio::time::sleep(millis(150)).await;
    let probe = pool.request(Request::get("/x").hedge(hedge));
    soon("the probe's answer", probe).await.unwrap();
    assert_eq!(api.seen().heads.len(), 2);
}

#[tokio::test]
async fn there_is_no_hedge_while_the_dampener_is_active() {
    // Without a dampener the second of two answers comes at once; with one there is no second.
    let hangs: [fn(usize) -> Duration; 2] =
        [|turn| if turn == 1 { LONG_HANG } else { Duration::ZERO }, |_| HANG];
    for (use_dampener, hang) in [false, true].into_iter().zip(hangs) {
        let api = refuses_once("429 Slow", hang);
        let pool = pool(&api).max_attempts(1).use_dampener(use_dampener).build().unwrap();
        soon("the refusal", pool.get("/x")).await.unwrap_err();
        let hedged = pool.request(Request::get("/x").hedge(Hedge::after(millis(50))));
        soon("an answer", hedged).await.unwrap();
        assert_eq!(pool.stats().await.unwrap().hedges, u64::from(!use_dampener));
    }
}
