//! A set of tokens as all share it who have to do with it: the calls that carry it, the
//! workers that take tokens from it, and the manager that brings them. Knows none of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::Decimal;

use super::{Credentials, cache::TokenCache, inside::Marks, refusals::Refusals};
use crate::{
    blocking::CallbackThreads,
    error::{Error, ErrorKind},
    rate_limit::Rotation,
};

/// Numbers the sets of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The tokens of a pool, or of those of its handles that have credentials of their own. What
/// is known of one set says nothing of another.
pub(crate) struct TokenSet {
    pub(super) id: u64,
    pub(crate) credentials: Credentials,
    /// Locked for a few instructions at a time.
    rotation: Arc<Mutex<Rotation>>,
    /// Whether each token has a rate limit of its own: then the limiter chooses among them.
    pub(crate) is_limited: bool,
    /// For each slot, how often its token was declared void.
    epochs: Vec<AtomicU64>,
    pub(crate) cache: TokenCache,
    pub(crate) refusals: Refusals,
    pub(crate) marks: Arc<Marks>,
    /// Where its `apply` runs once a callback of the pool was seen to block.
    pub(crate) threads: Arc<CallbackThreads>,
}

impl TokenSet {
    /// A set with no token yet, each limited to `rate` requests per second, if at all.
    /// `longest` bounds what the API may ask for.
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
            epochs: (0..credentials.slots).map(|_| AtomicU64::new(0)).collect(),
            cache: TokenCache::new(credentials.slots),
            refusals: Refusals::new(credentials.slots),
            marks: Arc::new(Marks::new(credentials.slots)),
            threads: Arc::default(),
            credentials,
        }
    }

    /// A number that no other set has.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Which token goes next, as workers, limiter and token manager share it.
    pub(crate) fn shared_rotation(&self) -> &Arc<Mutex<Rotation>> {
        &self.rotation
    }

    pub(crate) fn rotation(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the token of `slot` was declared void.
    pub(super) fn epoch(&self, slot: usize) -> u64 {
        self.epochs.get(slot).map_or(0, |epoch| epoch.load(Ordering::Acquire))
    }

    /// Whether a token of `slot` whose acquire began in `epoch` was not declared void since.
    pub(crate) fn stands_by(&self, slot: usize, epoch: u64) -> bool {
        epoch == self.epoch(slot)
    }

    /// Declares the token of `slot` void, and whatever an acquire that is under way brings.
    ///
    /// # Errors
    /// When there is no such token.
    pub(crate) fn invalidate(&self, slot: usize) -> Result<(), Error> {
        let epoch = self.epochs.get(slot).ok_or_else(|| no_token(slot, self.credentials.slots))?;
        epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// There is no token of `slot` among so many.
pub(crate) fn no_token(slot: usize, slots: usize) -> Error {
    let what = format!("invalidate_token: there is no token {slot} among {slots}");
    Error::new(ErrorKind::Config, what)
}
