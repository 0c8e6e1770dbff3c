//! The handle: where it runs, what it refuses, how it queues, counts and ends.

use std::{sync::Arc, time::Duration};

use crate::support::{
    hostile::Hostile,
    mock::{self, numbered, refusal},
    soon,
};
use futures::{StreamExt, future::join_all};
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Request,
    messages::{Fetch, GetStats, OpenStream, Shutdown},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_json, header, method, path, query_param},
};

/// So many rows at `/rows`, and each at its id below.
async fn serving(rows: u64) -> MockServer {
    let api = mock::serving(rows).await;
    for row in numbered(0..rows) {
        let place = format!("/rows/{}", row["id"]);
        let answer = ResponseTemplate::new(200).set_body_json(row);
        Mock::given(path(place)).respond_with(answer).mount(&api).await;
    }
    api
}

#[tokio::test]
async fn a_call_returns_status_headers_and_body() {
    let api = serving(10).await;
    let pool = AwwPool::new(3, None, false, api.uri());
    let response = soon("an answer", pool.get("/rows/7")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
    assert_eq!(response.json::<serde_json::Value>().unwrap()["id"], 7);
    assert!(response.text().unwrap().contains("row 7"));
}

#[tokio::test]
async fn query_headers_and_default_headers_reach_the_server() {
    let api = mock::server().await;
    Mock::given(method("GET"))
        .and(path("/rows"))
        .and(query_param("b", "ä & ö"))
        .and(header("x-tenant", "blue"))
        .and(header("x-own", "1"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&api)
        .await;
    let pool = AwwPool::builder(api.uri()).default_header("x-tenant", "blue").build().unwrap();
    let request = Request::get("/rows?a=1")
        .query(&[("b", "ä & ö"), ("c", "")])
        .unwrap()
        .header("x-own", "1")
        .unwrap();
    soon("an answer", pool.request(request)).await.unwrap();
    let seen = mock::last(&api).await;
    let query = [("a", "1"), ("b", "ä & ö"), ("c", "")];
    assert_eq!(mock::query(&seen), query.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(mock::header(&seen, "user-agent").unwrap().starts_with("vantage-api-pool/"));
    assert_eq!(mock::header(&seen, "content-length"), None);
}

#[tokio::test]
async fn a_body_is_sent_as_json() {
    let api = mock::server().await;
    let pool = AwwPool::new(1, None, false, api.uri());
    for request in [Request::post("/rows"), Request::put("/rows/1"), Request::patch("/rows/1")] {
        Mock::given(method(request.method().as_str()))
            .and(header("content-type", "application/json"))
            .and(body_json(["tea"]))
            .respond_with(ResponseTemplate::new(200))
            .expect(1)
            .mount(&api)
            .await;
        let response = soon("an answer", pool.request(request.json(&["tea"]).unwrap())).await;
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!(mock::last(&api).await.body, br#"["tea"]"#);
    }
}

#[tokio::test]
async fn a_bad_setting_is_the_error_of_the_first_use_and_names_itself() {
    for (pool, named) in [
        (AwwPool::new(0, None, false, "http://localhost"), "workers"),
        (AwwPool::new(1, Some((-1).into()), false, "http://localhost"), "rate_limit"),
        (AwwPool::new(1, None, false, "http://localhost:99999"), "base_url"),
        (AwwPool::new(1, None, false, "ftp://localhost"), "base_url"),
        (AwwPool::new(1, None, false, "http://user:secret@localhost"), "base_url"),
        (AwwPool::new(1, None, false, "http://"), "base_url"),
    ] {
        let error = soon("an answer", pool.get("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(named), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    let built = AwwPool::builder("http://localhost").default_header("bad name", "x").build();
    assert_eq!(built.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_target_outside_the_pool_is_refused_before_anything_is_sent() {
    let api = Hostile::new(10).start();
    let pool = AwwPool::new(1, None, false, format!("{}/v1", api.url()));
    for target in [
        "http://example.com/",
        "//example.com/x",
        "file:///etc/passwd",
        "/../x",
        "/a/%2e%2e/b",
        "/x\r\ny",
    ] {
        let error = soon("an answer", pool.get(target)).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::ForeignOrigin | ErrorKind::InvalidRequest),
            "{target:?}: {error}"
        );
    }
    assert_eq!(api.log(|log| log.connections), 0);
}

#[tokio::test]
async fn faults_43_ten_thousand_callers_are_served_through_a_bounded_number_of_connections() {
    let api = Hostile::new(10).start();
    let pool = AwwPool::builder(api.url()).workers(2).connections_per_worker(8).build().unwrap();
    let answers = soon("all answers", join_all((0..10_000).map(|_| pool.get("/rows/1")))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(api.log(|log| log.max_in_flight) <= 16);
    assert_eq!(soon("statistics", pool.stats()).await.unwrap().calls_ok, 10_000);
}

#[tokio::test]
async fn faults_43_queued_calls_are_served_first_come_first_served() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1);
    // A call that moves because its worker seems to be blocked loses its place.
    let pool = pool.heartbeat_timeout(Duration::from_secs(10)).build().unwrap();
    let calls = join_all((0..500).map(|n| pool.get(format!("/rows?page=1&call={n}"))));
    let opened = async {
        api.wait_for("one on the wire", |log| log.in_flight == 1).await;
        api.open_all();
    };
    let (answers, ()) = soon("all answers", async { tokio::join!(calls, opened) }).await;
    assert!(answers.iter().all(Result::is_ok));
    let order: Vec<usize> = api.log(|log| {
        log.seen.iter().map(|seen| seen.param("call").unwrap().parse().unwrap()).collect()
    });
    assert_eq!(order, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_43_a_full_queue_refuses_at_once_and_counts_it() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url())
        .workers(1)
        .connections_per_worker(1)
        .max_queued(2)
        .build()
        .unwrap();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    soon("two refusals", async {
        while pool.stats().await.unwrap().calls_refused < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    api.open_all();
    let answers = soon("all answers", join_all(calls)).await;
    let (served, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert_eq!((served.len(), refused.len()), (3, 2));
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::QueueFull, 0));
        assert!(error.is_retryable());
    }
}

#[test]
fn it_works_without_any_runtime() {
    let api = tokio::runtime::Runtime::new().unwrap().block_on(serving(25));
    let items = futures::executor::block_on(async {
        let pool = AwwPool::new(2, None, false, api.uri());
        pool.get("/rows").await.unwrap();
        PaginatedStream::get(&pool, "/rows").map(Result::unwrap).collect::<Vec<_>>().await
    });
    assert_eq!(items, numbered(0..25));
}

#[test]
fn it_works_inside_an_actix_system_and_uses_its_arbiters() {
    let items = actix::System::new().block_on(async {
        let api = serving(25).await;
        let pool = AwwPool::new(2, None, false, api.uri());
        let items = PaginatedStream::get(&pool, "/rows").map(Result::unwrap).collect::<Vec<_>>();
        let items = soon("all items", items).await;
        soon("the end", pool.shutdown(Duration::from_secs(1))).await;
        items
    });
    assert_eq!(items, numbered(0..25));
}

#[test]
fn faults_36_when_the_host_application_stops_its_system_calls_end_with_an_error() {
    let api = Hostile::new(25).closed().start();
    let url = api.url();
    let (sender, receiver) = std::sync::mpsc::channel();
    let host = std::thread::spawn(move || {
        let system = actix::System::new();
        let pool = Arc::new(AwwPool::new(2, None, false, url));
        let current = Arc::clone(&pool);
        system.block_on(async move { current.supervisor().await.unwrap() });
        sender.send((pool, actix::System::current())).unwrap();
        system.run().unwrap();
    });
    let (pool, system) = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let call = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.get("/rows?page=1").await }
        });
        api.wait_for("the call", |log| log.in_flight == 1).await;
        system.stop();
        let error = soon("an answer", call).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShuttingDown);
        let late = soon("an answer", pool.get("/rows")).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ShuttingDown);
    });
    drop(pool);
    host.join().unwrap();
}

#[tokio::test]
async fn an_actix_application_talks_to_the_supervisor_by_messages() {
    let api = serving(25).await;
    let pool = AwwPool::new(2, None, false, api.uri());
    let supervisor = pool.supervisor().await.unwrap();
    let response = soon("an answer", supervisor.send(Fetch::new(Request::get("/rows/3"))))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.json::<serde_json::Value>().unwrap()["id"], 3);
    let stream =
        soon("a stream", supervisor.send(OpenStream::new("/rows").prefetch(2))).await.unwrap();
    let items: Vec<_> = soon("all items", stream.map(Result::unwrap).collect()).await;
    assert_eq!(items, numbered(0..25));
    let stats = soon("statistics", supervisor.send(GetStats)).await.unwrap().unwrap();
    assert_eq!((stats.calls_ok, stats.pages, stats.items), (4, 3, 25));
    soon("the end", supervisor.send(Shutdown::new(Duration::from_secs(1)))).await.unwrap();
    let late = soon("an answer", pool.get("/rows")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn shutdown_lets_accepted_calls_finish_and_refuses_new_ones() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(2).connections_per_worker(5).build().unwrap();
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    api.wait_for("calls on the wire", |log| log.in_flight == 10).await;
    let ending = tokio::spawn({
        let pool = pool.clone();
        async move { pool.shutdown(Duration::from_secs(60)).await }
    });
    soon("new calls are refused", async {
        while pool
            .request(Request::get("/x").timeout(Duration::from_millis(20)))
            .await
            .unwrap_err()
            .kind()
            != ErrorKind::ShuttingDown
        {}
    })
    .await;
    api.open_all();
    let answers = soon("all answers", join_all(calls)).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
    soon("the end", ending).await.unwrap();
}

#[tokio::test]
async fn accept_53_shutdown_ends_what_is_left_after_the_drain_and_joins_every_thread() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).workers(3).connections_per_worker(10).build().unwrap();
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    api.wait_for("calls on the wire", |log| log.in_flight == 30).await;
    soon("the end", pool.shutdown(Duration::from_millis(100))).await;
    for answer in soon("all answers", join_all(calls)).await {
        assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    api.wait_for("all connections closed", |log| log.in_flight == 0).await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_pool_without_blocking() {
    let api = serving(10).await;
    let pool = AwwPool::new(2, None, false, api.uri());
    soon("an answer", pool.get("/rows")).await.unwrap();
    let supervisor = pool.supervisor().await.unwrap();
    assert!(supervisor.connected());
    drop(pool);
    soon("the supervisor ends", async {
        while supervisor.connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn statistics_count_calls_attempts_retries_and_latency() {
    let api = mock::server().await;
    let once = Mock::given(any()).respond_with(refusal(503)).up_to_n_times(1);
    once.expect(1).mount(&api).await;
    Mock::given(path("/rows/1")).respond_with(ResponseTemplate::new(200)).mount(&api).await;
    let pool = AwwPool::builder(api.uri()).backoff_base(Duration::from_millis(1)).build().unwrap();
    soon("an answer", pool.get("/rows/1")).await.unwrap();
    soon("an error", pool.get("/rows/404")).await.unwrap_err();
    // A worker that has no turn reports later.
    let counted = async {
        loop {
            let stats = pool.stats().await.unwrap();
            if stats.attempts >= 3 {
                return stats;
            }
        }
    };
    let stats = soon("statistics", counted).await;
    assert_eq!((stats.calls_ok, stats.calls_failed, stats.attempts, stats.retries), (1, 1, 3, 1));
    assert_eq!((stats.status_2xx, stats.status_4xx, stats.status_5xx), (1, 1, 1));
    assert_eq!(stats.latency.count(), 3);
    assert!(stats.latency.percentile(0.5) > Duration::ZERO);
    assert!(stats.to_string().contains("1 calls ok, 1 failed"));
}

#[tokio::test]
async fn a_pool_that_was_never_used_starts_and_ends_nothing() {
    let pool = AwwPool::new(3, None, false, "http://localhost:1");
    soon("the end", pool.shutdown(Duration::from_secs(10))).await;
    drop(pool);
}
