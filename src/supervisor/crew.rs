//! The workers of a pool as one value: who is where, and the route table that callers
//! choose from. Decides nothing about calls and starts no thread.

use std::time::Instant;

use actix::prelude::*;
use tokio::sync::watch;

use super::{
    heartbeat::{Finding, Patience},
    slot::{Occupant, Slot, State},
};
use crate::{
    dispatch::Routes,
    worker::{Keep, Worker},
};

/// The workers, those that are to stay and those that are to leave.
pub(super) struct Crew {
    pub(super) slots: Vec<Slot>,
    /// Workers without a slot that still have calls.
    draining: Vec<Occupant>,
    routes: watch::Sender<Routes>,
    /// How many workers were started so far.
    started: u64,
}

impl Crew {
    /// `size` vacant slots.
    pub(super) fn new(size: usize, routes: watch::Sender<Routes>) -> Self {
        let slots = (0..size).map(|_| Slot::default()).collect();
        Self { slots, draining: Vec::new(), routes, started: 0 }
    }

    /// How many workers there are to be.
    pub(super) fn size(&self) -> usize {
        self.slots.len()
    }

    /// How many workers take new calls.
    pub(super) fn serving(&self) -> usize {
        self.routes.borrow().len()
    }

    /// Whether no worker is left, and none will be.
    pub(super) fn is_given_up(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.state, State::GivenUp))
    }

    /// A number for the next worker, from 1.
    pub(super) fn next_id(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// Every worker that was started and is not known to be dead.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Addr<Worker>> {
        let staying = self.slots.iter().filter_map(Slot::occupant);
        staying.chain(&self.draining).map(|occupant| &occupant.worker)
    }

    /// Tells callers which workers take calls.
    pub(super) fn publish(&self) {
        self.routes.send_replace(self.well().map(|occupant| occupant.route.clone()).collect());
    }

    /// The slot of worker `id`, `Some(None)` for one that is to leave.
    pub(super) fn index_of(&self, id: u64) -> Option<Option<usize>> {
        let is_it = |occupant: &Occupant| occupant.id == id;
        let index = self.slots.iter().position(|slot| slot.occupant().is_some_and(is_it));
        (index.is_some() || self.draining.iter().any(is_it)).then_some(index)
    }

    /// Takes worker `id` out.
    pub(super) fn take(&mut self, id: u64) -> Option<Occupant> {
        match self.index_of(id)? {
            Some(index) => self.slots[index].vacate(),
            None => {
                let at = self.draining.iter().position(|occupant| occupant.id == id)?;
                Some(self.draining.swap_remove(at))
            }
        }
    }

    /// Gives up the pagers on the thread of worker `id`.
    pub(super) fn cut_lifeline(&mut self, id: u64) {
        let mut staying = self.slots.iter_mut().filter_map(Slot::occupant_mut);
        if let Some(occupant) = staying.find(|occupant| occupant.id == id) {
            occupant.cut_lifeline();
        }
    }

    /// The workers that take new calls.
    pub(super) fn well(&self) -> impl Iterator<Item = &Occupant> {
        let staying = self.slots.iter().filter_map(Slot::occupant);
        staying.filter(|occupant| !occupant.heart.is_blocked())
    }

    /// The worker whose thread has the fewest pagers, if one takes calls.
    pub(super) fn least_paging(&self) -> Option<&Occupant> {
        self.well().min_by_key(|occupant| occupant.lifeline.receiver_count())
    }

    /// Takes all workers out.
    pub(super) fn take_all(&mut self) -> Vec<Occupant> {
        let staying = self.slots.iter_mut().filter_map(Slot::vacate);
        let all = staying.chain(self.draining.drain(..)).collect();
        self.publish();
        all
    }

    /// Takes those out who were to leave and have no calls left.
    pub(super) fn take_drained(&mut self) -> Vec<Occupant> {
        let is_done = |occupant: &mut Occupant| occupant.route.in_flight() == 0;
        self.draining.extract_if(.., is_done).collect()
    }

    /// Makes room for `size` workers. Slots that were given up get another chance. Returns
    /// those who are to leave.
    pub(super) fn resize(&mut self, size: usize) -> Vec<u64> {
        let leaving = self.slots.drain(size.min(self.slots.len())..);
        let mut leaving: Vec<_> = leaving.filter_map(|mut slot| slot.vacate()).collect();
        leaving.iter_mut().for_each(Occupant::cut_lifeline);
        let ids = leaving.iter().map(|occupant| occupant.id).collect();
        self.draining.extend(leaving);
        for slot in &mut self.slots {
            if matches!(slot.state, State::GivenUp) {
                *slot = Slot::default();
            }
        }
        self.slots.resize_with(size, Slot::default);
        self.publish();
        ids
    }

    /// Tells each worker how many connections it is to keep open: one in a slot what `share`
    /// says of it, one that is to leave none.
    pub(super) fn share_out(&self, share: impl Fn(usize) -> usize) {
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(occupant) = slot.occupant() {
                occupant.worker.do_send(Keep(share(index)));
            }
        }
        for leaving in &self.draining {
            leaving.worker.do_send(Keep(0));
        }
    }

    /// Looks at every worker's pulse, and returns what has changed.
    pub(super) fn examine(
        &mut self,
        excused: Instant,
        now: Instant,
        patience: Patience,
    ) -> Vec<(u64, Finding)> {
        let staying = self.slots.iter_mut().filter_map(Slot::occupant_mut);
        let findings = staying.chain(&mut self.draining).map(|occupant| {
            let last = occupant.pulse.last();
            (occupant.id, occupant.heart.examine(last, excused, now, patience))
        });
        findings.filter(|(_, finding)| *finding != Finding::Unchanged).collect()
    }
}
