//! Reads a value from the body of a request: within the bounds of a body, and within the memory of
//! the store.

use actix_web::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::{
    Problem,
    body::{BodyBounds, refuse_coding, too_large, too_slow},
    call::Call,
    kv::{Kv, budget::Share},
};

/// How many bytes are read before the store is asked for room: a client that sends nothing keeps
/// nobody waiting.
const FREE: usize = 64 << 10;

/// The value, and the room for it in the memory of the store.
///
/// # Errors
/// 415, 413, 408 and 400 as for any body, and 503 if there is no room.
pub(super) async fn read_value(kv: &Kv, call: &mut Call) -> Result<(Bytes, Share), Problem> {
    let headers = call.request.headers();
    refuse_coding(headers)?;
    let bounds = BodyBounds::new(&call.state.limits, kv.largest_value());
    let declared: Option<usize> =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > bounds.bytes) {
        return Err(too_large(bounds.bytes));
    }
    let end = Instant::now() + bounds.time;
    let expected = declared.unwrap_or(bounds.bytes);
    let mut share = None;
    let mut whole = BytesMut::with_capacity(expected.min(FREE));
    loop {
        let by = end.min(Instant::now() + bounds.idle);
        let chunk = match timeout_at(by, call.payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => break,
            Ok(Some(chunk)) => chunk.map_err(|_| {
                Problem::bad_request("broken_body", "the body ended before it was complete")
            })?,
        };
        let bytes = whole.len() + chunk.len();
        if bytes > bounds.bytes {
            return Err(too_large(bounds.bytes));
        }
        if bytes > FREE && share.is_none() {
            share = Some(kv.reserve(expected).await?);
            // At once, so that the value is never copied to a larger place.
            whole.reserve(expected.saturating_sub(whole.len()));
        }
        whole.extend_from_slice(&chunk);
    }
    let share = match share {
        Some(mut share) => {
            share.shrink(whole.len());
            share
        }
        None => kv.reserve(whole.len()).await?,
    };
    Ok((whole.freeze(), share))
}
