//! What was strange about the pages of a stream.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many warnings are told.
const MOST_WARNINGS: usize = 10;

/// What was strange about the pages of all units, and how often; also before a restart.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<BTreeMap<String, u64>>>);

impl Warnings {
    pub(crate) fn add(&self, warning: &str) {
        let mut all = self.lock();
        if let Some(times) = all.get_mut(warning) {
            *times += 1;
        } else if all.len() < MOST_WARNINGS {
            all.insert(warning.to_owned(), 1);
        }
    }

    /// Says this once, however often it is so.
    pub(super) fn add_once(&self, warning: &str) {
        if !self.lock().contains_key(warning) {
            self.add(warning);
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        let all = mem::take(&mut *self.lock());
        let told = |(warning, times)| match times {
            1 => warning,
            _ => format!("{warning} ({times} times)"),
        };
        all.into_iter().map(told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
