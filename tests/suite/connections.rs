//! Connections: which one is used, how many are open, when they close, and how long a
//! call waits for one.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    authority::authority,
    hostile::{Hostile, Log},
    raw_server::{Peer, RawServer, Seen},
    soon,
};
use futures::future::join_all;
use tokio::sync::{Barrier, Notify, Semaphore};
use vantage_api_pool::{AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request, Response};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Far longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A pool whose workers never seem to be blocked: such a one keeps no call that waits, and is
/// passed over by a warm-up.
fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10))
}

fn pool_of(server: &RawServer) -> PoolBuilder {
    builder(server.url()).workers(1)
}

async fn get(pool: &AwwPool) -> Result<Response, Error> {
    soon("an answer", pool.get("/rows")).await
}

async fn open(pool: &AwwPool) -> u64 {
    soon("statistics", pool.stats()).await.unwrap().connections_open
}

/// Waits until so many are open: the server may see one close before the pool counts it.
async fn until_open(pool: &AwwPool, count: u64) {
    let counted = async {
        while open(pool).await != count {
            tokio::time::sleep(millis(5)).await;
        }
    };
    soon(&format!("{count} open connections"), counted).await;
}

async fn answer_all(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.write(OK).await;
    }
}

/// Answers the first request of each connection when `count` connections have asked, so that
/// as many are open at once, and every later one at once.
fn meeting_of(count: usize) -> RawServer {
    let all = Arc::new(Barrier::new(count));
    RawServer::start(move |mut peer| {
        let all = Arc::clone(&all);
        async move {
            peer.request().await;
            all.wait().await;
            peer.write(OK).await;
            answer_all(peer).await;
        }
    })
}

/// Makes `count` calls at once.
async fn burst(pool: &AwwPool, count: usize) {
    let calls = (0..count).map(|_| get(pool));
    join_all(calls).await.into_iter().for_each(|answer| drop(answer.unwrap()));
}

// How many are on the wire

#[tokio::test]
async fn accept_58_the_cap_covers_the_reading_of_bodies() {
    let bodies = Arc::new(Notify::new());
    let held = Arc::clone(&bodies);
    let server = RawServer::start(move |mut peer| {
        let held = Arc::clone(&held);
        async move {
            while peer.request().await.is_some() {
                // The head is there, and the first half of the body.
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
                held.notified().await;
                peer.write(b"k").await;
            }
        }
    });
    let pool = pool_of(&server).connections_per_worker(2).build().unwrap();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { get(&pool).await })
        })
        .collect();
    for answered in 0..6 {
        let sent = (answered + 2).min(6);
        soon("the next request", server.wait_for(|seen| seen.heads.len() >= sent)).await;
        tokio::time::sleep(millis(20)).await;
        assert_eq!(server.seen().heads.len(), sent);
        bodies.notify_one();
    }
    for answer in soon("all answers", join_all(calls)).await {
        assert_eq!(answer.unwrap().unwrap().body(), "ok");
    }
}

// Which one is used

#[tokio::test]
async fn the_connection_used_last_is_used_next_and_the_others_close_unused() {
    let server = meeting_of(8);
    // The minimum keeps one open, however long it is until the next call.
    let pool = pool_of(&server).min_connections(1).idle_timeout(millis(300)).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    let start = Instant::now();
    burst(&pool, 8).await;
    get(&pool).await.unwrap();
    soon("the others close", async {
        while server.seen().closed.len() < 7 {
            get(&pool).await.unwrap();
        }
    })
    .await;
    let Seen { connections, heads, closed } = server.seen();
    assert_eq!((connections, closed.len()), (8, 7));
    let warm = heads[8].0;
    assert!(heads[8..].iter().all(|(number, _)| *number == warm));
    assert!(closed.iter().all(|(number, _)| *number != warm));
    let first = closed.iter().map(|(_, at)| *at - start).min().unwrap();
    assert!(first >= millis(300), "closed after {first:?}");
    until_open(&pool, 1).await;
}

#[tokio::test]
async fn a_connection_that_the_server_means_to_close_is_closed_and_not_used_again() {
    for head in ["HTTP/1.1 200 OK\r\nconnection: x, Close\r\n", "HTTP/1.0 200 OK\r\n"] {
        let server = RawServer::answering(format!("{head}content-length: 2\r\n\r\nok"));
        let pool = pool_of(&server).build().unwrap();
        get(&pool).await.unwrap();
        server.wait_for(|seen| seen.closed.len() == 1).await;
        get(&pool).await.unwrap();
        assert_eq!(server.seen().connections, 2, "{head}");
    }
    let old = "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok";
    let server = RawServer::answering(old);
    let pool = pool_of(&server).build().unwrap();
    get(&pool).await.unwrap();
    get(&pool).await.unwrap();
    assert_eq!(server.seen().connections, 1);
}

#[tokio::test]
async fn a_connection_whose_call_went_away_is_not_used_again() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if head.starts_with("GET /slow") {
                peer.write(&OK[..OK.len() - 1]).await;
            } else {
                peer.write(OK).await;
            }
        }
    });
    let pool = pool_of(&server).build().unwrap();
    get(&pool).await.unwrap();
    tokio::select! {
        _ = pool.get("/slow") => panic!("there was no whole answer"),
        _ = server.wait_for(|seen| seen.heads.len() == 2) => {}
    }
    server.wait_for(|seen| seen.closed.len() == 1).await;
    get(&pool).await.unwrap();
    assert_eq!(server.seen().connections, 2);
}

// How many are open

#[tokio::test]
async fn min_connections_are_open_before_the_first_call() {
    let server = RawServer::start(answer_all);
    let pool = builder(server.url()).workers(2).min_connections(5).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    let seen = server.wait_for(|seen| seen.connections == 5).await;
    assert!(seen.heads.is_empty());
    burst(&pool, 2).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.connections_opened, stats.connections_open), (5, 5), "{stats}");
    assert_eq!(server.seen().connections, 5);
}

#[tokio::test]
async fn calls_beyond_the_connection_limit_take_turns() {
    let server = RawServer::start(answer_all);
    let pool = pool_of(&server).connections_per_worker(1).build().unwrap();
    burst(&pool, 8).await;
    assert_eq!((server.seen().connections, server.seen().heads.len()), (1, 8));
}

#[tokio::test]
async fn calls_that_come_while_the_minimum_is_opened_open_no_connection_beyond_the_maximum() {
    let api = RawServer::start(answer_all);
    let is_up = Arc::new(Semaphore::new(0));
    let (up, address) = (Arc::clone(&is_up), api.address());
    // A proxy, since it can let a connection wait.
    let proxy = RawServer::start(move |mut peer| {
        let up = Arc::clone(&up);
        async move {
            peer.head().await;
            let _ = up.acquire().await;
            peer.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
            peer.tunnel(address).await;
        }
    });
    let pool = builder("http://api.invalid".into()).workers(1).connections_per_worker(4);
    let pool = pool.min_connections(4).connect_timeout(LONG).proxy(proxy.url()).build().unwrap();
    soon("the start", pool.stats()).await.unwrap();
    proxy.wait_for(|seen| seen.heads.len() == 4).await;
    let calls = tokio::spawn({
        let pool = pool.clone();
        async move { burst(&pool, 8).await }
    });
    // Far longer than it takes for the calls to come to where they open connections.
    tokio::time::sleep(millis(200)).await;
    assert_eq!(proxy.seen().connections, 4);
    is_up.close();
    soon("the calls", calls).await.unwrap();
    assert_eq!((proxy.seen().connections, api.seen().heads.len()), (4, 8));
}

#[tokio::test]
async fn the_first_calls_and_the_minimum_never_open_more_than_the_maximum() {
    for _ in 0..20 {
        let (current, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let server = RawServer::start(move |peer| {
            most.fetch_max(current.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let current = Arc::clone(&current);
            async move {
                answer_all(peer).await;
                current.fetch_sub(1, Ordering::SeqCst);
            }
        });
        let pool = pool_of(&server).connections_per_worker(6).min_connections(6).build().unwrap();
        burst(&pool, 30).await;
        soon("the warm-up", pool.warm_up()).await.unwrap();
        // The server may see a connection after the pool has it.
        soon("six connections", async {
            while seen.load(Ordering::SeqCst) < 6 {
                tokio::time::sleep(millis(5)).await;
            }
        })
        .await;
        assert_eq!((seen.load(Ordering::SeqCst), open(&pool).await), (6, 6));
    }
}

#[tokio::test]
async fn a_call_that_waits_for_a_connection_of_the_minimum_hears_why_none_opens() {
    let proxy = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.pause(millis(100)).await;
        peer.write(b"HTTP/1.1 503 Not yet\r\n\r\n").await;
        peer.closed().await;
    });
    let pool = AwwPool::builder("http://api.invalid").workers(1).connections_per_worker(2);
    let pool = pool.min_connections(2).max_attempts(1).proxy(proxy.url()).build().unwrap();
    soon("the start", pool.stats()).await.unwrap();
    proxy.wait_for(|seen| seen.heads.len() >= 2).await;
    for error in join_all([get(&pool), get(&pool)]).await {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Connect);
    }
}

#[tokio::test]
async fn without_min_connections_none_is_opened_before_a_call() {
    let server = RawServer::start(answer_all);
    let pool = pool_of(&server).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    assert_eq!((open(&pool).await, server.seen().connections), (0, 0));
}

#[tokio::test]
async fn a_warm_connection_in_tls_serves_the_first_call() {
    let (pem, config) = authority("localhost");
    let server = RawServer::start_tls(config, answer_all);
    let pool = builder(format!("https://localhost:{}", server.address().port()))
        .workers(1)
        .min_connections(1)
        .connect_timeout(LONG)
        .root_certificate(pem)
        .build()
        .unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    // The server's session tickets come now; they are no reason to drop the connection.
    tokio::time::sleep(millis(1_200)).await;
    get(&pool).await.unwrap();
    get(&pool).await.unwrap();
    assert_eq!(server.seen().connections, 1);
}

#[tokio::test]
async fn idle_timeout_closes_connections_down_to_the_minimum() {
    let server = meeting_of(6);
    let pool = pool_of(&server).min_connections(2).idle_timeout(millis(100)).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    burst(&pool, 6).await;
    server.wait_for(|seen| seen.closed.len() == 4).await;
    // Several times as long as it takes for an unused connection to close.
    tokio::time::sleep(millis(500)).await;
    assert_eq!(server.seen().closed.len(), 4);
    until_open(&pool, 2).await;
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_closed_without_a_call() {
    let (pem, config) = authority("localhost");
    let script = |mut peer: Peer| async move {
        peer.request().await;
        peer.write(OK).await;
        peer.finish().await;
        peer.closed().await;
    };
    let (plain, tls) = (RawServer::start(script), RawServer::start_tls(config, script));
    let secure = format!("https://localhost:{}", tls.address().port());
    for (server, base) in [(&plain, plain.url()), (&tls, secure)] {
        let pool = AwwPool::builder(base).idle_timeout(LONG).root_certificate(pem.clone());
        let pool = pool.build().unwrap();
        get(&pool).await.unwrap();
        server.wait_for(|seen| seen.closed.len() == 1).await;
        until_open(&pool, 0).await;
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_is_replaced_in_the_background() {
    let die = Arc::new(Notify::new());
    let server = RawServer::start({
        let die = Arc::clone(&die);
        move |peer| {
            let die = Arc::clone(&die);
            async move {
                if peer.number() == 0 {
                    die.notified().await;
                    return;
                }
                answer_all(peer).await;
            }
        }
    });
    let pool = pool_of(&server).min_connections(1).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    die.notify_one();
    server.wait_for(|seen| seen.connections == 2).await;
    get(&pool).await.unwrap();
    assert!(server.seen().heads[0].0 >= 1);
}

#[tokio::test]
async fn a_kept_connection_is_replaced_at_the_end_of_its_lifetime() {
    let server = RawServer::start(answer_all);
    let pool = pool_of(&server).min_connections(1).max_lifetime(millis(100)).build().unwrap();
    soon("the warm-up", pool.warm_up()).await.unwrap();
    server.wait_for(|seen| seen.connections >= 3 && seen.closed.len() >= 2).await;
    assert!(server.seen().heads.is_empty());
}

#[tokio::test]
async fn a_minimum_that_cannot_be_reached_is_tried_for_less_and_less_often_until_it_can() {
    let is_up = Arc::new(AtomicBool::new(false));
    let api = RawServer::start(answer_all);
    let (up, address) = (Arc::clone(&is_up), api.address());
    let refused_at: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let refused = Arc::clone(&refused_at);
    // A proxy, since it sees each attempt.
    let proxy = RawServer::start(move |mut peer| {
        let (is_up, refused) = (up.load(Ordering::Relaxed), Arc::clone(&refused));
        async move {
            peer.head().await;
            // Before the pool knows, so that no wait of the pool looks shorter than it is.
            refused.lock().unwrap().push(Instant::now());
            if is_up {
                peer.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
                peer.tunnel(address).await;
            } else {
                peer.write(b"HTTP/1.1 503 Not yet\r\n\r\n").await;
                peer.closed().await;
            }
        }
    });
    let pool = builder("http://api.invalid".into()).workers(1).min_connections(1);
    let pool = pool.connect_timeout(LONG).proxy(proxy.url()).build().unwrap();
    soon("the start", pool.stats()).await.unwrap();
    soon("five attempts", async {
        while refused_at.lock().unwrap().len() < 5 {
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
    let gaps: Vec<_> = refused_at.lock().unwrap().windows(2).map(|two| two[1] - two[0]).collect();
    for (gap, least) in gaps.iter().zip([50, 100, 200, 400]) {
        assert!(*gap >= millis(least - 10), "{gaps:?}");
    }
    let error = soon("an error", pool.warm_up()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    is_up.store(true, Ordering::Relaxed);
    api.wait_for(|seen| seen.connections >= 1).await;
    soon("the warm-up", pool.warm_up()).await.unwrap();
}

#[test]
fn a_minimum_that_makes_no_sense_is_a_config_error() {
    let pool = || AwwPool::builder("http://localhost").workers(2).connections_per_worker(3);
    pool().min_connections(6).build().unwrap();
    for bad in [pool().min_connections(7), pool().min_connections(1).max_lifetime(Duration::ZERO)] {
        let error = bad.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("min_connections: "), "{error}");
    }
}

// How long a call waits for one

#[tokio::test]
async fn queue_timeout_bounds_the_wait_for_a_connection_and_nothing_else() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1);
    let pool = pool.queue_timeout(millis(200)).build().unwrap();
    let busy = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=1").await }
    });
    api.wait_for("the first request", |log| log.in_flight == 1).await;
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::PoolTimeout, Delivery::NotSent));
    assert!(error.to_string().contains("queue_timeout"), "{error}");
    assert!(error.elapsed() >= millis(200), "{error}");
    // A request may be more patient than the pool.
    let patient = tokio::spawn({
        let pool = pool.clone();
        async move { pool.request(Request::get("/rows?page=1").queue_timeout(LONG)).await }
    });
    get(&pool).await.unwrap_err();
    // The first call has been under way for longer than the queue timeout, but did not wait.
    api.open_all();
    soon("the first answer", busy).await.unwrap().unwrap();
    soon("the patient answer", patient).await.unwrap().unwrap();
}

/// Many waits end at about the moment at which the connection is free for them.
#[tokio::test]
async fn what_is_said_not_to_be_sent_was_not_sent_and_is_not_sent_later() {
    let server = RawServer::start(|mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(millis(4)).await;
            peer.write(OK).await;
        }
    });
    let pool = AwwPool::builder(server.url()).workers(1).connections_per_worker(1);
    let pool = pool.max_attempts(1).build().unwrap();
    let calls = (0..400_u64).map(|n| {
        let request = Request::post(format!("/rows/{n}")).body("x");
        let limit = millis(5 * (1 + n % 20));
        let request =
            if n % 2 == 0 { request.queue_timeout(limit) } else { request.timeout(limit) };
        pool.request(request)
    });
    let answers = soon("all answers", join_all(calls)).await;
    // A call after them, with which all are through that were to be sent.
    soon("a last answer", pool.get("/last")).await.unwrap();
    let heads = server.seen().heads;
    for (n, answer) in answers.iter().enumerate() {
        let path = format!("/rows/{n} ");
        let sent = heads.iter().filter(|(_, head)| head.contains(&path)).count();
        match answer {
            Err(error) if error.delivery() == Delivery::NotSent => assert_eq!(sent, 0, "{n}"),
            Err(_) => assert!(sent <= 1, "{n}: {answer:?}"),
            Ok(_) => assert_eq!(sent, 1, "{n}"),
        }
    }
}

#[tokio::test]
async fn a_try_is_exhausted_at_once_and_never_overtakes_a_patient_call() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1).build().unwrap();
    let patient = |page: u64| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.get(format!("/rows?page={page}")).await })
    };
    let first = patient(1);
    api.wait_for("the first request", |log| log.in_flight == 1).await;
    for _ in 0..100 {
        let error = soon("an error", pool.try_get("/rows?page=9")).await.unwrap_err();
        assert_eq!((error.kind(), error.kind_name()), (ErrorKind::PoolTimeout, "pool_timeout"));
        assert_eq!((error.delivery(), error.attempts()), (Delivery::NotSent, 0));
        assert!(error.is_retryable(), "{error}");
    }
    let second = patient(2);
    api.open(1);
    soon("the first answer", first).await.unwrap().unwrap();
    api.wait_for("the second request", |log| log.in_flight == 1).await;
    soon("an error", pool.try_request(Request::get("/rows?page=9"))).await.unwrap_err();
    api.open(2);
    soon("the second answer", second).await.unwrap().unwrap();
    api.open(3);
    // The answer is there a moment before its connection is free again.
    soon("a try that goes through", async {
        while pool.try_get("/rows?page=3").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(api.log(Log::pages), [1, 2, 3]);
}

#[tokio::test]
async fn a_try_that_would_have_to_wait_for_its_repeat_says_why_it_failed_before() {
    let queued = Arc::new(Notify::new());
    let server = RawServer::start({
        let queued = Arc::clone(&queued);
        move |mut peer| {
            let queued = Arc::clone(&queued);
            async move {
                while let Some(head) = peer.head().await {
                    if head.starts_with("GET /try") {
                        queued.notified().await;
                        peer.write(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
                    }
                }
            }
        }
    });
    let pool = pool_of(&server).connections_per_worker(1).backoff_base(millis(1)).build().unwrap();
    let trying = tokio::spawn({
        let pool = pool.clone();
        async move { pool.try_get("/try").await }
    });
    server.wait_for(|seen| seen.heads.len() == 1).await;
    let mut patient = Box::pin(pool.get("/held"));
    // Polled once, the patient call is in the queue.
    assert!(futures::poll!(&mut patient).is_pending());
    queued.notify_one();
    let error = soon("an error", trying).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::PoolTimeout, 503));
    assert!(error.source().unwrap().to_string().contains("status: "), "{error:?}");
}

// What their sockets are set to

/// The keep-alive timers of the client's sockets to `server`: when each is due, in seconds.
#[cfg(target_os = "linux")]
fn keepalive_timers(server: &RawServer) -> Vec<f64> {
    let port = format!(":{:04X}", server.address().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    // remote address, state, and timer:when in hundredths of a second
    rows.filter(|row| row[2].ends_with(&port) && row[3] == "01")
        .filter_map(|row| row[5].strip_prefix("02:"))
        .map(|when| u32::from_str_radix(when, 16).unwrap().into())
        .map(|hundredths: f64| hundredths / 100.0)
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn tcp_keepalive_is_when_an_unused_connection_is_probed() {
    let server = RawServer::start(answer_all);
    let probed = async |pool: PoolBuilder| {
        let pool = pool.min_connections(1).idle_timeout(LONG).build().unwrap();
        soon("the warm-up", pool.warm_up()).await.unwrap();
        keepalive_timers(&server)
    };
    assert_eq!(probed(pool_of(&server)).await, [0.0; 0]);
    let timers = probed(pool_of(&server).tcp_keepalive(Duration::from_secs(77))).await;
    assert!(matches!(timers[..], [due] if (60.0..=77.5).contains(&due)), "{timers:?}");
}

#[test]
fn keepalive_settings_that_a_system_cannot_have_are_config_errors() {
    let second = Duration::from_secs(1);
    let pool = || AwwPool::builder("http://localhost");
    let alive = || pool().tcp_keepalive(second);
    alive().tcp_keepalive_interval(second).tcp_keepalive_retries(127).build().unwrap();
    for (bad, names) in [
        (pool().tcp_keepalive(millis(999)), "tcp_keepalive: "),
        (pool().tcp_keepalive(second * 32_768), "tcp_keepalive: "),
        (alive().tcp_keepalive_interval(Duration::ZERO), "tcp_keepalive_interval: "),
        (alive().tcp_keepalive_retries(0), "tcp_keepalive_retries: "),
        (alive().tcp_keepalive_retries(128), "tcp_keepalive_retries: "),
        (pool().tcp_keepalive_interval(second), "tcp_keepalive_interval: "),
        (pool().tcp_keepalive_retries(1), "tcp_keepalive_retries: "),
        (pool().queue_timeout(Duration::ZERO), "queue_timeout: "),
    ] {
        let error = bad.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(names), "{error}");
    }
}
