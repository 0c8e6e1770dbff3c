//! [pure] Reads the head of a response and determines what follows it. Knows bytes, not sockets.
//! Its limits are those of awc's parser, so that any head accepted here is accepted there.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use httparse::Status;

use super::{framing::Remaining, mend::mend};

/// The largest head that is read, in bytes.
pub(super) const MAX_HEAD: usize = 128 * 1024;
const MAX_FIELDS: usize = 96;
const MAX_INTERIMS: usize = 16;
const MAX_INTERIM_BYTES: usize = 16 * 1024;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    TooLarge,
    Malformed(&'static str),
}

/// What the first bytes of a response are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ParsedHead {
    /// The head is not complete.
    Partial,
    /// An interim (1xx) head of this many bytes.
    Interim(usize),
    Final(Head),
}

/// A complete head of a final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) status: u16,
    pub(super) body: Remaining,
    /// The position of the minor version: `1` or `0`.
    pub(super) version_at: usize,
    /// Whether the response is HTTP/1.0 or older.
    pub(super) old: bool,
    /// Whether the server keeps the connection open afterwards (RFC 9112 section 9.3).
    pub(super) persists: bool,
}

/// Reads the head at the start of `bytes`, which is rewritten if need be (see [`mend`]).
/// `answers_head` says that the request was HEAD.
pub(super) fn inspect(bytes: &mut [u8], answers_head: bool) -> Result<ParsedHead, HeadError> {
    match parse(bytes, answers_head) {
        Err(HeadError::Malformed(_)) if mend(bytes) => parse(bytes, answers_head),
        verdict => verdict,
    }
}

fn parse(bytes: &[u8], answers_head: bool) -> Result<ParsedHead, HeadError> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut fields,
    );
    let len = match parsed {
        Ok(Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Ok(ParsedHead::Partial),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(httparse::Error::Version) => return Err(HeadError::Malformed("not HTTP/1.1")),
        Err(_) => return Err(HeadError::Malformed("not a valid HTTP head")),
    };
    let status = response.code.unwrap_or_default();
    match status {
        0..100 => return Err(HeadError::Malformed("a status below 100")),
        101 => return Err(HeadError::Malformed("a switch of protocols that was not asked for")),
        102..200 | 100 => return Ok(ParsedHead::Interim(len)),
        _ => {}
    }
    let old = response.version == Some(0);
    let declared = declared_body(response.headers, old)?;
    let persists = persists(response.headers, old);
    let declares_body = matches!(declared, Remaining::Length(1..) | Remaining::Chunks { .. });
    let bodyless = answers_head || status == 204 || status == 304;
    let blank_lines = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    Ok(ParsedHead::Final(Head {
        len,
        status,
        body: if bodyless { Remaining::Length(0) } else { declared },
        version_at: blank_lines + "HTTP/1.".len(),
        old,
        // If a 204 declares a body, the bytes after it may be that body (RFC 9110 section 8.6).
        persists: persists && !(status == 204 && declares_body),
    }))
}

/// The length of the body as the fields declare it (RFC 9112 section 6.3).
fn declared_body(fields: &[httparse::Header<'_>], old: bool) -> Result<Remaining, HeadError> {
    let mut length = None;
    let mut chunked = false;
    let mut websocket = false;
    for field in fields {
        let value = field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(value).ok().and_then(|value| value.parse::<u64>().ok());
            if !digits || number.is_none() || length.is_some() {
                return Err(HeadError::Malformed("a Content-Length that is not one number"));
            }
            length = number;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if old || chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadError::Malformed("a Transfer-Encoding that is not just chunked"));
            }
            chunked = true;
        } else if field.name.eq_ignore_ascii_case("upgrade") {
            websocket |= value.eq_ignore_ascii_case(b"websocket");
        }
    }
    match (chunked, length) {
        (true, Some(_)) => Err(HeadError::Malformed("both Content-Length and Transfer-Encoding")),
        (true, None) => Ok(Remaining::chunked()),
        // awc treats this as a tunnel and would lose the body.
        (false, _) if websocket => Err(HeadError::Malformed("an offer to switch to WebSocket")),
        (false, Some(length)) => Ok(Remaining::Length(length)),
        (false, None) => Ok(Remaining::UntilClose),
    }
}

/// Whether the connection may serve another request, as the fields say.
fn persists(fields: &[httparse::Header<'_>], old: bool) -> bool {
    let mut persists = !old;
    for field in fields.iter().filter(|field| field.name.eq_ignore_ascii_case("connection")) {
        for option in field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                return false;
            }
            persists |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    persists
}

/// Collects a head that arrives in pieces, and drops the interim ones before it.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    bytes: BytesMut,
    interims: usize,
    interim_bytes: usize,
    /// The number of bytes from which the head is parsed, if it does not look complete before.
    parse_at: usize,
}

impl HeadReader {
    /// Whether part of a head is waiting for the rest.
    pub(super) fn is_midway(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Adds bytes; returns the final head once it is complete. [`take`](Self::take) then returns
    /// its bytes, and those after it.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        answers_head: bool,
    ) -> Result<Option<Head>, HeadError> {
        let seam = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        // Parsing on every read would cost the square of the head's length with a slow sender.
        if self.bytes.len() < self.parse_at && !has_blank_line(&self.bytes[seam..]) {
            return Ok(None);
        }
        loop {
            match inspect(&mut self.bytes, answers_head)? {
                ParsedHead::Final(head) => return Ok(Some(head)),
                ParsedHead::Partial => {
                    self.parse_at = self.bytes.len().saturating_mul(2).min(MAX_HEAD);
                    return Ok(None);
                }
                ParsedHead::Interim(len) => {
                    self.interims += 1;
                    self.interim_bytes += len;
                    if self.interims > MAX_INTERIMS || self.interim_bytes > MAX_INTERIM_BYTES {
                        return Err(HeadError::Malformed("too many interim responses"));
                    }
                    let _ = self.bytes.split_to(len);
                }
            }
        }
    }

    /// Returns what was collected and resets the reader.
    pub(super) fn take(&mut self) -> BytesMut {
        std::mem::take(self).bytes
    }
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}
