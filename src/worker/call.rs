//! The loop of one call on its worker: gates, an attempt, a decision, and again until there is a
//! response or an error. What may be retried is decided in `retry`.

use std::{
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, Uri};
use tracing::Instrument;

use super::{
    attempt::{Clearance, RunningAttempt},
    context::WorkerContext,
    gates::{CallPermit, pass_breaker, pass_hold, pass_limit},
    hedge,
    origin::Api,
};
use crate::{
    dispatch::{Call, Job},
    error::{Delivery, Error, ErrorKind},
    events::{Attempt, Event},
    permits::Stage,
    rate_limit::{QueueGuard, TokenWish},
    response::Response,
    retry::is_unreached,
    token_manager::Issued,
};

mod poll;

/// Runs a job until its call is answered, or until nobody waits for it any more.
pub(super) async fn run(worker: Rc<WorkerContext>, job: Job) {
    let Some(call) = job.call().cloned() else { return };
    let in_flight = Arc::clone(job.in_flight());
    let permit = CallPermit::new(Arc::clone(&in_flight), &worker.dispatcher.admission);
    let url = Arc::clone(&call.url);
    let origin = call.request.foreign_base(&worker.config().base).map(|base| worker.origin(base));
    let api = origin.as_ref().map_or_else(|| worker.api(&call), |origin| origin.api());
    let attempts = Attempts {
        worker: &worker,
        call: &call,
        api,
        permit,
        url,
        redirects: Vec::new(),
        is_moved: false,
        latest: None,
        uncounted: 0,
        unreached: None,
        has_waited: false,
    };
    // Pinned in place, here and below: each move would double the size of a call.
    let answer = pin!(attempts.run());
    let answer = answer.instrument(call.span.clone());
    tokio::select! {
        biased;
        () = call.cancelled() => {}
        () = in_flight.revoked() => {}
        result = answer => if job.claim() {
            worker.counters.borrow_mut().call_ended(result.is_ok());
            job.answer(result);
        }
    }
}

pub(super) struct Attempts<'a> {
    pub(super) worker: &'a WorkerContext,
    pub(super) call: &'a Arc<Call>,
    pub(super) api: Api<'a>,
    pub(super) permit: CallPermit<'a>,
    pub(super) url: Arc<Uri>,
    /// The URLs that were left for that one by redirects.
    pub(super) redirects: Vec<Arc<Uri>>,
    /// Whether all of the redirects were permanent, and there were any.
    pub(super) is_moved: bool,
    /// The latest attempt.
    pub(super) latest: Option<Attempt>,
    /// Attempts that are not retries: after a token refresh, hedges, and those that do not count.
    pub(super) uncounted: u32,
    /// Since when the API has not been reached, and by how many attempts.
    unreached: Option<(Instant, u32)>,
    /// Whether the one wait that some statuses allow has been made.
    pub(super) has_waited: bool,
}

impl<'a> Attempts<'a> {
    /// Records `error`, with which an attempt ended at `now`.
    pub(super) fn unreached(
        &mut self,
        error: &Error,
        has_answered: bool,
        now: Instant,
    ) -> Option<(u32, Duration)> {
        let (since, before) = self.unreached.unwrap_or((now, 0));
        self.unreached = is_unreached(error, has_answered).then_some((since, before + 1));
        let (since, attempts) = self.unreached?;
        Some((attempts, now.saturating_duration_since(since)))
    }

    async fn run(mut self) -> Result<Response, Error> {
        if self.call.is_run_first() {
            self.api.budget(|budget| budget.deposit(Instant::now()));
        }
        let mut token = None;
        let mut has_refreshed = false;
        let mut last = None;
        loop {
            self.permit.in_flight.go_on_to(Stage::Unsent)?;
            let clearance = self.pass_gates(&mut token, cost(last.as_ref())).await;
            let clearance = clearance.map_err(|error| self.cut_short(error, last.take()))?;
            let failure = match self.attempt(token.as_ref(), clearance).await {
                Ok(response) if self.has_to_wait(&response) => self.poll(response).await?,
                Ok(response) if response.counts_as().is_success() => return Ok(response),
                Ok(response)
                    if response.counts_as() == StatusCode::UNAUTHORIZED
                        && self.may_refresh(token.as_ref(), has_refreshed) =>
                {
                    has_refreshed = true;
                    self.refresh(&mut token, response).await.err()
                }
                Ok(response) if response.counts_as().is_redirection() => {
                    self.redirect(response).err()
                }
                Ok(response) => Some(Error::status_of(response)),
                Err(error) => Some(error),
            };
            // Without a failure it is sent again at once, with another token or to another URL.
            let Some(error) = failure else {
                self.uncounted += 1;
                self.unreached = None;
                continue;
            };
            let error = error.with_secrets(self.worker.secrets_of(self.call));
            last = Some(self.retry(error).await?);
            token = None;
        }
    }

    /// Waits for everything an attempt needs.
    ///
    /// The order is fixed. What may take long comes first, while nothing is held. The token comes
    /// before the rate limit, since a rate permit would go stale while a token is acquired. The
    /// permit to send comes together with the rate permit, so that neither idles while the other
    /// is waited for. By then time has passed, so the first gates are checked again, now without
    /// waiting, and a closed gate sends the call back to the start, where it gives its permit
    /// back. The breaker is asked after the holds, since its permit may be for the only probe,
    /// and a probe must not wait. The permits of the keys are last, since only they cannot be
    /// given back.
    async fn pass_gates(
        &mut self,
        token: &mut Option<Issued>,
        cost: u32,
    ) -> Result<Clearance<'a>, Error> {
        let Self { worker, call, permit, .. } = self;
        let Api { hold, own_hold, circuit, foreign, .. } = self.api;
        let tokens = worker.tokens_for(call);
        let limit_of_key = worker.limit_of_key(call);
        let limit_of_origin = foreign.and_then(|origin| origin.limit.as_ref());
        let (mut place, mut place_there) = (None, None);
        loop {
            for hold in [Some(hold), own_hold].into_iter().flatten() {
                pass_hold(hold, call, permit).await?;
            }
            if let Some(circuit) = circuit {
                pass_breaker(circuit, call, permit).await?;
            }
            if let Some(limiter) = &limit_of_key {
                pass_limit(limiter, &mut place, call, permit).await?;
            }
            if let Some(limiter) = limit_of_origin {
                pass_limit(limiter, &mut place_there, call, permit).await?;
            }
            token.take_if(|token| !token.is_good(Instant::now()));
            if let (None, Some(tokens)) = (&token, tokens)
                && !tokens.set.is_limited
            {
                *token = Some(tokens.next(call, permit).await?);
            }
            let wish = match (&token, tokens) {
                (_, None) => TokenWish::None,
                (None, _) => TokenWish::Any,
                (Some(token), _) => TokenWish::Of(token.slot),
            };
            let chosen = match foreign {
                Some(origin) => origin.pass(call, permit, cost).await.map(|()| None)?,
                None => worker.throttle.pass(call, permit, cost, wish).await?,
            };
            if let (None, Some(chosen), Some(tokens)) = (&token, chosen, tokens) {
                *token = tokens.chosen(call, permit, chosen).await?;
                if token.is_none() {
                    continue;
                }
            }
            let now = Instant::now();
            let Some(hold_permits) = self.api.depart(now) else { continue };
            if let (Some(tokens), Some(held)) = (tokens, &token)
                && tokens.is_held(held, now)
            {
                *token = None;
                continue;
            }
            // Otherwise another call is the probe.
            let Ok(breaker) = circuit.map(|circuit| circuit.admit(call.kind, now)).transpose()
            else {
                continue;
            };
            let may_take =
                |place: &Option<QueueGuard<'_>>| place.as_ref().is_none_or(|at| at.take(now));
            if may_take(&place) && may_take(&place_there) {
                return Ok(Clearance { breaker, hold_permits });
            }
        }
    }

    /// Makes one attempt, and perhaps a hedge beside it. The permit has been given back when it
    /// returns.
    async fn attempt(
        &mut self,
        token: Option<&Issued>,
        clearance: Clearance<'a>,
    ) -> Result<Response, Error> {
        let Self { worker, call, api, permit, url, is_moved, latest, uncounted, .. } = self;
        let (request, to) = worker.prepare(call, url, token, permit).await?;
        let began = Instant::now();
        if call.remaining(began).is_zero() {
            return Err(Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"));
        }
        let other = worker.other_client(&call.request)?;
        let client = other.as_deref().unwrap_or(&worker.client);
        let running =
            RunningAttempt::begin(worker, *api, call, &permit.in_flight, clearance, None)?;
        let first = pin!(running.exchange(client, token, &request, &to));
        let (attempt, outcome) = match hedge::delay(worker, call) {
            None => first.await,
            // Boxed, so that calls without a hedge reserve no memory for one.
            Some(delay) => {
                let second = || {
                    let (beside, clearance) = hedge::second(worker, *api, call, token)?;
                    let second = RunningAttempt::begin(
                        worker,
                        *api,
                        call,
                        &permit.in_flight,
                        clearance,
                        Some(beside),
                    );
                    *uncounted += 1;
                    Some(second.map(|second| second.exchange(client, token, &request, &to)))
                };
                Box::pin(hedge::race(worker, delay, first, second)).await?
            }
        };
        *latest = Some(attempt);
        if let (Some(tokens), Some(token), Ok(response)) =
            (worker.tokens_for(call), token, &outcome)
        {
            if response.counts_as().is_success() {
                tokens.served(token, began);
            }
            if let Some(wait) = tokens.observe(token, response, |answer| worker.classify(answer)) {
                worker.events().emit(|| Event::TokenHeld { slot: token.slot, wait });
            }
        }
        let secret = token.map(|token| &token.secret);
        let method = request.method();
        outcome.map(|response| response.with_url(url, method, *is_moved).with_secret(secret))
    }

    /// Whether a 401 to `token` leads to another token: once per call, and only if that may help.
    fn may_refresh(&self, token: Option<&Issued>, has_refreshed: bool) -> bool {
        let tokens = self.worker.tokens_for(self.call);
        tokens.zip(token).is_some_and(|(tokens, token)| tokens.refused(token, has_refreshed))
    }

    /// Gets another token after a 401; without tokens to refresh the 401 is final.
    async fn refresh(
        &mut self,
        token: &mut Option<Issued>,
        response: Response,
    ) -> Result<(), Error> {
        let (Some(tokens), Some(refused)) = (self.worker.tokens_for(self.call), token.as_ref())
        else {
            return Err(Error::status_of(response));
        };
        let refreshed = match self.permit.in_flight.go_on_to(Stage::Unsent) {
            Ok(()) => tokens.refresh(self.call, &mut self.permit, refused).await,
            Err(error) => Err(error),
        };
        *token = Some(refreshed.map_err(|error| error.with_response(response))?);
        Ok(())
    }

    /// `error`, which came before the next attempt and ended the call. `cause` has the outcome of
    /// the previous attempt; without it the outcome is unknown.
    fn cut_short(&self, error: Error, cause: Option<Error>) -> Error {
        match cause {
            None if self.call.attempts() > 0 => error.with_delivery(Delivery::Unknown),
            cause => after(error, cause),
        }
    }
}

/// The cost of an attempt after `last` in permits, if the API has set the pace and so many are
/// saved. A retry costs more than a first attempt, and most after a timeout.
fn cost(last: Option<&Error>) -> u32 {
    match last.map(Error::kind) {
        None => 1,
        Some(ErrorKind::Timeout) => 10,
        Some(_) => 5,
    }
}

/// `error`, which ended the call while it waited because of `cause`.
pub(super) fn after(error: Error, cause: Option<Error>) -> Error {
    let Some(cause) = cause else { return error };
    let error = error.because_of(&cause);
    match cause.response().cloned() {
        Some(response) => error.with_response(response).with_source(cause),
        None => error.with_delivery(cause.delivery()).with_source(cause),
    }
}

#[cfg(test)]
mod tests {
    /// The size of the future that an async function returns.
    fn room<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_call_takes_little_room_on_its_worker() {
        assert!(room(super::run) <= 4 * 1024, "{} bytes", room(super::run));
    }
}
