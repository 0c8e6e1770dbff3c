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

/// The body of a request, chunk by chunk.
pub(crate) struct Chunks<'a> {
    payload: &'a mut Incoming,
    /// The most bytes of all.
    most: usize,
    declared: Option<usize>,
    /// When all of them must have arrived.
    end: Instant,
    /// The time in which at least one byte must arrive.
    idle_timeout: Duration,
    read: usize,
}

impl<'a> Chunks<'a> {
    /// A body of at most `most` bytes.
    ///
    /// # Errors
    /// 415 for a content coding, since a few bytes of one may become gigabytes; 413 if it is declared
    /// to be larger.
    pub(crate) fn new(
        payload: &'a mut Incoming,
        headers: &HeaderMap,
        limits: &Limits,
        most: usize,
    ) -> Result<Self, Problem> {
        refuse_coding(headers)?;
        let declared: Option<u64> =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|bytes| bytes > most as u64) {
            return Err(too_large(most));
        }
        let declared = declared.and_then(|bytes| usize::try_from(bytes).ok());
        let end = Instant::now() + limits.body_timeout;
        let idle_timeout = limits.body_idle_timeout;
        Ok(Self { payload, most, declared, end, idle_timeout, read: 0 })
    }

    /// How many bytes it has, or the most that it may have.
    pub(crate) fn expected(&self) -> usize {
        self.declared.unwrap_or(self.most)
    }

    /// The next chunk, until there is none.
    ///
    /// # Errors
    /// 413 and 408 beyond the bounds; 400 if the connection breaks.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let by = self.end.min(Instant::now() + self.idle_timeout);
        let chunk = match timeout_at(by, self.payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(chunk)) => chunk.map_err(|_| {
                Problem::bad_request("broken_body", "the body ended before it was complete")
            })?,
        };
        self.read += chunk.len();
        if self.read > self.most {
            return Err(too_large(self.most));
        }
        Ok(Some(chunk))
    }

    /// The whole body. One of a single chunk is not copied.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) async fn collect(mut self) -> Result<Bytes, Problem> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// # Errors
/// 415 unless the body is sent as it is.
fn refuse_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING);
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "unsupported_coding", "the body must be sent without a coding")
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn too_large(bytes: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large")
        .with_detail(format!("it may have {bytes} bytes"))
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not arrive in time")
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}
