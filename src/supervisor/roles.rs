//! The actors that workers depend on, as one value: which actor holds which role, and how it is
//! started. The state of a holder is rebuilt or kept for the next, whichever its promises need.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::watch;

use super::{
    death_watch::{ActorEnded, DeathWatch, Role},
    restart_backoff::{Repair, Restarts},
};
use crate::{
    actors::{ActorRef, Holder},
    dispatch::Dispatcher,
    rate_limit::{Pace, Pacer, RateQueue},
    stats::{Stats, StatsCollector},
    token_manager::{ManagerThread, TokenManager, TokenSet},
};

/// A role and its holder.
pub(super) struct Supervised<A: Actor> {
    role: Role,
    /// Where the references of workers lead.
    holder: watch::Sender<Holder<A>>,
    /// Counts the holders, from 1.
    pub(super) incarnation: u64,
    restarts: Restarts,
    /// Whether the last holder was given up because it hung.
    has_hung: bool,
}

impl<A: Actor> Supervised<A> {
    fn new(role: Role) -> Self {
        let (holder, restarts) = (watch::Sender::default(), Restarts::default());
        Self { role, holder, incarnation: 0, restarts, has_hung: false }
    }

    pub(super) fn actor_ref(&self) -> ActorRef<A> {
        ActorRef::of(&self.holder)
    }

    /// The death watch for the next holder.
    fn next_watch(&mut self, supervisor: &Recipient<ActorEnded>) -> Box<dyn Send> {
        self.incarnation += 1;
        let news = ActorEnded::Role(self.role, self.incarnation);
        Box::new(DeathWatch { supervisor: supervisor.clone(), news })
    }

    /// Gives the role to `holder`, or leaves it vacant for good.
    fn give_to(&mut self, holder: Option<Addr<A>>) {
        self.holder.send_replace((holder, std::mem::take(&mut self.has_hung)));
    }

    /// Decides about the end of a holder, if it was the latest one.
    fn decide(&mut self, incarnation: u64, intensity: (u32, Duration)) -> Option<Repair> {
        if incarnation != self.incarnation {
            return None;
        }
        let repair = self.restarts.died(Instant::now(), false, intensity);
        if repair == Repair::GiveUp {
            self.give_to(None);
        }
        Some(repair)
    }
}

/// All roles.
pub(super) struct Roles {
    dispatcher: Arc<Dispatcher>,
    supervisor: Recipient<ActorEnded>,
    /// The merged statistics, passed from one collector to the next.
    ledger: Arc<Mutex<Stats>>,
    pub(super) pacer: Arc<Pacer>,
    /// The pool's own tokens, if it has any.
    pub(super) own_tokens: Option<Arc<TokenSet>>,
    pub(super) stats: Supervised<StatsCollector>,
    pub(super) rate_queue: Supervised<RateQueue>,
    pub(super) token_manager: Supervised<TokenManager>,
    /// The thread of the token manager, where the users' `acquire` runs.
    callbacks: Option<Arbiter>,
    thread: Arc<ManagerThread>,
    /// Whether the token manager is suspended until one of the hung threads has ended.
    pub(super) is_suspended: bool,
}

impl Roles {
    /// Fills every role: on the current thread, except the token manager, which gets `callbacks`.
    pub(super) fn start(
        dispatcher: Arc<Dispatcher>,
        callbacks: Option<Arbiter>,
        supervisor: Recipient<ActorEnded>,
    ) -> Self {
        let now = Instant::now();
        let settings = &dispatcher.config.settings;
        let pace = Pace::new(
            settings.rate_limit,
            settings.burst,
            settings.use_dampener && settings.shared_budget.is_none(),
            settings.max_retry_after,
            now,
        );
        let (shared, origin) = (settings.shared_budget.clone(), dispatcher.config.base.origin());
        let pacer = Pacer::new(pace, Arc::clone(dispatcher.events())).sharing(shared, origin);
        let mut roles = Self {
            own_tokens: dispatcher.config.own_tokens(now).map(Arc::new),
            dispatcher,
            supervisor,
            ledger: Arc::default(),
            pacer: Arc::new(pacer),
            stats: Supervised::new(Role::Stats),
            rate_queue: Supervised::new(Role::RateQueue),
            token_manager: Supervised::new(Role::Tokens),
            callbacks: None,
            thread: Arc::new(ManagerThread::new(now)),
            is_suspended: false,
        };
        roles.start_stats();
        roles.start_rate_queue();
        if let Some(callbacks) = callbacks {
            roles.start_tokens(callbacks);
        }
        roles
    }

    /// A collector continues the counts of the last one.
    pub(super) fn start_stats(&mut self) {
        let watch = self.stats.next_watch(&self.supervisor);
        let collector = StatsCollector::new(Arc::clone(&self.ledger), watch).start();
        self.stats.give_to(Some(collector));
    }

    /// A replacement continues with the same bucket.
    pub(super) fn start_rate_queue(&mut self) {
        let watch = self.rate_queue.next_watch(&self.supervisor);
        let slots = Arc::clone(self.dispatcher.semaphore());
        let limited = self.own_tokens.as_ref().filter(|own| own.is_limited);
        let tokens = limited.map(|own| Arc::clone(&own.rotation));
        let queue = RateQueue::new(Arc::clone(&self.pacer), tokens, slots, watch);
        self.rate_queue.give_to(Some(queue.start()));
    }

    /// A replacement manager acquires every token again.
    pub(super) fn start_tokens(&mut self, arbiter: Arbiter) {
        self.thread = Arc::new(ManagerThread::new(Instant::now()));
        let watch = self.token_manager.next_watch(&self.supervisor);
        let manager = TokenManager::new(
            self.token_manager.incarnation,
            self.own_tokens.as_ref(),
            self.dispatcher.config.settings.acquire_timeout,
            self.stats.actor_ref(),
            Arc::clone(self.dispatcher.events()),
            Arc::clone(&self.thread),
            watch,
        );
        let manager = TokenManager::start_in_arbiter(&arbiter.handle(), |_| manager);
        self.callbacks = Some(arbiter);
        self.token_manager.give_to(Some(manager));
    }

    /// Detaches the token manager. Unless another one `follows`, there is none from here on.
    pub(super) fn suspend_tokens(&mut self, follows: bool) {
        self.thread.give_up();
        // If it ends later, that is ignored.
        self.token_manager.incarnation += 1;
        self.token_manager.has_hung = true;
        self.is_suspended = true;
        if !follows {
            self.token_manager.give_to(None);
        }
    }

    /// Takes the thread of the token manager.
    pub(super) fn take_callbacks(&mut self) -> Option<Arbiter> {
        self.callbacks.take()
    }

    #[cfg(test)]
    pub(super) fn kill(&self, role: Role) {
        fn kill<A: Actor + Handler<Die>>(supervised: &Supervised<A>)
        where
            A::Context: actix::dev::ToEnvelope<A, Die>,
        {
            supervised.actor_ref().actor().unwrap().do_send(Die);
        }
        use crate::actors::Die;
        match role {
            Role::Stats => kill(&self.stats),
            Role::RateQueue => kill(&self.rate_queue),
            Role::Tokens => kill(&self.token_manager),
        }
    }

    /// Decides about a role whose holder has ended, unless it has been replaced by now.
    pub(super) fn decide(
        &mut self,
        role: Role,
        incarnation: u64,
        intensity: (u32, Duration),
    ) -> Option<Repair> {
        match role {
            Role::Stats => self.stats.decide(incarnation, intensity),
            Role::RateQueue => self.rate_queue.decide(incarnation, intensity),
            Role::Tokens => self.token_manager.decide(incarnation, intensity),
        }
    }

    /// Whether the token manager has given no sign of life for longer than any `acquire` may
    /// take: then an acquire blocks its thread, and its own time limit cannot fire.
    pub(super) fn token_manager_hangs(&self, excused: Instant, now: Instant) -> bool {
        let settings = &self.dispatcher.config.settings;
        let limit = settings.acquire_timeout.saturating_add(settings.heartbeat_timeout);
        let silence = now.saturating_duration_since(self.thread.heartbeat.last().max(excused));
        self.callbacks.is_some() && silence >= limit
    }
}
