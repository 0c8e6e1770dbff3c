//! The actor that merges what the other actors counted into one picture. The picture
//! is in a ledger that outlives it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::prelude::*;

use super::{Counters, Stats};

/// Reports that may wait: one of each of the most workers that a pool has.
const MAILBOX: usize = 1024;

/// What one worker counted since it last reported.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WorkerReport {
    pub(crate) worker: usize,
    pub(crate) counters: Counters,
}

/// Something that happened to the pool as a whole.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) enum Happened {
    WorkerRestarted(usize),
    TokenAcquired,
    /// An attempt of this worker was given up with its thread.
    AttemptAbandoned(usize),
}

/// Asks for the picture as it is now.
#[derive(Message)]
#[rtype(result = "Stats")]
pub(crate) struct Snapshot;

/// Keeps the merged statistics.
pub(crate) struct StatsCollector {
    /// Since the pool started. Only the collector reads and writes it, so its lock is free but for
    /// the moment in which one collector follows another.
    ledger: Arc<Mutex<Stats>>,
    /// Tells the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

impl StatsCollector {
    /// A collector that goes on where `ledger` ends.
    pub(crate) fn new(ledger: Arc<Mutex<Stats>>, watch: Box<dyn Send>) -> Self {
        Self { ledger, _watch: watch }
    }

    fn stats(&self) -> MutexGuard<'_, Stats> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor for StatsCollector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<WorkerReport> for StatsCollector {
    type Result = ();

    fn handle(&mut self, WorkerReport { worker, counters }: WorkerReport, _: &mut Self::Context) {
        self.stats().absorb(worker, counters);
    }
}

impl Handler<Happened> for StatsCollector {
    type Result = ();

    fn handle(&mut self, event: Happened, _: &mut Self::Context) {
        match event {
            Happened::WorkerRestarted(worker) => self.stats().worker_restarted(worker),
            Happened::TokenAcquired => self.stats().token_refreshed(),
            Happened::AttemptAbandoned(worker) => self.stats().attempt_abandoned(worker),
        }
    }
}

impl Handler<Snapshot> for StatsCollector {
    type Result = MessageResult<Snapshot>;

    fn handle(&mut self, _: Snapshot, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.stats().clone())
    }
}

#[cfg(test)]
crate::actors::mortal!(StatsCollector);
