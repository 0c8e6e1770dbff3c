//! The handle of a pool.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use futures_timer::Delay;
use tokio::sync::broadcast;
use vantage_api_pool::Priority;

use super::{
    breaker::BreakerState,
    builder::ResourcePoolBuilder,
    checkout::Checkout,
    error::PoolError,
    events::PoolEvent,
    health::{Health, MemoryStats, Shares, level},
    keeper::Command,
    poolable::Factory,
    shared::Shared,
    stats::PoolMetrics,
    waits,
};

/// A pool of resources. A handle is cheap to clone, works on any executor, and keeps the pool
/// alive.
///
/// ```
/// use vantage_api_extract::resource::{BoxError, Poolable, ResourcePool};
///
/// struct Buffer(Vec<u8>);
///
/// impl Poolable for Buffer {
///     async fn reset(&mut self) -> Result<(), BoxError> {
///         self.0.clear();
///         Ok(())
///     }
///
///     fn memory(&self) -> usize {
///         self.0.capacity()
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let make = || async { Ok::<_, BoxError>(Buffer(Vec::new())) };
/// let pool = ResourcePool::builder(make).max(4).memory_limit(1 << 20).build()?;
/// let mut buffer = pool.checkout().await?;
/// buffer.0.extend(b"some bytes");
/// drop(buffer); // it goes back, empty
/// assert!(pool.checkout().await?.0.is_empty());
/// # Ok::<(), vantage_api_extract::resource::PoolError>(())
/// # }).unwrap();
/// ```
pub struct ResourcePool<F: Factory> {
    shared: Arc<Shared<F>>,
}

impl<F: Factory> Clone for ResourcePool<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F: Factory> ResourcePool<F> {
    pub(super) fn new(shared: Arc<Shared<F>>) -> Self {
        Self { shared }
    }

    /// The settings of a pool whose resources `factory` makes.
    pub fn builder(factory: F) -> ResourcePoolBuilder<F> {
        ResourcePoolBuilder::new(factory)
    }

    /// A resource: the idle one that was used last, the next that is returned, or a new one,
    /// whichever comes first. Calls wait in the order in which they came.
    ///
    /// Dropping the future leaves the queue. A resource that was on its way goes to the next.
    ///
    /// # Errors
    /// [`PoolError::Timeout`], [`PoolError::Create`] or [`PoolError::MemoryLimit`] after the
    /// [`checkout_timeout`](ResourcePoolBuilder::checkout_timeout), by what it waited for;
    /// [`PoolError::CircuitOpen`] and [`PoolError::Closed`] at once.
    pub async fn checkout(&self) -> Result<Checkout<F>, PoolError> {
        self.checkout_with(Priority::Normal, self.shared.settings.checkout_timeout).await
    }

    /// As [`checkout`](Self::checkout), among those who wait by this priority, and within
    /// `timeout`.
    ///
    /// # Errors
    /// As there.
    pub async fn checkout_with(
        &self,
        priority: Priority,
        timeout: Duration,
    ) -> Result<Checkout<F>, PoolError> {
        waits::checkout(&self.shared, priority, timeout).await
    }

    /// An idle resource, without any wait: it is not asked whether it is healthy.
    ///
    /// # Errors
    /// [`PoolError::Exhausted`] if none is idle, or others wait; [`PoolError::Closed`].
    pub fn try_checkout(&self) -> Result<Checkout<F>, PoolError> {
        waits::try_checkout(&self.shared)
    }

    /// How well it is.
    #[must_use]
    pub fn health(&self) -> Health {
        let shared = &self.shared;
        let now = Instant::now();
        let memory = shared.memory();
        let metrics = self.metrics();
        let (errors, churn, breaker) = {
            let state = shared.lock();
            (state.minute.errors(now), state.minute.churn(now), state.breaker.state(now))
        };
        let threshold = shared.settings.pressure_threshold;
        let pressure = match memory.pressure >= 1.0 {
            true => 1.0,
            false => (memory.pressure - threshold) / (1.0 - threshold),
        };
        let share = |part: usize| part as f64 / metrics.max.max(1) as f64;
        let waiting = share(metrics.waiting);
        let score = Shares { errors, pressure, waiting, churn }.score();
        Health {
            level: level(score, breaker, shared.is_closed()),
            score,
            utilization: share(metrics.in_use).min(1.0),
            error_rate: errors,
            memory,
            waiting: metrics.waiting,
            wait_p99: shared.counters.wait_p99(),
            breaker,
        }
    }

    /// What it has done, and does.
    #[must_use]
    pub fn metrics(&self) -> PoolMetrics {
        let shared = &self.shared;
        let (size, idle, wanted) = {
            let state = shared.lock();
            (state.pool.open(), state.pool.idle().len(), state.wanted)
        };
        let counters = &shared.counters;
        PoolMetrics {
            max: shared.permits.semaphore.size(),
            size,
            idle,
            in_use: size.saturating_sub(idle),
            waiting: shared.permits.semaphore.waiting() + wanted,
            created: counters.created.load(Ordering::Relaxed),
            create_failures: counters.create_failures.load(Ordering::Relaxed),
            checkouts: counters.checkouts.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            unhealthy: counters.unhealthy.load(Ordering::Relaxed),
            reset_failures: counters.reset_failures.load(Ordering::Relaxed),
            discarded: counters.discarded.load(Ordering::Relaxed),
            average_wait: counters.average_wait(),
            average_creation: counters.average_creation(),
        }
    }

    /// The memory of its resources.
    #[must_use]
    pub fn memory_stats(&self) -> MemoryStats {
        self.shared.memory()
    }

    /// The state of the breaker.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.shared.lock().breaker.state(Instant::now())
    }

    /// Closes idle resources, those idle longest first: while the memory is above the threshold of
    /// its limit, or without a limit those beyond the minimum. Returns how many bytes that frees.
    pub fn collect(&self) -> usize {
        let min = self.shared.lock().pool.min();
        self.shared.collect(min)
    }

    /// A receiver of all events from now on. One that lags behind learns how much it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<PoolEvent> {
        self.shared.events.listen()
    }

    /// Changes the minimum and the maximum. Resources in use beyond the maximum close when they
    /// are returned.
    ///
    /// # Errors
    /// [`PoolError::Config`] for a maximum of 0, or a minimum above it.
    pub fn resize(&self, min: usize, max: usize) -> Result<(), PoolError> {
        if max == 0 || min > max || max > usize::MAX >> 3 {
            return Err(PoolError::config("resize", "the maximum is at least 1 and the minimum"));
        }
        self.shared.change(|state| {
            self.shared.permits.semaphore.resize(max);
            state.pool.limit(max);
            state.pool.keep(min);
        });
        self.shared.tell(Command::Look);
        Ok(())
    }

    /// Closes the pool: whoever waits gets [`PoolError::Closed`], idle resources close, and others
    /// when they are returned.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.permits.semaphore.close();
        self.shared.close_idle();
        self.shared.tell(Command::Look);
    }

    /// Closes the pool, and waits until all resources are returned, at most for `timeout`. Returns
    /// how many are still in use.
    pub async fn drain(&self, timeout: Duration) -> usize {
        self.close();
        let shared = &self.shared;
        let left = || {
            let state = shared.lock();
            state.pool.open() + state.pool.filling()
        };
        let empty = poll_fn(|cx| {
            shared.wake_on_change(cx.waker());
            if left() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        match select(empty, Delay::new(timeout)).await {
            Either::Left(_) => 0,
            Either::Right(_) => left(),
        }
    }
}

impl<F: Factory> fmt::Debug for ResourcePool<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourcePool").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}
