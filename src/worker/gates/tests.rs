//! The limit of a pool on virtual time: the limiter and the workers' gates themselves, without the
//! network. So a limit is exact to the nanosecond, and unused permits are its own fault and
//! not that of a busy machine.

use std::{cell::RefCell, rc::Rc, sync::Mutex};

use actix::prelude::*;
use futures::future::join_all;
use http::Uri;
use tokio::{
    sync::watch,
    task::LocalSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    events::Events,
    permits::Semaphore,
    rate_limit::{Pace, Rotation, SetLimit},
    request::Request,
    retry::CallKind,
};

/// Longer than any test takes, on any clock.
const EVER: Duration = Duration::from_secs(86_400);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A pool's limits without its transport.
#[derive(Clone)]
struct Setting {
    workers: usize,
    connections: usize,
    limit: Option<Decimal>,
    per_worker: Option<Decimal>,
    /// The number of tokens, and the limit of each.
    tokens: Option<(usize, Decimal)>,
    burst: Option<u32>,
    callers: usize,
    /// How long each request is in flight.
    on_wire: Duration,
}

impl Setting {
    fn new(workers: usize, limit: &str) -> Self {
        Self {
            workers,
            connections: 8,
            limit: Some(limit.parse().unwrap()),
            per_worker: None,
            tokens: None,
            burst: None,
            callers: 96,
            on_wire: millis(3),
        }
    }

    /// When requests leave, by worker or by token, over some seconds in which all callers always
    /// want to send, from the first moment on.
    async fn departures(self, seconds: u64) -> Vec<(usize, Duration)> {
        self.departures_with(seconds, async |_| ()).await
    }

    async fn departures_with(
        self,
        seconds: u64,
        meanwhile: impl AsyncFnOnce(Addr<RateQueue>),
    ) -> Vec<(usize, Duration)> {
        let start = now();
        let pace = Pace::new(self.limit, self.burst, false, EVER, start);
        let pacer = Arc::new(Pacer::new(pace, Arc::new(Events::default())));
        let admission = Admission::new(self.workers * self.connections);
        let slots = Arc::clone(&admission.semaphore);
        let rotation = |(tokens, rate)| Rotation::new(tokens, Some(rate), EVER, start);
        let tokens = self.tokens.map(|tokens| Arc::new(Mutex::new(rotation(tokens))));
        let limiter = RateQueue::new(Arc::clone(&pacer), tokens, slots, Box::new(())).start();
        let (is_per_token, wish) = match self.tokens {
            Some(_) => (true, TokenWish::Any),
            None => (false, TokenWish::None),
        };
        let holder = watch::Sender::new((Some(limiter.clone()), false));
        let throttles: Vec<_> = (0..self.workers)
            .map(|_| {
                let limiter = ActorRef::of(&holder);
                Throttle::new(limiter, Arc::clone(&pacer), self.per_worker, is_per_token)
            })
            .collect();
        let left = Rc::new(RefCell::new(Vec::new()));
        let callers = (0..self.callers).map(async |caller| {
            let worker = caller % self.workers;
            loop {
                let call = call();
                let permit = admission.permit(&call).await.unwrap();
                let in_flight = Arc::new(InFlight::new(permit));
                let mut permit = CallPermit::new(in_flight, &admission);
                let passed = throttles[worker].pass(&call, &mut permit, 1, wish);
                let token = passed.await.unwrap();
                left.borrow_mut().push((token.unwrap_or(worker), now() - start));
                sleep(self.on_wire).await;
            }
        });
        let busy = timeout(Duration::from_secs(seconds), join_all(callers));
        let (_, ()) = futures::future::join(busy, meanwhile(limiter)).await;
        left.take()
    }
}

fn call() -> Arc<Call> {
    let url = Uri::from_static("http://localhost/");
    let reply = oneshot::channel().0;
    Arc::new(Call::new(CallKind::Call, Request::get("/"), None, Arc::new(url), now(), EVER, reply))
}

/// Runs `test` where actors can run.
async fn with_actors(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

/// Checks that no more than `burst` plus `rate` times its length leave in any stretch of time,
/// strictly from the start on and otherwise with a millisecond of tolerance for late timers, and
/// that all of that is used.
fn is_exact_and_used(left: &[(usize, Duration)], rate: f64, burst: f64, seconds: u64, name: &str) {
    is_exact(left, rate, burst, name);
    let due = burst + (rate * seconds as f64).floor();
    let used = left.len() as f64 / due;
    assert!(used >= 0.99 || left.len() as f64 >= due - 2.0, "{name}: {used} of {due} used");
}

/// The first half of that.
fn is_exact(left: &[(usize, Duration)], rate: f64, burst: f64, name: &str) {
    let (mut level, mut last) = (burst, 0.0);
    let late = rate * 1e-3;
    for (n, (_, at)) in left.iter().enumerate() {
        let at = at.as_secs_f64();
        assert!((n + 1) as f64 <= burst + at * rate + 1e-6, "{name}: {} by {at} s", n + 1);
        level = (level + (at - last) * rate).min(burst) - 1.0;
        last = at;
        assert!(level >= -late - 1e-6, "{name}: {} too many at {at} s", -level);
    }
}

#[tokio::test(start_paused = true)]
async fn case_37_a_limit_is_exact_and_used_whatever_its_height_and_the_number_of_workers() {
    for workers in [1, 3, 16] {
        for (limit, seconds) in [("0.5", 100), ("7", 40), ("50", 20), ("1000", 3), ("2000", 3)] {
            let rate: f64 = limit.parse().unwrap();
            let burst = (rate / 100.0).floor().max(1.0);
            let name = format!("{workers} workers, {limit} per second");
            with_actors(async {
                let left = Setting::new(workers, limit).departures(seconds).await;
                is_exact_and_used(&left, rate, burst, seconds, &name);
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_leaves_at_once_and_the_rest_is_spaced() {
    for workers in [1, 4] {
        with_actors(async {
            let setting =
                Setting { burst: Some(20), connections: 20, ..Setting::new(workers, "10") };
            let left = setting.departures(5).await;
            is_exact_and_used(&left, 10.0, 20.0, 5, "a burst of twenty");
            assert!(left[19].1 == Duration::ZERO && left[20].1 >= millis(100), "{left:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_one_after_another_use_the_limit_too() {
    for (limit, on_wire) in [("20", 3), ("2.5", 300), ("200", 4)] {
        with_actors(async {
            let setting =
                Setting { callers: 1, on_wire: millis(on_wire), ..Setting::new(3, limit) };
            let left = setting.departures(20).await;
            let rate: f64 = limit.parse().unwrap();
            is_exact_and_used(&left, rate, (rate / 100.0).max(1.0), 20, limit);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_per_worker_holds_for_each_and_is_used_by_each() {
    for (workers, shared, all) in [(1, None, 20.0), (3, None, 60.0), (3, Some(30), 30.0)] {
        with_actors(async {
            let setting = Setting {
                limit: shared.map(Decimal::from),
                per_worker: Some(20.into()),
                callers: 32,
                ..Setting::new(workers, "1")
            };
            let left = setting.departures(30).await;
            let name = format!("{workers} workers, {shared:?} shared");
            let burst = if shared.is_some() { 1.0 } else { workers as f64 };
            is_exact_and_used(&left, all, burst, 30, &name);
            for worker in 0..workers {
                let own: Vec<_> = left.iter().filter(|(by, _)| *by == worker).copied().collect();
                let each = all / workers as f64;
                assert!(own.len() as f64 >= 0.9 * each * 30.0, "{name}: {}", own.len());
                assert!(own.len() as f64 <= 1.0 + 20.0 * 30.0, "{name}: {}", own.len());
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn permits_are_not_saved_up_while_calls_wait_for_a_connection() {
    with_actors(async {
        // Four connections, each busy for longer than it takes to save permits for others.
        let setting =
            Setting { connections: 4, callers: 16, on_wire: millis(700), ..Setting::new(1, "20") };
        let left = setting.departures(20).await;
        // Saved permits would leave as soon as a connection is free.
        is_exact(&left, 20.0, 1.0, "four connections");
        assert!(left.len() >= 100, "{}", left.len());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_is_used_from_then_on() {
    with_actors(async {
        let setting = Setting { limit: None, ..Setting::new(3, "1") };
        let change = async |limiter: Addr<RateQueue>| {
            for (seconds, rate) in [(1, Some(20.into())), (10, Some(100.into())), (10, None)] {
                sleep(Duration::from_secs(seconds)).await;
                limiter.send(SetLimit(rate)).await.unwrap();
            }
        };
        let left = setting.departures_with(22, change).await;
        let between = |from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            left.iter().filter(|(_, at)| from <= *at && *at < to).count()
        };
        assert!((198..=201).contains(&between(1, 11)), "{}", between(1, 11));
        assert!((990..=1_001).contains(&between(11, 21)), "{}", between(11, 21));
        // 24 connections and 3 ms each.
        assert!(between(21, 22) > 5_000, "{}", between(21, 22));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_its_permit_to_the_others() {
    with_actors(async {
        let setting = Setting { callers: 4, ..Setting::new(2, "10") };
        let leaving = async |limiter: Addr<RateQueue>| {
            for _ in 0..200 {
                let permit = Arc::new(Semaphore::new(1)).try_acquire().ok().unwrap();
                let (reply, answer) = oneshot::channel();
                let acquire = Acquire {
                    deadline: now() + EVER,
                    priority: call().priority,
                    in_flight: Arc::new(InFlight::new(permit)),
                    token: TokenWish::None,
                    cost: 1,
                    reply,
                };
                limiter.send(acquire).await.unwrap();
                sleep(millis(50)).await;
                drop(answer);
            }
        };
        let left = setting.departures_with(20, leaving).await;
        assert!(left.len() >= 190, "{}", left.len());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_per_token_holds_for_each_and_is_used_by_each() {
    for (workers, limit, all) in [(1, None, 60.0), (3, None, 60.0), (3, Some(30), 30.0)] {
        with_actors(async {
            let setting = Setting {
                limit: limit.map(Decimal::from),
                tokens: Some((3, 20.into())),
                callers: 32,
                ..Setting::new(workers, "1")
            };
            let left = setting.departures(30).await;
            for token in 0..3 {
                let own: Vec<_> = left.iter().filter(|(by, _)| *by == token).copied().collect();
                let name = format!("{workers} workers, {limit:?}, token {token}");
                is_exact(&own, 20.0, 1.0, &name);
                assert!(own.len() as f64 >= 0.95 * 10.0 * all, "{name}: {}", own.len());
            }
        })
        .await;
    }
}
