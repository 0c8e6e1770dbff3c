//! The settings of the limit that each rate key has for itself. Knows nothing of how it is
//! kept.

use rust_decimal::Decimal;

use super::PoolBuilder;

impl PoolBuilder {
    /// The rate limit of each [`rate_key`](crate::Request::rate_key) by itself, in requests
    /// per second, besides that of the whole API. None by default. Requests without a key are
    /// not counted.
    ///
    /// A call waits for its key without holding a connection, behind those of the same key
    /// that are more urgent, or as urgent and earlier. One that would wait past its deadline
    /// fails at once with
    /// [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded). 65,536 keys are
    /// told apart at a time, see [`KeyedRateLimiter`](crate::limits::KeyedRateLimiter). A handle
    /// with [credentials of its own](crate::AwwPool::with_credentials) has as many of its own.
    pub fn rate_limit_per_key(mut self, requests_per_second: Decimal) -> Self {
        self.config.rate_limit_per_key = Some(requests_per_second);
        self
    }

    /// How many requests of one key may leave at once after a pause, within its limit: 10 ms
    /// worth of it by default, and at least 1.
    pub fn burst_per_key(mut self, requests: u32) -> Self {
        self.config.burst_per_key = Some(requests);
        self
    }
}
