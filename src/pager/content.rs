//! [pure] What the items of a page are, as one number: two pages with the same items have the
//! same one, whatever else they say.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// A hash of items, in their order.
#[derive(Clone)]
pub(super) struct ContentHash(foldhash::fast::FoldHasher<'static>);

impl Default for ContentHash {
    fn default() -> Self {
        Self(FixedState::with_seed(0x9e37_79b9).build_hasher())
    }
}

impl ContentHash {
    /// Takes in the text of the next item.
    pub(super) fn add(&mut self, item: &str) {
        self.0.write(item.as_bytes());
        self.0.write_usize(item.len());
    }

    pub(super) fn value(&self) -> u64 {
        self.0.finish()
    }
}
