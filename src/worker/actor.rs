//! The worker actor: takes jobs, runs each in a task of its own, sends heartbeats, and reports its
//! counts. How a call runs is `call`'s business.

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    call,
    context::{WorkerContext, WorkerParts},
};
use crate::{
    actors::{BEAT_EVERY, Heartbeat},
    config::MAX_WORKERS,
    dispatch::Job,
    error::Error,
};

/// A call to run.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Run(pub(crate) Job);

/// Requests a report. The response comes when the report is on its way.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Flush;

/// Opens the minimum of connections of this worker, and responds when they are open.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
pub(crate) struct Fill;

/// Sets how many connections this worker keeps open from here on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Keep(pub(crate) usize);

/// One worker. It runs on an Arbiter of its own.
pub(crate) struct Worker {
    context: Rc<WorkerContext>,
    heartbeat: Arc<Heartbeat>,
    mailbox: usize,
    /// Notifies the supervisor when this worker has ended, however it ended.
    _watch: Box<dyn Send>,
}

impl Worker {
    /// `watch` was made outside the Arbiter, so that a worker that never starts is noticed too.
    pub(crate) fn new(
        slot: usize,
        parts: WorkerParts,
        heartbeat: Arc<Heartbeat>,
        watch: Box<dyn Send>,
    ) -> Self {
        // Every job holds a permit, so this is never full, whatever size the pool gets.
        let settings = &parts.dispatcher.config.settings;
        let mailbox = MAX_WORKERS * settings.connections_per_worker + 1;
        Self {
            context: Rc::new(WorkerContext::new(slot, parts)),
            heartbeat,
            mailbox,
            _watch: watch,
        }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        ctx.run_interval(BEAT_EVERY, |worker, _| {
            worker.heartbeat.beat(Instant::now());
            worker.context.report();
        });
    }
}

impl Handler<Run> for Worker {
    type Result = ();

    fn handle(&mut self, Run(job): Run, _: &mut Self::Context) {
        // Boxed, since a spawned task is moved half a dozen times.
        actix_rt::spawn(Box::pin(call::run(Rc::clone(&self.context), job)));
    }
}

impl Handler<Flush> for Worker {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.context.report();
    }
}

impl Handler<Fill> for Worker {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, _: Fill, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.context.client.fill())
    }
}

impl Handler<Keep> for Worker {
    type Result = ();

    fn handle(&mut self, Keep(connections): Keep, _: &mut Self::Context) {
        self.context.client.keep(connections);
    }
}
