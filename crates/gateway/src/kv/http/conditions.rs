//! [pure] The conditions in the head of a request (RFC 9110, section 13.1).

use actix_web::http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};

use crate::{
    Problem,
    kv::{ETag, Precondition, Tags},
    tag_list::TagList,
};

/// The conditions of a request that reads.
///
/// # Errors
/// 400 for what is not a list of entity tags: passed over, it would be a condition that is not held.
pub(super) fn of_read(headers: &HeaderMap) -> Result<Precondition, Problem> {
    Ok(Precondition {
        if_match: TagList::of_fields(headers, &IF_MATCH)?.map(Tags),
        if_none_match: TagList::of_fields(headers, &IF_NONE_MATCH)?.map(Tags),
    })
}

/// The conditions of a request that writes.
///
/// # Errors
/// 400, also for a condition by time, whose seconds are too coarse to keep writers apart.
pub(super) fn of_write(headers: &HeaderMap) -> Result<Precondition, Problem> {
    if headers.contains_key(IF_UNMODIFIED_SINCE) {
        let title = "If-Unmodified-Since is not a condition of this path";
        return Err(Problem::bad_request("unsupported_condition", title)
            .with_detail("use If-Match with the ETag"));
    }
    of_read(headers)
}

/// Whether a range is still of the version that the client has a part of.
pub(super) fn range_applies(headers: &HeaderMap, current: ETag) -> bool {
    let mut fields = headers.get_all(IF_RANGE);
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes() == current.to_string().as_bytes(),
        _ => false,
    }
}
