//! What a call passes before each attempt: a slot, the API's hold, the circuit breaker,
//! the rate limit, a token. Whoever has to wait here gives its slot back first.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use tokio::sync::oneshot;

use crate::{
    actors::{Line, Unanswered},
    dispatch::{Call, Circuit, admission},
    error::{Error, ErrorKind},
    http::Response,
    rate_limit::{Acquire, Board, Hold, Lease, Limiter, quota, retry_after},
    retry::Refusal,
    seats::{Seat, Stage},
    token_manager::{Issue, Issued, TokenManager},
};

/// The right to have one attempt on the wire. It is kept in the call's seat, where the
/// rate limiter can put it and the supervisor can take it back.
pub(super) struct Slot {
    seat: Arc<Seat>,
}

impl Slot {
    pub(super) fn new(seat: Arc<Seat>) -> Self {
        Self { seat }
    }

    pub(super) fn release(&mut self) {
        self.seat.release();
    }

    /// Waits for the right, in its turn, unless it is held already.
    pub(super) async fn hold(&mut self, call: &Call) -> Result<(), Error> {
        if !self.seat.has_permit() {
            let permit =
                within_deadline(call, admission::permit(self.seat.permits(), call)).await?;
            // A seat that was taken away wants none, and its task ends when it is next polled.
            let _ = self.seat.fill(permit?);
        }
        Ok(())
    }

    /// Notes how far the call is. It fails when the call is no longer this worker's.
    pub(super) fn go_on_to(&self, stage: Stage) -> Result<(), Error> {
        self.seat.go_on_to(stage)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.seat.release();
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
    limiter: Line<Limiter>,
    lease: Cell<Option<Lease>>,
}

impl Throttle {
    pub(super) fn new(limiter: Line<Limiter>) -> Self {
        Self { limiter, lease: Cell::new(None) }
    }

    /// Waits for a permit and a slot to send with. A permit is taken only with the slot in
    /// hand, from the lease at hand or by the limiter. Where each token has a limit, it is for
    /// the token of the slot that comes back, which is `token` if one is named.
    pub(super) async fn pass(
        &self,
        call: &Call,
        slot: &mut Slot,
        token: Option<usize>,
    ) -> Result<Option<usize>, Error> {
        if self.spare() > 0 {
            slot.hold(call).await?;
        }
        if slot.seat.has_permit() && self.take_spare() {
            return Ok(None);
        }
        let lease = within_deadline(call, self.ask(call, &slot.seat, token)).await??;
        // What another call was lent meanwhile is not lost.
        let spare = lease.spare + self.spare();
        self.lease.set(Some(Lease { spare, ..lease }));
        Ok(lease.token)
    }

    /// Asks the limiter, and the one after it if it dies with the question.
    async fn ask(
        &self,
        call: &Call,
        seat: &Arc<Seat>,
        token: Option<usize>,
    ) -> Result<Lease, Error> {
        loop {
            let (reply, lease) = oneshot::channel();
            let seat = Arc::clone(seat);
            let Call { deadline, priority, .. } = *call;
            let question = Acquire { deadline, priority, seat, token, reply };
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
    manager: Line<TokenManager>,
    known: RefCell<Vec<Option<Issued>>>,
    board: Arc<Board>,
}

impl Tokens {
    pub(super) fn new(manager: Line<TokenManager>, board: Arc<Board>) -> Self {
        Self { manager, known: RefCell::new(vec![None; board.slots()]), board }
    }

    /// The next token in turn. While the API holds all of them it waits for the first.
    pub(super) async fn next(&self, call: &Call, slot: &mut Slot) -> Result<Issued, Error> {
        loop {
            let index = match self.board.next(Instant::now()) {
                Ok(index) => index,
                Err(wait) => {
                    slot.release();
                    pause(call, wait).await?;
                    continue;
                }
            };
            if let Some(token) = self.known(index) {
                return Ok(token);
            }
            let token = self.ask(call, slot, Issue { slot: index, stale: None }).await?;
            if !self.is_held(&token, Instant::now()) {
                return Ok(token);
            }
        }
    }

    /// The token of the slot that the limiter chose; `None` when it had to be waited for, so
    /// that the permit went back.
    pub(super) async fn chosen(
        &self,
        call: &Call,
        slot: &mut Slot,
        index: usize,
    ) -> Result<Option<Issued>, Error> {
        let known = self.known(index);
        if known.is_none() {
            self.board.put_back(index);
            self.ask(call, slot, Issue { slot: index, stale: None }).await?;
        }
        Ok(known)
    }

    /// Whether the API came to hold a token.
    pub(super) fn is_held(&self, token: &Issued, now: Instant) -> bool {
        self.board.is_held(token.slot, now)
    }

    /// Whether the limiter chooses the token, since each has a limit.
    pub(super) fn are_limited(&self) -> bool {
        self.board.is_limited()
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

    /// Takes in what an answer to `token` says about the use of it, where there are others to
    /// use. Returns for how long it is held.
    pub(super) fn heed(&self, token: &Issued, response: &Response) -> Option<Duration> {
        if !self.are_several() {
            return None;
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let asked = (response.status() == StatusCode::TOO_MANY_REQUESTS)
            .then(|| retry_after(response.headers(), wall))
            .flatten();
        let told = quota(response.headers(), wall).quota;
        // What the server asks for in so many words goes before what it tells of quotas.
        let used_up = told.and_then(|quota| self.board.observe(token.slot, quota, now));
        let held = asked.and_then(|wait| self.board.hold(token.slot, wait, now));
        held.or(used_up)
    }

    /// Whether another token may go on when the API refuses one.
    pub(super) fn are_several(&self) -> bool {
        self.board.slots() > 1
    }

    /// How long all tokens are held, if they are, after one was refused with the wait `asked`.
    /// A hold lasts for `longest` at most; where that is all there is to wait for, it is what
    /// was asked.
    pub(super) fn wait(
        &self,
        now: Instant,
        asked: Option<Duration>,
        longest: Duration,
    ) -> Option<Duration> {
        let wait = self.board.wait(None, now);
        // The hold began a moment ago.
        let is_cut = wait + Duration::from_secs(1) > longest;
        let asked = asked.filter(|asked| *asked > longest && is_cut);
        (!wait.is_zero()).then(|| asked.unwrap_or(wait))
    }

    /// The token of a slot, if it is at hand and may still be used.
    fn known(&self, index: usize) -> Option<Issued> {
        let known = self.known.borrow().get(index).cloned().flatten();
        known.filter(|token| {
            token.is_good(Instant::now()) && self.board.stands_by(token.slot, token.epoch)
        })
    }

    async fn ask(
        &self,
        call: &Call,
        slot: &mut Slot,
        mut question: Issue,
    ) -> Result<Issued, Error> {
        slot.release();
        loop {
            let issued = within_deadline(call, self.issue(question)).await??;
            // It may have been declared void since its acquire began.
            if !self.board.stands_by(issued.slot, issued.epoch) {
                question = Issue { slot: issued.slot, stale: Some(issued.generation) };
                continue;
            }
            if let Some(known) = self.known.borrow_mut().get_mut(issued.slot) {
                *known = Some(issued.clone());
            }
            return Ok(issued);
        }
    }

    /// Asks the manager, and the one after it if it dies with the question. Who asked two
    /// that died may be the one who kills them.
    async fn issue(&self, question: Issue) -> Result<Issued, Error> {
        let failed = |what| Err(Error::new(ErrorKind::Token, what));
        let mut deaths = 0;
        while deaths < 2 {
            match self.manager.send(question).await {
                Ok(Some(answer)) => return answer,
                // It is dead, and the next question waits for its successor.
                Ok(None) => {}
                Err(Unanswered::Died) => deaths += 1,
                Err(Unanswered::Hung) => {
                    return failed("the acquire callback blocked its thread for too long");
                }
                Err(Unanswered::Gone) => {
                    return failed("the acquire callback killed or blocked its thread too often");
                }
            }
        }
        failed("the thread of the acquire callback died")
    }
}
