//! The tokens that the manager got last, where every worker finds them: one that was never
//! asked for on a worker is there even while a source blocks the manager's thread.

use std::sync::{Mutex, PoisonError};

use super::Issued;

/// One place for each slot. Each is locked for an instant.
pub(crate) struct Shelf(Vec<Mutex<Option<Issued>>>);

impl Shelf {
    pub(crate) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Mutex::default()).collect())
    }

    /// The token of `slot`, which may not be good any more.
    pub(crate) fn get(&self, slot: usize) -> Option<Issued> {
        self.0.get(slot)?.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn put(&self, token: Issued) {
        if let Some(place) = self.0.get(token.slot) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        }
    }

    /// Takes the token of `slot` away, if it is of `generation` or older.
    pub(super) fn remove(&self, slot: usize, generation: u64) {
        if let Some(place) = self.0.get(slot) {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            place.take_if(|token| token.generation <= generation);
        }
    }
}
