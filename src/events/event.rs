//! The events of a pool: plain values without any URL, value of a header, body or token. Knows
//! nothing of who emits or receives them.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use rust_decimal::Decimal;

use crate::{error::ErrorKind, retry::BreakerState};

/// Something that happened inside a pool.
///
/// [`AwwPool::events`](crate::AwwPool::events) returns a receiver of them, and
/// [`messages::Subscribe`](crate::messages::Subscribe) sends them to an actor. Events of one
/// attempt come in order, and so do changes of the breaker. Each start is followed by exactly one
/// end, whatever happens to the attempt; a receiver that subscribes late may see the end of an
/// attempt whose start it missed.
///
/// No event holds a URL, the value of a header, a body or a token. What comes closest is the
/// origin in [`OriginHeld`](Self::OriginHeld) and the name of a header field in
/// [`LimitUnread`](Self::LimitUnread).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt begins: all waits of the call are over. If no open connection is free, one is
    /// opened next, and then the request is written.
    #[non_exhaustive]
    AttemptStarted {
        /// The attempt.
        attempt: Attempt,
    },
    /// An attempt has ended.
    #[non_exhaustive]
    AttemptEnded {
        /// The attempt.
        attempt: Attempt,
        /// How it ended.
        outcome: Outcome,
        /// The time since its start: with the opening of a connection, if one was opened, and the
        /// body, but without the waits before it.
        latency: Duration,
    },
    /// A call will be attempted again because its last attempt failed. Sending a request again with
    /// another token and following a redirect are attempts, but not retries.
    #[non_exhaustive]
    RetryScheduled {
        /// The attempt that failed.
        attempt: Attempt,
        /// How long the call waits before it queues for the next one.
        wait: Duration,
        /// Why the attempt failed.
        reason: ErrorKind,
        /// The status of its response, if there was one.
        status: Option<StatusCode>,
    },
    /// A page of a stream was read and its turn has come.
    #[non_exhaustive]
    PageRead {
        /// The number of the page as the API counts, or from 1 if the API does not number its
        /// pages.
        page: u64,
        /// How many rows it has.
        rows: u64,
    },
    /// A page of a stream contains a signal that was overruled or cannot be read, or no page had a
    /// value at a path that the [`Envelope`](crate::Envelope) or the [`Paging`](crate::Paging)
    /// names. Each finding is reported once per read.
    #[non_exhaustive]
    PagingWarning {
        /// The page, as in [`PageRead`](Self::PageRead).
        page: u64,
        /// What was found, with paths and counts, but without any other value of the page.
        message: String,
    },
    /// The circuit breaker of the pool's own calls, or the one shared by all calls, changed its
    /// state.
    #[non_exhaustive]
    BreakerChanged {
        /// The old state.
        from: BreakerState,
        /// The new state.
        to: BreakerState,
        /// How long nothing is sent, if it opened.
        open_for: Option<Duration>,
    },
    /// The API requested a wait, and nothing is sent to it for this time. Emitted only if this
    /// outlasts an earlier hold, and not if the wait concerns only one handle.
    #[non_exhaustive]
    HoldSet {
        /// How long, from now on.
        wait: Duration,
    },
    /// The API accepts no requests with one token for a while, as a 429 or the quota headers said;
    /// other tokens go on. Emitted only if this outlasts an earlier hold of the token. A pool with
    /// only one token emits [`HoldSet`](Self::HoldSet) instead.
    #[non_exhaustive]
    TokenHeld {
        /// The number of the token in its credentials, from 0.
        slot: usize,
        /// How long, from now on.
        wait: Duration,
    },
    /// The allowed rate has changed. Changes by the dampener or a quota are reported when they
    /// differ by a fifth from the last reported rate.
    #[non_exhaustive]
    RateChanged {
        /// The requests per second that are allowed from now on; `None` if unlimited.
        rate: Option<Decimal>,
        /// What caused the change.
        cause: RateCause,
    },
    /// The `acquire` callback returned a token.
    #[non_exhaustive]
    TokenRefreshed {
        /// The number of the token in its credentials, from 0.
        slot: usize,
    },
    /// The `acquire` callback failed, panicked or took too long.
    #[non_exhaustive]
    TokenRefreshFailed {
        /// The number of the token in its credentials, from 0.
        slot: usize,
        /// How long until it is tried again.
        cooldown: Duration,
    },
    /// A callback blocks a worker: calls go to other workers until it recovers or dies.
    #[non_exhaustive]
    WorkerBlocked {
        /// Its number, from 0.
        worker: usize,
    },
    /// A worker that was blocked accepts calls again.
    #[non_exhaustive]
    WorkerBack {
        /// Its number, from 0.
        worker: usize,
    },
    /// A worker died, or was given up because it was blocked for too long. Its attempts have
    /// ended or are about to.
    #[non_exhaustive]
    WorkerDied {
        /// Its number, from 0.
        worker: usize,
    },
    /// A new worker replaced one that died.
    #[non_exhaustive]
    WorkerRestarted {
        /// Its number, from 0.
        worker: usize,
    },
    /// An actor that subscribed was too slow, and some events were not sent to it. Receivers get
    /// `RecvError::Lagged` instead.
    #[non_exhaustive]
    Missed {
        /// How many events, since the previous one.
        events: u64,
    },
    /// Another origin that pages lead to requested a wait, and nothing is sent to it for this time.
    /// The pool's own API is not affected.
    #[non_exhaustive]
    OriginHeld {
        /// Its scheme, host and port.
        origin: String,
        /// How long, from now on.
        wait: Duration,
    },
    /// A response reports a wait or a quota in a form that cannot be parsed, or a remaining quota
    /// without a reset time, so it is ignored.
    #[non_exhaustive]
    LimitUnread {
        /// The header field.
        field: HeaderName,
    },
}

/// Why the allowed rate changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateCause {
    /// The limit was set.
    Set,
    /// The dampener adapts to refusals and successful responses.
    Refusals,
    /// A response reported a quota, or that quota was reset.
    Quota,
}

/// Identifies one attempt: the pair of call and number is unique in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Attempt {
    /// The call it belongs to; each call of the process has its own number.
    pub call: u64,
    /// The number of the attempt within the call, from 1, whichever workers make the attempts.
    pub number: u32,
    /// The worker that makes it, from 0.
    pub worker: usize,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole response was read.
    Answered(StatusCode),
    /// There is no complete response, for this reason.
    Failed(ErrorKind),
    /// Nobody waits for it any more, or its worker died.
    Cancelled,
}
