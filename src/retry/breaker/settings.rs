//! The settings of a circuit breaker, their validation, and the rule for what counts as a
//! failure of the API. Knows nothing of the state.

use std::{collections::BTreeSet, time::Duration};

use http::StatusCode;
use serde::Deserialize;

use super::Health;
use crate::{
    base_url::RequestTarget,
    data::duration,
    error::{Error, ErrorKind},
};

/// When a pool stops calling an API that fails, and how it finds out that it has recovered.
///
/// A pool has no breaker unless
/// [`PoolBuilder::circuit_breaker`](crate::PoolBuilder::circuit_breaker) sets one: a breaker
/// fails calls that might have succeeded, such as those to the healthy endpoints of an API that
/// has a broken one, and the retry budget already protects the API.
///
/// **Closed**, it counts attempts. When at least [`minimum_calls`](Self::minimum_calls) of
/// them ended within the [`window`](Self::window) and the share of failures reaches
/// [`failure_rate`](Self::failure_rate), it **opens**: nothing is sent for the
/// [`open_time`](Self::open_time). The first call after that is the **probe** (the breaker is
/// half-open). If it fails, the breaker opens again, for longer; if it succeeds, the breaker
/// closes. One probe at a time is in flight, and a probe that is cancelled or dies with its
/// worker makes room for the next.
///
/// A failure is a response with one of the [`failure_statuses`](Self::failure_statuses), or no
/// response for a reason that lies with the API or the network: no address, no connection, a
/// connection that breaks or stalls, a response that is truncated or not HTTP, an attempt that
/// takes longer than the attempt timeout. Any other response is a success, including 4xx, 429
/// and a status of [`limit_statuses`](crate::PoolBuilder::limit_statuses). Two outcomes do not
/// count: a 503 or 529 that names a wait, since it holds the calls anyway, and an attempt that
/// its caller's deadline cuts short. Other origins that pages lead to have a breaker each, with
/// these settings and without the health check, and so have handles with credentials of their
/// own unless [`per_handle`](Self::per_handle) is off.
///
/// While it does not let calls through, a new call fails at once with
/// [`ErrorKind::CircuitOpen`](crate::ErrorKind::CircuitOpen); its
/// [`retry_after`](crate::Error::retry_after) is the longest time until the next probe, and a
/// stream that requests a page ends with it. A call that has already made an attempt waits: for
/// the open time unless that would pass its deadline, and for the outcome of a probe until its
/// deadline.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::{AwwPool, retry::CircuitBreaker};
///
/// let breaker = CircuitBreaker::default().failure_rate(0.8).open_time(Duration::from_secs(2));
/// let pool = AwwPool::builder("https://api.example.com/v1").circuit_breaker(breaker).build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a map of the settings of a circuit breaker")]
#[must_use]
pub struct CircuitBreaker {
    #[serde(with = "duration")]
    pub(super) window: Duration,
    pub(super) minimum_calls: u32,
    pub(super) failure_rate: f64,
    #[serde(with = "duration")]
    open_time: Duration,
    growth: f64,
    #[serde(with = "duration")]
    max_open_time: Duration,
    failure_statuses: BTreeSet<u16>,
    health_check: Option<RequestTarget>,
    #[serde(rename = "per_handle")]
    is_per_handle: bool,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            minimum_calls: 100,
            failure_rate: 0.5,
            open_time: Duration::from_secs(5),
            growth: 2.0,
            max_open_time: Duration::from_secs(60),
            failure_statuses: (500..600).filter(|status| *status != 501).collect(),
            health_check: None,
            is_per_handle: true,
        }
    }
}

impl CircuitBreaker {
    /// How far back attempts count, to within a tenth: 30 s by default, like Polly's
    /// `SamplingDuration`. Must be above zero.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many attempts must have ended within the window before the breaker opens: 100 by
    /// default, like Polly's `MinimumThroughput` and resilience4j's `minimumNumberOfCalls`. At
    /// least 1.
    pub fn minimum_calls(mut self, attempts: u32) -> Self {
        self.minimum_calls = attempts;
        self
    }

    /// The share of failures among the attempts in the window at which the breaker opens:
    /// 0.5 by default, like resilience4j's `failureRateThreshold`. Above 0 and at most 1.
    pub fn failure_rate(mut self, share: f64) -> Self {
        self.failure_rate = share;
        self
    }

    /// How long the breaker stays open the first time: 5 s by default, like Polly's
    /// `BreakDuration`. Must be above zero.
    pub fn open_time(mut self, time: Duration) -> Self {
        self.open_time = time;
        self
    }

    /// The factor by which the open time grows with every probe that fails, until one succeeds:
    /// 2 by default, like the waits before retries. At least 1.
    pub fn growth(mut self, factor: f64) -> Self {
        self.growth = factor;
        self
    }

    /// The longest open time: 60 s by default, like resilience4j's `waitDurationInOpenState`. At
    /// least the open time.
    pub fn max_open_time(mut self, time: Duration) -> Self {
        self.max_open_time = time;
        self
    }

    /// The statuses that count as a failure, each from 500 to 599. The default is all of these
    /// except 501, which says something about the request and not about the API's health (RFC 9110
    /// section 15.6.2). With none, only attempts without a response count.
    pub fn failure_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.failure_statuses = statuses.into_iter().collect();
        self
    }

    /// Has the pool check by itself whether the API has recovered: when the open time is
    /// over it sends a `GET` for this target, such as `/health`, as the probe, with the
    /// pool's headers and token and within the attempt timeout. Calls are then never the
    /// probe: they wait or fail until a health check succeeds. By default there is none,
    /// and the first call is the probe.
    ///
    /// Any response that is not a failure is a success, as for every attempt. A failed check is not
    /// retried before the next one is due, and each is counted like a call.
    pub fn health_check(mut self, target: impl Into<String>) -> Self {
        self.health_check = Some(RequestTarget(target.into()));
        self
    }

    /// Whether each handle with [credentials of its own](crate::AwwPool::with_credentials) has
    /// its own breaker: `true` by default, so one tenant's failures do not make another tenant's
    /// calls fail. With `false` all calls of the pool share one breaker, which finds out sooner
    /// that the API is down.
    ///
    /// The breaker of a handle has these settings except the [health check](Self::health_check),
    /// which is sent with the pool's own credentials: the handle's first call is its probe.
    /// Events and statistics report the pool's own breaker.
    pub fn per_handle(mut self, per_handle: bool) -> Self {
        self.is_per_handle = per_handle;
        self
    }

    pub(crate) fn is_per_handle(&self) -> bool {
        self.is_per_handle
    }

    /// The same without a health check.
    pub(crate) fn without_health_check(self) -> Self {
        Self { health_check: None, ..self }
    }

    /// The target of the health check, if there is one.
    pub(crate) fn health_check_target(&self) -> Option<&str> {
        self.health_check.as_ref().map(|target| target.0.as_str())
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.window.is_zero() {
            return Err(Error::config("circuit_breaker: window must be above zero"));
        }
        if self.minimum_calls == 0 {
            return Err(Error::config("circuit_breaker: minimum_calls must be at least 1"));
        }
        if !(self.failure_rate > 0.0 && self.failure_rate <= 1.0) {
            return Err(Error::config(
                "circuit_breaker: failure_rate must be above 0 and at most 1",
            ));
        }
        if self.open_time.is_zero() {
            return Err(Error::config("circuit_breaker: open_time must be above zero"));
        }
        if !(self.growth >= 1.0 && self.growth.is_finite()) {
            return Err(Error::config("circuit_breaker: growth must be at least 1"));
        }
        if self.max_open_time < self.open_time {
            return Err(Error::config("circuit_breaker: max_open_time must be at least open_time"));
        }
        if !self.failure_statuses.iter().all(|status| (500..600).contains(status)) {
            return Err(Error::config("circuit_breaker: failure_statuses must be from 500 to 599"));
        }
        Ok(())
    }

    /// How long the breaker stays open after this many openings in a row.
    pub(crate) fn open_time_after(&self, openings: u32) -> Duration {
        let doublings = i32::try_from(openings).unwrap_or(i32::MAX);
        let grown = self.open_time.as_secs_f64() * self.growth.powi(doublings);
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.max_open_time)
    }

    /// What a complete response says about the API. `asks_to_wait` is whether it names a wait that
    /// the pool's hold observes.
    pub(crate) fn judge_answer(&self, status: StatusCode, asks_to_wait: bool) -> Health {
        match status {
            status if asks_to_wait && matches!(status.as_u16(), 503 | 529) => Health::Unknown,
            status if self.failure_statuses.contains(&status.as_u16()) => Health::Bad,
            _ => Health::Good,
        }
    }

    /// What an attempt without a complete response says about the API.
    pub(crate) fn judge_failure(&self, error: ErrorKind) -> Health {
        use ErrorKind as Kind;

        match error {
            Kind::Resolve | Kind::Connect | Kind::Tls => Health::Bad,
            Kind::Disconnected | Kind::Truncated | Kind::Framing => Health::Bad,
            Kind::Timeout | Kind::Stalled => Health::Bad,
            // It did respond; the limit is the pool's own.
            Kind::HeadTooLarge | Kind::BodyTooLarge => Health::Good,
            // The limit is the caller's own, or nothing was sent.
            _ => Health::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn a_setting_out_of_range_is_refused_by_its_name() {
        let breaker = CircuitBreaker::default;
        assert!(breaker().validate().is_ok());
        for (settings, name) in [
            (breaker().window(Duration::ZERO), "window"),
            (breaker().minimum_calls(0), "minimum_calls"),
            (breaker().failure_rate(0.0), "failure_rate"),
            (breaker().failure_rate(1.01), "failure_rate"),
            (breaker().failure_rate(f64::NAN), "failure_rate"),
            (breaker().open_time(Duration::ZERO), "open_time"),
            (breaker().growth(0.9), "growth"),
            (breaker().growth(f64::INFINITY), "growth"),
            (breaker().growth(f64::NAN), "growth"),
            (breaker().max_open_time(Duration::from_secs(1)), "max_open_time"),
            (breaker().failure_statuses([500, 429]), "failure_statuses"),
            (breaker().failure_statuses([600]), "failure_statuses"),
        ] {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn only_chosen_5xx_are_bad_answers_and_a_wait_that_is_asked_for_is_no_verdict() {
        let breaker = CircuitBreaker::default();
        for code in [200, 304, 400, 401, 403, 404, 408, 425, 429, 501] {
            assert_eq!(breaker.judge_answer(status(code), false), Health::Good, "{code}");
            assert_eq!(breaker.judge_answer(status(code), true), Health::Good, "{code}");
        }
        for code in [500, 502, 503, 504, 599] {
            assert_eq!(breaker.judge_answer(status(code), false), Health::Bad, "{code}");
        }
        assert_eq!(breaker.judge_answer(status(503), true), Health::Unknown);
        assert_eq!(breaker.judge_answer(status(500), true), Health::Bad);
        let chosen = breaker.failure_statuses([501]);
        assert_eq!(chosen.judge_answer(status(500), false), Health::Good);
        assert_eq!(chosen.judge_answer(status(501), false), Health::Bad);
    }

    #[test]
    fn the_open_time_grows_by_its_factor_up_to_its_cap_and_never_overflows() {
        let times = |breaker: &CircuitBreaker| {
            [0, 1, 2, 3, 100, u32::MAX].map(|openings| breaker.open_time_after(openings).as_secs())
        };
        assert_eq!(times(&CircuitBreaker::default()), [5, 10, 20, 40, 60, 60]);
        assert_eq!(times(&CircuitBreaker::default().growth(1.0)), [5; 6]);
        let tripled = CircuitBreaker::default().growth(3.0).max_open_time(Duration::from_secs(50));
        assert_eq!(times(&tripled), [5, 15, 45, 50, 50, 50]);
    }
}
