//! Decompresses a body under the body limit, a piece at a time.

use std::io;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, header::CONTENT_ENCODING};

#[cfg(feature = "brotli")]
use super::brotli::Brotli;
#[cfg(feature = "zstd")]
use super::zstd::Zstd;
use super::{
    body_limit::{BodyLimit, answered, too_large},
    decompressor::Decompressor,
    gzip::Gzip,
};
use crate::error::{Delivery, Error, ErrorKind};

/// How much compressed data is decoded at a time, in bytes. Deflate expands at most 1032 times.
const PIECE: usize = 1024;
/// How much is decoded before other tasks get a turn, in bytes: about a millisecond. Brotli decodes up
/// to its window in one go.
const TURN: usize = 256 * 1024;

/// How a body is compressed (RFC 9110 section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    #[cfg(feature = "brotli")]
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    /// The coding that `headers` name, if it is not identity.
    ///
    /// # Errors
    /// [`ErrorKind::Framing`] for one that is not known, and for several.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut coding = None;
        for name in headers.get_all(CONTENT_ENCODING) {
            let name = String::from_utf8_lossy(name.as_bytes()).trim().to_ascii_lowercase();
            let own = match name.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Some(Self::Gzip),
                #[cfg(feature = "brotli")]
                "br" => Some(Self::Brotli),
                #[cfg(feature = "zstd")]
                "zstd" => Some(Self::Zstd),
                _ => None,
            };
            if own.is_none() || coding.is_some() {
                let name: String = name.escape_default().take(64).collect();
                let what = "the body has a content encoding that this pool does not read";
                return Err(answered(ErrorKind::Framing, format!("{what}: {name}")));
            }
            coding = own;
        }
        Ok(coding)
    }

    fn decompressor(self, limit: BodyLimit) -> Result<Box<dyn Decompressor + Send>, Error> {
        Ok(match self {
            Self::Gzip => Box::new(Gzip::new(limit)),
            #[cfg(feature = "brotli")]
            Self::Brotli => Box::new(Brotli::new(limit)),
            #[cfg(feature = "zstd")]
            Self::Zstd => Box::new(Zstd::new(limit).map_err(|error| {
                answered(ErrorKind::Framing, "there is no decoder for zstd").with_source(error)
            })?),
        })
    }
}

/// Decompresses the body that begins with `first` and goes on with `payload`.
///
/// # Errors
/// As for a body.
pub(super) async fn decompress(
    coding: Coding,
    first: Bytes,
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    limit: BodyLimit,
) -> Result<Bytes, Error> {
    let mut decoder = coding.decompressor(limit)?;
    let (mut turn, mut came) = (0, 0);
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        for mut piece in bytes.chunks(PIECE) {
            came += piece.len();
            // Data that decodes to nothing still has to be read; incompressible data takes a
            // little more than it decodes to.
            let is_left = came <= limit.bytes.saturating_add(limit.bytes / 8 + PIECE);
            let mut goes_on = true;
            while goes_on {
                let written = match is_left {
                    true => decoder.write(&mut piece),
                    false => Err(io::Error::other(too_large())),
                };
                goes_on = match written {
                    Ok(goes_on) => goes_on,
                    Err(error) => {
                        return limit.cut(undecodable(error)).map(|()| taken(&mut *decoder));
                    }
                };
                let done = came + decoder.decoded().bytes.len();
                if done - turn > TURN {
                    turn = done;
                    tokio::task::yield_now().await;
                }
            }
        }
        chunk = payload.next().await.transpose()?;
    }
    match decoder.finish() {
        Ok(()) => Ok(taken(&mut *decoder)),
        Err(source) if is_own(&source) => {
            limit.cut(undecodable(source)).map(|()| taken(&mut *decoder))
        }
        Err(source) => Err(Error::new(
            ErrorKind::Truncated,
            "the compressed data is cut short or does not match its checksum",
        )
        .with_delivery(Delivery::Unknown)
        .with_source(source)),
    }
}

fn taken(decoder: &mut (dyn Decompressor + Send)) -> Bytes {
    std::mem::take(&mut decoder.decoded().bytes).into()
}

/// Whether an error of the decoder comes from its output.
fn is_own(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<Error>().is_some())
}

fn undecodable(source: io::Error) -> Error {
    source.downcast::<Error>().unwrap_or_else(|source| {
        let what = "the body is not compressed as its content encoding says";
        answered(ErrorKind::Framing, what).with_source(source)
    })
}
