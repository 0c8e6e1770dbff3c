//! What the API tells of its quotas, and what the pool makes of it.

use std::time::{Duration, Instant};

use crate::support::{
    limited::{Limited, keep_busy},
    soon,
};
use futures::future::join_all;
use vantage_api_pool::{
    AwwPool, ErrorKind, Request,
    events::{Event, RateCause},
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An API with these header lines in each answer.
fn telling(fields: &'static str) -> Limited {
    Limited::judging(move |_, _| (true, fields.to_owned()))
}

/// A window of `quota` requests in 2 seconds that is told of with the names that `fields`
/// puts around what is left and the seconds to the reset.
fn window(quota: usize, fields: fn(usize, u64) -> String) -> Limited {
    let length = secs(2);
    let (mut begin, mut left) = (Instant::now(), quota);
    Limited::judging(move |_, now| {
        while now - begin >= length {
            begin += length;
            left = quota;
        }
        let is_served = left > 0;
        left -= usize::from(is_served);
        let reset = (begin + length - now).as_secs_f64().ceil() as u64;
        (is_served, fields(left, reset))
    })
}

#[tokio::test]
async fn a_quota_that_is_told_is_kept_to_and_used() {
    let draft: fn(usize, u64) -> String = |left, reset| {
        format!("ratelimit-policy: \"all\";q=40;w=2\r\nratelimit: \"all\";r={left};t={reset}\r\n")
    };
    let old: fn(usize, u64) -> String =
        |left, reset| format!("x-ratelimit-remaining: {left}\r\nx-ratelimit-reset: {reset}\r\n");
    let is_kept_to = |[served, refused]: &[usize; 2]| *served > 0 && *refused <= 2;
    for (name, fields) in [("draft", draft), ("old", old)] {
        let mut counts = Vec::new();
        // A worker that a busy machine leaves without a turn heeds what was left long ago: then
        // some more are refused, but not time after time.
        while counts.len() < 5 && !counts.iter().any(is_kept_to) {
            let api = window(40, fields);
            let pool = AwwPool::new(3, None, true, api.url());
            let start = Instant::now();
            keep_busy(32, secs(7), || pool.get("/rows")).await;
            // At first nobody knows.
            counts.push(api.counts(start + secs(2), start + secs(7)));
        }
        assert!(counts.iter().any(is_kept_to), "{name}, served and refused: {counts:?}");
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_holds_the_calls_until_its_reset() {
    let settings = [("dampener", true, None), ("limit", false, Some(1_000.into()))];
    join_all(settings.map(async |(name, dampener, limit)| {
        // Longer than a busy machine takes to make the call that comes too early.
        let used_up = "ratelimit: \"all\";r=0;t=6\r\n";
        let api = Limited::judging(move |number, _| {
            (true, if number == 0 { used_up.into() } else { String::new() })
        });
        let pool = AwwPool::new(2, limit, dampener, api.url());
        soon("the first answer", pool.get("/rows")).await.unwrap();
        let late = pool.request(Request::get("/rows").timeout(Duration::from_millis(500)));
        let error = soon("an error", late).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{name}");
        assert!(error.retry_after().is_some_and(|wait| wait > secs(1)), "{name}: {error:?}");
        soon("the second answer", pool.get("/rows")).await.unwrap();
        let arrivals = api.arrivals();
        let gap = arrivals[1].at - arrivals[0].at;
        assert!(arrivals.len() == 2 && gap > Duration::from_millis(5_800), "{name}: {gap:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_quota_beyond_the_longest_wait_is_not_believed_for_longer() {
    let api = telling("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 9999999999\r\n");
    let pool = AwwPool::builder(api.url())
        .use_dampener(true)
        .max_retry_after(Duration::from_millis(700))
        .build()
        .unwrap();
    for _ in 0..3 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    let arrivals = api.arrivals();
    let took = arrivals[2].at - arrivals[0].at;
    assert!(took > Duration::from_millis(1_200), "{took:?}");
}

#[tokio::test]
async fn a_quota_changes_the_rate_and_that_is_told() {
    let api = telling("ratelimit-limit: 100\r\nratelimit-remaining: 50\r\nratelimit-reset: 10\r\n");
    let pool = AwwPool::new(1, None, true, api.url());
    let mut events = pool.events();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let told = async {
        loop {
            if let Event::RateChanged { rate, cause, .. } = events.recv().await.unwrap() {
                return (rate, cause);
            }
        }
    };
    assert_eq!(soon("a change", told).await, (Some(5.into()), RateCause::Quota));
    assert_eq!(pool.stats().await.unwrap().rate, Some(5.into()));
}

#[tokio::test]
async fn faults_14_quota_headers_that_make_no_sense_are_passed_over_and_counted() {
    for fields in [
        "ratelimit: nonsense;;;\r\n",
        "ratelimit: \"all\";r=-1;t=200\r\n",
        "ratelimit: \"all\";r=0;t=12345678901234567\r\n",
        "ratelimit-policy: \"all\";q=0.5;w=200\r\n",
        "x-ratelimit-remaining: -5\r\nx-ratelimit-reset: 200\r\n",
        "x-ratelimit-remaining: 12345678901234567\r\nx-ratelimit-reset: 200\r\n",
        "x-rate-limit-remaining: 0\r\nx-rate-limit-reset: soon\r\n",
        "x-ratelimit-remaining: 0\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 200\r\n",
    ] {
        let api = telling(fields);
        let pool = AwwPool::new(2, None, true, api.url());
        for _ in 0..5 {
            soon(fields, pool.get("/rows")).await.unwrap();
        }
        // A worker that has no turn reports later.
        let counted = async {
            loop {
                let stats = pool.stats().await.unwrap();
                if stats.malformed_limit_headers >= 5 {
                    return stats;
                }
            }
        };
        let stats = soon("statistics", counted).await;
        assert_eq!((stats.malformed_limit_headers, stats.calls_ok), (5, 5), "{fields}");
        assert_eq!(stats.rate, None, "{fields}");
    }
}

#[tokio::test]
async fn who_set_no_limit_is_not_bound_by_what_is_told() {
    let api = telling("ratelimit: \"all\";r=0;t=200\r\n");
    let pool = AwwPool::new(2, None, false, api.url());
    for _ in 0..5 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
}

#[tokio::test]
async fn a_limit_that_is_taken_away_takes_the_quotas_with_it() {
    let api = telling("ratelimit: \"all\";r=0;t=200\r\n");
    let pool = AwwPool::new(2, Some(100.into()), false, api.url());
    soon("an answer", pool.get("/rows")).await.unwrap();
    assert_eq!(soon("statistics", pool.stats()).await.unwrap().rate, Some(0.into()));
    soon("no limit", pool.set_rate(None)).await.unwrap();
    for _ in 0..3 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    assert_eq!(soon("statistics", pool.stats()).await.unwrap().rate, None);
}
