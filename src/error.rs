//! The one error type of this crate: what went wrong, what is known about delivery, and the
//! context a caller needs. Knows nothing of actors, sockets or clocks.

use std::{borrow::Cow, error::Error as StdError, sync::Arc, time::Duration};

use http::StatusCode;
use secrecy::SecretString;

use crate::{response::Response, user_value::UserValue};

mod answer;
mod excerpt;
mod read;
mod retryable;
mod text;

pub(crate) use excerpt::without_secret;
pub(crate) use text::{shown_name, without_query};

/// What went wrong. Each variant says whether the pool retries the call by itself: "not retried"
/// is about the pool alone. Whether the same call may succeed if the caller makes it again later is
/// said by [`Error::is_retryable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or the base URL is invalid. Nothing was sent; not retried.
    Config,
    /// The path, a header or the body of a request is invalid. Nothing was sent; not retried.
    InvalidRequest,
    /// The target is outside the pool's origin or base path. Nothing was sent; not retried.
    ForeignOrigin,
    /// More calls are waiting than the queue bound allows. Nothing was sent; not retried.
    QueueFull,
    /// Every connection is in use, and the call does not wait for one, or has waited for as
    /// long as its queue timeout allows. Not retried.
    PoolTimeout,
    /// The call's deadline passed, or the next wait would pass it. Not retried.
    DeadlineExceeded,
    /// The pool is shutting down, or its actors are gone. Not retried.
    ShuttingDown,
    /// The worker running the call died, and the call cannot be retried (again). Not retried.
    WorkerCrashed,
    /// Workers died so often that the pool has given up on all of them. Not retried;
    /// [`AwwPool::resize`](crate::AwwPool::resize) starts workers again.
    NoWorkers,
    /// A callback given to the pool panicked, took too long to return or returned something
    /// unusable. Also if the pool has no thread for its own long work, such as building an item of
    /// megabytes, or if that work panics. Not retried.
    Callback,
    /// The host name did not resolve. Never sent, so any method is retried.
    Resolve,
    /// The connection was refused or not established in time. Never sent, so any method is
    /// retried.
    Connect,
    /// The proxy refused the tunnel, because of its credentials or for another reason, or is not
    /// an HTTP proxy. A proxy that cannot be reached or cannot reach the host is `Connect`.
    /// Nothing was sent; not retried.
    Proxy,
    /// The TLS handshake failed. Never sent, so any method is retried, unless the cause is a
    /// certificate or another setting of either side, which would fail again.
    Tls,
    /// The connection broke before the whole response was read. Retried for idempotent methods,
    /// and for any method if nothing of the request was written.
    Disconnected,
    /// One attempt took longer than the attempt timeout. Retried for idempotent methods.
    Timeout,
    /// The response had begun to arrive, with its head or its body, and then stopped for longer
    /// than the read-idle timeout. Retried for idempotent methods.
    Stalled,
    /// The body ended before its declared length or its last chunk. Retried for idempotent methods.
    Truncated,
    /// The response is not valid HTTP/1.1, or its body cannot be decompressed. Not retried.
    Framing,
    /// The head of the response is larger than 128 KiB or has too many fields. Not retried.
    HeadTooLarge,
    /// The body, after decompression, is larger than the body limit. Not retried.
    BodyTooLarge,
    /// The status of the response is not a success. 408, 429 and 5xx except 501 are retried
    /// for idempotent methods (429, 425 and a 403 that is a rate limit for any method).
    /// Others are not, except the statuses of
    /// [`PoolBuilder::limit_statuses`](crate::PoolBuilder::limit_statuses) and
    /// [`retry_after_statuses`](crate::PoolBuilder::retry_after_statuses).
    Status,
    /// A 401 that one token refresh did not fix, or that no refresh is likely to fix (see
    /// [`TokenSource`](crate::tokens::TokenSource)). Not retried.
    Unauthorized,
    /// The API requested a longer wait than the pool accepts. Not retried;
    /// [`Error::retry_after`] has the wait.
    RateLimited,
    /// The circuit breaker is open, so nothing was sent. If the call was attempted before, the
    /// error of its last attempt is the source. Not retried; [`Error::retry_after`] is the longest
    /// time until the next probe.
    CircuitOpen,
    /// The token callback failed, timed out or panicked. Not retried.
    Token,
    /// The body does not have the requested form: it is not JSON, or has another shape or type.
    /// Not retried.
    Decode,
    /// The server sends the same page again and again, or a page names a page that was read before
    /// as the next one. Not retried.
    PageLoop,
    /// The second page has the items of the first, and nothing on them says that there are pages:
    /// the API seems not to page. Not retried.
    PaginationMissing,
    /// The set changed while it was read, and the stream was set to fail in that case. Not retried.
    SetChanged,
    /// The set has more rows or pages, or a page has more items, than the read allows: the message
    /// names the limit, one of `max_rows`, `max_pages` and `max_page_items`. Not retried.
    SetTooLarge,
    /// The cursor or the URL of the next page is no longer valid. A read that starts again may see
    /// another state of the set. Not retried.
    CursorExpired,
    /// A page says that more rows follow but they cannot be reached, or nothing says that the rows
    /// which were read are all. The message names what says so. Not retried.
    Incomplete,
    /// A [`ResponseRule`](crate::retry::ResponseRule) treats a response as a failure although its
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

/// What is known about whether the server has seen the request. It decides whether a method
/// that is not idempotent may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// No byte of the request left this process.
    NotSent,
    /// Some of the request was written and no complete response came back.
    Unknown,
    /// The server responded.
    Answered,
}

/// The error of every call, stream and setting.
///
/// `Display` names the kind, the cause and, of an answer, the method and path of its request, but nothing that could
/// contain a secret: no query string, no part of the path that may be one (with more than 20
/// characters and a digit, or characters that names do not have), and no other part of a response than
/// these: the keys and the content type of what is not a page, what an extractor says of it, what a
/// [`ResponseRule`](crate::retry::ResponseRule) quotes from a body, where a redirect or the next page leads (origin and path only), and a
/// `Content-Encoding` that the pool does not read. Accessors return the rest. As the source of a
/// Vantage error, which already says all of that, it only prints how long the call took and whether
/// it [may succeed later](Self::is_retryable) ("retryable") or not ("final"); `{:#}` prints
/// everything.
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

/// A box in an `Arc`: the error can be cloned, and its source can still be downcast.
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
    /// Whether an outer error, whose source this is, already states what went wrong and where.
    is_told: bool,
    /// Whether a retry would fail the same way, even if errors of this kind can be transient.
    is_lasting: bool,
    /// Whether the API refused the call because of a rate limit, whatever the status.
    is_refusal: bool,
    /// Secrets of the request, besides its token, that must not be shown.
    secrets: Vec<Arc<SecretString>>,
    /// The value that owns a user's source; must be dropped last.
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
            is_refusal: false,
            secrets: Vec::new(),
            end_of_source: None,
        }))
    }

    /// A setting is invalid: `message` names it, and what is wrong with it.
    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// The pool accepts no more calls, or the end of its drain cut this one off.
    pub(crate) fn shutting_down() -> Self {
        Self::new(ErrorKind::ShuttingDown, "the pool is shutting down")
    }

    /// No actor is left to respond.
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

    /// As [`with_source`](Self::with_source), for an error made by a user's code.
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

    /// Marks that a retry would fail the same way.
    pub(crate) fn lasting(mut self, is_lasting: bool) -> Self {
        self.0.is_lasting = is_lasting;
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.is_lasting
    }

    /// Records whether the API refused the call because of a rate limit.
    pub(crate) fn refused(mut self, is_refusal: bool) -> Self {
        self.0.is_refusal = is_refusal;
        self
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

    /// The status of the response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.response.as_ref().map(Response::status)
    }

    /// The response that caused the error, with its headers and its body (bounded by the body
    /// limit). The body is empty if the error is about the type of one item, since the body is data
    /// then.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// The page that failed, counted as the API counts pages.
    #[must_use]
    pub fn page(&self) -> Option<u64> {
        self.0.page
    }

    /// How many attempts were made; 0 if nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long the call took from its start to this error.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The wait that the API, the rate limit or the circuit breaker requires and that the pool did
    /// not accept because it is too long. `None` if the call ended for another reason, whatever the
    /// API requests: after the last attempt of [`max_attempts`](crate::PoolBuilder::max_attempts),
    /// the wait of a 429 is only in the headers of the [`response`](Self::response).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.wait
    }

    /// Whether the same call may succeed if it is made again later. The pool has already done the
    /// retries it may do.
    ///
    /// It does not say that repeating the call is safe. If its method is not idempotent, look at
    /// [`delivery`](Self::delivery) too: only after [`Delivery::NotSent`] or a rate limit, such as
    /// a 429, is it certain that the server has not acted on the request.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
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
