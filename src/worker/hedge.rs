//! A hedged request: when the second attempt is due, what it needs, and which of the two counts.
//! The cost of hedging is limited in `retry/hedge.rs`.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use http::Method;

use super::{attempt::Clearance, context::WorkerContext, origin::Api, tokens::TokensOf};
use crate::{
    dispatch::Call, error::Error, events::Attempt, permits::Permit, rate_limit::Classified,
    response::Response, retry::CallKind, token_manager::Issued,
};

/// The delay after which the attempt of `call` that begins now is hedged.
pub(super) fn delay(worker: &WorkerContext, call: &Call) -> Option<Duration> {
    let hedge = call.request.own_hedge().unwrap_or(worker.config().settings.hedge)?;
    let is_call = matches!(call.kind, CallKind::Call);
    let may_hedge = is_call && call.request.method() == Method::GET && call.request.is_idempotent();
    may_hedge.then(|| worker.hedging.borrow_mut().delay(&hedge)).flatten()
}

/// Gets everything a second attempt needs, if it is available at once.
pub(super) fn second<'a>(
    worker: &'a WorkerContext,
    api: Api<'a>,
    call: &Call,
    token: Option<&Issued>,
) -> Option<(Permit, Clearance<'a>)> {
    let now = Instant::now();
    let mut hedging = worker.hedging.borrow_mut();
    let holds = |(tokens, token): (TokensOf<'_>, &Issued)| tokens.is_held(token, now);
    if hedging.saved < 1.0
        || !api.is_open()
        || worker.tokens_for(call).zip(token).is_some_and(holds)
    {
        return None;
    }
    let hold_permits = api.depart(now)?;
    let breaker = match api.circuit {
        Some(circuit) => Some(circuit.admit_if_closed()?),
        None => None,
    };
    let permit = worker.dispatcher.semaphore().try_acquire().ok()?;
    let limiter = worker.limit_of_key(call);
    let may_leave = match api.foreign {
        Some(origin) => origin.try_second(),
        None => worker.throttle.try_second(),
    };
    if !may_leave
        || limiter.is_some_and(|limiter| limiter.try_acquire().is_err())
        || !api.budget(|budget| budget.withdraw(now))
    {
        return None;
    }
    hedging.saved -= 1.0;
    Some((permit, Clearance { breaker, hold_permits }))
}

/// The first good response of the attempt `first` and of the one that `second` begins when
/// `delay` has passed, or else the last outcome. The caller drops the other one.
pub(super) async fn race<F: Future<Output = (Attempt, Result<Response, Error>)>>(
    worker: &WorkerContext,
    delay: Duration,
    mut first: Pin<&mut F>,
    second: impl FnOnce() -> Option<Result<F, Error>>,
) -> Result<F::Output, Error> {
    if let Ok(outcome) = tokio::time::timeout(delay, first.as_mut()).await {
        return Ok(outcome);
    }
    let Some(second) = second().transpose()? else { return Ok(first.await) };
    let second = pin!(second);
    worker.counters.borrow_mut().hedges += 1;
    let (outcome, has_won) = match select(first, second).await {
        Either::Left((outcome, second)) if !is_good(worker, &outcome.1) => (second.await, true),
        Either::Right((outcome, first)) if !is_good(worker, &outcome.1) => (first.await, false),
        Either::Left((outcome, _)) => (outcome, false),
        Either::Right((outcome, _)) => (outcome, true),
    };
    if has_won && is_good(worker, &outcome.1) {
        worker.counters.borrow_mut().hedges_won += 1;
    }
    Ok(outcome)
}

/// Whether the call can continue with this outcome: a response, or a wait that it requests.
fn is_good(worker: &WorkerContext, outcome: &Result<Response, Error>) -> bool {
    let Ok(answer) = outcome else { return false };
    let holds = |classified: Classified| {
        classified.is_rate_limited || classified.holds && classified.asks_to_wait()
    };
    !answer.counts_as().is_server_error() || worker.classify(answer).is_some_and(holds)
}
