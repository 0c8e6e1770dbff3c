//! [pure] Where a read begins that is resumed.

use crate::{
    error::{Error, ErrorKind},
    pager::{
        endpoint::Endpoint,
        strategy::{PageAddress, Position},
    },
};

/// Where a read begins that stands at `position`: there, or, if the cursor of that place has moved on
/// since, at the start of the set, with how many rows are skipped.
///
/// # Errors
/// [`ErrorKind::CursorExpired`] if it may not begin again.
pub(super) fn begin(
    endpoint: &Endpoint,
    position: &Position,
) -> Result<(Position, Option<u64>), Error> {
    let is_at_cursor = matches!(position.address, Some(PageAddress::Cursor(_)));
    if !is_at_cursor || !endpoint.paging.is_forward_only() {
        return Ok((position.clone(), None));
    }
    if endpoint.paging.restarts() == 0 {
        let what = "the read cannot be resumed, since the cursor of the API has moved on (`forward_only`); \
                    one that begins again may see another state of the set, see the setting \
                    `restart_when_expired`";
        return Err(Error::new(ErrorKind::CursorExpired, what));
    }
    Ok((endpoint.start(), Some(position.rows.saturating_add(position.taken))))
}

/// What is told of a read that began again so.
pub(super) fn begun_again(rows: u64) -> String {
    format!(
        "the cursor of the API has moved on, and the read begins again after {rows} rows: what it \
         reads is not one state of the set"
    )
}
