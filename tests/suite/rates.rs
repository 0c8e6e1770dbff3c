//! Rate limits counted at the server: exact, used, changed at run time, and per worker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{
    limited::{Arrival, Limited, keep_busy},
    soon,
};
use futures::future::{join, join_all};
use rust_decimal::Decimal;
use vantage_api_pool::{
    AwwPool, ErrorKind,
    events::{Event, RateCause},
    messages::SetRate,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rate(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Fails if by any moment after `start` more had arrived than `burst` and `rate` per second.
/// Nothing arrives before it left, so that no busy machine can make it fail. That all of the
/// limit is used, and that no stretch of time has more than its share, is held to on virtual
/// time, in `worker/gates/tests.rs`.
fn is_exact(arrivals: &[Arrival], start: Instant, rate: f64, burst: f64, name: &str) {
    for (n, arrival) in arrivals.iter().enumerate() {
        let time = (arrival.at - start).as_secs_f64();
        let most = burst + rate * time;
        assert!((n + 1) as f64 <= most, "{name}: {} requests within {time} s of the start", n + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_exact_at_the_server_whatever_its_height_and_the_number_of_workers() {
    let under_demand = async |workers, limit: &str, seconds| {
        let api = Limited::open();
        let per_second: f64 = limit.parse().unwrap();
        let burst = (per_second / 100.0).floor().max(1.0);
        let pool = AwwPool::new(workers, Some(rate(limit)), false, api.url());
        let start = Instant::now();
        let name = format!("{workers} workers, {limit} per second");
        let busy = async {
            while api.arrivals().is_empty() {
                keep_busy(96, secs(seconds), || pool.get("/rows")).await;
            }
        };
        soon(&name, busy).await;
        is_exact(&api.arrivals(), start, per_second, burst, &name);
    };
    let cases = [1, 3, 16].into_iter().flat_map(|workers| {
        [("0.5", 6), ("7", 4), ("50", 3), ("2000", 2)]
            .map(|(limit, seconds)| (workers, limit, seconds))
    });
    join_all(cases.map(|(workers, limit, seconds)| under_demand(workers, limit, seconds))).await;
}

#[tokio::test]
async fn a_limit_is_set_at_run_time_and_in_force_at_once() {
    let api = Limited::open();
    let pool = Arc::new(AwwPool::new(3, None, false, api.url()));
    // Sets the limit, and says between which moments it came into force.
    let check = async |limit: Option<&str>, expected: Option<Decimal>| {
        let before = Instant::now();
        // Whoever does not listen meanwhile may miss it among all else that is told.
        let mut events = pool.events();
        let told = async {
            loop {
                if let Event::RateChanged { rate, cause, .. } = events.recv().await.unwrap() {
                    return (rate, cause);
                }
            }
        };
        let set = async {
            pool.set_rate(limit.map(rate)).await.unwrap();
            Instant::now()
        };
        let (since, told) = soon("the limit is set and told", join(set, told)).await;
        assert_eq!(told, (expected, RateCause::Set));
        assert_eq!(pool.stats().await.unwrap().rate_limit, expected);
        [before, since]
    };
    let busy = keep_busy(16, secs(3_600), || pool.get("/rows"));
    let steps = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let at_20 = check(Some("20"), Some(20.into())).await;
        tokio::time::sleep(secs(2)).await;
        let at_100 = check(Some("100"), Some(100.into())).await;
        tokio::time::sleep(secs(2)).await;
        let at_none = check(None, None).await;
        while api.counts(at_none[1], Instant::now())[0] == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (at_20, at_100, at_none)
    };
    let (at_20, at_100, at_none) = tokio::select! {
        () = busy => panic!("it ends with the steps"),
        times = soon("requests without a limit", steps) => times,
    };
    // What had left before a limit was in force may still arrive, and what the next one allows
    // comes before that is known.
    let ([_, at_20], [to_100, at_100], [to_none, _]) = (at_20, at_100, at_none);
    let sent = |from: Instant, to: Instant| api.counts(from, to)[0] as f64;
    let due = |rate: f64, from: Instant, to: Instant| rate * (to - from).as_secs_f64();
    let (few, many) = (sent(at_20, to_100), sent(at_100, to_none));
    assert!(few <= due(20.0, at_20, to_100) + 20.0, "{few}");
    assert!(many <= due(100.0, at_100, to_none) + 20.0, "{many}");
}

#[tokio::test]
async fn calls_that_wait_under_a_slow_limit_go_on_under_a_faster_one() {
    let api = Limited::open();
    // Under the slow one they wait for longer than the test.
    let pool = AwwPool::builder(api.url()).workers(2).rate_limit(rate("0.001"));
    let pool = pool.call_timeout(secs(86_400)).build().unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let waiting = join_all((0..5).map(|_| pool.get("/rows")));
    let set = async {
        // They are on their way to the limiter, which lets none of them pass.
        tokio::time::sleep(Duration::from_millis(300)).await;
        pool.set_rate(Some(100.into())).await.unwrap();
    };
    let (answers, ()) = soon("all answers", join(waiting, set)).await;
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
    assert!(supervisor.send(SetRate::new(Some(0.into()))).await.unwrap().is_err());
    supervisor.send(SetRate::new(Some(rate("0.25")))).await.unwrap().unwrap();
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
        is_exact(&arrivals, start, all, workers as f64, &name);
        let stats = pool.stats().await.unwrap();
        let most = 1.0 + 20.0 * start.elapsed().as_secs_f64();
        for worker in &stats.workers {
            assert!(worker.attempts as f64 <= most, "{name}: {worker:?}");
        }
    }
}
