//! A set of tokens as all share it who have to do with it: the calls that carry it, the
//! workers that take tokens from it, and the manager that brings them. Knows none of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rust_decimal::Decimal;

use super::{Credentials, inside::Marks, refusals::Refusals, shelf::Shelf};
use crate::{
    blocking::CallbackThreads,
    error::{Error, ErrorKind},
    rate_limit::Board,
};

/// Numbers the sets of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The tokens of a pool, or of those of its handles that have credentials of their own. What
/// is known of one set says nothing of another.
pub(crate) struct TokenSet {
    pub(super) id: u64,
    pub(crate) credentials: Credentials,
    pub(crate) board: Arc<Board>,
    pub(crate) shelf: Shelf,
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
            board: Arc::new(Board::new(credentials.slots, rate, longest, now)),
            shelf: Shelf::new(credentials.slots),
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

    /// Declares the token of `slot` void, and whatever an acquire that is under way brings.
    ///
    /// # Errors
    /// When there is no such token.
    pub(crate) fn invalidate(&self, slot: usize) -> Result<(), Error> {
        if self.board.invalidate(slot) {
            return Ok(());
        }
        Err(no_token(slot, self.credentials.slots))
    }
}

/// There is no token of `slot` among so many.
pub(crate) fn no_token(slot: usize, slots: usize) -> Error {
    let what = format!("invalidate_token: there is no token {slot} among {slots}");
    Error::new(ErrorKind::Config, what)
}
