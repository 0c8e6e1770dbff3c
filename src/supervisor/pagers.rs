//! Threads for pagers: those of the workers, which many share, and one of its own for each
//! that is to have one. Knows nothing of what a pager does.

use std::collections::BTreeMap;

use actix::prelude::*;
use tokio::sync::watch;

use super::{
    actor::Supervisor,
    host::no_thread,
    slot::{Watch, worker_arbiter},
};
use crate::{
    dispatch::{Lifeline, StartPager},
    error::Error,
};

/// Starts a pager, on a thread of its `own` or else on the thread of the worker that has the
/// fewest.
#[derive(Message)]
#[rtype(result = "Result<Lifeline, Error>")]
pub(super) struct Start {
    pub(super) start: StartPager,
    pub(super) own: bool,
}

/// A pager that had a thread of its own has ended.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct PagerEnded {
    id: u64,
}

/// The threads that have one pager each.
#[derive(Default)]
pub(super) struct OwnThreads {
    threads: BTreeMap<u64, (Arbiter, watch::Sender<()>)>,
    started: u64,
}

impl OwnThreads {
    fn start(
        &mut self,
        start: StartPager,
        supervisor: Recipient<PagerEnded>,
    ) -> Result<Lifeline, Error> {
        let arbiter = worker_arbiter().map_err(no_thread)?;
        self.started += 1;
        let keeper = Watch { supervisor, news: PagerEnded { id: self.started } };
        arbiter.spawn_fn(move || start(Some(Box::new(keeper))));
        let (lifeline, held) = watch::channel(());
        self.threads.insert(self.started, (arbiter, lifeline));
        Ok(held)
    }

    /// Takes every thread out.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Arbiter> + use<> {
        std::mem::take(&mut self.threads).into_values().map(|(arbiter, _)| arbiter)
    }
}

impl Handler<Start> for Supervisor {
    type Result = Result<Lifeline, Error>;

    fn handle(&mut self, Start { start, own }: Start, ctx: &mut Self::Context) -> Self::Result {
        if self.retired.is_some() {
            return Err(Error::shutting_down());
        }
        if own {
            return self.pagers.start(start, ctx.address().recipient());
        }
        let start = move || start(None);
        match self.crew.least_paging() {
            Some(occupant) => {
                occupant.arbiter.spawn_fn(start);
                Ok(occupant.lifeline.subscribe())
            }
            None => {
                start();
                Ok(self.lifeline.subscribe())
            }
        }
    }
}

impl Handler<PagerEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, PagerEnded { id }: PagerEnded, _: &mut Self::Context) {
        if let Some((arbiter, _)) = self.pagers.threads.remove(&id) {
            self.threads.end(vec![arbiter]);
        }
    }
}
