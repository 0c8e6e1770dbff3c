//! The arithmetic of a lease, for the benches.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::bucket::Bucket;

/// What a rate allows.
pub struct Allowance(Bucket);

impl Allowance {
    /// `rate` requests per second and `burst` at once.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self(Bucket::new(Decimal::from(rate), burst, now))
    }

    /// How long the next one waits.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        self.0.ready_in(now, 0)
    }

    /// Takes at most `most` permits, and returns how many there were.
    pub fn take(&mut self, now: Instant, most: u32) -> u32 {
        self.0.take(now, most)
    }
}
