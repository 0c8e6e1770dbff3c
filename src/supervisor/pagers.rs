//! Threads for pagers: the shared ones of the workers, and dedicated ones. Knows nothing of what a
//! pager does.

use actix::prelude::*;
use tokio::sync::watch;

use super::{
    actor::Supervisor,
    death_watch::{ActorEnded, DeathWatch},
    threads::no_thread,
    worker_handle::worker_arbiter,
};
use crate::{
    dispatch::{CancellationToken, StartPager},
    error::Error,
};

impl Supervisor {
    /// Starts a pager, on a dedicated thread or else on the thread of the worker with the fewest
    /// pagers.
    pub(super) fn start_pager(
        &mut self,
        start: StartPager,
        is_alone: bool,
        ctx: &mut Context<Self>,
    ) -> Result<CancellationToken, Error> {
        if self.retired.is_some() {
            return Err(Error::shutting_down());
        }
        if is_alone {
            return self.start_pager_alone(start, ctx.address().recipient());
        }
        let start = move || start(None);
        match self.workers.well().min_by_key(|handle| handle.pagers.receiver_count()) {
            Some(handle) => {
                handle.arbiter.spawn_fn(start);
                Ok(handle.pagers.subscribe())
            }
            None => {
                start();
                Ok(self.pagers.subscribe())
            }
        }
    }

    fn start_pager_alone(
        &mut self,
        start: StartPager,
        supervisor: Recipient<ActorEnded>,
    ) -> Result<CancellationToken, Error> {
        let arbiter = worker_arbiter().map_err(no_thread)?;
        let id = self.workers.next_id();
        let guard = DeathWatch { supervisor, news: ActorEnded::Pager(id) };
        arbiter.spawn_fn(move || start(Some(Box::new(guard))));
        let (pager, token) = watch::channel(());
        self.pager_threads.insert(id, (arbiter, pager));
        Ok(token)
    }

    /// Ends the thread of a pager that has ended.
    pub(super) fn pager_ended(&mut self, id: u64) {
        if let Some((arbiter, _)) = self.pager_threads.remove(&id) {
            self.threads.end(vec![arbiter]);
        }
    }
}
