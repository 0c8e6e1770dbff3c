//! A set of tokens, shared by the calls that carry them, the workers that take them, and the
//! manager that acquires them. Knows none of these.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::Decimal;

use super::{Credentials, Issued, inside::StuckAcquires, unauthorized::Record};
use crate::{blocking::CallbackThreads, error::Error, lock::lock, rate_limit::Rotation};

/// Numbers the sets of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The tokens of a pool, or of handles that have credentials of their own. The state of one set
/// says nothing about another.
pub(crate) struct TokenSet {
    /// A number unique among all sets.
    pub(crate) id: u64,
    pub(crate) credentials: Credentials,
    /// Which token is used next, shared by workers, rate queue and token manager.
    pub(crate) rotation: Arc<Mutex<Rotation>>,
    /// Whether each token has its own rate limit: then the rate queue chooses among them.
    pub(crate) is_limited: bool,
    slots: Vec<SharedSlot>,
    pub(crate) acquires: Arc<StuckAcquires>,
    /// The threads for its `apply` once a callback of the pool was seen to block.
    pub(crate) threads: Arc<CallbackThreads>,
}

/// What is shared of one slot. Locked for a few instructions at a time.
#[derive(Default)]
struct SharedSlot {
    /// How often its token was invalidated.
    epoch: AtomicU64,
    /// The newest generation that was refused and replaced.
    replaced: AtomicU64,
    /// Its token, and the newest generation that was stored.
    token: Mutex<(Option<Issued>, Option<u64>)>,
    /// What the responses to its tokens say about replacing them.
    record: Mutex<Record>,
}

impl TokenSet {
    /// A set with no token yet; each token is limited to `rate` requests per second, if at all.
    /// `longest` bounds the waits that the API may request.
    pub(crate) fn new(
        credentials: Credentials,
        rate: Option<Decimal>,
        longest: Duration,
        now: Instant,
    ) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            rotation: Arc::new(Mutex::new(Rotation::new(credentials.slots, rate, longest, now))),
            is_limited: rate.is_some(),
            slots: (0..credentials.slots).map(|_| SharedSlot::default()).collect(),
            acquires: Arc::new(StuckAcquires::new(credentials.slots)),
            threads: Arc::default(),
            credentials,
        }
    }

    pub(crate) fn rotation(&self) -> MutexGuard<'_, Rotation> {
        lock(&self.rotation)
    }

    /// How often the token of `slot` was invalidated.
    pub(super) fn epoch(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |slot| slot.epoch.load(Ordering::Acquire))
    }

    /// Whether the token of `slot` has not been invalidated since its acquire began in `epoch`.
    pub(crate) fn is_current(&self, slot: usize, epoch: u64) -> bool {
        epoch == self.epoch(slot)
    }

    /// Invalidates the token of `slot`, and the result of an acquire that is in progress.
    ///
    /// # Errors
    /// When there is no such token.
    pub(crate) fn invalidate(&self, slot: usize) -> Result<(), Error> {
        let state = self.slots.get(slot).ok_or_else(|| no_token(slot, self.slots.len()))?;
        state.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// The token of `slot`, which may have expired: a worker gets one it has never requested even
    /// while a source blocks the manager's thread.
    pub(crate) fn token(&self, slot: usize) -> Option<Issued> {
        lock(&self.slots.get(slot)?.token).0.clone()
    }

    /// Stores a token, unless a newer one was stored: a manager that hung and was replaced must not
    /// overwrite the tokens of its successor.
    pub(super) fn put(&self, token: Issued) {
        let Some(slot) = self.slots.get(token.slot) else { return };
        let mut stored = lock(&slot.token);
        if stored.1.is_none_or(|newest| newest < token.generation) {
            let generation = token.generation;
            *stored = (Some(token), Some(generation));
        }
    }

    /// Whether a token was refused and is being replaced, or was: whoever has it at hand asks for
    /// the next one.
    pub(crate) fn is_replaced(&self, token: &Issued) -> bool {
        let slot = self.slots.get(token.slot);
        slot.is_some_and(|slot| token.generation <= slot.replaced.load(Ordering::Acquire))
    }

    /// Removes the token of `slot`, if it is of `generation` or older.
    pub(super) fn remove(&self, slot: usize, generation: u64) {
        if let Some(slot) = self.slots.get(slot) {
            slot.replaced.fetch_max(generation, Ordering::AcqRel);
            lock(&slot.token).0.take_if(|token| token.generation <= generation);
        }
    }

    /// Records that the API refused `token` at `now`. Returns whether to replace the token, which
    /// is never so for a call that was already sent again with another token.
    pub(crate) fn refused(&self, token: &Issued, is_replay: bool, now: Instant) -> bool {
        let age = now.saturating_duration_since(token.since);
        let slot = self.slots.get(token.slot);
        slot.is_some_and(|slot| lock(&slot.record).refused(token.generation, age, now, is_replay))
    }

    /// Records that an attempt with `token` which began at `began` was successful.
    pub(crate) fn served(&self, token: &Issued, began: Instant) {
        if let Some(slot) = self.slots.get(token.slot) {
            lock(&slot.record).served(token.generation, began);
        }
    }
}

/// The error for a slot that does not exist.
pub(crate) fn no_token(slot: usize, slots: usize) -> Error {
    Error::config(format!("invalidate_token: there is no token {slot} among {slots}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        request::Request,
        token_manager::{Token, slots::TokenSlots},
    };

    #[test]
    fn a_late_token_of_an_earlier_manager_takes_no_place() {
        let issued = |life: u64, secret: &str| {
            TokenSlots::after(1, life << 32).acquired(0, Token::from(secret), 0, Instant::now())
        };
        let acquire = || std::future::ready(Ok::<_, Error>(""));
        let credentials = Credentials::from_callback(1, acquire, |asked: Request, _: &str| asked);
        let set = TokenSet::new(credentials, None, Duration::ZERO, Instant::now());
        let secret = || set.token(0).map(|token| token.expose().to_owned());
        set.put(issued(1, "new"));
        set.put(issued(0, "late"));
        assert_eq!(secret().as_deref(), Some("new"));
        set.remove(0, u64::MAX);
        set.put(issued(0, "late"));
        assert_eq!(secret(), None);
        set.put(issued(2, "newest"));
        assert_eq!(secret().as_deref(), Some("newest"));
    }
}
