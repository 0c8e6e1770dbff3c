//! What a process does just now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vantage_api_ingest::Job;

use crate::store::Claimed;

/// The units that a process works on.
#[derive(Debug, Default)]
pub(super) struct Running {
    units: Mutex<Units>,
}

#[derive(Debug, Default)]
struct Units {
    begun: HashMap<i64, Option<Begun>>,
    /// Those whose work was dropped before its end, with their epochs.
    dropped: Vec<(i64, i64)>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Begun {
    epoch: i64,
    job: Arc<Job>,
}

/// A unit that is worked on, until this is dropped.
#[derive(Debug)]
pub(super) struct RunningUnit {
    running: Arc<Running>,
    unit: i64,
    epoch: Option<i64>,
}

impl Running {
    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with a unit, unless it has begun, or nothing is to begin any more.
    pub(super) fn begin(self: &Arc<Self>, unit: i64) -> Option<RunningUnit> {
        let mut units = self.units();
        if units.is_stopping || units.begun.contains_key(&unit) {
            return None;
        }
        units.begun.insert(unit, None);
        Some(RunningUnit { running: Arc::clone(self), unit, epoch: None })
    }

    /// The units that it has begun with, claimed or not yet.
    pub(super) fn begun(&self) -> Vec<i64> {
        self.units().begun.keys().copied().collect()
    }

    /// The units that are claimed, with their epochs.
    pub(super) fn claimed(&self) -> Vec<(i64, i64)> {
        let units = self.units();
        let claimed = |(unit, begun): (&i64, &Option<Begun>)| Some((*unit, begun.as_ref()?.epoch));
        units.begun.iter().filter_map(claimed).collect()
    }

    /// Stops those that others have by now, or that are held.
    pub(super) fn stop(&self, lost: &[i64]) {
        let units = self.units();
        let lost = lost.iter().filter_map(|unit| units.begun.get(unit)?.as_ref());
        lost.for_each(|begun| begun.job.stop());
    }

    /// Stops all, and begins none any more.
    pub(super) fn stop_all(&self) {
        let mut units = self.units();
        units.is_stopping = true;
        units.begun.values().flatten().for_each(|begun| begun.job.stop());
    }

    /// Takes those whose work was dropped.
    pub(super) fn dropped(&self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.units().dropped)
    }

    /// Keeps those for the next time.
    pub(super) fn keep_dropped(&self, dropped: Vec<(i64, i64)>) {
        self.units().dropped.extend(dropped);
    }
}

impl RunningUnit {
    /// The unit is claimed, and done by this job.
    pub(super) fn claimed(&mut self, own: &Claimed, job: &Arc<Job>) {
        let mut units = self.running.units();
        if units.is_stopping {
            job.stop();
        }
        units.begun.insert(self.unit, Some(Begun { epoch: own.epoch, job: Arc::clone(job) }));
        self.epoch = Some(own.epoch);
    }

    /// What has become of it is written down.
    pub(super) fn ended(mut self) {
        self.epoch = None;
    }
}

impl Drop for RunningUnit {
    fn drop(&mut self) {
        let mut units = self.running.units();
        units.begun.remove(&self.unit);
        units.dropped.extend(self.epoch.map(|epoch| (self.unit, epoch)));
    }
}
