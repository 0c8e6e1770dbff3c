//! What a pool of resources promises: nothing is lost by those who go away, by resources that
//! break, or by factories that fail.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt, executor::block_on, task::noop_waker_ref};
use tokio::sync::{
    Notify,
    broadcast::{Receiver, error::RecvError},
};
use vantage_api_extract::resource::{
    BoxError, BreakerSettings, BreakerState, DiscardReason, Factory, HealthLevel, PoolError,
    PoolEvent, Poolable, ResetOn, ResourcePool, ResourcePoolBuilder,
};
use vantage_api_pool::Priority;

const LONG: Duration = Duration::from_secs(120);

/// What the resources of one test do, and how many there are.
#[derive(Default)]
struct World {
    made: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    fails: AtomicBool,
    is_ill: AtomicBool,
    /// Those with a number below it do not say whether they are healthy.
    silent: AtomicUsize,
    memory: AtomicUsize,
    reset: Mutex<Behaviour>,
    create_waits: AtomicBool,
    go: Notify,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Behaviour {
    #[default]
    Works,
    Fails,
    Panics,
    Hangs,
    Yields,
}

#[derive(Clone, Default)]
struct Maker(Arc<World>);

struct Thing {
    world: Arc<World>,
    number: usize,
    dirty: bool,
}

impl Factory for Maker {
    type Item = Thing;

    async fn create(&self) -> Result<Thing, BoxError> {
        let world = &self.0;
        if world.create_waits.load(SeqCst) {
            world.go.notified().await;
        }
        if world.fails.load(SeqCst) {
            return Err("out of things".into());
        }
        let number = world.made.fetch_add(1, SeqCst);
        let alive = world.alive.fetch_add(1, SeqCst) + 1;
        world.most_alive.fetch_max(alive, SeqCst);
        Ok(Thing { world: Arc::clone(world), number, dirty: false })
    }
}

impl Poolable for Thing {
    async fn is_healthy(&mut self) -> bool {
        tokio::task::yield_now().await;
        if self.number < self.world.silent.load(SeqCst) {
            pending::<()>().await;
        }
        assert!(!self.dirty, "one that was not reset is handed out");
        !self.world.is_ill.load(SeqCst)
    }

    async fn reset(&mut self) -> Result<(), BoxError> {
        let behaviour = *self.world.reset.lock().unwrap();
        match behaviour {
            Behaviour::Works => {}
            Behaviour::Fails => return Err("cannot be reset".into()),
            Behaviour::Panics => panic!("asked to"),
            Behaviour::Hangs => pending().await,
            Behaviour::Yields => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        self.dirty = false;
        Ok(())
    }

    fn memory(&self) -> usize {
        self.world.memory.load(SeqCst)
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.world.alive.fetch_sub(1, SeqCst);
    }
}

fn pool(
    max: usize,
    set: impl FnOnce(ResourcePoolBuilder<Maker>) -> ResourcePoolBuilder<Maker>,
) -> (ResourcePool<Maker>, Arc<World>) {
    let maker = Maker::default();
    let world = Arc::clone(&maker.0);
    let usual = ResourcePool::builder(maker).max(max).checkout_timeout(LONG).reset_timeout(LONG);
    (set(usual).build().unwrap(), world)
}

/// Waits until something holds, which other threads bring about.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {LONG:?}");
        thread::yield_now();
    }
}

async fn event(events: &mut Receiver<PoolEvent>, wanted: PoolEvent) {
    let found = async {
        loop {
            match events.recv().await {
                Ok(event) if event == wanted => break,
                // Those of long ago are lost to who has done much meanwhile.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("no {wanted:?}: the pool is gone"),
            }
        }
    };
    tokio::time::timeout(LONG, found).await.unwrap_or_else(|_| panic!("no {wanted:?}"));
}

#[test]
fn a_resource_goes_back_when_its_guard_is_dropped_without_any_runtime() {
    let (pool, world) = pool(2, |pool| pool);
    for _ in 0..3 {
        let mut thing = block_on(pool.checkout()).unwrap();
        assert_eq!(thing.number, 0);
        thing.dirty = true;
    }
    let first = block_on(pool.checkout()).unwrap();
    let second = block_on(pool.checkout()).unwrap();
    assert_eq!((first.uses(), second.uses(), world.made.load(SeqCst)), (4, 1, 2));
    assert!(matches!(pool.try_checkout(), Err(PoolError::Exhausted)));
    thread::spawn(move || drop(second)).join().unwrap();
    let again = pool.try_checkout().unwrap();
    assert_eq!(again.number, 1);
    let metrics = pool.metrics();
    assert_eq!((metrics.size, metrics.idle, metrics.in_use), (2, 0, 2));
    assert_eq!((metrics.checkouts, metrics.refused), (6, 1));
    let number = again.take().number;
    assert_eq!((number, world.alive.load(SeqCst), pool.metrics().size), (1, 1, 1));
    drop(first);
    drop(pool);
    until("the last one ends", || world.alive.load(SeqCst) == 0);
}

/// Polls a future so many times and drops it. Whether it had ended before.
fn cancelled_after<R>(polls: usize, future: impl Future<Output = R>) -> bool {
    let mut future: Pin<Box<dyn Future<Output = R> + '_>> = Box::pin(future);
    let mut cx = Context::from_waker(noop_waker_ref());
    (0..polls).any(|_| {
        let is_ready = matches!(future.as_mut().poll(&mut cx), Poll::Ready(_));
        thread::yield_now();
        is_ready
    })
}

#[test]
fn a_call_that_is_cancelled_at_any_await_loses_no_place() {
    let has_ended = AtomicBool::new(false);
    for reset_on in [ResetOn::Return, ResetOn::Checkout] {
        for behaviour in [Behaviour::Works, Behaviour::Yields] {
            let (pool, world) = pool(2, |pool| pool.reset_on(reset_on));
            *world.reset.lock().unwrap() = behaviour;
            for polls in 0..60 {
                // With nothing idle, one idle, and none left to be had.
                let held: Vec<_> =
                    (0..polls % 3).map(|_| block_on(pool.checkout()).unwrap()).collect();
                let ended = cancelled_after(polls / 3, pool.checkout());
                has_ended.fetch_or(ended, SeqCst);
                drop(held);
                // Both places are there.
                let both = block_on(async { (pool.checkout().await, pool.checkout().await) });
                assert!(both.0.is_ok() && both.1.is_ok(), "after {polls} polls");
            }
            until("nothing is in use", || pool.metrics().in_use == 0);
            assert_eq!(pool.metrics().waiting, 0);
            assert!(world.most_alive.load(SeqCst) <= 2);
        }
    }
    assert!(has_ended.load(SeqCst), "some were polled to their end");
}

#[test]
fn many_tasks_never_have_more_than_the_maximum() {
    let (pool, world) = pool(4, |pool| pool);
    *world.reset.lock().unwrap() = Behaviour::Yields;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = (0..64).map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    let priority = [Priority::Low, Priority::Normal, Priority::High][n % 3];
                    let thing = pool.checkout_with(priority, LONG);
                    if (n + round) % 7 == 0 {
                        let _ = thing.now_or_never();
                        continue;
                    }
                    let mut thing = thing.await.unwrap();
                    thing.dirty = true;
                    tokio::task::yield_now().await;
                    if (n + round) % 11 == 0 {
                        thing.discard();
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    until("nothing is in use", || pool.metrics().in_use == 0);
    assert!(world.most_alive.load(SeqCst) <= 4, "{}", world.most_alive.load(SeqCst));
    assert_eq!(block_on(pool.drain(LONG)), 0);
    until("all have ended", || world.alive.load(SeqCst) == 0);
}

#[tokio::test]
async fn a_reset_that_fails_panics_or_hangs_costs_that_resource_only() {
    for (behaviour, number) in
        [(Behaviour::Fails, 1), (Behaviour::Panics, 1), (Behaviour::Hangs, 1)]
    {
        let (pool, world) = pool(1, |pool| pool.reset_timeout(Duration::from_millis(20)));
        let mut events = pool.events();
        let thing = pool.checkout().await.unwrap();
        *world.reset.lock().unwrap() = behaviour;
        drop(thing);
        event(&mut events, PoolEvent::Discarded(DiscardReason::ResetFailed)).await;
        *world.reset.lock().unwrap() = Behaviour::Works;
        let next = pool.checkout().await.unwrap();
        assert_eq!((next.number, world.alive.load(SeqCst)), (number, 1));
        assert_eq!(pool.metrics().reset_failures, 1);
        assert!(pool.health().score < 100);
    }
}

#[tokio::test]
async fn one_whose_user_panics_or_that_is_not_healthy_is_discarded() {
    let (pool, world) = pool(1, |pool| pool);
    let user = pool.clone();
    let panicked = thread::spawn(move || {
        let _thing = block_on(user.checkout()).unwrap();
        panic!("asked to");
    });
    assert!(panicked.join().is_err());
    let second = pool.checkout().await.unwrap();
    assert_eq!(second.number, 1);
    drop(second);
    world.is_ill.store(true, SeqCst);
    let error = pool.checkout_with(Priority::High, Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, PoolError::Timeout { .. } | PoolError::Create { .. }), "{error}");
    world.is_ill.store(false, SeqCst);
    assert!(pool.checkout().await.unwrap().number > 1);
    assert!(pool.metrics().unhealthy >= 1);
}

#[tokio::test]
async fn idle_ones_that_fall_ill_are_found_and_the_minimum_is_made_again() {
    let every = Duration::from_millis(5);
    let (pool, world) = pool(4, |pool| pool.min(2).health_interval(every));
    let mut events = pool.events();
    until("the minimum is there", || pool.metrics().idle == 2);
    world.is_ill.store(true, SeqCst);
    event(&mut events, PoolEvent::Discarded(DiscardReason::Unhealthy)).await;
    world.is_ill.store(false, SeqCst);
    until("the minimum is there again", || pool.metrics().idle == 2);
    assert!(world.made.load(SeqCst) > 2);
}

#[tokio::test]
async fn a_call_of_a_pool_whose_factory_is_a_closure_can_be_spawned() {
    let make = || async { Maker::default().create().await };
    let pool = ResourcePool::builder(make).max(1).build().unwrap();
    let own = pool.clone();
    tokio::spawn(async move { drop(own.checkout().await.unwrap()) }).await.unwrap();
    let fail = || async { Err::<Thing, BoxError>("no thing".into()) };
    let pool = ResourcePool::builder(fail).build().unwrap();
    let mut events = pool.events();
    let mut waiting = Box::pin(pool.checkout());
    assert!(waiting.as_mut().now_or_never().is_none());
    event(&mut events, PoolEvent::CreateFailed).await;
    drop(waiting);
    let error = pool.checkout_with(Priority::Normal, Duration::from_millis(10)).await.unwrap_err();
    assert!(matches!(&error, PoolError::Create { reason } if reason == "no thing"), "{error}");
}

#[tokio::test]
async fn new_ones_that_are_ill_are_made_again_after_a_while() {
    let (pool, world) = pool(2, |pool| pool);
    world.is_ill.store(true, SeqCst);
    let begun = Instant::now();
    let error = pool.checkout_with(Priority::Normal, Duration::from_millis(300)).await.unwrap_err();
    let is_told = matches!(&error, PoolError::Create { reason } if reason.contains("not healthy"));
    // One was made, and not asked, just when the time ended.
    assert!(is_told || matches!(error, PoolError::Timeout { .. }), "{error}");
    // The least wait between two is 50 ms.
    let most = 2 + begun.elapsed().as_millis() / 50;
    let made = world.made.load(SeqCst);
    assert!((1..=most).contains(&(made as u128)), "{made} in {:?}", begun.elapsed());
    world.is_ill.store(false, SeqCst);
    assert!(pool.checkout().await.is_ok());
}

#[tokio::test]
async fn one_that_does_not_answer_costs_itself_only() {
    let (pool, world) = pool(3, |pool| pool);
    let all = [pool.checkout().await, pool.checkout().await, pool.checkout().await];
    assert!(all.iter().all(Result::is_ok));
    drop(all);
    world.silent.store(3, SeqCst);
    // The time of the call ends while it asks the first.
    let short = Duration::from_millis(10);
    assert!(pool.checkout_with(Priority::Normal, short).await.is_err());
    let metrics = pool.metrics();
    assert_eq!((metrics.idle, metrics.size, metrics.unhealthy), (2, 2, 1));

    // The time of the question ends before that of the call.
    let (pool, world) = self::pool(1, |pool| pool.reset_timeout(Duration::from_millis(20)));
    drop(pool.checkout().await.unwrap());
    world.silent.store(1, SeqCst);
    assert_eq!(pool.checkout().await.unwrap().number, 1);
}

#[tokio::test]
async fn without_health_checks_nobody_is_asked() {
    let (pool, world) = pool(1, |pool| pool.health_checks(false));
    world.is_ill.store(true, SeqCst);
    assert_eq!(pool.checkout().await.unwrap().number, 0);
}

#[tokio::test]
async fn a_factory_that_fails_is_tried_again_and_opens_the_breaker() {
    let breaker = BreakerSettings::default().failures(2).open_time(Duration::from_secs(600));
    let (pool, world) = pool(2, |pool| pool.breaker(breaker));
    world.fails.store(true, SeqCst);
    let mut events = pool.events();
    // Whoever waits learns of it.
    let error = pool.checkout().await.unwrap_err();
    assert!(matches!(error, PoolError::CircuitOpen { .. }), "{error}");
    event(&mut events, PoolEvent::Breaker(BreakerState::Open)).await;
    let error = pool.checkout().await.unwrap_err();
    assert!(matches!(error, PoolError::CircuitOpen { .. }), "{error}");
    assert_eq!(pool.metrics().create_failures, 2);
    let health = pool.health();
    assert_eq!((health.level, health.breaker), (HealthLevel::Critical, BreakerState::Open));

    let breaker = BreakerSettings::default().failures(2).successes(2);
    let breaker = breaker.open_time(Duration::from_millis(10));
    let (pool, world) = self::pool(2, |pool| pool.breaker(breaker));
    world.fails.store(true, SeqCst);
    assert!(pool.checkout().await.is_err());
    world.fails.store(false, SeqCst);
    // A loop that blocked this thread would leave what yields to its runtime waiting.
    let made = async { while pool.checkout().await.is_err() {} };
    tokio::time::timeout(LONG, made).await.expect("one is made");
    assert_eq!(pool.breaker_state(), BreakerState::HalfOpen);
    let both = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    assert_eq!(pool.breaker_state(), BreakerState::Closed);
    drop(both);
}

#[tokio::test]
async fn a_call_that_waits_in_vain_says_for_what() {
    let (pool, world) = pool(1, |pool| pool);
    let short = Duration::from_millis(10);
    let held = pool.checkout().await.unwrap();
    let error = pool.checkout_with(Priority::Normal, short).await.unwrap_err();
    assert!(matches!(error, PoolError::Timeout { waited } if waited == short), "{error}");
    world.fails.store(true, SeqCst);
    let mut events = pool.events();
    held.discard();
    // Somebody wants one, and it cannot be made.
    let mut waiting = Box::pin(pool.checkout());
    assert!(waiting.as_mut().now_or_never().is_none());
    event(&mut events, PoolEvent::CreateFailed).await;
    drop(waiting);
    let error = pool.checkout_with(Priority::Normal, short).await.unwrap_err();
    let is_told = matches!(&error, PoolError::Create { reason } if reason == "out of things");
    assert!(is_told || matches!(error, PoolError::CircuitOpen { .. }), "{error}");
    assert_eq!(pool.metrics().waiting, 0);
    assert!(pool.metrics().refused >= 2);
}

#[tokio::test]
async fn each_wait_ends_with_its_own_time_however_long_the_others_wait() {
    let (pool, _) = pool(1, |pool| pool);
    let held = pool.checkout().await.unwrap();
    let wait = |time| Box::pin(pool.checkout_with(Priority::Normal, time));
    let forever = Duration::MAX;
    let mut patient = [wait(LONG), wait(forever), wait(LONG / 2)];
    assert!(patient.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
    let left = wait(Duration::from_millis(1));
    drop(left);
    for times in [[20, 1, 10], [0, 0, 0], [1, 2, 3]] {
        let mut short = times.map(|time| wait(Duration::from_millis(time)));
        for (waiting, time) in short.iter_mut().zip(times) {
            let error = waiting.await.unwrap_err();
            let time = Duration::from_millis(time);
            assert!(matches!(error, PoolError::Timeout { waited } if waited == time), "{error}");
        }
    }
    assert_eq!(pool.metrics().waiting, 3);
    drop(held);
    for waiting in patient {
        waiting.await.unwrap();
    }
    assert_eq!(pool.metrics().waiting, 0);
}

#[tokio::test]
async fn a_factory_that_hangs_is_given_up() {
    let (pool, world) = pool(1, |pool| pool.create_timeout(Duration::from_millis(10)));
    world.create_waits.store(true, SeqCst);
    let mut events = pool.events();
    let mut waiting = Box::pin(pool.checkout());
    assert!(waiting.as_mut().now_or_never().is_none());
    event(&mut events, PoolEvent::CreateFailed).await;
    world.create_waits.store(false, SeqCst);
    waiting.await.unwrap();
}

#[tokio::test]
async fn whoever_waits_gets_what_is_returned_first_by_priority() {
    let (pool, world) = pool(1, |pool| pool);
    let held = pool.checkout().await.unwrap();
    let mut low = Box::pin(pool.checkout_with(Priority::Low, LONG));
    let mut high = Box::pin(pool.checkout_with(Priority::High, LONG));
    assert!(low.as_mut().now_or_never().is_none());
    assert!(high.as_mut().now_or_never().is_none());
    assert_eq!(pool.metrics().waiting, 2);
    drop(held);
    let first = high.await.unwrap();
    assert!(low.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(low.await.unwrap().number, 0);
    assert_eq!(world.made.load(SeqCst), 1);
}

#[tokio::test]
async fn uses_lifetime_and_idle_time_end_a_resource() {
    let (uses, _) = pool(1, |pool| pool.max_uses(2));
    let mut events = uses.events();
    for number in [0, 0, 1, 1, 2] {
        assert_eq!(uses.checkout().await.unwrap().number, number);
    }
    event(&mut events, PoolEvent::Discarded(DiscardReason::MaxUses)).await;

    // Using it does not renew its lifetime.
    let (old, _) = pool(1, |pool| pool.max_lifetime(Duration::from_millis(40)));
    let mut events = old.events();
    let replaced = async { while old.checkout().await.unwrap().number == 0 {} };
    tokio::time::timeout(LONG, replaced).await.expect("it is replaced");
    event(&mut events, PoolEvent::Discarded(DiscardReason::MaxLifetime)).await;

    let (idle, world) = pool(4, |pool| pool.min(1).idle_timeout(Duration::from_millis(20)));
    let mut events = idle.events();
    let all = [idle.checkout().await, idle.checkout().await, idle.checkout().await];
    assert!(all.iter().all(Result::is_ok));
    drop(all);
    event(&mut events, PoolEvent::Discarded(DiscardReason::Idle)).await;
    event(&mut events, PoolEvent::Discarded(DiscardReason::Idle)).await;
    assert_eq!(idle.metrics().size, 1);
    until("two are dropped", || world.alive.load(SeqCst) == 1);
}

#[tokio::test]
async fn memory_is_counted_and_bounded() {
    let (pool, world) = pool(4, |pool| pool.memory_limit(250));
    world.memory.store(100, SeqCst);
    let mut events = pool.events();
    let two = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    let stats = pool.memory_stats();
    assert_eq!((stats.used, stats.limit, stats.pressure), (200, Some(250), 0.8));
    let short = Duration::from_millis(10);
    let error = pool.checkout_with(Priority::Normal, short).await.unwrap_err();
    assert!(matches!(error, PoolError::MemoryLimit { limit: 250 }), "{error}");
    drop(two.0);
    let again = pool.checkout().await.unwrap();
    world.memory.store(120, SeqCst);
    drop(again);
    event(&mut events, PoolEvent::Pressure).await;
    assert_eq!(pool.memory_stats().used, 220);
    assert!(pool.health().score < 100);
    assert_eq!(pool.collect(), 120);
    event(&mut events, PoolEvent::Discarded(DiscardReason::Memory)).await;
    assert_eq!(pool.memory_stats().used, 100);

    let (free, _) = self::pool(4, |pool| pool.min(1));
    let both = (free.checkout().await.unwrap(), free.checkout().await.unwrap());
    drop(both);
    free.collect();
    assert_eq!(free.metrics().size, 1);
}

#[tokio::test]
async fn one_that_outgrew_the_limit_leaves_room_for_others_once_it_is_gone() {
    let (pool, world) = pool(4, |pool| pool.memory_limit(250));
    world.memory.store(100, SeqCst);
    let thing = pool.checkout().await.unwrap();
    world.memory.store(400, SeqCst);
    drop(thing);
    assert_eq!(pool.collect(), 400);
    world.memory.store(100, SeqCst);
    let next = pool.checkout().await.unwrap();
    assert_eq!((next.number, pool.memory_stats().used), (1, 100));
    // As large as that one was, a second one would not fit.
    let short = Duration::from_millis(10);
    let error = pool.checkout_with(Priority::Normal, short).await.unwrap_err();
    assert!(matches!(error, PoolError::MemoryLimit { limit: 250 }), "{error}");
}

#[tokio::test]
async fn pressure_closes_idle_ones_by_itself() {
    let every = Duration::from_millis(5);
    let (pool, world) = pool(4, |pool| pool.memory_limit(200).gc_interval(every));
    world.memory.store(90, SeqCst);
    let both = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    drop(both);
    until("one is closed", || pool.memory_stats().used == 90);
}

#[tokio::test]
async fn a_pool_may_change_its_size() {
    let (pool, world) = pool(1, |pool| pool);
    let first = pool.checkout().await.unwrap();
    pool.resize(0, 2).unwrap();
    let second = pool.checkout().await.unwrap();
    pool.resize(0, 1).unwrap();
    drop(first);
    until("one has gone", || world.alive.load(SeqCst) == 1);
    assert!(matches!(pool.try_checkout(), Err(PoolError::Exhausted)));
    drop(second);
    assert!(pool.checkout().await.is_ok());
    assert!(pool.resize(2, 1).is_err() && pool.resize(0, 0).is_err());
    pool.resize(1, 1).unwrap();
    until("the minimum is there", || pool.metrics().size == 1);
}

#[tokio::test]
async fn a_pool_that_drains_waits_for_its_users_and_serves_nobody() {
    let (pool, world) = pool(2, |pool| pool.min(1));
    let held = pool.checkout().await.unwrap();
    let other = pool.checkout().await.unwrap();
    let mut waiting = Box::pin(pool.checkout());
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(pool.drain(Duration::from_millis(10)).await, 2);
    assert!(matches!(waiting.await, Err(PoolError::Closed)));
    assert!(matches!(pool.checkout().await, Err(PoolError::Closed)));
    assert!(matches!(pool.try_checkout(), Err(PoolError::Closed)));
    assert_eq!(pool.health().level, HealthLevel::Critical);
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain(LONG).await }
    });
    drop((held, other));
    assert_eq!(drained.await.unwrap(), 0);
    until("all have ended", || world.alive.load(SeqCst) == 0);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let builder = || ResourcePool::builder(Maker::default());
    for (builder, name) in [
        (builder().max(0), "max"),
        (builder().min(3).max(2), "min"),
        (builder().max_uses(0), "max_uses"),
        (builder().memory_limit(0), "memory_limit"),
        (builder().pressure_threshold(1.5), "pressure_threshold"),
        (builder().health_interval(Duration::ZERO), "health_interval"),
        (builder().breaker(BreakerSettings::default().failures(0)), "breaker failures"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(&error, PoolError::Config { name: own, .. } if own == name), "{error}");
    }
}

#[tokio::test]
async fn every_variable_of_the_environment_has_an_effect() {
    let built = |variables: &[(&str, &str)]| {
        let maker = Maker::default();
        let world = Arc::clone(&maker.0);
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let builder = ResourcePool::builder(maker).from_variables("NATIVE", variables).unwrap();
        (builder.build().unwrap(), world)
    };
    let (pool, _) = built(&[("NATIVE_POOL_SIZE", "2"), ("NATIVE_MAX_INSTANCES", "3")]);
    assert_eq!(pool.metrics().max, 3);
    until("the minimum is there", || pool.metrics().idle == 2);

    let (pool, world) = built(&[("NATIVE_IDLE_TIMEOUT_MS", "5")]);
    drop(pool.checkout().await.unwrap());
    until("it is closed", || world.alive.load(SeqCst) == 0);

    let (pool, _) = built(&[("NATIVE_MEMORY_LIMIT_MB", "3")]);
    assert_eq!(pool.memory_stats().limit, Some(3 << 20));

    for name in ["NATIVE_HEALTH_CHECK_INTERVAL_MS", "HEALTH_CHECK_INTERVAL_MS"] {
        let (pool, world) = built(&[(name, "5"), ("NATIVE_POOL_SIZE", "1")]);
        until("one is there", || pool.metrics().idle == 1);
        world.is_ill.store(true, SeqCst);
        until("it is found", || pool.metrics().unhealthy > 0);
    }
    let (pool, world) = built(&[("HEALTH_CHECK_ENABLED", "false")]);
    world.is_ill.store(true, SeqCst);
    assert!(pool.checkout().await.is_ok());

    let (pool, world) = built(&[("CB_FAILURE_THRESHOLD", "1"), ("CB_TIMEOUT_MS", "600000")]);
    world.fails.store(true, SeqCst);
    assert!(matches!(pool.checkout().await, Err(PoolError::CircuitOpen { .. })));
    assert_eq!(pool.metrics().create_failures, 1);
    let (pool, world) = built(&[
        ("CB_FAILURE_THRESHOLD", "1"),
        ("CB_SUCCESS_THRESHOLD", "2"),
        ("CB_TIMEOUT_MS", "10"),
    ]);
    world.fails.store(true, SeqCst);
    assert!(matches!(pool.checkout().await, Err(PoolError::CircuitOpen { .. })));
    world.fails.store(false, SeqCst);
    // A loop that blocked this thread would leave what yields to its runtime waiting.
    let made = async { while pool.checkout().await.is_err() {} };
    tokio::time::timeout(LONG, made).await.expect("one is made");
    assert_eq!(pool.breaker_state(), BreakerState::HalfOpen);

    let (pool, world) = built(&[
        ("MEMORY_PRESSURE_THRESHOLD", "0.1"),
        ("GC_INTERVAL_MS", "5"),
        ("NATIVE_MEMORY_LIMIT_MB", "1"),
    ]);
    world.memory.store(1 << 18, SeqCst);
    drop(pool.checkout().await.unwrap());
    until("it is closed", || world.alive.load(SeqCst) == 0);

    // What the program sets takes precedence.
    let variables = [("NATIVE_MAX_INSTANCES".to_owned(), "3".to_owned())];
    let builder = ResourcePool::builder(Maker::default()).max(5);
    let pool = builder.from_variables("NATIVE", variables).unwrap().build().unwrap();
    assert_eq!(pool.metrics().max, 5);
}
