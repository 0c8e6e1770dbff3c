//! The HTTP client of one worker, which makes one attempt: sends the request, reads the response,
//! and says in an error what is known about delivery. Decides nothing about retries except in the
//! one case that only the transport can see.

use std::{future::Future, pin::pin, rc::Rc};

use actix_http::{
    Payload,
    error::{ParseError, PayloadError},
    header::{HeaderName as WireName, HeaderValue as WireValue},
};
use awc::error::{ConnectError, SendRequestError};
use bytes::Bytes;
use futures::TryStreamExt;
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{CONTENT_RANGE, RANGE},
};

use super::{
    body, body_limit::BodyLimit, connection_pool::ConnectionPool, sender::Sender,
    settings::Settings, stream::Stream, strict_io::StrictIo, wire,
};
use crate::{
    error::{Delivery, Error, ErrorKind},
    header_value::header_text,
    request::Request,
    response::Response,
};

/// How many stale connections one attempt may meet. Most are found before they are used, so more
/// in a row mean that the request itself makes the server hang up.
const MAX_STALE: u32 = 2;

/// The HTTP client of one worker. Neither `Send` nor shared between threads.
pub(crate) struct Client {
    connections: Rc<ConnectionPool>,
    sender: Sender<StrictIo<Stream>>,
    headers: Result<Vec<(WireName, WireValue)>, Error>,
    max_body_bytes: usize,
    max_error_body_bytes: usize,
}

impl Client {
    /// A client for the origin in the settings. It opens the minimum of connections at once, in the
    /// background.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            connections: ConnectionPool::new(settings),
            sender: Sender::new(),
            headers: wire::default_headers(&settings.base, &settings.headers, settings.gzip),
            max_body_bytes: settings.max_body_bytes,
            max_error_body_bytes: settings.max_error_body_bytes,
        }
    }

    /// Resolves when the minimum of connections is open.
    ///
    /// # Errors
    /// That of the first connection that fails to open.
    pub(crate) fn fill(&self) -> impl Future<Output = Result<(), Error>> + use<> {
        Rc::clone(&self.connections).fill()
    }

    /// Changes how many connections are kept open without use.
    pub(crate) fn keep(&self, min: usize) {
        self.connections.keep(min);
    }

    /// Makes one attempt: writes `request` to `url`, which is on the origin, and reads the
    /// whole response.
    ///
    /// Any complete response is `Ok`, whatever its status. An error's kind says what
    /// happened and its delivery what the server may have seen. There is no time limit here
    /// except the connect and read-idle timeouts: the caller limits the attempt. Dropping
    /// the future closes the connection.
    ///
    /// A reused connection that turns out to be closed before it responds is not an attempt, if the
    /// request may be retried: another connection is used, at most [`MAX_STALE`] times in a row.
    pub(crate) async fn send(&self, request: &Request, url: &Uri) -> Result<Response, Error> {
        let mut stale_left = MAX_STALE;
        loop {
            let mut is_stale = false;
            let error = match self.send_once(request, url, &mut is_stale).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let harmless = request.is_idempotent() || error.delivery() == Delivery::NotSent;
            if !is_stale || !harmless || stale_left == 0 {
                return Err(error);
            }
            stale_left -= 1;
        }
    }

    /// Sends the request once. On an error `is_stale` says whether the connection was closed before
    /// it was used again.
    async fn send_once(
        &self,
        request: &Request,
        url: &Uri,
        is_stale: &mut bool,
    ) -> Result<Response, Error> {
        let defaults = self.headers.as_ref().map_err(Clone::clone)?;
        let head = wire::request_head(request, url, defaults)?;
        let body = match request.payload() {
            None if has_body_by_nature(request.method()) => Some(Bytes::new()),
            body => body.cloned(),
        };
        let connection = self.connections.get().await?;
        let sent = self.sender.send(&connection.io, head, body).await;
        *is_stale = connection.io.borrow().exchange.is_stale;
        let (head, payload) = sent.map_err(send_error)?;
        let (status, mut headers) = wire::answer_head(&head)?;
        let bodyless = request.method() == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut is_cut = false;
        let body = if !matches!(payload, Payload::None) && !bodyless {
            let payload = pin!(payload.map_err(payload_error));
            let limit = self.body_limit(status);
            let body = body::read(payload, &mut headers, limit).await?;
            is_cut = limit.cuts && body.len() == limit.bytes;
            body
        } else {
            Bytes::new()
        };
        let overruns = is_cut || connection.io.borrow().exchange.overruns;
        let response = Response::from_parts(status, headers, body).overrunning(overruns);
        if status == StatusCode::PARTIAL_CONTENT && is_part_of_bytes(response.headers()) {
            let mut names = defaults.iter().map(|(name, _)| name.as_str());
            if !request.headers().contains_key(RANGE) && !names.any(|name| name == RANGE) {
                let what = "the response is a part of a body of which no part was asked for";
                return Err(Error::new(ErrorKind::Framing, what).with_response(response));
            }
        }
        Ok(response)
    }

    fn body_limit(&self, status: StatusCode) -> BodyLimit {
        let cuts = status.is_client_error() || status.is_server_error();
        let bytes = if cuts { self.max_error_body_bytes } else { usize::MAX };
        BodyLimit { bytes: bytes.min(self.max_body_bytes), cuts }
    }
}

/// Whether a 206 is about bytes (RFC 9110 section 15.3.7). APIs use ranges of other units to say
/// which items a page holds, and then the page is complete.
fn is_part_of_bytes(headers: &HeaderMap) -> bool {
    let Some(range) = headers.get(CONTENT_RANGE).map(header_text) else { return true };
    let unit = range.trim_start().split(' ').next().unwrap_or_default();
    unit.is_empty() || unit.eq_ignore_ascii_case("bytes")
}

/// Whether servers expect a body length for this method even without a body (RFC 9110
/// section 8.6).
fn has_body_by_nature(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Converts an error from before the complete head.
fn send_error(error: SendRequestError) -> Error {
    match error {
        SendRequestError::Send(error) | SendRequestError::Response(ParseError::Io(error)) => {
            error.downcast().unwrap_or_else(|source| {
                unknown(ErrorKind::Disconnected, "the connection broke").with_source(source)
            })
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            unknown(ErrorKind::Disconnected, "the connection was closed before any response")
        }
        SendRequestError::Response(ParseError::TooLarge) => {
            unknown(ErrorKind::HeadTooLarge, "the head of the response is too large")
        }
        SendRequestError::Response(error) => {
            unknown(ErrorKind::Framing, "the response has a head that is not valid")
                .with_source(error)
        }
        _ => unknown(ErrorKind::Disconnected, "the request could not be sent"),
    }
}

/// Converts an error from within the body.
fn payload_error(error: PayloadError) -> Error {
    match error {
        PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => {
            error.downcast().unwrap_or_else(|source| {
                unknown(ErrorKind::Framing, "the body is not valid").with_source(source)
            })
        }
        PayloadError::Incomplete(None) => {
            unknown(ErrorKind::Truncated, "the response ended before its body was complete")
        }
        error => unknown(ErrorKind::Framing, "the body is not valid").with_source(error),
    }
}

fn unknown(kind: ErrorKind, what: &'static str) -> Error {
    Error::new(kind, what).with_delivery(Delivery::Unknown)
}
