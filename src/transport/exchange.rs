//! [pure] Follows the requests and responses on one connection: what was written, which bytes of a
//! response awc may see, and what an end of the stream means. Knows bytes, not sockets or time.
//!
//! awc alone would take an interim head for a response, a truncated body for a complete one, and a
//! body without a length for an empty one.

use std::{borrow::Cow, io};

use bytes::BytesMut;

use super::{
    framing::Remaining,
    head::{self, Head, HeadError, HeadReader, ParsedHead},
};
use crate::error::{Delivery, Error, ErrorKind};

/// The state of the connection.
#[derive(Debug, Default)]
enum Phase {
    /// No request is outstanding.
    #[default]
    Idle,
    /// A request is being written, or its response's head is awaited or partly received.
    Head,
    /// The head is complete and the body is not.
    Body(Remaining),
    /// The server has ended the stream, as the framing of the last response announced.
    Ended,
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    phase: Phase,
    requests: u64,
    /// Bytes of the current request that the stream accepted.
    written: u64,
    /// Bytes of the current response that arrived, including interim heads.
    seen: u64,
    /// The current request is HEAD.
    is_head: bool,
    status: u16,
    head: HeadReader,
    /// Bytes that awc may see but has not read.
    ready: BytesMut,
    /// The connection must not serve another request.
    spent: bool,
    /// The rest of the current request does not start another one.
    early: bool,
    /// Whether the response went on after its declared end, with more than line ends and zeros, as
    /// far as that arrived together with it: it may be longer than it says.
    pub(super) overruns: bool,
    /// Whether the connection had served a request before, and broke before the first byte of this
    /// response: most likely the server had closed it while it was idle.
    pub(super) is_stale: bool,
}

impl Exchange {
    /// The state of a connection that is new, or was kept open for another request.
    pub(super) fn new(is_reused: bool) -> Self {
        Self { requests: u64::from(is_reused), ..Self::default() }
    }

    /// Records bytes that arrived after the end of a response. No other request follows on this
    /// connection.
    pub(super) fn stray(&mut self, bytes: &[u8]) {
        self.spent |= !bytes.is_empty();
        self.overruns |= bytes.iter().any(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    }

    /// Bytes that awc is to read before anything else.
    pub(super) fn ready(&mut self) -> &mut BytesMut {
        &mut self.ready
    }

    /// Whether nothing of a response is outstanding, on the stream or here.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Ended) && self.ready.is_empty()
    }

    /// Whether the exchange is over and the connection may serve another one.
    pub(super) fn is_reusable(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.ready.is_empty() && !self.spent
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Whether the head of the response is not yet complete.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.phase, Phase::Head)
    }

    /// Whether part of a response has arrived and more must follow.
    pub(super) fn is_midway(&self) -> bool {
        match self.phase {
            Phase::Head => self.head.is_midway(),
            Phase::Body(_) => true,
            Phase::Idle | Phase::Ended => false,
        }
    }

    /// Whether the server has responded with an error, so that the rest of the request is useless.
    pub(super) fn is_refused(&self) -> bool {
        !self.awaits_head() && self.status >= 400
    }

    /// Records that the response came, or may have come, before the request was fully written. No
    /// other request follows on this connection.
    pub(super) fn answered_early(&mut self) {
        self.early = true;
        self.spent = true;
    }

    /// Records that `bytes` are about to be written. The first ones after a response start a
    /// request.
    pub(super) fn begin_write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if matches!(self.phase, Phase::Idle | Phase::Ended) && !self.early {
            self.requests += 1;
            self.written = 0;
            self.seen = 0;
            if self.spent {
                return Err(self.failure(ErrorKind::Disconnected, "the connection is used up"));
            }
            self.is_head = bytes.starts_with(b"HEAD ");
            self.phase = Phase::Head;
        }
        Ok(())
    }

    /// Records that `count` bytes were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count as u64;
    }

    /// Whether any of the current request was written.
    pub(super) fn has_written(&self) -> bool {
        self.written > 0
    }

    /// Processes received bytes, and returns how many of them, from the start, awc may see in
    /// this form. The others are kept (see [`ready`](Self::ready)) or dropped.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        let visible = self.receive_in_phase(bytes);
        self.spent |= visible.is_err();
        visible
    }

    fn receive_in_phase(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        self.seen += bytes.len() as u64;
        match &mut self.phase {
            Phase::Head => self.receive_head(bytes),
            Phase::Body(left) => {
                let taken = match left.advance(bytes) {
                    Ok(taken) => taken,
                    Err(what) => return Err(self.failure(ErrorKind::Framing, what)),
                };
                if left.is_done() {
                    self.phase = Phase::Idle;
                    self.stray(&bytes[taken..]);
                }
                Ok(taken)
            }
            Phase::Idle | Phase::Ended => {
                Err(self.failure(ErrorKind::Disconnected, "bytes came that were not asked for"))
            }
        }
    }

    fn receive_head(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        if !self.head.is_midway()
            && let ParsedHead::Final(head) =
                head::inspect(bytes, self.is_head).map_err(|refusal| self.refused(refusal))?
        {
            return self.begin_body(head, bytes);
        }
        let head = self.head.push(bytes, self.is_head);
        if let Some(head) = head.map_err(|refusal| self.refused(refusal))? {
            let mut bytes = self.head.take();
            let visible = self.begin_body(head, &mut bytes)?;
            bytes.truncate(visible);
            self.ready = bytes;
        }
        Ok(0)
    }

    /// Starts the body with the bytes after the head, and returns how many of `bytes` are head and
    /// body.
    fn begin_body(&mut self, head: Head, bytes: &mut [u8]) -> Result<usize, Error> {
        let Head { len, status, body: mut left, version_at, old, persists } = head;
        self.status = status;
        self.spent |= !persists;
        if left == Remaining::UntilClose {
            // Only for an HTTP/1.0 response does awc read a body that lasts until the close.
            bytes[version_at] = b'0';
        }
        let taken = left.advance(&bytes[len..]);
        let taken = taken.map_err(|what| self.failure(ErrorKind::Framing, what))?;
        if !left.is_done() {
            self.phase = Phase::Body(left);
        } else {
            self.stray(&bytes[len + taken..]);
            // For an HTTP/1.0 response awc reads even an empty body until the close.
            let ended = old && taken == 0;
            self.spent |= ended;
            self.phase = if ended { Phase::Ended } else { Phase::Idle };
        }
        Ok(len + taken)
    }

    /// The meaning of the stream ending here, or breaking for the reason `broken`.
    pub(super) fn end(&mut self, broken: Option<io::Error>) -> Result<(), Error> {
        self.spent = true;
        let clean = broken.is_none();
        let failure = match &self.phase {
            Phase::Body(Remaining::UntilClose) if clean => {
                self.phase = Phase::Ended;
                return Ok(());
            }
            Phase::Ended if clean => return Ok(()),
            Phase::Body(_) => self
                .failure(ErrorKind::Truncated, "the response ended before its body was complete"),
            Phase::Head if self.seen == 0 && self.requests > 1 => {
                self.is_stale = true;
                self.failure(
                    ErrorKind::Disconnected,
                    "a reused connection was closed before any response",
                )
            }
            _ => self.failure(
                ErrorKind::Disconnected,
                "the connection was closed before the response was complete",
            ),
        };
        Err(match broken {
            Some(source) => failure.with_source(source),
            None => failure,
        })
    }

    /// The error if nothing arrived for too long.
    pub(super) fn stall(&mut self) -> Error {
        self.spent = true;
        self.failure(ErrorKind::Stalled, "the response stopped arriving")
    }

    fn refused(&self, refusal: HeadError) -> Error {
        match refusal {
            HeadError::TooLarge => self.failure(
                ErrorKind::HeadTooLarge,
                "the head of the response is larger than 128 KiB or has more than 96 fields",
            ),
            HeadError::Malformed(what) => {
                self.failure(ErrorKind::Framing, format!("the response is malformed: {what}"))
            }
        }
    }

    fn failure(&self, kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Error {
        let delivery = if self.has_written() { Delivery::Unknown } else { Delivery::NotSent };
        Error::new(kind, what).with_delivery(delivery)
    }
}
