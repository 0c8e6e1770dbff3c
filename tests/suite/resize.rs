//! A pool that grows and shrinks while it works: nothing is lost or doubled, and what
//! may be on the wire follows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{hostile::Hostile, raw_server::RawServer, soon};
use futures::future::join_all;
use vantage_api_pool::{AwwPool, ErrorKind, PoolBuilder, Request, messages, stats::Stats};

/// A pool of which no worker seems to be blocked because a busy machine gives it no turn.
fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10))
}

async fn stats(pool: &AwwPool) -> Stats {
    soon("statistics", pool.stats()).await.unwrap()
}

/// The same once `is_so` holds: a worker that has no turn reports later.
async fn stats_once(pool: &AwwPool, is_so: impl Fn(&Stats) -> bool) -> Stats {
    soon("the counts", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if is_so(&stats) {
                return stats;
            }
        }
    })
    .await
}

async fn resize(pool: &AwwPool, workers: usize) {
    soon("the resize", pool.resize(workers)).await.unwrap();
}

/// Answers everything after a moment, and counts how many requests to `/late` it has at a time.
/// The first of them waits for another.
fn counting() -> (RawServer, Arc<AtomicUsize>) {
    let (current, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = RawServer::start(move |mut peer| {
        let (current, most) = (Arc::clone(&current), Arc::clone(&most));
        async move {
            while let Some(head) = peer.head().await {
                let counts = usize::from(head.contains("/late"));
                let now = current.fetch_add(counts, Ordering::SeqCst) + counts;
                most.fetch_max(now, Ordering::SeqCst);
                peer.pause(Duration::from_millis(20)).await;
                while counts > 0 && most.load(Ordering::SeqCst) < 2 {
                    peer.pause(Duration::from_millis(5)).await;
                }
                current.fetch_sub(counts, Ordering::SeqCst);
                if !peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await {
                    return;
                }
            }
        }
    });
    (server, seen)
}

#[tokio::test]
async fn growing_under_load_puts_more_on_the_wire_and_doubles_nothing() {
    let api = Hostile::new(10).closed().start();
    let pool = builder(api.url()).workers(1).connections_per_worker(2).build().unwrap();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    api.wait_for("what one worker may send", |log| log.in_flight == 2).await;
    resize(&pool, 4).await;
    api.wait_for("what four may send", |log| log.in_flight == 8).await;
    let grown = stats(&pool).await;
    assert_eq!((grown.size, grown.serving), (4, 4));
    api.open_all();
    for call in soon("all answers", join_all(calls)).await {
        assert!(call.unwrap().is_ok());
    }
    assert_eq!(api.log(|log| (log.seen.len(), log.max_in_flight, log.aborted)), (40, 8, 0));
    let all = stats_once(&pool, |stats| stats.attempts >= 40).await;
    assert!(all.workers.len() == 4 && all.workers.iter().all(|worker| worker.calls_ok > 0));
}

#[tokio::test]
async fn shrinking_under_load_lets_what_is_on_the_wire_finish_and_then_sends_less() {
    let (server, most) = counting();
    let pool = builder(server.url()).workers(4).connections_per_worker(2).build().unwrap();
    let early: Vec<_> = (0..8).map(|_| tokio::spawn(get(&pool, "/early"))).collect();
    server.wait_for(|seen| seen.heads.len() == 8).await;
    resize(&pool, 1).await;
    let late: Vec<_> = (0..30).map(|_| tokio::spawn(get(&pool, "/late"))).collect();
    for answer in soon("all answers", join_all(early.into_iter().chain(late))).await {
        assert!(answer.unwrap());
    }
    assert_eq!(most.load(Ordering::SeqCst), 2, "one worker with two connections is left");
    assert_eq!(server.seen().heads.len(), 38);
    let shrunk = stats(&pool).await;
    assert_eq!((shrunk.size, shrunk.serving, shrunk.worker_restarts), (1, 1, 0));
    assert_eq!(shrunk.calls_ok, 38, "what the workers that left had counted is kept");
}

fn get(pool: &AwwPool, path: &'static str) -> impl Future<Output = bool> + use<> {
    let pool = pool.clone();
    async move { pool.get(path).await.is_ok() }
}

#[tokio::test]
async fn a_pool_that_changes_its_size_all_the_time_loses_and_doubles_no_post() {
    let (server, _) = counting();
    let pool = builder(server.url()).workers(2).connections_per_worker(8).build().unwrap();
    let posts = join_all((0..1_500).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.request(Request::post("/orders").body("x")).await })
    }));
    let resizes = async {
        for workers in [6, 1, 3, 8, 2, 1, 5, 1] {
            let before = server.seen().heads.len();
            resize(&pool, workers).await;
            server.wait_for(|seen| seen.heads.len() >= (before + 100).min(1_500)).await;
        }
    };
    let (answers, ()) = soon("all answers", futures::future::join(posts, resizes)).await;
    for answer in answers {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(server.seen().heads.len(), 1_500);
    let all = stats_once(&pool, |stats| stats.attempts >= 1_500).await;
    assert_eq!((all.calls_ok, all.attempts, all.size, all.serving), (1_500, 1_500, 1, 1));
}

#[tokio::test]
async fn the_connections_kept_open_are_shared_out_again() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let pool = builder(server.url())
        .workers(2)
        .connections_per_worker(4)
        .min_connections(4)
        .idle_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    assert_eq!(stats(&pool).await.connections_open, 4);
    // Two of the four workers are new, and each has its part: the first ones close theirs.
    resize(&pool, 4).await;
    soon("the warm-up", pool.warm_up()).await.unwrap();
    server.wait_for(|seen| seen.connections == 6 && seen.closed.len() == 2).await;
    // One worker is left, which has them all.
    resize(&pool, 1).await;
    soon("the warm-up", pool.warm_up()).await.unwrap();
    server.wait_for(|seen| seen.connections == 9 && seen.closed.len() == 5).await;
    // The server may see one close before the pool counts it.
    let counted = async { while stats(&pool).await.connections_open != 4 {} };
    soon("four open connections", counted).await;
    assert!(server.seen().heads.is_empty());
}

#[tokio::test]
async fn calls_that_wait_on_a_worker_that_leaves_go_on_elsewhere() {
    let api = Hostile::new(10).start();
    let pool =
        AwwPool::builder(api.url()).workers(4).rate_limit(40.into()).burst(1).build().unwrap();
    let calls: Vec<_> = (0..40).map(|_| tokio::spawn(get(&pool, "/rows"))).collect();
    api.wait_for("a part of them", |log| log.seen.len() >= 5).await;
    resize(&pool, 1).await;
    for answer in soon("all answers", join_all(calls)).await {
        assert!(answer.unwrap());
    }
    assert_eq!(api.log(|log| log.seen.len()), 40);
}

#[tokio::test]
async fn the_queue_follows_the_size() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url())
        .workers(1)
        .connections_per_worker(1)
        .max_queued(1)
        .build()
        .unwrap();
    resize(&pool, 3).await;
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(get(&pool, "/rows?page=1"))).collect();
    api.wait_for("three on the wire", |log| log.in_flight == 3).await;
    // The fourth is in the queue, or on its way there.
    let refused = async {
        loop {
            match tokio::time::timeout(Duration::from_millis(50), pool.get("/rows?page=1")).await {
                Ok(answer) => return answer.unwrap_err().kind(),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(soon("a refusal", refused).await, ErrorKind::QueueFull);
    api.open_all();
    assert!(soon("all answers", join_all(calls)).await.into_iter().all(|answer| answer.unwrap()));
}

#[tokio::test]
async fn a_size_out_of_range_is_refused_and_changes_nothing() {
    let api = Hostile::new(10).start();
    let pool = AwwPool::new(2, None, false, api.url());
    for workers in [0, 1_025, usize::MAX] {
        let error = soon("an answer", pool.resize(workers)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("workers"), "{error}");
    }
    assert_eq!(stats(&pool).await.size, 2);
    let supervisor = pool.supervisor().await.unwrap();
    soon("the message", supervisor.send(messages::Resize::new(5))).await.unwrap().unwrap();
    assert_eq!(stats(&pool).await.size, 5);
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    let late = soon("an answer", pool.resize(3)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ShuttingDown);
}
