//! What a call passes before each attempt: a slot, the API's hold, the circuit breaker,
//! the rate limit, a token. Whoever has to wait here gives its slot back first.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    dispatch::{Call, Circuit, admission},
    error::{Error, ErrorKind},
    rate_limit::{Acquire, Hold, Lease, RateLimiter},
    retry::Refusal,
    token_manager::{Issue, Issued, TokenManager},
};

/// The right to have one attempt on the wire.
pub(super) struct Slot {
    permits: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Slot {
    pub(super) fn new(permits: Arc<Semaphore>, held: OwnedSemaphorePermit) -> Self {
        Self { permits, held: Some(held) }
    }

    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// Waits for the right, first come first served, unless it is held already.
    pub(super) async fn hold(&mut self, call: &Call) -> Result<(), Error> {
        if self.held.is_none() {
            let permit = within_deadline(call, admission::permit(&self.permits, call)).await?;
            self.held = Some(permit?);
        }
        Ok(())
    }
}

/// Bounds a wait by the call's deadline.
pub(super) async fn within_deadline<F: Future>(call: &Call, wait: F) -> Result<F::Output, Error> {
    tokio::time::timeout_at(call.deadline.into(), wait)
        .await
        .map_err(|_| Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"))
}

/// Sleeps for `wait`, or fails at once if that would pass the deadline.
pub(super) async fn pause(call: &Call, wait: Duration) -> Result<(), Error> {
    if wait > call.remaining(Instant::now()) {
        return Err(Error::new(ErrorKind::DeadlineExceeded, "a wait would pass the deadline")
            .with_wait(wait));
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// A worker's share of the API's rate limit.
pub(super) struct Throttle {
    limiter: Recipient<Acquire>,
    lease: Cell<Option<Lease>>,
}

impl Throttle {
    pub(super) fn new(limiter: Addr<RateLimiter>) -> Self {
        Self { limiter: limiter.recipient(), lease: Cell::new(None) }
    }

    /// Waits for a permit and a slot to send with. A permit is taken only with the slot in
    /// hand, from the lease at hand or by the limiter.
    pub(super) async fn pass(&self, call: &Call, slot: &mut Slot) -> Result<(), Error> {
        if self.spare() > 0 {
            slot.hold(call).await?;
        }
        if slot.held.is_some() && self.take_spare() {
            return Ok(());
        }
        let (reply, grant) = oneshot::channel();
        let question = Acquire { deadline: call.deadline, slot: slot.held.take(), reply };
        within_deadline(call, self.limiter.send(question)).await?.map_err(|_| Error::gone())?;
        let grant = within_deadline(call, grant).await?.map_err(|_| Error::gone())??;
        slot.held = Some(grant.slot);
        // What another call was lent meanwhile is not lost.
        let spare = grant.lease.spare + self.spare();
        self.lease.set(Some(Lease { spare, ..grant.lease }));
        Ok(())
    }

    /// How many permits of the lease at hand are left and still good.
    fn spare(&self) -> u32 {
        let lease = self.lease.get().filter(|lease| Instant::now() < lease.expires);
        lease.map_or(0, |lease| lease.spare)
    }

    fn take_spare(&self) -> bool {
        let Some(spare) = self.spare().checked_sub(1) else { return false };
        self.lease.set(self.lease.get().map(|lease| Lease { spare, ..lease }));
        true
    }
}

/// Waits until the API's hold is over.
pub(super) async fn pass_hold(hold: &Hold, call: &Call, slot: &mut Slot) -> Result<(), Error> {
    while let Some(wait) = hold.remaining(Instant::now()) {
        slot.release();
        pause(call, wait).await?;
    }
    Ok(())
}

/// Waits until the circuit breaker would let an attempt through. A new call does not wait:
/// it fails at once. So does one whose deadline passes while the breaker is surely open; for
/// the outcome of a probe it waits as long as it can.
pub(super) async fn pass_circuit(
    circuit: &Circuit,
    call: &Call,
    slot: &mut Slot,
) -> Result<(), Error> {
    loop {
        // Made before the check, so that no change is missed between the two.
        let changed = circuit.changed();
        let now = Instant::now();
        let Err(refusal) = circuit.check(now) else { return Ok(()) };
        let remaining = call.remaining(now);
        let wait = match refusal {
            Refusal::OpenFor(wait) => Some(wait).filter(|wait| *wait < remaining),
            Refusal::Probing(wait) => Some(wait.min(remaining)).filter(|wait| !wait.is_zero()),
        };
        let Some(wait) = wait.filter(|_| call.attempts() > 0) else {
            return Err(circuit.refuse(refusal));
        };
        slot.release();
        let _ = tokio::time::timeout(wait, changed).await;
    }
}

/// The tokens a worker knows of, so that it asks the manager only for what is
/// missing, stale or refused.
pub(super) struct Tokens {
    manager: Recipient<Issue>,
    known: RefCell<Vec<Option<Issued>>>,
    /// Whose turn it is, shared by all workers.
    turn: Arc<AtomicUsize>,
}

impl Tokens {
    pub(super) fn new(manager: Addr<TokenManager>, slots: usize, turn: Arc<AtomicUsize>) -> Self {
        Self { manager: manager.recipient(), known: RefCell::new(vec![None; slots]), turn }
    }

    /// The next token in turn.
    pub(super) async fn next(&self, call: &Call, slot: &mut Slot) -> Result<Issued, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (index, known) = {
            let known = self.known.borrow();
            let index = turn % known.len();
            (index, known[index].clone())
        };
        match known.filter(|token| token.is_good(Instant::now())) {
            Some(token) => Ok(token),
            None => self.ask(call, slot, Issue { slot: index, stale: None }).await,
        }
    }

    /// A token in place of one that the API refused.
    pub(super) async fn renew(
        &self,
        call: &Call,
        slot: &mut Slot,
        refused: &Issued,
    ) -> Result<Issued, Error> {
        let stale = Issue { slot: refused.slot, stale: Some(refused.generation) };
        self.ask(call, slot, stale).await
    }

    async fn ask(&self, call: &Call, slot: &mut Slot, question: Issue) -> Result<Issued, Error> {
        slot.release();
        let issued = within_deadline(call, self.manager.send(question))
            .await?
            .map_err(|_| Error::gone())??;
        if let Some(known) = self.known.borrow_mut().get_mut(issued.slot) {
            *known = Some(issued.clone());
        }
        Ok(issued)
    }
}
