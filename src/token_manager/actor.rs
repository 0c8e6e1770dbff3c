//! The actor that runs the `acquire` callbacks of a pool's token sets: at most one run at a time
//! for each slot, with a time limit, and in the background before a token expires. The slots of
//! the set decide what each slot needs.

use std::{
    collections::HashMap,
    error::Error as StdError,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    Token, TokenSet,
    inside::{ManagerThread, WatchedAcquire},
    slots::{Availability, Issued, TokenSlots},
};
use crate::{
    actors::{ActorRef, BEAT_EVERY},
    error::{Error, ErrorKind},
    events::{Event, Events},
    stats::{Report, StatsCollector},
    user_value::mark_own_thread,
};

/// Requests a token of `set`: any usable one, or one of `slot` that is newer than `stale`. The
/// response is `None` if the manager died before it processed the message.
#[derive(Clone, Message)]
#[rtype(result = "Option<Result<Issued, Error>>")]
pub(crate) struct Issue {
    pub(crate) set: Arc<TokenSet>,
    pub(crate) slot: usize,
    pub(crate) stale: Option<u64>,
}

type Waiters = Vec<oneshot::Sender<Result<Issued, Error>>>;

/// Owns the tokens of an API.
pub(crate) struct TokenManager {
    /// By the number of the set: sets from which a token was requested, as long as somebody has the
    /// set.
    kept: HashMap<u64, SetState>,
    /// The highest generation of any token from before this manager.
    generation: u64,
    acquire_timeout: Duration,
    refresh_timer: Option<SpawnHandle>,
    stats: ActorRef<StatsCollector>,
    events: Arc<Events>,
    thread: Arc<ManagerThread>,
    /// Notifies the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

/// What the manager keeps of a set, without keeping the set alive.
struct SetState {
    set: Weak<TokenSet>,
    slots: TokenSlots,
    waiters: Vec<Waiters>,
    running: Vec<Option<Running>>,
}

/// The task of an acquire, which is aborted when this is dropped.
struct Running(AbortHandle);

impl SetState {
    /// Empty state for `set`. Its first tokens have generations above `generation`.
    fn new(set: &Arc<TokenSet>, generation: u64) -> Self {
        let slots = set.credentials.slots;
        // The waits of an earlier manager are not known any more.
        (0..slots).for_each(|slot| set.rotation().recover(slot));
        Self {
            set: Arc::downgrade(set),
            slots: TokenSlots::after(slots, generation),
            waiters: (0..slots).map(|_| Waiters::new()).collect(),
            running: (0..slots).map(|_| None).collect(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TokenManager {
    /// Manager number `incarnation`, from 1, of a pool whose own set is `own`. It does not know the
    /// tokens of earlier managers, and its own tokens count as newer.
    pub(crate) fn new(
        incarnation: u64,
        own: Option<&Arc<TokenSet>>,
        acquire_timeout: Duration,
        stats: ActorRef<StatsCollector>,
        events: Arc<Events>,
        thread: Arc<ManagerThread>,
        watch: Box<dyn Send>,
    ) -> Self {
        let generation = incarnation.saturating_sub(1) << 32;
        Self {
            kept: own.into_iter().map(|set| (set.id, SetState::new(set, generation))).collect(),
            generation,
            acquire_timeout,
            refresh_timer: None,
            stats,
            events,
            thread,
            _watch: watch,
        }
    }

    fn keep(&mut self, set: &Arc<TokenSet>) -> &mut SetState {
        self.kept.entry(set.id).or_insert_with(|| SetState::new(set, self.generation))
    }

    fn acquire(&mut self, set: &TokenSet, slot: usize, ctx: &mut Context<Self>) {
        let source = Arc::clone(&set.credentials.source);
        let limit = self.acquire_timeout;
        let (id, epoch) = (set.id, set.epoch(slot));
        if set.acquires.is_stuck(slot) {
            let stuck = async {
                Err(failed("the acquire callback is not called: it blocks too many threads"))
            };
            let settled = stuck.into_actor(self).map(move |result, manager: &mut Self, ctx| {
                manager.settle(id, slot, epoch, result, ctx);
            });
            ctx.spawn(settled);
            return;
        }
        let (thread, acquires) = (Arc::clone(&self.thread), Arc::clone(&set.acquires));
        // A task of its own: a source that panics ends only this task.
        let task = actix_rt::spawn(async move {
            let acquire = Box::pin(async { source.acquire(slot).await });
            tokio::time::timeout(limit, WatchedAcquire::new(acquire, thread, acquires, slot)).await
        });
        let running = self.kept.get_mut(&id).and_then(|kept| kept.running.get_mut(slot));
        if let Some(running) = running {
            *running = Some(Running(task.abort_handle()));
        }
        let settled = async move {
            match task.await {
                Ok(Ok(Ok(token))) => Ok(token),
                Ok(Ok(Err(source))) => Err(reason(source)),
                Ok(Err(_)) => Err(failed("the acquire callback took longer than acquire_timeout")),
                Err(_) => Err(failed("the acquire callback panicked")),
            }
        };
        ctx.spawn(settled.into_actor(self).map(move |result, manager, ctx| {
            manager.settle(id, slot, epoch, result, ctx);
        }));
    }

    fn settle(
        &mut self,
        id: u64,
        slot: usize,
        epoch: u64,
        result: Result<Token, Error>,
        ctx: &mut Context<Self>,
    ) {
        let now = Instant::now();
        let Some(kept) = self.kept.get_mut(&id) else { return };
        let Some(set) = kept.set.upgrade() else { return };
        let answer = match result {
            Ok(token) => {
                if let Some(stats) = self.stats.actor() {
                    stats.do_send(Report::TokenAcquired);
                }
                self.events.emit(|| Event::TokenRefreshed { slot });
                let issued = kept.slots.acquired(slot, token, epoch, now);
                set.put(issued.clone());
                set.rotation().recover(slot);
                Ok(issued)
            }
            Err(error) => {
                let cooldown = kept.slots.failed(slot, now, fastrand::f64());
                if !kept.slots.has_good(slot, now) {
                    set.rotation().rest(slot, now + cooldown);
                }
                tracing::warn!(slot, cooldown_ms = cooldown.as_millis() as u64, %error, "no token");
                self.events.emit(|| Event::TokenRefreshFailed { slot, cooldown });
                Err(error)
            }
        };
        for waiter in kept.waiters.get_mut(slot).map(std::mem::take).unwrap_or_default() {
            let _ = waiter.send(answer.clone());
        }
        self.arm_refresh(now, ctx);
    }

    fn arm_refresh(&mut self, now: Instant, ctx: &mut Context<Self>) {
        if let Some(timer) = self.refresh_timer.take() {
            ctx.cancel_future(timer);
        }
        let next = self.kept.values().filter_map(|kept| kept.slots.next_refresh()).min();
        let Some(at) = next else { return };
        let timer = ctx.run_later(at.saturating_duration_since(now), |manager, ctx| {
            manager.refresh_timer = None;
            let now = Instant::now();
            manager.refresh(now, ctx);
            manager.arm_refresh(now, ctx);
        });
        self.refresh_timer = Some(timer);
    }

    /// Refreshes the tokens that are due.
    fn refresh(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let due = self.kept.values_mut().filter_map(|kept| {
            let set = kept.set.upgrade()?;
            Some((set, kept.slots.due_for_refresh(now)))
        });
        for (set, slots) in due.collect::<Vec<_>>() {
            for slot in slots {
                self.acquire(&set, slot, ctx);
            }
        }
    }
}

impl Actor for TokenManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        mark_own_thread();
        ctx.run_interval(BEAT_EVERY, |manager, _| {
            manager.thread.heartbeat.beat(Instant::now());
            // Sets that nobody has any more are dropped.
            manager.kept.retain(|_, kept| kept.set.strong_count() > 0);
        });
    }
}

impl Handler<Issue> for TokenManager {
    type Result = ResponseFuture<Option<Result<Issued, Error>>>;

    fn handle(&mut self, message: Issue, ctx: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        let Issue { set, slot: wanted, stale } = message;
        // A slot whose token was refused must be refreshed itself; otherwise any usable one will
        // do.
        let slot = match stale {
            Some(generation) => {
                set.remove(wanted, generation);
                wanted
            }
            None => self.keep(&set).slots.serving(wanted, now),
        };
        if slot != wanted {
            if self.keep(&set).slots.revives(wanted, now) {
                self.acquire(&set, wanted, ctx);
            }
            if self.keep(&set).slots.is_in_flight(wanted)
                && let Some(settled) = now.checked_add(self.acquire_timeout)
            {
                // The other slots serve calls until the result of this acquire is known.
                set.rotation().rest(wanted, settled);
            }
        }
        match self.keep(&set).slots.request(slot, now, stale) {
            Availability::Use(issued) => return Box::pin(async move { Some(Ok(issued)) }),
            Availability::Cooling(wait) => {
                let error =
                    failed("the last acquire failed and the slot cools down").with_wait(wait);
                return Box::pin(async move { Some(Err(error)) });
            }
            Availability::Start => self.acquire(&set, slot, ctx),
            Availability::Wait => {}
        }
        let (sender, issued) = oneshot::channel();
        if let Some(waiters) = self.keep(&set).waiters.get_mut(slot) {
            waiters.push(sender);
        }
        Box::pin(async move { issued.await.ok() })
    }
}

/// The error for a missing token: that of the source, if it is an error of this kind.
fn reason(source: Box<dyn StdError + Send + Sync>) -> Error {
    match source.downcast::<Error>() {
        Ok(error) if error.kind() == ErrorKind::Token => *error,
        Ok(error) => failed("the acquire callback failed").with_users_source(error),
        Err(source) => failed("the acquire callback failed").with_users_source(source),
    }
}

fn failed(what: &'static str) -> Error {
    Error::new(ErrorKind::Token, what)
}

#[cfg(test)]
crate::actors::mortal!(TokenManager);

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{request::Request, token_manager::Credentials};

    #[actix::test]
    async fn accept_65_the_tokens_of_a_set_that_nobody_has_are_dropped() {
        let thread = Arc::new(ManagerThread::new(Instant::now()));
        let (limit, stats) = (Duration::from_secs(10), ActorRef::of(&watch::Sender::default()));
        let manager =
            TokenManager::new(1, None, limit, stats, Arc::default(), thread, Box::new(())).start();
        let set = |number: usize| {
            let acquire = move || std::future::ready(Ok::<_, Error>(number.to_string()));
            let apply = |request: Request, _: &str| request;
            let credentials = Credentials::from_callback(1, acquire, apply);
            Arc::new(TokenSet::new(credentials, None, limit, Instant::now()))
        };
        let sets: Vec<_> = (0..10).map(set).collect();
        let mut secrets = Vec::new();
        for (number, set) in sets.iter().enumerate() {
            let question = Issue { set: Arc::clone(set), slot: 0, stale: None };
            let issued = manager.send(question).await.unwrap().unwrap().unwrap();
            assert_eq!(issued.expose(), number.to_string());
            secrets.push(Arc::downgrade(&issued.secret));
        }
        let kept = sets.into_iter().next();
        let gone = async {
            while secrets[1..].iter().any(|secret| secret.strong_count() > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(limit, gone).await.expect("they are kept");
        assert!(secrets[0].strong_count() > 0 && kept.is_some());
    }
}
