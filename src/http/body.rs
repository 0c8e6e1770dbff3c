//! Reads a body under a limit and decompresses it under the same limit. Knows
//! streams of bytes, not where they come from.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::{Stream, StreamExt};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};

use crate::error::{Delivery, Error, ErrorKind};

/// The largest room made for a body before any of it has come, in bytes.
const FIRST_ROOM: usize = 256 * 1024;
/// How much compressed data is decoded in one go, in bytes. Deflate expands at most 1032 times.
const PIECE: usize = 1024;
/// How much is decoded before other tasks get a turn, in bytes: about a millisecond.
const TURN: usize = 256 * 1024;

/// The first of the two bytes that begin each member of gzip data (RFC 1952 section 2.3.1).
const FIRST_OF_A_MEMBER: u8 = 0x1f;

/// How a body is encoded (RFC 9110 section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The encoding that `headers` name.
    ///
    /// # Errors
    /// [`ErrorKind::Framing`] for any but gzip and identity.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut encoding = Self::Identity;
        for name in headers.get_all(CONTENT_ENCODING) {
            let name = String::from_utf8_lossy(name.as_bytes()).trim().to_ascii_lowercase();
            encoding = match (name.as_str(), encoding) {
                ("" | "identity", encoding) => encoding,
                ("gzip" | "x-gzip", Self::Identity) => Self::Gzip,
                _ => {
                    let name: String = name.escape_default().take(64).collect();
                    let what = "the body has a content encoding that this pool does not read";
                    return Err(answered(ErrorKind::Framing, format!("{what}: {name}")));
                }
            };
        }
        Ok(encoding)
    }
}

/// Reads `payload` to its end, decodes it, and removes from `headers` what is
/// no longer true of the decoded body. An empty body is never decoded.
///
/// # Errors
/// [`ErrorKind::BodyTooLarge`] when the declared length, the body or the
/// decoded body is over `limit` bytes; [`ErrorKind::Truncated`] when gzip data
/// ends early or its last checksum is wrong, which look alike;
/// [`ErrorKind::Framing`] when it is corrupt before its end; else the payload's
/// own errors.
pub(super) async fn read(
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    headers: &mut HeaderMap,
    limit: usize,
) -> Result<Bytes, Error> {
    let encoding = Encoding::of(headers)?;
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(too_large());
    }
    let Some(first) = payload.next().await.transpose()? else { return Ok(Bytes::new()) };
    if encoding == Encoding::Gzip {
        let body = gunzip(first, payload, limit).await?;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        return Ok(body);
    }
    if first.len() > limit {
        return Err(too_large());
    }
    let Some(second) = payload.next().await.transpose()? else { return Ok(first) };
    let mut body = Bounded::new(limit);
    let declared = declared.and_then(|declared| usize::try_from(declared).ok());
    body.make_room(declared.unwrap_or_default().min(FIRST_ROOM));
    body.add(&first)?;
    drop(first);
    body.add(&second)?;
    drop(second);
    while let Some(chunk) = payload.next().await.transpose()? {
        body.add(&chunk)?;
    }
    Ok(body.bytes.into())
}

async fn gunzip(
    first: Bytes,
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    limit: usize,
) -> Result<Bytes, Error> {
    let mut decoder = Members::new(limit);
    let mut turn = 0;
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        for piece in bytes.chunks(PIECE) {
            decoder.write(piece).map_err(undecodable)?;
            if decoder.len() - turn > TURN {
                turn = decoder.len();
                tokio::task::yield_now().await;
            }
        }
        chunk = payload.next().await.transpose()?;
    }
    match decoder.finish() {
        Ok(body) => Ok(body.bytes.into()),
        Err(source) => Err(Error::new(
            ErrorKind::Truncated,
            "the gzip data is cut short or does not match its checksum",
        )
        .with_delivery(Delivery::Unknown)
        .with_source(source)),
    }
}

/// Gzip data: members one after another (RFC 1952 section 2.2), and perhaps padding behind the
/// last, which is no data: zeros, as gzip itself ignores them, or the end of a line.
enum Members {
    Member(GzDecoder<Bounded>),
    Padding(Bounded),
}

impl Members {
    fn new(limit: usize) -> Self {
        Self::Member(GzDecoder::new(Bounded::new(limit)))
    }

    /// How much was decoded, in bytes.
    fn len(&self) -> usize {
        match self {
            Self::Member(decoder) => decoder.get_ref().bytes.len(),
            Self::Padding(body) => body.bytes.len(),
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(next) = bytes.first() {
            match self {
                Self::Member(decoder) => match decoder.write(bytes)? {
                    0 => {
                        decoder.try_finish()?;
                        let limit = decoder.get_ref().limit;
                        let body = std::mem::replace(decoder.get_mut(), Bounded::new(limit));
                        *self = match *next {
                            FIRST_OF_A_MEMBER => Self::Member(GzDecoder::new(body)),
                            next if is_padding(next) => Self::Padding(body),
                            _ => return Err(io::ErrorKind::InvalidData.into()),
                        };
                    }
                    taken => bytes = &bytes[taken..],
                },
                Self::Padding(_) if bytes.iter().copied().all(is_padding) => return Ok(()),
                Self::Padding(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Bounded> {
        match self {
            Self::Member(decoder) => decoder.finish(),
            Self::Padding(body) => Ok(body),
        }
    }
}

fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

fn undecodable(source: io::Error) -> Error {
    source.downcast::<Error>().unwrap_or_else(|source| {
        answered(ErrorKind::Framing, "the body is not valid gzip").with_source(source)
    })
}

fn too_large() -> Error {
    answered(ErrorKind::BodyTooLarge, "the body is larger than the body limit")
}

fn answered(kind: ErrorKind, what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, what).with_delivery(Delivery::Answered)
}

/// Bytes that never grow beyond a limit, and never take much more room than that.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Bounded {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    fn make_room(&mut self, room: usize) {
        self.bytes.reserve_exact(room.min(self.limit).saturating_sub(self.bytes.len()));
    }

    fn add(&mut self, more: &[u8]) -> Result<(), Error> {
        let len = self.bytes.len() + more.len();
        if len > self.limit {
            return Err(too_large());
        }
        if len > self.bytes.capacity() {
            self.make_room(len.max(self.bytes.capacity().saturating_mul(2)));
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
