//! Opens connections to the one origin of a pool: DNS lookup (name resolution), TCP, a proxy's
//! tunnel, and TLS if the URL, or the proxy's, requires it. Decides nothing about their use.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    happy_eyeballs::{by_turns, race},
    proxy::{self, Proxy},
    settings::Settings,
    stream::Stream,
    tls,
};
use crate::error::{Error, ErrorKind};

/// The route to an origin.
pub(super) struct Connector {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// The host, with brackets, and the port.
    authority: String,
    is_secure: bool,
    tls: TlsConnector,
    proxy: Option<Arc<Proxy>>,
    tcp_nodelay: bool,
    tcp_keepalive: Option<TcpKeepalive>,
    connect_timeout: Duration,
}

impl Connector {
    pub(super) fn new(settings: &Settings) -> Self {
        let host = settings.base.host().unwrap_or_default();
        let is_secure = settings.base.scheme_str() == Some("https");
        let port = settings.base.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let name = host.trim_matches(['[', ']']);
        Self {
            host: name.to_owned(),
            port,
            authority: format!("{host}:{port}"),
            is_secure,
            tls: Arc::clone(&settings.tls).into(),
            proxy: settings.proxy.clone().filter(|proxy| !proxy.no_proxy.holds(name, port)),
            tcp_nodelay: settings.tcp_nodelay,
            tcp_keepalive: settings.tcp_keepalive.clone(),
            connect_timeout: settings.connect_timeout,
        }
    }

    /// A new connection, within the connect timeout.
    pub(super) async fn connect(&self) -> Result<Stream, Error> {
        let late = || Error::new(ErrorKind::Connect, "no connection within the connect timeout");
        tokio::time::timeout(self.connect_timeout, self.layers()).await.map_err(|_| late())?
    }

    async fn layers(&self) -> Result<Stream, Error> {
        let mut io = match &self.proxy {
            None => Stream::Plain(self.tcp(&self.host, self.port, false).await?),
            Some(proxy) => {
                let mut io = Stream::Plain(self.tcp(&proxy.host, proxy.port, true).await?);
                if proxy.is_secure {
                    io = self.secure(io, &proxy.host, true).await?;
                }
                self.tunnel(proxy, &mut io).await?;
                io
            }
        };
        if self.is_secure {
            io = self.secure(io, &self.host, false).await?;
        }
        Ok(io)
    }

    /// Wraps `io`, a connection to `host`, in TLS.
    async fn secure(&self, io: Stream, host: &str, is_proxy: bool) -> Result<Stream, Error> {
        let failed =
            |direct, proxy| Error::new(ErrorKind::Tls, if is_proxy { proxy } else { direct });
        let unnamed = || {
            failed(
                "the host is not a name that a certificate can hold",
                "the proxy's host is not a name that a certificate can hold",
            )
        };
        let insecure =
            || failed("the TLS handshake failed", "the TLS handshake with the proxy failed");
        let name = ServerName::try_from(host.to_owned())
            .map_err(|source| unnamed().with_source(source).lasting(true))?;
        let tls = self.tls.connect(name, io).await;
        let tls = tls.map_err(|source| {
            let is_lasting = tls::is_lasting(&source);
            insecure().with_source(source).lasting(is_lasting)
        })?;
        Ok(Stream::Tls(Box::new(tls)))
    }

    async fn tcp(&self, host: &str, port: u16, is_proxy: bool) -> Result<TcpStream, Error> {
        let (unresolved, refused) = match is_proxy {
            false => ("the host name did not resolve", "the connection was not established"),
            true => (
                "the proxy's host name did not resolve",
                "the connection to the proxy was not established",
            ),
        };
        let caused = |kind, what: &str, source: io::Error| {
            Error::new(kind, format!("{what}: {source}")).with_source(source)
        };
        let addresses = tokio::net::lookup_host((host, port)).await;
        let unknown = |source| caused(ErrorKind::Resolve, unresolved, source);
        let addresses = by_turns(addresses.map_err(unknown)?);
        let refused = |source| caused(ErrorKind::Connect, refused, source);
        let none = || Error::new(ErrorKind::Resolve, unresolved);
        let tcp = race(addresses, TcpStream::connect).await.ok_or_else(none)?;
        let tcp = tcp.map_err(refused)?;
        self.set_up(&tcp).map_err(refused)?;
        Ok(tcp)
    }

    fn set_up(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.set_nodelay(self.tcp_nodelay)?;
        match &self.tcp_keepalive {
            Some(keepalive) => SockRef::from(tcp).set_tcp_keepalive(keepalive),
            None => Ok(()),
        }
    }

    /// Turns `io`, a connection to `proxy`, into a tunnel to the host.
    async fn tunnel(&self, proxy: &Proxy, io: &mut Stream) -> Result<(), Error> {
        let broken = |source| {
            Error::new(ErrorKind::Connect, "the connection to the proxy broke").with_source(source)
        };
        io.write_all(&proxy.request(&self.authority)).await.map_err(broken)?;
        io.flush().await.map_err(broken)?;
        let (mut answer, mut came) = (BytesMut::new(), 0);
        while !proxy::is_open(&mut answer)? {
            match io.read_buf(&mut answer).await.map_err(broken)? {
                0 => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
                bytes => came += bytes,
            }
            if came > proxy::MAX_ANSWERS {
                let what = "the proxy sends more than 32 KiB before the tunnel is open";
                return Err(Error::new(ErrorKind::Proxy, what));
            }
        }
        Ok(())
    }
}

/// TCP keepalive probes for a connection on which nothing arrived for `time`.
pub(crate) fn keepalive(
    time: Duration,
    interval: Option<Duration>,
    retries: Option<u32>,
) -> TcpKeepalive {
    let mut keepalive = TcpKeepalive::new().with_time(time);
    if let Some(interval) = interval {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(retries) = retries {
        keepalive = keepalive.with_retries(retries);
    }
    keepalive
}
