//! Builds the awc client of one worker and makes one attempt with it: what goes
//! out, what comes back, and what an error says about delivery. Decides nothing
//! about repeating but the one case that only the transport can see.

use std::{future::Future, ops::RangeInclusive, pin::Pin, rc::Rc, sync::Arc, time::Duration};

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

use super::{
    Request, Response, body,
    connector::Connector,
    dial::{Dial, SocketOptions},
    fault::Fault,
    gauge::Gauge,
    proxy::Proxy,
    reserve::Reserve,
    stack::Limits,
    wire,
};
use crate::error::{Delivery, Error, ErrorKind};

/// What the transport needs to know of the pool's settings.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Every request goes to the origin of this URL.
    pub(crate) base: Uri,
    /// Sent with every request that does not set them itself.
    pub(crate) headers: HeaderMap,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_idle_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_body_bytes: usize,
    /// The most requests on the wire at a time.
    pub(crate) max_connections: usize,
    /// How many connections are kept open, without use and after use.
    pub(crate) kept_connections: RangeInclusive<usize>,
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) socket: SocketOptions,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) gzip: bool,
}

/// How many stale connections one attempt may meet. Most are found before they are used, so more
/// in a row mean that the request itself makes the server hang up.
const MAX_STALE: u32 = 2;

/// What awc is told of the time that dialling may take, which is bounded elsewhere.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

type Answer = Result<(ResponseHead, Payload), SendRequestError>;
/// Sends a head and a body over a connection to the origin.
type Exchange = Box<dyn Fn(RequestHead, Option<Bytes>) -> Pin<Box<dyn Future<Output = Answer>>>>;

/// The HTTP client of one worker. Neither `Send` nor shared between threads.
pub(crate) struct Client {
    exchange: Exchange,
    reserve: Rc<Reserve>,
    headers: Result<Vec<(WireName, WireValue)>, Error>,
    max_body_bytes: usize,
}

impl Client {
    /// A client of the origin that the settings name. It opens the connections that are to be
    /// kept open at once, in the background.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = Limits {
            min: *settings.kept_connections.start(),
            max: *settings.kept_connections.end(),
            idle_timeout: settings.idle_timeout,
            max_lifetime: settings.max_lifetime,
        };
        let reserve = Reserve::new(Dial::new(settings), limits);
        Self {
            exchange: exchange(settings, Rc::clone(&reserve)),
            reserve,
            headers: wire::default_headers(&settings.headers, settings.gzip),
            max_body_bytes: settings.max_body_bytes,
        }
    }

    /// Resolves when as many connections are open as are to be kept open.
    ///
    /// # Errors
    /// That of the first connection that does not open.
    pub(crate) fn fill(&self) -> impl Future<Output = Result<(), Error>> + use<> {
        let reserve = Rc::clone(&self.reserve);
        async move { reserve.fill().await }
    }

    /// Changes how many connections are kept open without use.
    pub(crate) fn keep(&self, min: usize) {
        self.reserve.keep(min);
    }

    /// Makes one attempt: writes `request` to `url`, which is on the origin, and reads the
    /// whole answer.
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
        let (head, payload) = (self.exchange)(head, body).await.map_err(send_fault)?;
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
}

/// Whether the method is one of which servers expect to hear how long the body
/// is, even when there is none (RFC 9110 section 8.6).
fn has_body_by_nature(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// awc's connections from `reserve`. Below `awc::Client`, since that adds headers, timeouts and
/// redirects that are decided elsewhere here.
fn exchange(settings: &Settings, reserve: Rc<Reserve>) -> Exchange {
    let connector = awc::Connector::new()
        .connector(Connector { reserve, read_idle: settings.read_idle_timeout })
        .timeout(NEVER)
        .limit(settings.max_connections)
        // What awc keeps are empty shells: the reserve has the connections.
        .conn_keep_alive(Duration::ZERO)
        .conn_lifetime(Duration::ZERO)
        .finish();
    // The name under which awc files its shells. Host headers come from the request's URL.
    let uri = awc::http::Uri::from_static("http://origin/");
    Box::new(move |head, body| {
        let connection = connector.call(awc::Connect { uri: uri.clone(), addr: None });
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
