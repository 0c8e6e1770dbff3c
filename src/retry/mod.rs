//! Whether a failed attempt is repeated, and when.
//!
//! One rule table, [`may_repeat`], decides by what is known about delivery;
//! [`decide`] adds the limits: the number of attempts, the server's
//! Retry-After, the deadline, the budget. Pure: no actors, no clock and no
//! randomness but what is passed in. The replay that follows a refreshed token
//! is outside this count and not decided here.
//!
//! # Why a budget and not only a number of attempts?
//!
//! Three attempts per call treble the load of an API at the very moment when it
//! fails under load. The [`Budget`] lets single failures be repeated freely and
//! holds what repeats add during an outage to a fifth of the calls, unless set otherwise.

use std::time::Duration;

use http::StatusCode;

use crate::error::{Delivery, Error, ErrorKind, is_transient};

pub(crate) mod backoff;
mod breaker;
mod budget;
mod hedge;
mod rules;

pub(crate) use breaker::{Breaker, Change, Errand, Health, Pass, Refusal};
pub use breaker::{BreakerState, CircuitBreaker};
pub(crate) use budget::{Budget, Earnings};
pub use hedge::Hedge;
pub(crate) use hedge::{HedgeBudget, When};
pub use rules::ResponseRule;
pub(crate) use rules::ResponseRules;

/// The limits of repeating.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The most attempts one call makes, the first included; at least 1.
    pub(crate) max_attempts: u32,
    /// The upper end of the first wait; it doubles with every further one.
    pub(crate) base: Duration,
    /// The upper end of every wait that the server did not ask for.
    pub(crate) cap: Duration,
    /// The longest Retry-After that is waited for.
    pub(crate) max_retry_after: Duration,
}

/// What is known after a failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// Attempts made so far, this one included.
    pub(crate) attempts: u32,
    /// Whether the request may be sent again though it may have been acted
    /// upon: by its method (RFC 9110 section 9.2.2) or by the caller's word.
    pub(crate) repeatable: bool,
    pub(crate) error: &'a Error,
    /// The wait that the server asked for.
    pub(crate) retry_after: Option<Duration>,
    /// Until the deadline of the call.
    pub(crate) remaining: Duration,
    /// A random number in `[0, 1)`.
    pub(crate) jitter: f64,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The error is the answer of the call.
    GiveUp,
    /// Wait, then make another attempt.
    RetryIn(Duration),
    /// This wait would reach the deadline: fail at once and say how long it would have been.
    TooLate(Duration),
    /// The server asks for this wait, which is longer than [`Policy::max_retry_after`].
    HoldTooLong(Duration),
}

/// Decides what follows a failed attempt.
///
/// `withdraw` takes one retry from the budget and says whether there was one. It
/// is asked last and at most once, so that nothing is taken for a repeat that
/// another limit forbids.
pub(crate) fn decide(
    policy: &Policy,
    attempt: &Attempt<'_>,
    withdraw: impl FnOnce() -> bool,
) -> Decision {
    if !may_repeat(attempt.error, attempt.repeatable) || attempt.attempts >= policy.max_attempts {
        return Decision::GiveUp;
    }
    let wait = match attempt.retry_after {
        Some(asked) if asked > policy.max_retry_after => return Decision::HoldTooLong(asked),
        Some(asked) => asked,
        None => {
            let doublings = attempt.attempts.saturating_sub(1);
            backoff::full_jitter(policy.base, policy.cap, doublings, attempt.jitter)
        }
    };
    if wait >= attempt.remaining {
        Decision::TooLate(wait)
    } else if withdraw() {
        Decision::RetryIn(wait)
    } else {
        Decision::GiveUp
    }
}

/// The rule table: whether sending the request again can do no harm and may help.
fn may_repeat(error: &Error, repeatable: bool) -> bool {
    use Delivery::NotSent;
    use ErrorKind as Kind;

    match (error.kind(), error.delivery()) {
        // Such as a certificate that is not valid: it will be the same one.
        _ if error.is_lasting() => false,
        // The server cannot have acted upon what was never written.
        (Kind::Resolve | Kind::Connect | Kind::Tls | Kind::Disconnected, NotSent) => true,
        // The request may have been acted upon, and only its answer lost.
        (Kind::Resolve | Kind::Connect | Kind::Tls | Kind::Disconnected, _) => repeatable,
        (Kind::Timeout | Kind::Stalled | Kind::Truncated, _) => repeatable,
        (Kind::Status | Kind::ApiError, _) => match error.counts_as() {
            // "Not processed": RFC 6585 section 4 and RFC 8470 section 5.2.
            Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY) => true,
            // 408 and 5xx but 501: a passing condition, met at an unknown point of the work.
            Some(status) if is_transient(status) => repeatable,
            // Any other status is what the server has to say, and it will say it again.
            _ => false,
        },
        // A worker that died may die again of the same request; the supervisor decides.
        (Kind::WorkerCrashed, _) => false,
        // A refused token is replayed once elsewhere; the rest would end the same way.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::Response;

    const POLICY: Policy = Policy {
        max_attempts: 3,
        base: Duration::from_millis(100),
        cap: Duration::from_secs(20),
        max_retry_after: Duration::from_secs(300),
    };

    fn status(code: u16) -> Error {
        Error::status_of(Response::new(StatusCode::from_u16(code).unwrap(), ""))
    }

    fn failure(kind: ErrorKind, delivery: Delivery) -> Error {
        Error::new(kind, "test").with_delivery(delivery)
    }

    fn after(error: &Error) -> Attempt<'_> {
        Attempt {
            attempts: 1,
            repeatable: true,
            error,
            retry_after: None,
            remaining: Duration::from_secs(60),
            jitter: 0.5,
        }
    }

    #[test]
    fn what_was_not_processed_is_repeated_whatever_the_method() {
        let never_sent = [
            failure(ErrorKind::Resolve, Delivery::NotSent),
            failure(ErrorKind::Connect, Delivery::NotSent),
            failure(ErrorKind::Tls, Delivery::NotSent),
            failure(ErrorKind::Disconnected, Delivery::NotSent),
            status(429),
            status(425),
        ];
        for error in &never_sent {
            assert!(may_repeat(error, false), "{error}");
            assert!(may_repeat(error, true), "{error}");
        }
    }

    #[test]
    fn what_may_have_been_acted_upon_is_repeated_only_when_that_is_harmless() {
        let ambiguous = [
            failure(ErrorKind::Connect, Delivery::Unknown),
            failure(ErrorKind::Disconnected, Delivery::Unknown),
            failure(ErrorKind::Disconnected, Delivery::Answered),
            failure(ErrorKind::Timeout, Delivery::Unknown),
            failure(ErrorKind::Timeout, Delivery::NotSent),
            failure(ErrorKind::Stalled, Delivery::Answered),
            failure(ErrorKind::Truncated, Delivery::Answered),
            status(408),
            status(500),
            status(502),
            status(503),
            status(504),
        ];
        for error in &ambiguous {
            assert!(!may_repeat(error, false), "{error}");
            assert!(may_repeat(error, true), "{error}");
        }
    }

    #[test]
    fn everything_else_is_final() {
        for code in [300, 400, 401, 403, 404, 405, 409, 410, 412, 413, 422, 501] {
            assert!(!may_repeat(&status(code), true), "{code}");
        }
        for kind in [
            ErrorKind::Config,
            ErrorKind::InvalidRequest,
            ErrorKind::ForeignOrigin,
            ErrorKind::QueueFull,
            ErrorKind::DeadlineExceeded,
            ErrorKind::ShuttingDown,
            ErrorKind::WorkerCrashed,
            ErrorKind::Callback,
            ErrorKind::Framing,
            ErrorKind::HeadTooLarge,
            ErrorKind::BodyTooLarge,
            ErrorKind::Unauthorized,
            ErrorKind::RateLimited,
            ErrorKind::CircuitOpen,
            ErrorKind::Token,
            ErrorKind::Decode,
            ErrorKind::PageLoop,
            ErrorKind::PaginationMissing,
            ErrorKind::SetChanged,
            ErrorKind::Incomplete,
            ErrorKind::CursorExpired,
        ] {
            assert!(!may_repeat(&failure(kind, Delivery::NotSent), true), "{kind:?}");
        }
    }

    #[test]
    fn the_last_attempt_is_not_repeated() {
        let error = status(503);
        let last = Attempt { attempts: 3, ..after(&error) };
        assert_eq!(decide(&POLICY, &last, || true), Decision::GiveUp);
        let once = Policy { max_attempts: 1, ..POLICY };
        assert_eq!(decide(&once, &after(&error), || true), Decision::GiveUp);
    }

    #[test]
    fn waits_double_and_are_scaled_by_the_jitter() {
        let error = status(503);
        let policy = Policy { max_attempts: 100, ..POLICY };
        for (attempts, millis) in [(1, 50), (2, 100), (3, 200), (8, 6_400), (9, 10_000)] {
            let attempt = Attempt { attempts, ..after(&error) };
            assert_eq!(
                decide(&policy, &attempt, || true),
                Decision::RetryIn(Duration::from_millis(millis)),
                "after attempt {attempts}"
            );
        }
    }

    #[test]
    fn the_wait_that_the_server_asks_for_comes_first() {
        let error = status(429);
        let asked = |secs| Attempt {
            retry_after: Some(Duration::from_secs(secs)),
            remaining: Duration::from_secs(1_000),
            ..after(&error)
        };
        for secs in [0, 7, 300] {
            let wait = Duration::from_secs(secs);
            assert_eq!(decide(&POLICY, &asked(secs), || true), Decision::RetryIn(wait));
        }
        let wait = Duration::from_secs(301);
        assert_eq!(decide(&POLICY, &asked(301), || true), Decision::HoldTooLong(wait));
    }

    #[test]
    fn a_final_error_stays_final_though_the_server_names_a_wait() {
        let error = status(503);
        let attempt = Attempt {
            repeatable: false,
            retry_after: Some(Duration::from_secs(1)),
            ..after(&error)
        };
        assert_eq!(decide(&POLICY, &attempt, || true), Decision::GiveUp);
    }

    #[test]
    fn a_wait_that_reaches_the_deadline_is_not_begun() {
        let error = status(503);
        let wait = Duration::from_secs(5);
        let attempt = Attempt { retry_after: Some(wait), remaining: wait, ..after(&error) };
        assert_eq!(decide(&POLICY, &attempt, || true), Decision::TooLate(wait));
        let spent = Attempt { remaining: Duration::ZERO, jitter: 0.0, ..after(&error) };
        assert_eq!(decide(&POLICY, &spent, || true), Decision::TooLate(Duration::ZERO));
    }

    #[test]
    fn an_empty_budget_ends_the_call() {
        assert_eq!(decide(&POLICY, &after(&status(503)), || false), Decision::GiveUp);
    }

    proptest! {
        #[test]
        fn a_repeat_stays_within_every_limit_and_pays_once(
            attempts in 0..10u32,
            repeatable: bool,
            code in prop::sample::select(vec![200u16, 400, 404, 408, 425, 429, 500, 501, 503]),
            retry_after in prop::option::of(0..1_000u64),
            remaining in 0..1_000u64,
            jitter in 0.0..1.0f64,
            funds: bool,
        ) {
            let error = status(code);
            let attempt = Attempt {
                attempts,
                repeatable,
                error: &error,
                retry_after: retry_after.map(Duration::from_secs),
                remaining: Duration::from_secs(remaining),
                jitter,
            };
            let mut asked = 0;
            let decision = decide(&POLICY, &attempt, || { asked += 1; funds });
            prop_assert!(asked <= 1);
            match decision {
                Decision::RetryIn(wait) => {
                    prop_assert!(asked == 1 && funds);
                    prop_assert!(attempts < POLICY.max_attempts);
                    prop_assert!(may_repeat(&error, repeatable));
                    prop_assert!(wait < attempt.remaining);
                    match attempt.retry_after {
                        Some(asked) => prop_assert_eq!(wait, asked),
                        None => prop_assert!(wait <= POLICY.cap),
                    }
                }
                Decision::TooLate(wait) => {
                    prop_assert_eq!(asked, 0);
                    prop_assert!(wait >= attempt.remaining);
                }
                Decision::HoldTooLong(wait) => {
                    prop_assert_eq!(asked, 0);
                    prop_assert_eq!(Some(wait), attempt.retry_after);
                }
                Decision::GiveUp => prop_assert!(asked == 0 || !funds),
            }
        }
    }
}
