//! Decodes a gzip body (RFC 1952) under the body limit, a piece at a time.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::{Stream, StreamExt};

use super::body_limit::{BodyLimit, LimitedBuffer, answered, too_large};
use crate::error::{Delivery, Error, ErrorKind};

/// How much compressed data is decoded at a time, in bytes. Deflate expands at most 1032 times.
const PIECE: usize = 1024;
/// How much is decoded before other tasks get a turn, in bytes: about a millisecond.
const TURN: usize = 256 * 1024;

/// The most members of gzip data. Each costs a new decompressor, however little it holds.
const MOST_MEMBERS: u32 = 1_000;

/// The first of the two bytes that begin each member of gzip data (RFC 1952 section 2.3.1).
const FIRST_OF_A_MEMBER: u8 = 0x1f;

/// Decodes the body that begins with `first` and goes on with `payload`.
pub(super) async fn gunzip(
    first: Bytes,
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    limit: BodyLimit,
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
    decoder: GzDecoder<LimitedBuffer>,
    /// How many there were.
    count: u32,
    is_padding: bool,
}

impl Members {
    fn new(limit: BodyLimit) -> Self {
        Self { decoder: GzDecoder::new(LimitedBuffer::new(limit)), count: 1, is_padding: false }
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
                let body = std::mem::replace(self.decoder.get_mut(), LimitedBuffer::new(limit));
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
