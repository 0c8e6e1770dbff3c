//! How rows and records are built, for the benches.

use http::StatusCode;
use indexmap::IndexMap;

use super::{
    columns::Columns,
    record::{Row, RowDecoder},
};
use crate::{
    error::Error,
    pager::{Envelope, bench_support::Pages, decode_item},
    response::Response,
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
    let declared = [("id", "i64"), ("score", "f64")];
    let columns = Columns::new(Some("id".into()), declared, &IndexMap::new());
    RowDecoder::new(columns.unwrap_or_default())
}
