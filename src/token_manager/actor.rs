//! The actor that runs the `acquire` callback: at most once at a time for each
//! slot, with a time limit, and again in the background before a token expires.
//! Which slot needs what is the ring's decision.

use std::{
    error::Error as StdError,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    Auth, Shelf, Token,
    ring::{Issued, Request, Ring},
};
use crate::{
    actors::{BEAT_EVERY, Line, Pulse},
    error::{Error, ErrorKind},
    events::{Event, Events},
    rate_limit::Board,
    stats::{Happened, StatsCollector},
};

/// Asks for a token: any usable one, or one of `slot` that is newer than `stale`. The answer
/// is `None` when the manager died with the question before it.
#[derive(Clone, Copy, Message)]
#[rtype(result = "Option<Result<Issued, Error>>")]
pub(crate) struct Issue {
    pub(crate) slot: usize,
    pub(crate) stale: Option<u64>,
}

type Waiters = Vec<oneshot::Sender<Result<Issued, Error>>>;

/// Owns the tokens of an API.
pub(crate) struct TokenManager {
    auth: Auth,
    ring: Ring,
    board: Arc<Board>,
    shelf: Arc<Shelf>,
    acquire_timeout: Duration,
    waiters: Vec<Waiters>,
    refresh_timer: Option<SpawnHandle>,
    stats: Line<StatsCollector>,
    events: Arc<Events>,
    pulse: Arc<Pulse>,
    /// Tells the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

impl TokenManager {
    /// The manager with number `life`, from 1, among those of a pool: it knows nothing of the
    /// tokens of those before it, and its own are newer than theirs.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that it is made of")]
    pub(crate) fn new(
        life: u64,
        auth: Auth,
        board: Arc<Board>,
        shelf: Arc<Shelf>,
        acquire_timeout: Duration,
        stats: Line<StatsCollector>,
        events: Arc<Events>,
        pulse: Arc<Pulse>,
        watch: Box<dyn Send>,
    ) -> Self {
        let slots = auth.slots;
        Self {
            auth,
            ring: Ring::after(slots, life.saturating_sub(1) << 32),
            board,
            shelf,
            acquire_timeout,
            waiters: (0..slots).map(|_| Waiters::new()).collect(),
            refresh_timer: None,
            stats,
            events,
            pulse,
            _watch: watch,
        }
    }

    fn acquire(&mut self, slot: usize, ctx: &mut Context<Self>) {
        let source = Arc::clone(&self.auth.source);
        let limit = self.acquire_timeout;
        let epoch = self.board.epoch(slot);
        // A task of its own: a source that panics ends this task and nothing else.
        let task =
            actix_rt::spawn(async move { tokio::time::timeout(limit, source.acquire(slot)).await });
        let settled = async move {
            match task.await {
                Ok(Ok(Ok(token))) => Ok(token),
                Ok(Ok(Err(source))) => Err(reason(source)),
                Ok(Err(_)) => Err(failed("the acquire callback took longer than acquire_timeout")),
                Err(_) => Err(failed("the acquire callback panicked")),
            }
        };
        ctx.spawn(settled.into_actor(self).map(move |result, manager, ctx| {
            manager.settle(slot, epoch, result, ctx);
        }));
    }

    fn settle(
        &mut self,
        slot: usize,
        epoch: u64,
        result: Result<Token, Error>,
        ctx: &mut Context<Self>,
    ) {
        let now = Instant::now();
        let answer = match result {
            Ok(token) => {
                if let Some(stats) = self.stats.actor() {
                    stats.do_send(Happened::TokenAcquired);
                }
                self.events.emit(|| Event::TokenRefreshed { slot });
                let issued = self.ring.acquired(slot, token, epoch, now);
                self.shelf.put(issued.clone());
                self.board.recover(slot);
                Ok(issued)
            }
            Err(error) => {
                let cooldown = self.ring.failed(slot, now, fastrand::f64());
                if !self.ring.has_good(slot, now) {
                    self.board.rest(slot, now + cooldown);
                }
                tracing::warn!(slot, cooldown_ms = cooldown.as_millis() as u64, %error, "no token");
                self.events.emit(|| Event::TokenRefreshFailed { slot, cooldown });
                Err(error)
            }
        };
        for waiter in self.waiters.get_mut(slot).map(std::mem::take).unwrap_or_default() {
            let _ = waiter.send(answer.clone());
        }
        self.arm_refresh(now, ctx);
    }

    fn arm_refresh(&mut self, now: Instant, ctx: &mut Context<Self>) {
        if let Some(timer) = self.refresh_timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = self.ring.next_refresh() else { return };
        let timer = ctx.run_later(at.saturating_duration_since(now), |manager, ctx| {
            manager.refresh_timer = None;
            let now = Instant::now();
            for slot in manager.ring.due_for_refresh(now) {
                manager.acquire(slot, ctx);
            }
            manager.arm_refresh(now, ctx);
        });
        self.refresh_timer = Some(timer);
    }
}

impl Actor for TokenManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What the manager before this one waited for is not known any more.
        (0..self.auth.slots).for_each(|slot| self.board.recover(slot));
        ctx.run_interval(BEAT_EVERY, |manager, _| manager.pulse.beat(Instant::now()));
    }
}

impl Handler<Issue> for TokenManager {
    type Result = ResponseFuture<Option<Result<Issued, Error>>>;

    fn handle(&mut self, message: Issue, ctx: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        // A slot that was refused must be renewed itself; otherwise any usable one will do.
        let slot = match message.stale {
            Some(generation) => {
                self.shelf.remove(message.slot, generation);
                message.slot
            }
            None => self.ring.serving(message.slot, now),
        };
        if slot != message.slot {
            if self.ring.revives(message.slot, now) {
                self.acquire(message.slot, ctx);
            }
            if self.ring.is_in_flight(message.slot)
                && let Some(settled) = now.checked_add(self.acquire_timeout)
            {
                // The others serve until it is known what comes of this one.
                self.board.rest(message.slot, settled);
            }
        }
        match self.ring.request(slot, now, message.stale) {
            Request::Use(issued) => return Box::pin(async move { Some(Ok(issued)) }),
            Request::Cooling(wait) => {
                let error =
                    failed("the last acquire failed and the slot cools down").with_wait(wait);
                return Box::pin(async move { Some(Err(error)) });
            }
            Request::Start => self.acquire(slot, ctx),
            Request::Wait => {}
        }
        let (sender, issued) = oneshot::channel();
        if let Some(waiters) = self.waiters.get_mut(slot) {
            waiters.push(sender);
        }
        Box::pin(async move { issued.await.ok() })
    }
}

/// Why there is no token: what the source says, if that is an error of this kind.
fn reason(source: Box<dyn StdError + Send + Sync>) -> Error {
    match source.downcast::<Error>() {
        Ok(error) if error.kind() == ErrorKind::Token => *error,
        Ok(error) => failed("the acquire callback failed").with_source(error),
        Err(source) => failed("the acquire callback failed").with_source(source),
    }
}

fn failed(what: &'static str) -> Error {
    Error::new(ErrorKind::Token, what)
}

#[cfg(test)]
crate::actors::mortal!(TokenManager);
