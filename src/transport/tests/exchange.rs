//! The guard's state, on bytes alone: what awc sees does not depend on how they arrive.

use proptest::prelude::*;

use crate::{
    error::{Delivery, ErrorKind},
    transport::exchange::Exchange,
};

/// An exchange whose request was written.
fn asked(request: &[u8]) -> Exchange {
    let mut exchange = Exchange::new(false);
    exchange.begin_write(request).unwrap();
    exchange.wrote(request.len());
    exchange
}

/// What awc sees of a response in these pieces, and how the exchange ends.
fn seen(exchange: &mut Exchange, pieces: &[Vec<u8>]) -> Result<Vec<u8>, ErrorKind> {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut piece = piece.clone();
        let visible = exchange.receive(&mut piece).map_err(|error| error.kind())?;
        seen.extend(&piece[..visible]);
        seen.extend(std::mem::take(exchange.ready()));
    }
    Ok(seen)
}

#[test]
fn an_answer_until_the_close_reaches_awc_as_an_old_one() {
    let mut exchange = asked(b"GET / HTTP/1.1\r\n\r\n");
    let answer = b"HTTP/1.1 200 OK\r\n\r\nbody".to_vec();
    assert_eq!(seen(&mut exchange, &[answer]).unwrap(), b"HTTP/1.0 200 OK\r\n\r\nbody");
    exchange.end(None).unwrap();
    assert!(exchange.is_ended());
    assert!(exchange.begin_write(b"GET").is_err(), "the connection is used up");
}

#[test]
fn only_a_reused_connection_without_an_answer_is_stale() {
    let mut exchange = asked(b"GET / HTTP/1.1\r\n\r\n");
    let mut new = asked(b"GET");
    new.end(None).unwrap_err();
    assert!(!new.is_stale);
    seen(&mut exchange, &[b"HTTP/1.1 204 None\r\n\r\n".to_vec()]).unwrap();
    exchange.begin_write(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let failure = exchange.end(None).unwrap_err();
    assert!(exchange.is_stale);
    assert_eq!(failure.delivery(), Delivery::NotSent);
    let mut exchange = asked(b"GET / HTTP/1.1\r\n\r\n");
    seen(&mut exchange, &[b"HTTP/1.1 204 None\r\n\r\n".to_vec()]).unwrap();
    exchange.begin_write(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    exchange.wrote(1);
    seen(&mut exchange, &[b"H".to_vec()]).unwrap();
    let failure = exchange.end(None).unwrap_err();
    assert!(!exchange.is_stale, "part of an answer came");
    assert_eq!(failure.delivery(), Delivery::Unknown);
}

proptest! {
    #[test]
    fn what_awc_sees_does_not_depend_on_the_pieces(
        interims in 0..3_usize,
        body in prop::sample::select(vec![
            "content-length: 5\r\n\r\nrows!",
            "transfer-encoding: chunked\r\n\r\n2\r\nro\r\n3;x\r\nws!\r\n0\r\n\r\n",
            "content-length: 0\r\n\r\n",
            "x: y\r\n\r\nuntil the close",
        ]),
        stray in prop::sample::select(vec!["", "x", "HTTP/1.1 200 OK\r\n\r\n"]),
        cuts in prop::collection::vec(1..30_usize, 0..12),
    ) {
        let last = format!("HTTP/1.1 200 OK\r\n{body}");
        let until_close = body.starts_with("x:");
        let stray = if until_close { "" } else { stray };
        let wire = format!("{}{last}{stray}", "HTTP/1.1 103 Hints\r\na: b\r\n\r\n".repeat(interims));
        let mut pieces = vec![];
        let mut rest = wire.as_bytes();
        for cut in cuts {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = later;
        }
        pieces.push(rest.to_vec());
        pieces.retain(|piece| !piece.is_empty());

        let expected = if until_close { last.replacen("1.1", "1.0", 1) } else { last };
        let mut exchange = asked(b"GET / HTTP/1.1\r\n\r\n");
        match seen(&mut exchange, &pieces) {
            Ok(seen) => prop_assert_eq!(String::from_utf8(seen).unwrap(), expected),
            // Stray bytes in a piece of their own are an error at once.
            Err(kind) => prop_assert!(kind == ErrorKind::Disconnected && !stray.is_empty()),
        }
        prop_assert_eq!(exchange.is_midway(), until_close);
        // After stray bytes the connection is not used again.
        prop_assert_eq!(exchange.begin_write(b"GET").is_ok(), stray.is_empty());
    }

    #[test]
    fn an_answer_that_ends_early_is_never_whole(
        body in prop::sample::select(vec![
            "content-length: 5\r\n\r\nrows!",
            "transfer-encoding: chunked\r\n\r\n2\r\nro\r\n3;x\r\nws!\r\n0\r\n\r\n",
        ]),
        missing in 1..60_usize,
    ) {
        let wire = format!("HTTP/1.1 200 OK\r\n{body}");
        let cut = wire.len().saturating_sub(missing);
        let head = wire.find("\r\n\r\n").unwrap() + 4;
        let mut exchange = asked(b"GET / HTTP/1.1\r\n\r\n");
        if cut > 0 {
            seen(&mut exchange, &[wire.as_bytes()[..cut].to_vec()]).unwrap();
        }
        let failure = exchange.end(None).unwrap_err();
        let kind = if cut >= head { ErrorKind::Truncated } else { ErrorKind::Disconnected };
        prop_assert_eq!(failure.kind(), kind);
    }
}
