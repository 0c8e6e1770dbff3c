//! [pure] The rule of retrying. One table, `may_retry`, decides by what is known about delivery;
//! `decide` adds the limits: the number of attempts, the server's Retry-After, the deadline, the
//! retry budget. `worker/retry.rs` asks and acts.

use std::time::Duration;

use http::StatusCode;

use super::backoff;
use crate::{
    error::{Delivery, Error, ErrorKind},
    response::is_transient,
};

/// The longest wait between attempts to reconnect.
const RECONNECT_CAP: Duration = Duration::from_secs(1);
/// The least base of those waits.
const RECONNECT_BASE: Duration = Duration::from_millis(10);

/// The limits of retrying.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The most attempts one call makes, including the first; at least 1.
    pub(crate) max_attempts: u32,
    /// The upper bound of the first wait; it doubles with every further one.
    pub(crate) base: Duration,
    /// The upper bound of every wait that the server did not request.
    pub(crate) cap: Duration,
    /// The longest Retry-After that is accepted.
    pub(crate) max_retry_after: Duration,
    /// How long to go on reconnecting to an API that cannot be reached, without counting
    /// [`max_attempts`](Self::max_attempts). With zero these attempts count.
    pub(crate) reconnect: Duration,
}

/// What is known after a failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAttempt<'a> {
    /// Counted attempts so far, including this one.
    pub(crate) attempts: u32,
    /// Whether the request may be sent again even if it may have been processed: by its method
    /// (RFC 9110 section 9.2.2) or because the caller says so.
    pub(crate) idempotent: bool,
    pub(crate) error: &'a Error,
    /// Whether the response is a rate limit or another refusal after which the request was not
    /// processed.
    pub(crate) is_refusal: bool,
    /// What the response says about another attempt, if the pool observes that.
    pub(crate) should_retry: Option<bool>,
    /// Whether the server requested a wait. Such an attempt is not counted.
    pub(crate) is_asked: bool,
    /// The wait that the server requested, or what is left of it for this call.
    pub(crate) retry_after: Option<Duration>,
    /// Whether all calls are held for this wait. The hold decides how they are released.
    pub(crate) is_held: bool,
    /// If this attempt did not reach the API: how many in a row did not, and the time since the
    /// first of them failed.
    pub(crate) unreached: Option<(u32, Duration)>,
    /// Until the deadline of the call.
    pub(crate) remaining: Duration,
    /// A random number in `[0, 1)`.
    pub(crate) jitter: f64,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The call ends with this error.
    GiveUp,
    /// Wait, then make another attempt.
    RetryIn(Duration),
    /// The same, but the failed attempt does not count: the server requested the wait, or was not
    /// reached.
    RetryUncounted(Duration),
    /// This wait would pass the deadline: fail at once and report the wait.
    TooLate(Duration),
    /// The server requests this wait, which is longer than [`RetryPolicy::max_retry_after`].
    HoldTooLong(Duration),
}

/// Decides what follows a failed attempt.
///
/// Attempts count, except those after which the server requested a wait and those that did not
/// reach it: these are bounded by the deadline and by [`RetryPolicy::reconnect`]. With a maximum of
/// one attempt there is never a second.
///
/// `withdraw` takes one retry from the budget and returns whether there was one. It is called
/// last and at most once, so that no retry is paid for that another limit forbids. A wait that
/// the server requested, and a request that was never sent, cost nothing.
pub(crate) fn decide(
    policy: &RetryPolicy,
    attempt: &FailedAttempt<'_>,
    withdraw: impl FnOnce() -> bool,
) -> Decision {
    let unreached = attempt.unreached.filter(|_| !policy.reconnect.is_zero());
    let counts = !attempt.is_asked && unreached.is_none();
    let is_last = policy.max_attempts <= 1 || counts && attempt.attempts >= policy.max_attempts;
    if is_last || !may_follow(attempt) {
        return Decision::GiveUp;
    }
    let own = |doublings| backoff::full_jitter(policy.base, policy.cap, doublings, attempt.jitter);
    let asked = attempt.retry_after.filter(|asked| !asked.is_zero());
    let wait = match (asked, unreached) {
        (Some(asked), _) if asked > policy.max_retry_after => return Decision::HoldTooLong(asked),
        (Some(asked), _) if asked >= attempt.remaining => return Decision::TooLate(asked),
        (Some(asked), _) if attempt.is_held => asked,
        // Calls that were held together should not all leave at the same instant.
        (Some(asked), _) => asked + own(0).min((attempt.remaining - asked) / 2),
        (None, Some((_, lasts))) if lasts >= policy.reconnect => return Decision::GiveUp,
        (None, Some(unreached)) => reconnect_in(policy, unreached, attempt.jitter),
        (None, None) => own(attempt.attempts.saturating_sub(1)),
    };
    let is_free =
        attempt.is_asked || unreached.is_some() && attempt.error.delivery() == Delivery::NotSent;
    if wait >= attempt.remaining {
        Decision::TooLate(wait)
    } else if !is_free && !withdraw() {
        Decision::GiveUp
    } else if counts {
        Decision::RetryIn(wait)
    } else {
        Decision::RetryUncounted(wait)
    }
}

/// The wait before the next attempt to reconnect: it grows up to a second, and the last attempt
/// is made when the time is over.
fn reconnect_in(policy: &RetryPolicy, (attempts, lasts): (u32, Duration), jitter: f64) -> Duration {
    let base = policy.base.clamp(RECONNECT_BASE, RECONNECT_CAP);
    let cap = policy.cap.clamp(base, RECONNECT_CAP);
    let wait = backoff::full_jitter(base, cap, attempts.saturating_sub(1), jitter);
    wait.min(policy.reconnect.saturating_sub(lasts))
}

/// Whether an attempt did not reach the API, as far as is known: the API did not begin to
/// respond. An unknown host name, or a failed TLS handshake, counts as a wrong setting unless
/// the API `has_answered` before; a certificate that is not valid for the host always does.
pub(crate) fn is_unreached(error: &Error, has_answered: bool) -> bool {
    match (error.kind(), error.delivery()) {
        (ErrorKind::Connect, Delivery::NotSent) => true,
        (ErrorKind::Resolve, Delivery::NotSent) => has_answered,
        (ErrorKind::Tls, Delivery::NotSent) => has_answered && error.is_retryable(),
        (ErrorKind::Disconnected, delivery) => delivery != Delivery::Answered,
        _ => false,
    }
}

/// Whether another attempt may follow, as far as the server is concerned.
fn may_follow(attempt: &FailedAttempt<'_>) -> bool {
    match attempt.should_retry {
        Some(false) => false,
        Some(true) if attempt.idempotent => true,
        _ => attempt.is_refusal || may_retry(attempt.error, attempt.idempotent),
    }
}

/// The rule table: whether sending the request again is safe and may help.
fn may_retry(error: &Error, idempotent: bool) -> bool {
    use Delivery::NotSent;
    use ErrorKind as Kind;

    match (error.kind(), error.delivery()) {
        // For example an invalid certificate, which will be the same next time.
        _ if error.is_lasting() => false,
        // The server cannot have processed what was never written.
        (Kind::Resolve | Kind::Connect | Kind::Tls | Kind::Disconnected, NotSent) => true,
        // The request may have been processed, and only its response lost.
        (Kind::Resolve | Kind::Connect | Kind::Tls | Kind::Disconnected, _) => idempotent,
        (Kind::Timeout | Kind::Stalled | Kind::Truncated, _) => idempotent,
        (Kind::Status | Kind::ApiError, _) => match error.counts_as() {
            // "Not processed": RFC 6585 section 4 and RFC 8470 section 5.2.
            Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY) => true,
            // 408 and 5xx except 501: a transient condition, met at an unknown point of the
            // processing.
            Some(status) if is_transient(status) => idempotent,
            // Any other status is the server's final word.
            _ => false,
        },
        // A worker that died may die again from the same request; the supervisor decides.
        (Kind::WorkerCrashed, _) => false,
        // A call with a refused token is retried once elsewhere; the rest would fail the same way.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::response::Response;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 3,
        base: Duration::from_millis(100),
        cap: Duration::from_secs(20),
        max_retry_after: Duration::from_secs(300),
        reconnect: Duration::from_secs(15),
    };

    fn status(code: u16) -> Error {
        Error::status_of(Response::new(StatusCode::from_u16(code).unwrap(), ""))
    }

    fn failure(kind: ErrorKind, delivery: Delivery) -> Error {
        Error::new(kind, "test").with_delivery(delivery)
    }

    fn after(error: &Error) -> FailedAttempt<'_> {
        FailedAttempt {
            attempts: 1,
            idempotent: true,
            error,
            is_refusal: false,
            should_retry: None,
            is_asked: false,
            retry_after: None,
            is_held: false,
            unreached: None,
            remaining: Duration::from_secs(60),
            jitter: 0.5,
        }
    }

    #[test]
    fn what_was_not_processed_is_retried_whatever_the_method() {
        let never_sent = [
            failure(ErrorKind::Resolve, Delivery::NotSent),
            failure(ErrorKind::Connect, Delivery::NotSent),
            failure(ErrorKind::Tls, Delivery::NotSent),
            failure(ErrorKind::Disconnected, Delivery::NotSent),
            status(429),
            status(425),
        ];
        for error in &never_sent {
            assert!(may_retry(error, false), "{error}");
            assert!(may_retry(error, true), "{error}");
        }
    }

    #[test]
    fn what_may_have_been_acted_upon_is_retried_only_when_that_is_harmless() {
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
            assert!(!may_retry(error, false), "{error}");
            assert!(may_retry(error, true), "{error}");
        }
    }

    #[test]
    fn everything_else_is_final() {
        for code in [300, 400, 401, 403, 404, 405, 409, 410, 412, 413, 422, 501] {
            assert!(!may_retry(&status(code), true), "{code}");
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
            ErrorKind::SetTooLarge,
            ErrorKind::Incomplete,
            ErrorKind::CursorExpired,
        ] {
            assert!(!may_retry(&failure(kind, Delivery::NotSent), true), "{kind:?}");
        }
    }

    #[test]
    fn the_last_attempt_is_not_retried() {
        let error = status(503);
        let last = FailedAttempt { attempts: 3, ..after(&error) };
        assert_eq!(decide(&POLICY, &last, || true), Decision::GiveUp);
        let once = RetryPolicy { max_attempts: 1, ..POLICY };
        assert_eq!(decide(&once, &after(&error), || true), Decision::GiveUp);
    }

    #[test]
    fn waits_double_and_are_scaled_by_the_jitter() {
        let error = status(503);
        let policy = RetryPolicy { max_attempts: 100, ..POLICY };
        for (attempts, millis) in [(1, 50), (2, 100), (3, 200), (8, 6_400), (9, 10_000)] {
            let attempt = FailedAttempt { attempts, ..after(&error) };
            assert_eq!(
                decide(&policy, &attempt, || true),
                Decision::RetryIn(Duration::from_millis(millis)),
                "after attempt {attempts}"
            );
        }
    }

    /// After an answer that asked for so long a wait.
    fn asked(error: &Error, secs: u64) -> FailedAttempt<'_> {
        FailedAttempt {
            is_asked: secs > 0,
            retry_after: Some(Duration::from_secs(secs)),
            remaining: Duration::from_secs(1_000),
            ..after(error)
        }
    }

    #[test]
    fn the_wait_that_the_server_asks_for_comes_first_and_costs_no_attempt() {
        let error = status(429);
        for secs in [7, 300] {
            for attempts in [1, 3, 1_000] {
                let wait = Duration::from_secs(secs);
                let held = FailedAttempt { attempts, is_held: true, ..asked(&error, secs) };
                let decision = decide(&POLICY, &held, || panic!("it costs nothing"));
                assert_eq!(decision, Decision::RetryUncounted(wait));
                let alone = FailedAttempt { is_held: false, ..held };
                let later = wait + Duration::from_millis(50);
                assert_eq!(decide(&POLICY, &alone, || true), Decision::RetryUncounted(later));
            }
        }
        let wait = Duration::from_secs(301);
        assert_eq!(decide(&POLICY, &asked(&error, 301), || true), Decision::HoldTooLong(wait));
        let once = RetryPolicy { max_attempts: 1, ..POLICY };
        assert_eq!(decide(&once, &asked(&error, 7), || true), Decision::GiveUp);
    }

    #[test]
    fn a_wait_of_nothing_is_a_back_off_and_counts() {
        let error = status(429);
        let wait = Duration::from_millis(50);
        assert_eq!(decide(&POLICY, &asked(&error, 0), || true), Decision::RetryIn(wait));
        let last = FailedAttempt { attempts: 3, ..asked(&error, 0) };
        assert_eq!(decide(&POLICY, &last, || true), Decision::GiveUp);
    }

    #[test]
    fn what_the_server_says_of_another_attempt_is_heeded_where_it_does_no_harm() {
        let (final_one, passing) = (status(422), status(500));
        let says = |error, should_retry| FailedAttempt { should_retry, ..after(error) };
        let gives_up =
            |attempt: &FailedAttempt<'_>| decide(&POLICY, attempt, || true) == Decision::GiveUp;
        assert!(gives_up(&says(&passing, Some(false))));
        assert!(!gives_up(&says(&final_one, Some(true))));
        assert!(gives_up(&FailedAttempt { idempotent: false, ..says(&final_one, Some(true)) }));
        assert!(gives_up(&says(&final_one, None)));
        let refusal = FailedAttempt { is_refusal: true, idempotent: false, ..after(&final_one) };
        assert!(!gives_up(&refusal), "it was not processed");
    }

    #[test]
    fn an_api_that_is_not_reached_is_tried_for_a_time_whatever_the_number() {
        let refused = failure(ErrorKind::Connect, Delivery::NotSent);
        let unreached = |attempts, millis| FailedAttempt {
            attempts: 100,
            unreached: Some((attempts, Duration::from_millis(millis))),
            jitter: 0.999_999_999,
            ..after(&refused)
        };
        let free = || panic!("nothing was sent");
        let mut waits = Vec::new();
        for n in 1..7 {
            let Decision::RetryUncounted(wait) = decide(&POLICY, &unreached(n, 0), free) else {
                panic!("no retry");
            };
            waits.push((wait.as_secs_f64() * 1e3).round());
        }
        assert_eq!(waits, [100.0, 200.0, 400.0, 800.0, 1_000.0, 1_000.0]);
        let last = Decision::RetryUncounted(Duration::from_millis(100));
        assert_eq!(decide(&POLICY, &unreached(30, 14_900), free), last);
        assert_eq!(decide(&POLICY, &unreached(31, 15_000), free), Decision::GiveUp);
        let counted = RetryPolicy { reconnect: Duration::ZERO, ..POLICY };
        assert_eq!(decide(&counted, &unreached(1, 0), || true), Decision::GiveUp);
        let once = RetryPolicy { max_attempts: 1, ..POLICY };
        assert_eq!(decide(&once, &unreached(1, 0), || true), Decision::GiveUp);
        // A request that may have been sent costs a retry, and one that is not idempotent is not
        // retried.
        let reset = failure(ErrorKind::Disconnected, Delivery::Unknown);
        let reset = FailedAttempt { error: &reset, ..unreached(1, 0) };
        assert_eq!(decide(&POLICY, &reset, || false), Decision::GiveUp);
        let post = FailedAttempt { idempotent: false, ..reset };
        assert_eq!(decide(&POLICY, &post, || true), Decision::GiveUp);
        let hasty = RetryPolicy { base: Duration::ZERO, cap: Duration::ZERO, ..POLICY };
        let Decision::RetryUncounted(wait) = decide(&hasty, &unreached(5, 0), || true) else {
            panic!("no retry");
        };
        assert!(wait > Duration::from_millis(9), "{wait:?}");
    }

    #[test]
    fn names_and_certificates_are_no_question_of_time() {
        use Delivery::{Answered, NotSent, Unknown};
        for (kind, delivery, expected) in [
            (ErrorKind::Connect, NotSent, true),
            (ErrorKind::Disconnected, NotSent, true),
            (ErrorKind::Disconnected, Unknown, true),
            (ErrorKind::Disconnected, Answered, false),
            (ErrorKind::Resolve, NotSent, false),
            (ErrorKind::Tls, NotSent, false),
            (ErrorKind::Timeout, Unknown, false),
            (ErrorKind::Truncated, Answered, false),
        ] {
            assert_eq!(is_unreached(&failure(kind, delivery), false), expected, "{kind:?}");
        }
        for kind in [ErrorKind::Resolve, ErrorKind::Tls] {
            assert!(is_unreached(&failure(kind, NotSent), true), "{kind:?}: it answered before");
        }
        let misnamed = failure(ErrorKind::Tls, NotSent).lasting(true);
        assert!(!is_unreached(&misnamed, true));
    }

    #[test]
    fn a_final_error_stays_final_though_the_server_names_a_wait() {
        let error = status(503);
        let attempt = FailedAttempt {
            idempotent: false,
            retry_after: Some(Duration::from_secs(1)),
            ..after(&error)
        };
        assert_eq!(decide(&POLICY, &attempt, || true), Decision::GiveUp);
    }

    #[test]
    fn a_wait_that_reaches_the_deadline_is_not_begun() {
        let error = status(503);
        let wait = Duration::from_secs(5);
        let attempt = FailedAttempt { retry_after: Some(wait), remaining: wait, ..after(&error) };
        assert_eq!(decide(&POLICY, &attempt, || true), Decision::TooLate(wait));
        let spent = FailedAttempt { remaining: Duration::ZERO, jitter: 0.0, ..after(&error) };
        assert_eq!(decide(&POLICY, &spent, || true), Decision::TooLate(Duration::ZERO));
    }

    #[test]
    fn an_empty_budget_ends_the_call() {
        assert_eq!(decide(&POLICY, &after(&status(503)), || false), Decision::GiveUp);
    }

    proptest! {
        #[test]
        fn a_retry_stays_within_every_limit_and_pays_once(
            attempts in 0..10u32,
            idempotent: bool,
            is_refusal: bool,
            code in prop::sample::select(vec![200u16, 400, 404, 408, 425, 429, 500, 501, 503]),
            retry_after in prop::option::of(0..1_000u64),
            remaining in 0..1_000u64,
            jitter in 0.0..1.0f64,
            funds: bool,
        ) {
            let error = status(code);
            let attempt = FailedAttempt {
                attempts,
                idempotent,
                is_refusal,
                is_asked: retry_after.is_some_and(|secs| secs > 0),
                retry_after: retry_after.map(Duration::from_secs),
                remaining: Duration::from_secs(remaining),
                jitter,
                ..after(&error)
            };
            let mut asked = 0;
            let decision = decide(&POLICY, &attempt, || { asked += 1; funds });
            prop_assert!(asked <= 1);
            match decision {
                Decision::RetryIn(wait) => {
                    prop_assert!(asked == 1 && funds && !attempt.is_asked);
                    prop_assert!(attempts < POLICY.max_attempts);
                    prop_assert!(is_refusal || may_retry(&error, idempotent));
                    prop_assert!(wait < attempt.remaining && wait <= POLICY.cap);
                }
                Decision::RetryUncounted(wait) => {
                    prop_assert!(asked == 0 && attempt.is_asked);
                    prop_assert!(is_refusal || may_retry(&error, idempotent));
                    prop_assert!(wait < attempt.remaining && Some(wait) >= attempt.retry_after);
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
