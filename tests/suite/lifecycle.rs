//! Starts and ends of a pool that do not go as planned: nobody waits for ever, and
//! every error says what is known about delivery.

use std::time::Duration;

use crate::support::{hostile::Hostile, raw_server::RawServer, soon};
use futures::{
    StreamExt,
    future::{join, join_all},
};
use vantage_api_pool::{AwwPool, Delivery, ErrorKind, PaginatedStream, Request, messages};

#[tokio::test]
async fn a_pool_that_was_shut_down_before_its_first_use_stays_shut() {
    let api = Hostile::new(10).start();
    let pool = AwwPool::new(1, None, false, api.url());
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    let error = soon("an answer", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    let mut stream = PaginatedStream::get(&pool, "/rows");
    let error = soon("an answer", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    assert_eq!(api.log(|log| log.connections), 0);
}

#[tokio::test]
async fn a_shutdown_while_the_pool_starts_ends_it() {
    let api = Hostile::new(10).start();
    for _ in 0..20 {
        let pool = AwwPool::new(2, None, false, api.url());
        let (answer, ()) =
            soon("both", join(pool.get("/rows"), pool.shutdown(Duration::from_secs(60)))).await;
        assert!(answer.is_ok_and(|answer| answer.status() == 200), "an accepted call was lost");
        let late = soon("an answer", pool.get("/rows")).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ShuttingDown);
    }
}

#[tokio::test]
async fn a_callback_that_blocks_its_worker_does_not_hold_up_the_end() {
    let api = Hostile::new(10).start();
    let (entered, mut blocked) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let pool = AwwPool::builder(api.url())
        .workers(1)
        .with_auth_callback(
            1,
            || async { Ok::<_, std::io::Error>("token") },
            move |request, _| {
                let _ = entered.send(());
                let _ = released.lock().unwrap().recv_timeout(Duration::from_secs(300));
                request
            },
        )
        .build()
        .unwrap();
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows").await }
    });
    soon("the callback", blocked.recv()).await;
    soon("the end", pool.shutdown(Duration::from_millis(100))).await;
    let error = soon("an answer", call).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    drop(release);
}

#[tokio::test]
async fn accept_53_what_a_shutdown_ends_says_whether_it_was_sent() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let pool = AwwPool::builder(server.url()).workers(1).connections_per_worker(1).build().unwrap();
    let post = || {
        let pool = pool.clone();
        tokio::spawn(async move { pool.request(Request::post("/orders").body("x")).await })
    };
    let sent = post();
    server.wait_for(|seen| seen.heads.len() == 1).await;
    let queued = post();
    let (sent, queued, ()) = soon(
        "all answers",
        futures::future::join3(sent, queued, pool.shutdown(Duration::from_millis(50))),
    )
    .await;
    let delivery = |answer: Result<Result<_, vantage_api_pool::Error>, _>| {
        let error = answer.unwrap().map(drop::<vantage_api_pool::Response>).unwrap_err();
        (error.kind(), error.delivery())
    };
    assert_eq!(delivery(sent), (ErrorKind::ShuttingDown, Delivery::Unknown));
    assert_eq!(delivery(queued), (ErrorKind::ShuttingDown, Delivery::NotSent));
}

#[tokio::test]
async fn several_shutdowns_at_a_time_all_wait_for_the_end() {
    for _ in 0..20 {
        let api = Hostile::new(10).start();
        let pool = AwwPool::new(3, None, false, api.url());
        soon("an answer", pool.get("/rows")).await.unwrap();
        let supervisor = pool.supervisor().await.unwrap();
        let shutdown = async |drain| {
            pool.shutdown(drain).await;
            assert!(!supervisor.connected(), "the pool still lives");
        };
        let drains = [200, 0, 200].map(Duration::from_millis);
        soon("all of them", join_all(drains.map(shutdown))).await;
        soon("one more", pool.shutdown(Duration::ZERO)).await;
    }
}

#[tokio::test]
async fn a_fetch_message_whose_asker_goes_away_is_cancelled() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::new(1, None, false, api.url());
    let supervisor = pool.supervisor().await.unwrap();
    let asked = tokio::spawn(supervisor.send(messages::Fetch::new(Request::get("/rows?page=1"))));
    api.wait_for("the request", |log| log.in_flight == 1).await;
    asked.abort();
    api.wait_for("the abort", |log| log.aborted == 1).await;
}

#[test]
fn a_pool_outlives_the_runtime_that_it_was_first_used_in() {
    let api = Hostile::new(25).start();
    let pool = AwwPool::new(2, None, false, api.url());
    for _ in 0..3 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { soon("an answer", pool.get("/rows")).await }).unwrap();
    }
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let items: Vec<_> =
        without_timers.block_on(PaginatedStream::get(&pool, "/rows").map(Result::unwrap).collect());
    assert_eq!(items, api.rows());
}

#[test]
fn a_pool_that_lives_in_an_actix_system_serves_other_threads_and_runtimes() {
    let api = Hostile::new(25).start();
    let pool = AwwPool::new(2, None, false, api.url());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, started) = std::sync::mpsc::channel();
    let host = std::thread::spawn({
        let pool = pool.clone();
        move || {
            actix::System::new().block_on(async move {
                soon("an answer", pool.get("/rows")).await.unwrap();
                ready.send(()).unwrap();
                let _ = soon("the end of the test", stopped).await;
                soon("the end", pool.shutdown(Duration::from_secs(1))).await;
            });
        }
    });
    started.recv_timeout(Duration::from_secs(60)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let streams = (0..20).map(|_| {
            tokio::spawn(PaginatedStream::get(&pool, "/rows").map(Result::unwrap).collect())
        });
        for items in soon("all streams", join_all(streams)).await {
            let items: Vec<_> = items.unwrap();
            assert_eq!(items, api.rows());
        }
    });
    stop.send(()).unwrap();
    host.join().unwrap();
    let late = futures::executor::block_on(pool.get("/rows")).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn a_stream_keeps_the_pool_alive_and_its_end_lets_it_go() {
    let api = Hostile::new(95).start();
    let pool = AwwPool::new(2, None, false, api.url());
    let supervisor = pool.supervisor().await.unwrap();
    let untouched = PaginatedStream::get(&pool, "/rows");
    let mut begun = PaginatedStream::get(pool, "/rows").prefetch(2);
    let first = soon("the first item", begun.next()).await.unwrap().unwrap();
    let rest: Vec<_> = soon("the rest", begun.map(Result::unwrap).collect()).await;
    assert_eq!([vec![first], rest].concat(), api.rows());
    let items: Vec<_> = soon("all items", untouched.map(Result::unwrap).collect()).await;
    assert_eq!(items, api.rows());
    soon("the pool ends", async {
        while supervisor.connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_is_dropped_while_it_opens_asks_for_little_and_stops() {
    let api = Hostile::new(95).closed().start();
    let pool = AwwPool::new(2, None, false, api.url());
    soon("the start", pool.supervisor()).await.unwrap();
    for _ in 0..100 {
        let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(8);
        assert!(futures::poll!(stream.next()).is_pending());
    }
    // A call behind them all: by its answer, whatever they asked for has been asked for.
    api.open(99);
    soon("an answer", pool.get("/rows?page=99")).await.unwrap();
    api.wait_for("nothing is left", |log| log.in_flight == 0).await;
    assert!(api.log(|log| log.pages().len()) <= 101);
}

#[tokio::test]
async fn a_pool_that_gets_tokens_for_another_one_outlives_it() {
    let api = Hostile::new(10).start();
    let tokens = AwwPool::new(1, None, false, api.url());
    for _ in 0..2 {
        let acquire = {
            let tokens = tokens.clone();
            move || {
                let tokens = tokens.clone();
                async move { tokens.get("/rows/7").await?.text().map(str::to_owned) }
            }
        };
        let apply = |request: Request, token: &str| request.header("x-token", token).unwrap();
        let pool = AwwPool::new(1, None, false, api.url()).with_auth_callback(1, acquire, apply);
        soon("an answer", pool.get("/rows/1")).await.unwrap();
        soon("the end", pool.shutdown(Duration::ZERO)).await;
    }
    soon("an answer", tokens.get("/rows/1")).await.unwrap();
}

/// Runs an actix application until `stop` is sent, with a pool that lives in its System.
fn application(
    pool: &AwwPool,
) -> (std::thread::JoinHandle<()>, tokio::sync::oneshot::Sender<()>, impl Future<Output = ()> + use<>)
{
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, started) = tokio::sync::oneshot::channel();
    let pool = pool.clone();
    let thread = std::thread::spawn(move || {
        let system = actix::System::new();
        system.block_on(async {
            soon("the start", pool.supervisor()).await.unwrap();
            actix_web::rt::spawn(async move {
                let _ = soon("the end of the test", stopped).await;
                actix::System::current().stop();
            });
            ready.send(()).unwrap();
        });
        system.run().unwrap();
    });
    (thread, stop, async move { started.await.unwrap() })
}

#[tokio::test]
async fn faults_36_when_the_application_stops_its_system_every_caller_gets_an_error() {
    for with_tokens in [false, true] {
        let api = Hostile::new(10).closed().start();
        let mut builder = AwwPool::builder(api.url()).workers(2).connections_per_worker(2);
        if with_tokens {
            let acquire = || async { Ok::<_, std::io::Error>("token") };
            builder = builder.with_auth_callback(1, acquire, |request, _| request);
        }
        let pool = builder.build().unwrap();
        let (application, stop, started) = application(&pool);
        soon("the application", started).await;
        let calls: Vec<_> = (0..200)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.get("/rows?page=1").await })
            })
            .collect();
        let mut stream = PaginatedStream::get(&pool, "/rows");
        let reading = tokio::spawn(async move { stream.next().await });
        api.wait_for("calls on the wire", |log| log.in_flight == 4).await;

        stop.send(()).unwrap();
        for answer in soon("all answers", join_all(calls)).await {
            assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
        }
        let item = soon("the stream's answer", reading).await.unwrap();
        assert_eq!(item.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
        soon("the application ends", tokio::task::spawn_blocking(|| application.join().unwrap()))
            .await
            .unwrap();
        let late = [
            soon("an answer", pool.get("/rows")).await.unwrap_err(),
            soon("statistics", pool.stats()).await.unwrap_err(),
            soon("the resize", pool.resize(3)).await.unwrap_err(),
        ];
        assert!(late.iter().all(|error| error.kind() == ErrorKind::ShuttingDown), "{late:?}");
        soon("the end", pool.shutdown(Duration::from_secs(1))).await;
        drop(pool);
    }
}

#[tokio::test]
async fn faults_07_what_panics_while_it_is_dropped_with_its_worker_or_its_pool_aborts_nothing() {
    /// A user's value in a callback's future: its `drop` panics.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a user's drop");
            }
        }
    }
    let api = Hostile::new(10).start();
    for _ in 0..5 {
        // The acquire never ends, so its future is dropped with the thread that it is on.
        let pool = AwwPool::builder(api.url()).workers(2).with_auth_callback(
            1,
            || async {
                let _bomb = Bomb;
                std::future::pending::<Result<&str, std::io::Error>>().await
            },
            |request, _| request,
        );
        let pool = pool.build().unwrap();
        let call = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get("/rows").await }
        });
        let (answer, ()) =
            soon("the end", join(call, pool.shutdown(Duration::from_millis(50)))).await;
        assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    let pool = AwwPool::new(1, None, false, api.url());
    soon("an answer of another pool", pool.get("/rows")).await.unwrap();
}
