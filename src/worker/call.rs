//! The loop of one call on its worker: gates, one attempt, a decision, and again
//! until there is an answer. What may be repeated is decided in `retry`.

use std::{
    borrow::Cow,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{StatusCode, Uri};
use tracing::Instrument;

use super::{
    attempt::Running,
    gates::{Slot, limit_of_key, pass_circuit, pass_hold, pass_key, pause},
    hedge::{self, Outcome},
    kit::Kit,
    redirects::Redirects,
};
use crate::{
    dispatch::{Call, Job, Passage},
    error::{Delivery, Error, ErrorKind},
    events::{Attempt, Event},
    http::{Client, Request, Response},
    rate_limit::{Reason, TokenWish, retry_after},
    retry::{self, Decision, Errand},
    seats::Stage,
    stats::WaitCause,
    token_manager::Issued,
};

/// Runs a job to its answer, or until nobody waits for it any more.
pub(super) async fn run(kit: Rc<Kit>, Job { seat, ticket }: Job) {
    let Some(call) = ticket.call().cloned() else { return };
    let slot = Slot::new(Arc::clone(&seat), kit.dispatcher.tally());
    let url = Cow::Borrowed(&call.url);
    let attempts = Attempts {
        kit: &kit,
        call: &call,
        slot,
        url,
        redirects: Redirects::default(),
        latest: None,
        uncounted: 0,
    };
    // Pinned where they are, here and below: each move would double the room of a call.
    let answer = pin!(attempts.run());
    let answer = answer.instrument(call.span.clone());
    tokio::select! {
        biased;
        () = call.cancelled() => {}
        () = seat.revoked() => {}
        result = answer => if ticket.claim() {
            kit.counters.borrow_mut().call_ended(result.is_ok());
            ticket.answer(result);
        }
    }
}

/// What follows an attempt.
enum Next {
    /// Send again at once, with another token or to another URL.
    Replay,
    Fail(Error),
}

struct Attempts<'a> {
    kit: &'a Kit,
    call: &'a Call,
    slot: Slot<'a>,
    url: Cow<'a, Uri>,
    /// What led to that URL.
    redirects: Redirects,
    /// The attempt that was made last.
    latest: Option<Attempt>,
    /// Attempts that are no retries: replays and hedges.
    uncounted: u32,
}

impl<'a> Attempts<'a> {
    async fn run(mut self) -> Result<Response, Error> {
        let kit = self.kit;
        kit.budget(|budget| budget.deposit(Instant::now()));
        let mut token = None;
        let mut has_renewed = false;
        let mut last = None;
        loop {
            self.slot.go_on_to(Stage::Waiting)?;
            let passage = self.pass_gates(&mut token, reason(last.as_ref())).await;
            let passage = passage.map_err(|error| self.cut_short(error, last.take()))?;
            let next = match self.attempt(token.as_ref(), passage).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && !has_renewed => {
                    has_renewed = true;
                    self.renew(&mut token, response).await
                }
                Ok(response) if response.status().is_redirection() => self.redirect(response),
                Ok(response) => Next::Fail(Error::status_of(response)),
                Err(error) => Next::Fail(error),
            };
            match next {
                Next::Replay => self.uncounted += 1,
                Next::Fail(error) => {
                    let error = error.with_secrets(self.kit.secrets_of(self.call));
                    let attempts = self.call.attempts().saturating_sub(self.uncounted);
                    let error = self.retry(error, attempts).await?;
                    last = Some(error);
                    token = None;
                }
            }
        }
    }

    /// Waits for everything an attempt needs. The slot comes last, together with the rate
    /// permit; the hold and the circuit breaker are looked at again when all is there, and
    /// the permit of the call's key is taken.
    async fn pass_gates(
        &mut self,
        token: &mut Option<Issued>,
        reason: Reason,
    ) -> Result<Option<Passage<'a>>, Error> {
        let Self { kit, call, slot, .. } = self;
        let circuit = kit.dispatcher.circuit();
        let tokens = kit.tokens_for(call);
        let limit_of_key = limit_of_key(kit.keys.as_deref(), call);
        let mut place = None;
        loop {
            pass_hold(&kit.hold, call, slot).await?;
            if let Some(circuit) = circuit {
                pass_circuit(circuit, call, slot).await?;
            }
            if let Some(limiter) = &limit_of_key {
                pass_key(limiter, &mut place, call, slot).await?;
            }
            token.take_if(|token| !token.is_good(Instant::now()));
            if let (None, Some(tokens)) = (&token, tokens)
                && !tokens.are_limited()
            {
                *token = Some(tokens.next(call, slot).await?);
            }
            let wish = match (&token, tokens) {
                (_, None) => TokenWish::None,
                (None, _) => TokenWish::Any,
                (Some(token), _) => TokenWish::Of(token.slot),
            };
            let chosen = kit.throttle.pass(call, slot, reason, wish).await?;
            if let (None, Some(chosen), Some(tokens)) = (&token, chosen, tokens) {
                *token = tokens.chosen(call, slot, chosen).await?;
                if token.is_none() {
                    continue;
                }
            }
            let now = Instant::now();
            if kit.hold.remaining(now).is_some() {
                continue;
            }
            if let (Some(tokens), Some(held)) = (tokens, &token)
                && tokens.is_held(held, now)
            {
                *token = None;
                continue;
            }
            // Else another call is the probe.
            let Ok(passage) = circuit.map(|circuit| circuit.admit(call.errand, now)).transpose()
            else {
                continue;
            };
            if place.as_ref().is_none_or(|place| place.take(now)) {
                return Ok(passage);
            }
        }
    }

    /// Makes one attempt, and perhaps another one beside it. The slot is free again when it
    /// returns.
    async fn attempt(
        &mut self,
        token: Option<&Issued>,
        passage: Option<Passage<'a>>,
    ) -> Result<Response, Error> {
        let Self { kit, call, slot, url, redirects, latest, uncounted } = self;
        slot.go_on_to(Stage::Applying)?;
        let (request, to) = kit.prepare(call, url, token)?;
        if call.remaining(Instant::now()).is_zero() {
            return Err(Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"));
        }
        let other = kit.other_client(&call.request)?;
        let client = other.as_deref().unwrap_or(&kit.client);
        let running = Running::begin(kit, call, slot.seat(), passage, None)?;
        let first = pin!(exchange(running, kit, client, call, &request, &to));
        let (attempt, outcome) = match hedge::delay(kit, call) {
            None => first.await,
            // Boxed, so that calls without a hedge have no room for one.
            Some(delay) => {
                let second = || {
                    let (permit, passage) = hedge::second(kit, call, slot.seat(), token)?;
                    let second = Running::begin(kit, call, slot.seat(), passage, Some(permit));
                    *uncounted += 1;
                    Some(second.map(|second| exchange(second, kit, client, call, &request, &to)))
                };
                Box::pin(hedge::race(kit, delay, first, second)).await?
            }
        };
        *latest = Some(attempt);
        if let (Some(tokens), Some(token), Ok(response)) = (kit.tokens_for(call), token, &outcome)
            && let Some(wait) = tokens.heed(token, response)
        {
            kit.events().emit(|| Event::TokenHeld { slot: token.slot, wait });
        }
        let secret = token.map(|token| &token.secret);
        outcome.map(|response| response.with_url(url, redirects.is_moved).with_secret(secret))
    }

    /// Gets another token after a 401; without tokens to renew the 401 is final.
    async fn renew(&mut self, token: &mut Option<Issued>, response: Response) -> Next {
        let (Some(tokens), Some(refused)) = (self.kit.tokens_for(self.call), token.as_ref()) else {
            return Next::Fail(Error::status_of(response));
        };
        let renewed = match self.slot.go_on_to(Stage::Waiting) {
            Ok(()) => tokens.renew(self.call, &mut self.slot, refused).await,
            Err(error) => Err(error),
        };
        match renewed {
            Ok(renewed) => {
                *token = Some(renewed);
                Next::Replay
            }
            Err(error) => Next::Fail(error.with_response(response)),
        }
    }

    /// Follows a redirect of a safe method if it stays on the pool's origin and below its base URL.
    fn redirect(&mut self, response: Response) -> Next {
        let request = &self.call.request;
        let base = request.other_base().map_or(&self.kit.config.base, Arc::as_ref);
        match self.redirects.follow(request, base, &self.url, response) {
            Ok(url) => {
                self.url = Cow::Owned(url);
                Next::Replay
            }
            Err(error) => Next::Fail(error),
        }
    }

    /// Holds the whole API for as long as it asked.
    fn hold(&self, now: Instant, wait: Duration) {
        let wait = wait.min(self.kit.policy.max_retry_after);
        if self.kit.hold.extend(now, wait) {
            self.kit.events().emit(|| Event::HoldSet { wait });
        }
    }

    /// Waits before the next attempt and returns the error that led to it, or ends the call with
    /// it.
    async fn retry(&mut self, error: Error, attempts: u32) -> Result<Error, Error> {
        let kit = self.kit;
        let now = Instant::now();
        let retry_after = error
            .response()
            .filter(|response| matches!(response.status().as_u16(), 429 | 503))
            .and_then(|response| retry_after(response.headers(), SystemTime::now()));
        let is_refused = error.status() == Some(StatusCode::TOO_MANY_REQUESTS);
        let retry_after = match kit.tokens_for(self.call) {
            // A 429 is about the token, which is held; others may go on.
            Some(tokens) if is_refused && tokens.are_several() => {
                tokens.wait(now, retry_after, kit.policy.max_retry_after)
            }
            _ => retry_after.inspect(|wait| self.hold(now, *wait)),
        };
        let attempt = retry::Attempt {
            attempts,
            repeatable: self.call.request.is_repeatable(),
            error: &error,
            retry_after,
            remaining: self.call.remaining(now),
            jitter: fastrand::f64(),
        };
        let withdraw = || {
            let is_covered = kit.budget(|budget| budget.withdraw(now));
            if !is_covered {
                kit.counters.borrow_mut().denied();
            }
            is_covered
        };
        let wait = match retry::decide(&self.policy(), &attempt, withdraw) {
            Decision::RetryIn(wait) => wait,
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
            attempts,
            wait_ms = wait.as_millis() as u64,
            "retrying"
        );
        kit.counters.borrow_mut().retried();
        if let Some(attempt) = self.latest {
            let (reason, status) = (error.kind(), error.status());
            kit.events().emit(|| Event::RetryScheduled { attempt, wait, reason, status });
        }
        self.slot.go_on_to(Stage::Waiting)?;
        pause(self.call, &self.slot, WaitCause::Backoff, wait)
            .await
            .map_err(|late| after(late, Some(error.clone())))?;
        Ok(error)
    }

    /// A health check is repeated by the next one.
    fn policy(&self) -> retry::Policy {
        let max_attempts = match self.call.errand {
            Errand::Call => self.kit.policy.max_attempts,
            Errand::HealthCheck => 1,
        };
        retry::Policy { max_attempts, ..self.kit.policy }
    }

    /// `error`, which came before the next attempt and ended the call. `cause` tells what became
    /// of the attempt before; without it nobody knows.
    fn cut_short(&self, error: Error, cause: Option<Error>) -> Error {
        match cause {
            None if self.call.attempts() > 0 => error.with_delivery(Delivery::Unknown),
            cause => after(error, cause),
        }
    }
}

/// Sends a request and reads its answer, as the attempt that has begun.
async fn exchange(
    running: Running<'_>,
    kit: &Kit,
    client: &Client,
    call: &Call,
    request: &Request,
    url: &Uri,
) -> Outcome {
    let remaining = call.remaining(running.started());
    let limit = remaining.min(kit.config.settings.request_timeout);
    let answer = pin!(client.send(request, url));
    let outcome = tokio::time::timeout(limit, answer).await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(if limit == remaining {
            let what = "the call's deadline passed before the answer came";
            Error::new(ErrorKind::DeadlineExceeded, what)
        } else {
            Error::new(ErrorKind::Timeout, "the answer took longer than request_timeout")
        }
        .with_delivery(Delivery::Unknown))
    });
    (running.end(&outcome), outcome)
}

/// Why an attempt is made after `last` failed.
fn reason(last: Option<&Error>) -> Reason {
    match last.map(Error::kind) {
        None => Reason::First,
        Some(ErrorKind::Timeout) => Reason::RetryAfterTimeout,
        Some(_) => Reason::Retry,
    }
}

/// `error`, which ended the call after `cause` had made it wait.
fn after(error: Error, cause: Option<Error>) -> Error {
    let Some(cause) = cause else { return error };
    match cause.response().cloned() {
        Some(response) => error.with_response(response).with_source(cause),
        None => error.with_delivery(cause.delivery()).with_source(cause),
    }
}

#[cfg(test)]
mod tests {
    /// How large the future is that an async function returns.
    fn room<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_call_takes_little_room_on_its_worker() {
        assert!(room(super::run) <= 4 * 1024, "{} bytes", room(super::run));
    }
}
