//! Opens connections for awc: name resolution, TCP, and TLS where the URL asks
//! for it, with the guard of `strict_io` on top. awc's own TLS would lie above
//! the guard, so it is not used.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    fault::Fault,
    idle::{Line, Quiet, Sweeper},
    strict_io::StrictIo,
};
use crate::error::{Error, ErrorKind};

/// The connector service of one scheme. Its errors are `Fault`s inside `io::Error`s.
#[derive(Clone)]
pub(super) struct Dial {
    tls: Option<TlsConnector>,
    read_idle: Duration,
    sweeper: Sweeper<Stream>,
}

impl Dial {
    /// Connections with TLS, if it is given. An answer stalls after `read_idle`, and a connection
    /// is closed when it is unused for `idle_timeout` or somewhat longer.
    pub(super) fn new(
        tls: Option<Arc<rustls::ClientConfig>>,
        read_idle: Duration,
        idle_timeout: Duration,
    ) -> Self {
        let sweeper = Sweeper::new(idle_timeout);
        Self { tls: tls.map(TlsConnector::from), read_idle, sweeper }
    }

    async fn open(&self, uri: &Uri) -> Result<Stream, Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let default_port = if self.tls.is_some() { 443 } else { 80 };
        let tcp = connect(host, uri.port_u16().unwrap_or(default_port)).await?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let name = ServerName::try_from(host.to_owned()).map_err(|source| {
            Error::new(ErrorKind::Tls, "the host is not a name that a certificate can hold")
                .with_source(source)
        })?;
        let stream = tls.connect(name, tcp).await.map_err(|source| {
            Error::new(ErrorKind::Tls, "the TLS handshake failed").with_source(source)
        })?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Error> {
    let unresolved = |source: Option<io::Error>| {
        let error = Error::new(ErrorKind::Resolve, "the host name did not resolve");
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    };
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| unresolved(Some(source)))?
        .collect();
    if addresses.is_empty() {
        return Err(unresolved(None));
    }
    let refused = |source| {
        Error::new(ErrorKind::Connect, "the connection was not established").with_source(source)
    };
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(refused)?;
    tcp.set_nodelay(true).map_err(refused)?;
    Ok(tcp)
}

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, StrictIo<Stream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move {
            let uri = info.request().clone();
            match dial.open(&uri).await {
                Ok(stream) => {
                    let line = Line::new(stream);
                    dial.sweeper.watch(&line);
                    Ok(Connection::new(uri, StrictIo::new(line, dial.read_idle)))
                }
                Err(error) => Err(ConnectError::Io(Fault::from(error).into())),
            }
        })
    }
}

/// A connection to a server.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Quiet for Stream {
    fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(self.tcp()).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl ActixStream for StrictIo<Stream> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.line.poll(|stream| ActixStream::poll_read_ready(stream.tcp(), cx))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.line.poll(|stream| ActixStream::poll_write_ready(stream.tcp(), cx))
    }
}
