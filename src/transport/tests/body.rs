//! Bodies: limits and decompression, on byte streams alone.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{Future, stream};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::{
    error::{Delivery, Error, ErrorKind},
    transport::{body::read, body_limit::BodyLimit},
};

const LIMIT: usize = 64 * 1024;

fn most(bytes: usize) -> BodyLimit {
    BodyLimit { bytes, cuts: false }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Compresses by the coding of this name.
type Compress = fn(&[u8]) -> Vec<u8>;

/// The codings whose features are on.
const CODINGS: &[(&str, Compress)] = &[
    ("gzip", gzip),
    #[cfg(feature = "brotli")]
    ("br", |data| {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 24);
        encoder.write_all(data).unwrap();
        encoder.into_inner()
    }),
    #[cfg(feature = "zstd")]
    ("zstd", |data| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }),
];

fn encoded(name: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static(name));
    headers.insert("content-type", HeaderValue::from_static("a/b"));
    headers
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Reads `data`, in pieces of `size` bytes, under [`LIMIT`].
fn read_pieces(data: &[u8], size: usize, headers: &mut HeaderMap) -> Result<Bytes, Error> {
    let pieces: Vec<_> = data.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    block_on(read(stream::iter(pieces), headers, most(LIMIT)))
}

#[test]
fn a_body_in_one_piece_is_not_copied_unless_it_is_small_beside_its_room() {
    for (length, is_copied) in [(3_000, false), (100, true)] {
        let data = Bytes::from(vec![1; length]);
        let payload = stream::iter([Ok(data.clone())]);
        let body = block_on(read(payload, &mut HeaderMap::new(), most(LIMIT))).unwrap();
        assert_eq!(body, data);
        assert_eq!(body.as_ptr() != data.as_ptr(), is_copied);
    }
}

#[test]
fn a_body_over_the_limit_is_refused_whatever_its_pieces() {
    for size in [1000, LIMIT + 1] {
        let fits = read_pieces(&vec![0; LIMIT], size, &mut HeaderMap::new()).unwrap();
        assert_eq!(fits.len(), LIMIT);
        let error = read_pieces(&vec![0; LIMIT + 1], size, &mut HeaderMap::new()).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::BodyTooLarge, Delivery::Answered));
    }
}

#[test]
fn security_04_the_body_of_an_error_is_cut_at_its_limit() {
    let limit = BodyLimit { bytes: 1_000, cuts: true };
    for length in [0, 999, 1_000, 1_001, 100_000] {
        let data: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let plain = (data.clone(), HeaderMap::new());
        for (sent, mut headers) in [plain, (gzip(&data), encoded("gzip"))] {
            for size in [7, 100_000] {
                let mut headers = headers.clone();
                let pieces = sent.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece)));
                let pieces: Vec<_> = pieces.collect();
                let body = block_on(read(stream::iter(pieces), &mut headers, limit)).unwrap();
                assert_eq!(body, data[..length.min(1_000)], "{length} in pieces of {size}");
            }
            headers.insert("content-length", length.into());
            let declared = stream::iter([Ok(Bytes::from(sent.clone()))]);
            assert!(block_on(read(declared, &mut headers, limit)).is_ok());
        }
    }
}

#[test]
fn a_declared_length_over_the_limit_is_refused_before_anything_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert("content-length", HeaderValue::from(LIMIT + 1));
    let payload = stream::poll_fn(|_| panic!("the payload was read"));
    let error = block_on(read(payload, &mut headers, most(LIMIT))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
}

#[test]
fn gzip_is_decoded_and_its_headers_go() {
    for name in ["gzip", "x-gzip", " GZip ", "identity, gzip"] {
        let mut headers = encoded(name);
        headers.insert("content-length", HeaderValue::from_static("30"));
        let result = read_pieces(&gzip(b"rows"), 5, &mut headers);
        if name.contains(',') {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Framing);
            continue;
        }
        assert_eq!(result.unwrap().as_ref(), b"rows");
        assert!(!headers.contains_key("content-encoding"));
        assert!(!headers.contains_key("content-length"));
        assert!(headers.contains_key("content-type"));
    }
}

#[test]
fn all_members_of_a_gzip_body_are_decoded() {
    let data = [gzip(b"first "), gzip(b""), gzip(b"second")].concat();
    for size in [1, 7, 1000] {
        let body = read_pieces(&data, size, &mut encoded("gzip")).unwrap();
        assert_eq!(body.as_ref(), b"first second");
    }
}

#[test]
fn an_empty_body_is_empty_whatever_its_encoding() {
    assert!(read_pieces(b"", 1, &mut encoded("gzip")).unwrap().is_empty());
    assert_eq!(read_pieces(b"raw", 1, &mut encoded("identity")).unwrap().as_ref(), b"raw");
}

#[test]
fn gzip_that_ends_early_or_with_a_wrong_checksum_is_truncated() {
    let data = gzip(&[b'x'; 5000]);
    let mut wrong = data.clone();
    wrong[data.len() - 6] ^= 1;
    let error = read_pieces(&wrong, 4, &mut encoded("gzip")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    for cut in [1, 5, 12, data.len() - 8, data.len() - 1] {
        let error = read_pieces(&data[..cut], 4, &mut encoded("gzip")).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Truncated, Delivery::Unknown));
    }
}

#[test]
fn padding_behind_the_gzip_data_is_no_data() {
    for padding in [&[0; 1024][..], b"\0", b"\r\n", b"\n", b"\r\n\0\0"] {
        let data = [gzip(b"first "), gzip(b"second"), padding.to_vec()].concat();
        for size in [1, 7, data.len()] {
            let body = read_pieces(&data, size, &mut encoded("gzip")).unwrap();
            assert_eq!(&body[..], b"first second", "{padding:?} in pieces of {size}");
        }
    }
    for padding in [b"\r\nx".to_vec(), [b"\0".to_vec(), gzip(b"more")].concat(), b"{}".to_vec()] {
        let data = [gzip(b"rows"), padding].concat();
        for size in [1, 7, data.len()] {
            let error = read_pieces(&data, size, &mut encoded("gzip")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Framing);
        }
    }
    // Padding alone is not gzip data.
    assert!(read_pieces(b"\r\n", 2, &mut encoded("gzip")).is_err());
}

#[test]
fn corrupt_gzip_is_a_framing_error() {
    for data in
        [b"not gzip at all".to_vec(), [gzip(b"rows"), b"junk, not a member".to_vec()].concat()]
    {
        let error = read_pieces(&data, 1000, &mut encoded("gzip")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Framing, "{error:?}");
    }
}

#[test]
fn another_encoding_is_refused_by_name_before_anything_is_read() {
    for name in ["br", "zstd", "deflate", "gzip, gzip", "we\u{7f}ird"] {
        if CODINGS.iter().any(|(coding, _)| *coding == name) {
            continue;
        }
        let mut headers = HeaderMap::new();
        let Ok(value) = HeaderValue::from_str(name) else { continue };
        headers.insert("content-encoding", value);
        let payload = stream::poll_fn(|_| panic!("the payload was read"));
        let error = block_on(read(payload, &mut headers, most(LIMIT))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Framing);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    for (name, compress) in CODINGS {
        let bomb = compress(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < LIMIT);
        let error = read_pieces(&bomb, 16 * 1024, &mut encoded(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge, "{name}");
        let limit = BodyLimit { bytes: LIMIT, cuts: true };
        let payload = stream::iter([Ok(Bytes::from(bomb))]);
        let body = block_on(read(payload, &mut encoded(name), limit)).unwrap();
        assert_eq!(body.len(), LIMIT, "{name}");
    }
}

#[test]
fn compressed_data_that_is_not_whole_is_never_a_body() {
    let data: Vec<u8> =
        (0..40_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    let data = &data[..LIMIT];
    for (name, compress) in CODINGS {
        let compressed = compress(data);
        for cut in [1, 5, 12, compressed.len() / 2, compressed.len() - 1] {
            let error = read_pieces(&compressed[..cut], 999, &mut encoded(name)).unwrap_err();
            let told = (error.kind(), error.delivery());
            assert_eq!(told, (ErrorKind::Truncated, Delivery::Unknown), "{name} at {cut}");
        }
        let junk = [&compressed[..], b"junk behind it"].concat();
        for size in [1, 14, junk.len()] {
            let error = read_pieces(&junk, size, &mut encoded(name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Framing, "{name} in pieces of {size}");
        }
        let error = read_pieces(b"{\"not\": \"compressed\"}", 7, &mut encoded(name)).unwrap_err();
        assert!([ErrorKind::Framing, ErrorKind::Truncated].contains(&error.kind()), "{name}");
    }
}

#[cfg(feature = "zstd")]
#[test]
fn frames_of_zstd_follow_one_another_and_large_windows_are_refused() {
    let (_, zstd) = CODINGS.iter().find(|(name, _)| *name == "zstd").unwrap();
    let data = [zstd(b"first "), zstd(b""), zstd(b"second")].concat();
    for size in [1, 7, 1000] {
        let body = read_pieces(&data, size, &mut encoded("zstd")).unwrap();
        assert_eq!(body.as_ref(), b"first second");
    }
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&[0; 1000]).unwrap();
    let error = read_pieces(&encoder.finish().unwrap(), 1000, &mut encoded("zstd")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Framing);
}

#[test]
fn a_long_decompression_gives_other_tasks_their_turns() {
    CODINGS.iter().for_each(|(name, compress)| gives_turns(name, *compress));
}

fn gives_turns(name: &'static str, compress: Compress) {
    const DECODED: usize = 32 * 1024 * 1024;
    let payload = stream::iter([Ok(Bytes::from(compress(&vec![0; DECODED])))]);
    let turns = std::cell::Cell::new(0);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let mut headers = encoded(name);
    block_on(async {
        tokio::select! {
            biased;
            () = others => {}
            body = read(payload, &mut headers, most(DECODED)) => {
                assert_eq!(body.unwrap().len(), DECODED);
            }
        }
    });
    assert!(turns.get() > 10, "{name}: only {} turns", turns.get());
}

proptest! {
    #[test]
    fn any_body_survives_any_split(
        data in prop::collection::vec(any::<u8>(), 0..3000),
        size in 1..600_usize,
    ) {
        let plain = read_pieces(&data, size, &mut HeaderMap::new()).unwrap();
        prop_assert_eq!(plain.as_ref(), &data[..]);
        for (name, compress) in CODINGS {
            let body = read_pieces(&compress(&data), size, &mut encoded(name)).unwrap();
            prop_assert_eq!(body.as_ref(), &data[..]);
        }
    }
}
