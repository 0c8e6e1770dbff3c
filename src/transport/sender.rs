//! Sends a request over a connection and reads the response, by awc: its connector, set to use the
//! connection that it is given, and its HTTP/1 client on top. `strict_io` below guards the bytes;
//! which connection is used is decided outside.
//!
//! This is below `awc::Client`, whose headers, timeouts and redirects are decided elsewhere here.
//! awc's own pool, between the two, keeps nothing.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{poll_fn, ready},
    io,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{Payload, RequestHead, ResponseHead};
use actix_rt::net::{ActixStream, Ready as Readiness};
use actix_service::{Service, fn_service};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::{body, error::SendRequestError, http::Uri};
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The time that awc may take to connect, which is limited elsewhere.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

type Answer = Result<(ResponseHead, Payload), SendRequestError>;
type SendFn<Io> =
    dyn Fn(BorrowedIo<Io>, RequestHead, Option<Bytes>) -> LocalBoxFuture<'static, Answer>;

/// awc, for connections of one kind.
pub(super) struct Sender<Io>(Box<SendFn<Io>>);

impl<Io: AsyncRead + AsyncWrite + Unpin + 'static> Sender<Io> {
    pub(super) fn new() -> Self {
        let given = Rc::new(Cell::new(None::<BorrowedIo<Io>>));
        let taken = Rc::clone(&given);
        let connect = fn_service(move |info: ConnectInfo<Uri>| {
            let connection = taken.take().ok_or(ConnectError::NoRecords);
            ready(connection.map(|io| Connection::new(info.request().clone(), io)))
        });
        let connector = awc::Connector::new()
            .connector(connect)
            .timeout(NEVER)
            .limit(0)
            .conn_keep_alive(Duration::ZERO)
            .conn_lifetime(Duration::ZERO)
            .finish();
        // The name under which awc files connections. What is sent comes from the head alone.
        let uri = Uri::from_static("http://origin/");
        Self(Box::new(move |io, head, body| {
            let connecting = connector.call(awc::Connect { uri: uri.clone(), addr: None });
            let given = Rc::clone(&given);
            Box::pin(async move {
                let mut connecting = pin!(connecting);
                let mut io = Some(io);
                // Others may connect between two polls, so it is available during each poll only.
                let connection = poll_fn(|cx| {
                    given.set(io.take());
                    let polled = connecting.as_mut().poll(cx);
                    io = given.take();
                    polled
                });
                let connection = connection.await?;
                match body {
                    Some(body) => connection.send_request(head, body).await,
                    None => connection.send_request(head, body::None::new()).await,
                }
            })
        }))
    }

    /// Writes a request to `connection` and reads the head of its response, followed by the body.
    /// The body can be read as long as the connection lives, which awc does not own.
    pub(super) async fn send(
        &self,
        connection: &Rc<RefCell<Io>>,
        head: RequestHead,
        body: Option<Bytes>,
    ) -> Answer {
        (self.0)(BorrowedIo(Rc::downgrade(connection)), head, body).await
    }
}

/// A connection as awc sees it: a weak reference.
struct BorrowedIo<Io>(Weak<RefCell<Io>>);

impl<Io: Unpin> BorrowedIo<Io> {
    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut Io>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.0.upgrade() {
            Some(io) => poll(Pin::new(&mut *io.borrow_mut())),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for BorrowedIo<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_read(cx, buf))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for BorrowedIo<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_shutdown(cx))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ActixStream for BorrowedIo<Io> {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Readiness>> {
        Poll::Ready(Ok(Readiness::READABLE))
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Readiness>> {
        Poll::Ready(Ok(Readiness::WRITABLE))
    }
}

impl<Io> fmt::Debug for BorrowedIo<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BorrowedIo")
    }
}
