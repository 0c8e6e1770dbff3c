//! Hands awc a connection for each request: one that is kept open, or a new one. awc's
//! own pool above it keeps nothing.

use std::{
    future::{Future, Ready, ready},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_rt::net::{ActixStream, Ready as Readiness};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures::future::Either;

use super::{fault::Fault, reserve::Reserve, strict_io::StrictIo};

/// In a box, since awc moves it a dozen times on its way to the request.
type Guarded = Box<StrictIo>;
type Connected = Result<Connection<Uri, Guarded>, ConnectError>;

/// The connector service over a reserve. Its errors are `Fault`s inside `io::Error`s.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) reserve: Rc<Reserve>,
    pub(super) read_idle: Duration,
}

impl Service<ConnectInfo<Uri>> for Connector {
    type Response = Connection<Uri, Guarded>;
    type Error = ConnectError;
    type Future = Either<Ready<Connected>, Pin<Box<dyn Future<Output = Connected>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let (uri, read_idle) = (info.request().clone(), self.read_idle);
        let now = Instant::now();
        if let Some(lease) = self.reserve.take(now) {
            let io = StrictIo::new(lease, true, read_idle, now.into());
            return Either::Left(ready(Ok(Connection::new(uri, Box::new(io)))));
        }
        let reserve = Rc::clone(&self.reserve);
        Either::Right(Box::pin(async move {
            match reserve.open().await {
                Ok(lease) => {
                    let is_reused = lease.was_idle;
                    let io = StrictIo::new(lease, is_reused, read_idle, Instant::now().into());
                    Ok(Connection::new(uri, Box::new(io)))
                }
                Err(error) => Err(ConnectError::Io(Fault::from(error).into())),
            }
        }))
    }
}

impl ActixStream for StrictIo {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Readiness>> {
        self.tcp().map_or_else(closed, |tcp| ActixStream::poll_read_ready(tcp, cx))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Readiness>> {
        self.tcp().map_or_else(closed, |tcp| ActixStream::poll_write_ready(tcp, cx))
    }
}

fn closed() -> Poll<io::Result<Readiness>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}
