//! The actor that merges what the other actors counted into one picture.

use std::time::Instant;

use actix::prelude::*;

use super::{Counters, Stats};

/// Reports that may wait: one of each of the most workers that a pool has.
const MAILBOX: usize = 1024;

/// What one worker counted since it last reported.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Counted {
    pub(crate) worker: usize,
    pub(crate) counters: Counters,
}

/// Something that happened to the pool as a whole.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) enum Happened {
    WorkerRestarted(usize),
    TokenAcquired,
}

/// Asks for the picture as it is now.
#[derive(Message)]
#[rtype(result = "Stats")]
pub(crate) struct Snapshot;

/// Owns the merged statistics.
pub(crate) struct StatsCollector {
    stats: Stats,
    started: Instant,
}

impl StatsCollector {
    pub(crate) fn new() -> Self {
        Self { stats: Stats::default(), started: Instant::now() }
    }
}

impl Actor for StatsCollector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Counted> for StatsCollector {
    type Result = ();

    fn handle(&mut self, Counted { worker, counters }: Counted, _: &mut Self::Context) {
        self.stats.absorb(worker, counters);
    }
}

impl Handler<Happened> for StatsCollector {
    type Result = ();

    fn handle(&mut self, event: Happened, _: &mut Self::Context) {
        match event {
            Happened::WorkerRestarted(worker) => self.stats.worker_restarted(worker),
            Happened::TokenAcquired => self.stats.token_refreshed(),
        }
    }
}

impl Handler<Snapshot> for StatsCollector {
    type Result = MessageResult<Snapshot>;

    fn handle(&mut self, _: Snapshot, _: &mut Self::Context) -> Self::Result {
        let mut stats = self.stats.clone();
        stats.elapsed = self.started.elapsed();
        MessageResult(stats)
    }
}
