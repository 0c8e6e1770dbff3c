//! One worker's place: its Arbiter, its address and the watch over its life, and
//! the end of its thread.

use std::{io, thread};

use actix::prelude::*;
use tokio::{
    runtime,
    sync::{oneshot, watch},
};

use crate::{
    dispatch::{Job, Route},
    stats::StatsCollector,
    worker::{Run, Worker, WorkerParts},
};

/// A worker is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WorkerDown {
    pub(super) slot: usize,
    pub(super) generation: u64,
}

/// A living worker.
pub(super) struct Occupant {
    pub(super) arbiter: Arbiter,
    pub(super) worker: Addr<Worker>,
    /// Of the pagers that live on the worker's thread.
    pub(super) lifeline: watch::Sender<()>,
}

impl Occupant {
    /// Starts a worker on `arbiter`, and `supervisor` hears of its end.
    pub(super) fn start(
        arbiter: Arbiter,
        slot: usize,
        generation: u64,
        parts: WorkerParts,
        stats: Addr<StatsCollector>,
        supervisor: Recipient<WorkerDown>,
    ) -> Self {
        // Made here and not in the closure: an Arbiter that is already dead drops
        // the closure, and with it the watch.
        let watch = Watch { slot, generation, supervisor };
        let worker = Worker::start_in_arbiter(&arbiter.handle(), move |_| {
            Worker::new(slot, parts, stats, Box::new(watch))
        });
        Self { arbiter, worker, lifeline: watch::Sender::new(()) }
    }

    pub(super) fn route(&self) -> Route {
        let worker = self.worker.clone();
        Route::new(Box::new(move |job: Job| {
            worker.try_send(Run(job)).map_err(|refused| {
                let (SendError::Full(Run(job)) | SendError::Closed(Run(job))) = refused;
                job
            })
        }))
    }
}

/// A thread for a worker. Before it sleeps it lets others run: a consumer that shares its core
/// then goes on until it has used up what it has, and is not interrupted by each answer that
/// comes meanwhile. On a core of its own that costs a look at the run queue.
pub(super) fn worker_arbiter() -> io::Result<Arbiter> {
    Arbiter::try_with_tokio_rt(|| {
        runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(thread::yield_now)
            .build()
    })
}

/// Joins the threads of stopped Arbiters, on a thread of its own: one that a callback
/// blocks must not hold up the end of this thread's runtime, which waits for its
/// blocking tasks. Resolves when they have ended.
pub(super) fn join(arbiters: Vec<Arbiter>) -> oneshot::Receiver<()> {
    let (end, ended) = oneshot::channel();
    let join = move || {
        arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
        drop(end);
    };
    if let Err(error) = thread::Builder::new().name("vantage-api-pool".into()).spawn(join) {
        tracing::warn!(%error, "no thread to wait for a worker's end");
    }
    ended
}

/// Reports the end of a worker when it is dropped with it.
struct Watch {
    slot: usize,
    generation: u64,
    supervisor: Recipient<WorkerDown>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.supervisor.do_send(WorkerDown { slot: self.slot, generation: self.generation });
    }
}
