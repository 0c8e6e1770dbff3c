//! One exchange over one connection, by the HTTP/1 codec of actix-http, which is that of awc
//! too. What the bytes may be is guarded below, in `strict_io`.

use std::{future::poll_fn, io, pin::Pin};

use actix_codec::{Framed, FramedParts};
use actix_http::{
    RequestHead, RequestHeadType, ResponseHead, ServiceConfig,
    body::BodySize,
    error::{ParseError, PayloadError},
    h1::{ClientCodec, Message, MessageType},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite};

/// Where there is room for less, in bytes, the frame makes more by itself.
const LEAST_ROOM: usize = 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request was not written.
    Send(io::Error),
    /// The head of the answer was not read.
    Head(ParseError),
    /// The stream ended before the answer.
    Ended,
}

/// Writes a request to `io` and reads the head of its answer. The body is to be read from the
/// stream that comes with it, or there is none. An answer that fits into `room` bytes is read
/// in one go, and its body is where it was read to.
pub(super) async fn exchange<Io: AsyncRead + AsyncWrite + Unpin>(
    io: Io,
    config: ServiceConfig,
    head: RequestHead,
    body: Option<Bytes>,
    room: usize,
) -> Result<(ResponseHead, Option<impl Stream<Item = Result<Bytes, PayloadError>>>), Failure> {
    let room = BytesMut::with_capacity(room.max(LEAST_ROOM));
    let mut parts = FramedParts::with_read_buf(io, ClientCodec::new(config), room);
    parts.write_buf = BytesMut::with_capacity(LEAST_ROOM);
    let mut framed = Framed::from_parts(parts);
    let size = body.as_ref().map_or(BodySize::None, |body| BodySize::Sized(body.len() as u64));
    let mut sending = Pin::new(&mut framed);
    let item = Message::Item((RequestHeadType::Owned(head), size));
    sending.as_mut().write(item).map_err(Failure::Send)?;
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        sending.as_mut().write(Message::Chunk(Some(body))).map_err(Failure::Send)?;
    }
    poll_fn(|cx| sending.as_mut().flush(cx)).await.map_err(Failure::Send)?;
    let head = framed.next().await.ok_or(Failure::Ended)?.map_err(Failure::Head)?;
    let payload = match framed.codec_ref().message_type() {
        MessageType::None => None,
        MessageType::Payload | MessageType::Stream => {
            let mut payload = framed.into_map_codec(ClientCodec::into_payload_codec);
            Some(stream::poll_fn(move |cx| {
                payload.poll_next_unpin(cx).map(|chunk| chunk?.transpose())
            }))
        }
    };
    Ok((head, payload))
}
