//! Threads, sockets and memory: what a pool takes, it gives back. The tests
//! measure the whole process, so they run one after the other.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, Mutex, mpsc},
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
use vantage_api_pool::{AwwPool, ErrorKind, PaginatedStream, PoolBuilder, paging::ReadMode};

/// The time for which this process has worked, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

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
                // Dropped at every stage of the start, also when the pool is there and was not
                // taken.
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

/// The threads of Arbiters by their numbers, which tell a new one from one that has yet to end.
fn arbiters() -> BTreeSet<OsString> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_arbiter = |thread: &fs::DirEntry| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.starts_with("actix"))
    };
    threads.filter(is_arbiter).map(|thread| thread.file_name()).collect()
}

async fn no_more_threads_than(before: Held) {
    soon("as many threads as before", async {
        while Held::now().threads > before.threads {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[test]
fn a_thread_that_a_read_has_for_itself_ends_with_the_read_however_that_ends() {
    alone(async {
        let api = warm(Hostile::new(200).start()).await;
        let before = Held::now();
        let pool = AwwPool::builder(api.url()).build().unwrap();
        soon("an answer", pool.get("/rows?page=1")).await.unwrap();
        let idle = arbiters();
        let own = || -> BTreeSet<_> { arbiters().difference(&idle).cloned().collect() };
        let stream =
            || PaginatedStream::get(&pool, "/rows").mode(ReadMode::DedicatedThread).prefetch(2);
        let read: Vec<_> = soon("the rows", stream().collect()).await;
        assert!(read.len() == 200 && read.iter().all(Result::is_ok));
        soon("its thread", async {
            while !own().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;

        let mut streams = [stream(), stream(), stream()];
        for stream in &mut streams {
            soon("a row", stream.next()).await.unwrap().unwrap();
        }
        assert_eq!(own().len(), 3, "{idle:?}");
        let [first, mut second, _third] = streams;
        drop(first);
        soon("the first one's thread", async {
            while own().len() > 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        soon("the end", pool.shutdown(Duration::ZERO)).await;
        let error = soon("an error", async {
            loop {
                match second.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error,
                    None => panic!("the read ended early"),
                }
            }
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::ShuttingDown);
        before.is_all_again("after the pool").await;
    });
}

#[test]
fn workers_that_died_leave_no_thread() {
    alone(async {
        let api = warm(Hostile::new(25).start()).await;
        let before = Held::now();
        let pool = AwwPool::builder(api.url())
            .workers(2)
            // A worker that seems to be blocked would take the callback off its thread.
            .heartbeat_timeout(Duration::from_secs(10))
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
        let alive = Held::now();
        for _ in 0..5 {
            let poison = vantage_api_pool::Request::get("/rows").header("x-poison", "1").unwrap();
            soon("an error", pool.request(poison)).await.unwrap_err();
        }
        no_more_threads_than(alive).await;
        soon("the end", pool.shutdown(Duration::ZERO)).await;
        before.is_all_again("after the pool").await;
    });
}

#[test]
fn workers_that_leave_and_workers_that_were_blocked_leave_no_thread() {
    alone(async {
        let api = warm(Hostile::new(25).start()).await;
        let before = Held::now();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Mutex::new(blocked);
        let blocks_on = Arc::new(Mutex::new(PathBuf::new()));
        let noted = Arc::clone(&blocks_on);
        // Longer than a busy machine holds up a worker.
        let limit = Duration::from_secs(3);
        let pool = AwwPool::builder(api.url())
            .workers(1)
            .heartbeat_timeout(limit)
            .replace_blocked_after(limit)
            .with_auth_callback(
                1,
                || async { Ok::<_, std::io::Error>("token") },
                move |request, _| {
                    if request.headers().contains_key("x-block") {
                        let thread = fs::read_link("/proc/thread-self").unwrap();
                        *noted.lock().unwrap() = Path::new("/proc").join(thread);
                        let _ = blocked.lock().unwrap().recv_timeout(Duration::from_secs(180));
                    }
                    request
                },
            )
            .build()
            .unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        let small = Held::now();
        soon("the resize", pool.resize(8)).await.unwrap();
        assert!(Held::now().threads > small.threads);
        soon("answers", join_all((0..50).map(|_| pool.get("/rows")))).await;
        soon("the resize", pool.resize(1)).await.unwrap();
        no_more_threads_than(small).await;

        let blocks = vantage_api_pool::Request::get("/rows").header("x-block", "1").unwrap();
        soon("an error", pool.request(blocks)).await.unwrap_err();
        soon("an answer of the next worker", pool.get("/rows")).await.unwrap();
        let thread = blocks_on.lock().unwrap().clone();
        assert!(thread.join("comm").exists(), "the blocked thread is left to itself: {thread:?}");
        drop(release);
        no_more_threads_than(small).await;
        soon("the end", pool.shutdown(Duration::ZERO)).await;
        before.is_all_again("after the pool").await;
    });
}

#[test]
fn a_thousand_streams_at_once_each_read_every_row_over_a_bounded_number_of_connections() {
    alone(async {
        let api = warm(Hostile::new(45).start()).await;
        let before = Held::now();
        let pool = AwwPool::builder(api.url()).workers(2).connections_per_worker(16);
        let pool = pool.call_timeout(Duration::from_secs(180)).build().unwrap();
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
fn faults_35_a_shutdown_with_a_hundred_calls_on_the_wire_and_ten_thousand_queued_answers_them_all()
{
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
        soon("the end", pool.shutdown(Duration::from_millis(200))).await;
        for answer in soon("all answers", join_all(calls)).await {
            assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
        }
        before.is_all_again("after the pool").await;
    });
}

#[test]
fn idle_connections_cost_a_few_kilobytes_each_and_no_time() {
    alone(async {
        const MANY: usize = 450;
        let server = RawServer::start(|mut peer| async move {
            while peer.request().await.is_some() {
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        });
        let open = async |count| {
            let builder = AwwPool::builder(server.url()).workers(1).connections_per_worker(count);
            let pool = builder.min_connections(count).build().unwrap();
            soon("the warm-up", pool.warm_up()).await.unwrap();
            soon("an answer", pool.get("/rows")).await.unwrap();
            pool
        };
        let (few, bare) = (open(50).await, memory());
        let many = open(MANY).await;
        // Both ends are in this process; the kernel's part is not in its memory.
        let each = memory().saturating_sub(bare) / MANY;
        assert!(each < 12 * 1024, "{each} bytes for each connection");
        let (before, since) = (cpu_time(), Instant::now());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (spent, idle) = (cpu_time() - before, since.elapsed());
        assert!(spent < idle / 10, "{spent:?} of work while all are idle for {idle:?}");
        drop((few, many));
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
