//! The actors that the workers ask, as one value: who holds which role, and how a holder
//! starts. What one knew is rebuilt or kept for the next, whichever holds what they promise.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    restart::{Intensity, Repair, Restarts},
    slot::Watch,
};
use crate::{
    actors::{Line, Switch, line},
    dispatch::Dispatcher,
    rate_limit::{Limiter, Pace, Pacer},
    stats::{Ledger, StatsCollector},
    token_manager::{Signs, TokenManager, TokenSet},
    worker::TokenLines,
};

/// One of the actors that the workers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Stats,
    Limiter,
    Tokens,
}

/// The holder of a role is gone.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct RoleVacant {
    pub(super) role: Role,
    life: u64,
}

/// A role and who holds it.
struct Post<A: Actor> {
    role: Role,
    switch: Switch<A>,
    /// Counts the holders, from 1.
    life: u64,
    restarts: Restarts,
    /// Whether the last holder was given up since it hung.
    has_hung: bool,
}

impl<A: Actor> Post<A> {
    fn new(role: Role) -> (Self, Line<A>) {
        let (switch, line) = line();
        (Self { role, switch, life: 0, restarts: Restarts::default(), has_hung: false }, line)
    }

    /// The watch over the next holder's life.
    fn next_watch(&mut self, supervisor: &Recipient<RoleVacant>) -> Box<dyn Send> {
        self.life += 1;
        let news = RoleVacant { role: self.role, life: self.life };
        Box::new(Watch { supervisor: supervisor.clone(), news })
    }

    /// Gives the role to `holder`, or to nobody for good.
    fn give_to(&mut self, holder: Option<Addr<A>>) {
        self.switch.lead_to(holder, std::mem::take(&mut self.has_hung));
    }

    /// Decides about the end of a holder, if it was the last one.
    fn decide(&mut self, life: u64, now: Instant, intensity: Intensity) -> Option<Repair> {
        if life != self.life {
            return None;
        }
        let repair = self.restarts.died(now, false, intensity);
        if repair == Repair::GiveUp {
            self.give_to(None);
        }
        Some(repair)
    }
}

/// The token manager and its thread, where the users' `acquire` runs.
pub(super) struct Tokens {
    post: Post<TokenManager>,
    lines: TokenLines,
    arbiter: Option<Arbiter>,
    signs: Arc<Signs>,
    /// Whether there is none until one of the threads that hang has ended.
    pub(super) is_suspended: bool,
}

impl Tokens {
    /// Has no more to do with the manager. Unless another one `follows`, there is none
    /// from here on.
    pub(super) fn suspend(&mut self, follows: bool) {
        self.signs.give_up();
        // Its end, if it comes to that, is no news any more.
        self.post.life += 1;
        self.post.has_hung = true;
        self.is_suspended = true;
        if !follows {
            self.post.give_to(None);
        }
    }
}

/// All roles.
pub(super) struct Controls {
    dispatcher: Arc<Dispatcher>,
    supervisor: Recipient<RoleVacant>,
    ledger: Arc<Ledger>,
    stats: Post<StatsCollector>,
    stats_line: Line<StatsCollector>,
    limiter: Post<Limiter>,
    pacer: Arc<Pacer>,
    pub(super) tokens: Tokens,
}

/// The ways to the holders of the roles.
pub(super) struct Lines {
    pub(super) stats: Line<StatsCollector>,
    pub(super) limiter: Line<Limiter>,
    pub(super) pacer: Arc<Pacer>,
    pub(super) tokens: TokenLines,
}

impl Controls {
    /// Fills every role: on the current thread, but for the token manager, which gets
    /// `callbacks`.
    pub(super) fn start(
        dispatcher: Arc<Dispatcher>,
        callbacks: Option<Arbiter>,
        supervisor: Recipient<RoleVacant>,
    ) -> (Self, Lines) {
        let now = Instant::now();
        let (stats, stats_line) = Post::new(Role::Stats);
        let (limiter, limiter_line) = Post::new(Role::Limiter);
        let settings = &dispatcher.config.settings;
        let pace = Pace::new(
            settings.rate_limit,
            settings.burst,
            settings.use_dampener,
            settings.max_retry_after,
            now,
        );
        let pacer = Arc::new(Pacer::new(pace, Arc::clone(dispatcher.events()), now));
        let (post, manager) = Post::new(Role::Tokens);
        let own = dispatcher.config.own_tokens(now).map(Arc::new);
        let tokens = Tokens {
            post,
            lines: TokenLines { manager, own },
            arbiter: None,
            signs: Arc::new(Signs::new(now)),
            is_suspended: false,
        };
        let lines = Lines {
            stats: stats_line.clone(),
            limiter: limiter_line,
            pacer: Arc::clone(&pacer),
            tokens: tokens.lines.clone(),
        };
        let mut controls = Self {
            dispatcher,
            supervisor,
            ledger: Arc::new(Ledger::new(now)),
            stats,
            stats_line,
            limiter,
            pacer,
            tokens,
        };
        controls.start_stats();
        controls.start_limiter();
        if let Some(callbacks) = callbacks {
            controls.start_tokens(callbacks);
        }
        (controls, lines)
    }

    /// A collector goes on with what the last one knew.
    pub(super) fn start_stats(&mut self) {
        let watch = self.stats.next_watch(&self.supervisor);
        let collector = StatsCollector::new(Arc::clone(&self.ledger), watch).start();
        self.stats.give_to(Some(collector));
    }

    /// A limiter in the place of another one goes on with the same bucket.
    pub(super) fn start_limiter(&mut self) {
        let post = &mut self.limiter;
        let watch = post.next_watch(&self.supervisor);
        let capacity = self.dispatcher.capacity();
        let slots = Arc::clone(capacity.permits());
        let own = self.tokens.lines.own.as_ref().filter(|own| own.is_limited);
        let tokens = own.map(|own| Arc::clone(own.shared_rotation()));
        let limiter = Limiter::new(Arc::clone(&self.pacer), tokens, slots, watch);
        post.give_to(Some(limiter.start()));
    }

    /// A manager in the place of another one gets every token anew.
    pub(super) fn start_tokens(&mut self, arbiter: Arbiter) {
        let settings = &self.dispatcher.config.settings;
        let tokens = &mut self.tokens;
        tokens.signs = Arc::new(Signs::new(Instant::now()));
        let watch = tokens.post.next_watch(&self.supervisor);
        let manager = TokenManager::new(
            tokens.post.life,
            tokens.lines.own.as_ref(),
            settings.acquire_timeout,
            self.stats_line.clone(),
            Arc::clone(self.dispatcher.events()),
            Arc::clone(&tokens.signs),
            watch,
        );
        let manager = TokenManager::start_in_arbiter(&arbiter.handle(), |_| manager);
        tokens.arbiter = Some(arbiter);
        tokens.post.give_to(Some(manager));
    }

    /// Whether there has been no token manager yet.
    pub(super) fn lacks_tokens(&self) -> bool {
        self.tokens.post.life == 0
    }

    /// The pool's own tokens, if it has any.
    pub(super) fn own_tokens(&self) -> Option<&Arc<TokenSet>> {
        self.tokens.lines.own.as_ref()
    }

    /// The thread of the token manager, which leaves it without one.
    pub(super) fn take_callbacks(&mut self) -> Option<Arbiter> {
        self.tokens.arbiter.take()
    }

    #[cfg(test)]
    pub(super) fn kill(&self, role: Role) {
        fn kill<A: Actor + Handler<Die>>(post: &Post<A>)
        where
            A::Context: actix::dev::ToEnvelope<A, Die>,
        {
            post.switch.actor().unwrap().do_send(Die);
        }
        use crate::actors::Die;
        match role {
            Role::Stats => kill(&self.stats),
            Role::Limiter => kill(&self.limiter),
            Role::Tokens => kill(&self.tokens.post),
        }
    }

    /// Decides about a role whose holder is gone, unless another one has it by now.
    pub(super) fn decide(&mut self, vacant: RoleVacant, intensity: Intensity) -> Option<Repair> {
        let now = Instant::now();
        match vacant.role {
            Role::Stats => self.stats.decide(vacant.life, now, intensity),
            Role::Limiter => self.limiter.decide(vacant.life, now, intensity),
            Role::Tokens => self.tokens.post.decide(vacant.life, now, intensity),
        }
    }

    /// Whether the token manager has given no sign of life for longer than any `acquire` may
    /// take: then that blocks the thread, and its own time limit cannot fire.
    pub(super) fn token_manager_hangs(&self, excused: Instant, now: Instant) -> bool {
        let settings = &self.dispatcher.config.settings;
        let limit = settings.acquire_timeout.saturating_add(settings.heartbeat_timeout);
        let silence = now.saturating_duration_since(self.tokens.signs.pulse.last().max(excused));
        self.tokens.arbiter.is_some() && silence >= limit
    }
}
