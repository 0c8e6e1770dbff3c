//! The pool's settings that the transport needs.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use http::{HeaderMap, Uri};
use socket2::TcpKeepalive;

use super::{gauge::Gauge, proxy::Proxy};

/// The pool's settings that the transport needs.
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
    pub(crate) max_error_body_bytes: usize,
    /// How many connections are kept open: the minimum without use, and the maximum after use.
    pub(crate) kept_connections: RangeInclusive<usize>,
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) tcp_nodelay: bool,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) gzip: bool,
}
