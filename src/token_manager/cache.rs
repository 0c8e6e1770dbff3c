//! The latest tokens, readable by every worker: a worker gets a token it has never requested even
//! while a source blocks the manager's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Issued;

/// One entry for each slot: its token, and the newest generation that was stored. Each entry is
/// locked for an instant only.
pub(crate) struct TokenCache(Vec<Mutex<(Option<Issued>, Option<u64>)>>);

impl TokenCache {
    pub(crate) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Mutex::default()).collect())
    }

    /// The token of `slot`, which may have expired.
    pub(crate) fn get(&self, slot: usize) -> Option<Issued> {
        self.place(slot)?.0.clone()
    }

    /// Stores a token, unless a newer one was stored: a manager that hung and was replaced must not
    /// overwrite the tokens of its successor.
    pub(super) fn put(&self, token: Issued) {
        let Some(mut place) = self.place(token.slot) else { return };
        if place.1.is_none_or(|newest| newest < token.generation) {
            let generation = token.generation;
            *place = (Some(token), Some(generation));
        }
    }

    /// Removes the token of `slot`, if it is of `generation` or older.
    pub(super) fn remove(&self, slot: usize, generation: u64) {
        if let Some(mut place) = self.place(slot) {
            place.0.take_if(|token| token.generation <= generation);
        }
    }

    fn place(&self, slot: usize) -> Option<MutexGuard<'_, (Option<Issued>, Option<u64>)>> {
        self.0.get(slot).map(|place| place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::slots::TokenSlots, *};
    use crate::token_manager::Token;

    #[test]
    fn a_late_token_of_an_earlier_manager_takes_no_place() {
        let issued = |life: u64, secret: &str| {
            TokenSlots::after(1, life << 32).acquired(0, Token::from(secret), 0, Instant::now())
        };
        let cache = TokenCache::new(1);
        let secret = || cache.get(0).map(|token| token.expose().to_owned());
        cache.put(issued(1, "new"));
        cache.put(issued(0, "late"));
        assert_eq!(secret().as_deref(), Some("new"));
        cache.remove(0, u64::MAX);
        cache.put(issued(0, "late"));
        assert_eq!(secret(), None);
        cache.put(issued(2, "newest"));
        assert_eq!(secret().as_deref(), Some("newest"));
    }
}
