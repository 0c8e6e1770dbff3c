//! What a call passes before each attempt: a permit, the API's hold, the circuit breaker,
//! the rate limits. Whoever has to wait here gives its permit back first.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use tokio::sync::oneshot;

use crate::{
    actors::{ActorRef, Unanswered},
    dispatch::{Admission, Call, Circuit, WaitTimer},
    error::{Error, ErrorKind},
    permits::{InFlight, Semaphore, Stage},
    rate_limit::{
        Acquire, Bucket, Hold, Lease, Limiter, Pacer, Place, RateLimiter, Reason, TokenWish, Wait,
        default_burst, now,
    },
    retry::Refusal,
    stats::WaitCause,
};

/// The right to have one attempt on the wire. It is kept in the `InFlight` of the call, where the
/// rate limiter can put it and the supervisor can take it back.
pub(super) struct CallPermit<'a> {
    in_flight: Arc<InFlight>,
    admission: &'a Admission,
}

impl<'a> CallPermit<'a> {
    pub(super) fn new(in_flight: Arc<InFlight>, admission: &'a Admission) -> Self {
        Self { in_flight, admission }
    }

    pub(super) fn release(&mut self) {
        self.in_flight.release();
    }

    /// Waits for the right, in its turn, unless it is held already.
    pub(super) async fn hold(&mut self, call: &Arc<Call>) -> Result<(), Error> {
        if !self.in_flight.has_permit() {
            let permit = within_deadline(call, self.admission.permit(call)).await?;
            // One that was taken away wants none, and its task ends when it is next polled.
            let _ = self.in_flight.fill(permit?);
        }
        Ok(())
    }

    /// Begins a wait, which is counted under `cause` until the answer is dropped.
    pub(super) fn waiting(&self, cause: WaitCause) -> WaitTimer<'a> {
        self.admission.counters.waiting(cause)
    }

    pub(super) fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    /// Notes how far the call is. It fails when the call is no longer this worker's.
    pub(super) fn go_on_to(&self, stage: Stage) -> Result<(), Error> {
        self.in_flight.go_on_to(stage)
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

/// A worker's share of the API's rate limit, and the limit of its own if it has one.
pub(super) struct Throttle {
    limiter: ActorRef<Limiter>,
    pacer: Arc<Pacer>,
    lease: Cell<Option<Lease>>,
    own: Option<Own>,
    /// Whether each token has a limit: then the limiter is asked for every attempt.
    is_per_token: bool,
}

/// The limit of one worker.
struct Own {
    bucket: RefCell<Bucket>,
    /// Whose turn it is at the bucket: one call at a time, by priority.
    turn: Arc<Semaphore>,
}

impl Own {
    /// Waits until there is a permit, and returns the moment since when. The permit stays
    /// where it is, but only who has the turn comes here, so nobody else takes it.
    async fn ready(&self, call: &Call, permit: &mut CallPermit<'_>) -> Result<Instant, Error> {
        let now = now();
        let wait = self.bucket.borrow().ready_in(now, 0);
        if !wait.is_zero() {
            permit.release();
            pause(call, permit, WaitCause::Rate, wait).await?;
        }
        Ok(now + wait)
    }
}

impl Throttle {
    /// `rate` is the limit of this worker, in requests per second.
    pub(super) fn new(
        limiter: ActorRef<Limiter>,
        pacer: Arc<Pacer>,
        rate: Option<Decimal>,
        is_per_token: bool,
    ) -> Self {
        let own = rate.map(|rate| Own {
            bucket: RefCell::new(Bucket::new(rate, default_burst(rate), now())),
            turn: Arc::new(Semaphore::new(1)),
        });
        Self { limiter, pacer, lease: Cell::new(None), own, is_per_token }
    }

    /// Waits for a rate permit and the call's permit to send with. A rate permit is taken only with
    /// the other in hand, from the lease at hand or by the limiter. Where each token has a limit, it is for
    /// the token of the slot that comes back, which is as `token` says.
    pub(super) async fn pass(
        &self,
        call: &Arc<Call>,
        permit: &mut CallPermit<'_>,
        reason: Reason,
        token: TokenWish,
    ) -> Result<Option<usize>, Error> {
        let Some(own) = &self.own else {
            return self.pass_shared(call, permit, reason, token).await;
        };
        // The own permit is taken last and by the one who has the turn: if it were put by
        // while the shared limit makes wait, it would go out together with others.
        let _turn = match own.turn.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                permit.release();
                let _waiting = permit.waiting(WaitCause::Rate);
                let turn = within_deadline(call, own.turn.acquire(call.priority)).await?;
                turn.map_err(|_| Error::gone())?
            }
        };
        let since = own.ready(call, permit).await?;
        let chosen = self.pass_shared(call, permit, reason, token).await?;
        // By the moment that was meant: timers fire late, and a full bucket keeps nothing of
        // what flows in meanwhile.
        own.bucket.borrow_mut().take(since, 1);
        Ok(chosen)
    }

    /// Takes a permit for a second attempt beside the first, if there is one at once and the
    /// API did not ask for a pace.
    pub(super) fn try_second(&self) -> bool {
        self.own.is_none()
            && !self.pacer.is_paced()
            && (self.is_open(TokenWish::Any) || self.take_spare())
    }

    /// Whether one with this wish does not have to ask.
    fn is_open(&self, token: TokenWish) -> bool {
        (!self.is_per_token || token == TokenWish::None) && self.pacer.is_open()
    }

    /// Waits for what all workers share.
    async fn pass_shared(
        &self,
        call: &Arc<Call>,
        permit: &mut CallPermit<'_>,
        reason: Reason,
        token: TokenWish,
    ) -> Result<Option<usize>, Error> {
        if self.is_open(token) || self.spare() > 0 {
            permit.hold(call).await?;
            if self.is_open(token) || self.take_spare() {
                return Ok(None);
            }
        }
        let waiting = permit.waiting(WaitCause::Rate);
        let lease =
            within_deadline(call, self.ask(call, &permit.in_flight, reason, token)).await??;
        if !lease.has_waited {
            waiting.was_none();
        }
        // What another call was lent meanwhile is not lost.
        let spare = lease.spare + self.spare();
        self.lease.set(Some(Lease { spare, ..lease }));
        Ok(lease.token)
    }

    /// Asks the limiter, and the one after it if it dies with the question.
    async fn ask(
        &self,
        call: &Call,
        in_flight: &Arc<InFlight>,
        reason: Reason,
        token: TokenWish,
    ) -> Result<Lease, Error> {
        loop {
            let (reply, lease) = oneshot::channel();
            let in_flight = Arc::clone(in_flight);
            let Call { deadline, priority, .. } = *call;
            let question = Acquire { deadline, priority, in_flight, token, reason, reply };
            match self.limiter.send(question).await {
                Ok(()) => {
                    if let Ok(lease) = lease.await {
                        return lease;
                    }
                }
                Err(Unanswered::Died | Unanswered::Hung) => {}
                Err(Unanswered::Gone) => return Err(Error::gone()),
            }
        }
    }

    /// How many permits of the lease at hand are left and still good.
    fn spare(&self) -> u32 {
        let is_good = |lease: &Lease| now() < lease.expires && lease.epoch == self.pacer.epoch();
        self.lease.get().filter(is_good).map_or(0, |lease| lease.spare)
    }

    /// Takes a permit from the lease at hand, if one is left.
    fn take_spare(&self) -> bool {
        let Some(spare) = self.spare().checked_sub(1) else { return false };
        self.lease.set(self.lease.get().map(|lease| Lease { spare, ..lease }));
        true
    }
}

/// Waits, in `place`, until the call is the first of its key and its key has a permit. It is
/// taken when all else is there: nothing is in between it and the wire.
pub(super) async fn pass_key<'a>(
    limiter: &'a RateLimiter,
    place: &mut Option<Place<'a>>,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<(), Error> {
    let place = place
        .get_or_insert_with(|| limiter.join(Some(Arc::clone(&permit.in_flight)), call.priority));
    let wait = place.wait(now());
    if wait > call.remaining(now()) {
        let what = "the rate limit of the call's key would pass the deadline";
        return Err(Error::new(ErrorKind::DeadlineExceeded, what).with_wait(wait));
    }
    if !place.is_ready(now()) {
        permit.release();
        let _waiting = permit.waiting(WaitCause::Rate);
        within_deadline(call, place.ready()).await??;
    }
    Ok(())
}

/// Waits until the API's hold is over, and then for the call's turn.
pub(super) async fn pass_hold(
    hold: &Hold,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<(), Error> {
    while !hold.is_open() {
        // Made before the look, so that no room is missed between the two.
        let freed = hold.freed();
        match hold.wait(now()) {
            None => break,
            Some(Wait::Held(wait)) => {
                permit.release();
                pause(call, permit, WaitCause::Hold, wait).await?;
            }
            Some(Wait::Turn(wait)) => {
                permit.release();
                let _waiting = permit.waiting(WaitCause::Hold);
                let turn = tokio::time::timeout(wait, freed);
                let _ = within_deadline(call, turn).await?;
            }
        }
    }
    Ok(())
}

/// Waits until the circuit breaker would let an attempt through. A new call does not wait:
/// it fails at once. So does one whose deadline passes while the breaker is surely open; for
/// the outcome of a probe it waits as long as it can.
pub(super) async fn pass_circuit(
    circuit: &Circuit,
    call: &Call,
    permit: &mut CallPermit<'_>,
) -> Result<(), Error> {
    loop {
        // Made before the check, so that no change is missed between the two.
        let changed = circuit.changed();
        let now = now();
        let Err(refusal) = circuit.check(call.kind, now) else { return Ok(()) };
        let remaining = call.remaining(now);
        let wait = match refusal {
            Refusal::OpenFor(wait) => Some(wait).filter(|wait| *wait < remaining),
            Refusal::Probing(wait) => Some(wait.min(remaining)).filter(|wait| !wait.is_zero()),
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
