//! [pure] What a failed write means, and the errors of writes that are refused.

use http::StatusCode;
use vantage_core::{VantageError, error};

use crate::error::Error;

/// Whether there is no such row.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

pub(super) fn unsupported(what: &str) -> VantageError {
    error!(format!("the API does not support {what}")).mark_unsupported()
}

pub(super) fn outside() -> VantageError {
    error!("the row would not be in the set that it is written into").mark_conflict()
}

pub(super) fn held_outside(id: &str) -> VantageError {
    error!("a row outside the set has the id", id = id).mark_conflict()
}

pub(super) fn missing(id: &str) -> VantageError {
    error!("the set has no such row", id = id).mark_not_found()
}
