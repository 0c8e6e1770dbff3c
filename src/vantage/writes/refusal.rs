//! [pure] What a failed write means, and the errors of refused writes.

use http::StatusCode;
use vantage_core::{Context, Result, VantageError, error};

use crate::error::Error;

/// Whether there is no such row.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

/// Whether the API requires a precondition for the write (RFC 6585 section 3).
pub(super) fn wants_tag(error: &VantageError) -> bool {
    error.context.get("status").is_some_and(|status| status == "428")
}

/// The error of an insert under an id, if the API assigns the ids.
pub(super) fn makes_ids(id: &str) -> VantageError {
    error!("the API makes the ids of its rows, so none is inserted under a given one", id = id)
        .mark_incorrect_usage()
}

/// The error if the row was stored under another id.
pub(super) fn stored_elsewhere(id: &str) -> VantageError {
    let what = "the API stored the row under another id; if it makes ids itself, \
                `Writes::server_ids` says so";
    error!(what, id = id)
}

/// The error of a write that the API accepted (RFC 9110 section 15.3.3) but has not made yet.
pub(super) fn unmade(id: &str) -> VantageError {
    error!("the API has accepted the write (status 202) and not made it yet", id = id)
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

/// Adds to the error of a failed read that the row was written before.
pub(in crate::vantage) fn after_write<T>(read: Result<T>, id: &str) -> Result<T> {
    read.with_context(|| error!("the row was written, but not read back", id = id))
}
