//! A circuit breaker of a pool, shared by everyone who makes or admits its calls: the state machine
//! of `retry` with a lock, events and counts. Knows neither calls nor workers.

use std::{
    fmt,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, futures::Notified};

use crate::{
    config::{PoolConfig, ValidConfig},
    error::{Error, ErrorKind},
    events::{Event, Events},
    lock::lock,
    response::Response,
    retry::{Breaker, CallKind, Change, CircuitBreaker, Health, Refusal},
    stats::Stats,
};

/// Stands for "no epoch": the breaker is not closed.
const NONE: u64 = u64::MAX;

/// Decides for all workers whether an attempt may be sent.
pub(crate) struct SharedBreaker {
    settings: CircuitBreaker,
    breaker: Mutex<Breaker>,
    /// The epoch in which the breaker is closed: passing a closed breaker is one load.
    standing: AtomicU64,
    changed: Notify,
    events: Arc<Events>,
    openings: AtomicU64,
    refusals: AtomicU64,
}

impl SharedBreaker {
    /// The breaker of a pool that is configured to have one. A probe that has not returned
    /// in twice the time that an attempt may take is on a blocked thread.
    pub(super) fn of_pool(config: &ValidConfig, events: &Arc<Events>) -> Option<Self> {
        Some(Self::new(config.settings.circuit_breaker.clone()?, &config.settings, events))
    }

    /// The breaker of a tenant, if each has its own. Its calls are the probes.
    pub(super) fn of_tenant(config: &PoolConfig) -> Option<Self> {
        let settings = config.circuit_breaker.clone().filter(CircuitBreaker::is_per_handle)?;
        Some(Self::new(settings.without_health_check(), config, &Arc::default()))
    }

    /// The breaker of another origin, which has no health check.
    pub(crate) fn of_foreign_origin(config: &ValidConfig) -> Option<Self> {
        let settings = config.settings.circuit_breaker.clone()?.without_health_check();
        Some(Self::new(settings, &config.settings, &Arc::default()))
    }

    fn new(settings: CircuitBreaker, config: &PoolConfig, events: &Arc<Events>) -> Self {
        let probe_limit = config.attempt_timeout.saturating_mul(2);
        let breaker = Breaker::new(settings.clone(), probe_limit, Instant::now());
        Self {
            standing: AtomicU64::new(standing(&breaker)),
            settings,
            breaker: Mutex::new(breaker),
            changed: Notify::new(),
            events: Arc::clone(events),
            openings: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    /// Whether an attempt would be let through now.
    pub(crate) fn check(&self, kind: CallKind, now: Instant) -> Result<(), Refusal> {
        if self.standing.load(Ordering::Acquire) != NONE {
            return Ok(());
        }
        lock(&self.breaker).check(kind, now)
    }

    /// Lets an attempt through, or refuses it like [`check`](Self::check). Must be called last,
    /// once the attempt has everything else that it needs: it may become the only probe.
    pub(crate) fn admit(&self, kind: CallKind, now: Instant) -> Result<BreakerPermit<'_>, Refusal> {
        if let Some(permit) = self.admit_if_closed() {
            return Ok(permit);
        }
        let mut breaker = lock(&self.breaker);
        let (epoch, change) = breaker.admit(kind, now)?;
        self.follow(&breaker, change);
        Ok(BreakerPermit { circuit: self, epoch: Some(epoch) })
    }

    /// Lets an attempt through if the breaker is closed.
    pub(crate) fn admit_if_closed(&self) -> Option<BreakerPermit<'_>> {
        let standing = self.standing.load(Ordering::Acquire);
        (standing != NONE).then_some(BreakerPermit { circuit: self, epoch: Some(standing) })
    }

    /// Resolves with the next change of the breaker, or when a probe has ended.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Resolves when a health check is due, with its target; never without a health check.
    pub(crate) async fn health_check_due(&self) -> &str {
        let Some(target) = self.settings.health_check_target() else { return pending().await };
        loop {
            // Created before the check, so that no change is missed between the two.
            let changed = self.changed();
            let wait = self.check(CallKind::HealthCheck, Instant::now());
            match wait.map_err(Refusal::wait) {
                Ok(()) if self.standing.load(Ordering::Acquire) == NONE => return target,
                Ok(()) => changed.await,
                Err(wait) => drop(tokio::time::timeout(wait, changed).await),
            }
        }
    }

    /// How long it stays open the first time.
    pub(crate) fn open_time(&self) -> Duration {
        self.settings.open_time_after(0)
    }

    /// The error of a call that ends with `refusal`.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Error {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        let error = Error::new(ErrorKind::CircuitOpen, "the circuit breaker is open");
        error.with_wait(refusal.wait())
    }

    pub(super) fn write(&self, stats: &mut Stats) {
        stats.breaker = lock(&self.breaker).state();
        stats.breaker_openings = self.openings.load(Ordering::Relaxed);
        stats.breaker_refusals = self.refusals.load(Ordering::Relaxed);
    }

    fn record(&self, epoch: u64, health: Health) {
        // An outcome without a verdict changes nothing in a closed breaker.
        if health == Health::Unknown && self.standing.load(Ordering::Acquire) != NONE {
            return;
        }
        let now = Instant::now();
        let mut breaker = lock(&self.breaker);
        let check = |breaker: &Breaker| breaker.check(CallKind::HealthCheck, now);
        let before = check(&breaker);
        let change = breaker.record(epoch, health, now);
        self.follow(&breaker, change);
        if check(&breaker) != before {
            self.changed.notify_waiters();
        }
    }

    /// Reports a change while the breaker is still locked, so that changes are reported in order.
    fn follow(&self, breaker: &Breaker, change: Option<Change>) {
        let Some(Change { from, to, open_for }) = change else { return };
        self.standing.store(standing(breaker), Ordering::Release);
        self.openings.fetch_add(open_for.is_some().into(), Ordering::Relaxed);
        tracing::warn!(%from, %to, "circuit breaker");
        self.events.emit(|| Event::BreakerChanged { from, to, open_for });
    }
}

fn standing(breaker: &Breaker) -> u64 {
    breaker.closed_epoch().unwrap_or(NONE)
}

/// The permission to make one attempt. Dropped without a verdict it says nothing about the
/// API, and if it was a probe, another may follow.
#[must_use]
pub(crate) struct BreakerPermit<'a> {
    circuit: &'a SharedBreaker,
    /// `None` once it was given back.
    epoch: Option<u64>,
}

impl BreakerPermit<'_> {
    /// Records the response or the failure of the attempt. `is_rate_limited` is whether a response
    /// refuses only because of a rate limit, `asks_to_wait` whether it names a wait that the hold
    /// observes.
    pub(crate) fn record(
        mut self,
        outcome: &Result<Response, Error>,
        is_rate_limited: bool,
        asks_to_wait: bool,
    ) {
        let settings = &self.circuit.settings;
        let health = match outcome {
            Ok(_) if is_rate_limited => Health::Good,
            Ok(response) => settings.judge_answer(response.counts_as(), asks_to_wait),
            Err(error) => settings.judge_failure(error.kind()),
        };
        if let Some(epoch) = self.epoch.take() {
            self.circuit.record(epoch, health);
        }
    }
}

impl Drop for BreakerPermit<'_> {
    fn drop(&mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.circuit.record(epoch, Health::Unknown);
        }
    }
}

impl fmt::Debug for SharedBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBreaker").field("settings", &self.settings).finish_non_exhaustive()
    }
}
