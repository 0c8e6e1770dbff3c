//! The worker actor: takes jobs, runs each in a task of its own, gives signs of life and
//! reports what it counted. How a call goes is `call`'s business.

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    call,
    kit::{Kit, Parts},
};
use crate::{
    actors::{BEAT_EVERY, Line, Pulse},
    config::MAX_WORKERS,
    dispatch::Job,
    stats::{Counted, StatsCollector},
};

/// A call to run.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Run(pub(crate) Job);

/// Asks the worker to report now. Answered when the report is on its way.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// One worker. It lives on an Arbiter of its own.
pub(crate) struct Worker {
    slot: usize,
    kit: Rc<Kit>,
    stats: Line<StatsCollector>,
    pulse: Arc<Pulse>,
    mailbox: usize,
    /// Tells the supervisor when this worker is gone, however it went.
    _watch: Box<dyn Send>,
}

impl Worker {
    /// `watch` was made outside the Arbiter, so that a worker that never starts is noticed too.
    pub(crate) fn new(slot: usize, parts: Parts, pulse: Arc<Pulse>, watch: Box<dyn Send>) -> Self {
        // Every job holds a permit, so this is never full, whatever size the pool gets.
        let settings = &parts.dispatcher.config.settings;
        let mailbox = MAX_WORKERS * settings.connections_per_worker + 1;
        let stats = parts.stats.clone();
        Self { slot, kit: Rc::new(Kit::new(parts)), stats, pulse, mailbox, _watch: watch }
    }

    fn report(&self) {
        let Ok(mut counters) = self.kit.counters.try_borrow_mut() else { return };
        if counters.is_empty() {
            return;
        }
        let Some(stats) = self.stats.actor() else { return };
        let report = Counted { worker: self.slot, counters: counters.take() };
        if let Err(SendError::Full(report) | SendError::Closed(report)) = stats.try_send(report) {
            *counters = report.counters;
        }
    }
}

impl Drop for Worker {
    /// What was counted since the last report is not lost with the worker.
    fn drop(&mut self) {
        self.report();
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        ctx.run_interval(BEAT_EVERY, |worker, _| {
            worker.pulse.beat(Instant::now());
            worker.report();
        });
    }
}

impl Handler<Run> for Worker {
    type Result = ();

    fn handle(&mut self, Run(job): Run, _: &mut Self::Context) {
        actix_rt::spawn(call::run(Rc::clone(&self.kit), job));
    }
}

impl Handler<Flush> for Worker {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.report();
    }
}
