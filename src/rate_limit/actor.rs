//! The actor before which calls queue for the one rate limit of an API, by their priority. What
//! may leave when is the pacer's, the order is the queue's.
//!
//! Whoever finds a permit while nobody waits takes it from the pacer without asking. All others
//! wait here and not on their workers: a worker whose thread is blocked by a callback would hold
//! up everyone behind its calls.
//!
//! A permit is worth something only at the moment it is given: one that was put by until a slot
//! was free would go out together with those after it. So the slot to send with comes first, then
//! the permit, and the two are handed over together.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix::prelude::*;
use rust_decimal::Decimal;
use tokio::sync::oneshot;

use super::{Pacer, Rotation, limiter};
use crate::{
    error::{Error, ErrorKind},
    permits::{InFlight, Permit, Queue, Semaphore},
    priority::Priority,
};

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
    /// In permits, where the API asked for a pace and so many are saved.
    pub(crate) cost: u32,
    pub(crate) reply: oneshot::Sender<Result<Granted, Error>>,
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

impl TokenWish {
    fn slot(self) -> Option<usize> {
        match self {
            Self::Of(slot) => Some(slot),
            Self::None | Self::Any => None,
        }
    }
}

/// Permission to send one request now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    /// The slot of the token to send, where each has a limit.
    pub(crate) token: Option<usize>,
    /// Whether it was not there at once.
    pub(crate) has_waited: bool,
}

/// Sets another limit, in requests per second, or none. Answered when it is in force.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetLimit(pub(crate) Option<Decimal>);

/// One who waits for a permit, and since when.
struct Waiting(Acquire, Instant);

impl Waiting {
    fn has_left(&self) -> bool {
        self.0.reply.is_closed() || self.0.in_flight.is_revoked()
    }
}

/// Owns the queue.
pub(crate) struct Limiter {
    pacer: Arc<Pacer>,
    /// The tokens, where each has a limit: then it chooses the one to send.
    tokens: Option<Arc<Mutex<Rotation>>>,
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
    /// An empty queue before `pacer`, and before the `tokens` if each has a limit.
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

    /// The tokens, if one with this wish waits for them.
    fn tokens_for(&self, token: TokenWish) -> Option<MutexGuard<'_, Rotation>> {
        let tokens = self.tokens.as_deref().filter(|_| token != TokenWish::None)?;
        Some(tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long the next one of `priority` to join the queue waits at least.
    fn wait(&self, priority: Priority, token: TokenWish, now: Instant) -> Duration {
        let ahead = self.queue.ahead_of(priority) as u64;
        let tokens = self.tokens_for(token).map(|tokens| tokens.ready_in(now, ahead));
        self.pacer.ready_in(ahead, now).max(tokens.unwrap_or_default())
    }

    /// Serves those who wait, beginning with `slot`.
    fn serve(&mut self, slot: Option<Permit>, now: Instant, ctx: &mut Context<Self>) {
        self.serve_queue(slot, now, ctx);
        self.pacer.queues(!self.queue.is_empty() || !self.replays.is_empty());
    }

    /// Serves as far as the pace at `now`, the tokens and the slots reach, and waits for what
    /// the rest lacks.
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
            // A worker that had not heard of the queue may have taken it.
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

    /// Who can go first, and when: one of the replays, of which it is the place, or else the
    /// first in the queue.
    fn next(&mut self, now: Instant) -> Option<(Option<usize>, Duration, &Acquire)> {
        self.replays.retain(|waiting| !waiting.has_left());
        while self.queue.first().is_some_and(Waiting::has_left) {
            self.queue.skip();
        }
        let pace = self.pacer.ready_in(0, now);
        let next = |(replay, Waiting(acquire, _)): (Option<usize>, &'_ Waiting)| {
            let tokens = self.tokens_for(acquire.token);
            let tokens = tokens.map(|tokens| tokens.wait(acquire.token.slot(), now));
            (replay, pace.max(tokens.unwrap_or_default()).min(LOOK_AGAIN))
        };
        let replays = self.replays.iter().enumerate().map(|(at, waiting)| (Some(at), waiting));
        let all = replays.chain(self.queue.first().map(|waiting| (None, waiting)));
        let (replay, wait) = all.map(next).min_by_key(|(_, wait)| *wait)?;
        let Waiting(acquire, _) = match replay {
            Some(at) => self.replays.get(at)?,
            None => self.queue.first()?,
        };
        Some((replay, wait, acquire))
    }

    /// Hands over a permit that was taken and a slot. A slot that has no call to go to comes
    /// back.
    fn grant(&self, waiting: Waiting, slot: Permit, now: Instant) -> Option<Permit> {
        let Waiting(Acquire { in_flight, token, reply, .. }, since) = waiting;
        if let Err(slot) = in_flight.fill(slot) {
            return Some(slot);
        }
        let token = self.tokens_for(token).map(|mut tokens| tokens.take(token.slot(), now));
        if reply.send(Ok(Granted { token, has_waited: since != now })).is_err() {
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
                    let all = limiter.replays.drain(..).chain(limiter.queue.drain());
                    for Waiting(Acquire { reply, .. }, _) in all {
                        let _ = reply.send(Err(Error::shutting_down()));
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
        let Acquire { deadline, priority, token, .. } = acquire;
        let slot = acquire.in_flight.take();
        let now = limiter::now();
        let waiting = Waiting(acquire, now);
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
            let _ = waiting.0.reply.send(Err(error.with_wait(wait)));
            return;
        }
        match token {
            TokenWish::Of(_) if self.tokens.is_some() => self.replays.push(waiting),
            _ => {
                self.queue.push(priority, waiting);
            }
        }
        // Before the look: from here on no worker takes a permit past the queue.
        self.pacer.queues(true);
        self.serve(slot, now, ctx);
    }
}

impl Handler<SetLimit> for Limiter {
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
crate::actors::mortal!(Limiter);
