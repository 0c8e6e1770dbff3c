//! The actor that merges the counts of the other actors into one snapshot. The merged counts are
//! in a ledger that outlives it.

use std::sync::{Arc, Mutex};

use actix::prelude::*;

use super::{Counters, Stats};
use crate::lock::lock;

/// Reports that may wait: one from each worker of the largest pool.
const MAILBOX: usize = 1024;

/// Something to count.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Report {
    /// What a worker counted since its last report.
    Counted(usize, Counters),
    WorkerRestarted(usize),
    TokenAcquired,
    /// An attempt of this worker was given up with its thread.
    AttemptAbandoned(usize),
}

/// Requests the current snapshot.
#[derive(Message)]
#[rtype(result = "Stats")]
pub(crate) struct Snapshot;

/// Keeps the merged statistics.
pub(crate) struct StatsCollector {
    /// Since the pool started. Only the collector reads and writes it, so its lock is contended
    /// only at the moment when one collector replaces another.
    ledger: Arc<Mutex<Stats>>,
    /// Notifies the supervisor when this actor is gone.
    _watch: Box<dyn Send>,
}

impl StatsCollector {
    /// A collector that continues the counts in `ledger`.
    pub(crate) fn new(ledger: Arc<Mutex<Stats>>, watch: Box<dyn Send>) -> Self {
        Self { ledger, _watch: watch }
    }
}

impl Actor for StatsCollector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Report> for StatsCollector {
    type Result = ();

    fn handle(&mut self, report: Report, _: &mut Self::Context) {
        let mut stats = lock(&self.ledger);
        match report {
            Report::Counted(worker, counters) => stats.absorb(worker, counters),
            Report::WorkerRestarted(worker) => stats.worker_restarted(worker),
            Report::TokenAcquired => stats.token_refreshes += 1,
            Report::AttemptAbandoned(worker) => stats.attempt_abandoned(worker),
        }
    }
}

impl Handler<Snapshot> for StatsCollector {
    type Result = MessageResult<Snapshot>;

    fn handle(&mut self, _: Snapshot, _: &mut Self::Context) -> Self::Result {
        MessageResult(lock(&self.ledger).clone())
    }
}

#[cfg(test)]
crate::actors::mortal!(StatsCollector);
