//! Zstandard (RFC 8878), with one context for each thread that is kept.

use std::{cell::RefCell, io};

use bytes::Bytes;
use zstd::bulk::Compressor;

/// What costs a third of gzip, and makes less of it.
const LEVEL: i32 = 3;

thread_local! {
    static CONTEXT: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// `plain` as a frame, or `None` if that would not be shorter.
pub(super) fn compress(plain: &[u8]) -> Option<Bytes> {
    let frame = CONTEXT.with(|context| match context.try_borrow_mut() {
        Ok(mut context) => with(&mut context, plain).ok(),
        Err(_) => None,
    })?;
    // Without the room that it has not needed, since it may be kept.
    (frame.len() < plain.len()).then(|| Bytes::from(frame.into_boxed_slice()))
}

fn with(context: &mut Option<Compressor<'static>>, plain: &[u8]) -> io::Result<Vec<u8>> {
    match context {
        Some(context) => context.compress(plain),
        None => context.insert(Compressor::new(LEVEL)?).compress(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_read_back() {
        for plain in ["a".repeat(5000), "{\"id\":1,\"name\":\"x\"},".repeat(300)] {
            for _ in 0..2 {
                let frame = compress(plain.as_bytes()).unwrap();
                assert!(frame.len() < plain.len() / 4);
                assert_eq!(zstd::bulk::decompress(&frame, 1 << 20).unwrap(), plain.as_bytes());
            }
        }
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4000).collect();
        assert!(compress(&noise).is_none());
    }
}
