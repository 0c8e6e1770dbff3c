//! Callers that go away: what they caused ends with them, and nothing leaks.

use std::time::Duration;

use crate::support::{
    hostile::{Hostile, Log},
    raw_server::RawServer,
    soon,
};
use futures::future::join_all;
use vantage_api_pool::{AwwPool, ErrorKind, PoolBuilder, Request};

/// A pool with no timeout that could end what a dropped call should.
fn patient(url: String) -> PoolBuilder {
    let never = Duration::from_secs(3_600);
    AwwPool::builder(url).workers(1).attempt_timeout(never).read_idle_timeout(never)
}

#[tokio::test]
async fn accept_63_dropping_a_call_closes_its_connection_at_once() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let pool = patient(server.url()).build().unwrap();
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/x").await }
    });
    server.wait_for(|seen| seen.heads.len() == 1).await;
    call.abort();
    server.wait_for(|seen| seen.closed.len() == 1).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.calls_ok, stats.calls_failed), (0, 0));
}

#[tokio::test]
async fn accept_63_the_permits_of_dropped_calls_come_back() {
    let api = Hostile::new(10).closed().start();
    let pool = patient(api.url()).connections_per_worker(4).build().unwrap();
    for round in 1..=5 {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.get("/rows?page=1").await })
            })
            .collect();
        api.wait_for("four on the wire", |log| log.in_flight == 4).await;
        for call in &calls {
            call.abort();
        }
        join_all(calls).await;
        // On a busy machine one that had waited may be sent just before it is dropped too.
        api.wait_for("all aborted", |log| log.in_flight == 0 && log.aborted >= round * 4).await;
    }
    api.open_all();
    let answers = soon("answers", join_all((0..8).map(|_| pool.get("/rows?page=1")))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_queued_call_that_is_dropped_is_never_sent() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1).build().unwrap();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=1").await }
    });
    api.wait_for("the first on the wire", |log| log.in_flight == 1).await;
    let queued = pool.request(Request::get("/rows?page=2").timeout(Duration::from_secs(60)));
    assert!(tokio::time::timeout(Duration::from_millis(50), queued).await.is_err());
    api.open_all();
    assert!(soon("the first answer", first).await.unwrap().is_ok());
    assert!(soon("another answer", pool.get("/rows?page=3")).await.is_ok());
    assert_eq!(api.log(Log::pages), [1, 3]);
}

#[tokio::test]
async fn faults_43_a_call_in_the_queue_ends_at_its_deadline() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1).build().unwrap();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=1").await }
    });
    api.wait_for("the first on the wire", |log| log.in_flight == 1).await;
    let queued = pool.request(Request::get("/rows?page=2").timeout(Duration::from_millis(100)));
    let error = soon("an answer", queued).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::DeadlineExceeded, 0));
    assert!(error.elapsed() >= Duration::from_millis(100), "{error}");
    assert!(!first.is_finished(), "it waited for the connection");
    first.abort();
}
