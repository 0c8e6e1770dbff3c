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

use super::{Credentials, cache::TokenCache, inside::Marks, unauthorized::Refusals};
use crate::{
    blocking::CallbackThreads,
    error::{Error, ErrorKind},
    lock::lock,
    rate_limit::Rotation,
};

/// Numbers the sets of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The tokens of a pool, or of handles that have credentials of their own. The state of one set
/// says nothing about another.
pub(crate) struct TokenSet {
    pub(super) id: u64,
    pub(crate) credentials: Credentials,
    /// Locked for a few instructions at a time.
    rotation: Arc<Mutex<Rotation>>,
    /// Whether each token has its own rate limit: then the limiter chooses among them.
    pub(crate) is_limited: bool,
    /// For each slot, how often its token was invalidated.
    epochs: Vec<AtomicU64>,
    pub(crate) cache: TokenCache,
    pub(crate) refusals: Refusals,
    pub(crate) marks: Arc<Marks>,
    /// The threads for its `apply` once a callback of the pool was seen to block.
    pub(crate) threads: Arc<CallbackThreads>,
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
            epochs: (0..credentials.slots).map(|_| AtomicU64::new(0)).collect(),
            cache: TokenCache::new(credentials.slots),
            refusals: Refusals::new(credentials.slots),
            marks: Arc::new(Marks::new(credentials.slots)),
            threads: Arc::default(),
            credentials,
        }
    }

    /// A number unique among all sets.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Which token is used next, shared by workers, limiter and token manager.
    pub(crate) fn shared_rotation(&self) -> &Arc<Mutex<Rotation>> {
        &self.rotation
    }

    pub(crate) fn rotation(&self) -> MutexGuard<'_, Rotation> {
        lock(&self.rotation)
    }

    /// How often the token of `slot` was invalidated.
    pub(super) fn epoch(&self, slot: usize) -> u64 {
        self.epochs.get(slot).map_or(0, |epoch| epoch.load(Ordering::Acquire))
    }

    /// Whether the token of `slot` has not been invalidated since its acquire began in `epoch`.
    pub(crate) fn stands_by(&self, slot: usize, epoch: u64) -> bool {
        epoch == self.epoch(slot)
    }

    /// Invalidates the token of `slot`, and the result of an acquire that is in progress.
    ///
    /// # Errors
    /// When there is no such token.
    pub(crate) fn invalidate(&self, slot: usize) -> Result<(), Error> {
        let epoch = self.epochs.get(slot).ok_or_else(|| no_token(slot, self.credentials.slots))?;
        epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// The error for a slot that does not exist.
pub(crate) fn no_token(slot: usize, slots: usize) -> Error {
    let what = format!("invalidate_token: there is no token {slot} among {slots}");
    Error::new(ErrorKind::Config, what)
}
