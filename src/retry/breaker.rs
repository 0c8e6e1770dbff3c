//! The circuit breaker of one API as a state machine: whether an attempt may go out,
//! and what its outcome changes. Pure: it knows neither sockets nor calls, and the time
//! is passed in.
//!
//! # Why a breaker besides the retry budget?
//!
//! The [`Budget`](super::Budget) limits what retries add to the load of an API that is
//! down; each call still makes its first attempt and waits for its failure. The breaker
//! spares both sides that attempt: after enough failures it lets one probe through at a
//! time, and other calls follow only after a probe has succeeded.
//!
//! # Epochs
//!
//! Every change of the state and every probe begins an epoch, and an attempt carries the
//! epoch in which it was admitted. An outcome from an earlier epoch changes nothing:
//! neither an attempt from before the opening, nor a probe that took so long that another
//! one replaced it.

use std::{
    fmt,
    time::{Duration, Instant},
};

mod settings;
mod window;

pub use settings::CircuitBreaker;
use window::Window;

use crate::timers;

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BreakerState {
    /// It lets every attempt through, and counts outcomes.
    #[default]
    Closed,
    /// It lets no attempt through. The first call after the open time makes it half-open.
    Open,
    /// It lets one probe through; its outcome closes the breaker or opens it again.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// What the outcome of an attempt says about the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    Bad,
    /// Nothing: the attempt was cancelled, or cut short by its own call.
    Unknown,
}

/// What an attempt is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// A user's call.
    Call,
    /// The pool's own health check.
    HealthCheck,
}

/// Why an attempt is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing is let through for this long.
    Wait(Duration),
    /// Others go first; its turn comes after this long at most.
    Turn(Duration),
}

impl Refusal {
    /// The longest time until an attempt may go out.
    pub(crate) fn wait(self) -> Duration {
        match self {
            Self::Wait(wait) | Self::Turn(wait) => wait,
        }
    }
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: BreakerState,
    pub(crate) to: BreakerState,
    /// How long it stays open, if the new state is open.
    pub(crate) open_for: Option<Duration>,
}

/// The breaker of one API.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: CircuitBreaker,
    /// How long a probe may block others.
    probe_limit: Duration,
    window: Window,
    state: BreakerState,
    /// When the first probe may go out, if it is open; when another one may, if it is half-open
    /// and one is out.
    until: Option<Instant>,
    epoch: u64,
    /// Openings since it was last closed.
    openings: u32,
}

impl Breaker {
    /// A closed breaker. A probe that has not come back after `probe_limit` is given up.
    pub(crate) fn new(settings: CircuitBreaker, probe_limit: Duration, now: Instant) -> Self {
        Self {
            window: Window::new(settings.window, now),
            settings,
            probe_limit,
            state: BreakerState::Closed,
            until: None,
            epoch: 0,
            openings: 0,
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    /// The epoch of every attempt while the breaker is closed.
    pub(crate) fn closed_epoch(&self) -> Option<u64> {
        (self.state == BreakerState::Closed).then_some(self.epoch)
    }

    /// Whether an attempt would be let through at `now`. Changes nothing. If there is a health
    /// check, only health checks are probes.
    pub(crate) fn check(&self, kind: CallKind, now: Instant) -> Result<(), Refusal> {
        let left = self.until.map(|until| until.saturating_duration_since(now));
        match (self.state, left.filter(|left| !left.is_zero())) {
            (BreakerState::Closed, _) => Ok(()),
            (BreakerState::Open, Some(left)) => Err(Refusal::Wait(left)),
            (BreakerState::HalfOpen, Some(left)) => Err(Refusal::Turn(left)),
            (BreakerState::Open | BreakerState::HalfOpen, None) => {
                let may_probe =
                    kind == CallKind::HealthCheck || self.settings.health_check_target().is_none();
                if may_probe { Ok(()) } else { Err(Refusal::Turn(self.probe_limit)) }
            }
        }
    }

    /// Lets an attempt through, as a probe if the breaker is not closed, and returns the epoch that
    /// it carries; or refuses it like [`check`](Self::check).
    pub(crate) fn admit(
        &mut self,
        kind: CallKind,
        now: Instant,
    ) -> Result<(u64, Option<Change>), Refusal> {
        self.check(kind, now)?;
        let mut change = None;
        if self.state != BreakerState::Closed {
            let until = timers::after(now, self.probe_limit);
            change = self.enter(BreakerState::HalfOpen, Some(until), None);
        }
        Ok((self.epoch, change))
    }

    /// Records the outcome of an attempt that was admitted in `epoch`.
    pub(crate) fn record(&mut self, epoch: u64, health: Health, now: Instant) -> Option<Change> {
        if epoch != self.epoch {
            return None;
        }
        match (self.state, health) {
            (BreakerState::Closed, Health::Good) => {
                self.window.record(now, false);
                None
            }
            (BreakerState::Closed, Health::Bad) => {
                self.window.record(now, true);
                self.is_too_bad(now).then(|| self.open(now)).flatten()
            }
            (BreakerState::HalfOpen, Health::Good) => {
                self.window.clear();
                self.openings = 0;
                self.enter(BreakerState::Closed, None, None)
            }
            (BreakerState::HalfOpen, Health::Bad) => self.open(now),
            (BreakerState::HalfOpen, Health::Unknown) => {
                self.enter(BreakerState::HalfOpen, None, None)
            }
            (BreakerState::Closed | BreakerState::Open, _) => None,
        }
    }

    fn is_too_bad(&self, now: Instant) -> bool {
        let (attempts, failed) = self.window.counts(now);
        attempts >= u64::from(self.settings.minimum_calls)
            && failed as f64 >= self.settings.failure_rate * attempts as f64
    }

    fn open(&mut self, now: Instant) -> Option<Change> {
        let wait = self.settings.open_time_after(self.openings);
        self.openings = self.openings.saturating_add(1);
        self.enter(BreakerState::Open, Some(timers::after(now, wait)), Some(wait))
    }

    /// Begins the next epoch.
    fn enter(
        &mut self,
        to: BreakerState,
        until: Option<Instant>,
        open_for: Option<Duration>,
    ) -> Option<Change> {
        let from = std::mem::replace(&mut self.state, to);
        self.until = until;
        self.epoch += 1;
        (from != to).then_some(Change { from, to, open_for })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PROBE_LIMIT: Duration = Duration::from_secs(30);

    fn settings() -> CircuitBreaker {
        CircuitBreaker::default()
            .window(10 * SECOND)
            .minimum_calls(4)
            .failure_rate(0.5)
            .open_time(SECOND)
            .growth(2.0)
            .max_open_time(5 * SECOND)
    }

    fn breaker(now: Instant) -> Breaker {
        Breaker::new(settings(), PROBE_LIMIT, now)
    }

    fn attempt(breaker: &mut Breaker, health: Health, now: Instant) -> Option<Change> {
        let (pass, _) = breaker.admit(CallKind::Call, now).unwrap();
        breaker.record(pass, health, now)
    }

    /// A breaker that opened at `now`, for a second.
    fn opened(now: Instant) -> Breaker {
        let mut breaker = breaker(now);
        for _ in 0..4 {
            attempt(&mut breaker, Health::Bad, now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn opens_at_the_failure_rate_and_not_before_the_minimum_of_calls() {
        let now = Instant::now();
        let mut breaker = breaker(now);
        for health in [Health::Bad, Health::Bad, Health::Good] {
            assert_eq!(attempt(&mut breaker, health, now), None);
        }
        let change = attempt(&mut breaker, Health::Bad, now).unwrap();
        assert_eq!((change.from, change.to), (BreakerState::Closed, BreakerState::Open));
        assert_eq!(change.open_for, Some(SECOND));

        let mut healthier = Breaker::new(settings(), PROBE_LIMIT, now);
        for _ in 0..100 {
            for health in [Health::Good, Health::Good, Health::Bad] {
                assert_eq!(attempt(&mut healthier, health, now), None);
            }
        }
    }

    #[test]
    fn forgets_failures_that_are_older_than_the_window() {
        let start = Instant::now();
        let mut breaker = breaker(start);
        for second in (0..100).step_by(4) {
            let now = start + second * SECOND;
            assert_eq!(attempt(&mut breaker, Health::Bad, now), None, "{second}");
        }
        let mut longer = Breaker::new(settings().window(100 * SECOND), PROBE_LIMIT, start);
        let changes = (0..4).filter_map(|n| {
            attempt(&mut longer, Health::Bad, start + n * 4 * SECOND).map(|change| change.to)
        });
        assert_eq!(changes.collect::<Vec<_>>(), [BreakerState::Open]);
    }

    #[test]
    fn lets_one_probe_through_when_the_open_time_is_over_and_closes_when_it_is_answered() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let early = start + SECOND - Duration::from_millis(1);
        assert_eq!(
            breaker.admit(CallKind::Call, early),
            Err(Refusal::Wait(Duration::from_millis(1)))
        );
        let due = start + SECOND;
        assert_eq!(breaker.check(CallKind::Call, due), Ok(()));
        let (probe, change) = breaker.admit(CallKind::Call, due).unwrap();
        assert_eq!(change.unwrap().to, BreakerState::HalfOpen);
        assert_eq!(breaker.admit(CallKind::Call, due), Err(Refusal::Turn(PROBE_LIMIT)));
        let change = breaker.record(probe, Health::Good, due).unwrap();
        assert_eq!((change.from, change.to), (BreakerState::HalfOpen, BreakerState::Closed));
        // The failures from before the opening are forgotten.
        assert_eq!(attempt(&mut breaker, Health::Bad, due), None);
    }

    #[test]
    fn the_open_time_grows_to_its_cap_with_every_probe_that_fails_and_shrinks_when_one_is_answered()
    {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for secs in [2, 4, 5, 5] {
            now += 5 * SECOND;
            let change = attempt(&mut breaker, Health::Bad, now).unwrap();
            assert_eq!(change.open_for, Some(secs * SECOND));
        }
        now += 5 * SECOND;
        attempt(&mut breaker, Health::Good, now);
        let changes = (0..4).filter_map(|_| attempt(&mut breaker, Health::Bad, now));
        assert_eq!(changes.map(|change| change.open_for).collect::<Vec<_>>(), [Some(SECOND)]);
    }

    #[test]
    fn a_cancelled_probe_frees_its_place_for_the_next() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let now = start + SECOND;
        let (probe, _) = breaker.admit(CallKind::Call, now).unwrap();
        assert_eq!(breaker.record(probe, Health::Unknown, now), None);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(attempt(&mut breaker, Health::Good, now).is_some());
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_never_comes_back_is_replaced_and_its_late_outcome_changes_nothing() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let (stuck, _) = breaker.admit(CallKind::Call, start + SECOND).unwrap();
        let late = start + SECOND + PROBE_LIMIT;
        let (second, change) = breaker.admit(CallKind::Call, late).unwrap();
        assert_eq!(change, None);
        for health in [Health::Good, Health::Bad, Health::Unknown] {
            assert_eq!(breaker.record(stuck, health, late), None);
            assert_eq!(breaker.check(CallKind::Call, late), Err(Refusal::Turn(PROBE_LIMIT)));
        }
        assert!(breaker.record(second, Health::Good, late).is_some());
    }

    #[test]
    fn attempts_from_before_the_opening_neither_close_it_nor_keep_it_open() {
        let now = Instant::now();
        let mut breaker = breaker(now);
        let passes: Vec<_> =
            (0..6).map(|_| breaker.admit(CallKind::Call, now).unwrap().0).collect();
        for &pass in &passes[..4] {
            breaker.record(pass, Health::Bad, now);
        }
        assert_eq!(breaker.record(passes[4], Health::Good, now), None);
        assert_eq!(breaker.check(CallKind::Call, now), Err(Refusal::Wait(SECOND)));
        let (probe, _) = breaker.admit(CallKind::Call, now + SECOND).unwrap();
        assert_eq!(breaker.record(passes[5], Health::Bad, now + SECOND), None);
        assert!(breaker.record(probe, Health::Good, now + SECOND).is_some());
    }

    #[test]
    fn endless_times_do_not_overflow() {
        let now = Instant::now();
        let endless = settings().open_time(Duration::MAX).max_open_time(Duration::MAX);
        let mut breaker = Breaker::new(endless.window(Duration::MAX), Duration::MAX, now);
        for _ in 0..4 {
            attempt(&mut breaker, Health::Bad, now);
        }
        assert!(breaker.check(CallKind::Call, now + 1000 * SECOND).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u64),
        Ask,
        GiveBack(prop::sample::Index, Health),
    }

    fn step() -> impl Strategy<Value = Step> {
        let health = prop::sample::select(vec![Health::Good, Health::Bad, Health::Unknown]);
        prop_oneof![
            1 => (0..3_000u64).prop_map(Step::Pass),
            3 => Just(Step::Ask),
            3 => (any::<prop::sample::Index>(), health)
                .prop_map(|(which, health)| Step::GiveBack(which, health)),
        ]
    }

    proptest! {
        #[test]
        fn at_most_one_probe_is_out_and_the_breaker_is_never_stuck(
            steps in prop::collection::vec(step(), 1..300)
        ) {
            let mut now = Instant::now();
            let mut breaker = breaker(now);
            let mut out: Vec<u64> = Vec::new();
            // The probe in flight, and until when it blocks others.
            let mut probe: Option<(u64, Instant)> = None;
            for step in steps {
                match step {
                    Step::Pass(millis) => now += Duration::from_millis(millis),
                    Step::Ask => {
                        let before = breaker.state();
                        let foreseen = breaker.check(CallKind::Call, now);
                        match breaker.admit(CallKind::Call, now) {
                            Ok((pass, change)) => {
                                prop_assert!(foreseen.is_ok());
                                prop_assert!(!out.contains(&pass) || before == BreakerState::Closed);
                                if before == BreakerState::Closed {
                                    prop_assert_eq!(change, None);
                                } else {
                                    prop_assert!(probe.is_none_or(|(_, until)| until <= now));
                                    probe = Some((pass, now + PROBE_LIMIT));
                                }
                                out.push(pass);
                            }
                            Err(refusal) => {
                                prop_assert_eq!(foreseen, Err(refusal));
                                prop_assert!(refusal.wait() > Duration::ZERO);
                                let (longest, refuses) = match refusal {
                                    Refusal::Wait(_) => (5 * SECOND, BreakerState::Open),
                                    Refusal::Turn(_) => (PROBE_LIMIT, BreakerState::HalfOpen),
                                };
                                prop_assert!(refusal.wait() <= longest);
                                prop_assert_eq!(before, refuses);
                                prop_assert_eq!(breaker.state(), before);
                            }
                        }
                    }
                    Step::GiveBack(which, health) if !out.is_empty() => {
                        let pass = out.swap_remove(which.index(out.len()));
                        let before = breaker.state();
                        let is_probe = probe.is_some_and(|(probe, _)| probe == pass);
                        let change = breaker.record(pass, health, now);
                        if let Some(change) = change {
                            prop_assert_eq!((change.from, change.to), (before, breaker.state()));
                            let opens = change.to == BreakerState::Open;
                            prop_assert_eq!(health, if opens { Health::Bad } else { Health::Good });
                            prop_assert_eq!(change.open_for.is_some(), opens);
                            prop_assert!(before == BreakerState::Closed || is_probe);
                        }
                        if is_probe {
                            prop_assert!(change.is_some() || health == Health::Unknown);
                            probe = None;
                        }
                    }
                    Step::GiveBack(..) => {}
                }
            }
            // Whatever happened, after the longest wait the next one may go.
            now += PROBE_LIMIT + 5 * SECOND;
            prop_assert!(breaker.admit(CallKind::Call, now).is_ok());
        }

        #[test]
        fn without_a_failure_it_stays_closed(
            steps in prop::collection::vec((0..3_000u64, any::<bool>()), 1..300)
        ) {
            let mut now = Instant::now();
            let mut breaker = breaker(now);
            for (millis, is_good) in steps {
                now += Duration::from_millis(millis);
                let health = if is_good { Health::Good } else { Health::Unknown };
                prop_assert_eq!(attempt(&mut breaker, health, now), None);
            }
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
