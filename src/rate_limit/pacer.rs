//! The pace of an API as the workers and the limiter share it: workers tell how attempts
//! end, and see in one atomic load whether they have to ask the limiter at all.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    dampener::Slower,
    pace::{Outcome, Pace, Reason},
    quota::Quota,
};
use crate::{
    events::{Event, Events, RateCause},
    stats::Stats,
};

/// A change of the rate by less than this part of it is not told.
const NOTICEABLE: f64 = 0.2;

/// The one pace of a pool.
pub(crate) struct Pacer {
    /// Whether every call may pass.
    is_open: AtomicBool,
    /// Whether the ends of attempts matter.
    is_watching: AtomicBool,
    use_dampener: bool,
    in_flight: AtomicU64,
    /// Counts the limits that were set and the paces that began. A lease of before is void.
    epoch: AtomicU64,
    state: Mutex<State>,
    events: Arc<Events>,
}

struct State {
    pace: Pace,
    /// The configured limit.
    limit: Option<Decimal>,
    /// The rate that was told last, in requests per second.
    told: f64,
    /// Whether the API asked for a pace.
    is_paced: bool,
}

impl State {
    /// The rate in force.
    fn rate(&self, now: Instant) -> f64 {
        self.pace.rate(now).min(self.limit.map_or(f64::INFINITY, per_second))
    }

    /// The same for people to read, `None` without a bound. A limit that binds is exact.
    fn shown(&self, now: Instant) -> Option<Decimal> {
        let pace = self.pace.rate(now);
        match self.limit {
            Some(limit) if pace >= per_second(limit) => Some(limit),
            _ => Decimal::try_from(pace).ok().map(|rate| rate.round_dp(3).normalize()),
        }
    }
}

/// An attempt on its way.
pub(crate) struct InFlight<'a> {
    pacer: &'a Pacer,
    sent_at: Instant,
}

impl Pacer {
    /// A pace with the configured `limit`. No quota is believed for longer than `longest`.
    pub(crate) fn new(
        limit: Option<Decimal>,
        use_dampener: bool,
        longest: Duration,
        events: Arc<Events>,
        now: Instant,
    ) -> Self {
        let pace = Pace::new(use_dampener, longest, now);
        let told = limit.map_or(f64::INFINITY, per_second);
        Self {
            is_open: AtomicBool::new(limit.is_none()),
            is_watching: AtomicBool::new(limit.is_some() || use_dampener),
            use_dampener,
            in_flight: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            state: Mutex::new(State { pace, limit, told, is_paced: false }),
            events,
        }
    }

    /// Whether a call may pass without asking.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Whether the API asked for a pace, by a refusal or by a quota.
    pub(crate) fn is_paced(&self) -> bool {
        self.state().is_paced
    }

    /// The number of the limit in force.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The configured limit.
    pub(crate) fn limit(&self) -> Option<Decimal> {
        self.state().limit
    }

    /// Sets another limit, or none.
    pub(crate) fn set_limit(&self, limit: Option<Decimal>, now: Instant) {
        let mut state = self.state();
        state.limit = limit;
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let is_watching = limit.is_some() || self.use_dampener;
        self.is_watching.store(is_watching, Ordering::Release);
        if !is_watching {
            state.pace.forget_quota();
        }
        self.tell(&mut state, Some(RateCause::Set), now);
    }

    /// Counts an attempt that begins at `now`, if anything follows from its end.
    pub(crate) fn begin(&self, now: Instant) -> Option<InFlight<'_>> {
        self.is_watching.load(Ordering::Acquire).then(|| {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            InFlight { pacer: self, sent_at: now }
        })
    }

    /// How long until the pace has a permit. The configured limit is not looked at.
    pub(crate) fn ready_in(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let wait = state.pace.ready_in(now);
        self.tell(&mut state, None, now);
        wait
    }

    /// Takes a permit for an attempt, and says whether more could be taken without asking.
    pub(crate) fn take(&self, reason: Reason, now: Instant) -> bool {
        let mut state = self.state();
        state.pace.take(reason, now);
        state.pace.rate(now).is_infinite()
    }

    /// Takes a permit for an attempt if there is one at `now`; else how long until there is.
    /// Nobody else is to ask this pace for permits.
    pub(crate) fn try_take(&self, reason: Reason, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        let wait = state.pace.ready_in(now);
        if wait.is_zero() {
            state.pace.take(reason, now);
        }
        self.tell(&mut state, None, now);
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Writes the rates into a snapshot.
    pub(crate) fn write(&self, stats: &mut Stats) {
        let state = self.state();
        stats.rate_limit = state.limit;
        stats.rate = state.shown(Instant::now());
    }

    fn ended(&self, outcome: Outcome, now: Instant) {
        if !self.use_dampener && outcome.quota.is_none() {
            return;
        }
        let cause = match outcome.quota {
            Some(_) => RateCause::Quota,
            None => RateCause::Refusals,
        };
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let mut state = self.state();
        state.pace.ended(outcome, in_flight, now);
        self.tell(&mut state, Some(cause), now);
    }

    /// Lets the workers and the observers know of the rate as it is at `now`.
    fn tell(&self, state: &mut State, cause: Option<RateCause>, now: Instant) {
        let rate = state.rate(now);
        self.is_open.store(state.limit.is_none() && rate.is_infinite(), Ordering::Release);
        let is_paced = state.pace.rate(now).is_finite();
        if is_paced && !state.is_paced {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        state.is_paced = is_paced;
        // A difference of two infinite rates is not a number, and so no change.
        let is_change = (rate - state.told).abs() > NOTICEABLE * state.told
            || rate.is_finite() != state.told.is_finite();
        if is_change || cause == Some(RateCause::Set) {
            state.told = rate;
            let cause = cause.unwrap_or(RateCause::Quota);
            self.events.emit(|| Event::RateChanged { rate: state.shown(now), cause });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight<'_> {
    /// Tells how the attempt ended.
    pub(crate) fn end(self, slower: Slower, quota: Option<Quota>, now: Instant) {
        let (pacer, sent_at) = (self.pacer, self.sent_at);
        // It is counted no longer.
        drop(self);
        pacer.ended(Outcome { slower, sent_at, quota }, now);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.pacer.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As a binary fraction; the bucket keeps the limit exactly.
fn per_second(rate: Decimal) -> f64 {
    rate.to_f64().unwrap_or(f64::INFINITY)
}
