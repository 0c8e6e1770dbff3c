//! The actor that owns the one rate limit of an API and leases permits to the
//! workers, by their priority. The arithmetic is the bucket's; the order is the queue's.
//!
//! A permit is worth something only at the moment it is given: one that was put by
//! until a slot was free would go out together with those after it. So a permit is
//! taken from the bucket only when there is a slot to send with, and the two are
//! handed over together.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use rust_decimal::Decimal;
use tokio::sync::oneshot;

use super::{
    Board, Pacer, Reason,
    bucket::{Bucket, default_burst},
    limiter,
};
use crate::{
    error::{Error, ErrorKind},
    permits::{InFlight, Permit, Queue, Semaphore},
    priority::Priority,
};

/// How long a leased permit that was not used stays good. A worker that falls
/// idle thereby wastes at most one lease.
const LEASE_LIFE: Duration = Duration::from_millis(100);
/// How often it is looked at again whether the API lets more through than it seemed, or
/// whether a token is there that was missing.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Asks for permission to send one request before `deadline`. A slot in the asker's `in_flight`
/// is taken from it, so that it is free while the asker waits; the slot to send with is put
/// there. Whoever drops the other end of `reply`, or loses the call, leaves the queue.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Acquire {
    pub(crate) deadline: Instant,
    pub(crate) priority: Priority,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) token: TokenWish,
    pub(crate) reason: Reason,
    pub(crate) reply: Reply,
}

/// Which token a request goes out with, where each has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenWish {
    /// None: it goes to another API.
    None,
    /// That whose turn it is.
    Any,
    /// That of a slot.
    Of(usize),
}

type Reply = oneshot::Sender<Result<Lease, Error>>;

/// Changes the number of workers that share the limit.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Share(pub(crate) usize);

/// Sets another limit, in requests per second, or none. Answered when it is in force.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetLimit(pub(crate) Option<Decimal>);

/// One who waits for a permit.
struct Waiting {
    priority: Priority,
    in_flight: Arc<InFlight>,
    token: TokenWish,
    reason: Reason,
    reply: Reply,
    /// When it was asked for.
    since: Instant,
}

impl TokenWish {
    fn slot(self) -> Option<usize> {
        match self {
            Self::Of(slot) => Some(slot),
            Self::None | Self::Any => None,
        }
    }
}

impl Waiting {
    fn has_left(&self) -> bool {
        self.reply.is_closed() || self.in_flight.is_revoked()
    }
}

/// Who can go first, and when.
struct Next {
    /// The place among the replays; `None` for the first in the queue.
    replay: Option<usize>,
    wait: Duration,
    priority: Priority,
}

/// Permission to send one request now, and up to `spare` more until `expires` or another
/// limit than that of `epoch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) spare: u32,
    pub(crate) expires: Instant,
    /// The slot of the token to send, where each has a limit; then nothing is spare.
    pub(crate) token: Option<usize>,
    pub(crate) epoch: u64,
    /// Whether it was not there at once.
    pub(crate) has_waited: bool,
}

/// Owns the bucket and the queue before it and before the pace.
pub(crate) struct Limiter {
    pacer: Arc<Pacer>,
    /// `None` without a configured limit.
    bucket: Option<Bucket>,
    /// The tokens, where each has a limit: then it chooses the one to send.
    tokens: Option<Arc<Board>>,
    /// The burst that was asked for.
    burst: Option<u32>,
    workers: usize,
    /// What all workers together may have leased without a use for it.
    leasable: u32,
    /// The most that one lease holds.
    lease_size: u32,
    slots: Arc<Semaphore>,
    queue: Queue<Waiting>,
    /// Those who want the token of one slot, which are replays. They hold up nobody else.
    replays: Vec<Waiting>,
    /// The timer until there is a permit.
    timer: Option<SpawnHandle>,
    /// Whether a slot is waited for, for one of each priority.
    wants_slot: [bool; Priority::COUNT],
    /// Tells the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

impl Limiter {
    /// The limit of `pacer` for all `workers` together. After a pause `burst` requests may
    /// leave at once, or else 10 ms worth of the rate.
    pub(crate) fn new(
        pacer: Arc<Pacer>,
        burst: Option<u32>,
        workers: usize,
        slots: Arc<Semaphore>,
        now: Instant,
        watch: Box<dyn Send>,
    ) -> Self {
        let mut limiter = Self {
            bucket: None,
            tokens: None,
            burst,
            workers,
            leasable: 1,
            lease_size: 1,
            slots,
            queue: Queue::default(),
            replays: Vec::new(),
            timer: None,
            wants_slot: [false; Priority::COUNT],
            _watch: watch,
            pacer,
        };
        limiter.limit_to(limiter.pacer.limit(), now);
        limiter
    }

    /// The same limit with nothing saved, for one that takes the place of another: what
    /// that one gave away last counts.
    pub(crate) fn emptied(mut self, now: Instant) -> Self {
        self.empty(now);
        self
    }

    /// The same limit, and that of each token.
    pub(crate) fn with_tokens(mut self, tokens: Arc<Board>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    fn empty(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now, u32::MAX);
        }
    }

    fn limit_to(&mut self, limit: Option<Decimal>, now: Instant) {
        let usual = limit.map_or(1, default_burst);
        let burst = self.burst.unwrap_or(usual);
        self.bucket = limit.map(|rate| Bucket::new(rate, burst, now));
        // What workers lease and then have no use for is lost: at most 10 ms worth.
        self.leasable = burst.min(usual);
        self.lease_size = share(self.leasable, self.workers);
    }

    /// The tokens, if one with this wish waits for them.
    fn tokens_for(&self, token: TokenWish) -> Option<&Board> {
        self.tokens.as_deref().filter(|_| token != TokenWish::None)
    }

    /// How long one with this wish has to wait at the head of the queue.
    fn ready_in(&self, token: TokenWish, now: Instant) -> Duration {
        let tokens = self.tokens_for(token).map(|board| board.wait(token.slot(), now));
        let others = self.pacer.ready_in(now).max(tokens.unwrap_or_default());
        self.bucket_wait(now, 0).max(others.min(LOOK_AGAIN))
    }

    /// Serves the queue as far as the bucket and the pace at `now`, the tokens and the slots
    /// reach, beginning with `slot`, and waits for what the rest lacks.
    fn serve(&mut self, mut slot: Option<Permit>, now: Instant, ctx: &mut Context<Self>) {
        while let Some(Next { replay, wait, priority }) = self.next(now) {
            if !wait.is_zero() {
                return self.wait_for_permit(now, wait, ctx);
            }
            let free = || self.slots.try_acquire().ok();
            let Some(free) = slot.take().or_else(free) else {
                return self.wait_for_slot(priority, ctx);
            };
            let first = match replay {
                Some(at) => Some(self.replays.remove(at)),
                None => self.queue.pop(),
            };
            slot = match first {
                Some(first) => self.grant(first, free, now),
                None => Some(free),
            };
        }
    }

    /// Who can go first: a replay, or else the first in the queue.
    fn next(&mut self, now: Instant) -> Option<Next> {
        self.replays.retain(|waiting| !waiting.has_left());
        while self.queue.first().is_some_and(Waiting::has_left) {
            self.queue.skip();
        }
        let next = |(replay, waiting): (Option<usize>, &Waiting)| {
            let wait = self.ready_in(waiting.token, now);
            Next { replay, wait, priority: waiting.priority }
        };
        let replays = self.replays.iter().enumerate().map(|(at, waiting)| (Some(at), waiting));
        let all = replays.chain(self.queue.first().map(|waiting| (None, waiting)));
        all.map(next).min_by_key(|next| next.wait)
    }

    /// Gives a permit from the bucket and the pace, which have one, and what the bucket can
    /// spare to the last in the queue. A slot that has no call to go to comes back.
    fn grant(&mut self, waiting: Waiting, slot: Permit, now: Instant) -> Option<Permit> {
        let Waiting { in_flight, token, reason, reply, since, .. } = waiting;
        if let Err(slot) = in_flight.fill(slot) {
            return Some(slot);
        }
        // A permit for one token is worth nothing later.
        let may_spare =
            self.pacer.take(reason, now) && self.queue.is_empty() && self.tokens.is_none();
        let spare = self.bucket.as_mut().map_or(0, |bucket| {
            bucket.take(now, 1);
            if may_spare { bucket.take(now, self.lease_size - 1) } else { 0 }
        });
        let token = self.tokens_for(token).map(|board| board.take(token.slot(), now));
        let (expires, epoch) = (now + LEASE_LIFE, self.pacer.epoch());
        let lease = Lease { spare, expires, token, epoch, has_waited: since != now };
        if reply.send(Ok(lease)).is_err() {
            in_flight.release();
        }
        None
    }

    /// How long the bucket makes one wait who lets `ahead` others go first.
    fn bucket_wait(&self, now: Instant, ahead: u64) -> Duration {
        self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.ready_in(now, ahead))
    }

    /// How long the next one of `priority` to join the queue waits at least. What the pace will
    /// be when the others are served, nobody knows.
    fn wait(&self, priority: Priority, token: TokenWish, now: Instant) -> Duration {
        let ahead = self.queue.ahead_of(priority) as u64;
        let tokens = self.tokens_for(token).map(|board| board.ready_in(now, ahead));
        let others = self.pacer.ready_in(now).max(tokens.unwrap_or_default());
        self.bucket_wait(now, ahead).max(others)
    }

    fn wait_for_permit(&mut self, now: Instant, wait: Duration, ctx: &mut Context<Self>) {
        if self.timer.is_some() {
            return;
        }
        let due = now + wait;
        let timer =
            ctx.run_later(due.saturating_duration_since(limiter::now()), move |own, ctx| {
                own.timer = None;
                // By the moment that was meant: timers fire late, and a full bucket
                // keeps nothing of what flows in meanwhile.
                own.serve(None, due, ctx);
                own.serve(None, limiter::now(), ctx);
            });
        self.timer = Some(timer);
    }

    /// Whoever comes later and is more urgent does not wait behind those in whose place the
    /// limiter waits already.
    fn wait_for_slot(&mut self, priority: Priority, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.wants_slot[priority.rank()], true) {
            return;
        }
        let slot = self.slots.acquire(priority).into_actor(self);
        ctx.spawn(slot.map(move |slot, limiter, ctx| {
            limiter.wants_slot[priority.rank()] = false;
            match slot {
                Ok(slot) => limiter.serve(Some(slot), limiter::now(), ctx),
                Err(_) => {
                    for waiting in limiter.replays.drain(..).chain(limiter.queue.drain()) {
                        let _ = waiting.reply.send(Err(Error::shutting_down()));
                    }
                }
            }
        }));
    }
}

impl Actor for Limiter {
    type Context = Context<Self>;
}

impl Handler<Acquire> for Limiter {
    type Result = ();

    fn handle(&mut self, acquire: Acquire, ctx: &mut Self::Context) {
        let Acquire { deadline, priority, in_flight, token, reason, reply } = acquire;
        let slot = in_flight.take();
        let now = limiter::now();
        let waiting = Waiting { priority, in_flight, token, reason, reply, since: now };
        if waiting.has_left() {
            return;
        }
        let remaining = deadline.saturating_duration_since(now);
        if self.wait(priority, token, now) > remaining {
            // Those who left are not waited for.
            self.queue.retain(|waiting| !waiting.has_left());
        }
        let wait = self.wait(priority, token, now);
        if wait > remaining {
            let error =
                Error::new(ErrorKind::DeadlineExceeded, "the rate limit would pass the deadline");
            let _ = waiting.reply.send(Err(error.with_wait(wait)));
            return;
        }
        match token {
            TokenWish::Of(_) if self.tokens.is_some() => self.replays.push(waiting),
            _ => {
                self.queue.push(priority, waiting);
            }
        }
        self.serve(slot, now, ctx);
    }
}

impl Handler<Share> for Limiter {
    type Result = ();

    fn handle(&mut self, Share(workers): Share, _: &mut Self::Context) {
        self.workers = workers;
        self.lease_size = share(self.leasable, workers);
    }
}

impl Handler<SetLimit> for Limiter {
    type Result = ();

    fn handle(&mut self, SetLimit(limit): SetLimit, ctx: &mut Self::Context) {
        let now = limiter::now();
        self.limit_to(limit, now);
        // What left under the limit before is not known here.
        self.empty(now);
        self.pacer.set_limit(limit, now);
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.serve(None, now, ctx);
    }
}

/// The part of `leasable` that one of `workers` may lease.
fn share(leasable: u32, workers: usize) -> u32 {
    (leasable / u32::try_from(workers.max(1)).unwrap_or(u32::MAX)).max(1)
}

#[cfg(test)]
crate::actors::mortal!(Limiter);
