//! What must hold for any bytes from outside, as functions that panic if it does not. The fuzzers
//! in `fuzz/` and bounded property tests call the same functions. Not part of the published crate.

pub use crate::{
    pager::fuzzing::{page, token},
    path::fuzzing::path,
    rate_limit::fuzzing::{quotas, wait},
    transport::fuzzing::{answer, head, link},
    vantage::fuzzing::{cursor, yaml},
};

/// Splits `bytes` into pieces of these lengths; the rest is the last piece.
pub(crate) fn pieces(mut bytes: &[u8], lengths: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at(usize::from(*length).min(bytes.len()));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces.push(bytes.to_vec());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
