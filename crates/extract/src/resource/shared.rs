//! What the handles of a pool, its guards and its keeper share: the idle resources, the permits,
//! and who waits. Each change is made under one lock, without any code of users.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::mpsc};
use vantage_api_pool::pooling::{Permit, PoolLimits, PoolState, RefillBackoff, Semaphore};

use super::{
    breaker::Breaker,
    builder::PoolSettings,
    error::PoolError,
    events::{DiscardReason, Events, PoolEvent},
    health::{Counted, LastMinute},
    held::{Gone, Laid, Resource},
    keeper::Command,
    poolable::{Factory, Poolable},
    stats::Counters,
};

pub(super) struct Shared<F: Factory> {
    pub(super) factory: F,
    pub(super) settings: PoolSettings,
    pub(super) permits: Arc<Semaphore>,
    state: Mutex<State<F::Item>>,
    gone: Gone<Laid<F::Item>>,
    /// How many calls wait.
    pub(super) waiting: AtomicUsize,
    pub(super) is_closed: AtomicBool,
    began: Instant,
    /// The time when somebody last looked at the clock, in nanoseconds since then.
    seen: AtomicU64,
    pub(super) counters: Counters,
    pub(super) events: Events,
    pub(super) keeper: mpsc::UnboundedSender<Command<F::Item>>,
    /// The runtime of the keeper.
    pub(super) runtime: Handle,
}

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
    /// Calls that have a permit, and neither a resource nor one to come.
    wanted: usize,
    /// Who waits for a change.
    wakers: Vec<Waker>,
    pub(super) failure: Option<String>,
}

impl<F: Factory> Shared<F> {
    pub(super) fn new(
        factory: F,
        settings: PoolSettings,
        keeper: mpsc::UnboundedSender<Command<F::Item>>,
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
            permits: Arc::new(Semaphore::new(settings.max)),
            state: Mutex::new(State {
                pool: PoolState::new(limits),
                memory: 0,
                peak: 0,
                collections: 0,
                largest: 0,
                breaker: Breaker::new(settings.breaker, now),
                backoff: RefillBackoff::default(),
                minute: LastMinute::new(now),
                wanted: 0,
                wakers: Vec::new(),
                failure: None,
            }),
            settings,
            gone: Gone::default(),
            waiting: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            began: now,
            seen: AtomicU64::new(0),
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
        for (laid, why) in &gone_now {
            state.memory = state.memory.saturating_sub(laid.memory);
            if !matches!(why, DiscardReason::Closed) {
                state.minute.count(Counted::Discard, now);
            }
        }
        drop(state);
        let _runtime = self.runtime.enter();
        for (laid, mut why) in gone_now {
            let age = now.saturating_duration_since(laid.born);
            if why == DiscardReason::Idle && age >= self.settings.max_lifetime {
                why = DiscardReason::MaxLifetime;
            }
            self.counters.discarded(why);
            self.events.emit(PoolEvent::Discarded(why));
            // A panic costs nobody else anything, nor does that of its payload.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(laid))).map_err(mem::forget);
        }
    }

    /// The time, which [`recent`](Self::recent) knows from now on.
    pub(super) fn now(&self) -> Instant {
        let now = Instant::now();
        let nanos = now.saturating_duration_since(self.began).as_nanos();
        self.seen.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        now
    }

    /// The time when somebody last looked at the clock. The keeper does at least once a second
    /// while there are resources, and who returns one does.
    pub(super) fn recent(&self) -> Instant {
        self.began + Duration::from_nanos(self.seen.load(Ordering::Relaxed))
    }

    /// The idle resource that was used last.
    pub(super) fn take(&self, now: Instant) -> Option<Resource<F::Item>> {
        self.take_and(now, |_| {})
    }

    /// The same for a call that [wants](Self::want) one, and wants none any more if there is one.
    pub(super) fn take_wanted(&self, now: Instant) -> Option<Resource<F::Item>> {
        self.take_and(now, |state| state.wanted = state.wanted.saturating_sub(1))
    }

    fn take_and(
        &self,
        now: Instant,
        took: impl FnOnce(&mut State<F::Item>),
    ) -> Option<Resource<F::Item>> {
        let lifetime = self.settings.max_lifetime;
        let is_young =
            |resource: &Resource<F::Item>| now.saturating_duration_since(resource.born) < lifetime;
        let mut state = self.lock();
        let taken = state.pool.take(now, |resource| {
            resource.why = DiscardReason::MaxLifetime;
            is_young(resource)
        });
        if taken.is_some() {
            state.minute.count(Counted::Use, now);
            state.minute.count(Counted::Attempt, now);
            took(&mut state);
        }
        drop(state);
        if taken.is_none() {
            self.bury();
        }
        taken.map(|(resource, _)| resource)
    }

    /// A resource was made.
    pub(super) fn created(&self, item: F::Item, epoch: u64) {
        let now = Instant::now();
        let memory = memory_of(&item);
        let resource = Resource::new(item, memory, now, &self.gone);
        self.counters.created.fetch_add(1, Ordering::Relaxed);
        self.events.emit(PoolEvent::Created);
        let is_closed = self.is_closed();
        let has_changed = self.change(|state| {
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
        let max = self.permits.size();
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
        if !self.has_memory_for_one(&state) && state.pool.open() < self.permits.size() {
            let limit = self.settings.memory_limit.unwrap_or_default();
            return PoolError::MemoryLimit { limit };
        }
        match &state.failure {
            Some(reason) => PoolError::Create { reason: reason.clone() },
            None => PoolError::Timeout { waited },
        }
    }

    /// Takes back a resource, which is ready for the next user. The permit goes to the next one.
    pub(super) fn returned(&self, mut resource: Resource<F::Item>, permit: Permit, now: Instant) {
        let memory = resource.item.as_deref().map_or(0, memory_of);
        let before = mem::replace(&mut resource.memory, memory);
        let is_closed = self.is_closed();
        resource.why = match is_closed {
            true => DiscardReason::Closed,
            false if now.saturating_duration_since(resource.born) >= self.settings.max_lifetime => {
                DiscardReason::MaxLifetime
            }
            false => DiscardReason::Idle,
        };
        self.events.emit(PoolEvent::Returned);
        let mut state = self.lock();
        state.memory = (state.memory + memory).saturating_sub(before);
        state.peak = state.peak.max(state.memory);
        state.largest = state.largest.max(memory);
        let (born, before) = (resource.born, state.pool.idle().len());
        if is_closed {
            drop(resource);
        } else {
            state.pool.returned(resource, born, now);
        }
        let is_gone = state.pool.idle().len() == before;
        state.pool.leave();
        let wakers = mem::take(&mut state.wakers);
        let is_pressed = self.is_pressed(&state);
        let is_missing = state.pool.missing() > 0;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if is_gone {
            self.bury();
        }
        drop(permit);
        if is_pressed {
            self.check_pressure();
        }
        if is_missing || is_closed {
            self.tell(Command::Look);
        }
    }

    /// A resource that nobody has used is not healthy. That is as if it could not be made: others
    /// are not made at once, over and over.
    pub(super) fn was_born_ill(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.backoff.failed(now, jitter(now));
        state.failure = Some("a new one was not healthy".to_owned());
    }

    /// A resource that is in use goes, for this reason.
    pub(super) fn discard(&self, mut resource: Resource<F::Item>, why: DiscardReason) {
        resource.why = why;
        let is_failure = matches!(why, DiscardReason::Unhealthy | DiscardReason::ResetFailed);
        self.change(|state| {
            if is_failure {
                state.minute.count(Counted::Failure, Instant::now());
            }
            drop(resource);
            state.pool.leave();
        });
        self.tell(Command::Look);
    }

    /// A resource leaves the pool for good, with its user.
    pub(super) fn leave(&self, mut resource: Resource<F::Item>) -> F::Item {
        let item = resource.take_item();
        self.change(|state| {
            state.memory = state.memory.saturating_sub(resource.memory);
            state.pool.leave();
        });
        self.tell(Command::Look);
        item
    }

    pub(super) fn refused(&self) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut state = self.lock();
        state.minute.count(Counted::Attempt, now);
        state.minute.count(Counted::Failure, now);
    }

    pub(super) fn tell(&self, command: Command<F::Item>) {
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
fn memory_of<T: Poolable>(item: &T) -> usize {
    let memory = catch_unwind(AssertUnwindSafe(|| item.memory()));
    memory.map_err(mem::forget).unwrap_or_default()
}

/// Some number between 0 and 1 that is another one at another time.
fn jitter(now: Instant) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(now);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

impl<F: Factory> Drop for Shared<F> {
    fn drop(&mut self) {
        self.close_idle();
    }
}
