//! What travels to a worker: a job with the permit it runs on and the duty to answer
//! it. A duty that is dropped undone does not vanish: it comes back to the supervisor.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Call, jobs::Loss};
use crate::{error::Error, http::Response};

/// Takes a job to one worker's mailbox; a mailbox that is gone hands the job back.
pub(crate) type Deliver = Box<dyn Fn(Job) -> Result<(), Job> + Send + Sync>;

/// One living worker, as callers see it.
pub(crate) struct Route {
    in_flight: Arc<AtomicUsize>,
    deliver: Deliver,
}

impl Route {
    pub(crate) fn new(deliver: Deliver) -> Self {
        Self { in_flight: Arc::default(), deliver }
    }

    /// How many jobs this worker has.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn deliver(&self, job: Job) -> Result<(), Job> {
        (self.deliver)(job)
    }
}

/// The living workers.
pub(crate) type Routes = Arc<[Arc<Route>]>;

/// A call that was lost with its worker.
pub(crate) struct Lost {
    pub(crate) call: Arc<Call>,
    pub(crate) loss: Loss,
}

/// What a worker gets: a call, the permit it may run on, and the duty to answer.
pub(crate) struct Job {
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) ticket: Ticket,
}

/// The duty to answer a call. Dropped without an answer, it tells the supervisor;
/// if there is none any more, it answers by itself.
pub(crate) struct Ticket {
    call: Option<Arc<Call>>,
    lost: mpsc::UnboundedSender<Lost>,
    in_flight: Option<Arc<AtomicUsize>>,
}

impl Ticket {
    pub(super) fn new(call: Arc<Call>, lost: mpsc::UnboundedSender<Lost>) -> Self {
        Self { call: Some(call), lost, in_flight: None }
    }

    /// Counts the job with a worker, as long as the ticket lives.
    pub(super) fn enter(&mut self, route: &Route) {
        route.in_flight.fetch_add(1, Ordering::Relaxed);
        self.in_flight = Some(Arc::clone(&route.in_flight));
    }

    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.call.as_ref()
    }

    /// Answers the call.
    pub(crate) fn answer(mut self, result: Result<Response, Error>) {
        if let Some(call) = self.call.take() {
            call.answer(result);
        }
    }

    pub(super) fn hand_over(&mut self, loss: Loss) {
        self.leave_route();
        let Some(call) = self.call.take().filter(|call| !call.is_cancelled()) else { return };
        if let Err(mpsc::error::SendError(Lost { call, .. })) = self.lost.send(Lost { call, loss })
        {
            call.fail(Error::gone());
        }
    }

    pub(super) fn leave_route(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.hand_over(if std::thread::panicking() { Loss::Panicked } else { Loss::Dropped });
    }
}
