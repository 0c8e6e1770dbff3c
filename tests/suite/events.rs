//! What observers hear: each attempt's start and its one end, whatever becomes of it, and
//! everything else that happens to a pool, in agreement with its statistics.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    hostile::{Answer, Hostile},
    raw_server::RawServer,
    soon,
};
use actix::prelude::*;
use futures::future::join_all;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc, oneshot,
};
use vantage_api_pool::{
    AwwPool, ErrorKind, PoolBuilder, Request,
    events::{Attempt, Event, Outcome},
    messages::Subscribe,
    retry::CircuitBreaker,
    stats::Stats,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What there is to hear by now.
fn heard(events: &mut broadcast::Receiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// The first event to come for which `pick` returns something.
async fn first<T>(
    what: &str,
    events: &mut broadcast::Receiver<Event>,
    pick: impl Fn(&Event) -> Option<T>,
) -> T {
    soon(what, async {
        loop {
            if let Some(found) = pick(&events.recv().await.expect("the pool tells")) {
                return found;
            }
        }
    })
    .await
}

/// The ends of the attempts, each of which has exactly one start before it.
fn ends(events: &[Event]) -> HashMap<Attempt, Outcome> {
    let mut ends: HashMap<Attempt, Option<Outcome>> = HashMap::new();
    for event in events {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                assert!(ends.insert(*attempt, None).is_none(), "started twice: {attempt:?}");
            }
            Event::AttemptEnded { attempt, outcome, .. } => {
                let end = ends.get_mut(attempt).expect("an end follows its start");
                assert!(end.replace(*outcome).is_none(), "ended twice: {attempt:?}");
            }
            _ => {}
        }
    }
    let has_ended = |(attempt, end): (Attempt, Option<Outcome>)| {
        (attempt, end.unwrap_or_else(|| panic!("never ended: {attempt:?}")))
    };
    ends.into_iter().map(has_ended).collect()
}

fn count(events: &[Event], is_wanted: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| is_wanted(event)).count() as u64
}

/// Waits until the statistics count `attempts`.
async fn settled(pool: &AwwPool, attempts: u64) -> Stats {
    soon("all attempts are counted", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if stats.attempts >= attempts {
                return stats;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await
}

/// A pool whose workers die of the requests that carry `x-poison`, and seem blocked never.
fn mortal(url: String) -> PoolBuilder {
    let builder = AwwPool::builder(url).heartbeat_timeout(millis(10_000));
    builder.backoff_base(millis(1)).with_auth_callback(
        1,
        || async { Ok::<_, std::io::Error>("canary-token") },
        |mut request, token| {
            if request.headers().contains_key("x-poison") {
                Arbiter::current().stop();
            }
            request.headers_mut().insert("authorization", token.parse().unwrap());
            request
        },
    )
}

#[tokio::test]
async fn starts_and_ends_match_one_to_one_through_faults_cancels_and_deaths_and_agree_with_the_statistics()
 {
    let turns = AtomicUsize::new(0);
    // Every seventh answer is a 503, every ninth is cut short, every fifth comes late.
    let server = RawServer::start(move |mut peer| {
        let first = turns.fetch_add(1_000, Ordering::SeqCst);
        async move {
            let mut turn: usize = first;
            while peer.request().await.is_some() {
                turn += 1;
                if turn.is_multiple_of(5) {
                    peer.pause(millis(5)).await;
                }
                if turn.is_multiple_of(9) {
                    peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").await;
                    return;
                }
                let fails = turn.is_multiple_of(7);
                let failure = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
                peer.write(if fails { failure } else { OK }.as_bytes()).await;
            }
        }
    });
    let pool = mortal(server.url()).workers(3).connections_per_worker(8).build().unwrap();
    let mut events = pool.events();
    let calls: Vec<_> = (0..400)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let request = Request::get("/rows?secret=canary-query");
                match n % 40 {
                    0 => drop(pool.request(request.header("x-poison", "1").unwrap()).await),
                    k if k % 4 == 1 => {
                        drop(tokio::time::timeout(millis(4), pool.request(request)).await);
                    }
                    _ => drop(pool.request(request).await),
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    let mut calls = pin!(join_all(calls));
    // Heard meanwhile: a slow machine has more deaths and repeats than there is room for.
    soon("all calls", async {
        loop {
            tokio::select! {
                _ = calls.as_mut() => return,
                event = events.recv() => all.push(event.expect("nothing is missed")),
            }
        }
    })
    .await;

    // The last attempts are cancelled, and the last deaths noticed, when their callers have gone
    // already.
    let stats = soon("events and statistics agree on all numbers", async {
        loop {
            let stats = pool.stats().await.unwrap();
            all.extend(heard(&mut events));
            let started = count(&all, |event| matches!(event, Event::AttemptStarted { .. }));
            let told = [
                count(&all, |event| matches!(event, Event::AttemptEnded { .. })),
                count(&all, |event| matches!(event, Event::RetryScheduled { .. })),
                count(&all, |event| matches!(event, Event::TokenRefreshed { .. })),
                count(&all, |event| matches!(event, Event::WorkerDied { .. })),
            ];
            let Stats { attempts, retries, token_refreshes, worker_restarts, .. } = stats;
            let counted = [attempts, retries, token_refreshes, worker_restarts];
            if started == attempts && told == counted {
                return stats;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
    let ends = ends(&all);

    let outcomes = |wanted: fn(&Outcome) -> bool| {
        ends.values().filter(|outcome| wanted(outcome)).count() as u64
    };
    let status = |status: u16| {
        let is_it = |outcome: &&Outcome| matches!(outcome, Outcome::Answered(code) if code.as_u16() == status);
        ends.values().filter(is_it).count() as u64
    };
    assert_eq!(stats.attempts, ends.len() as u64);
    assert_eq!((stats.status_2xx, stats.status_5xx), (status(200), status(503)));
    let failed = outcomes(|outcome| matches!(outcome, Outcome::Failed(_)));
    assert_eq!(stats.transport_errors, failed);
    let cancelled = outcomes(|outcome| *outcome == Outcome::Cancelled);
    assert_eq!(stats.cancelled, cancelled);
    assert_eq!(
        stats.attempts,
        stats.status_2xx + stats.status_5xx + stats.transport_errors + stats.cancelled
    );
    let by_workers: u64 = stats.workers.iter().map(|worker| worker.attempts).sum();
    assert_eq!(stats.attempts, by_workers);
    assert!(failed > 0 && cancelled > 0 && stats.status_5xx > 0, "{stats}");
    assert!(stats.retries > 0 && stats.token_refreshes > 0 && stats.worker_restarts > 0, "{stats}");
    assert!(!format!("{all:?} {stats:?} {stats}").contains("canary"));
}

#[tokio::test]
async fn an_attempt_is_told_with_its_call_its_number_its_worker_and_its_latency_without_waits() {
    let api =
        Hostile::new(10).on_any(Answer::TooMany("1".into()).times(1)).delay(|_| millis(50)).start();
    let pool = AwwPool::builder(api.url()).workers(1).build().unwrap();
    let mut events = pool.events();
    let started = Instant::now();
    soon("an answer", pool.get("/rows")).await.unwrap();
    soon("another answer", pool.get("/rows")).await.unwrap();
    let took = started.elapsed();
    let told = heard(&mut events);
    let attempts: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::AttemptEnded {
                attempt, outcome: Outcome::Answered(status), latency, ..
            } => Some((*attempt, status.as_u16(), *latency)),
            _ => None,
        })
        .collect();
    let [(first, 429, _), (repeat, 200, _), (other, 200, _)] = attempts[..] else {
        panic!("{told:?}")
    };
    assert_eq!((first.number, repeat.number, other.number), (1, 2, 1));
    assert!(first.call == repeat.call && repeat.call != other.call);
    assert!(attempts.iter().all(|(attempt, _, _)| attempt.worker == 0));
    assert!(attempts.iter().all(|(_, _, latency)| *latency >= millis(50)), "{attempts:?}");
    // The second that the API asked for is in none of them.
    let latencies: Duration = attempts.iter().map(|(_, _, latency)| *latency).sum();
    assert!(latencies + millis(990) <= took, "{latencies:?} of {took:?}");
    let retry = told.iter().find_map(|event| match event {
        Event::RetryScheduled { attempt, wait, reason, status, .. } => {
            Some((*attempt, *wait, *reason, status.unwrap().as_u16()))
        }
        _ => None,
    });
    let (attempt, wait, reason, status) = retry.expect("a retry is told");
    assert_eq!((attempt, reason, status), (first, ErrorKind::Status, 429));
    assert_eq!(wait, millis(1_000));
    ends(&told);
}

#[tokio::test]
async fn a_dropped_call_ends_its_attempt_as_cancelled() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
    let mut events = pool.events();
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/x").await }
    });
    server.wait_for(|seen| seen.heads.len() == 1).await;
    call.abort();
    let outcome = first("the end of the attempt", &mut events, |event| match event {
        Event::AttemptEnded { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(outcome.await, Outcome::Cancelled);
    let stats = settled(&pool, 1).await;
    assert_eq!((stats.attempts, stats.cancelled, stats.transport_errors), (1, 1, 0));
}

#[tokio::test]
async fn the_death_of_a_worker_ends_its_attempts_and_is_told_with_the_restart() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let pool = mortal(server.url()).workers(1).build().unwrap();
    let mut events = pool.events();
    let posts: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.request(Request::post("/orders").body("x")).await })
        })
        .collect();
    server.wait_for(|seen| seen.heads.len() == 3).await;
    let poison = pool.request(Request::post("/orders").header("x-poison", "1").unwrap());
    let (posts, _) = soon("all answers", futures::future::join(join_all(posts), poison)).await;
    for post in posts {
        assert_eq!(post.unwrap().unwrap_err().kind(), ErrorKind::WorkerCrashed);
    }
    let mut told = Vec::new();
    soon("the restart", async {
        while !matches!(told.last(), Some(Event::WorkerRestarted { worker: 0, .. })) {
            told.push(events.recv().await.unwrap());
        }
    })
    .await;
    assert_eq!(count(&told, |event| matches!(event, Event::WorkerDied { worker: 0, .. })), 1);
    let stats = settled(&pool, 3).await;
    told.extend(heard(&mut events));
    let ends = ends(&told);
    assert!(ends.values().all(|outcome| *outcome == Outcome::Cancelled), "{ends:?}");
    assert_eq!((stats.attempts, stats.cancelled), (ends.len() as u64, ends.len() as u64));
}

#[tokio::test]
async fn a_hold_is_told_with_its_length() {
    let api = Hostile::new(10).on_any(Answer::TooMany("1".into()).times(1)).start();
    let pool = AwwPool::new(1, None, false, api.url());
    let mut events = pool.events();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let holds: Vec<_> = heard(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            Event::HoldSet { wait, .. } => Some(wait),
            _ => None,
        })
        .collect();
    assert_eq!(holds, [Duration::from_secs(1)]);
}

#[tokio::test]
async fn a_token_and_a_failure_to_get_one_are_told() {
    let api = Hostile::new(10).start();
    let left = Arc::new(AtomicUsize::new(1));
    let acquire = move || {
        let left = Arc::clone(&left);
        async move {
            let take = |left: usize| left.checked_sub(1);
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
                Ok(_) => Err(std::io::Error::other("canary-cause")),
                Err(_) => Ok("canary-token"),
            }
        }
    };
    let pool = AwwPool::builder(api.url()).workers(1);
    let pool = pool.with_auth_callback(1, acquire, |request, _| request).build().unwrap();
    let mut events = pool.events();
    assert_eq!(soon("an error", pool.get("/rows")).await.unwrap_err().kind(), ErrorKind::Token);
    let (slot, cooldown) = first("the failure", &mut events, |event| match event {
        Event::TokenRefreshFailed { slot, cooldown, .. } => Some((*slot, *cooldown)),
        _ => None,
    })
    .await;
    assert!(slot == 0 && cooldown >= millis(100) && cooldown <= millis(200), "{cooldown:?}");
    tokio::time::sleep(cooldown).await;
    soon("an answer", pool.get("/rows")).await.unwrap();
    let told = heard(&mut events);
    assert_eq!(count(&told, |event| matches!(event, Event::TokenRefreshed { slot: 0, .. })), 1);
    assert!(!format!("{told:?}").contains("canary"));
}

#[tokio::test]
async fn a_listener_that_lags_is_told_so_and_holds_nobody_up() {
    let server = RawServer::answering(OK);
    // On a machine that stands still for a moment no worker is told to be blocked.
    let pool = AwwPool::builder(server.url()).workers(2).heartbeat_timeout(millis(10_000));
    let pool = pool.build().unwrap();
    let mut events = pool.events();
    let answers = soon("all answers", join_all((0..2_500).map(|_| pool.get("/x")))).await;
    assert!(answers.iter().all(Result::is_ok));
    let missed = match events.recv().await {
        Err(RecvError::Lagged(missed)) => missed,
        other => panic!("{other:?}"),
    };
    assert_eq!(missed, 5_000 - 4_096);
    assert_eq!(heard(&mut events).len(), 4_096);
}

#[tokio::test]
async fn events_end_with_the_pool() {
    let server = RawServer::answering(OK);
    let pool = AwwPool::new(1, None, false, server.url());
    let mut events = pool.events();
    soon("an answer", pool.get("/x")).await.unwrap();
    drop(pool);
    let end = async { while events.recv().await != Err(RecvError::Closed) {} };
    soon("the end of the events", end).await;
}

/// Passes on what it is told.
struct Observer {
    told: mpsc::UnboundedSender<Event>,
    /// After the first event it takes no other before this resolves.
    gate: Option<oneshot::Receiver<()>>,
}

impl Actor for Observer {
    type Context = Context<Self>;
}

impl Handler<Event> for Observer {
    type Result = ();

    fn handle(&mut self, event: Event, ctx: &mut Self::Context) {
        let _ = self.told.send(event);
        if let Some(gate) = self.gate.take() {
            ctx.wait(gate.into_actor(self).map(|_, _, _| ()));
        }
    }
}

#[actix::test]
async fn an_actor_that_subscribes_is_sent_what_happens_until_it_stops() {
    let server = RawServer::answering(OK);
    // On a machine that stands still for a moment no worker is told to be blocked.
    let pool = AwwPool::builder(server.url()).workers(1).heartbeat_timeout(millis(10_000));
    let pool = pool.build().unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    let observer = Observer { told, gate: None }.start();
    let subscribe = Subscribe::new(observer.recipient());
    soon("the subscription", pool.supervisor().await.unwrap().send(subscribe)).await.unwrap();
    soon("an answer", pool.get("/x")).await.unwrap();
    let mut all = Vec::new();
    while all.len() < 2 {
        all.push(soon("an event", heard.recv()).await.unwrap());
    }
    assert_eq!(ends(&all).len(), 1);
    // The pool has the last address of the actor.
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    drop(pool);
    soon("the actor's end", async { while heard.recv().await.is_some() {} }).await;
}

#[actix::test]
async fn an_actor_that_lags_is_told_how_much_it_missed() {
    let server = RawServer::answering(OK);
    let pool = AwwPool::builder(server.url()).workers(2).build().unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    let (open, gate) = oneshot::channel();
    let observer = Observer { told, gate: Some(gate) }.start();
    let subscribe = Subscribe::new(observer.recipient());
    soon("the subscription", pool.supervisor().await.unwrap().send(subscribe)).await.unwrap();
    let answers = soon("all answers", join_all((0..2_500).map(|_| pool.get("/x")))).await;
    assert!(answers.iter().all(Result::is_ok));
    open.send(()).unwrap();
    let (mut told, mut missed) = (0, 0);
    while told + missed < 5_000 {
        match soon("an event", heard.recv()).await.unwrap() {
            Event::Missed { events, .. } => missed += events,
            _ => told += 1,
        }
    }
    assert!(missed > 0 && told + missed == 5_000, "{told} told, {missed} missed");
}

#[tokio::test]
async fn changes_of_the_breaker_come_in_order_with_the_attempts_around_them() {
    let server = RawServer::answering("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n");
    let breaker = CircuitBreaker::default().minimum_calls(1).open_time(millis(400));
    let pool = AwwPool::builder(server.url()).workers(1).max_attempts(1).circuit_breaker(breaker);
    // On a machine that stands still for a moment no worker is told to be blocked.
    let pool = pool.heartbeat_timeout(millis(10_000)).build().unwrap();
    let mut events = pool.events();
    let probe = async {
        assert_eq!(pool.get("/x").await.unwrap_err().kind(), ErrorKind::Status);
        tokio::time::sleep(millis(400)).await;
        pool.get("/x").await.unwrap_err()
    };
    assert_eq!(soon("the probe", probe).await.kind(), ErrorKind::Status);
    let names: Vec<_> = heard(&mut events)
        .into_iter()
        .map(|event| match event {
            Event::AttemptStarted { .. } => "start".to_owned(),
            Event::AttemptEnded { .. } => "end".to_owned(),
            Event::BreakerChanged { to, .. } => to.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["start", "open", "end", "half-open", "start", "open", "end"]);
}
