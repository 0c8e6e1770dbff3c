//! One worker's place: who is in it, what it went through, and the watch over the end
//! of every actor.

use std::{io, sync::Arc, thread, time::Instant};

use actix::prelude::*;
use tokio::{runtime, sync::watch};

use super::{
    heartbeat::Heart,
    restart::{Intensity, Repair, Restarts},
};
use crate::{
    actors::Pulse,
    aside::claim_this_thread,
    dispatch::{Job, Route},
    worker::{Run, Worker, WorkerParts},
};

/// A worker is gone.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct WorkerDown {
    /// The worker's number, which no other worker has or had.
    pub(super) id: u64,
}

/// A worker that was started and is not known to be dead.
pub(super) struct Occupant {
    pub(super) id: u64,
    pub(super) arbiter: Arbiter,
    pub(super) worker: Addr<Worker>,
    pub(super) route: Arc<Route>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) heart: Heart,
    /// Of the pagers that live on the worker's thread.
    pub(super) lifeline: watch::Sender<()>,
}

impl Occupant {
    /// Starts worker `id` on `arbiter`, and `supervisor` hears of its end. `slot` is what
    /// its numbers are counted under.
    pub(super) fn start(
        arbiter: Arbiter,
        slot: usize,
        id: u64,
        parts: WorkerParts,
        supervisor: Recipient<WorkerDown>,
    ) -> Self {
        // Made here and not in the closure: an Arbiter that is already dead drops
        // the closure, and with it the watch.
        let watch = Watch { supervisor, news: WorkerDown { id } };
        let pulse = Arc::new(Pulse::new(Instant::now()));
        let own = Arc::clone(&pulse);
        let worker = Worker::start_in_arbiter(&arbiter.handle(), move |_| {
            Worker::new(slot, parts, own, Box::new(watch))
        });
        let route = Arc::new(route(id, worker.clone()));
        let lifeline = watch::Sender::new(());
        Self { id, arbiter, worker, route, pulse, heart: Heart::default(), lifeline }
    }

    /// Gives up the pagers on this thread: whoever reads by them starts others elsewhere.
    pub(super) fn cut_lifeline(&mut self) {
        self.lifeline = watch::Sender::new(());
    }
}

pub(super) fn route<A>(id: u64, worker: Addr<A>) -> Route
where
    A: Actor<Context = Context<A>> + Handler<Run>,
{
    Route::new(
        id,
        Box::new(move |job: Job| {
            worker.try_send(Run(job)).map_err(|refused| {
                let (SendError::Full(Run(job)) | SendError::Closed(Run(job))) = refused;
                job
            })
        }),
    )
}

/// A thread for a worker. Before it sleeps it lets others run: a consumer that shares its core
/// then goes on until it has used up what it has, and is not interrupted by each answer that
/// comes meanwhile. On a core of its own that costs a look at the run queue.
pub(super) fn worker_arbiter() -> io::Result<Arbiter> {
    Arbiter::try_with_tokio_rt(|| {
        claim_this_thread();
        runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(thread::yield_now)
            .build()
    })
}

/// The place of one worker.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) state: State,
    restarts: Restarts,
    /// Whether a worker was here before.
    pub(super) was_occupied: bool,
}

#[derive(Default)]
pub(super) enum State {
    /// Its worker is about to be started.
    #[default]
    Vacant,
    Occupied(Occupant),
    /// Its workers died too often.
    GivenUp,
}

impl Slot {
    pub(super) fn occupant(&self) -> Option<&Occupant> {
        match &self.state {
            State::Occupied(occupant) => Some(occupant),
            State::Vacant | State::GivenUp => None,
        }
    }

    pub(super) fn occupant_mut(&mut self) -> Option<&mut Occupant> {
        match &mut self.state {
            State::Occupied(occupant) => Some(occupant),
            State::Vacant | State::GivenUp => None,
        }
    }

    /// Takes the occupant out, which leaves the slot vacant.
    pub(super) fn vacate(&mut self) -> Option<Occupant> {
        match std::mem::take(&mut self.state) {
            State::Occupied(occupant) => Some(occupant),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Decides about the death of `occupant`, who was in this slot.
    pub(super) fn decide(
        &mut self,
        occupant: &Occupant,
        now: Instant,
        intensity: Intensity,
    ) -> Repair {
        let repair = self.restarts.died(now, occupant.route.has_answered(), intensity);
        if repair == Repair::GiveUp {
            self.state = State::GivenUp;
        }
        repair
    }
}

/// Reports the end of an actor when it is dropped with it.
pub(super) struct Watch<M>
where
    M: Message<Result = ()> + Copy + Send + 'static,
{
    pub(super) supervisor: Recipient<M>,
    pub(super) news: M,
}

impl<M> Drop for Watch<M>
where
    M: Message<Result = ()> + Copy + Send + 'static,
{
    fn drop(&mut self) {
        self.supervisor.do_send(self.news);
    }
}
