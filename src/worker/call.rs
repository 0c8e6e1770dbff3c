//! The loop of one call on its worker: gates, one attempt, a decision, and again
//! until there is an answer. What may be retried is decided in `retry`.

use std::{pin::pin, rc::Rc, sync::Arc, time::Instant};

use http::{StatusCode, Uri};
use tracing::Instrument;

use super::{
    attempt::{Leave, Running},
    gates::{Slot, pass_circuit, pass_hold, pass_limit},
    hedge,
    kit::Kit,
    origin::Api,
    redirects::Redirects,
    retry::Past,
};
use crate::{
    dispatch::{Call, Job},
    error::{Delivery, Error, ErrorKind},
    events::{Attempt, Event},
    rate_limit::{Place, TokenWish},
    response::Response,
    seats::Stage,
    token_manager::Issued,
};

mod exchange;
mod poll;

use exchange::exchange;

/// Runs a job to its answer, or until nobody waits for it any more.
pub(super) async fn run(kit: Rc<Kit>, Job { seat, ticket }: Job) {
    let Some(call) = ticket.call().cloned() else { return };
    let slot = Slot::new(Arc::clone(&seat), kit.dispatcher.tally());
    let url = Arc::clone(&call.url);
    let origin = call.request.foreign_base(&kit.config.base).map(|base| kit.origins.of(base));
    let api = origin.as_ref().map_or_else(|| kit.api(&call), |origin| origin.api());
    let (redirects, past) = (Redirects::default(), Past::default());
    let latest = None;
    let attempts = Attempts { kit: &kit, call: &call, api, slot, url, redirects, latest, past };
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

pub(super) struct Attempts<'a> {
    pub(super) kit: &'a Kit,
    pub(super) call: &'a Call,
    pub(super) api: Api<'a>,
    pub(super) slot: Slot<'a>,
    url: Arc<Uri>,
    /// What led to that URL.
    redirects: Redirects,
    /// The attempt that was made last.
    pub(super) latest: Option<Attempt>,
    pub(super) past: Past,
}

impl<'a> Attempts<'a> {
    async fn run(mut self) -> Result<Response, Error> {
        if self.call.is_run_first() {
            self.api.budget(|budget| budget.deposit(Instant::now()));
        }
        let mut token = None;
        let mut has_renewed = false;
        let mut last = None;
        loop {
            self.slot.go_on_to(Stage::Waiting)?;
            let leave = self.pass_gates(&mut token, cost(last.as_ref())).await;
            let leave = leave.map_err(|error| self.cut_short(error, last.take()))?;
            let next = match self.attempt(token.as_ref(), leave).await {
                Ok(response) if self.has_to_wait(&response) => self.poll(response).await?,
                Ok(response) if response.counts_as().is_success() => return Ok(response),
                Ok(response)
                    if response.counts_as() == StatusCode::UNAUTHORIZED
                        && self.may_renew(token.as_ref(), has_renewed) =>
                {
                    has_renewed = true;
                    self.renew(&mut token, response).await
                }
                Ok(response) if response.counts_as().is_redirection() => self.redirect(response),
                Ok(response) => Next::Fail(Error::status_of(response)),
                Err(error) => Next::Fail(error),
            };
            match next {
                Next::Replay => self.past.replayed(),
                Next::Fail(error) => {
                    let error = error.with_secrets(self.kit.secrets_of(self.call));
                    let error = self.retry(error).await?;
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
        cost: u32,
    ) -> Result<Leave<'a>, Error> {
        let Self { kit, call, slot, .. } = self;
        let Api { hold, own_hold, circuit, elsewhere, .. } = self.api;
        let tokens = kit.tokens_for(call);
        let limit_of_key = kit.limit_of_key(call);
        let limit_of_origin = elsewhere.and_then(|origin| origin.limit.as_ref());
        let (mut place, mut place_there) = (None, None);
        loop {
            for hold in [Some(hold), own_hold].into_iter().flatten() {
                pass_hold(hold, call, slot).await?;
            }
            if let Some(circuit) = circuit {
                pass_circuit(circuit, call, slot).await?;
            }
            if let Some(limiter) = &limit_of_key {
                pass_limit(limiter, &mut place, call, slot).await?;
            }
            if let Some(limiter) = limit_of_origin {
                pass_limit(limiter, &mut place_there, call, slot).await?;
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
            let chosen = match elsewhere {
                Some(origin) => origin.pass(call, slot, cost).await.map(|()| None)?,
                None => kit.throttle.pass(call, slot, cost, wish).await?,
            };
            if let (None, Some(chosen), Some(tokens)) = (&token, chosen, tokens) {
                *token = tokens.chosen(call, slot, chosen).await?;
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
            // Else another call is the probe.
            let Ok(breaker_permit) =
                circuit.map(|circuit| circuit.admit(call.kind, now)).transpose()
            else {
                continue;
            };
            let may_take = |place: &Option<Place<'_>>| place.as_ref().is_none_or(|at| at.take(now));
            if may_take(&place) && may_take(&place_there) {
                return Ok(Leave { breaker_permit, hold_permits });
            }
        }
    }

    /// Makes one attempt, and perhaps another one beside it. The slot is free again when it
    /// returns.
    async fn attempt(
        &mut self,
        token: Option<&Issued>,
        leave: Leave<'a>,
    ) -> Result<Response, Error> {
        let Self { kit, call, api, slot, url, redirects, latest, past } = self;
        let (request, to) = if kit.dispatcher.aside().is_wary() {
            // Boxed, so that pools whose callbacks behave have no room for it.
            Box::pin(kit.prepare_aside(call, url, token)).await?
        } else {
            slot.go_on_to(Stage::Applying)?;
            kit.prepare(call, url, token)?
        };
        let began = Instant::now();
        if call.remaining(began).is_zero() {
            return Err(Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"));
        }
        let other = kit.other_client(&call.request)?;
        let client = other.as_deref().unwrap_or(&kit.client);
        let running = Running::begin(kit, *api, call, slot.seat(), leave, None)?;
        let first = pin!(exchange(running, kit, client, call, token, &request, &to));
        let (attempt, outcome) = match hedge::delay(kit, call) {
            None => first.await,
            // Boxed, so that calls without a hedge have no room for one.
            Some(delay) => {
                let second = || {
                    let (permit, leave) = hedge::second(kit, *api, call, slot.seat(), token)?;
                    let second = Running::begin(kit, *api, call, slot.seat(), leave, Some(permit));
                    past.uncounted += 1;
                    Some(
                        second.map(|second| {
                            exchange(second, kit, client, call, token, &request, &to)
                        }),
                    )
                };
                Box::pin(hedge::race(kit, delay, first, second)).await?
            }
        };
        *latest = Some(attempt);
        if let (Some(tokens), Some(token), Ok(response)) = (kit.tokens_for(call), token, &outcome) {
            if response.counts_as().is_success() {
                tokens.served(token, began);
            }
            if let Some(wait) = tokens.heed(token, response, |answer| kit.hear(answer)) {
                kit.events().emit(|| Event::TokenHeld { slot: token.slot, wait });
            }
        }
        let secret = token.map(|token| &token.secret);
        outcome.map(|response| response.with_url(url, redirects.is_moved).with_secret(secret))
    }

    /// Whether a 401 to `token` leads to another one: once in a call, and where that may help.
    fn may_renew(&self, token: Option<&Issued>, has_renewed: bool) -> bool {
        let tokens = self.kit.tokens_for(self.call);
        tokens.zip(token).is_some_and(|(tokens, token)| tokens.refused(token, has_renewed))
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
                self.url = Arc::new(url);
                Next::Replay
            }
            Err(error) => Next::Fail(error),
        }
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

/// What an attempt after `last` costs in permits, where the API asked for a pace and so many are
/// saved. A retry costs more than a first attempt, and most after a timeout.
fn cost(last: Option<&Error>) -> u32 {
    match last.map(Error::kind) {
        None => 1,
        Some(ErrorKind::Timeout) => 10,
        Some(_) => 5,
    }
}

/// `error`, which ended the call after `cause` had made it wait.
pub(super) fn after(error: Error, cause: Option<Error>) -> Error {
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
