//! Hedged requests: a second attempt beside one that has no answer, within bounds.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
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
    stats::Stats,
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

/// Makes so many calls, eight at a time, and returns how long each took.
async fn make_calls(pool: &AwwPool, calls: usize) -> Vec<Duration> {
    let call = async |call| {
        let began = Instant::now();
        pool.get(format!("/x?call={call}")).await.unwrap();
        began.elapsed()
    };
    soon("all answers", stream::iter(0..calls).map(call).buffer_unordered(8).collect()).await
}

/// The statistics once they are as `is_so` says: a worker that has no turn reports later.
async fn stats_once(pool: &AwwPool, is_so: impl Fn(&Stats) -> bool) -> Stats {
    soon("the counts", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if is_so(&stats) {
                return stats;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await
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
    // An answer hangs for longer than a busy machine takes to get another one.
    let (delay, hang) = (Duration::from_secs(1), Duration::from_secs(15));
    let api = hangs_first(hang, |call| call % 20 == 7);
    let pool = pool(&api).hedge(Hedge::after(delay)).build().unwrap();
    let mut events = pool.events();
    let took = make_calls(&pool, 600).await;
    let stats = stats_once(&pool, |stats| stats.attempts >= 600 + stats.hedges).await;
    let (attempts, hedges) = (stats.attempts as usize, stats.hedges as usize);
    let sent = api.seen().heads.len();
    // Where the machine stands still others are hedged too: that is paid from the same budget, so
    // that as many that hang may be left to themselves.
    let slow = took.iter().filter(|took| **took >= delay).count();
    let hung = took.iter().filter(|took| **took >= hang).count();
    let others = slow.checked_sub(30).expect("each that hangs takes a second");
    // Each that hangs, and at most 5 % of the calls and ten that were saved up.
    assert!((30..=40).contains(&hedges) && hedges <= slow, "{hedges} hedges, {slow} slow calls");
    assert_eq!((attempts, stats.calls_ok, stats.retries), (600 + hedges, 600, 0));
    // A hedge that comes too late may never be sent.
    assert!(sent <= attempts && sent + others >= attempts, "{sent} requests, {others} others");
    assert!(hung <= others, "{hung} hung, and {others} others were slow");
    assert!(stats.hedges_won as usize + hung >= 30 && stats.hedges_won <= stats.hedges, "{stats}");
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
    assert_eq!((started, ended), (attempts, attempts), "one start and one end each");
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
    let stats = stats_once(&pool, |stats| stats.attempts == 2).await;
    assert_eq!(stats.hedges_won, 1, "the request's own hedge");
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
    let stats = stats_once(&pool, |stats| stats.cancelled >= 2).await;
    assert_eq!((stats.attempts, stats.cancelled, stats.hedges), (2, 2, 1));
    assert_eq!((stats.calls_cancelled, stats.calls_open), (1, 0));
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_the_call_to_the_other() {
    // The first hangs until the second has failed, as the pool tells.
    let turns = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(Notify::new());
    let gate = Arc::clone(&failed);
    let api = RawServer::start(move |mut peer| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            peer.request().await;
            if turn > 0 {
                return peer.reset();
            }
            gate.notified().await;
            peer.write(OK).await;
        }
    });
    let pool = pool(&api).hedge(Hedge::after(millis(50))).max_attempts(1).build().unwrap();
    let mut events = pool.events();
    let failing = async {
        let is_failure = |event: &Event| {
            matches!(event, Event::AttemptEnded { outcome: Outcome::Failed(_), .. })
        };
        while !is_failure(&events.recv().await.unwrap()) {}
        failed.notify_one();
    };
    let both = futures::future::join(pool.get("/x"), failing);
    soon("the answer of the first", both).await.0.unwrap();
    let stats = stats_once(&pool, |stats| stats.attempts >= 2).await;
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
        let attempts = 2 + u64::from(!use_dampener);
        let stats = stats_once(&pool, |stats| stats.attempts >= attempts).await;
        assert_eq!(stats.hedges, u64::from(!use_dampener));
    }
}
