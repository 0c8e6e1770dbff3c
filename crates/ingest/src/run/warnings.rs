//! What was strange about the pages of a stream.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// How many warnings are told.
const MOST_WARNINGS: usize = 10;

/// What was strange about the pages of all units, each once; also before a restart.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<BTreeSet<String>>>);

impl Warnings {
    pub(super) fn add(&self, warning: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_WARNINGS {
            all.insert(warning.to_owned());
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
