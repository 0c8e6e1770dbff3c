//! One exchange over one connection, by the HTTP/1 codec of actix-http, which is that of awc
//! too. What the bytes may be is guarded below, in `strict_io`.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_codec::{Framed, FramedParts};
use actix_http::{
    RequestHead, RequestHeadType, ResponseHead, ServiceConfig,
    body::BodySize,
    error::{ParseError, PayloadError},
    h1::{ClientCodec, ClientPayloadCodec, Message, MessageType},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
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

/// The body of an answer, as a stream of its bytes, with what it is read from.
pub(super) enum Body<Io> {
    None(Framed<Io, ClientCodec>),
    Some(Framed<Io, ClientPayloadCodec>),
}

impl<Io> Body<Io> {
    /// Whether there is one, however long it is.
    pub(super) fn is_some(&self) -> bool {
        matches!(self, Self::Some(_))
    }

    /// What it is read from.
    pub(super) fn io(&self) -> &Io {
        match self {
            Self::None(framed) => framed.io_ref(),
            Self::Some(framed) => framed.io_ref(),
        }
    }
}

impl<Io: AsyncRead + Unpin> Stream for Body<Io> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::None(_) => Poll::Ready(None),
            Self::Some(framed) => framed.poll_next_unpin(cx).map(|chunk| chunk?.transpose()),
        }
    }
}

/// Writes a request to `io` and reads the head of its answer, behind which comes the body. An
/// answer that fits into `room` bytes is read in one go, and its body is where it was read to.
pub(super) async fn exchange<Io: AsyncRead + AsyncWrite + Unpin>(
    io: Io,
    config: ServiceConfig,
    head: RequestHead,
    body: Option<Bytes>,
    room: usize,
) -> Result<(ResponseHead, Body<Io>), Failure> {
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
    let body = match framed.codec_ref().message_type() {
        MessageType::None => Body::None(framed),
        MessageType::Payload | MessageType::Stream => {
            Body::Some(framed.into_map_codec(ClientCodec::into_payload_codec))
        }
    };
    Ok((head, body))
}
