//! The dampener against an API that tells nothing but 429.

use std::time::{Duration, Instant};

use crate::support::{
    limited::{Limited, keep_busy},
    soon,
};
use vantage_api_pool::{
    AwwPool,
    events::{Event, RateCause},
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// That all of the hidden limit is used then, and how soon, is held to on virtual time, in
/// `rate_limit/tests.rs`.
#[tokio::test]
async fn faults_12_a_storm_of_refusals_settles() {
    let api = Limited::bucket(50.0);
    let pool = AwwPool::new(3, None, true, api.url());
    let start = Instant::now();
    let (settling, length) = (secs(8), secs(16));
    keep_busy(64, length, || pool.get("/rows")).await;
    let [served, refused] = api.counts(start + settling, start + length);
    // Callers that asked again at once would be refused many times as often as served.
    assert!(served > 0 && refused * 5 <= served, "{served} served, {refused} refused");
}

#[tokio::test]
async fn without_a_refusal_there_is_no_bound() {
    let api = Limited::open();
    let pool = AwwPool::new(2, None, true, api.url());
    keep_busy(16, secs(1), || pool.get("/rows")).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.rate_limit, stats.rate, stats.rate_limited), (None, None, 0));
    assert!(stats.calls_ok > 0, "{stats}");
}

#[tokio::test]
async fn a_refusal_sets_a_rate_that_is_told_and_counted() {
    let api = Limited::bucket(5.0);
    let pool = AwwPool::builder(api.url()).use_dampener(true).build().unwrap();
    let mut events = pool.events();
    keep_busy(16, secs(2), || pool.get("/rows")).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    let rate = stats.rate.expect("a rate");
    assert!(rate >= "0.5".parse().unwrap() && stats.rate_limited > 0, "{stats:?}");
    let told = soon("a change of the rate", async {
        loop {
            if let Event::RateChanged { rate, cause, .. } = events.recv().await.unwrap() {
                return (rate.is_some(), cause);
            }
        }
    });
    assert_eq!(told.await, (true, RateCause::Refusals));
}

#[tokio::test]
async fn a_configured_limit_holds_below_what_the_dampener_found() {
    let api = Limited::bucket(40.0);
    let pool = AwwPool::new(2, Some(10.into()), true, api.url());
    let start = Instant::now();
    keep_busy(8, secs(3), || pool.get("/rows")).await;
    let [served, refused] = api.counts(start, start + secs(3));
    assert!((1..=31).contains(&served) && refused == 0, "{served} served, {refused} refused");
}
