//! The one error of this crate: what went wrong, what is known about delivery,
//! and the context a caller needs. Knows nothing of actors, sockets or clocks.

use std::{borrow::Cow, error::Error as StdError, sync::Arc, time::Duration};

use http::StatusCode;
use secrecy::SecretString;

use crate::{
    response::{Response, is_transient},
    user_value::UserValue,
};

mod answer;
mod excerpt;
mod read;
mod text;

/// What went wrong. Each variant says whether the pool retries the call by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or the base URL is invalid. Nothing was sent; final.
    Config,
    /// The path, a header or the body of a request is invalid. Nothing was sent; final.
    InvalidRequest,
    /// The target is outside the pool's origin or base path. Nothing was sent; final.
    ForeignOrigin,
    /// More calls wait than the queue bound allows. Nothing was sent; final.
    QueueFull,
    /// Every connection is in use, and the call does not wait for one, or has waited for as
    /// long as its queue timeout allows. Final.
    PoolTimeout,
    /// The call's deadline passed, or a wait would have passed it. Final.
    DeadlineExceeded,
    /// The pool is shutting down, or its actors are gone. Final.
    ShuttingDown,
    /// The worker running the call died, and the call may not or must no longer be retried. Final.
    WorkerCrashed,
    /// Workers died so often that the pool has given up on each of them. Final;
    /// [`AwwPool::resize`](crate::AwwPool::resize) starts workers again.
    NoWorkers,
    /// A callback given to the pool panicked, did not return for too long or returned
    /// something unusable. Final.
    Callback,
    /// The host name did not resolve. Never sent, so any method is retried.
    Resolve,
    /// The connection was refused or not established in time. Never sent, so any method is
    /// retried.
    Connect,
    /// The proxy refused the tunnel, for its credentials or else, or is none. A proxy that is
    /// not reached or does not reach the host is `Connect`. Nothing was sent; final.
    Proxy,
    /// The TLS handshake failed. Never sent, so any method is retried, unless a certificate or
    /// another setting of either side is why: that would fail again, and is final.
    Tls,
    /// The connection broke before the whole answer was read. Retried for safe methods,
    /// and for any method when nothing of the request was written.
    Disconnected,
    /// One attempt took longer than the attempt timeout. Retried for safe methods.
    Timeout,
    /// The body of the answer stopped arriving for longer than the read-idle timeout.
    /// Retried for safe methods.
    Stalled,
    /// The body ended before its declared length or its last chunk. Retried for safe methods.
    Truncated,
    /// The answer is not valid HTTP/1.1, or a body does not decode as its content encoding. Final.
    Framing,
    /// The head of the answer is larger than 128 KiB or has too many fields. Final.
    HeadTooLarge,
    /// The body, after decompression, is larger than the body limit. Final.
    BodyTooLarge,
    /// The server answered with a status that is not a success. 408, 429 and 5xx but 501 are
    /// retried for safe methods (429, 425 and a 403 that is a limit for any method); others
    /// are final, but for the statuses of
    /// [`PoolBuilder::limit_statuses`](crate::PoolBuilder::limit_statuses) and
    /// [`retry_after_statuses`](crate::PoolBuilder::retry_after_statuses).
    Status,
    /// A 401 that one token refresh did not cure, or that none is likely to cure (see
    /// [`TokenSource`](crate::tokens::TokenSource)). Final.
    Unauthorized,
    /// The API asked for a wait that is longer than the pool accepts. Final;
    /// [`Error::retry_after`] says how long.
    RateLimited,
    /// The circuit breaker is open, so nothing was sent. A call that was attempted before
    /// has the error of its last attempt as the source. Final; [`Error::retry_after`] is the
    /// longest time until the next probe.
    CircuitOpen,
    /// The token callback failed, timed out or panicked. Final for this call.
    Token,
    /// The body is not what was asked for: no JSON, another shape, another type. Final.
    Decode,
    /// The server sends the same page again and again, or a page names one as the next that
    /// was read before. Final.
    PageLoop,
    /// Nothing in the answers says where the set ends. Final.
    PaginationMissing,
    /// The set changed while it was read, and the stream was told to fail then. Final.
    SetChanged,
    /// The set has more rows or pages, or one of its pages more items, than the read may take:
    /// see `max_rows`, `max_pages` and `max_page_items`, of which the message names one. Final.
    SetTooLarge,
    /// The cursor or the URL of the next page is not valid any more. A read that begins again may
    /// see another state of the set. Final.
    CursorExpired,
    /// A page says that more rows follow and there is no way to them, or nothing says that
    /// those which were read are all. The message names what says so. Final.
    Incomplete,
    /// A [`ResponseRule`](crate::retry::ResponseRule) takes an answer for a failure though its
    /// status is a success (2xx). Retried if the rule says so.
    ApiError,
}

impl ErrorKind {
    /// The stable, lowercase name used in logs, metrics and Vantage error contexts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::InvalidRequest => "invalid_request",
            Self::ForeignOrigin => "foreign_origin",
            Self::QueueFull => "queue_full",
            Self::PoolTimeout => "pool_timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ShuttingDown => "shutting_down",
            Self::WorkerCrashed => "worker_crashed",
            Self::NoWorkers => "no_workers",
            Self::Callback => "callback",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::Truncated => "truncated",
            Self::Framing => "framing",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::Status => "status",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::CircuitOpen => "circuit_open",
            Self::Token => "token",
            Self::Decode => "decode",
            Self::PageLoop => "page_loop",
            Self::PaginationMissing => "pagination_missing",
            Self::SetChanged => "set_changed",
            Self::Incomplete => "incomplete",
            Self::SetTooLarge => "set_too_large",
            Self::CursorExpired => "cursor_expired",
            Self::ApiError => "api_error",
        }
    }
}

/// What is known about whether the server has seen the request. It decides
/// whether a method that is not safe to retry may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No byte of the request left this process.
    NotSent,
    /// Some of the request was written and no complete answer came back.
    Unknown,
    /// The server answered.
    Answered,
}

/// The error of every call, stream and setting.
///
/// `Display` names the kind and the cause and nothing that could hold a secret: no query
/// string, no body but what a [`ResponseRule`](crate::retry::ResponseRule) takes from it, and of
/// headers only where a redirect leads. Those are behind accessors.
/// As the source of a Vantage error, which says the same, it prints whether a retry may help
/// and how long the call took; `{:#}` prints all.
///
/// ```
/// use vantage_api_pool::{AwwPool, ErrorKind};
///
/// let error = AwwPool::builder("http://localhost:99999").build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

/// A box in an `Arc`, so that the error can be cloned and its source is still what it was made of.
type Source = Arc<Box<dyn StdError + Send + Sync>>;

#[derive(Clone, Debug, thiserror::Error)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    delivery: Delivery,
    response: Option<Response>,
    attempts: u32,
    elapsed: Duration,
    wait: Option<Duration>,
    page: Option<u64>,
    #[source]
    source: Option<Source>,
    /// Whether another error, whose source this is, says what went wrong and where.
    is_told: bool,
    /// Whether the same would happen again, though its kind may pass.
    is_lasting: bool,
    /// What the request held, beside its token, that is not to be shown.
    secrets: Vec<Arc<SecretString>>,
    /// Of a source that is a user's; the last to be dropped.
    end_of_source: Option<Arc<UserValue>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            delivery: Delivery::NotSent,
            response: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            wait: None,
            page: None,
            source: None,
            is_told: false,
            is_lasting: false,
            secrets: Vec::new(),
            end_of_source: None,
        }))
    }

    /// The pool takes no calls any more, or the end of its drain cut this one off.
    pub(crate) fn shutting_down() -> Self {
        Self::new(ErrorKind::ShuttingDown, "the pool is shutting down")
    }

    /// There is no actor left that could answer.
    pub(crate) fn gone() -> Self {
        Self::new(ErrorKind::ShuttingDown, "the pool's actors are gone")
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::new(source.into()));
        self
    }

    /// As [`with_source`](Self::with_source), for an error that a user's code made.
    pub(crate) fn with_users_source(mut self, source: Box<dyn StdError + Send + Sync>) -> Self {
        let source = Arc::new(source);
        self.0.end_of_source = Some(Arc::new(UserValue::keep(Arc::clone(&source))));
        self.0.source = Some(source);
        self
    }

    pub(crate) fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    pub(crate) fn with_response(mut self, response: Response) -> Self {
        self.0.delivery = Delivery::Answered;
        self.0.response = Some(response);
        self
    }

    /// Says that the same would happen again.
    pub(crate) fn lasting(mut self, is_lasting: bool) -> Self {
        self.0.is_lasting = is_lasting;
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.is_lasting
    }

    pub(crate) fn with_wait(mut self, wait: Duration) -> Self {
        self.0.wait = Some(wait);
        self
    }

    pub(crate) fn with_page(mut self, page: u64) -> Self {
        self.0.page = Some(page);
        self
    }

    /// Records how many attempts were made, and how long the whole call took.
    pub(crate) fn with_effort(mut self, attempts: u32, elapsed: Duration) -> Self {
        self.0.attempts = attempts;
        self.0.elapsed = elapsed;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable, lowercase name of [`kind`](Self::kind).
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.0.kind.name()
    }

    /// What is known about whether the server saw the request.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// The status of the answer, when there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.response.as_ref().map(Response::status)
    }

    /// The answer that is the error, with its headers and its body (bounded by the body
    /// limit). Without its body when one item in it is not of the type that it is read
    /// as: the body is data then.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// The page that failed, counted as the API counts pages.
    #[must_use]
    pub fn page(&self) -> Option<u64> {
        self.0.page
    }

    /// How many attempts were made; 0 when nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long the call took from its start to this error.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The wait that the API, the rate limit or the circuit breaker asked for and that was
    /// not accepted.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.wait
    }

    /// Whether the same call may succeed when it is made again later. The pool
    /// has already retried what it may retry.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
    }
}

impl Inner {
    fn is_retryable(&self) -> bool {
        match self.kind {
            _ if self.is_lasting => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    #[test]
    fn display_holds_neither_body_nor_headers() {
        let mut response = Response::new(StatusCode::FORBIDDEN, "canary-body");
        response.headers_mut().insert("x-secret", "canary-header".parse().unwrap());
        let error = Error::status_of(response);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn a_passing_status_is_retryable_and_a_final_one_is_not() {
        for (status, retryable) in
            [(500, true), (503, true), (501, false), (429, true), (408, true), (404, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                Error::status_of(Response::new(status, "")).is_retryable(),
                retryable,
                "{status}"
            );
        }
    }
}
