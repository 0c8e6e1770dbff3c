//! What the statistics say: every call once, and what held it up.

use std::time::{Duration, Instant};

use crate::support::{
    hostile::{Answer, Hostile},
    raw_server::RawServer,
    soon,
};
use actix::Arbiter;
use futures::future::{join, join_all};
use vantage_api_pool::{
    AwwPool, ErrorKind, PoolBuilder, Request,
    stats::{Stats, WaitCause},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A pool whose workers never seem to be blocked, which would take callbacks off their threads and
/// have their calls wait once more.
fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10))
}

async fn stats(pool: &AwwPool) -> Stats {
    soon("statistics", pool.stats()).await.unwrap()
}

/// The statistics that count so many attempts: a worker without a turn is late to report.
async fn counted(pool: &AwwPool, attempts: u64) -> Stats {
    soon("all attempts are counted", async {
        loop {
            let stats = stats(pool).await;
            if stats.attempts >= attempts {
                return stats;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await
}

/// How often and how long all calls of `pool` waited for `cause`.
async fn waited(pool: &AwwPool, cause: WaitCause) -> (u64, Duration) {
    let waits = stats(pool).await.waits;
    (waits.get(cause).count(), waits.get(cause).total())
}

#[tokio::test]
async fn every_call_ends_ok_failed_or_cancelled_wherever_it_ends() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if head.contains("/held") {
                return peer.closed().await;
            }
            let failure = "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n";
            peer.write(if head.contains("/bad") { failure } else { OK }.as_bytes()).await;
        }
    });
    let pool = builder(server.url())
        .workers(1)
        .connections_per_worker(4)
        .with_auth_callback(
            1,
            || async { Ok::<_, std::io::Error>("token") },
            |request, _| {
                if request.headers().contains_key("x-poison") {
                    Arbiter::current().stop();
                }
                request
            },
        )
        .build()
        .unwrap();
    soon("answers", join_all((0..3).map(|_| pool.get("/ok")))).await;
    assert!(soon("an answer", pool.get("/bad")).await.is_err());

    // Two are on the wire, one is dropped there, and another ends in the queue.
    let held = join_all((0..2).map(|_| pool.request(Request::post("/held"))));
    let dropped = tokio::spawn({
        let pool = pool.clone();
        async move { pool.request(Request::post("/held")).await }
    });
    let poison = async {
        server.wait_for(|seen| seen.heads.len() == 4 + 3).await;
        assert_eq!(stats(&pool).await.calls_open, 3);
        dropped.abort();
        let in_queue = pool.request(Request::get("/ok").timeout(Duration::ZERO));
        assert_eq!(in_queue.await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        let poison = Request::post("/orders").header("x-poison", "1").unwrap();
        drop(pool.request(poison).await);
    };
    let (held, ()) = soon("all answers", join(held, poison)).await;
    for answer in held {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::WorkerCrashed);
    }

    let now = stats(&pool).await;
    assert_eq!((now.calls_ok, now.calls_cancelled, now.calls_open), (3, 1, 0), "{now}");
    let accepted = 3 + 1 + 2 + 1 + 1 + 1;
    assert_eq!(now.calls_ok + now.calls_failed + now.calls_cancelled, accepted, "{now}");
}

#[tokio::test]
async fn what_a_call_waited_for_is_told_by_its_cause_and_is_no_part_of_the_latency() {
    let api = Hostile::new(10).closed().start();
    let pool = builder(api.url()).workers(1).connections_per_worker(1).build().unwrap();
    soon("the start", pool.stats()).await.unwrap();
    let started = Instant::now();
    let calls = join_all((0..3).map(|_| pool.get("/rows")));
    let opened = async {
        api.wait_for("the first request", |log| log.in_flight == 1).await;
        tokio::time::sleep(millis(100)).await;
        api.open_all();
    };
    soon("answers", join(calls, opened)).await;
    let took = started.elapsed();
    let now = counted(&pool, 3).await;
    let queue = now.waits.get(WaitCause::Queue);
    assert_eq!((queue.count(), now.waits.longest()), (2, Some(WaitCause::Queue)), "{now:?}");
    assert!(queue.total() >= millis(200) && queue.percentile(1.0) >= millis(100), "{queue:?}");
    // They came one after the other, so that with their waits they would have taken longer.
    assert!(now.latency.count() == 3 && now.latency.total() <= took, "{now} in {took:?}");
    assert!(now.to_string().contains("; waited most for queue: 2 times"), "{now}");
    soon("an answer", pool.get("/rows")).await.unwrap();
    let interval = stats(&pool).await.difference(&now);
    assert_eq!((interval.waits.get(WaitCause::Queue).count(), interval.calls_ok), (0, 1));

    let api = Hostile::new(10).start();
    let pool = builder(api.url()).workers(1).rate_limit("0.001".parse().unwrap()).burst(1);
    let pool = pool.call_timeout(Duration::from_secs(86_400)).build().unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows").await }
    });
    // Who comes behind one that waits is told of the permit after the next, which is a wait too.
    let told = soon("a call that waits", async {
        for told in 1.. {
            let hasty = pool.request(Request::get("/rows").timeout(Duration::from_secs(100)));
            if hasty.await.unwrap_err().retry_after().unwrap() > Duration::from_secs(1_200) {
                return told;
            }
        }
        unreachable!()
    })
    .await;
    tokio::time::sleep(millis(100)).await;
    waiting.abort();
    let ended = async { while waited(&pool, WaitCause::Rate).await.0 <= told {} };
    soon("the end of the wait", ended).await;
    let (count, total) = waited(&pool, WaitCause::Rate).await;
    assert!(count == told + 1 && total >= millis(100), "{count} took {total:?}");

    // Longer than it may be until the second call.
    let api = Hostile::new(10).on_any(Answer::TooMany("6".into()).times(1)).start();
    let pool = builder(api.url()).workers(1).build().unwrap();
    let first = pool.get("/rows");
    let second = async {
        soon("the first answer", async { while stats(&pool).await.status_4xx == 0 {} }).await;
        pool.get("/rows").await
    };
    let (first, second) = soon("answers", join(first, second)).await;
    assert!(first.is_ok() && second.is_ok());
    let (count, total) = waited(&pool, WaitCause::Hold).await;
    assert!((1..=2).contains(&count) && total >= millis(500), "{count} took {total:?}");
    assert_eq!(waited(&pool, WaitCause::Backoff).await.0, 1);

    let api = Hostile::new(10).start();
    let acquire = || async {
        tokio::time::sleep(millis(100)).await;
        Ok::<_, std::io::Error>("token")
    };
    let pool = builder(api.url()).workers(1);
    let pool = pool.with_auth_callback(1, acquire, |request, _| request).build().unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
    for _ in 0..2 {
        pool.invalidate_token(0).await.unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    let (count, total) = waited(&pool, WaitCause::Token).await;
    assert!(count == 3 && total >= millis(300), "{count} took {total:?}");
    soon("an answer", pool.get("/rows")).await.unwrap();
    assert_eq!(waited(&pool, WaitCause::Token).await.0, 3, "what is at hand is no wait");
}

#[tokio::test]
async fn a_rate_permit_that_is_there_at_once_is_no_wait() {
    let api = Hostile::new(10).start();
    let pool =
        AwwPool::builder(api.url()).rate_limit("0.4".parse().unwrap()).burst(5).build().unwrap();
    for _ in 0..5 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    assert_eq!(waited(&pool, WaitCause::Rate).await.0, 0);
    soon("answers", join_all((0..3).map(|_| pool.get("/rows")))).await;
    let (count, total) = waited(&pool, WaitCause::Rate).await;
    assert!((1..=3).contains(&count) && total > millis(100), "{count} took {total:?}");
}

#[tokio::test]
async fn each_worker_tells_its_latencies() {
    let api = Hostile::new(10).delay(|_| millis(20)).start();
    let pool = builder(api.url()).workers(2).build().unwrap();
    soon("answers", join_all((0..20).map(|_| pool.get("/rows")))).await;
    let now = counted(&pool, 20).await;
    let counts: Vec<_> = now.workers.iter().map(|worker| worker.latency.count()).collect();
    assert_eq!((counts.len(), counts.iter().sum()), (2, 20u64));
    assert!(now.workers.iter().all(|worker| worker.latency.percentile(0.5) >= millis(20)));
}

#[tokio::test]
async fn the_retry_budget_can_be_set_and_what_it_denies_is_counted() {
    let api = Hostile::new(5).on_any(Answer::Status(500)).start();
    let pool = builder(api.url()).workers(1).backoff_base(millis(1));
    let pool = pool.retry_budget(0.0, 0).build().unwrap();
    let calls = soon("answers", join_all((0..40).map(|_| pool.get("/rows")))).await;
    assert!(calls.iter().all(Result::is_err));
    let now = counted(&pool, 50).await;
    // Ten repeats to begin with, and none is earned.
    assert_eq!((now.retries, now.attempts), (10, 50));
    assert!(now.retries_denied >= 30 && now.retries_denied <= 40, "{now}");
    for share in [-0.1, 1.1, f64::NAN] {
        let error = AwwPool::builder(api.url()).retry_budget(share, 1).build().unwrap_err();
        assert!(error.to_string().contains("retry_budget"), "{error}");
    }
}
