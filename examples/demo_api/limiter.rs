//! [pure] A token bucket, and what it says about itself in headers.

use std::time::{Duration, Instant};

/// Admits `quota` requests at once and as many again over each `window`.
#[derive(Debug)]
pub struct Limiter {
    quota: u32,
    window: Duration,
    available: f64,
    filled_at: Instant,
}

/// What the limiter says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub admitted: bool,
    /// How many more requests would be admitted now.
    pub remaining: u64,
    /// Whole seconds until the whole quota is available again.
    pub reset: u64,
    /// Whole seconds until one request is admitted, at least 1.
    pub retry_after: u64,
}

impl Limiter {
    pub fn new(quota: u32, window: Duration, now: Instant) -> Self {
        Self { quota, window, available: f64::from(quota), filled_at: now }
    }

    /// Takes one request from the bucket, if there is one.
    pub fn take(&mut self, now: Instant) -> Verdict {
        let quota = f64::from(self.quota);
        let per_second = quota / self.window.as_secs_f64();
        let refill = now.saturating_duration_since(self.filled_at).as_secs_f64() * per_second;
        self.available = (self.available + refill).min(quota);
        self.filled_at = now;
        let admitted = self.available >= 1.0;
        if admitted {
            self.available -= 1.0;
        }
        let seconds_until = |level: f64| (level - self.available).max(0.0) / per_second;
        Verdict {
            admitted,
            remaining: self.available as u64,
            reset: seconds_until(quota).ceil() as u64,
            retry_after: (seconds_until(1.0).ceil() as u64).max(1),
        }
    }

    /// The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub fn policy(&self) -> String {
        format!("\"default\";q={};w={}", self.quota, self.window.as_secs().max(1))
    }
}

impl Verdict {
    /// The value of `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub fn quota(&self) -> String {
        format!("\"default\";r={};t={}", self.remaining, self.reset)
    }
}
