//! Opens connections to the one origin of a pool: name resolution, TCP, a proxy's
//! tunnel, and TLS where the URL asks for it. Decides nothing about their use. awc's
//! own TLS would lie above the guard of `strict_io`, so it is not used.

use std::{io, sync::Arc, time::Duration};

use actix_rt::net::TcpStream;
use bytes::BytesMut;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::{
    Settings,
    gauge::Gauge,
    proxy::{self, Proxy},
    stream::Stream,
};
use crate::error::{Error, ErrorKind};

/// What every socket of a pool is set to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) nodelay: bool,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_retries: Option<u32>,
}

/// The way to an origin.
pub(super) struct Dial {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// The host, with brackets, and the port.
    authority: String,
    tls: Option<TlsConnector>,
    proxy: Option<Arc<Proxy>>,
    options: SocketOptions,
    connect_timeout: Duration,
    gauge: Arc<Gauge>,
}

impl Dial {
    pub(super) fn new(settings: &Settings) -> Self {
        let host = settings.base.host().unwrap_or_default();
        let is_secure = settings.base.scheme_str() == Some("https");
        let port = settings.base.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: format!("{host}:{port}"),
            tls: is_secure.then(|| TlsConnector::from(Arc::clone(&settings.tls))),
            proxy: settings.proxy.clone(),
            options: settings.socket,
            connect_timeout: settings.connect_timeout,
            gauge: Arc::clone(&settings.gauge),
        }
    }

    /// A new connection, within the connect timeout.
    pub(super) async fn open(&self) -> Result<Stream, Error> {
        let late = || Error::new(ErrorKind::Connect, "no connection within the connect timeout");
        tokio::time::timeout(self.connect_timeout, self.connect()).await.map_err(|_| late())?
    }

    async fn connect(&self) -> Result<Stream, Error> {
        let tcp = match &self.proxy {
            None => self.tcp(&self.host, self.port, &DIRECT).await?,
            Some(proxy) => {
                let mut tcp = self.tcp(&proxy.host, proxy.port, &TO_PROXY).await?;
                self.tunnel(proxy, &mut tcp).await?;
                tcp
            }
        };
        let Some(tls) = &self.tls else { return Ok(Stream::plain(tcp, self.gauge.enter())) };
        let name = ServerName::try_from(self.host.clone()).map_err(|source| {
            Error::new(ErrorKind::Tls, "the host is not a name that a certificate can hold")
                .with_source(source)
        })?;
        let stream = tls.connect(name, tcp).await.map_err(|source| {
            Error::new(ErrorKind::Tls, "the TLS handshake failed").with_source(source)
        })?;
        Ok(Stream::tls(stream, self.gauge.enter()))
    }

    async fn tcp(&self, host: &str, port: u16, words: &Words) -> Result<TcpStream, Error> {
        let unresolved = || Error::new(ErrorKind::Resolve, words.unresolved);
        let addresses = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<_> =
            addresses.map_err(|source| unresolved().with_source(source))?.collect();
        if addresses.is_empty() {
            return Err(unresolved());
        }
        let refused = |source| Error::new(ErrorKind::Connect, words.refused).with_source(source);
        let tcp = TcpStream::connect(&addresses[..]).await.map_err(refused)?;
        self.options.apply(&tcp).map_err(refused)?;
        Ok(tcp)
    }

    /// Makes `tcp`, a connection to `proxy`, one to the host.
    async fn tunnel(&self, proxy: &Proxy, tcp: &mut TcpStream) -> Result<(), Error> {
        let broken = |source| {
            Error::new(ErrorKind::Connect, "the connection to the proxy broke").with_source(source)
        };
        tcp.write_all(&proxy.request(&self.authority)).await.map_err(broken)?;
        let mut answer = BytesMut::new();
        while !proxy::is_open(&mut answer)? {
            if tcp.read_buf(&mut answer).await.map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }
}

impl SocketOptions {
    fn apply(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.set_nodelay(self.nodelay)?;
        let Some(time) = self.keepalive else { return Ok(()) };
        let mut keepalive = TcpKeepalive::new().with_time(time);
        if let Some(interval) = self.keepalive_interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = self.keepalive_retries {
            keepalive = keepalive.with_retries(retries);
        }
        SockRef::from(tcp).set_tcp_keepalive(&keepalive)
    }
}

/// How the failures of one way are put.
struct Words {
    unresolved: &'static str,
    refused: &'static str,
}

const DIRECT: Words = Words {
    unresolved: "the host name did not resolve",
    refused: "the connection was not established",
};
const TO_PROXY: Words = Words {
    unresolved: "the proxy's host name did not resolve",
    refused: "the connection to the proxy was not established",
};
