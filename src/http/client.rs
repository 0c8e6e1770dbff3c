//! Builds the awc client of one worker and makes one attempt with it: what goes
//! out, what comes back, and what an error says about delivery. Decides nothing
//! about repeating but the one case that only the transport can see.

use std::{cell::RefCell, future::Future, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use actix_http::{
    Payload, RequestHead, ResponseHead,
    error::{ParseError, PayloadError},
    header::{HeaderName as WireName, HeaderValue as WireValue},
};
use actix_service::Service;
use awc::error::{ConnectError, SendRequestError};
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::{Request, Response, body, dial::Dial, fault::Fault, wire};
use crate::error::{Delivery, Error, ErrorKind};

/// What the transport needs to know of the pool's settings.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Sent with every request that does not set them itself.
    pub(crate) headers: HeaderMap,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_idle_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_connections: usize,
    pub(crate) gzip: bool,
}

/// How many stale connections one attempt may meet. Most are found before they are used, so more
/// in a row mean that the request itself makes the server hang up.
const MAX_STALE: u32 = 2;

type Answer = Result<(ResponseHead, Payload), SendRequestError>;
/// Sends a head and a body over a pooled connection to the authority of a URL.
type Exchange = Box<
    dyn Fn(awc::http::Uri, RequestHead, Option<Bytes>) -> Pin<Box<dyn Future<Output = Answer>>>,
>;

/// The HTTP client of one worker. Neither `Send` nor shared between threads.
pub(crate) struct Client {
    plain: Exchange,
    secure: Exchange,
    headers: Result<Vec<(WireName, WireValue)>, Error>,
    max_body_bytes: usize,
    /// The authority of the last URL and how awc is given it.
    origin: RefCell<Option<(http::uri::Authority, awc::http::Uri)>>,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> Self {
        let dial = |tls| Dial::new(tls, settings.read_idle_timeout, settings.idle_timeout);
        Self {
            plain: exchange(settings, dial(None)),
            secure: exchange(settings, dial(Some(Arc::clone(&settings.tls)))),
            headers: wire::default_headers(&settings.headers, settings.gzip),
            max_body_bytes: settings.max_body_bytes,
            origin: RefCell::new(None),
        }
    }

    /// Makes one attempt: writes `request` to `url`, reads the whole answer.
    ///
    /// Any complete answer is `Ok`, whatever its status. An error says by its
    /// kind what happened and by its delivery what the server may have seen.
    /// There is no time limit here but the connect and read-idle timeouts: the
    /// caller bounds the attempt. Dropping the future closes the connection.
    ///
    /// A reused connection that turns out to be closed before it answers is not
    /// an attempt, if the request may be repeated: another connection serves it,
    /// at most [`MAX_STALE`] times in a row.
    pub(crate) async fn send(&self, request: &Request, url: &Uri) -> Result<Response, Error> {
        let mut stale_left = MAX_STALE;
        loop {
            let Fault { error, stale } = match self.send_once(request, url).await {
                Ok(response) => return Ok(response),
                Err(fault) => fault,
            };
            let harmless = request.is_repeatable() || error.delivery() == Delivery::NotSent;
            if !stale || !harmless || stale_left == 0 {
                return Err(error);
            }
            stale_left -= 1;
        }
    }

    async fn send_once(&self, request: &Request, url: &Uri) -> Result<Response, Fault> {
        let defaults = self.headers.as_ref().map_err(Clone::clone)?;
        let head = wire::request_head(request, url, defaults)?;
        let body = match request.payload() {
            None if has_body_by_nature(request.method()) => Some(Bytes::new()),
            body => body.cloned(),
        };
        let exchange = if url.scheme_str() == Some("https") { &self.secure } else { &self.plain };
        let (head, payload) =
            exchange(self.origin_of(url)?, head, body).await.map_err(send_fault)?;
        let (status, mut headers) = wire::answer_head(&head)?;
        let bodyless = request.method() == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodyless {
            return Ok(Response::from_parts(status, headers, Bytes::new()));
        }
        let payload = payload.map_err(|error| payload_fault(error).error);
        let body = body::read(payload, &mut headers, self.max_body_bytes).await?;
        Ok(Response::from_parts(status, headers, body))
    }

    /// The URL that awc connects to: always plain, since TLS lies below it.
    fn origin_of(&self, url: &Uri) -> Result<awc::http::Uri, Error> {
        let illegal = || Error::new(ErrorKind::InvalidRequest, "the URL has no usable host");
        let authority = url.authority().ok_or_else(illegal)?;
        let mut last = self.origin.borrow_mut();
        match &*last {
            Some((known, origin)) if known == authority => Ok(origin.clone()),
            _ => {
                let origin: awc::http::Uri =
                    format!("http://{authority}/").parse().map_err(|_| illegal())?;
                *last = Some((authority.clone(), origin.clone()));
                Ok(origin)
            }
        }
    }
}

/// Whether the method is one of which servers expect to hear how long the body
/// is, even when there is none (RFC 9110 section 8.6).
fn has_body_by_nature(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// awc's connection pool over `dial`. Below `awc::Client`, since that adds headers, timeouts and
/// redirects that are decided elsewhere here.
fn exchange(settings: &Settings, dial: Dial) -> Exchange {
    let pool = awc::Connector::new()
        .connector(dial)
        .timeout(settings.connect_timeout)
        .limit(settings.max_connections)
        .conn_keep_alive(settings.idle_timeout)
        .conn_lifetime(settings.max_lifetime)
        .finish();
    let pool = Rc::new(pool);
    Box::new(move |uri, head, body| {
        let connection = pool.call(awc::Connect { uri, addr: None });
        Box::pin(async move {
            let connection = connection.await?;
            match body {
                Some(body) => connection.send_request(head, body).await,
                None => connection.send_request(head, actix_http::body::None::new()).await,
            }
        })
    })
}

/// What an error before the complete head says.
fn send_fault(error: SendRequestError) -> Fault {
    let unknown = |kind, what: &'static str| {
        Fault::from(Error::new(kind, what).with_delivery(Delivery::Unknown))
    };
    match error {
        SendRequestError::Connect(ConnectError::Timeout) => {
            Error::new(ErrorKind::Connect, "no connection within the connect timeout").into()
        }
        SendRequestError::Connect(ConnectError::Io(error)) => {
            Fault::inside(error).unwrap_or_else(|source| {
                Error::new(ErrorKind::Connect, "no connection").with_source(source).into()
            })
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            unknown(ErrorKind::Disconnected, "the connection was closed before any answer")
        }
        SendRequestError::Connect(_) => Error::new(ErrorKind::Connect, "no connection").into(),
        SendRequestError::Send(error) | SendRequestError::Response(ParseError::Io(error)) => {
            Fault::inside(error).unwrap_or_else(|source| {
                let broken = unknown(ErrorKind::Disconnected, "the connection broke");
                broken.error.with_source(source).into()
            })
        }
        SendRequestError::Response(ParseError::TooLarge) => {
            unknown(ErrorKind::HeadTooLarge, "the head of the answer is too large")
        }
        SendRequestError::Response(error) => {
            let malformed = unknown(ErrorKind::Framing, "the answer has a head that is not valid");
            malformed.error.with_source(error).into()
        }
        _ => unknown(ErrorKind::Disconnected, "the request could not be sent"),
    }
}

/// What an error within the body says.
fn payload_fault(error: PayloadError) -> Fault {
    let unknown =
        |kind, what: &'static str| Error::new(kind, what).with_delivery(Delivery::Unknown);
    match error {
        PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => Fault::inside(error)
            .unwrap_or_else(|source| {
                unknown(ErrorKind::Framing, "the body is not valid").with_source(source).into()
            }),
        PayloadError::Incomplete(None) => {
            unknown(ErrorKind::Truncated, "the answer ended before its body was complete").into()
        }
        error => unknown(ErrorKind::Framing, "the body is not valid").with_source(error).into(),
    }
}
