//! What the handle says of connections: calls that do not wait for one, and the settings
//! that say how many are kept, how long a call waits for one, what their sockets are set to,
//! and through which proxy they go. Knows nothing of how connections are kept.

use std::time::Duration;

use super::{AwwPool, PoolBuilder};
use crate::{
    error::Error, request::Request, response::Response, supervisor::messages::WarmUp,
    transport::Proxy,
};

impl AwwPool {
    /// As [`get`](Self::get), but never waits for a connection, see
    /// [`try_request`](Self::try_request).
    ///
    /// # Errors
    /// As [`try_request`](Self::try_request).
    pub async fn try_get(&self, target: impl Into<String>) -> Result<Response, Error> {
        self.try_request(Request::get(target)).await
    }

    /// As [`request`](Self::request), but never waits for a connection: when all are in use,
    /// or others wait for one, it says so at once. It does wait for its response, for a token
    /// and for the rate limit.
    ///
    /// # Errors
    /// [`ErrorKind::PoolTimeout`](crate::ErrorKind::PoolTimeout) when no connection is free;
    /// else as [`request`](Self::request).
    pub async fn try_request(&self, request: Request) -> Result<Response, Error> {
        self.request(request.queue_timeout(Duration::ZERO)).await
    }

    /// Starts the pool, if it has not started, and waits until as many connections are open as
    /// [`min_connections`](PoolBuilder::min_connections) says.
    ///
    /// # Errors
    /// That of the first connection that does not open; the pool goes on trying in the
    /// background.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.address().await?.send(WarmUp).await.map_err(|_| Error::gone())?
    }
}

impl PoolBuilder {
    /// Connections that are open at all times, in use or not, from the pool's start on: none
    /// by default, at most workers times connections per worker, of which each worker gets its
    /// part. The idle timeout does not close them; one that dies or comes to its maximum
    /// lifetime is replaced in the background, after failures with a wait of 100 ms that
    /// doubles up to 30 s, of which a random part of up to a half is cut.
    /// [`AwwPool::warm_up`] waits until they are open; a call that comes before that opens a
    /// connection of its own, or takes the next of these if one more would be too many.
    pub fn min_connections(mut self, min_connections: usize) -> Self {
        self.config.min_connections = min_connections;
        self
    }

    /// Whether small writes go out at once, without waiting for what is on the way to be
    /// acknowledged (`TCP_NODELAY`): `true` by default.
    pub fn tcp_nodelay(mut self, tcp_nodelay: bool) -> Self {
        self.config.tcp_nodelay = tcp_nodelay;
        self
    }

    /// How long a call may wait at a time for a connection that is not in use, to within
    /// 100 ms, before it fails with [`ErrorKind::PoolTimeout`](crate::ErrorKind::PoolTimeout),
    /// unless the request says otherwise. By default as long as its deadline allows. The call
    /// timeout bounds the call as a whole; this bounds one part of it. What a call waits for
    /// the rate limit does not count.
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.config.queue_timeout = Some(timeout);
        self
    }

    /// Sends TCP keep-alive probes on a connection on which nothing has come for `time` (1 to
    /// 32,767 s, in whole seconds), so that one whose other end has vanished is closed. Off by
    /// default.
    pub fn tcp_keepalive(mut self, time: Duration) -> Self {
        self.config.tcp_keepalive = Some(time);
        self
    }

    /// The time between two keep-alive probes (1 to 32,767 s, in whole seconds): the system's
    /// default unless set.
    pub fn tcp_keepalive_interval(mut self, time: Duration) -> Self {
        self.config.tcp_keepalive_interval = Some(time);
        self
    }

    /// After how many unanswered keep-alive probes (1 to 127) a connection is closed: the
    /// system's default unless set.
    pub fn tcp_keepalive_retries(mut self, retries: u32) -> Self {
        self.config.tcp_keepalive_retries = Some(retries);
        self
    }

    /// Shows a certificate to servers that ask for one (mutual TLS): the certificate with its
    /// chain and its private key, all in PEM. It is in no `Debug` output, error or log. None by
    /// default.
    pub fn client_certificate(mut self, pem: impl Into<String>) -> Self {
        self.config.client_certificate = Some(pem.into().into());
        self
    }

    /// Opens every connection through an HTTP proxy, by CONNECT, for http and https alike:
    /// `http://user:password@host:port`, where user, password and port (then 80) may be left
    /// out and what is special in a URL is percent-encoded. With `https://` (port 443) the
    /// proxy itself is spoken to inside TLS, and its certificate is held against the same roots
    /// as the API's ([`root_certificate`](Self::root_certificate)). None by default, see
    /// [`proxy_from_env`](Self::proxy_from_env). The proxy resolves the API's host name. It sees neither paths
    /// nor headers of an https API, and the credentials are in no `Debug` output, error or log.
    ///
    /// A proxy that is not reached, or that does not reach the host, is
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) and tried again; one that refuses the
    /// tunnel is [`ErrorKind::Proxy`](crate::ErrorKind::Proxy), and one without a certificate
    /// that is trusted [`ErrorKind::Tls`](crate::ErrorKind::Tls).
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.config.proxy = Some(url.into().into());
        self
    }

    /// Connects to some hosts directly and not through the [`proxy`](Self::proxy): a list
    /// separated by commas or spaces, of names such as `example.com`, which stand for what is below
    /// them too, addresses, networks such as `10.0.0.0/8` or `10.*`, and `*` for all. A name or an address may
    /// have a port. None by default.
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.config.no_proxy = hosts.into();
        self
    }

    /// Takes [`proxy`](Self::proxy) and [`no_proxy`](Self::no_proxy) from the environment, as
    /// `curl` does: `https_proxy` for an API with https and `http_proxy` for one without, else
    /// `all_proxy`, and `no_proxy`. All but `http_proxy` may be in capitals. What the environment
    /// does not have leaves things as they are.
    pub fn proxy_from_env(mut self) -> Self {
        let is_https = self.config.base_url.to_ascii_lowercase().starts_with("https:");
        let (proxy, no_proxy) = Proxy::of_variables(is_https, |name| std::env::var(name).ok());
        if let Some(proxy) = proxy {
            (self.config.proxy, self.config.no_proxy) = (Some(proxy.into()), no_proxy);
        }
        self
    }
}
