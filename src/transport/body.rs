//! Reads a body under a size limit and decompresses it under the same limit. Knows
//! streams of bytes, not where they come from.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};

use super::{
    body_limit::{BodyLimit, LimitedBuffer, too_large},
    decompress::{Coding, decompress},
};
use crate::error::Error;

/// The largest buffer reserved for a body before any of it has arrived, in bytes.
const FIRST_ROOM: usize = 256 * 1024;
/// Bodies of up to this many bytes are small compared to the 8 KiB buffer into which awc reads.
const SMALL: usize = 2 * 1024;

/// Reads `payload` to its end, decodes it, and removes from `headers` what no longer applies to
/// the decoded body. An empty body is never decoded.
///
/// # Errors
/// [`ErrorKind::BodyTooLarge`] if the declared length, the body as received or the decoded body
/// is over the limit and it is not truncated; [`ErrorKind::Truncated`] if compressed data ends early or
/// its last checksum is wrong, which cannot be told apart; [`ErrorKind::Framing`] if it is corrupt
/// before its end; otherwise the payload's own errors.
pub(super) async fn read(
    mut payload: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    headers: &mut HeaderMap,
    limit: BodyLimit,
) -> Result<Bytes, Error> {
    let coding = Coding::of(headers)?;
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if !limit.cuts && declared.is_some_and(|declared| declared > limit.bytes as u64) {
        return Err(too_large());
    }
    let Some(first) = payload.next().await.transpose()? else { return Ok(Bytes::new()) };
    if let Some(coding) = coding {
        let body = decompress(coding, first, payload, limit).await?;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        return Ok(body);
    }
    let mut body = LimitedBuffer::new(limit);
    if first.len() > limit.bytes {
        return body.add(&first).or_else(|error| limit.cut(error)).map(|()| body.bytes.into());
    }
    let Some(second) = payload.next().await.transpose()? else {
        // Otherwise a small one would keep the whole buffer that awc reserved for the response.
        let is_small = first.len() <= SMALL;
        return Ok(if is_small { Bytes::copy_from_slice(&first) } else { first });
    };
    let declared = declared.and_then(|declared| usize::try_from(declared).ok());
    body.expected = declared.unwrap_or_default();
    body.make_room(body.expected.min(FIRST_ROOM));
    body.add(&first)?;
    drop(first);
    let mut added = body.add(&second);
    drop(second);
    while added.is_ok() {
        let Some(chunk) = payload.next().await.transpose()? else { break };
        added = body.add(&chunk);
    }
    added.or_else(|error| limit.cut(error))?;
    Ok(body.bytes.into())
}
