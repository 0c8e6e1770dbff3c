//! Decompresses bodies that are compressed files: a download that names no content encoding, and
//! often a wrong content type, is known by its first bytes.

use bytes::Bytes;
use futures::stream;

use super::{
    body_limit::{BodyLimit, answered},
    decompress::{Coding, decompress},
};
use crate::error::{Error, ErrorKind};

/// How each gzip member begins whose method is deflate (RFC 1952 section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// How each zstd frame begins (RFC 8878 section 3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The content of a body that is a file compressed by gzip or zstd, of at most `most` bytes; `None`
/// for any other body. No text begins like such a file.
///
/// # Errors
/// [`ErrorKind::BodyTooLarge`] for more content, [`ErrorKind::Truncated`] if it is cut short or its
/// checksum is wrong, [`ErrorKind::Decode`] if it cannot be decompressed, or zstd is not in use.
pub(crate) async fn decompressed_file(body: &Bytes, most: usize) -> Result<Option<Bytes>, Error> {
    let coding = if body.starts_with(GZIP) {
        Coding::Gzip
    } else if body.starts_with(ZSTD) {
        zstd()?
    } else {
        return Ok(None);
    };
    let limit = BodyLimit { bytes: most, cuts: false };
    let rest = stream::empty::<Result<Bytes, Error>>();
    let content = decompress(coding, body.clone(), rest, limit).await;
    content.map(Some).map_err(|error| match error.kind() {
        ErrorKind::Framing => {
            let what = "the body begins as a compressed file does, and cannot be decompressed";
            answered(ErrorKind::Decode, what).with_source(error)
        }
        _ => error,
    })
}

#[cfg(feature = "zstd")]
fn zstd() -> Result<Coding, Error> {
    Ok(Coding::Zstd)
}

#[cfg(not(feature = "zstd"))]
fn zstd() -> Result<Coding, Error> {
    let what = "the body is a file compressed by zstd, for which the feature `zstd` is needed";
    Err(answered(ErrorKind::Decode, what))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use futures::executor::block_on;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn content(body: impl Into<Bytes>) -> Result<Option<Bytes>, Error> {
        block_on(decompressed_file(&body.into(), 10_000))
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let file = gzip(b"id,name\n");
        assert_eq!(content(file.clone()).unwrap().unwrap(), "id,name\n");
        // Files that were written in parts.
        let parts = [file.clone(), file.clone()].concat();
        assert_eq!(content(parts).unwrap().unwrap(), "id,name\nid,name\n");
        for other in [&b""[..], b"{}", b"\x1f", b"\x1f\x8b", b"(x)", b"\xef\xbb\xbf[]"] {
            assert_eq!(content(other).unwrap(), None, "{other:?}");
        }
    }

    #[test]
    fn a_file_is_read_whole_and_within_the_limit_or_not_at_all() {
        let kind = |body: Vec<u8>| content(body).unwrap_err().kind();
        let mut file = gzip(&[b'x'; 10_001]);
        assert_eq!(kind(file.clone()), ErrorKind::BodyTooLarge);
        file = gzip(b"id,name\n");
        assert_eq!(kind(file[..file.len() - 3].to_vec()), ErrorKind::Truncated);
        file.extend(b"junk");
        assert_eq!(kind(file), ErrorKind::Decode);
        assert_eq!(kind([GZIP, &[0; 7][..], &[0xff; 40][..]].concat()), ErrorKind::Decode);
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn a_zstd_file_is_decompressed_too() {
        let file = zstd::encode_all(&b"[1]"[..], 1).unwrap();
        assert_eq!(content(file).unwrap().unwrap(), "[1]");
    }
}
