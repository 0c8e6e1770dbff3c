//! What the supervisor does about its workers: starts them, replaces those that die or hang, moves
//! their calls, changes their number, and gives up on a slot whose workers die again and again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    actor::{Supervisor, TRY_AGAIN},
    death_watch::ActorEnded,
    heartbeat::Finding,
    messages::Resize,
    restart_backoff::Repair,
    threads::ThreadOwner,
    worker_handle::{WorkerHandle, worker_arbiter},
};
use crate::{
    config::check_workers,
    dispatch::{
        Call,
        jobs::{Loss, may_run_again},
    },
    error::{Error, ErrorKind},
    events::{Event, Outcome},
    permits::{InFlight, Stage},
    stats::Report,
};

impl Supervisor {
    /// Starts a worker in a vacant slot.
    pub(super) fn start_worker(&mut self, index: usize, ctx: &mut Context<Self>) {
        let slot = self.workers.slots.get(index);
        let is_vacant = slot.is_some_and(|slot| slot.worker.is_none() && !slot.is_given_up);
        if self.retired.is_some() || !is_vacant {
            return;
        }
        let arbiter = match worker_arbiter() {
            Ok(arbiter) => arbiter,
            Err(error) => {
                tracing::warn!(slot = index, %error, "no thread for a worker");
                ctx.run_later(TRY_AGAIN, move |supervisor, ctx| {
                    supervisor.start_worker(index, ctx)
                });
                return;
            }
        };
        let id = self.workers.next_id();
        let supervisor = ctx.address().recipient();
        let handle = WorkerHandle::start(arbiter, index, id, self.parts.clone(), supervisor);
        let slot = &mut self.workers.slots[index];
        slot.worker = Some(handle);
        if std::mem::replace(&mut slot.was_occupied, true) {
            self.dispatcher.events().emit(|| Event::WorkerRestarted { worker: index });
        }
        self.workers.publish();
        self.requeue_parked();
    }

    /// Starts a worker in every vacant slot.
    pub(super) fn occupy_all(&mut self, ctx: &mut Context<Self>) {
        for index in 0..self.workers.size() {
            self.start_worker(index, ctx);
        }
    }

    /// How many consecutive deaths are too many, and within which time.
    pub(super) fn intensity(&self) -> (u32, Duration) {
        let settings = &self.dispatcher.config.settings;
        (settings.restart_intensity, settings.restart_period)
    }

    /// Replaces `handle`, which was in slot `index`, or gives up on the slot.
    fn restart_worker(&mut self, index: usize, handle: &WorkerHandle, ctx: &mut Context<Self>) {
        self.dispatcher.events().emit(|| Event::WorkerDied { worker: index });
        let intensity = self.intensity();
        let Some(slot) = self.workers.slots.get_mut(index) else { return };
        let repair = slot.decide(handle, Instant::now(), intensity);
        self.workers.publish();
        if repair == Repair::GiveUp {
            tracing::error!(slot = index, "its workers die too often: no other is started");
            return self.fail_parked_if_given_up();
        }
        if let Some(stats) = self.parts.stats.actor() {
            stats.do_send(Report::WorkerRestarted(index));
        }
        match repair {
            Repair::After(delay) => {
                ctx.run_later(delay, move |supervisor, ctx| supervisor.start_worker(index, ctx));
            }
            Repair::AtOnce | Repair::GiveUp => self.start_worker(index, ctx),
        }
    }

    fn fail_parked_if_given_up(&mut self) {
        if self.workers.is_given_up() {
            tracing::error!("no worker is left: every call fails until the pool is resized");
            for call in std::mem::take(&mut self.parked) {
                call.fail(no_workers());
            }
        }
    }

    /// Checks the heartbeats of the workers.
    pub(super) fn look_after_workers(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.monitor.begin_round(now);
        let findings = self.workers.examine(&self.monitor, now);
        if !findings.is_empty() {
            self.workers.publish();
        }
        for (worker, finding) in findings {
            match finding {
                Finding::Blocked => {
                    tracing::warn!(worker, "a callback blocks a worker: new calls pass it by");
                    self.tell(worker, |worker| Event::WorkerBlocked { worker });
                    self.workers.cancel_pagers(worker);
                    self.suspect_callbacks(worker);
                    self.move_waiting(worker);
                }
                Finding::Back => {
                    tracing::info!(worker, "a worker that was blocked is back");
                    self.tell(worker, |worker| Event::WorkerBack { worker });
                }
                Finding::Lost => {
                    self.suspect_callbacks(worker);
                    self.abandon(worker, ctx);
                }
                Finding::Unchanged => {}
            }
        }
        self.end_finished();
        self.look_after_tokens(now, ctx);
    }

    /// Emits an event about `worker` with the number of its slot, unless it is leaving.
    fn tell(&self, worker: u64, event: impl FnOnce(usize) -> Event) {
        if let Some(slot) = self.workers.index_of(worker).flatten() {
            self.dispatcher.events().emit(|| event(slot));
        }
    }

    /// Runs callbacks elsewhere from here on if one of them may be blocking `worker`: a callback
    /// that blocked one worker may block the next, until none is left.
    fn suspect_callbacks(&self, worker: u64) {
        if self.dispatcher.blocking().is_wary() {
            return;
        }
        let stays = self.dispatcher.calls_on(worker).into_iter().map(|(_, in_flight)| in_flight);
        let mut stays = stays.chain(self.dispatcher.left_on(worker));
        if stays.any(|in_flight| in_flight.is_at(Stage::Applying)) {
            self.dispatcher.blocking().be_wary();
        }
    }

    /// Gives the calls that wait on `worker` to other workers. Calls in flight may still finish
    /// there, and a call whose callback is running may be what blocks it.
    fn move_waiting(&self, worker: u64) {
        for (call, in_flight) in self.dispatcher.calls_on(worker) {
            if in_flight.revoke_if(|stage| stage == Stage::Unsent).is_some() {
                self.requeue(call);
            }
        }
    }

    /// Replaces a worker that does not recover, and abandons its thread. Whatever that thread does
    /// later has no effect: its calls are no longer its own.
    fn abandon(&mut self, worker: u64, ctx: &mut Context<Self>) {
        let Some(index) = self.workers.index_of(worker) else { return };
        let owner = index.map_or(ThreadOwner::Leaving, ThreadOwner::WorkerSlot);
        if !self.threads.may_abandon(owner) {
            return;
        }
        let Some(handle) = self.workers.take(worker) else { return };
        tracing::warn!(worker, "a callback blocks a worker for too long: it is replaced");
        for (call, in_flight) in self.dispatcher.calls_on(worker) {
            if let Some(stage) = self.take_away(&in_flight) {
                self.move_away(call, stage);
            }
        }
        for in_flight in self.dispatcher.left_on(worker) {
            self.take_away(&in_flight);
        }
        if let Some(index) = index {
            self.restart_worker(index, &handle, ctx);
        }
        self.threads.abandon(handle.arbiter, owner);
    }

    /// Takes a call from its worker, and ends its attempts. Returns how far the call had come.
    fn take_away(&self, in_flight: &InFlight) -> Option<Stage> {
        let (stage, attempts) = in_flight.revoke_if(|stage| stage != Stage::Returned)?;
        for (attempt, since) in attempts.into_iter().flatten() {
            let (outcome, latency) = (Outcome::Cancelled, since.elapsed());
            self.dispatcher.events().emit(|| Event::AttemptEnded { attempt, outcome, latency });
            if let Some(stats) = self.parts.stats.actor() {
                stats.do_send(Report::AttemptAbandoned(attempt.worker));
            }
        }
        Some(stage)
    }

    /// Decides about a call that was taken from its worker at `stage`.
    fn move_away(&self, call: Arc<Call>, stage: Stage) {
        let blocked = |what| call.fail(Error::new(ErrorKind::Callback, what));
        match stage {
            Stage::Unsent => self.requeue(call),
            Stage::Applying => blocked("the apply callback blocked its worker for too long"),
            Stage::Answering => blocked("the worker was blocked as it delivered the response"),
            // Its response may have arrived just as it was taken away.
            Stage::Sent if !call.request.is_idempotent() => call.fail(crashed()),
            Stage::Sent | Stage::Returned => self.rescue(call, Loss::Dropped),
        }
    }

    /// Decides about a call that its worker lost, and acts on it.
    pub(super) fn rescue(&self, call: Arc<Call>, loss: Loss) {
        let max_attempts = self.dispatcher.config.settings.max_attempts;
        match may_run_again(&call, loss, max_attempts) {
            false => call.fail(crashed()),
            true if self.workers.is_given_up() => call.fail(no_workers()),
            true => self.requeue(call),
        }
    }

    /// Stops the leaving workers that have no calls left.
    fn end_finished(&mut self) {
        let finished = self.workers.take_finished();
        if !finished.is_empty() {
            self.threads.end(finished.into_iter().map(|handle| handle.arbiter).collect());
        }
    }

    /// Replaces a worker that has ended.
    pub(super) fn worker_ended(&mut self, id: u64, ctx: &mut Context<Self>) {
        let index = self.workers.index_of(id).flatten();
        let Some(handle) = self.workers.take(id) else { return };
        if self.retired.is_none() {
            tracing::warn!(worker = id, slot = index, "worker down");
            if let Some(index) = index {
                self.restart_worker(index, &handle, ctx);
            }
        }
        // The actor may have ended while its thread still runs.
        self.threads.end(vec![handle.arbiter]);
    }
}

fn crashed() -> Error {
    Error::new(ErrorKind::WorkerCrashed, "the worker died under this call")
}

fn no_workers() -> Error {
    Error::new(ErrorKind::NoWorkers, "every worker died too often, and none is left")
}

impl Handler<Resize> for Supervisor {
    type Result = Result<(), Error>;

    fn handle(&mut self, Resize(workers): Resize, ctx: &mut Self::Context) -> Self::Result {
        check_workers(workers)?;
        if self.retired.is_some() {
            return Err(Error::shutting_down());
        }
        let connections = self.dispatcher.config.settings.connections_per_worker;
        self.dispatcher.semaphore().resize(workers * connections);
        let leaving = self.workers.resize(workers);
        self.occupy_all(ctx);
        let config = &self.dispatcher.config;
        if config.settings.min_connections > 0 {
            self.workers.share_out(|slot| config.kept_connections(slot, workers));
        }
        // Once there are other workers for them.
        for worker in leaving {
            self.move_waiting(worker);
        }
        self.end_finished();
        Ok(())
    }
}

impl Handler<ActorEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, ended: ActorEnded, ctx: &mut Self::Context) {
        match ended {
            ActorEnded::Worker(id) => self.worker_ended(id, ctx),
            ActorEnded::Role(role, incarnation) => self.role_ended(role, incarnation, ctx),
            ActorEnded::Pager(id) => self.pager_ended(id),
        }
    }
}
