//! The actor in front of an API's rate limit: calls queue here by priority. The pacer decides when
//! a request may leave, the queue decides the order.
//!
//! A caller that finds a permit while nobody waits takes it from the pacer without a message. All
//! others wait here and not on their workers: a worker whose thread is blocked by a callback would
//! hold up everyone behind its calls.
//!
//! A permit is valid only at the moment it is granted: if one were kept until a connection permit
//! was free, it would leave in the same burst as those after it. So the connection permit comes
//! first, then the rate permit, and the two are granted together.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use actix::prelude::*;
use rust_decimal::Decimal;
use tokio::sync::oneshot;

use super::{Pacer, Rotation, limiter};
use crate::{
    error::{Error, ErrorKind},
    lock::lock,
    permits::{InFlight, Permit, Queue, Semaphore},
    priority::Priority,
};

/// How often to check again whether the API allows more than it seemed to, or whether a missing
/// token is there.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Requests permission to send one request before `deadline`. The permit in the caller's
/// `in_flight` is taken from it, so that it is free while the caller waits; the permit to send with
/// is put there. Dropping the other end of `reply`, or losing the call, leaves the queue. The reply
/// is the slot of the token to send, if each has a limit, and whether the caller had to wait.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Acquire {
    pub(crate) deadline: Instant,
    pub(crate) priority: Priority,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) token: TokenWish,
    /// In permits, if the API has set the pace and so many are saved.
    pub(crate) cost: u32,
    pub(crate) reply: oneshot::Sender<Result<(Option<usize>, bool), Error>>,
}

/// Which token a request is sent with, if each has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenWish {
    /// None: the request goes to another API.
    None,
    /// The next one in the rotation.
    Any,
    /// That of one slot.
    Of(usize),
}

impl TokenWish {
    fn slot(self) -> Option<usize> {
        match self {
            Self::Of(slot) => Some(slot),
            Self::None | Self::Any => None,
        }
    }
}

/// Sets another limit, in requests per second, or none. The response comes once it is in force.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetLimit(pub(crate) Option<Decimal>);

/// A caller that waits for a permit, and since when.
type Waiting = (Acquire, Instant);

fn has_left((acquire, _): &Waiting) -> bool {
    acquire.reply.is_closed() || acquire.in_flight.is_revoked()
}

/// Owns the queue.
pub(crate) struct RateQueue {
    pacer: Arc<Pacer>,
    /// The tokens, if each has a limit: this then chooses which one to send.
    tokens: Option<Arc<Mutex<Rotation>>>,
    slots: Arc<Semaphore>,
    queue: Queue<Waiting>,
    /// Retries that need the token of one slot. They do not hold up anyone else.
    replays: Vec<Waiting>,
    /// The timer until the next permit.
    timer: Option<SpawnHandle>,
    /// For each priority, whether a connection permit is waited for.
    wants_slot: [bool; Priority::COUNT],
    /// Notifies the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

impl RateQueue {
    /// An empty queue in front of `pacer`, and of the `tokens` if each has a limit.
    pub(crate) fn new(
        pacer: Arc<Pacer>,
        tokens: Option<Arc<Mutex<Rotation>>>,
        slots: Arc<Semaphore>,
        watch: Box<dyn Send>,
    ) -> Self {
        pacer.queues(false);
        Self {
            pacer,
            tokens,
            slots,
            queue: Queue::default(),
            replays: Vec::new(),
            timer: None,
            wants_slot: [false; Priority::COUNT],
            _watch: watch,
        }
    }

    /// The tokens, if a call with this wish waits for them.
    fn tokens_for(&self, token: TokenWish) -> Option<MutexGuard<'_, Rotation>> {
        let tokens = self.tokens.as_deref().filter(|_| token != TokenWish::None)?;
        Some(lock(tokens))
    }

    /// The least wait of the next call of `priority` to join the queue.
    fn wait(&self, priority: Priority, token: TokenWish, now: Instant) -> Duration {
        let ahead = self.queue.ahead_of(priority) as u64;
        let tokens = self.tokens_for(token).map(|tokens| tokens.ready_in(now, ahead));
        self.pacer.ready_in(ahead, now).max(tokens.unwrap_or_default())
    }

    /// Serves waiting calls, beginning with `slot`.
    fn serve(&mut self, slot: Option<Permit>, now: Instant, ctx: &mut Context<Self>) {
        self.serve_queue(slot, now, ctx);
        self.pacer.queues(!self.queue.is_empty() || !self.replays.is_empty());
    }

    /// Serves as many calls as the pace at `now`, the tokens and the permits allow, and waits for
    /// what the rest lacks.
    fn serve_queue(&mut self, mut slot: Option<Permit>, now: Instant, ctx: &mut Context<Self>) {
        while let Some((replay, wait, Acquire { priority, cost, .. })) = self.next(now) {
            let (priority, cost) = (*priority, *cost);
            if !wait.is_zero() {
                return self.wait_for_permit(now, wait, ctx);
            }
            let free = || self.slots.try_acquire().ok();
            let Some(free) = slot.take().or_else(free) else {
                return self.wait_for_slot(priority, ctx);
            };
            // A worker that did not know of the queue yet may have taken it.
            if let Err(wait) = self.pacer.take(cost, now) {
                return self.wait_for_permit(now, wait.min(LOOK_AGAIN), ctx);
            }
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

    /// Which call can go first, and when: one of the replays, with its position, or else the
    /// first in the queue.
    fn next(&mut self, now: Instant) -> Option<(Option<usize>, Duration, &Acquire)> {
        self.replays.retain(|waiting| !has_left(waiting));
        while self.queue.first().is_some_and(has_left) {
            self.queue.skip();
        }
        let pace = self.pacer.ready_in(0, now);
        let next = |(replay, (acquire, _)): (Option<usize>, &'_ Waiting)| {
            let tokens = self.tokens_for(acquire.token);
            let tokens = tokens.map(|tokens| tokens.wait(acquire.token.slot(), now));
            (replay, pace.max(tokens.unwrap_or_default()).min(LOOK_AGAIN))
        };
        let replays = self.replays.iter().enumerate().map(|(at, waiting)| (Some(at), waiting));
        let all = replays.chain(self.queue.first().map(|waiting| (None, waiting)));
        let (replay, wait) = all.map(next).min_by_key(|(_, wait)| *wait)?;
        let (acquire, _) = match replay {
            Some(at) => self.replays.get(at)?,
            None => self.queue.first()?,
        };
        Some((replay, wait, acquire))
    }

    /// Grants a rate permit that was taken and a connection permit. The latter is returned if no
    /// call can use it.
    fn grant(&self, waiting: Waiting, slot: Permit, now: Instant) -> Option<Permit> {
        let (Acquire { in_flight, token, reply, .. }, since) = waiting;
        if let Err(slot) = in_flight.fill(slot) {
            return Some(slot);
        }
        let token = self.tokens_for(token).map(|mut tokens| tokens.take(token.slot(), now));
        if reply.send(Ok((token, since != now))).is_err() {
            in_flight.release();
        }
        None
    }

    fn wait_for_permit(&mut self, now: Instant, wait: Duration, ctx: &mut Context<Self>) {
        if self.timer.is_some() {
            return;
        }
        let due = now + wait;
        let timer =
            ctx.run_later(due.saturating_duration_since(limiter::now()), move |own, ctx| {
                own.timer = None;
                // By the time that was meant: timers fire late, and a full bucket loses the
                // tokens that arrive meanwhile.
                own.serve(None, due, ctx);
                own.serve(None, limiter::now(), ctx);
            });
        self.timer = Some(timer);
    }

    /// Waits for a connection permit. A more urgent call that comes later does not wait behind less
    /// urgent ones that are waited for already.
    fn wait_for_slot(&mut self, priority: Priority, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.wants_slot[priority.rank()], true) {
            return;
        }
        let slot = self.slots.acquire(priority).into_actor(self);
        ctx.spawn(slot.map(move |slot, own, ctx| {
            own.wants_slot[priority.rank()] = false;
            match slot {
                Ok(slot) => own.serve(Some(slot), limiter::now(), ctx),
                Err(_) => {
                    let all = own.replays.drain(..).chain(own.queue.drain());
                    for (Acquire { reply, .. }, _) in all {
                        let _ = reply.send(Err(Error::shutting_down()));
                    }
                }
            }
        }));
    }
}

impl Actor for RateQueue {
    type Context = Context<Self>;
}

impl Handler<Acquire> for RateQueue {
    type Result = ();

    fn handle(&mut self, acquire: Acquire, ctx: &mut Self::Context) {
        let Acquire { deadline, priority, token, .. } = acquire;
        let slot = acquire.in_flight.take();
        let now = limiter::now();
        let waiting = (acquire, now);
        if has_left(&waiting) {
            return;
        }
        let remaining = deadline.saturating_duration_since(now);
        if self.wait(priority, token, now) > remaining {
            // Do not wait for calls that have left.
            self.queue.retain(|waiting| !has_left(waiting));
        }
        let wait = self.wait(priority, token, now);
        if wait > remaining {
            let error =
                Error::new(ErrorKind::DeadlineExceeded, "the rate limit would pass the deadline");
            let _ = waiting.0.reply.send(Err(error.with_wait(wait)));
            return;
        }
        match token {
            TokenWish::Of(_) if self.tokens.is_some() => self.replays.push(waiting),
            _ => {
                self.queue.push(priority, waiting);
            }
        }
        // Before the check: from here on no worker takes a permit past the queue.
        self.pacer.queues(true);
        self.serve(slot, now, ctx);
    }
}

impl Handler<SetLimit> for RateQueue {
    type Result = ();

    fn handle(&mut self, SetLimit(limit): SetLimit, ctx: &mut Self::Context) {
        let now = limiter::now();
        self.pacer.set_limit(limit, now);
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.serve(None, now, ctx);
    }
}

#[cfg(test)]
crate::actors::mortal!(RateQueue);
