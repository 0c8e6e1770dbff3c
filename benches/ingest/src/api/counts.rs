//! What an API has answered.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

/// What an API has answered.
pub struct Counts {
    /// Whether each page was served.
    were_served: Vec<AtomicBool>,
    served: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub fn new(pages: u64) -> Self {
        let were_served = (0..pages).map(|_| AtomicBool::new(false)).collect();
        let [served, repeated, refused] = [const { AtomicU64::new(0) }; 3];
        Self { were_served, served, repeated, refused }
    }

    /// Notes that a page was served, from 1. One after the last does not count.
    pub fn served(&self, page: u64) {
        let index = page.checked_sub(1).map(|index| index as usize);
        let Some(was_served) = index.and_then(|index| self.were_served.get(index)) else { return };
        self.served.fetch_add(1, SeqCst);
        if was_served.swap(true, Relaxed) {
            self.repeated.fetch_add(1, SeqCst);
        }
    }

    pub fn refused(&self) {
        self.refused.fetch_add(1, SeqCst);
    }

    /// Answers with a page of items.
    pub fn pages(&self) -> u64 {
        self.served.load(SeqCst)
    }

    /// Those among them with a page that had been served before.
    pub fn repeats(&self) -> u64 {
        self.repeated.load(SeqCst)
    }

    /// Answers 429.
    pub fn refusals(&self) -> u64 {
        self.refused.load(SeqCst)
    }
}
