//! The rate limit and the bound of the queue, when something else is scarce too.

use std::time::{Duration, Instant};

use crate::support::{
    hostile::{Answer, Hostile, Log},
    soon,
};
use futures::future::join_all;
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolBuilder, Request};

fn limited(url: String, requests_per_second: &str) -> PoolBuilder {
    AwwPool::builder(url).rate_limit(requests_per_second.parse().unwrap()).burst(1)
}

/// The shortest time within which `count` requests arrived.
fn densest(log: &Log, count: usize) -> Duration {
    let at: Vec<Instant> = log.seen.iter().map(|seen| seen.at).collect();
    at.windows(count).map(|few| few[count - 1] - few[0]).min().unwrap()
}

/// Makes one call after the other until one is seen to be refused, and returns how many
/// were made before: those that were accepted and a few that were on their way.
async fn made_before_a_refusal(pool: &AwwPool) -> usize {
    let mut calls = Vec::new();
    while soon("statistics", pool.stats()).await.unwrap().calls_refused == 0 {
        let pool = pool.clone();
        calls.push(tokio::spawn(async move { pool.get("/rows").await }));
        assert!(calls.len() < 1000, "nothing is refused");
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    calls.len() - 1
}

#[tokio::test]
async fn the_rate_limit_holds_on_the_wire_after_connections_were_scarce() {
    let api = Hostile::new(10).closed().start();
    let pool = limited(api.url(), "20").workers(1).connections_per_worker(1).build().unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    api.wait_for("the first request", |log| log.in_flight == 1).await;
    // Time in which the limit would let fourteen more go, if there were a connection.
    tokio::time::sleep(Duration::from_millis(700)).await;
    api.open_all();
    let answers = soon("all answers", join_all(calls)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().is_ok()));
    let densest = api.log(|log| densest(log, 6));
    assert!(densest > Duration::from_millis(150), "6 requests within {densest:?}");
}

#[tokio::test]
async fn the_rate_limit_holds_in_a_storm_and_is_used() {
    let api = Hostile::new(10).start();
    let pool = limited(api.url(), "100").workers(2).build().unwrap();
    let start = Instant::now();
    soon("the first answer", pool.get("/rows/1")).await.unwrap();
    let call = |_| pool.request(Request::get("/rows/1").timeout(Duration::from_secs(5)));
    let answers = soon("all answers", join_all((0..5000).map(call))).await;
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    // Each call has five seconds from when it is made, and a busy machine takes its time to
    // make them; nothing arrives before it left.
    assert!(served >= 1, "{served} served");
    api.log(|log| {
        for (before, seen) in log.seen.iter().enumerate() {
            let due = 1.0 + 100.0 * (seen.at - start).as_secs_f64();
            assert!((before + 1) as f64 <= due, "{} requests instead of {due}", before + 1);
        }
    });
    let refused = answers.into_iter().filter_map(Result::err);
    assert!(refused.map(|error| error.kind()).all(|kind| kind == ErrorKind::DeadlineExceeded));
}

#[tokio::test]
async fn calls_that_wait_for_the_rate_limit_leave_their_places_when_they_are_dropped() {
    let api = Hostile::new(10).start();
    let pool = limited(api.url(), "0.5").call_timeout(Duration::from_secs(86_400)).build().unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
    // Three minutes' worth.
    let waiting = join_all((0..100).map(|_| pool.get("/rows")));
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    soon("an answer", pool.get("/rows")).await.unwrap();
}

#[tokio::test]
async fn calls_that_wait_for_the_rate_limit_are_bounded() {
    let api = Hostile::new(10).start();
    let pool = limited(api.url(), "0.01").call_timeout(Duration::from_secs(86_400));
    let pool = pool.connections_per_worker(1).max_queued(10).build().unwrap();
    // Three may be on the wire, ten may wait, and one is served, or a few on a slow machine.
    let made = made_before_a_refusal(&pool).await;
    assert!((13..40).contains(&made), "{made} made");
}

#[tokio::test]
async fn calls_that_wait_before_a_repeat_are_bounded() {
    let api = Hostile::new(10).on_any(Answer::TooMany("60".into())).start();
    let pool =
        AwwPool::builder(api.url()).connections_per_worker(1).max_queued(10).build().unwrap();
    let made = made_before_a_refusal(&pool).await;
    assert!((13..40).contains(&made), "{made} made");
}

#[tokio::test]
async fn a_call_that_is_refused_says_why_and_was_not_sent() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url())
        .workers(1)
        .connections_per_worker(1)
        .max_queued(0)
        .build()
        .unwrap();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=1").await }
    });
    api.wait_for("the first request", |log| log.in_flight == 1).await;
    let error: Error = soon("a refusal", pool.get("/rows?page=2")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::QueueFull, 0));
    api.open_all();
    soon("an answer", first).await.unwrap().unwrap();
    soon("an answer", pool.get("/rows?page=2")).await.unwrap();
}
