//! What travels to a worker: a job with the permit it runs on and the duty to answer
//! it. A duty that is dropped undone does not vanish: it comes back to the supervisor.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::{Call, jobs::Loss};
use crate::{
    error::Error,
    response::Response,
    seats::{Capacity, Permit, Seat, Stage},
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
    in_flight: AtomicUsize,
    has_answered: AtomicBool,
}

impl Route {
    pub(crate) fn new(worker: u64, deliver: Deliver) -> Self {
        Self { worker, load: Arc::default(), deliver }
    }

    /// How many jobs this worker has.
    pub(crate) fn in_flight(&self) -> usize {
        self.load.in_flight.load(Ordering::Relaxed)
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

/// A call that was lost with its worker.
pub(crate) struct Lost {
    pub(crate) call: Arc<Call>,
    pub(crate) loss: Loss,
}

/// What a worker gets: a call's seat with the permit it may run on, and the duty to answer.
pub(crate) struct Job {
    pub(crate) seat: Arc<Seat>,
    pub(crate) ticket: Ticket,
}

impl Job {
    pub(super) fn new(
        call: &Arc<Call>,
        permit: Permit,
        capacity: &Arc<Capacity>,
        lost: &mpsc::UnboundedSender<Lost>,
    ) -> Self {
        let seat = Arc::new(Seat::new(Arc::clone(capacity), permit));
        call.sit_on(&seat);
        let ticket = Ticket {
            call: Some(Arc::clone(call)),
            seat: Arc::clone(&seat),
            lost: lost.clone(),
            load: None,
        };
        Self { seat, ticket }
    }
}

/// The duty to answer a call. Dropped without an answer, it tells the supervisor;
/// if there is none any more, it answers by itself. With its seat the duty goes.
pub(crate) struct Ticket {
    call: Option<Arc<Call>>,
    seat: Arc<Seat>,
    lost: mpsc::UnboundedSender<Lost>,
    load: Option<Arc<Load>>,
}

impl Ticket {
    /// Counts the job with a worker, as long as the ticket lives.
    pub(super) fn enter(&mut self, route: &Route) {
        self.seat.place_on(route.worker);
        route.load.in_flight.fetch_add(1, Ordering::Relaxed);
        self.load = Some(Arc::clone(&route.load));
    }

    pub(crate) fn call(&self) -> Option<&Arc<Call>> {
        self.call.as_ref()
    }

    /// Whether the duty is still this worker's. If so, nobody takes it away any more.
    pub(crate) fn claim(&self) -> bool {
        self.seat.go_on_to(Stage::Answering).is_ok()
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

    pub(super) fn hand_over(&mut self, loss: Loss) {
        self.leave_route();
        let Some(call) = self.call.take() else { return };
        if self.seat.go_on_to(Stage::Returned).is_err() || call.is_cancelled() {
            return;
        }
        if let Err(mpsc::error::SendError(Lost { call, .. })) = self.lost.send(Lost { call, loss })
        {
            call.fail(Error::gone());
        }
    }

    pub(super) fn leave_route(&mut self) {
        if let Some(load) = self.load.take() {
            load.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.hand_over(if std::thread::panicking() { Loss::Panicked } else { Loss::Dropped });
    }
}
