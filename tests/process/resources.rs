//! Threads, sockets and memory: what a pool takes, it gives back. The tests
//! measure the whole process, so they run one after the other.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use crate::support::{
    held::{Held, alone, memory},
    hostile::{Hostile, HostileServer},
    raw_server::RawServer,
    soon,
};
use futures::{StreamExt, future::join_all};
use serde::Deserialize;
use vantage_api_pool::{AwwPool, ErrorKind, PaginatedStream, PoolBuilder};

/// A server that has answered once, so that all it holds when idle is there.
async fn warm(api: HostileServer) -> HostileServer {
    let pool = AwwPool::new(1, None, false, api.url());
    soon("an answer", pool.get("/rows?page=1")).await.unwrap();
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    api
}

fn closed_but_for_page_one() -> HostileServer {
    let api = Hostile::new(10).closed().start();
    api.open(1);
    api
}

fn with_tokens(url: String) -> PoolBuilder {
    AwwPool::builder(url).with_auth_callback(
        2,
        || async { Ok::<_, std::io::Error>("token") },
        |request, token| request.header("authorization", token).unwrap(),
    )
}

#[test]
fn a_hundred_pools_in_a_row_leave_no_thread_and_no_socket() {
    alone(async {
        let api = warm(Hostile::new(25).start()).await;
        let before = Held::now();
        for round in 0..100 {
            let pool = with_tokens(api.url()).workers(2).build().unwrap();
            soon("an answer", pool.get("/rows")).await.unwrap();
            let mut stream = PaginatedStream::get(&pool, "/rows");
            soon("an item", stream.next()).await.unwrap().unwrap();
            if round % 2 == 0 {
                soon("the end", pool.shutdown(Duration::ZERO)).await;
            }
        }
        before.is_all_again("after the pools").await;
    });
}

#[test]
fn a_start_that_nobody_waits_for_leaves_no_thread() {
    alone(async {
        let before = Held::now();
        for step in 0..200 {
            let pool = AwwPool::new(1, None, false, "http://localhost:9");
            {
                let mut start = pin!(pool.supervisor());
                let _ = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                // Dropped at every stage of the start, also when the pool is there and was not taken.
                std::thread::sleep(Duration::from_micros(step * 10));
            }
        }
        before.is_all_again("after the starts").await;
    });
}

#[test]
fn a_pool_inside_an_actix_system_gives_back_its_arbiters() {
    alone(async {
        let api = warm(Hostile::new(25).start()).await;
        let url = api.url();
        let application = std::thread::spawn(move || {
            actix::System::new().block_on(async {
                let before = Held::now();
                for round in 0..20 {
                    let pool = with_tokens(url.clone()).workers(2).build().unwrap();
                    soon("an answer", pool.get("/rows")).await.unwrap();
                    if round % 2 == 0 {
                        soon("the end", pool.shutdown(Duration::ZERO)).await;
                    }
                }
                before.is_all_again("while the application runs").await;
            });
        });
        application.join().unwrap();
    });
}

#[test]
fn workers_that_died_leave_no_thread() {
    alone(async {
        let api = warm(Hostile::new(25).start()).await;
        let before = Held::now();
        let pool = AwwPool::builder(api.url())
            .workers(2)
            .with_auth_callback(
                1,
                || async { Ok::<_, std::io::Error>("token") },
                |request, _| {
                    if request.headers().contains_key("x-poison") {
                        actix::Arbiter::current().stop();
                    }
                    request
                },
            )
            .build()
            .unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        let alive = Held::now().threads;
        for _ in 0..5 {
            let poison = vantage_api_pool::Request::get("/rows").header("x-poison", "1").unwrap();
            soon("an error", pool.request(poison)).await.unwrap_err();
        }
        soon("as many threads as before", async {
            while Held::now().threads > alive {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        soon("the end", pool.shutdown(Duration::ZERO)).await;
        before.is_all_again("after the pool").await;
    });
}

#[test]
fn a_thousand_streams_at_once_each_read_every_row_over_a_bounded_number_of_connections() {
    alone(async {
        let api = warm(Hostile::new(45).start()).await;
        let before = Held::now();
        let pool =
            AwwPool::builder(api.url()).workers(2).connections_per_worker(16).build().unwrap();
        let streams = (0..1000).map(|_| {
            let stream = PaginatedStream::get(&pool, "/rows");
            tokio::spawn(stream.map(Result::unwrap).collect::<Vec<_>>())
        });
        for items in soon("all streams", join_all(streams)).await {
            assert_eq!(items.unwrap(), api.rows());
        }
        assert!(api.log(|log| log.max_in_flight) <= 32);
        soon("the end", pool.shutdown(Duration::ZERO)).await;
        before.is_all_again("after the streams").await;
    });
}

#[test]
fn a_shutdown_with_a_hundred_calls_on_the_wire_and_ten_thousand_queued_answers_them_all() {
    alone(async {
        let api = warm(closed_but_for_page_one()).await;
        let before = Held::now();
        let pool =
            AwwPool::builder(api.url()).workers(2).connections_per_worker(50).build().unwrap();
        let calls: Vec<_> = (0..10_100)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.get("/rows?page=2").await })
            })
            .collect();
        api.wait_for("calls on the wire", |log| log.in_flight == 100).await;
        let started = Instant::now();
        soon("the end", pool.shutdown(Duration::from_millis(200))).await;
        let took = started.elapsed();
        assert!(took < Duration::from_millis(2_200), "{took:?}");
        for answer in soon("all answers", join_all(calls)).await {
            assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
        }
        before.is_all_again("after the pool").await;
    });
}

#[derive(Deserialize)]
struct Row {
    id: u64,
}

#[test]
fn faults_31_a_million_items_pass_a_slow_consumer_in_flat_memory() {
    alone(async {
        const PAGES: usize = 100;
        const ROWS: u64 = 10_000;
        let server = RawServer::start(|mut peer| async move {
            while let Some(head) = peer.head().await {
                let page =
                    head.split("page=").nth(1).and_then(|rest| rest.split([' ', '&']).next());
                let page: u64 = page.unwrap().parse().unwrap();
                let first = (page - 1) * ROWS;
                let rows: Vec<_> =
                    (first..first + ROWS).map(|id| format!("{{\"id\":{id}}}")).collect();
                let body = format!(
                    "{{\"data\":[{}],\"pagination\":{{\"total_pages\":{PAGES}}}}}",
                    rows.join(",")
                );
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                peer.write(head.as_bytes()).await;
                peer.write(body.as_bytes()).await;
            }
        });
        let pool = AwwPool::new(2, None, false, server.url());
        let mut stream = PaginatedStream::get(&pool, "/rows").items_as::<Row>().prefetch(4);
        let (mut next, mut pages, mut warm) = (0, 0, 0);
        while let Some(rows) = soon("a page", stream.next_page()).await {
            for row in rows.unwrap() {
                assert_eq!(row.id, next);
                next += 1;
            }
            pages += 1;
            let asked = server.seen().heads.len();
            assert!(asked <= pages + 4, "{asked} pages asked for when {pages} were read");
            tokio::time::sleep(Duration::from_millis(5)).await;
            match pages {
                20 => warm = memory(),
                21.. => {
                    let more = memory().saturating_sub(warm);
                    assert!(more < 16 << 20, "{} MiB more on page {pages}", more >> 20);
                }
                _ => {}
            }
        }
        assert_eq!((pages, next), (PAGES, PAGES as u64 * ROWS));
    });
}
