//! gzip of answers (RFC 1952), with one encoder for each thread that is kept: a new one costs more
//! than a small answer.

use std::cell::RefCell;

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Answers of fewer bytes go out as they are.
pub(crate) const LEAST: usize = 1024;
/// Answers of more bytes are compressed on a thread that may be busy.
pub(crate) const LONG: usize = 512 << 10;

thread_local! {
    static ENCODER: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let is_zero = |q: &str| q.parse::<f32>().is_ok_and(|q| q <= 0.0);
            let is_refused = parts
                .filter_map(|part| part.split_once('='))
                .any(|(key, q)| key.trim().eq_ignore_ascii_case("q") && is_zero(q.trim()));
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                return !is_refused;
            }
            if name == "*" {
                any = Some(!is_refused);
            }
        }
    }
    any.unwrap_or(false)
}

/// `plain` as a gzip file, or `None` if that would not be shorter.
pub(crate) fn gzip(plain: &[u8]) -> Option<Bytes> {
    let deflated = ENCODER.with(|encoder| match encoder.try_borrow_mut() {
        Ok(mut encoder) => deflate(&mut encoder, plain),
        Err(_) => None,
    })?;
    (deflated.len() < plain.len()).then(|| Bytes::from(deflated))
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
}
