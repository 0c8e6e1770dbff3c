//! Heads and body ends, on bytes alone.

use proptest::prelude::*;

use crate::transport::{
    framing::Remaining,
    head::{Head, HeadError, HeadReader, MAX_HEAD, ParsedHead, inspect},
};

fn final_head(bytes: &[u8], answers_head: bool) -> Head {
    match inspect(&mut bytes.to_vec(), answers_head) {
        Ok(ParsedHead::Final(head)) => head,
        other => panic!("{other:?}"),
    }
}

fn body_of(fields: &str) -> Remaining {
    final_head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), false).body
}

fn refuses(head: &str) -> bool {
    matches!(inspect(&mut head.as_bytes().to_vec(), false), Err(HeadError::Malformed(_)))
}

#[test]
fn the_fields_say_how_long_the_body_is() {
    assert_eq!(body_of("Content-Length: 5\r\n"), Remaining::Length(5));
    assert_eq!(body_of("transfer-encoding:  Chunked \r\n"), Remaining::chunked());
    assert_eq!(body_of("x: y\r\n"), Remaining::UntilClose);
    assert_eq!(body_of("content-length: 5\r\nContent-Length: 5\r\n"), Remaining::Length(5));
    assert_eq!(body_of("content-length: 5, 5\r\n"), Remaining::Length(5));
    assert_eq!(body_of("transfer-encoding:\r\n chunked\r\n"), Remaining::chunked());
    assert_eq!(body_of(""), Remaining::UntilClose);
}

#[test]
fn some_answers_have_no_body_whatever_their_fields_say() {
    for status in [204, 304] {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\n");
        assert!(final_head(head.as_bytes(), false).body.is_done());
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert!(final_head(head, true).body.is_done());
    assert!(!final_head(head, false).body.is_done());
}

#[test]
fn ambiguous_lengths_are_malformed() {
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: 5\r\n 5\r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "upgrade: websocket\r\ncontent-length: 5\r\n",
    ] {
        assert!(refuses(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), "{fields}");
    }
    assert!(refuses("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"));
}

#[test]
fn what_is_not_http_is_malformed_at_once() {
    for head in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "220 smtp ready\r\n",
        "<html>",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 42 X\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad field: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n x: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    ] {
        assert!(refuses(head), "{head:?}");
    }
}

#[test]
fn the_minor_version_is_found_behind_blank_lines() {
    for lines in ["", "\r\n", "\r\n\r\n"] {
        let bytes = format!("{lines}HTTP/1.1 200 OK\r\n\r\n");
        let head = final_head(bytes.as_bytes(), false);
        assert_eq!(&bytes[head.version_at - 7..=head.version_at], "HTTP/1.1");
        assert_eq!(head.len, bytes.len());
    }
}

#[test]
fn a_flood_of_fields_or_an_endless_field_is_too_large() {
    let flood = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(97));
    assert_eq!(inspect(&mut flood.into_bytes(), false), Err(HeadError::TooLarge));
    let mut reader = HeadReader::default();
    let mut fed = 0;
    let refusal = loop {
        assert!(fed <= MAX_HEAD + 2048, "still reading after {fed} bytes");
        let piece = if fed == 0 { b"HTTP/1.1 200 OK\r\nx: ".to_vec() } else { vec![b'a'; 1024] };
        fed += piece.len();
        if let Err(refusal) = reader.push(&piece, false) {
            break refusal;
        }
    };
    assert_eq!(refusal, HeadError::TooLarge);
}

#[test]
fn only_so_many_interim_answers_are_skipped() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\n\r\n";
    let feed = |text: String| HeadReader::default().push(text.as_bytes(), false);
    assert!(feed(interim.repeat(16) + last).unwrap().is_some());
    assert!(feed(interim.repeat(17) + last).is_err());
    let large = format!("HTTP/1.1 100 Continue\r\nx: {}\r\n\r\n", "a".repeat(9000));
    assert!(feed(large.clone() + last).unwrap().is_some());
    assert!(feed(large.repeat(2) + last).is_err());
}

#[test]
fn a_slow_head_costs_no_more_than_its_length() {
    let mut reader = HeadReader::default();
    let start = std::time::Instant::now();
    assert_eq!(reader.push(b"HTTP/1.1 200 OK\r\nx: ", false), Ok(None));
    for _ in 0..100_000 {
        assert_eq!(reader.push(b"a", false), Ok(None));
    }
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}

/// Heads and near-heads.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let interim = prop::sample::select(vec![
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
    ]);
    let start = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.2 200 OK\r\n",
        "\r\nHTTP/1.1 204 None\n",
        "HTTP/1.1 101 Switch\r\n",
        "SMTP\r\n",
    ]);
    let field = prop::sample::select(vec![
        "content-length: 3\r\n",
        "content-length: 3, 3\r\n",
        " folded\r\n",
        "transfer-encoding: chunked\r\n",
        "x: y\n",
        "bad\r\n",
    ]);
    let end = prop::sample::select(vec!["\r\n", "\n", "\r\nbody", ""]);
    (interim, start, prop::collection::vec(field, 0..3), end).prop_map(
        |(interim, start, fields, end)| {
            [interim, start, &fields.concat(), end].concat().into_bytes()
        },
    )
}

/// The pieces of `bytes`, cut by lengths.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn read_in_pieces(pieces: &[&[u8]]) -> Result<Option<(Head, Vec<u8>)>, HeadError> {
    let mut reader = HeadReader::default();
    for (at, piece) in pieces.iter().enumerate() {
        if let Some(head) = reader.push(piece, false)? {
            let rest = pieces[at + 1..].concat();
            return Ok(Some((head, [&reader.take()[..], &rest].concat())));
        }
    }
    Ok(None)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_verdict(
        bytes in answer(),
        lengths in prop::collection::vec(0..20_usize, 0..8),
    ) {
        let whole = read_in_pieces(&[&bytes]);
        let split = read_in_pieces(&pieces(&bytes, &lengths));
        // A head that never completes may be refused earlier or later, never accepted.
        match whole {
            Ok(Some(_)) => prop_assert_eq!(split, whole),
            _ => prop_assert!(!matches!(split, Ok(Some(_)))),
        }
    }

    #[test]
    fn the_end_of_a_chunked_body_is_found_in_any_split(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
        extension in prop::sample::select(vec!["", ";a=b", " ; a=\"b\""]),
        trailer in prop::sample::select(vec!["", "x: y\r\n", "x: y\r\nz:\r\n", "x:\r\n y\u{e9}\r\n"]),
        after in prop::collection::vec(any::<u8>(), 0..10),
        lengths in prop::collection::vec(0..20_usize, 0..8),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("0{extension}\r\n{trailer}\r\n").into_bytes());
        let end = bytes.len();
        bytes.extend(&after);
        let mut left = Remaining::chunked();
        let mut taken = 0;
        for piece in pieces(&bytes, &lengths) {
            prop_assert_eq!(left.is_done(), taken == end);
            taken += left.advance(piece).unwrap();
        }
        prop_assert!(left.is_done());
        prop_assert_eq!(taken, end);
    }

    #[test]
    fn no_bytes_break_the_chunk_counter(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut left = Remaining::chunked();
        if let Ok(taken) = left.advance(&bytes) {
            prop_assert!(taken <= bytes.len());
        }
    }
}

#[test]
fn malformed_chunks_are_refused() {
    let long = format!("1;{}", "a".repeat(20_000));
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(4000));
    for bytes in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "1\nx",
        "1\r\nxx",
        "1\r\nx\n",
        "fffffffffffffffff\r\n",
        "1;\u{1}\r\n",
        "0\r\nx\ry",
        "0\r\nx: y\n",
        "0\r\n\n",
        "0\r\n\r\r",
        "0\r\n9\r\n",
        "0\r\n{\"id\":1}\r\n",
        "0\r\n x: y\r\n",
        "0\r\n: y\r\n",
        "0\r\nx y: z\r\n",
        "0\r\nx: \u{1}\r\n",
        &long,
        &trailers,
    ] {
        assert!(Remaining::chunked().advance(bytes.as_bytes()).is_err(), "{bytes:.20?}");
    }
}
