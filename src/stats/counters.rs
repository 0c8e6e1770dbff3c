//! What one worker counts between two flushes. Counting is a few additions and one push to a
//! vector that has capacity; knows nothing of the pool.

use std::{mem, time::Duration};

use http::StatusCode;

/// The counts of one worker since its last flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) calls_ok: u64,
    pub(crate) calls_failed: u64,
    pub(crate) attempts: u64,
    /// Attempts after a failed one of the same call.
    pub(crate) retries: u64,
    /// Retries that were due but not covered by the retry budget.
    pub(crate) retries_denied: u64,
    /// Hedges: attempts made besides another one of the same call.
    pub(crate) hedges: u64,
    /// Hedges that got the response first.
    pub(crate) hedges_won: u64,
    pub(crate) status_2xx: u64,
    pub(crate) status_3xx: u64,
    pub(crate) status_4xx: u64,
    pub(crate) status_5xx: u64,
    pub(crate) transport_errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) rate_limited: u64,
    /// Rate-limit headers that make no sense.
    pub(crate) malformed_limit_headers: u64,
    pub(crate) bytes_received: u64,
    /// One per attempt with a response, in µs; anything longer than 71 minutes counts as that.
    pub(crate) latencies: Vec<u32>,
}

impl Counters {
    /// An attempt got a complete response of `bytes` body bytes, `latency` after it began.
    pub(crate) fn answered(&mut self, status: StatusCode, bytes: usize, latency: Duration) {
        self.attempts += 1;
        match status.as_u16() {
            200..=299 => self.status_2xx += 1,
            300..=399 => self.status_3xx += 1,
            400..=499 => self.status_4xx += 1,
            // An invalid status is treated as 5xx (RFC 9110 section 15).
            _ => self.status_5xx += 1,
        }
        self.rate_limited += u64::from(status == StatusCode::TOO_MANY_REQUESTS);
        self.bytes_received += bytes as u64;
        self.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// A rule makes a counted response count as one with `status`.
    pub(crate) fn ruled(&mut self, status: StatusCode) {
        self.rate_limited += u64::from(status == StatusCode::TOO_MANY_REQUESTS);
    }

    /// An attempt ended without a complete response.
    pub(crate) fn unanswered(&mut self) {
        self.attempts += 1;
        self.transport_errors += 1;
    }

    /// An attempt ended because nobody waits for it any more.
    pub(crate) fn cancelled(&mut self) {
        self.attempts += 1;
        self.cancelled += 1;
    }

    /// A call ended, with a response or with an error.
    pub(crate) fn call_ended(&mut self, ok: bool) {
        if ok {
            self.calls_ok += 1;
        } else {
            self.calls_failed += 1;
        }
    }

    /// Whether there is nothing to flush.
    pub(crate) fn is_empty(&self) -> bool {
        self.attempts + self.calls_ok + self.calls_failed + self.retries == 0
    }

    /// Returns what was counted so far, for a flush. The counts start again at
    /// zero, with capacity for as many latencies as last time.
    pub(crate) fn take(&mut self) -> Self {
        let room = Vec::with_capacity(self.latencies.len());
        mem::replace(self, Self { latencies: room, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn every_attempt_is_counted_once_by_how_it_ended() {
        let mut counters = Counters::default();
        for code in [200, 204, 304, 404, 429, 503, 600] {
            counters.answered(status(code), 10, Duration::from_millis(2));
        }
        counters.unanswered();
        counters.cancelled();
        assert_eq!(counters.attempts, 9);
        assert_eq!(
            (counters.status_2xx, counters.status_3xx, counters.status_4xx, counters.status_5xx),
            (2, 1, 2, 2)
        );
        assert_eq!(
            (counters.transport_errors, counters.cancelled, counters.rate_limited),
            (1, 1, 1)
        );
        assert_eq!(counters.bytes_received, 70);
        assert_eq!(counters.latencies, [2_000; 7]);
    }

    #[test]
    fn taking_leaves_nothing_to_flush() {
        let mut counters = Counters::default();
        assert!(counters.is_empty());
        counters.answered(status(200), 1, Duration::MAX);
        counters.call_ended(true);
        counters.retries += 1;
        let taken = counters.take();
        assert!(counters.is_empty());
        assert_eq!(counters, Counters::default());
        assert_eq!((taken.calls_ok, taken.retries), (1, 1));
        assert_eq!(taken.latencies, [u32::MAX]);
    }
}
