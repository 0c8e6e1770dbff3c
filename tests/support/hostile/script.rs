//! Answers on purpose: which, to what, and how often.

use std::sync::atomic::{AtomicU64, Ordering};

/// An answer that is not the one that was asked for.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status with a JSON error as the body
    Status(u16),
    /// 429 with this `Retry-After`
    TooMany(String),
    /// 200 and a page of HTML
    Html,
    /// 200 and `{"error": …}`
    ErrorEnvelope,
    /// 200 without a body
    Empty,
    /// 204
    NoContent,
    /// The page as usual, with its hints, but without rows
    NoRows,
    /// 200 and this body as `application/json`
    Body(String),
}

impl Answer {
    /// Gives this answer to the first `times` requests only.
    pub fn times(self, times: u64) -> Scripted {
        Scripted { answer: self, left: AtomicU64::new(times) }
    }
}

/// An [`Answer`] and how often it is given; an answer alone is given for ever.
pub struct Scripted {
    pub(super) answer: Answer,
    left: AtomicU64,
}

impl Scripted {
    /// Whether this request gets the answer. Counts down.
    pub(super) fn applies(&self) -> bool {
        let count_down = |left| match left {
            u64::MAX => Some(u64::MAX),
            left => u64::checked_sub(left, 1),
        };
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down).is_ok()
    }
}

impl From<Answer> for Scripted {
    fn from(answer: Answer) -> Self {
        answer.times(u64::MAX)
    }
}

/// Which requests a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// Everything but the token endpoint
    Any,
    Page(u64),
    Item,
}
