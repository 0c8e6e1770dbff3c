//! Bodies of requests that are answered before they are read. The framework reads such a body to
//! its end if it is chunked, for as long as the client likes. As long as the answer holds the body,
//! it closes the connection instead.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::Payload,
    error::PayloadError,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

/// Where the rest of a body goes that nobody has read.
#[derive(Clone, Default)]
pub(crate) struct Unread(Rc<Cell<Option<Payload>>>);

/// The body of a request.
pub(crate) struct Incoming {
    payload: Payload,
    unread: Unread,
    is_read: bool,
}

impl Unread {
    /// The body of a request, whose rest comes back here.
    pub(crate) fn incoming(&self, payload: Payload) -> Incoming {
        let is_read = matches!(payload, Payload::None);
        Incoming { payload, unread: self.clone(), is_read }
    }

    /// `response`, which closes the connection if a part of the body was not read.
    pub(crate) fn close_if_any(&self, response: HttpResponse) -> HttpResponse {
        match self.0.take() {
            None => response,
            Some(payload) => {
                response.map_body(|_, body| BoxBody::new(Holding { body, _unread: payload }))
            }
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.payload.poll_next_unpin(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.is_read = true;
        }
        next
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_read {
            self.unread.0.set(Some(std::mem::replace(&mut self.payload, Payload::None)));
        }
    }
}

/// The body of an answer, with what was not read of that of its request.
struct Holding {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
