//! The worker actor: takes jobs, runs each in a task of its own, and has what was
//! counted reported. How a call goes is `call`'s business.

use std::{rc::Rc, time::Duration};

use actix::prelude::*;

use super::{
    call,
    kit::{Kit, Parts},
};
use crate::{dispatch::Job, error::Error, stats::StatsCollector};

/// How often a worker reports what it counted.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// A call to run.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Run(pub(crate) Job);

/// Asks the worker to report now. Answered when the report is on its way.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// Opens the connections that this worker is to keep open, and says when they are.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
pub(crate) struct Fill;

/// One worker. It lives on an Arbiter of its own.
pub(crate) struct Worker {
    kit: Rc<Kit>,
    mailbox: usize,
    /// Tells the supervisor when this worker is gone, however it went.
    _watch: Box<dyn Send>,
}

impl Worker {
    /// `watch` was made outside the Arbiter, so that a worker that never starts is noticed too.
    pub(crate) fn new(
        slot: usize,
        parts: Parts,
        stats: Addr<StatsCollector>,
        watch: Box<dyn Send>,
    ) -> Self {
        // Every job holds a permit, so this is never full.
        let mailbox = parts.dispatcher.config.max_connections() + 1;
        Self { kit: Rc::new(Kit::new(slot, parts, stats)), mailbox, _watch: watch }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        ctx.run_interval(FLUSH_EVERY, |worker, _| worker.kit.report());
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
        self.kit.report();
    }
}

impl Handler<Fill> for Worker {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, _: Fill, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.kit.client.fill())
    }
}
