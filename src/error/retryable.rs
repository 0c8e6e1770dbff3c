//! [pure] Which errors may go away if the same call is made again later. What the pool itself does
//! again is decided in `retry/decide.rs`.

use super::{ErrorKind, Inner};
use crate::response::is_transient;

impl Inner {
    pub(super) fn is_retryable(&self) -> bool {
        match self.kind {
            _ if self.is_lasting => false,
            _ if self.is_refusal => true,
            ErrorKind::QueueFull
            | ErrorKind::PoolTimeout
            | ErrorKind::DeadlineExceeded
            | ErrorKind::WorkerCrashed
            | ErrorKind::Resolve
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Disconnected
            | ErrorKind::Timeout
            | ErrorKind::Stalled
            | ErrorKind::Truncated
            | ErrorKind::RateLimited
            | ErrorKind::CircuitOpen
            | ErrorKind::Token => true,
            ErrorKind::Status | ErrorKind::ApiError => {
                self.response.as_ref().is_some_and(|response| is_transient(response.counts_as()))
            }
            _ => false,
        }
    }
}
