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
    let (settling, length) = (8, 16);
    keep_busy(64, secs(length), || pool.get("/rows")).await;
    let counts: Vec<_> = (settling..length)
        .map(|second| api.counts(start + secs(second), start + secs(second + 1)))
        .collect();
    // Callers that asked again at once would be refused many times as often as served, in each
    // second. Where the machine stands still, all that was held up comes at once, and a part of
    // it is refused.
    let is_calm = |[served, refused]: &[usize; 2]| *served > 0 && refused * 5 <= *served;
    assert!(counts.iter().any(is_calm), "served and refused by the second: {counts:?}");
    let [served, refused] =
        counts.iter().fold([0, 0], |all, one| [all[0] + one[0], all[1] + one[1]]);
    assert!(refused <= 2 * served, "{served} served, {refused} refused");
}

/// Keeps `callers` busy for so many seconds, and again until `is_seen`.
async fn keep_busy_until(
    callers: usize,
    length: u64,
    pool: &AwwPool,
    is_seen: impl AsyncFn() -> bool,
) {
    soon("what a busy machine may hold up", async {
        loop {
            keep_busy(callers, secs(length), || pool.get("/rows")).await;
            if is_seen().await {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_refusal_there_is_no_bound() {
    let api = Limited::open();
    let pool = AwwPool::new(2, None, true, api.url());
    keep_busy_until(16, 1, &pool, async || pool.stats().await.unwrap().calls_ok > 0).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.rate_limit, stats.rate, stats.rate_limited), (None, None, 0));
}

#[tokio::test]
async fn a_refusal_sets_a_rate_that_is_told_and_counted() {
    let api = Limited::bucket(5.0);
    let pool = AwwPool::builder(api.url()).use_dampener(true).build().unwrap();
    let mut events = pool.events();
    keep_busy_until(16, 2, &pool, async || pool.stats().await.unwrap().rate_limited > 0).await;
    let stats = soon("statistics", pool.stats()).await.unwrap();
    let rate = stats.rate.expect("a rate");
    assert!(rate >= "0.5".parse().unwrap(), "{stats:?}");
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
    keep_busy_until(8, 3, &pool, async || !api.arrivals().is_empty()).await;
    let end = Instant::now();
    let [served, refused] = api.counts(start, end);
    let most = 1.0 + 10.0 * (end - start).as_secs_f64();
    assert!(served as f64 <= most && refused == 0, "{served} of {most} served, {refused} refused");
}
