//! Reads a value from the body of a request: within the bounds of a body, and within the memory of
//! the store.

use bytes::{Bytes, BytesMut};

use crate::{
    Problem,
    kv::{Kv, budget::Share},
    request_context::RequestContext,
};

/// How many bytes are read before the store is asked for room: a client that sends nothing keeps
/// nobody waiting.
const FREE: usize = 64 << 10;

/// The value, and the room for it in the memory of the store.
///
/// # Errors
/// 415, 413, 408 and 400 as for any body, and 503 if there is no room.
pub(super) async fn read_value(
    kv: &Kv,
    context: &mut RequestContext,
) -> Result<(Bytes, Share), Problem> {
    let mut chunks = context.chunks(kv.max_value_bytes())?;
    let expected = chunks.expected();
    let mut share = None;
    let mut whole = BytesMut::with_capacity(expected.min(FREE));
    while let Some(chunk) = chunks.next().await? {
        if whole.len() + chunk.len() > FREE && share.is_none() {
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
