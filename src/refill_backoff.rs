//! [pure] When to reopen a connection, or another resource, of the minimum that failed to open or
//! died. Knows no sockets, no clock, no randomness.

use std::time::{Duration, Instant};

use crate::retry::backoff::exponential;

/// The bound of the first wait; it doubles with every further failure.
const BASE: Duration = Duration::from_millis(100);
/// The bound of every wait.
const CAP: Duration = Duration::from_secs(30);

/// The waits between consecutive failures.
#[derive(Debug, Default)]
pub struct RefillBackoff {
    failures: u32,
    until: Option<Instant>,
}

impl RefillBackoff {
    /// Records a failure to connect. The next attempt waits between half of the bound and the
    /// whole bound, picked by `jitter` in `[0, 1)`. An attempt that fails during a wait began
    /// together with the one that caused the wait, and does not count again.
    pub fn failed(&mut self, now: Instant, jitter: f64) {
        if self.until(now).is_some() {
            return;
        }
        let bound = exponential(BASE, CAP, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + bound.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0));
    }

    /// Records the death of a connection that had lived for `age`. The death of an old one is no
    /// sign of an outage: servers close unused connections.
    pub fn died(&mut self, age: Duration, now: Instant, jitter: f64) {
        if age >= CAP {
            self.failures = 0;
        }
        self.failed(now, jitter);
    }

    /// Ends the waits: the server has responded, or somebody wants an attempt at once.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Until when no attempt is made.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests;
