//! Rate limits counted at the server: exact, used, changed at run time, and per worker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{
    limited::{Arrival, Limited, keep_busy},
    soon,
};
use futures::future::join_all;
use rust_decimal::Decimal;
use vantage_api_pool::{AwwPool, ErrorKind, Event, RateCause, messages::SetRate};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rate(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// By how much a busy machine may delay one request more than another.
const JITTER: f64 = 0.25;

/// Whether no more than `burst` and `rate` for its length arrived in any stretch of time:
/// strictly from `start` on, as nothing arrives before it left, and but for what the way
/// bunches together in others.
fn is_exact(arrivals: &[Arrival], start: Instant, rate: f64, burst: f64) -> Result<(), String> {
    for (n, arrival) in arrivals.iter().enumerate() {
        let time = (arrival.at - start).as_secs_f64();
        if (n + 1) as f64 > burst + rate * time {
            return Err(format!("{} requests within {time} s of the start", n + 1));
        }
    }
    let mut first = 0;
    for (n, arrival) in arrivals.iter().enumerate() {
        while (arrival.at - arrivals[first].at).as_secs_f64() > 1.0 {
            first += 1;
        }
        let time = (arrival.at - arrivals[first].at).as_secs_f64() + JITTER;
        if (n - first + 1) as f64 > burst + rate * time {
            return Err(format!("{} requests within {time} s", n - first + 1));
        }
    }
    Ok(())
}

/// Puts a pool under demand for so many seconds. Tells what is wrong with what arrived.
async fn under_demand(workers: usize, limit: &str, seconds: u64) -> Result<(), String> {
    let api = Limited::open();
    let per_second: f64 = limit.parse().unwrap();
    let burst = (per_second / 100.0).floor().max(1.0);
    let pool = AwwPool::new(workers, Some(rate(limit)), false, api.url());
    let start = Instant::now();
    keep_busy(96, secs(seconds), || pool.get("/rows")).await;
    let arrivals = api.arrivals();
    let name = |what| format!("{workers} workers, {limit} per second: {what}");
    is_exact(&arrivals, start, per_second, burst).map_err(name)?;
    // From the first one on, when all threads are there.
    let time = (start + secs(seconds) - arrivals[0].at).as_secs_f64();
    let used = arrivals.len() as f64 / (1.0 + (per_second * time).floor());
    if used < 0.97 { Err(name(format!("{used} used"))) } else { Ok(()) }
}

/// How many requests per second the machine can make at the moment.
async fn capacity(workers: usize) -> usize {
    let api = Limited::open();
    let pool = AwwPool::new(workers, None, false, api.url());
    keep_busy(96, secs(1), || pool.get("/rows")).await;
    api.arrivals().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_exact_and_used_whatever_its_height_and_the_number_of_workers() {
    let cases = [1, 3, 16].into_iter().flat_map(|workers| {
        [("0.5", 20), ("7", 12), ("50", 8)].map(|(limit, seconds)| (workers, limit, seconds))
    });
    let check = async |workers, limit, seconds| {
        let mut wrong = under_demand(workers, limit, seconds).await;
        // A machine that stands still for a moment is no fault of the limit's…
        if wrong.is_err() {
            wrong = under_demand(workers, limit, seconds).await;
        }
        // … nor is one that does other things: two thousand each second are much for it.
        if let Err(what) = wrong
            && (!what.ends_with("used") || capacity(workers).await > 4_000)
        {
            panic!("{what}");
        }
    };
    let slow = join_all(cases.map(|(workers, limit, seconds)| check(workers, limit, seconds)));
    let fast = async {
        for workers in [1, 3, 16] {
            check(workers, "2000", 2).await;
        }
    };
    futures::future::join(slow, fast).await;
}

#[tokio::test]
async fn a_limit_is_set_at_run_time_and_in_force_at_once() {
    let api = Limited::open();
    let pool = Arc::new(AwwPool::new(3, None, false, api.url()));
    let mut events = pool.events();
    let mut check = async |limit: Option<&str>, expected: Option<Decimal>| {
        let set = pool.set_rate(limit.map(rate));
        soon("the limit is set", set).await.unwrap();
        let since = Instant::now();
        let told = async {
            loop {
                if let Event::RateChanged { rate, cause, .. } = events.recv().await.unwrap() {
                    return (rate, cause);
                }
            }
        };
        assert_eq!(soon("an event", told).await, (expected, RateCause::Set));
        assert_eq!(pool.stats().await.unwrap().rate_limit, expected);
        since
    };
    let busy = keep_busy(16, secs(6), || pool.get("/rows"));
    let steps = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let at_20 = check(Some("20"), Some(20.into())).await;
        tokio::time::sleep(secs(2)).await;
        let at_100 = check(Some("100"), Some(100.into())).await;
        tokio::time::sleep(secs(2)).await;
        let at_none = check(None, None).await;
        (at_20, at_100, at_none)
    };
    let (_, (at_20, at_100, at_none)) = futures::future::join(busy, steps).await;
    // What had left before may still arrive.
    let sent = |from: Instant, to: Instant| api.counts(from, to)[0] as f64;
    let due = |rate: f64, from: Instant, to: Instant| rate * (to - from).as_secs_f64();
    let (few, many) = (sent(at_20, at_100), sent(at_100, at_none));
    assert!(few <= due(20.0, at_20, at_100) + 20.0, "{few}");
    assert!(few >= 0.8 * due(20.0, at_20, at_100), "{few}");
    assert!(many <= due(100.0, at_100, at_none) + 20.0, "{many}");
    assert!(many >= 0.8 * due(100.0, at_100, at_none), "{many}");
    let unbounded = sent(at_none, at_none + Duration::from_millis(500));
    assert!(unbounded > 100.0, "{unbounded}");
}

#[tokio::test]
async fn calls_that_wait_under_a_slow_limit_go_on_under_a_faster_one() {
    let api = Limited::open();
    let pool = AwwPool::new(2, Some(rate("0.05")), false, api.url());
    soon("an answer", pool.get("/rows")).await.unwrap();
    let waiting = join_all((0..5).map(|_| pool.get("/rows")));
    let set = async {
        // They are on their way to the limiter, which lets none of them pass.
        tokio::time::sleep(Duration::from_millis(300)).await;
        pool.set_rate(Some(100.into())).await.unwrap();
    };
    let (answers, ()) = soon("all answers", futures::future::join(waiting, set)).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_limit_that_is_none_is_refused_by_name() {
    let pool = AwwPool::new(1, Some(10.into()), false, Limited::open().url());
    for wrong in ["0", "-1"] {
        let error = pool.set_rate(Some(rate(wrong))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("set_rate"), "{error}");
    }
    let supervisor = pool.supervisor().await.unwrap();
    assert!(supervisor.send(SetRate(Some(0.into()))).await.unwrap().is_err());
    supervisor.send(SetRate(Some(rate("0.25")))).await.unwrap().unwrap();
    assert_eq!(pool.stats().await.unwrap().rate, Some(rate("0.25")));
    let builder = AwwPool::builder("http://localhost").rate_limit_per_worker(0.into());
    let error = builder.build().unwrap_err();
    assert!(error.to_string().contains("rate_limit_per_worker"), "{error}");
    pool.shutdown(Duration::ZERO).await;
    assert!(pool.set_rate(None).await.is_err());
}

#[tokio::test]
async fn a_limit_per_worker_holds_for_each_worker() {
    for (workers, shared, all) in [(1, None, 20.0), (3, None, 60.0), (3, Some(30), 30.0)] {
        let api = Limited::open();
        let builder = AwwPool::builder(api.url()).workers(workers).rate_limit_per_worker(20.into());
        let builder = match shared {
            Some(limit) => builder.rate_limit(limit.into()),
            None => builder,
        };
        let pool = builder.build().unwrap();
        let start = Instant::now();
        keep_busy(32, secs(3), || pool.get("/rows")).await;
        let arrivals = api.arrivals();
        let name = format!("{workers} workers, {shared:?} shared");
        is_exact(&arrivals, start, all, workers as f64).expect(&name);
        assert!(arrivals.len() as f64 > 0.85 * 3.0 * all, "{name}: {}", arrivals.len());
        let stats = pool.stats().await.unwrap();
        for worker in &stats.workers {
            assert!(worker.attempts <= 64, "{name}: {worker:?}");
        }
    }
}
