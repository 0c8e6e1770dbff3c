//! The gates before each attempt: a permit, the API's hold, the circuit breaker, the rate limits. A
//! call that has to wait here gives its permit back first.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use tokio::sync::oneshot;

use crate::{
    actors::{ActorRef, Unanswered},
    dispatch::{Admission, Call, SharedBreaker, WaitTimer},
    error::{Error, ErrorKind},
    permits::InFlight,
    rate_limit::{
        Acquire, Hold, Pacer, QueueGuard, RateLimiter, RateQueue, TokenWish, default_burst, now,
    },
    retry::Refusal,
    stats::WaitCause,
};

/// The permit for one attempt in flight. It is kept in the call's `InFlight`, where the rate
/// queue can put it and the supervisor can take it back.
pub(super) struct CallPermit<'a> {
    pub(super) in_flight: Arc<InFlight>,
    admission: &'a Admission,
}

impl<'a> CallPermit<'a> {
    pub(super) fn new(in_flight: Arc<InFlight>, admission: &'a Admission) -> Self {
        Self { in_flight, admission }
    }

    pub(super) fn release(&mut self) {
        self.in_flight.release();
    }

    /// Waits for the permit, in its turn, unless it is already held.
    pub(super) async fn hold(&mut self, call: &Arc<Call>) -> Result<(), Error> {
        if !self.in_flight.has_permit() {
            let permit = within_deadline(call, self.admission.permit(call)).await?;
            // If the call was taken away it needs no permit, and its task ends when it is next
            // polled.
            let _ = self.in_flight.fill(permit?);
        }
        Ok(())
    }

    /// Begins a wait, which is counted under `cause` until the returned timer is dropped.
    pub(super) fn waiting(&self, cause: WaitCause) -> WaitTimer<'a> {
        self.admission.counters.waiting(cause)
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        self.in_flight.release();
    }
}

/// Bounds a wait by the call's deadline.
pub(super) async fn within_deadline<F: Future>(call: &Call, wait: F) -> Result<F::Output, Error> {
    tokio::time::timeout_at(call.deadline.into(), wait)
        .await
        .map_err(|_| Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"))
}

/// Sleeps for `wait`, for `cause`, or fails at once if that would pass the deadline.
pub(super) async fn pause(
    call: &Call,
    permit: &CallPermit<'_>,
    cause: WaitCause,
    wait: Duration,
) -> Result<(), Error> {
    if wait > call.remaining(now()) {
        return Err(Error::new(ErrorKind::DeadlineExceeded, "a wait would pass the deadline")
            .with_wait(wait));
    }
    let _waiting = permit.waiting(cause);
    tokio::time::sleep(wait).await;
    Ok(())
}

/// The API's rate limit as a worker sees it, and the worker's own limit if it has one.
pub(super) struct Throttle {
    rate_queue: ActorRef<RateQueue>,
    pacer: Arc<Pacer>,
    /// The limit of this worker.
    own: Option<RateLimiter>,
    /// Whether each token has a limit: then the rate queue is asked for every attempt.
    is_per_token: bool,
}

impl Throttle {
    /// `rate` is the limit of this worker, in requests per second.
    pub(super) fn new(
        rate_queue: ActorRef<RateQueue>,
        pacer: Arc<Pacer>,
        rate: Option<Decimal>,
        is_per_token: bool,
    ) -> Self {
        let own = rate.and_then(|rate| RateLimiter::new(rate, default_burst(rate)).ok());
        Self { rate_queue, pacer, own, is_per_token }
    }

    /// Waits for a rate permit and the permit to send. A rate permit is taken only together with
    /// the other, at once or by the rate queue, and costs `cost` if so many are saved. If each
    /// token has a limit, it is for the token of the slot that is returned, chosen by `token`.
    pub(super) async fn pass(
        &self,
        call: &Arc<Call>,
        permit: &mut CallPermit<'_>,
        cost: u32,
        token: TokenWish,
    ) -> Result<Option<usize>, Error> {
        let Some(own) = &self.own else {
            return self.pass_shared(call, permit, cost, token).await;
        };
        // The worker's own permit is taken last, by the call whose turn it is: if it were taken
        // before the wait for the shared limit, several would leave at once.
        let mut place = None;
        let since = pass_limit(own, &mut place, call, permit).await?;
        let chosen = self.pass_shared(call, permit, cost, token).await?;
        // By the time that was meant: timers fire late, and a full bucket loses the tokens that
        // arrive meanwhile.
        if let Some(place) = place {
            place.take(since);
        }
        Ok(chosen)
    }

    /// Takes a permit for a hedge, if there is one at once and the API has not set the pace.
    pub(super) fn try_second(&self) -> bool {
        self.own.is_none()
            && !self.is_per_token
            && !self.pacer.is_paced(now())
            && self.pacer.try_pass(1, now())
    }

    /// Waits for the limit that all workers share.
    async fn pass_shared(
        &self,
        call: &Arc<Call>,
        permit: &mut CallPermit<'_>,
        cost: u32,
        token: TokenWish,
    ) -> Result<Option<usize>, Error> {
        let is_for_any = !self.is_per_token || token == TokenWish::None;
        if is_for_any && self.pacer.is_ready(now()) {
            permit.hold(call).await?;
            if self.pacer.try_pass(cost, now()) {
                return Ok(None);
            }
        }
        let waiting = permit.waiting(WaitCause::Rate);
        let asked = within_deadline(call, self.ask(call, &permit.in_flight, cost, token));
        let (token, has_waited) = asked.await??;
        if !has_waited {
            waiting.was_none();
        }
        Ok(token)
    }

    /// Asks the rate queue, and its successor if it dies before it replies.
    async fn ask(
        &self,
        call: &Call,
        in_flight: &Arc<InFlight>,
        cost: u32,
        token: TokenWish,
    ) -> Result<(Option<usize>, bool), Error> {
        loop {
            let (reply, granted) = oneshot::channel();
            let in_flight = Arc::clone(in_flight);
            let Call { deadline, priority, .. } = *call;
            let question = Acquire { deadline, priority, in_flight, token, cost, reply };
            match self.rate_queue.send(question).await {
                Ok(()) => {
                    if let Ok(granted) = granted.await {
                        return granted;
                    }
                }
                Err(Unanswered::Died | Unanswered::Hung) => {}
                Err(Unanswered::Gone) => return Err(Error::gone()),
            }
        }
    }
}

/// Waits, in `place`, until the call is the first there and `limiter` has a permit, and returns
/// since when it has. The permit is taken when everything else is there, just before sending.
pub(super) async fn pass_limit<'a>(
    limiter: &'a RateLimiter,
    place: &mut Option<QueueGuard<'a>>,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<Instant, Error> {
    let place = place
        .get_or_insert_with(|| limiter.join(Some(Arc::clone(&permit.in_flight)), call.priority));
    let now = now();
    let wait = place.wait(now);
    if wait > call.remaining(now) {
        let what = "a rate limit would pass the deadline";
        return Err(Error::new(ErrorKind::DeadlineExceeded, what).with_wait(wait));
    }
    if place.is_ready(now) {
        return Ok(now);
    }
    permit.release();
    let _waiting = permit.waiting(WaitCause::Rate);
    within_deadline(call, place.ready()).await?
}

/// Waits until the API's hold is over, and then for the call's turn.
pub(super) async fn pass_hold(
    hold: &Hold,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<(), Error> {
    while !hold.is_open() {
        // Created before the check, so that no room is missed between the two.
        let freed = hold.freed();
        match hold.wait(now()) {
            None => break,
            Some(Refusal::Wait(wait)) => {
                permit.release();
                pause(call, permit, WaitCause::Hold, wait).await?;
            }
            Some(Refusal::Turn(wait)) => {
                permit.release();
                let _waiting = permit.waiting(WaitCause::Hold);
                let turn = tokio::time::timeout(wait, freed);
                let _ = within_deadline(call, turn).await?;
            }
        }
    }
    Ok(())
}

/// Waits until the circuit breaker would let an attempt through. A new call does not wait: it fails
/// at once. So does a call whose deadline passes while the breaker is certainly open; for the
/// outcome of a probe it waits until its deadline.
pub(super) async fn pass_breaker(
    circuit: &SharedBreaker,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<(), Error> {
    loop {
        // Created before the check, so that no change is missed between the two.
        let changed = circuit.changed();
        let now = now();
        let Err(refusal) = circuit.check(call.kind, now) else { return Ok(()) };
        let remaining = call.remaining(now);
        let wait = match refusal {
            Refusal::Wait(wait) => Some(wait).filter(|wait| *wait < remaining),
            Refusal::Turn(wait) => Some(wait.min(remaining)).filter(|wait| !wait.is_zero()),
        };
        let Some(wait) = wait.filter(|_| call.attempts() > 0) else {
            return Err(circuit.refuse(refusal));
        };
        permit.release();
        let _waiting = permit.waiting(WaitCause::Breaker);
        let _ = tokio::time::timeout(wait, changed).await;
    }
}

#[cfg(test)]
mod tests;
