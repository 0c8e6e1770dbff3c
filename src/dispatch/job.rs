//! What travels to a worker: a job with the permit it runs on and the duty to answer
//! it. A duty that is dropped undone does not vanish: it comes back to the supervisor.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::{
    Call,
    jobs::Loss,
    link::{StartPager, StartedPager},
};
use crate::{
    error::Error,
    permits::{InFlight, Permit, Stage},
    response::Response,
};

/// Takes a job to one worker's mailbox; a mailbox that is gone hands the job back.
pub(crate) type Deliver = Box<dyn Fn(Job) -> Result<(), Job> + Send + Sync>;

/// One living worker, as callers see it.
pub(crate) struct Route {
    /// The number of the worker, from 1; no other worker of the pool ever has it.
    worker: u64,
    load: Arc<Load>,
    deliver: Deliver,
}

/// What a worker has to do and has done.
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

/// What anybody in the pool may ask of the supervisor.
pub(crate) enum SupervisorRequest {
    /// To decide about a call that was lost with its worker.
    Rescue(Arc<Call>, Loss),
    /// To start a pager on a thread of its own, or with those of others.
    StartPager { start: StartPager, is_alone: bool, started: StartedPager },
}

/// A call on its way to a worker and there: its permit, and the duty to answer it. Dropped without
/// an answer, it tells the supervisor; if there is none any more, it answers by itself. Once the
/// call is taken away, the duty is another's.
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

    /// Counts the job with a worker, as long as it lives.
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

    /// Whether the duty is still this worker's. If so, nobody takes it away any more.
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
