//! The tokens that the manager got last, where every worker finds them: one that was never
//! asked for on a worker is there even while a source blocks the manager's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Issued;

/// One place for each slot. Each is locked for an instant.
pub(crate) struct Shelf(Vec<Mutex<Place>>);

#[derive(Default)]
struct Place {
    token: Option<Issued>,
    /// The generation of the newest token that was here.
    newest: Option<u64>,
}

impl Shelf {
    pub(crate) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Mutex::default()).collect())
    }

    /// The token of `slot`, which may not be good any more.
    pub(crate) fn get(&self, slot: usize) -> Option<Issued> {
        self.place(slot)?.token.clone()
    }

    /// Puts a token in its place, unless a newer one was there: what a manager that hung
    /// brings when another one has its role goes nowhere.
    pub(super) fn put(&self, token: Issued) {
        let Some(mut place) = self.place(token.slot) else { return };
        if place.newest.is_none_or(|newest| newest < token.generation) {
            *place = Place { newest: Some(token.generation), token: Some(token) };
        }
    }

    /// Takes the token of `slot` away, if it is of `generation` or older.
    pub(super) fn remove(&self, slot: usize, generation: u64) {
        if let Some(mut place) = self.place(slot) {
            place.token.take_if(|token| token.generation <= generation);
        }
    }

    fn place(&self, slot: usize) -> Option<MutexGuard<'_, Place>> {
        self.0.get(slot).map(|place| place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::ring::Ring, *};
    use crate::token_manager::Token;

    #[test]
    fn a_late_token_of_an_earlier_manager_takes_no_place() {
        let issued = |life: u64, secret: &str| {
            Ring::after(1, life << 32).acquired(0, Token::from(secret), 0, Instant::now())
        };
        let shelf = Shelf::new(1);
        let secret = || shelf.get(0).map(|token| token.expose().to_owned());
        shelf.put(issued(1, "new"));
        shelf.put(issued(0, "late"));
        assert_eq!(secret().as_deref(), Some("new"));
        shelf.remove(0, u64::MAX);
        shelf.put(issued(0, "late"));
        assert_eq!(secret(), None);
        shelf.put(issued(2, "newest"));
        assert_eq!(secret().as_deref(), Some("newest"));
    }
}
