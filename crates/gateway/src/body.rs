//! Reads the body of a request within its bounds: of size, as a whole and of time, with and
//! without bytes arriving.

use std::time::Duration;

use actix_web::http::{
    StatusCode,
    header::{self, CONTENT_LENGTH, HeaderMap, HeaderValue},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::{Limits, Problem, unread::Incoming};

/// The bounds of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyBounds {
    /// The most bytes.
    pub(crate) bytes: usize,
    /// The time for all of it.
    pub(crate) time: Duration,
    /// The time in which at least one byte must arrive.
    pub(crate) idle: Duration,
}

impl BodyBounds {
    /// Bounds of these limits, for a body of at most `bytes`.
    pub(crate) fn new(limits: &Limits, bytes: usize) -> Self {
        Self { bytes, time: limits.body_time, idle: limits.body_idle }
    }
}

/// The whole body.
///
/// # Errors
/// 415 for a content coding, since a few bytes of one may become gigabytes; 413 and 408 beyond the
/// bounds; 400 if the connection breaks.
pub(crate) async fn read_body(
    payload: &mut Incoming,
    headers: &HeaderMap,
    bounds: BodyBounds,
) -> Result<Bytes, Problem> {
    refuse_coding(headers)?;
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > bounds.bytes as u64) {
        return Err(too_large(bounds.bytes));
    }
    let end = Instant::now() + bounds.time;
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    loop {
        let by = end.min(Instant::now() + bounds.idle);
        let chunk = match timeout_at(by, payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) if whole.is_empty() => return Ok(first),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(chunk)) => chunk.map_err(|_| {
                Problem::bad_request("broken_body", "the body ended before it was complete")
            })?,
        };
        if first.len().max(whole.len()) + chunk.len() > bounds.bytes {
            return Err(too_large(bounds.bytes));
        }
        // A body of one chunk is not copied.
        if first.is_empty() && whole.is_empty() {
            first = chunk;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&chunk);
    }
}

/// # Errors
/// 415 unless the body is sent as it is.
pub(crate) fn refuse_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING);
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "unsupported_coding", "the body must be sent without a coding")
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

pub(crate) fn too_large(bytes: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large")
        .with_detail(format!("it may have {bytes} bytes"))
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

pub(crate) fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not arrive in time")
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}
