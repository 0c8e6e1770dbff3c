//! The workers of a pool as one value: their slots, and the route table from which callers
//! choose. Decides nothing about calls and starts no thread.

use std::time::Instant;

use actix::prelude::*;
use tokio::sync::watch;

use super::{
    heartbeat::{Finding, HeartbeatMonitor},
    worker_handle::{WorkerHandle, WorkerSlot},
};
use crate::{
    dispatch::Routes,
    worker::{Keep, Worker},
};

/// The workers, those that stay and those that leave.
pub(super) struct Workers {
    pub(super) slots: Vec<WorkerSlot>,
    /// Workers without a slot that still have calls.
    leaving: Vec<WorkerHandle>,
    routes: watch::Sender<Routes>,
    /// How many workers were started so far.
    started: u64,
}

impl Workers {
    /// `size` vacant slots.
    pub(super) fn new(size: usize, routes: watch::Sender<Routes>) -> Self {
        let slots = (0..size).map(|_| WorkerSlot::default()).collect();
        Self { slots, leaving: Vec::new(), routes, started: 0 }
    }

    /// The configured number of workers.
    pub(super) fn size(&self) -> usize {
        self.slots.len()
    }

    /// How many workers accept new calls.
    pub(super) fn serving(&self) -> usize {
        self.routes.borrow().len()
    }

    /// Whether no worker is left, and none will be started.
    pub(super) fn is_given_up(&self) -> bool {
        self.slots.iter().all(|slot| slot.is_given_up)
    }

    /// A number for the next worker or pager, from 1.
    pub(super) fn next_id(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// Every worker that was started and is not known to be dead.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Addr<Worker>> {
        let staying = self.slots.iter().filter_map(|slot| slot.worker.as_ref());
        staying.chain(&self.leaving).map(|handle| &handle.worker)
    }

    /// Publishes which workers accept calls.
    pub(super) fn publish(&self) {
        self.routes.send_replace(self.well().map(|handle| handle.route.clone()).collect());
    }

    /// The slot of worker `id`, `Some(None)` for a leaving worker.
    pub(super) fn index_of(&self, id: u64) -> Option<Option<usize>> {
        let is_it = |handle: &WorkerHandle| handle.id == id;
        let index = self.slots.iter().position(|slot| slot.worker.as_ref().is_some_and(is_it));
        (index.is_some() || self.leaving.iter().any(is_it)).then_some(index)
    }

    /// Removes worker `id`.
    pub(super) fn take(&mut self, id: u64) -> Option<WorkerHandle> {
        match self.index_of(id)? {
            Some(index) => self.slots[index].worker.take(),
            None => {
                let at = self.leaving.iter().position(|handle| handle.id == id)?;
                Some(self.leaving.swap_remove(at))
            }
        }
    }

    /// Gives up the pagers on the thread of worker `id`.
    pub(super) fn cancel_pagers(&mut self, id: u64) {
        let mut staying = self.slots.iter_mut().filter_map(|slot| slot.worker.as_mut());
        if let Some(handle) = staying.find(|handle| handle.id == id) {
            handle.cancel_pagers();
        }
    }

    /// The workers that accept new calls.
    pub(super) fn well(&self) -> impl Iterator<Item = &WorkerHandle> {
        let staying = self.slots.iter().filter_map(|slot| slot.worker.as_ref());
        staying.filter(|handle| !handle.is_blocked)
    }

    /// Removes all workers.
    pub(super) fn take_all(&mut self) -> Vec<WorkerHandle> {
        let staying = self.slots.iter_mut().filter_map(|slot| slot.worker.take());
        let all = staying.chain(self.leaving.drain(..)).collect();
        self.publish();
        all
    }

    /// Removes the leaving workers that have no calls left.
    pub(super) fn take_finished(&mut self) -> Vec<WorkerHandle> {
        let is_done = |handle: &mut WorkerHandle| handle.route.load() == 0;
        self.leaving.extract_if(.., is_done).collect()
    }

    /// Makes room for `size` workers. Slots that were given up get another chance. Returns
    /// the workers that must leave.
    pub(super) fn resize(&mut self, size: usize) -> Vec<u64> {
        let leaving = self.slots.drain(size.min(self.slots.len())..);
        let mut leaving: Vec<_> = leaving.filter_map(|slot| slot.worker).collect();
        leaving.iter_mut().for_each(WorkerHandle::cancel_pagers);
        let ids = leaving.iter().map(|handle| handle.id).collect();
        self.leaving.extend(leaving);
        for slot in &mut self.slots {
            if slot.is_given_up {
                *slot = WorkerSlot::default();
            }
        }
        self.slots.resize_with(size, WorkerSlot::default);
        self.publish();
        ids
    }

    /// Sets how many connections each worker keeps open: the `share` of its slot, or none for a
    /// leaving worker.
    pub(super) fn share_out(&self, share: impl Fn(usize) -> usize) {
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(handle) = &slot.worker {
                handle.worker.do_send(Keep(share(index)));
            }
        }
        for leaving in &self.leaving {
            leaving.worker.do_send(Keep(0));
        }
    }

    /// Checks the heartbeat of every worker, and returns what has changed.
    pub(super) fn examine(
        &mut self,
        monitor: &HeartbeatMonitor,
        now: Instant,
    ) -> Vec<(u64, Finding)> {
        let staying = self.slots.iter_mut().filter_map(|slot| slot.worker.as_mut());
        let findings = staying.chain(&mut self.leaving).map(|handle| {
            let last = handle.heartbeat.last();
            (handle.id, monitor.examine(&mut handle.is_blocked, last, now))
        });
        findings.filter(|(_, finding)| *finding != Finding::Unchanged).collect()
    }
}
