//! What one page may cost, and what it has cost so far.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::error::ExtractError;

/// What the extraction of one page may cost. A page that exceeds a limit is an
/// [`ExtractError::Limit`] that names it; the rows of the pages before it have been delivered.
///
/// | limit | default |
/// |---|---|
/// | `time` | 2 s, from the moment at which a thread begins with the page |
/// | `memory` | 16 MiB for the items and the state of the parser, besides the body |
/// | `items` | 100,000 |
/// | `item_bytes` | 1 MiB of text in one item |
/// | `depth` | 512 elements inside each other; of HTML without a tree, those of items and fields |
/// | `attributes` | 1,000 on one element of XML, or of HTML with a tree |
///
/// The size of the body is bounded by
/// [`max_body_bytes`](vantage_api_pool::PoolBuilder::max_body_bytes) of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    pub(crate) time: Duration,
    pub(crate) memory: usize,
    pub(crate) items: u64,
    pub(crate) item_bytes: usize,
    pub(crate) depth: usize,
    pub(crate) attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            memory: 16 << 20,
            items: 100_000,
            item_bytes: 1 << 20,
            depth: 512,
            attributes: 1_000,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])*
        pub fn $name(mut self, most: $type) -> Self {
            self.$name = most;
            self
        })*
    };
}

impl Limits {
    setters! {
        /// The time of one page.
        time: Duration;
        /// The bytes of memory for one page, besides its body.
        memory: usize;
        /// The items of one page.
        items: u64;
        /// The bytes of text in one item.
        item_bytes: usize;
        /// The elements inside each other.
        depth: usize;
        /// The attributes of one element of XML, or of HTML with a tree.
        attributes: usize;
    }

    /// # Errors
    /// [`ExtractError::Setting`] for a limit of zero.
    pub(crate) fn check(&self) -> Result<(), ExtractError> {
        let Self { time, memory, items, item_bytes, depth, attributes } = *self;
        let numbers = [
            ("time", !time.is_zero()),
            ("memory", memory > 0),
            ("items", items > 0),
            ("item_bytes", item_bytes > 0),
            ("depth", depth > 0),
            ("attributes", attributes > 0),
        ];
        match numbers.iter().find(|(_, is_set)| !is_set) {
            Some((name, _)) => Err(ExtractError::setting(*name, "a limit is above zero")),
            None => Ok(()),
        }
    }

    pub(crate) fn exceeded(&self, limit: &'static str) -> ExtractError {
        let allowed = match limit {
            "time" => format!("{:?}", self.time),
            "memory" => format!("{} bytes", self.memory),
            "items" => format!("{} items", self.items),
            "item_bytes" => format!("{} bytes", self.item_bytes),
            "depth" => format!("{} elements", self.depth),
            _ => format!("{} attributes", self.attributes),
        };
        ExtractError::Limit { limit, allowed }
    }
}

/// How many small steps are taken between two looks at the clock.
const STEPS: u32 = 64;

/// What is left of the limits of one page.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    until: Option<Instant>,
    is_cancelled: Arc<AtomicBool>,
    steps: u32,
}

impl Budget {
    pub(crate) fn begin(limits: Limits, now: Instant, is_cancelled: Arc<AtomicBool>) -> Self {
        Self { limits, until: now.checked_add(limits.time), is_cancelled, steps: 0 }
    }

    /// A small step was taken.
    pub(crate) fn step(&mut self) -> Result<(), ExtractError> {
        self.steps += 1;
        if self.steps < STEPS {
            return Ok(());
        }
        self.steps = 0;
        self.check()
    }

    /// # Errors
    /// The limit `time`, and [`ExtractError::Cancelled`].
    pub(crate) fn check(&self) -> Result<(), ExtractError> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(ExtractError::Cancelled);
        }
        match self.until {
            Some(until) if Instant::now() >= until => Err(self.limits.exceeded("time")),
            _ => Ok(()),
        }
    }
}
