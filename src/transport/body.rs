//! Reads a body under a size limit and decompresses it under the same limit. Knows
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

/// The largest buffer reserved for a body before any of it has arrived, in bytes.
const FIRST_ROOM: usize = 256 * 1024;
/// Bodies of up to this many bytes are small compared to the 8 KiB buffer into which awc reads.
const SMALL: usize = 2 * 1024;
/// How much compressed data is decoded at a time, in bytes. Deflate expands at most 1032 times.
const PIECE: usize = 1024;
/// How much is decoded before other tasks get a turn, in bytes: about a millisecond.
const TURN: usize = 256 * 1024;

/// The most members of gzip data. Each costs a new decompressor, however little it holds.
const MOST_MEMBERS: u32 = 1_000;

/// The first of the two bytes that begin each member of gzip data (RFC 1952 section 2.3.1).
const FIRST_OF_A_MEMBER: u8 = 0x1f;

/// The most that is read of a body, and whether a longer one is truncated instead of refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) cuts: bool,
}

/// Whether `headers` name gzip as the encoding (RFC 9110 section 8.4).
///
/// # Errors
/// [`ErrorKind::Framing`] for any but gzip and identity.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    let mut is_gzip = false;
    for name in headers.get_all(CONTENT_ENCODING) {
        let name = String::from_utf8_lossy(name.as_bytes()).trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" if !is_gzip => is_gzip = true,
            _ => {
                let name: String = name.escape_default().take(64).collect();
                let what = "the body has a content encoding that this pool does not read";
                return Err(answered(ErrorKind::Framing, format!("{what}: {name}")));
            }
        }
    }
    Ok(is_gzip)
}

/// Reads `payload` to its end, decodes it, and removes from `headers` what no longer applies to
/// the decoded body. An empty body is never decoded.
///
/// # Errors
/// [`ErrorKind::BodyTooLarge`] if the declared length, the body as received or the decoded body
/// is over the limit and it is not truncated; [`ErrorKind::Truncated`] if gzip data ends early or
/// its last checksum is wrong, which cannot be told apart; [`ErrorKind::Framing`] if it is corrupt
/// before its end; otherwise the payload's own errors.
pub(super) async fn read(
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    headers: &mut HeaderMap,
    limit: Limit,
) -> Result<Bytes, Error> {
    let is_gzip = is_gzip(headers)?;
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if !limit.cuts && declared.is_some_and(|declared| declared > limit.bytes as u64) {
        return Err(too_large());
    }
    let Some(first) = payload.next().await.transpose()? else { return Ok(Bytes::new()) };
    if is_gzip {
        let body = gunzip(first, payload, limit).await?;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        return Ok(body);
    }
    let mut body = Bounded::new(limit);
    if first.len() > limit.bytes {
        return body.add(&first).or_else(|error| limit.cut(error)).map(|()| body.bytes.into());
    }
    let Some(second) = payload.next().await.transpose()? else {
        // Otherwise a small one would keep the whole buffer that awc reserved for the response.
        let is_small = first.len() <= SMALL;
        return Ok(if is_small { Bytes::copy_from_slice(&first) } else { first });
    };
    let declared = declared.and_then(|declared| usize::try_from(declared).ok());
    body.expected = declared.unwrap_or_default();
    body.make_room(body.expected.min(FIRST_ROOM));
    body.add(&first)?;
    drop(first);
    let mut added = body.add(&second);
    drop(second);
    while added.is_ok() {
        let Some(chunk) = payload.next().await.transpose()? else { break };
        added = body.add(&chunk);
    }
    added.or_else(|error| limit.cut(error))?;
    Ok(body.bytes.into())
}

impl Limit {
    /// A body that is too long is no error if it may be truncated.
    fn cut(self, error: Error) -> Result<(), Error> {
        if self.cuts && error.kind() == ErrorKind::BodyTooLarge { Ok(()) } else { Err(error) }
    }
}

async fn gunzip(
    first: Bytes,
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    limit: Limit,
) -> Result<Bytes, Error> {
    let mut decoder = Members::new(limit);
    let (mut turn, mut came) = (0, 0);
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        for piece in bytes.chunks(PIECE) {
            came += piece.len();
            // Data that decodes to nothing still has to be read; incompressible data takes a
            // little more than it decodes to.
            let is_left = came <= limit.bytes.saturating_add(limit.bytes / 8 + PIECE);
            let written =
                if is_left { decoder.write(piece) } else { Err(io::Error::other(too_large())) };
            if let Err(error) = written {
                return limit.cut(undecodable(error)).map(|()| decoder.into_bytes());
            }
            if came + decoder.len() - turn > TURN {
                turn = came + decoder.len();
                tokio::task::yield_now().await;
            }
        }
        chunk = payload.next().await.transpose()?;
    }
    match decoder.finish() {
        Ok(()) => Ok(decoder.into_bytes()),
        Err(source) if is_own(&source) => {
            limit.cut(undecodable(source)).map(|()| decoder.into_bytes())
        }
        Err(source) => Err(Error::new(
            ErrorKind::Truncated,
            "the gzip data is cut short or does not match its checksum",
        )
        .with_delivery(Delivery::Unknown)
        .with_source(source)),
    }
}

/// Gzip data: members one after another (RFC 1952 section 2.2), and perhaps padding after the
/// last, which is not data: zeros, which gzip itself ignores, or a line end.
struct Members {
    /// For the member that is being decoded, or the last one.
    decoder: GzDecoder<Bounded>,
    /// How many there were.
    count: u32,
    is_padding: bool,
}

impl Members {
    fn new(limit: Limit) -> Self {
        Self { decoder: GzDecoder::new(Bounded::new(limit)), count: 1, is_padding: false }
    }

    /// How much was decoded, in bytes.
    fn len(&self) -> usize {
        self.decoder.get_ref().bytes.len()
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(next) = bytes.first() {
            if self.is_padding {
                let is_all_padding = bytes.iter().copied().all(is_padding);
                return is_all_padding.then_some(()).ok_or(io::ErrorKind::InvalidData.into());
            }
            match self.decoder.write(bytes)? {
                0 => self.end_member(*next)?,
                taken => bytes = &bytes[taken..],
            }
        }
        Ok(())
    }

    /// Ends a member that is followed by `next`.
    fn end_member(&mut self, next: u8) -> io::Result<()> {
        self.decoder.try_finish()?;
        self.count += 1;
        match next {
            FIRST_OF_A_MEMBER if self.count > MOST_MEMBERS => {
                let what = "the body has more than 1,000 gzip members";
                return Err(io::Error::other(answered(ErrorKind::BodyTooLarge, what)));
            }
            FIRST_OF_A_MEMBER => {
                let limit = self.decoder.get_ref().limit;
                let body = std::mem::replace(self.decoder.get_mut(), Bounded::new(limit));
                self.decoder = GzDecoder::new(body);
            }
            next if is_padding(next) => self.is_padding = true,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    /// The decoded bytes.
    fn into_bytes(mut self) -> Bytes {
        std::mem::take(&mut self.decoder.get_mut().bytes).into()
    }

    /// Whether the last member is whole.
    fn finish(&mut self) -> io::Result<()> {
        if self.is_padding { Ok(()) } else { self.decoder.try_finish() }
    }
}

fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

/// Whether an error of the decoder comes from its output.
fn is_own(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<Error>().is_some())
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

/// Bytes that never grow beyond a limit, and never take much more memory than that.
struct Bounded {
    bytes: Vec<u8>,
    limit: Limit,
    /// The expected length, as far as it is known: once the first bytes have arrived,
    /// memory for all of them is reserved in one piece, since pieces that double leave
    /// holes as large as themselves.
    expected: usize,
}

impl Bounded {
    fn new(limit: Limit) -> Self {
        Self { bytes: Vec::new(), limit, expected: 0 }
    }

    fn make_room(&mut self, room: usize) {
        self.bytes.reserve_exact(room.min(self.limit.bytes).saturating_sub(self.bytes.len()));
    }

    /// Adds bytes; if the body may be truncated, as many as there is room for.
    fn add(&mut self, mut more: &[u8]) -> Result<(), Error> {
        let left = self.limit.bytes - self.bytes.len();
        let is_too_large = more.len() > left;
        if is_too_large {
            more = if self.limit.cuts { &more[..left] } else { &[] };
        }
        let len = self.bytes.len() + more.len();
        if len > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2);
            self.make_room(len.max(doubled).max(self.expected));
        }
        self.bytes.extend_from_slice(more);
        if is_too_large { Err(too_large()) } else { Ok(()) }
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
