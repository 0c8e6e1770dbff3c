//! What the workers, the limiter and the token manager tell each other about the slots of
//! tokens without a message: whose turn it is, what speaks against a token, and which tokens
//! are void. What follows from it is the rotation's decision.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::Decimal;

use super::{Quota, rotation::Rotation};

/// One for each pool with tokens.
pub(crate) struct Board {
    /// Whose turn it is as long as the slots are even.
    turn: AtomicUsize,
    /// Whether nothing speaks against any slot: then nobody takes the lock.
    is_even: AtomicBool,
    /// Locked for a few instructions at a time.
    rotation: Mutex<Rotation>,
    /// For each slot, how often its token was declared void.
    epochs: Vec<AtomicU64>,
    is_limited: bool,
}

impl Board {
    /// The board of `slots` tokens, each limited to `rate` requests per second, if at all.
    /// `longest` bounds what the API may ask for.
    pub(crate) fn new(
        slots: usize,
        rate: Option<Decimal>,
        longest: Duration,
        now: Instant,
    ) -> Self {
        Self {
            turn: AtomicUsize::new(0),
            is_even: AtomicBool::new(rate.is_none()),
            rotation: Mutex::new(Rotation::new(slots, rate, longest, now)),
            epochs: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            is_limited: rate.is_some(),
        }
    }

    /// How many tokens there are.
    pub(crate) fn slots(&self) -> usize {
        self.epochs.len()
    }

    /// Whether each token has a rate limit of its own: then the limiter chooses among them.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// The slot whose token serves the next attempt, or how long none may.
    pub(crate) fn next(&self, now: Instant) -> Result<usize, Duration> {
        if self.is_even.load(Ordering::Relaxed) {
            return Ok(self.turn.fetch_add(1, Ordering::Relaxed) % self.slots());
        }
        let mut rotation = self.rotation();
        let slot = rotation.next(now)?;
        rotation.serves(slot, now);
        if rotation.is_even(now) {
            self.is_even.store(true, Ordering::Relaxed);
        }
        Ok(slot)
    }

    /// Whether the API holds the token of `slot`.
    pub(crate) fn is_held(&self, slot: usize, now: Instant) -> bool {
        !self.is_even.load(Ordering::Relaxed) && self.rotation().is_held(slot, now)
    }

    /// How long an attempt with the token of `slot` has to wait, or with any for `None`.
    pub(crate) fn wait(&self, slot: Option<usize>, now: Instant) -> Duration {
        let rotation = self.rotation();
        match slot {
            Some(slot) => rotation.wait_of(slot, now),
            None => rotation.next(now).err().unwrap_or_default(),
        }
    }

    /// How long one at least waits for a token who lets `ahead` others go first.
    pub(crate) fn ready_in(&self, now: Instant, ahead: u64) -> Duration {
        self.rotation().ready_in(now, ahead)
    }

    /// Chooses the token for an attempt that leaves now: that of `slot`, if one is named.
    pub(crate) fn take(&self, slot: Option<usize>, now: Instant) -> usize {
        let mut rotation = self.rotation();
        let slot = slot.or_else(|| rotation.next(now).ok()).unwrap_or_default();
        rotation.serves(slot, now);
        slot
    }

    /// The attempt that the token of `slot` was chosen for does not leave.
    pub(crate) fn put_back(&self, slot: usize) {
        self.rotation().put_back(slot);
    }

    /// The API wants no request with the token of `slot` for `wait`. Returns for how long it
    /// is held, if that is longer than it was held already.
    pub(crate) fn hold(&self, slot: usize, wait: Duration, now: Instant) -> Option<Duration> {
        self.change(|rotation| rotation.hold(slot, wait, now))
    }

    /// An answer to the token of `slot` told of its quota. Returns for how long it is held by
    /// that.
    pub(crate) fn observe(&self, slot: usize, quota: Quota, now: Instant) -> Option<Duration> {
        self.change(|rotation| rotation.observe(slot, quota, now))
    }

    /// Nobody is to wait for the token of `slot` until then, since there may be none.
    pub(crate) fn rest(&self, slot: usize, until: Instant) {
        self.change(|rotation| rotation.rest(slot, until));
    }

    /// `slot` has a token.
    pub(crate) fn recover(&self, slot: usize) {
        if !self.is_even.load(Ordering::Relaxed) {
            self.rotation().recover(slot);
        }
    }

    /// Declares the token of `slot` void, and whatever an acquire that is under way brings.
    /// Says whether there is such a slot.
    pub(crate) fn invalidate(&self, slot: usize) -> bool {
        let epoch = self.epochs.get(slot);
        epoch.map(|epoch| epoch.fetch_add(1, Ordering::AcqRel)).is_some()
    }

    /// How often the token of `slot` was declared void.
    pub(crate) fn epoch(&self, slot: usize) -> u64 {
        self.epochs.get(slot).map_or(0, |epoch| epoch.load(Ordering::Acquire))
    }

    /// Whether a token of `slot` whose acquire began in `epoch` was not declared void since.
    pub(crate) fn stands_by(&self, slot: usize, epoch: u64) -> bool {
        epoch == self.epoch(slot)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Rotation) -> T) -> T {
        let mut rotation = self.rotation();
        let result = change(&mut rotation);
        self.is_even.store(false, Ordering::Relaxed);
        result
    }

    fn rotation(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
