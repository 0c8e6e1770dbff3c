//! Compression of answers: gzip (RFC 1952), and Zstandard with the feature `zstd`. Each thread keeps
//! one encoder, since a new one costs more than a small answer.

#[cfg(feature = "zstd")]
mod zstd;

use std::cell::RefCell;

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::accept::weight;

/// Answers of fewer bytes go out as they are.
pub(crate) const MIN_BYTES: usize = 1024;
/// Answers of more bytes are compressed on a thread that may be busy.
pub(crate) const LONG: usize = 512 << 10;

thread_local! {
    static ENCODER: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// How an answer may be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    pub(crate) const ALL: &[Self] = &[
        #[cfg(feature = "zstd")]
        Self::Zstd,
        Self::Gzip,
    ];

    /// The best of those that the client takes.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        Self::ALL.iter().copied().find(|coding| match coding {
            Self::Gzip => accepts_gzip(headers),
            // Whoever takes anything may not know it.
            #[cfg(feature = "zstd")]
            Self::Zstd => takes(headers, &["zstd"]).unwrap_or(false),
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// `plain` in this coding, or `None` if that would not be shorter.
    pub(crate) fn compress(self, plain: &[u8]) -> Option<Bytes> {
        match self {
            Self::Gzip => gzip(plain),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(plain),
        }
    }
}

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let takes = |names| takes(headers, names);
    takes(&["gzip", "x-gzip"]).or_else(|| takes(&["*"])).unwrap_or(false)
}

/// Whether the client takes a coding of one of these names, if it names one of them.
fn takes(headers: &HeaderMap, names: &[&str]) -> Option<bool> {
    weight(headers, ACCEPT_ENCODING, names).map(|weight| weight > 0.0)
}

/// `plain` as a gzip file, or `None` if that would not be shorter.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let deflated = ENCODER.with(|encoder| match encoder.try_borrow_mut() {
        Ok(mut encoder) => deflate(&mut encoder, plain),
        Err(_) => None,
    })?;
    // Without the room that it has not needed, since it may be kept.
    (deflated.len() < plain.len()).then(|| Bytes::from(deflated.into_boxed_slice()))
}

fn deflate(encoder: &mut Compress, plain: &[u8]) -> Option<Vec<u8>> {
    encoder.reset();
    let mut out = Vec::with_capacity(plain.len() / 3 + 64);
    // No name, no time, the fastest level, an unknown system.
    out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff]);
    loop {
        let done = usize::try_from(encoder.total_in()).ok()?;
        let rest = plain.get(done..)?;
        match encoder.compress_vec(rest, &mut out, FlushCompress::Finish).ok()? {
            Status::StreamEnd => break,
            Status::Ok | Status::BufError => out.reserve(out.capacity().max(1024)),
        }
        if out.len() > plain.len() {
            return None;
        }
    }
    let mut crc = Crc::new();
    crc.update(plain);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::http::header::HeaderValue;
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_compressed_is_read_back() {
        for plain in ["a".repeat(5000), "{\"id\":1,\"name\":\"x\"},".repeat(300)] {
            for _ in 0..2 {
                let zipped = gzip(plain.as_bytes()).unwrap();
                let mut back = String::new();
                GzDecoder::new(&zipped[..]).read_to_string(&mut back).unwrap();
                assert!(back == plain && zipped.len() < plain.len() / 4);
            }
        }
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4000).collect();
        assert!(gzip(&noise).is_none());
    }

    #[test]
    fn gzip_is_taken_if_it_is_named_and_not_refused() {
        for (field, expected) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br", false),
            ("identity;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(field));
            assert_eq!(accepts_gzip(&headers), expected, "{field}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_is_taken_if_it_is_named() {
        for (field, expected) in [
            ("zstd", Some(Coding::Zstd)),
            ("gzip, ZSTD", Some(Coding::Zstd)),
            ("zstd;q=0, gzip", Some(Coding::Gzip)),
            ("*", Some(Coding::Gzip)),
            ("*;q=0, zstd", Some(Coding::Zstd)),
            ("zstd;q=0", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(field));
            assert_eq!(Coding::accepted(&headers), expected, "{field}");
        }
    }
}
