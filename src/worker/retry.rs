//! What follows a failed attempt: the holds that its response requests, and the wait before the
//! next attempt or the error that ends the call. What may be retried is decided in `retry`.

use std::time::{Duration, Instant};

use super::{
    call::{Attempts, after},
    gates::pause,
};
use crate::{
    error::{Error, ErrorKind},
    events::Event,
    permits::Stage,
    rate_limit::Classified,
    response::Action,
    retry::{self, CallKind, Decision, FailedAttempt, RetryPolicy},
    stats::WaitCause,
};

/// The wait of the response rule for a transient failure.
fn wait_of_rule(error: &Error) -> Option<Duration> {
    let ruling = error.response()?.ruling()?;
    ruling.wait.filter(|_| ruling.action == Action::Retry)
}

impl Attempts<'_> {
    /// Waits before the next attempt and returns the error that led to it, or ends the call with
    /// that error.
    pub(super) async fn retry(&mut self, error: Error) -> Result<Error, Error> {
        let classified = self.classified(&error);
        let wait = match self.decide(&error, &classified) {
            Decision::RetryIn(wait) => wait,
            Decision::RetryUncounted(wait) => {
                self.uncounted += 1;
                wait
            }
            Decision::GiveUp => return Err(error.refused(classified.is_rate_limited)),
            Decision::TooLate(wait) => {
                let late = Error::new(
                    ErrorKind::DeadlineExceeded,
                    "the next attempt would pass the deadline",
                );
                return Err(after(late.with_wait(wait), Some(error)));
            }
            Decision::HoldTooLong(wait) => {
                let held = Error::new(
                    ErrorKind::RateLimited,
                    "the API asks for a longer wait than max_retry_after",
                );
                return Err(after(held.with_wait(wait), Some(error)));
            }
        };
        tracing::debug!(
            kind = error.kind_name(),
            attempts = self.call.attempts(),
            wait_ms = wait.as_millis() as u64,
            "retrying"
        );
        self.worker.counters.borrow_mut().retries += 1;
        self.wait(wait, &error).await?;
        Ok(error)
    }

    /// Decides what follows an attempt that failed with `error`, after the holds that its response
    /// requests: a call that waits for its own hold waits no longer than that.
    fn decide(&mut self, error: &Error, classified: &Classified) -> Decision {
        let worker = self.worker;
        let now = Instant::now();
        let retry_after = match worker.tokens_for(self.call) {
            // A rate limit concerns the token, which is held; others may go on.
            Some(tokens) if classified.is_rate_limited && tokens.are_several() => {
                tokens.wait(now, classified.wait, worker.policy.max_retry_after)
            }
            _ => classified.wait.inspect(|wait| self.hold(now, *wait, classified)),
        };
        let is_worth_a_wait = classified.is_worth_a_wait && !self.has_waited;
        self.has_waited |= is_worth_a_wait;
        let has_answered = self.api.foreign.is_none() && worker.has_answered.get();
        let unreached = self.unreached(error, has_answered, now);
        let attempt = FailedAttempt {
            attempts: self.call.attempts().saturating_sub(self.uncounted),
            idempotent: self.call.request.is_idempotent(),
            error,
            is_refusal: classified.is_rate_limited || is_worth_a_wait,
            should_retry: classified.should_retry,
            is_asked: classified.asks_to_wait(),
            is_held: classified.holds && retry_after.is_some(),
            retry_after: retry_after.or_else(|| wait_of_rule(error)),
            unreached,
            remaining: self.call.remaining(now),
            jitter: fastrand::f64(),
        };
        retry::decide(&self.policy(), &attempt, || {
            let is_covered = self.api.budget(|budget| budget.withdraw(now));
            if !is_covered {
                worker.counters.borrow_mut().retries_denied += 1;
            }
            is_covered
        })
    }

    /// Reports that the request is sent again after `wait`, because of `cause`, and waits.
    pub(super) async fn wait(&self, wait: Duration, cause: &Error) -> Result<(), Error> {
        if let Some(attempt) = self.latest {
            let (reason, status) = (cause.kind(), cause.status());
            self.worker.events().emit(|| Event::RetryScheduled { attempt, wait, reason, status });
        }
        self.permit.in_flight.go_on_to(Stage::Unsent)?;
        let waited = pause(self.call, &self.permit, WaitCause::Backoff, wait).await;
        waited.map_err(|late| after(late, Some(cause.clone())))
    }

    /// What the response in the error requests.
    fn classified(&self, error: &Error) -> Classified {
        let answer = error
            .response()
            .filter(|_| matches!(error.kind(), ErrorKind::Status | ErrorKind::ApiError));
        answer.and_then(|answer| self.worker.classify(answer)).unwrap_or_default()
    }

    /// Holds the whole API for the wait it requested, or only the handle with its own credentials
    /// that got the response: that handle may have caused it.
    fn hold(&self, now: Instant, wait: Duration, classified: &Classified) {
        let wait = wait.min(self.worker.policy.max_retry_after);
        if !classified.holds {
            return;
        }
        if let (Some(own_hold), Some(tenant)) = (self.api.own_hold, &self.call.tenant) {
            own_hold.extend(now, wait);
            if !self.api.hold.is_for_all(tenant.tokens.id, now, wait) {
                return;
            }
        }
        if self.api.hold.extend(now, wait) {
            self.worker.events().emit(|| match self.api.foreign {
                None => Event::HoldSet { wait },
                Some(origin) => Event::OriginHeld { origin: origin.name.clone(), wait },
            });
        }
    }

    /// A failed health check is not retried before the next one is due.
    fn policy(&self) -> RetryPolicy {
        let max_attempts = match self.call.kind {
            CallKind::Call => self.worker.policy.max_attempts,
            CallKind::HealthCheck => 1,
        };
        RetryPolicy { max_attempts, ..self.worker.policy }
    }
}
