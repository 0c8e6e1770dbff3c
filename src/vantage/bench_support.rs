//! How rows and records are built, for the benches.

use http::StatusCode;

use super::record::{Row, RowDecoder};
use crate::{
    error::Error,
    http::Response,
    pager::{Envelope, bench_support::Pages, decode_item},
};

/// Pages of rows with an integer `id` and a float `score`.
#[must_use]
pub fn rows() -> Pages<impl Send + 'static> {
    Pages::<Row>::decoded_by(decoder())
}

/// The record of one such row, which is all of `body`.
///
/// # Errors
/// When it is no row.
pub fn record(body: &'static str) -> Result<impl Send, Error> {
    let response = Response::new(StatusCode::OK, body);
    decode_item(&decoder(), &Envelope::default(), &response)
}

fn decoder() -> RowDecoder {
    RowDecoder::new(Some("id".into()), [("id", "i64"), ("score", "f64")])
}
