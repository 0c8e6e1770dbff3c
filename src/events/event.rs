//! What there is to tell about a pool: plain values, without a target, a header, a body
//! or a token in them. Knows nothing of who tells or listens.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use rust_decimal::Decimal;

use crate::{error::ErrorKind, retry::BreakerState};

/// Something that happened inside a pool.
///
/// [`AwwPool::events`](crate::AwwPool::events) hands out a receiver of them, and
/// [`messages::Subscribe`](crate::messages::Subscribe) has them sent to an actor. Events of
/// one attempt come in order, and so do changes of the breaker. Each start is followed by
/// exactly one end, whatever becomes of the attempt; a listener that comes late may see
/// the end of an attempt whose start it missed.
///
/// No event holds a URL, a header, a body or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request is about to be written. Whatever the call had to wait for lies behind it.
    #[non_exhaustive]
    AttemptStarted {
        /// Which one.
        attempt: Attempt,
    },
    /// An attempt is over.
    #[non_exhaustive]
    AttemptEnded {
        /// Which one.
        attempt: Attempt,
        /// How it ended.
        outcome: Outcome,
        /// The time since its start, the body included; waits before it are not.
        latency: Duration,
    },
    /// A call is going to be attempted again because its last attempt failed. The replay
    /// with another token and the following of a redirect are attempts, but no retries.
    #[non_exhaustive]
    RetryScheduled {
        /// The attempt that failed.
        attempt: Attempt,
        /// How long the call waits before it queues for the next one.
        wait: Duration,
        /// Why the attempt failed.
        reason: ErrorKind,
        /// The status of its answer, if there was one.
        status: Option<StatusCode>,
    },
    /// A page of a stream has come to its turn and was read.
    #[non_exhaustive]
    PageRead {
        /// The page, as the API counts pages; where it does not number them, from 1.
        page: u64,
        /// How many rows it has.
        rows: u64,
    },
    /// A page of a stream says something that was decided otherwise or cannot be read, or no
    /// page has had anything at a place that the [`Envelope`](crate::Envelope) or the
    /// [`Paging`](crate::Paging) names. Each such thing is told once for a read.
    #[non_exhaustive]
    PagingWarning {
        /// The page, as in [`PageRead`](Self::PageRead).
        page: u64,
        /// What was found, with the names of places, and with counts, but without any other
        /// value of the page.
        message: String,
    },
    /// The circuit breaker of the pool's own calls changed its state, or the one for all.
    #[non_exhaustive]
    BreakerChanged {
        /// The state before.
        from: BreakerState,
        /// The state from here on.
        to: BreakerState,
        /// How long nothing is sent, if it opened.
        open_for: Option<Duration>,
    },
    /// The API asked for a wait, and nothing is sent to it for so long. Told only when
    /// that is longer than an earlier hold still lasts, and not where one handle waits alone.
    #[non_exhaustive]
    HoldSet {
        /// How long, from now.
        wait: Duration,
    },
    /// The API wants no request with one token for a while, as a 429 or the headers about
    /// quotas said, and the others go on. Told only when that is longer than an earlier hold
    /// of the token still lasts. A pool with one token of its own tells
    /// [`HoldSet`](Self::HoldSet).
    #[non_exhaustive]
    TokenHeld {
        /// The number of the token among those of its credentials, from 0.
        slot: usize,
        /// How long, from now.
        wait: Duration,
    },
    /// Another rate is in force. What the dampener or a quota changes is told when it differs
    /// by a fifth from what was told last.
    #[non_exhaustive]
    RateChanged {
        /// The requests per second that are allowed from here on; `None` without a bound.
        rate: Option<Decimal>,
        /// Where it comes from.
        cause: RateCause,
    },
    /// The `acquire` callback returned a token.
    #[non_exhaustive]
    TokenRefreshed {
        /// The number of the token among those of its credentials, from 0.
        slot: usize,
    },
    /// The `acquire` callback failed, panicked or took too long.
    #[non_exhaustive]
    TokenRefreshFailed {
        /// The number of the token among those of its credentials, from 0.
        slot: usize,
        /// How long it is not tried again.
        cooldown: Duration,
    },
    /// A callback blocks a worker: calls pass it by until it is back or dies.
    #[non_exhaustive]
    WorkerBlocked {
        /// Its number, from 0.
        worker: usize,
    },
    /// A worker that was blocked takes calls again.
    #[non_exhaustive]
    WorkerBack {
        /// Its number, from 0.
        worker: usize,
    },
    /// A worker died, or was given up since it was blocked for too long. Its attempts have
    /// ended or are about to.
    #[non_exhaustive]
    WorkerDied {
        /// Its number, from 0.
        worker: usize,
    },
    /// Another worker took the place of one that died.
    #[non_exhaustive]
    WorkerRestarted {
        /// Its number, from 0.
        worker: usize,
    },
    /// An actor that subscribed was too slow, and so many events have not been sent to it.
    /// Receivers hear of that by `RecvError::Lagged`.
    #[non_exhaustive]
    Missed {
        /// How many, since the event before.
        events: u64,
    },
    /// Another origin that pages lead to asked for a wait, and nothing is sent to it for so
    /// long. The pool's own API goes on.
    #[non_exhaustive]
    OriginHeld {
        /// Its scheme, host and port.
        origin: String,
        /// How long, from now.
        wait: Duration,
    },
    /// An answer tells of a wait or of a quota in a way that is not understood, or of what is
    /// left and not until when, so that it is not kept to.
    #[non_exhaustive]
    LimitUnread {
        /// The field.
        field: HeaderName,
    },
}

/// Why another rate is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateCause {
    /// The limit was set.
    Set,
    /// The dampener follows what the API refuses and what it answers.
    Refusals,
    /// An answer told of a quota, or that quota was renewed.
    Quota,
}

/// Names one attempt. No two attempts of one process have the same call and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Attempt {
    /// The call it belongs to; each call of the process has a number of its own.
    pub call: u64,
    /// Which attempt of the call it is, from 1, on whatever workers.
    pub number: u32,
    /// The worker that makes it, from 0.
    pub worker: usize,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole answer was read.
    Answered(StatusCode),
    /// There is no complete answer, for this reason.
    Failed(ErrorKind),
    /// Nobody waits for it any more, or its worker died under it.
    Cancelled,
}

impl Attempt {
    pub(crate) fn new(call: u64, number: u32, worker: usize) -> Self {
        Self { call, number, worker }
    }
}
