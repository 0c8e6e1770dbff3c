//! What the supervisor does about the actors that workers depend on: replaces those that die or
//! hang, and gives up on a role whose holders die again and again.

use std::time::Instant;

use actix::prelude::*;

use super::{
    actor::{Supervisor, TRY_AGAIN},
    death_watch::Role,
    messages::SetRate,
    restart_backoff::Repair,
    threads::ThreadOwner,
    threads::no_thread,
};
use crate::{config::check_rate, error::Error, rate_limit::SetLimit};

impl Supervisor {
    /// Fills a vacant role.
    fn fill(&mut self, role: Role, ctx: &mut Context<Self>) {
        if self.retired.is_some() {
            return;
        }
        match role {
            Role::Stats => self.roles.start_stats(),
            Role::RateQueue => self.roles.start_rate_queue(),
            Role::Tokens => match Arbiter::try_new() {
                Ok(arbiter) => self.roles.start_tokens(arbiter),
                Err(error) => {
                    tracing::warn!(%error, "no thread for the token manager");
                    ctx.run_later(TRY_AGAIN, move |supervisor, ctx| supervisor.fill(role, ctx));
                }
            },
        }
    }

    /// Replaces a token manager that hangs.
    pub(super) fn look_after_tokens(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let hangs = self.roles.token_manager_hangs(self.monitor.excused, now);
        if hangs && let Some(arbiter) = self.roles.take_callbacks() {
            tracing::warn!("the acquire callback blocks its thread for too long: it is replaced");
            self.threads.abandon(arbiter, ThreadOwner::TokenManager);
        }
        let may_start = self.threads.may_abandon(ThreadOwner::TokenManager);
        if hangs {
            self.roles.suspend_tokens(may_start);
        }
        if may_start && std::mem::take(&mut self.roles.is_suspended) {
            self.fill(Role::Tokens, ctx);
        }
    }

    /// Refills a role whose holder has ended, unless it has been replaced by now.
    pub(super) fn role_ended(&mut self, role: Role, incarnation: u64, ctx: &mut Context<Self>) {
        if self.retired.is_some() {
            return;
        }
        let intensity = self.intensity();
        let Some(repair) = self.roles.decide(role, incarnation, intensity) else { return };
        if role == Role::Tokens
            && let Some(callbacks) = self.roles.take_callbacks()
        {
            self.threads.end(vec![callbacks]);
        }
        tracing::warn!(?role, ?repair, "an actor of the pool is down");
        match repair {
            Repair::AtOnce => self.fill(role, ctx),
            Repair::After(delay) => {
                ctx.run_later(delay, move |supervisor, ctx| supervisor.fill(role, ctx));
            }
            Repair::GiveUp => {
                tracing::error!(?role, "it dies too often: no other is started");
            }
        }
    }
}

/// Starts a token manager, unless the pool had one from the start, because a handle has its own
/// credentials.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
pub(super) struct NeedTokens;

impl Handler<NeedTokens> for Supervisor {
    type Result = Result<(), Error>;

    fn handle(&mut self, _: NeedTokens, _: &mut Self::Context) -> Self::Result {
        if self.retired.is_some() {
            return Err(Error::shutting_down());
        }
        if self.roles.token_manager.incarnation == 0 {
            self.roles.start_tokens(Arbiter::try_new().map_err(no_thread)?);
        }
        Ok(())
    }
}

impl Handler<SetRate> for Supervisor {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, SetRate(rate): SetRate, _: &mut Self::Context) -> Self::Result {
        let checked = check_rate("set_rate", rate);
        let rate_queue = self.parts.rate_queue.clone();
        let is_retired = self.retired.is_some();
        Box::pin(async move {
            checked?;
            if is_retired {
                return Err(Error::shutting_down());
            }
            rate_queue.ask(|| SetLimit(rate)).await
        })
    }
}
