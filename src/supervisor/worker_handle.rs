//! A worker as the supervisor sees it, and its slot: the history of the workers there.

use std::{io, sync::Arc, thread, time::Instant};

use actix::prelude::*;
use tokio::{runtime, sync::watch};

use super::{
    death_watch::{ActorEnded, DeathWatch},
    restart_backoff::{Repair, Restarts},
};
use crate::{
    actors::Heartbeat,
    dispatch::{Job, Route},
    user_value::mark_own_thread,
    worker::{Run, Worker, WorkerParts},
};

/// A worker that was started and is not known to be dead.
pub(super) struct WorkerHandle {
    pub(super) id: u64,
    pub(super) arbiter: Arbiter,
    pub(super) worker: Addr<Worker>,
    pub(super) route: Arc<Route>,
    pub(super) heartbeat: Arc<Heartbeat>,
    pub(super) is_blocked: bool,
    /// Cancels the pagers on the worker's thread.
    pub(super) pagers: watch::Sender<()>,
}

impl WorkerHandle {
    /// Starts worker `id` on `arbiter`; `supervisor` is notified of its end. Its numbers are
    /// counted under `slot`.
    pub(super) fn start(
        arbiter: Arbiter,
        slot: usize,
        id: u64,
        parts: WorkerParts,
        supervisor: Recipient<ActorEnded>,
    ) -> Self {
        // Made here and not in the closure: an Arbiter that is already dead drops
        // the closure, and with it the watch.
        let watch = DeathWatch { supervisor, news: ActorEnded::Worker(id) };
        let heartbeat = Arc::new(Heartbeat::new(Instant::now()));
        let own = Arc::clone(&heartbeat);
        let worker = Worker::start_in_arbiter(&arbiter.handle(), move |_| {
            Worker::new(slot, parts, own, Box::new(watch))
        });
        let to = worker.clone();
        let deliver = move |job: Job| {
            to.try_send(Run(job)).map_err(|refused| {
                let (SendError::Full(Run(job)) | SendError::Closed(Run(job))) = refused;
                job
            })
        };
        let route = Arc::new(Route::new(id, Box::new(deliver)));
        let pagers = watch::Sender::new(());
        Self { id, arbiter, worker, route, heartbeat, is_blocked: false, pagers }
    }

    /// Gives up the pagers on this thread: their readers start others elsewhere.
    pub(super) fn cancel_pagers(&mut self) {
        self.pagers = watch::Sender::new(());
    }
}

/// A thread for a worker. It yields before it sleeps: a consumer on the same core then goes on
/// until it has used up its data, and is not interrupted by each response that arrives meanwhile.
/// On a core of its own this costs a look at the run queue.
pub(super) fn worker_arbiter() -> io::Result<Arbiter> {
    Arbiter::try_with_tokio_rt(|| {
        mark_own_thread();
        runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(thread::yield_now)
            .build()
    })
}

/// The slot of one worker.
#[derive(Default)]
pub(super) struct WorkerSlot {
    /// `None` until its next worker is started.
    pub(super) worker: Option<WorkerHandle>,
    restarts: Restarts,
    /// Whether there was a worker here before.
    pub(super) was_occupied: bool,
    /// Whether no further worker is started, because they died too often.
    pub(super) is_given_up: bool,
}

impl WorkerSlot {
    /// Decides about the death of `worker`, which was in this slot.
    pub(super) fn decide(
        &mut self,
        worker: &WorkerHandle,
        now: Instant,
        intensity: (u32, std::time::Duration),
    ) -> Repair {
        let repair = self.restarts.died(now, worker.route.has_answered(), intensity);
        self.is_given_up = repair == Repair::GiveUp;
        repair
    }
}
