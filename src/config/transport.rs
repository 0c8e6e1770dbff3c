//! What the HTTP clients of a pool need to know of its settings.

use std::sync::Arc;

use http::{HeaderName, header::USER_AGENT};

use super::{PoolConfig, ValidConfig};
use crate::{
    base_url::BaseUrl,
    error::Error,
    transport::{Gauge, Settings, keepalive},
};

impl ValidConfig {
    /// How many connections the worker in `slot`, one of `workers`, keeps open without use.
    pub(crate) fn kept_connections(&self, slot: usize, workers: usize) -> usize {
        let PoolConfig { min_connections, connections_per_worker, .. } = self.settings;
        // What does not divide evenly goes to the first workers.
        let kept = min_connections / workers + usize::from(slot < min_connections % workers);
        kept.min(connections_per_worker)
    }

    /// What an HTTP client needs to know that keeps `kept` connections open without use. It
    /// counts its connections in `gauge`.
    pub(crate) fn transport(&self, kept: usize, gauge: Arc<Gauge>) -> Settings {
        let settings = &self.settings;
        Settings {
            base: self.base_uri.clone(),
            headers: self.headers.clone(),
            tls: Arc::clone(&self.tls),
            connect_timeout: settings.connect_timeout,
            read_idle_timeout: settings.read_idle_timeout,
            idle_timeout: settings.idle_timeout,
            max_lifetime: settings.max_lifetime,
            max_body_bytes: settings.max_body_bytes,
            max_error_body_bytes: settings.max_error_body_bytes,
            // The permits bound what is on the wire, and their number may grow.
            kept_connections: kept..=settings.connections_per_worker,
            proxy: self.proxy.clone(),
            tcp_nodelay: settings.tcp_nodelay,
            tcp_keepalive: settings.tcp_keepalive.map(|time| {
                keepalive(time, settings.tcp_keepalive_interval, settings.tcp_keepalive_retries)
            }),
            gauge,
            gzip: settings.gzip,
        }
    }

    /// What an HTTP client of another API needs to know, which `base` is the base URL of: of
    /// the default headers, those that hold no credentials.
    pub(crate) fn transport_to(
        &self,
        base: &BaseUrl,
        gauge: Arc<Gauge>,
    ) -> Result<Settings, Error> {
        let mut settings = self.transport(0, gauge);
        let is_harmless =
            |name: &HeaderName| *name == USER_AGENT || name.as_str().starts_with("accept");
        let headers = self.headers.iter().filter(|(name, _)| is_harmless(name));
        settings.headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        settings.base = base.as_uri()?;
        Ok(settings)
    }
}
