//! The pace of an API, shared by the workers and the limiter: workers take available permits and
//! report how attempts end. Without a limit this costs one atomic load.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::Decimal;

use super::{SharedBudget, dampener::Slower, pace::Pace, quota::Quota};
use crate::{
    events::{Event, Events, RateCause},
    lock::lock,
    stats::Stats,
};

/// The one pace of a pool.
pub(crate) struct Pacer {
    /// Whether every call may pass.
    is_open: AtomicBool,
    /// Whether the pace depends on how attempts end.
    is_watching: AtomicBool,
    /// Whether calls wait in the limiter's queue: then nobody may take a permit past them.
    has_queue: AtomicBool,
    in_flight: AtomicU64,
    /// Locked for a few instructions at a time.
    pace: Mutex<Pace>,
    /// The budget that other pools take from as well, and the origin that it is for.
    shared: Option<(Arc<dyn SharedBudget>, String)>,
    events: Arc<Events>,
}

/// An attempt in flight.
pub(crate) struct PacedAttempt<'a> {
    pacer: &'a Pacer,
    sent_at: Instant,
}

impl Pacer {
    pub(crate) fn new(pace: Pace, events: Arc<Events>) -> Self {
        Self {
            is_open: AtomicBool::new(pace.limit().is_none()),
            is_watching: AtomicBool::new(pace.is_watching()),
            has_queue: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            pace: Mutex::new(pace),
            shared: None,
            events,
        }
    }

    /// The same, with permits from a budget that others share, for requests to `origin`.
    pub(crate) fn sharing(mut self, budget: Option<Arc<dyn SharedBudget>>, origin: &str) -> Self {
        let Some(budget) = budget else { return self };
        self.is_open.store(false, Ordering::Release);
        self.is_watching.store(true, Ordering::Release);
        budget.limited(origin, lock(&self.pace).limit());
        self.shared = Some((budget, origin.to_owned()));
        self
    }

    /// Whether a call may pass without a permit.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Whether the API has set the pace, by a refusal or by a quota.
    pub(crate) fn is_paced(&self, now: Instant) -> bool {
        lock(&self.pace).asked(now).is_finite()
    }

    /// Sets another limit, or none.
    pub(crate) fn set_limit(&self, limit: Option<Decimal>, now: Instant) {
        let mut pace = lock(&self.pace);
        pace.set_limit(limit, now);
        self.is_watching.store(pace.is_watching() || self.shared.is_some(), Ordering::Release);
        if let Some((budget, origin)) = &self.shared {
            budget.limited(origin, limit);
        }
        self.tell(&mut pace, Some(RateCause::Set), now);
    }

    /// Counts an attempt that begins at `now`, if the pace depends on its end.
    pub(crate) fn begin(&self, now: Instant) -> Option<PacedAttempt<'_>> {
        self.is_watching.load(Ordering::Acquire).then(|| {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            PacedAttempt { pacer: self, sent_at: now }
        })
    }

    /// The least wait of a caller behind `ahead` others.
    pub(crate) fn ready_in(&self, ahead: u64, now: Instant) -> Duration {
        let mut pace = lock(&self.pace);
        let wait = pace.ready_in(ahead, now);
        self.tell(&mut pace, None, now);
        wait
    }

    /// Whether a caller that takes a permit at `now` finds one and overtakes nobody.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.is_open() || !self.has_queue.load(Ordering::Acquire) && self.ready_in(0, now).is_zero()
    }

    /// Takes a permit, unless others wait for it.
    pub(crate) fn try_pass(&self, cost: u32, now: Instant) -> bool {
        self.is_open() || !self.has_queue.load(Ordering::Acquire) && self.take(cost, now).is_ok()
    }

    /// Takes a permit, which costs `cost` if the API has set the pace and so many are saved; or
    /// returns the time until there is one.
    pub(crate) fn take(&self, cost: u32, now: Instant) -> Result<(), Duration> {
        let mut pace = lock(&self.pace);
        let wait = pace.ready_in(0, now);
        let taken = match &self.shared {
            // What is shared is taken last, so that none of it is lost.
            Some((budget, _)) if wait.is_zero() => budget.try_take(),
            _ => Ok(()),
        };
        let taken = taken.and_then(|()| pace.take(cost, now));
        self.tell(&mut pace, None, now);
        taken
    }

    /// Records whether calls wait in the limiter's queue.
    pub(super) fn queues(&self, has_queue: bool) {
        self.has_queue.store(has_queue, Ordering::Release);
    }

    /// Writes the rates into a snapshot.
    pub(crate) fn write(&self, stats: &mut Stats) {
        let pace = lock(&self.pace);
        stats.rate_limit = pace.limit();
        stats.rate = pace.shown(Instant::now());
    }

    /// Publishes the rate at `now` to the workers and the observers.
    fn tell(&self, pace: &mut Pace, cause: Option<RateCause>, now: Instant) {
        let rate = pace.rate(now);
        self.is_open.store(rate.is_infinite() && self.shared.is_none(), Ordering::Release);
        if pace.tells(rate, cause == Some(RateCause::Set)) {
            let cause = cause.unwrap_or(RateCause::Quota);
            self.events.emit(|| Event::RateChanged { rate: pace.shown(now), cause });
        }
    }
}

impl PacedAttempt<'_> {
    /// Records how the attempt ended: whether the API said that there are too many requests, and
    /// what it said about its quotas.
    pub(crate) fn end(self, slower: Slower, quota: Option<Quota>, now: Instant) {
        let (pacer, sent_at) = (self.pacer, self.sent_at);
        // It is no longer in flight.
        drop(self);
        let in_flight = pacer.in_flight.load(Ordering::Relaxed);
        let cause = if quota.is_some() { RateCause::Quota } else { RateCause::Refusals };
        let mut pace = lock(&pacer.pace);
        pace.ended(slower, quota, in_flight, sent_at, now);
        if let Some((budget, _)) = &pacer.shared {
            let quota = quota.map(|_| pace.learned(now)).filter(|rate| rate.is_finite());
            budget.ended(slower == Slower::Yes, now.saturating_duration_since(sent_at), quota);
        }
        pacer.tell(&mut pace, Some(cause), now);
    }
}

impl Drop for PacedAttempt<'_> {
    fn drop(&mut self) {
        self.pacer.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
