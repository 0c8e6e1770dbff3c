//! The supervisor actor. It knows every other actor; none of them knows it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
    watch,
};

use super::{
    answer::WhileAwaited,
    host::Started,
    messages::{Fetch, GetStats, OpenStream},
    restart::Restarts,
    slot::{Occupant, WorkerDown, join, worker_arbiter},
};
use crate::{
    dispatch::{
        Call, Dispatcher, Lifeline, Lost, PoolLink, Route, Routes, StartPager,
        jobs::{Fate, Loss, fate},
    },
    error::{Error, ErrorKind},
    http::Response,
    pager::PaginatedStream,
    stats::{Happened, Snapshot, Stats, StatsCollector},
    worker::{Flush, WorkerParts},
};

/// How often late and parked calls are looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long past its deadline a call may be answered by its worker, which knows
/// more about it, before the supervisor answers.
const GRACE: Duration = Duration::from_millis(20);
/// When the start of a worker is tried again for which the system had no thread.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a worker may take to report before its numbers are left out.
const REPORT_LIMIT: Duration = Duration::from_millis(250);

/// Stops all Arbiters and starts no more. The answer resolves when their threads have ended.
#[derive(Message)]
#[rtype(result = "Ended")]
pub(super) struct Retire;

pub(super) type Ended = Shared<BoxFuture<'static, ()>>;

/// Starts a pager on the thread of the worker that has the fewest.
#[derive(Message)]
#[rtype(result = "Result<Lifeline, Error>")]
pub(super) struct Start(pub(super) StartPager);

/// The actor at the root of a pool: owns the workers and answers an actix
/// application's [`messages`](crate::messages).
///
/// Its address comes from [`AwwPool::supervisor`](crate::AwwPool::supervisor); it
/// is closed once the pool is shut down or its last handle is dropped.
pub struct Supervisor {
    pub(super) dispatcher: Arc<Dispatcher>,
    parts: WorkerParts,
    stats: Addr<StatsCollector>,
    routes: watch::Sender<Routes>,
    lost: Option<mpsc::UnboundedReceiver<Lost>>,
    slots: Vec<Slot>,
    /// The thread of the token manager.
    callbacks: Option<Arbiter>,
    /// Calls that wait for a living worker.
    parked: Vec<Arc<Call>>,
    /// The threads of dead workers that are ending.
    leaving: Vec<oneshot::Receiver<()>>,
    /// Of the pagers on this thread.
    lifeline: watch::Sender<()>,
    /// Set once all workers are stopped and none is started any more.
    retired: Option<Ended>,
}

#[derive(Default)]
struct Slot {
    generation: u64,
    restarts: Restarts,
    occupant: Option<(Occupant, Arc<Route>)>,
}

impl Supervisor {
    pub(super) fn new(
        parts: WorkerParts,
        stats: Addr<StatsCollector>,
        routes: watch::Sender<Routes>,
        lost: mpsc::UnboundedReceiver<Lost>,
        callbacks: Option<Arbiter>,
    ) -> Self {
        let slots = parts.dispatcher.config.settings.workers;
        Self {
            dispatcher: Arc::clone(&parts.dispatcher),
            parts,
            stats,
            routes,
            lost: Some(lost),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            callbacks,
            parked: Vec::new(),
            leaving: Vec::new(),
            lifeline: watch::Sender::new(()),
            retired: None,
        }
    }

    /// The supervisor with a worker in each slot.
    pub(super) fn with_workers(mut self, ctx: &mut Context<Self>) -> Self {
        for index in 0..self.slots.len() {
            self.occupy(index, ctx);
        }
        self
    }

    fn occupy(&mut self, index: usize, ctx: &mut Context<Self>) {
        if self.retired.is_some() {
            return;
        }
        let arbiter = match worker_arbiter() {
            Ok(arbiter) => arbiter,
            Err(error) => {
                tracing::warn!(slot = index, %error, "no thread for a worker");
                ctx.run_later(TRY_AGAIN, move |supervisor, ctx| supervisor.occupy(index, ctx));
                return;
            }
        };
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.generation += 1;
        let (parts, stats) = (self.parts.clone(), self.stats.clone());
        let occupant = Occupant::start(
            arbiter,
            index,
            slot.generation,
            parts,
            stats,
            ctx.address().recipient(),
        );
        let route = Arc::new(occupant.route());
        slot.occupant = Some((occupant, route));
        self.publish();
        self.requeue_parked();
    }

    /// Gives calls that found no worker another try.
    fn requeue_parked(&mut self) {
        for call in std::mem::take(&mut self.parked) {
            self.requeue(call);
        }
    }

    fn requeue(&self, call: Arc<Call>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        actix_rt::spawn(async move { dispatcher.requeue(&call).await });
    }

    fn publish(&self) {
        let living = self.slots.iter().filter_map(|slot| slot.occupant.as_ref());
        self.routes.send_replace(living.map(|(_, route)| Arc::clone(route)).collect());
    }

    fn look_after_calls(&mut self) {
        self.dispatcher
            .fail_overdue(Instant::now().checked_sub(GRACE).unwrap_or_else(Instant::now));
        self.requeue_parked();
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(mut lost) = self.lost.take() {
            ctx.add_stream(futures::stream::poll_fn(move |cx| lost.poll_recv(cx)));
        }
        ctx.run_interval(TICK, |supervisor, _| supervisor.look_after_calls());
    }
}

impl Drop for Supervisor {
    /// However the supervisor ends, nobody goes on waiting, and no thread is left.
    fn drop(&mut self) {
        self.dispatcher.close_intake();
        self.dispatcher.fail_all(Error::gone);
        let occupants = self.slots.drain(..).filter_map(|slot| slot.occupant);
        for arbiter in occupants.map(|(occupant, _)| occupant.arbiter).chain(self.callbacks.take())
        {
            arbiter.stop();
        }
    }
}

impl Handler<WorkerDown> for Supervisor {
    type Result = ();

    fn handle(&mut self, down: WorkerDown, ctx: &mut Self::Context) {
        let Some(slot) =
            self.slots.get_mut(down.slot).filter(|slot| slot.generation == down.generation)
        else {
            return;
        };
        if let Some((occupant, _)) = slot.occupant.take() {
            // The actor may be gone with its thread still there.
            occupant.arbiter.stop();
            self.leaving.retain_mut(|ended| ended.try_recv() == Err(TryRecvError::Empty));
            self.leaving.push(join(vec![occupant.arbiter]));
        }
        if self.retired.is_some() {
            return;
        }
        let delay = slot.restarts.delay(Instant::now());
        tracing::warn!(
            slot = down.slot,
            generation = down.generation,
            delay_ms = delay.as_millis() as u64,
            "worker down"
        );
        self.stats.do_send(Happened::WorkerRestarted(down.slot));
        self.publish();
        if delay.is_zero() {
            self.occupy(down.slot, ctx);
        } else {
            ctx.run_later(delay, move |supervisor, ctx| supervisor.occupy(down.slot, ctx));
        }
    }
}

impl StreamHandler<Lost> for Supervisor {
    fn handle(&mut self, Lost { call, loss }: Lost, _: &mut Self::Context) {
        if call.is_cancelled() {
            return;
        }
        let max_attempts = self.dispatcher.config.settings.max_attempts;
        match fate(&call, loss, max_attempts) {
            _ if self.retired.is_some() => call.fail(Error::shutting_down()),
            Fate::Crashed => {
                call.fail(Error::new(ErrorKind::WorkerCrashed, "the worker died under this call"));
            }
            Fate::Rerun if loss == Loss::Unplaced => self.parked.push(call),
            Fate::Rerun => self.requeue(call),
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Retire> for Supervisor {
    type Result = MessageResult<Retire>;

    fn handle(&mut self, _: Retire, _: &mut Self::Context) -> Self::Result {
        if let Some(ended) = &self.retired {
            return MessageResult(ended.clone());
        }
        let occupants = self.slots.iter_mut().filter_map(|slot| slot.occupant.take());
        let arbiters: Vec<_> =
            occupants.map(|(occupant, _)| occupant.arbiter).chain(self.callbacks.take()).collect();
        for arbiter in &arbiters {
            arbiter.stop();
        }
        self.publish();
        self.leaving.push(join(arbiters));
        let ended = join_all(std::mem::take(&mut self.leaving)).map(drop).boxed().shared();
        self.retired = Some(ended.clone());
        MessageResult(ended)
    }
}

impl Handler<Start> for Supervisor {
    type Result = Result<Lifeline, Error>;

    fn handle(&mut self, Start(start): Start, _: &mut Self::Context) -> Self::Result {
        if self.retired.is_some() {
            return Err(Error::shutting_down());
        }
        let living = self.slots.iter().filter_map(|slot| slot.occupant.as_ref());
        let living = living.map(|(occupant, _)| occupant);
        match living.min_by_key(|occupant| occupant.lifeline.receiver_count()) {
            Some(occupant) => {
                occupant.arbiter.spawn_fn(start);
                Ok(occupant.lifeline.subscribe())
            }
            None => {
                start();
                Ok(self.lifeline.subscribe())
            }
        }
    }
}

impl Handler<Fetch> for Supervisor {
    type Result = WhileAwaited<Result<Response, Error>>;

    fn handle(&mut self, Fetch(request): Fetch, _: &mut Self::Context) -> Self::Result {
        let dispatcher = Arc::clone(&self.dispatcher);
        WhileAwaited(Box::pin(async move { dispatcher.call(request).await }))
    }
}

impl Handler<OpenStream> for Supervisor {
    type Result = MessageResult<OpenStream>;

    fn handle(&mut self, open: OpenStream, ctx: &mut Self::Context) -> Self::Result {
        let started =
            Started { dispatcher: Arc::clone(&self.dispatcher), supervisor: ctx.address() };
        let mut stream = PaginatedStream::get(PoolLink(Arc::new(started)), open.endpoint);
        if let Some(pages) = open.prefetch {
            stream = stream.prefetch(pages);
        }
        if let Some(paging) = open.paging {
            stream = stream.paging(paging);
        }
        if let Some(envelope) = open.envelope {
            stream = stream.envelope(envelope);
        }
        MessageResult(stream)
    }
}

impl Handler<GetStats> for Supervisor {
    type Result = ResponseFuture<Result<Stats, Error>>;

    /// Asks every worker to report first, so that what the caller has seen is counted.
    fn handle(&mut self, _: GetStats, _: &mut Self::Context) -> Self::Result {
        let living = self.slots.iter().filter_map(|slot| slot.occupant.as_ref());
        let reports: Vec<_> = living.map(|(occupant, _)| occupant.worker.send(Flush)).collect();
        let (stats, dispatcher) = (self.stats.clone(), Arc::clone(&self.dispatcher));
        Box::pin(async move {
            let _ = tokio::time::timeout(REPORT_LIMIT, join_all(reports)).await;
            let mut stats = stats.send(Snapshot).await.map_err(|_| Error::gone())?;
            dispatcher.tally().write(&mut stats);
            Ok(stats)
        })
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}
