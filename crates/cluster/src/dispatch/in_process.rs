//! Units for the workers of this process.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::{Notify, watch};

use super::{Dispatcher, Handler, Transaction};
use crate::Error;

/// Units for the workers of this process: for a cluster of one machine, and for programs that have a
/// queue of their own. What it holds ends with the process; the next one finds it in the tables.
#[derive(Debug, Default)]
pub struct InProcess {
    units: Mutex<Units>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Units {
    /// Those of transactions that are not known to be committed.
    staged: Vec<i64>,
    waiting: VecDeque<i64>,
    taken: HashSet<i64>,
}

impl InProcess {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Taken<'_> {
        loop {
            let came = self.came.notified();
            if let Some(unit) = self.take() {
                return unit;
            }
            came.await;
        }
    }

    fn take(&self) -> Option<Taken<'_>> {
        let mut units = self.units();
        let unit = units.waiting.pop_front()?;
        units.taken.insert(unit);
        if !units.waiting.is_empty() {
            self.came.notify_one();
        }
        Some(Taken { from: self, unit })
    }
}

/// A unit that is handled, until this is dropped.
struct Taken<'a> {
    from: &'a InProcess,
    unit: i64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.from.units().taken.remove(&self.unit);
    }
}

/// Waits for the word to stop, or the end of whoever could give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[async_trait]
impl Dispatcher for InProcess {
    async fn push(&self, _: Transaction<'_>, units: &[i64]) -> Result<(), Error> {
        self.units().staged.extend_from_slice(units);
        Ok(())
    }

    fn committed(&self) {
        let mut units = self.units();
        let staged = std::mem::take(&mut units.staged);
        units.waiting.extend(staged);
        self.came.notify_one();
    }

    async fn run(&self, handler: Arc<dyn Handler>, slots: usize, stop: watch::Receiver<bool>) {
        let slot = || async {
            let mut stop = stop.clone();
            loop {
                let taken = tokio::select! {
                    biased;
                    () = stopped(&mut stop) => return,
                    taken = self.next() => taken,
                };
                handler.handle(taken.unit).await;
            }
        };
        join_all((0..slots).map(|_| slot())).await;
    }

    async fn known(&self, _: Transaction<'_>) -> Result<HashSet<i64>, Error> {
        let units = self.units();
        let waiting = units.waiting.iter().chain(&units.taken);
        Ok(waiting.copied().collect())
    }
}
