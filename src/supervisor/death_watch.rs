//! Reports the end of every actor, however it ends.

use actix::prelude::*;

/// One of the actors that workers depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Stats,
    RateQueue,
    Tokens,
}

/// An actor is gone.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) enum ActorEnded {
    /// The worker with this number, which no other worker has or had.
    Worker(u64),
    /// The holder of a role, by its incarnation.
    Role(Role, u64),
    /// The pager with this number, which had a thread of its own.
    Pager(u64),
}

/// Reports the end of an actor when it is dropped with it.
pub(super) struct DeathWatch {
    pub(super) supervisor: Recipient<ActorEnded>,
    pub(super) news: ActorEnded,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        self.supervisor.do_send(self.news);
    }
}
