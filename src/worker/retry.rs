//! What follows a failed attempt: the holds that its answer asks for, and the wait before the
//! next one or the error that ends the call. What may be retried is decided in `retry`.

use std::time::{Duration, Instant};

use super::{
    call::{Attempts, after},
    gates::pause,
};
use crate::{
    error::{Error, ErrorKind},
    events::Event,
    rate_limit::Heard,
    response::Action,
    retry::{self, CallKind, Decision, Unreached, is_unreached},
    seats::Stage,
    stats::WaitCause,
};

/// What earlier attempts of a call have to do with whether there is another one.
#[derive(Default)]
pub(super) struct Past {
    /// Attempts that are no retries: replays, hedges, and those that do not count.
    pub(super) uncounted: u32,
    /// Since when the API has not been reached, and by how many attempts.
    unreached: Option<(Instant, u32)>,
    /// Whether the one wait was made that some statuses are worth.
    has_waited: bool,
}

impl Past {
    /// Takes note of an answer after which the request is sent again, elsewhere or otherwise.
    pub(super) fn replayed(&mut self) {
        self.uncounted += 1;
        self.unreached = None;
    }

    /// Takes note of `error`, with which an attempt ended at `now`.
    fn unreached(&mut self, error: &Error, has_answered: bool, now: Instant) -> Option<Unreached> {
        let (since, before) = self.unreached.unwrap_or((now, 0));
        self.unreached = is_unreached(error, has_answered).then_some((since, before + 1));
        let (since, attempts) = self.unreached?;
        Some(Unreached { attempts, lasts: now.saturating_duration_since(since) })
    }
}

/// The wait of the pool's rule that takes the answer for a failure in passing.
fn wait_of_rule(error: &Error) -> Option<Duration> {
    let ruling = error.response()?.ruling()?;
    ruling.wait.filter(|_| ruling.action == Action::Retry)
}

impl Attempts<'_> {
    /// Waits before the next attempt and returns the error that led to it, or ends the call with
    /// it.
    pub(super) async fn retry(&mut self, error: Error) -> Result<Error, Error> {
        let kit = self.kit;
        let now = Instant::now();
        let heard = self.heard(&error);
        let retry_after = match kit.tokens_for(self.call) {
            // A limit is about the token, which is held; others may go on.
            Some(tokens) if heard.is_limit && tokens.are_several() => {
                tokens.wait(now, heard.wait, kit.policy.max_retry_after)
            }
            _ => heard.wait.inspect(|wait| self.hold(now, *wait, &heard)),
        };
        let is_worth_a_wait = heard.is_worth_a_wait && !self.past.has_waited;
        self.past.has_waited |= is_worth_a_wait;
        let has_answered = self.api.elsewhere.is_none() && kit.has_answered.get();
        let unreached = self.past.unreached(&error, has_answered, now);
        let is_held = heard.holds && retry_after.is_some();
        let attempt = retry::Attempt {
            attempts: self.call.attempts().saturating_sub(self.past.uncounted),
            idempotent: self.call.request.is_idempotent(),
            error: &error,
            is_refusal: heard.is_limit || is_worth_a_wait,
            should_retry: heard.should_retry,
            is_asked: heard.asks_to_wait(),
            retry_after: retry_after.or_else(|| wait_of_rule(&error)),
            is_held,
            unreached,
            remaining: self.call.remaining(now),
            jitter: fastrand::f64(),
        };
        let withdraw = || {
            let is_covered = self.api.budget(|budget| budget.withdraw(now));
            if !is_covered {
                kit.counters.borrow_mut().denied();
            }
            is_covered
        };
        let wait = match retry::decide(&self.policy(), &attempt, withdraw) {
            Decision::RetryIn(wait) => wait,
            Decision::RetryUncounted(wait) => {
                self.past.uncounted += 1;
                wait
            }
            Decision::GiveUp => return Err(error),
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
        kit.counters.borrow_mut().retried();
        if let Some(attempt) = self.latest {
            let (reason, status) = (error.kind(), error.status());
            kit.events().emit(|| Event::RetryScheduled { attempt, wait, reason, status });
        }
        self.wait(wait).await.map_err(|late| after(late, Some(error.clone())))?;
        Ok(error)
    }

    async fn wait(&self, wait: Duration) -> Result<(), Error> {
        self.slot.go_on_to(Stage::Waiting)?;
        pause(self.call, &self.slot, WaitCause::Backoff, wait).await
    }

    /// What the answer asks for that is the error.
    fn heard(&self, error: &Error) -> Heard {
        let answer = error
            .response()
            .filter(|_| matches!(error.kind(), ErrorKind::Status | ErrorKind::ApiError));
        answer.and_then(|answer| self.kit.hear(answer)).unwrap_or_default()
    }

    /// Holds the whole API for as long as it asked, or the one handle with credentials of its
    /// own to which it said so: what it says to one may be of that one's making.
    fn hold(&self, now: Instant, wait: Duration, heard: &Heard) {
        let wait = wait.min(self.kit.policy.max_retry_after);
        if !heard.holds {
            return;
        }
        if let (Some(own_hold), Some(tenant)) = (self.api.own_hold, &self.call.tenant) {
            own_hold.extend(now, wait);
            if !self.api.hold.is_for_all(tenant.tokens.id(), now, wait) {
                return;
            }
        }
        if self.api.hold.extend(now, wait) {
            self.kit.events().emit(|| match self.api.elsewhere {
                None => Event::HoldSet { wait },
                Some(origin) => Event::OriginHeld { origin: origin.name().to_owned(), wait },
            });
        }
    }

    /// A health check is retried by the next one.
    fn policy(&self) -> retry::Policy {
        let max_attempts = match self.call.kind {
            CallKind::Call => self.kit.policy.max_attempts,
            CallKind::HealthCheck => 1,
        };
        retry::Policy { max_attempts, ..self.kit.policy }
    }
}
