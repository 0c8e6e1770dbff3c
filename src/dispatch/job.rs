//! A job as it travels to a worker: a call with its permit and the duty to answer it. A job that is
//! dropped without an answer is not lost: it returns to the supervisor.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Call, jobs::Loss};
use crate::{
    error::Error,
    permits::{InFlight, Permit, Stage},
    response::Response,
};

/// Delivers a job to one worker's mailbox; a closed mailbox hands the job back.
pub(crate) type Deliver = Box<dyn Fn(Job) -> Result<(), Job> + Send + Sync>;

/// One living worker, as callers see it.
pub(crate) struct Route {
    /// The number of the worker, from 1; no other worker of the pool ever has it.
    worker: u64,
    load: Arc<Load>,
    deliver: Deliver,
}

/// The load of a worker.
#[derive(Default)]
struct Load {
    jobs: AtomicUsize,
    has_answered: AtomicBool,
}

impl Route {
    pub(crate) fn new(worker: u64, deliver: Deliver) -> Self {
        Self { worker, load: Arc::default(), deliver }
    }

    /// How many jobs this worker has.
    pub(crate) fn load(&self) -> usize {
        self.load.jobs.load(Ordering::Relaxed)
    }

    /// Whether this worker has answered a call.
    pub(crate) fn has_answered(&self) -> bool {
        self.load.has_answered.load(Ordering::Relaxed)
    }

    pub(super) fn deliver(&self, job: Job) -> Result<(), Job> {
        (self.deliver)(job)
    }
}

/// The living workers.
pub(crate) type Routes = Arc<[Arc<Route>]>;

/// Starts a pager on the current thread, and passes it a guard to keep until it ends.
pub(crate) type StartPager = Box<dyn FnOnce(PagerGuard) + Send>;

/// Kept by a pager until it ends, so that its thread ends with it.
pub(crate) type PagerGuard = Option<Box<dyn Send>>;

/// The reply to a request for a pager, once it has started.
pub(crate) type StartedPager = oneshot::Sender<Result<CancellationToken, Error>>;

/// Cancelled, by being closed, when the thread of a pager is given up. The pager may have ended
/// then, or be stuck.
pub(crate) type CancellationToken = watch::Receiver<()>;

/// What any part of the pool may request of the supervisor.
pub(crate) enum SupervisorRequest {
    /// Decide about a call that was lost with its worker.
    Rescue(Arc<Call>, Loss),
    /// Start a pager on a dedicated thread, or on a shared one.
    StartPager { start: StartPager, is_alone: bool, started: StartedPager },
}

/// A call on its way to a worker and there: its permit, and the duty to answer it. If it is dropped
/// without an answer, the supervisor is notified; without a supervisor it answers with an error.
/// Once the call is taken away, the duty belongs to another.
pub(crate) struct Job {
    call: Option<Arc<Call>>,
    in_flight: Arc<InFlight>,
    supervisor: mpsc::UnboundedSender<SupervisorRequest>,
    load: Option<Arc<Load>>,
}

impl Job {
    pub(super) fn new(
        call: &Arc<Call>,
        permit: Permit,
        supervisor: &mpsc::UnboundedSender<SupervisorRequest>,
    ) -> Self {
        let in_flight = Arc::new(InFlight::new(permit));
        call.move_to(&in_flight);
        let (call, supervisor) = (Some(Arc::clone(call)), supervisor.clone());
        Self { call, in_flight, supervisor, load: None }
    }

    /// Counts the job for a worker, as long as the job exists.
    pub(super) fn enter(&mut self, route: &Route) {
        self.in_flight.place_on(route.worker);
        route.load.jobs.fetch_add(1, Ordering::Relaxed);
        self.load = Some(Arc::clone(&route.load));
    }

    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.call.as_ref()
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    /// Whether this worker must still answer. If so, nobody can take the call away any more.
    pub(crate) fn claim(&self) -> bool {
        self.in_flight.go_on_to(Stage::Answering).is_ok()
    }

    /// Answers the call.
    pub(crate) fn answer(mut self, result: Result<Response, Error>) {
        if let Some(call) = self.call.take().filter(|_| self.claim()) {
            if let Some(load) = &self.load {
                load.has_answered.store(true, Ordering::Relaxed);
            }
            call.answer(result);
        }
    }

    /// Leaves the call to the supervisor.
    pub(super) fn hand_over(&mut self, loss: Loss) {
        self.leave_route();
        let Some(call) = self.call.take() else { return };
        if self.in_flight.go_on_to(Stage::Returned).is_err() || call.is_cancelled() {
            return;
        }
        if self.supervisor.send(SupervisorRequest::Rescue(Arc::clone(&call), loss)).is_err() {
            call.fail(Error::gone());
        }
    }

    pub(super) fn leave_route(&mut self) {
        if let Some(load) = self.load.take() {
            load.jobs.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.hand_over(if std::thread::panicking() { Loss::Panicked } else { Loss::Dropped });
    }
}
