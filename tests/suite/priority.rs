//! Who is served first of those that wait: by priority, first come first served among
//! equals, and nobody for ever last.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    raw_server::{Peer, RawServer},
    soon,
};
use actix::Arbiter;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use tokio::sync::Semaphore;
use vantage_api_pool::{AwwPool, Error, PaginatedStream, Priority, Request, Response, messages};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// A server that answers when the gate lets it, and a pool with one connection to it that is
/// in use.
struct Busy {
    server: RawServer,
    gate: Arc<Semaphore>,
    pool: AwwPool,
    calls: FuturesUnordered<BoxFuture<'static, Result<Response, Error>>>,
}

impl Busy {
    async fn new(limit: Option<u32>) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let server = RawServer::start({
            let gate = Arc::clone(&gate);
            move |peer| answer(peer, Arc::clone(&gate))
        });
        let mut pool = AwwPool::builder(server.url()).workers(1).connections_per_worker(1);
        // A call that moves because its worker seems to be blocked loses its place.
        pool = pool.heartbeat_timeout(Duration::from_secs(10));
        if let Some(rate) = limit {
            pool = pool.rate_limit(rate.into()).burst(1);
        }
        let pool = pool.build().unwrap();
        // It starts.
        soon("statistics", pool.stats()).await.unwrap();
        let mut busy = Self { server, gate, pool, calls: FuturesUnordered::new() };
        busy.join(Request::get("/first"));
        busy.waiting(1).await;
        busy.server.wait_for(|seen| seen.heads.len() == 1).await;
        busy
    }

    /// Makes a call, which is in the queue when this returns.
    fn join(&mut self, request: Request) {
        let pool = self.pool.clone();
        self.add(async move { pool.request(request).await });
    }

    fn add(&mut self, call: impl Future<Output = Result<Response, Error>> + Send + 'static) {
        self.calls.push(call.boxed());
        let _ = self.calls.next().now_or_never();
    }

    /// Waits until so many calls are under way.
    async fn waiting(&mut self, calls: u64) {
        soon("the calls are in the queue", async {
            while self.pool.stats().await.unwrap().calls_open < calls {
                let _ = self.calls.next().now_or_never();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Lets all go, and returns what was asked for in which order, the first left out.
    async fn order(mut self) -> Vec<String> {
        self.gate.add_permits(Semaphore::MAX_PERMITS >> 1);
        let calls = self.calls.len();
        let all = async { while self.calls.next().await.is_some() {} };
        soon("all answers", all).await;
        let targets =
            self.server.seen().heads.into_iter().map(|(_, head)| {
                head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned()
            });
        let targets: Vec<_> = targets.skip(1).collect();
        assert!(targets.len() + 1 >= calls);
        targets
    }
}

async fn answer(mut peer: Peer, gate: Arc<Semaphore>) {
    while peer.request().await.is_some() {
        gate.acquire().await.unwrap().forget();
        peer.write(OK.as_bytes()).await;
    }
}

fn low(name: impl std::fmt::Display) -> Request {
    Request::get(format!("/{name}")).priority(Priority::Low)
}

fn high(name: &str) -> Request {
    Request::get(format!("/{name}")).priority(Priority::High)
}

#[tokio::test]
async fn accept_62_the_priority_of_a_vantage_scope_decides_the_place_in_the_queue_across_mailboxes()
{
    let mut busy = Busy::new(None).await;
    for n in 0..100 {
        busy.join(low(format!("low-{n}")));
    }
    busy.join(Request::get("/normal"));
    let supervisor = busy.pool.supervisor().await.unwrap();
    let ask = async move {
        let fetch = messages::Fetch::new(Request::get("/essential"));
        supervisor.send(fetch).await.unwrap()
    };
    busy.add(vantage_core::Priority::Essential.scope(ask));
    busy.waiting(103).await;
    let order = busy.order().await;
    assert_eq!(order[..3], ["essential", "normal", "low-0"]);
    let lows = order[2..].iter().enumerate();
    lows.for_each(|(n, name)| assert_eq!(*name, format!("low-{n}"), "first come first served"));
}

#[tokio::test]
async fn what_a_request_says_goes_before_what_the_scope_says() {
    let mut busy = Busy::new(None).await;
    let pool = busy.pool.clone();
    let ask = async move { pool.request(low("low")).await };
    busy.add(vantage_core::Priority::Essential.scope(ask));
    let pool = busy.pool.clone();
    let ask = async move { pool.get("/background").await };
    busy.add(vantage_core::Priority::Background.scope(ask));
    busy.join(high("high"));
    assert_eq!(busy.order().await, ["high", "background", "low"]);
}

#[tokio::test]
async fn the_urgent_cannot_keep_the_others_waiting_for_ever() {
    let mut busy = Busy::new(None).await;
    for n in 0..2 {
        busy.join(low(format!("low-{n}")));
        busy.join(Request::get(format!("/normal-{n}")));
    }
    for _ in 0..60 {
        busy.join(high("high"));
    }
    let order = busy.order().await;
    let at = |name: &str| order.iter().position(|target| target == name).unwrap();
    assert_eq!((at("low-0"), at("normal-0")), (15, 16), "{order:?}");
    assert!(at("low-1") <= 33 && at("normal-1") <= 33, "{order:?}");
}

#[tokio::test]
async fn the_rate_limit_too_is_shared_out_by_priority() {
    let mut busy = Busy::new(Some(50)).await;
    for n in 0..30 {
        busy.join(low(format!("low-{n}")));
    }
    busy.waiting(31).await;
    // One call after the other comes to its worker, and waits there for the limit.
    busy.gate.add_permits(4);
    soon("some are sent", async {
        while busy.server.seen().heads.len() < 3 {
            let _ = busy.calls.next().now_or_never();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let before = busy.server.seen().heads.len();
    busy.join(high("high"));
    let order = busy.order().await;
    let at = order.iter().position(|target| target == "high").unwrap() + 1;
    assert!(at <= before + 4, "the urgent call came as number {at} of {}", order.len());
}

#[tokio::test]
async fn pages_of_a_stream_have_its_priority() {
    let mut busy = Busy::new(None).await;
    for n in 0..20 {
        busy.join(low(format!("low-{n}")));
    }
    let stream = PaginatedStream::get(&busy.pool, "/page").priority(Priority::High);
    let reading = tokio::spawn(async move {
        // What the server sends is not a page.
        assert!(stream.collect::<Vec<_>>().await[0].is_err());
    });
    busy.waiting(22).await;
    let order = busy.order().await;
    assert!(order[0].starts_with("page"), "{order:?}");
    soon("the end of the stream", reading).await.unwrap();
}

#[tokio::test]
async fn a_call_keeps_its_priority_through_a_repeat_and_the_death_of_its_worker() {
    let turns = Arc::new(AtomicUsize::new(0));
    let server = RawServer::start({
        let turns = Arc::clone(&turns);
        move |mut peer| {
            let turns = Arc::clone(&turns);
            async move {
                while let Some(head) = peer.head().await {
                    peer.pause(Duration::from_millis(3)).await;
                    let fails =
                        head.contains("/urgent") && turns.fetch_add(1, Ordering::SeqCst) == 0;
                    let failure = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
                    peer.write(if fails { failure } else { OK }.as_bytes()).await;
                }
            }
        }
    });
    let died = Arc::new(AtomicUsize::new(0));
    let pool = AwwPool::builder(server.url())
        .workers(1)
        .connections_per_worker(1)
        .backoff_base(Duration::from_millis(1))
        // A worker that seems to be blocked would take the callback off its thread.
        .heartbeat_timeout(Duration::from_secs(10))
        .with_auth_callback(
            1,
            || async { Ok::<_, std::io::Error>("token") },
            move |request, _| {
                // The second attempt of the urgent call costs its worker.
                let is_urgent = request.headers().contains_key("x-urgent");
                if is_urgent && died.fetch_add(1, Ordering::SeqCst) == 1 {
                    Arbiter::current().stop();
                }
                request
            },
        )
        .build()
        .unwrap();
    let urgent = pool.request(high("urgent").header("x-urgent", "1").unwrap());
    let mut calls: Vec<Pin<Box<dyn Future<Output = _>>>> = vec![Box::pin(urgent)];
    calls.extend((0..200).map(|n| Box::pin(pool.request(low(n))) as _));
    let answers = soon("all answers", join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let heads = server.seen().heads;
    let at = |(n, (_, head)): (usize, &(usize, String))| head.contains("/urgent").then_some(n);
    let sent: Vec<_> = heads.iter().enumerate().filter_map(at).collect();
    assert!(sent.len() >= 2 && sent.iter().all(|n| *n < 60), "{sent:?} of {}", heads.len());
    assert!(pool.stats().await.unwrap().worker_restarts >= 1);
}
