//! Workers that die, in every way a user's callback can make them die: no call is
//! lost, none is doubled, none hangs, and the pool repairs itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    hostile::{Hostile, Log},
    raw_server::RawServer,
    soon,
};
use futures::{StreamExt, future::join_all};
use vantage_api_pool::{
    AwwPool, Delivery, Error, ErrorKind, PaginatedStream, PoolBuilder, Request, messages,
};

/// A pool whose workers die when `should_die` says so about a request. The token
/// callback runs on the worker, so it can stop the worker's Arbiter from within. After a worker
/// that seems to be blocked it would not, and on a busy machine each does.
fn mortal(
    url: String,
    should_die: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> PoolBuilder {
    let builder = AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10));
    builder.backoff_base(Duration::from_millis(1)).with_auth_callback(
        1,
        || async { Ok::<_, std::io::Error>("token") },
        move |request, _| {
            if should_die(&request) {
                actix::Arbiter::current().stop();
            }
            request
        },
    )
}

fn is_marked(request: &Request) -> bool {
    request.headers().contains_key("x-poison")
}

async fn restarts(pool: &AwwPool) -> u64 {
    soon("statistics", pool.stats()).await.unwrap().worker_restarts
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_worker_is_replaced_and_serves_again() {
    let api = Hostile::new(10).start();
    let deaths = Arc::new(AtomicUsize::new(1));
    let left = Arc::clone(&deaths);
    let once = move |_: &Request| {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    };
    let pool = mortal(api.url(), once).workers(1).build().unwrap();
    assert!(soon("the first answer", pool.get("/rows")).await.is_ok());
    assert!(soon("the second answer", pool.get("/rows")).await.is_ok());
    assert_eq!(restarts(&pool).await, 1);
}

#[tokio::test]
async fn faults_03_workers_that_die_again_and_again_under_load_lose_and_double_nothing() {
    let api = Hostile::new(10).start();
    let calls = AtomicUsize::new(0);
    let every_hundredth = move |_: &Request| calls.fetch_add(1, Ordering::Relaxed) % 100 == 99;
    let pool = mortal(api.url(), every_hundredth).workers(3).build().unwrap();
    let answers = soon("all answers", join_all((0..3000).map(|_| pool.get("/rows")))).await;
    let failed: Vec<&Error> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert!(restarts(&pool).await >= 20);
    until("every call is counted", async || pool.stats().await.unwrap().calls_ok == 3000).await;
}

#[tokio::test]
async fn faults_02_a_call_that_always_kills_its_worker_ends_with_worker_crashed_and_the_pool_lives()
{
    let api = Hostile::new(10).start();
    let pool = mortal(api.url(), is_marked).workers(2).build().unwrap();
    let poison = pool.request(Request::get("/rows").header("x-poison", "1").unwrap());
    let error = soon("an answer", poison).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WorkerCrashed);
    let answers = soon("healthy answers", join_all((0..50).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn faults_44_a_post_on_the_wire_when_its_worker_dies_is_not_sent_again() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let pool = mortal(server.url(), is_marked).workers(1).build().unwrap();
    let post = tokio::spawn({
        let pool = pool.clone();
        async move { pool.request(Request::post("/orders").body("x")).await }
    });
    server.wait_for(|seen| seen.heads.len() == 1).await;
    let killer = pool.request(Request::get("/rows").header("x-poison", "1").unwrap());
    let (error, _) = soon("both answers", futures::future::join(post, killer)).await;
    let error = error.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::WorkerCrashed, Delivery::Unknown),
        "{error}"
    );
    let posts = server.seen().heads.iter().filter(|(_, head)| head.starts_with("POST")).count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn faults_01_a_get_on_the_wire_when_its_worker_dies_is_sent_again() {
    let api = Hostile::new(10).closed().start();
    let deaths = AtomicUsize::new(0);
    let first_marked =
        move |request: &Request| is_marked(request) && deaths.fetch_add(1, Ordering::SeqCst) == 0;
    let pool = mortal(api.url(), first_marked).workers(1).build().unwrap();
    let get = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows?page=1").await }
    });
    api.wait_for("the request", |log| log.in_flight == 1).await;
    let killer = tokio::spawn({
        let pool = pool.clone();
        async move { pool.request(Request::get("/rows").header("x-poison", "1").unwrap()).await }
    });
    api.wait_for("the request again", |log| log.to("/rows").len() >= 3).await;
    api.open_all();
    let (get, killer) = soon("both answers", futures::future::join(get, killer)).await;
    assert!(get.unwrap().is_ok());
    assert!(killer.unwrap().is_ok());
}

#[tokio::test]
async fn a_stream_survives_the_death_of_workers() {
    let api = Hostile::new(500).start();
    let calls = AtomicUsize::new(0);
    let every_seventh = move |_: &Request| calls.fetch_add(1, Ordering::Relaxed) % 7 == 6;
    let pool = mortal(api.url(), every_seventh).workers(2).build().unwrap();
    let stream = PaginatedStream::get(&pool, "/rows").prefetch(8);
    let items: Vec<_> = soon("the end", stream.map(Result::unwrap).collect()).await;
    assert_eq!(items, api.rows());
}

#[tokio::test]
async fn pages_that_have_come_are_not_asked_for_again_when_the_pager_dies_with_its_worker() {
    let api = Hostile::new(200).start();
    let pool = mortal(api.url(), is_marked).workers(1).build().unwrap();
    let mut rows = PaginatedStream::get(&pool, "/rows").prefetch(4);
    let mut read = Vec::new();
    while let Some(row) = soon("a row", rows.next()).await {
        read.push(row.unwrap());
        if read.len() % 100 == 1 {
            // All that the window allows has come and waits.
            let pages = (read.len().div_ceil(10) as u64 + 3).min(20);
            let answered = async || pool.stats().await.unwrap().calls_ok >= pages;
            until("the pages ahead", answered).await;
            let marked = Request::get("/rows/1").header("x-poison", "1").unwrap();
            soon("the death", pool.request(marked)).await.unwrap_err();
        }
    }
    assert_eq!(read, api.rows());
    assert!(restarts(&pool).await >= 2);
    let mut pages = api.log(Log::pages);
    pages.sort_unstable();
    assert_eq!(pages, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_06_when_the_supervisor_goes_every_waiter_gets_an_error_and_later_calls_too() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(2).connections_per_worker(2).build().unwrap();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    let mut stream = PaginatedStream::get(&pool, "/rows");
    let reading = tokio::spawn(async move { stream.next().await });
    api.wait_for("calls on the wire", |log| log.in_flight == 4).await;

    // The supervisor's mailbox runs this on its thread: its Arbiter goes, and it with it.
    let supervisor = pool.supervisor().await.unwrap();
    supervisor.do_send(messages::Shutdown::new(Duration::ZERO));
    for answer in soon("all answers", join_all(waiting)).await {
        assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    let item = soon("the stream's answer", reading).await.unwrap();
    assert_eq!(item.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
    let late = soon("an answer", pool.get("/rows")).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn after_a_storm_of_deaths_all_workers_are_back() {
    let api = Hostile::new(10).start();
    let pool = mortal(api.url(), is_marked).workers(3).build().unwrap();
    let poison = || pool.request(Request::get("/rows").header("x-poison", "1").unwrap());
    soon("all poison ends", join_all((0..10).map(|_| poison()))).await;
    until("three workers serve", async || {
        join_all((0..60).map(|_| pool.get("/rows"))).await;
        let before = pool.stats().await.unwrap();
        join_all((0..60).map(|_| pool.get("/rows"))).await;
        let since = pool.stats().await.unwrap().difference(&before);
        since.workers.iter().filter(|worker| worker.calls_ok > 0).count() == 3
    })
    .await;
}

/// A pool of one worker, which dies of every call as long as the flag is set.
fn doomed(url: String) -> (PoolBuilder, Arc<AtomicBool>) {
    let deadly = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&deadly);
    (mortal(url, move |_| flag.load(Ordering::SeqCst)).workers(1), deadly)
}

#[tokio::test]
async fn when_no_worker_can_live_waiting_and_later_calls_fail_at_once_until_a_resize() {
    let api = Hostile::new(10).start();
    let (pool, deadly) = doomed(api.url());
    let pool = pool.connections_per_worker(1).restart_intensity(3).build().unwrap();
    let answers = soon("all answers", join_all((0..50).map(|_| pool.get("/rows")))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoWorkers, "{error}");
        assert!(!error.is_retryable());
    }
    let mut stream = PaginatedStream::get(&pool, "/rows");
    let error = soon("the stream's answer", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoWorkers);
    let given_up = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((given_up.size, given_up.serving, given_up.worker_restarts), (1, 0, 3));

    deadly.store(false, Ordering::SeqCst);
    assert_eq!(
        soon("an answer", pool.get("/rows")).await.unwrap_err().kind(),
        ErrorKind::NoWorkers
    );
    soon("the resize", pool.resize(1)).await.unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
}

#[tokio::test]
async fn deaths_that_are_further_apart_than_the_restart_period_are_not_too_many() {
    for (period, expected) in [
        (Duration::from_millis(40), ErrorKind::WorkerCrashed),
        (Duration::from_secs(60), ErrorKind::NoWorkers),
    ] {
        let api = Hostile::new(10).start();
        let slow_death = |_: &Request| {
            std::thread::sleep(Duration::from_millis(60));
            true
        };
        let pool = mortal(api.url(), slow_death).workers(1).restart_intensity(2);
        let pool = pool.restart_period(period).build().unwrap();
        let error = soon("an answer", pool.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{period:?}");
    }
}

#[tokio::test]
async fn a_worker_that_did_some_work_before_it_died_is_replaced_however_often() {
    let api = Hostile::new(10).start();
    let calls = AtomicUsize::new(0);
    // Every worker answers one call and dies of the next one.
    let every_second = move |_: &Request| calls.fetch_add(1, Ordering::SeqCst) % 2 == 1;
    let pool = mortal(api.url(), every_second).workers(1).restart_intensity(0).build().unwrap();
    for _ in 0..10 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    assert_eq!(restarts(&pool).await, 9);
}

#[tokio::test]
async fn one_slot_that_is_given_up_leaves_the_others_at_work() {
    let api = Hostile::new(10).start();
    let deaths = AtomicUsize::new(0);
    let first = move |_: &Request| deaths.fetch_add(1, Ordering::SeqCst) == 0;
    let pool = mortal(api.url(), first).workers(2).restart_intensity(0).build().unwrap();
    let answers = soon("answers", join_all((0..20).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.size, stats.serving, stats.worker_restarts), (2, 1, 0));
}

/// A pool of two workers whose token comes from `acquire`, which is told how often it
/// was called before. On a busy machine no call moves from one worker to the other.
fn with_acquire<F>(url: String, acquire: impl Fn(usize) -> F + Send + Sync + 'static) -> PoolBuilder
where
    F: Future<Output = Result<&'static str, std::io::Error>> + 'static,
{
    let acquired = AtomicUsize::new(0);
    let builder = AwwPool::builder(url).workers(2).heartbeat_timeout(Duration::from_secs(10));
    builder.with_auth_callback(
        1,
        move || acquire(acquired.fetch_add(1, Ordering::SeqCst)),
        |request, token| request.header("x-token", token).unwrap(),
    )
}

#[tokio::test]
async fn when_the_thread_of_the_tokens_dies_those_who_wait_get_one_from_its_successor() {
    let api = Hostile::new(10).start();
    let pool = with_acquire(api.url(), |before| async move {
        if before == 0 {
            actix::Arbiter::current().stop();
            std::future::pending::<()>().await;
        }
        Ok("second")
    });
    let pool = pool.build().unwrap();
    let answers = soon("all answers", join_all((0..100).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(api.log(|log| log.seen.iter().all(|seen| seen.header("x-token") == Some("second"))));
    assert_eq!(soon("statistics", pool.stats()).await.unwrap().token_refreshes, 1);
}

#[tokio::test]
async fn an_acquire_that_always_kills_its_thread_is_an_error_of_kind_token_and_then_final() {
    let api = Hostile::new(10).start();
    let acquired = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&acquired);
    let pool = with_acquire(api.url(), move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        actix::Arbiter::current().stop();
        std::future::pending()
    });
    let pool = pool.restart_intensity(3).build().unwrap();
    for deaths in [2, 4, 4] {
        let error = soon("an answer", pool.get("/rows")).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Token, Delivery::NotSent));
        assert_eq!(acquired.load(Ordering::SeqCst), deaths);
    }
    assert_eq!(api.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn an_acquire_that_blocks_its_thread_is_an_error_within_its_limit_and_another_thread_follows()
{
    let api = Hostile::new(10).start();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let pool = with_acquire(api.url(), move |before| {
        if before == 0 {
            let _ = blocked.lock().unwrap().recv_timeout(Duration::from_secs(300));
        }
        std::future::ready(Ok(if before == 0 { "late" } else { "token" }))
    });
    let limit = Duration::from_millis(400);
    let pool = pool.acquire_timeout(limit).heartbeat_timeout(limit).build().unwrap();
    let began = Instant::now();
    let answers = soon("all answers", join_all((0..20).map(|_| pool.get("/rows")))).await;
    assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
    // A call that a busy machine held up may find the other thread.
    let errors: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| error.kind() == ErrorKind::Token));
    // So short a limit may be too short for that one too.
    until("a token of another thread", async || pool.get("/rows").await.is_ok()).await;
    // The late token goes nowhere.
    drop(release);
    until("an answer", async || pool.get("/rows").await.is_ok()).await;
    assert!(api.log(|log| log.seen.iter().all(|seen| seen.header("x-token") == Some("token"))));
}
