//! The demo API of the examples, read through the pool.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use serde_json::Value;
use vantage_api_pool::{AwwPool, ErrorKind, PaginatedStream, Request};

use demo_api::{DemoApi, DemoOptions};

const LIMIT: Duration = Duration::from_secs(180);

async fn token(demo: &DemoApi) -> String {
    let login = AwwPool::new(1, None, false, demo.origin());
    let granted: Value = login.request(Request::post("/token")).await.unwrap().json().unwrap();
    granted["access_token"].as_str().unwrap().to_owned()
}

async fn pool(demo: &DemoApi) -> AwwPool {
    let token = token(demo).await;
    AwwPool::new(3, None, false, demo.base_url()).with_auth_callback(
        1,
        move || std::future::ready(Ok::<_, Infallible>(token.clone())),
        |request, token| request.header("authorization", &format!("Bearer {token}")).unwrap(),
    )
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("done within the limit")
}

#[tokio::test]
async fn all_cities_are_read_in_order_in_spite_of_faults() {
    let demo = DemoApi::start(DemoOptions { fault_rate: 0.02, ..DemoOptions::default() }).unwrap();
    let pool = pool(&demo).await;
    let read: Vec<Value> =
        within(PaginatedStream::get(&pool, "/cities").prefetch(8).try_collect()).await.unwrap();
    assert_eq!(read.len(), 3200);
    assert_eq!(read, demo.cities());
}

#[tokio::test]
async fn the_page_size_is_capped() {
    let demo = DemoApi::start(DemoOptions::default()).unwrap();
    let pool = pool(&demo).await;
    let answer = within(pool.get("/countries?per_page=1000&page=2")).await.unwrap();
    let page: Value = answer.json().unwrap();
    assert_eq!(page["data"].as_array().unwrap(), &demo.countries()[10..20]);
    assert_eq!(page["pagination"]["total_pages"], 5);
}

#[tokio::test]
async fn answers_say_how_much_of_the_quota_is_left() {
    let options = DemoOptions { window: Duration::from_secs(1000), ..DemoOptions::default() };
    let demo = DemoApi::start(options).unwrap();
    let pool = pool(&demo).await;
    let answer = within(pool.get("/cities/1")).await.unwrap();
    assert_eq!(answer.headers()["ratelimit-policy"], "\"default\";q=1000;w=1000");
    assert_eq!(answer.headers()["ratelimit"], "\"default\";r=999;t=1");
}

#[tokio::test]
async fn nothing_is_served_without_a_token() {
    let demo = DemoApi::start(DemoOptions::default()).unwrap();
    let pool = AwwPool::new(1, None, false, demo.base_url());
    let error = within(pool.get("/countries")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_row_is_found_by_its_name_and_an_unknown_one_is_a_404() {
    let demo = DemoApi::start(DemoOptions::default()).unwrap();
    let pool = pool(&demo).await;
    let ivory: Value =
        within(pool.get("/countries/C%C3%B4te%20d%27Ivoire")).await.unwrap().json().unwrap();
    assert_eq!(ivory["capital"], "Yamoussoukro");
    let error = within(pool.get("/countries/Atlantis")).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
}

#[tokio::test]
async fn a_429_is_waited_out_for_as_long_as_the_server_says() {
    let demo = DemoApi::start(DemoOptions {
        quota: 1,
        window: Duration::from_secs(2),
        ..DemoOptions::default()
    })
    .unwrap();
    let pool = pool(&demo).await;
    within(pool.get("/cities/1")).await.unwrap();
    let mut took = Duration::ZERO;
    // A call that a busy machine makes late finds that it may pass.
    while demo.throttled() == 0 {
        let started = Instant::now();
        within(pool.get("/cities/2")).await.unwrap();
        took = started.elapsed();
    }
    assert_eq!(demo.throttled(), 1);
    assert!(took >= Duration::from_secs(1), "{took:?}");
}
