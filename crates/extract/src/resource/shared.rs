//! What the handles of a pool, its guards and its keeper share: the idle resources, the permits,
//! and who waits. Each change is made under one lock, without any code of users.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::mpsc};
use vantage_api_pool::pooling::{self, PoolLimits, PoolState, RefillBackoff, Semaphore};

use super::{
    breaker::Breaker,
    builder::PoolSettings,
    error::PoolError,
    events::{DiscardReason, Events, PoolEvent},
    health::{Counted, LastMinute},
    held::{Gone, Resource},
    keeper::Command,
    poolable::{Factory, Poolable},
    stats::Counters,
    timed_permits::TimedPermits,
};

pub(super) struct Shared<F: Factory> {
    pub(super) factory: F,
    pub(super) settings: PoolSettings,
    pub(super) permits: Arc<TimedPermits>,
    state: Mutex<State<F::Item>>,
    gone: Gone<F::Item>,
    pub(super) is_closed: AtomicBool,
    pub(super) counters: Counters,
    pub(super) events: Events,
    pub(super) keeper: mpsc::UnboundedSender<Command<F>>,
    /// The runtime of the keeper.
    pub(super) runtime: Handle,
}

/// A handle of a pool, which keeps its permits with it.
pub(super) struct Owner<F: Factory>(pub(super) Arc<Shared<F>>);

impl<F: Factory> AsRef<Semaphore> for Owner<F> {
    fn as_ref(&self) -> &Semaphore {
        &self.0.permits.semaphore
    }
}

/// A permit, with a handle of its pool.
pub(super) type Permit<F> = pooling::Permit<Owner<F>>;

pub(super) struct State<T> {
    pub(super) pool: PoolState<Resource<T>>,
    /// The memory of all resources, of those in use as they were when they were handed out.
    pub(super) memory: usize,
    /// The most of it at a time.
    pub(super) peak: usize,
    /// How often resources were closed to free memory.
    pub(super) collections: u64,
    /// The largest resource so far.
    pub(super) largest: usize,
    pub(super) breaker: Breaker,
    pub(super) backoff: RefillBackoff,
    pub(super) minute: LastMinute,
    /// The time when a resource came or went last, or the keeper looked at the clock, which it does
    /// at least once a second while there are resources.
    pub(super) recent: Instant,
    /// Calls that have a permit, and neither a resource nor one to come.
    pub(super) wanted: usize,
    /// Who waits for a change.
    pub(super) wakers: Vec<Waker>,
    pub(super) failure: Option<String>,
}

impl<F: Factory> Shared<F> {
    pub(super) fn new(
        factory: F,
        settings: PoolSettings,
        keeper: mpsc::UnboundedSender<Command<F>>,
        runtime: Handle,
        now: Instant,
    ) -> Self {
        let limits = PoolLimits {
            min: settings.min,
            max: settings.max,
            idle_timeout: settings.idle_timeout,
            max_lifetime: settings.max_lifetime,
        };
        Self {
            factory,
            permits: TimedPermits::new(settings.max),
            state: Mutex::new(State {
                pool: PoolState::new(limits),
                memory: 0,
                peak: 0,
                collections: 0,
                largest: 0,
                breaker: Breaker::new(settings.breaker, now),
                backoff: RefillBackoff::default(),
                minute: LastMinute::new(now),
                recent: now,
                wanted: 0,
                wakers: Vec::new(),
                failure: None,
            }),
            settings,
            gone: Gone::default(),
            is_closed: AtomicBool::new(false),
            counters: Counters::default(),
            events: Events::default(),
            keeper,
            runtime,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<F::Item>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Changes the state, then wakes who waits for that and drops what is gone, without the lock.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State<F::Item>) -> R) -> R {
        let mut state = self.lock();
        let changed = change(&mut state);
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.bury();
        changed
    }

    /// Drops the resources that are gone.
    pub(super) fn bury(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.is_empty() {
            return;
        }
        let gone_now = mem::take(&mut *gone);
        drop(gone);
        let now = Instant::now();
        let mut state = self.lock();
        for held in &gone_now {
            state.memory = state.memory.saturating_sub(held.memory);
            if held.why != DiscardReason::Closed {
                state.minute.count(Counted::Discard, now);
            }
        }
        drop(state);
        let _runtime = self.runtime.enter();
        for held in gone_now {
            let mut why = held.why;
            let age = now.saturating_duration_since(held.born);
            // The pool drops what is too old as if it were idle.
            if why == DiscardReason::Idle && age >= self.settings.max_lifetime {
                why = DiscardReason::MaxLifetime;
            }
            self.counters.discarded(why);
            self.events.emit(PoolEvent::Discarded(why));
            // A panic costs nobody else anything, nor does that of its payload.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(held))).map_err(mem::forget);
        }
    }

    /// A resource was made.
    pub(super) fn created(&self, item: F::Item, epoch: u64) {
        let now = Instant::now();
        let memory = memory_of(&item);
        let resource = Resource::new(item, memory, now, self.settings.max_lifetime, &self.gone);
        self.counters.created.fetch_add(1, Ordering::Relaxed);
        self.events.emit(PoolEvent::Created);
        let is_closed = self.is_closed();
        let has_changed = self.change(|state| {
            state.recent = state.recent.max(now);
            state.memory += memory;
            state.peak = state.peak.max(state.memory);
            state.largest = state.largest.max(memory);
            state.minute.count(Counted::Attempt, now);
            state.backoff.reset();
            state.failure = None;
            let has_changed = state.breaker.record(epoch, Some(true), now);
            let mut resource = Some(resource);
            if is_closed && let Some(resource) = &mut resource {
                resource.why = DiscardReason::Closed;
            }
            state.pool.end_filling(resource.take_if(|_| !is_closed), now);
            has_changed
        });
        self.told_breaker(has_changed);
        self.check_pressure();
    }

    /// A resource could not be made. `None` if nobody knows why.
    pub(super) fn failed(&self, reason: Option<String>, epoch: u64) {
        let now = Instant::now();
        self.counters.create_failures.fetch_add(1, Ordering::Relaxed);
        let is_known = reason.is_some();
        let has_changed = self.change(|state| {
            state.minute.count(Counted::Attempt, now);
            state.minute.count(Counted::Failure, now);
            state.pool.end_filling(None, now);
            state.backoff.failed(now, jitter(now));
            state.failure = reason.or_else(|| Some("its future was dropped".to_owned()));
            state.breaker.record(epoch, is_known.then_some(false), now)
        });
        self.events.emit(PoolEvent::CreateFailed);
        self.told_breaker(has_changed);
    }

    fn told_breaker(&self, has_changed: bool) {
        if has_changed {
            let state = self.lock().breaker.state(Instant::now());
            self.events.emit(PoolEvent::Breaker(state));
        }
    }

    /// How many resources the keeper is to make now, each with the epoch of the breaker: as many
    /// as calls want and as the minimum lacks. What is made is counted as being made.
    pub(super) fn begin_creating(&self, now: Instant) -> Vec<u64> {
        let max = self.permits.semaphore.size();
        let mut state = self.lock();
        let mut begun = Vec::new();
        if self.is_closed() || state.backoff.until(now).is_some() {
            return begun;
        }
        loop {
            let open = state.pool.open() + state.pool.filling();
            let wanted =
                state.wanted.saturating_sub(state.pool.filling() + state.pool.idle().len());
            let is_due = open < max && (wanted > 0 || state.pool.missing() > 0);
            if !is_due || !self.has_memory_for_one(&state) {
                return begun;
            }
            let Some(epoch) = state.breaker.admit(now) else { return begun };
            state.pool.begin_filling();
            begun.push(epoch);
        }
    }

    /// Waits for a change of the state, from this call on; counted as one that wants a resource.
    pub(super) fn want(&self) {
        self.lock().wanted += 1;
        self.tell(Command::Look);
    }

    pub(super) fn unwant(&self) {
        let mut state = self.lock();
        state.wanted = state.wanted.saturating_sub(1);
    }

    pub(super) fn wake_on_change(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.wakers.iter().any(|other| other.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
    }

    /// Why no resource comes, if none will for a while.
    pub(super) fn refusal(&self, now: Instant) -> Option<PoolError> {
        let state = self.lock();
        if state.pool.filling() > 0 {
            return None;
        }
        let retry_after = state.breaker.wait(now)?;
        Some(PoolError::CircuitOpen { retry_after })
    }

    /// Why no resource came in time.
    pub(super) fn too_late(&self, waited: Duration) -> PoolError {
        let state = self.lock();
        if !self.has_memory_for_one(&state) && state.pool.open() < self.permits.semaphore.size() {
            let limit = self.settings.memory_limit.unwrap_or_default();
            return PoolError::MemoryLimit { limit };
        }
        match &state.failure {
            Some(reason) => PoolError::Create { reason: reason.clone() },
            None => PoolError::Timeout { waited },
        }
    }

    pub(super) fn refused(&self) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut state = self.lock();
        state.minute.count(Counted::Attempt, now);
        state.minute.count(Counted::Failure, now);
    }

    pub(super) fn tell(&self, command: Command<F>) {
        // Without a keeper the pool is closed.
        let _ = self.keeper.send(command);
    }

    /// Closes what is idle.
    pub(super) fn close_idle(&self) {
        self.change(|state| {
            let mut idle = state.pool.drain();
            idle.iter_mut().for_each(|resource| resource.why = DiscardReason::Closed);
        });
    }
}

/// How much memory a resource says that it takes. One that panics takes none.
pub(super) fn memory_of<T: Poolable>(item: &T) -> usize {
    let memory = catch_unwind(AssertUnwindSafe(|| item.memory()));
    memory.map_err(mem::forget).unwrap_or_default()
}

/// Some number between 0 and 1 that is another one at another time.
pub(super) fn jitter(now: Instant) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(now);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

impl<F: Factory> Drop for Shared<F> {
    fn drop(&mut self) {
        self.permits.stop();
        self.close_idle();
    }
}
