//! Checks every setting of a pool, and parses what needs parsing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Uri, header::USER_AGENT};
use secrecy::ExposeSecret;

use super::{PoolConfig, check_rate, check_workers};
use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    rate_limit::{AnswerRules, SLOWEST},
    request::header,
    retry::{CircuitBreaker, RetryPolicy, check_rules},
    token_manager::{Credentials, TokenSet},
    transport::{Proxy, check_headers, tls},
};

const DEFAULT_USER_AGENT: &str = concat!("vantage-api-pool/", env!("CARGO_PKG_VERSION"));

/// Three beats: one that is missed says nothing yet.
const SHORTEST_HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(300);

/// What Linux takes as the time to the first keep-alive probe and between two of them.
const MIN_KEEPALIVE: Duration = Duration::from_secs(1);
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Refuses settings for the first condition that holds, as the text beside it says.
macro_rules! refuse_if {
    ($($is_wrong:expr => $what:expr;)*) => {
        $(if $is_wrong {
            return Err(Error::config($what));
        })*
    };
}

impl ValidConfig {
    /// The pool's own tokens, if it has any.
    pub(crate) fn own_tokens(&self, now: Instant) -> Option<TokenSet> {
        Some(self.settings.token_set(self.settings.credentials.clone()?, now))
    }

    /// What the pool's metrics are labelled with: without a setting host and port of the API.
    #[cfg(feature = "metrics")]
    pub(crate) fn metrics_label(&self) -> String {
        let host = || {
            let port = self.base_uri.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}{port}", self.base_uri.host().unwrap_or_default())
        };
        self.settings.metrics_label.clone().unwrap_or_else(host)
    }

    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.settings.max_attempts,
            base: self.settings.backoff_base,
            cap: self.settings.backoff_cap,
            max_retry_after: self.settings.max_retry_after,
            reconnect: self.settings.reconnect_timeout,
        }
    }
}

/// Settings that passed [`PoolConfig::validate`], with what was parsed from them.
#[derive(Clone)]
pub(crate) struct ValidConfig {
    pub(crate) base: BaseUrl,
    /// The base URL as it is asked for.
    pub(crate) base_uri: Uri,
    /// Sent with every request that does not set them itself; always has a User-Agent.
    pub(crate) headers: HeaderMap,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) answers: AnswerRules,
    pub(crate) settings: PoolConfig,
}

impl PoolConfig {
    /// Checks every setting and parses what needs parsing.
    pub(crate) fn validate(&self) -> Result<ValidConfig, Error> {
        check_workers(self.workers)?;
        self.check_connections()?;
        self.check_rates()?;
        self.check_retries()?;
        self.check_times()?;
        refuse_if! {
            self.max_body_bytes == 0 => "max_body_bytes: must be at least 1";
            self.signer.is_none() => "signing_key: must have at least 32 bytes";
            self.proxy.is_none() && !self.no_proxy.trim().is_empty() =>
                "no_proxy: has no meaning without proxy";
        }
        let answers = self.answers();
        answers.check()?;
        self.credentials.as_ref().map_or(Ok(()), Credentials::validate)?;
        let headers = self.headers()?;
        let proxy = self.proxy.as_ref();
        let proxy = proxy.map(|proxy| Proxy::parse(proxy.expose_secret(), &self.no_proxy));
        let base = BaseUrl::parse(&self.base_url)?;
        self.check_schemes(&base)?;
        self.check_health_check(&base)?;
        let valid = ValidConfig {
            base_uri: base.as_uri()?,
            base,
            headers,
            tls: tls::client_config(
                &self.root_certificates,
                self.platform_roots,
                self.client_certificate.as_ref().map(ExposeSecret::expose_secret),
            )?,
            proxy: proxy.transpose()?.map(Arc::new),
            answers,
            settings: self.clone(),
        };
        check_rules(&self.response_rules)?;
        Ok(valid)
    }

    /// The headers of every request.
    fn headers(&self) -> Result<HeaderMap, Error> {
        let as_config = |error: Error| {
            Error::config("a default header is not legal in HTTP").with_source(error)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.default_headers {
            let (name, value) = header(name, value).map_err(as_config)?;
            headers.insert(name, value);
        }
        check_headers(&headers).map_err(as_config)?;
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, http::HeaderValue::from_static(DEFAULT_USER_AGENT));
        }
        Ok(headers)
    }

    fn check_rates(&self) -> Result<(), Error> {
        check_rate("rate_limit", self.rate_limit)?;
        check_rate("rate_limit_per_worker", self.rate_limit_per_worker)?;
        check_rate("rate_limit_per_token", self.rate_limit_per_token)?;
        refuse_if! {
            self.rate_limit_per_token.is_some() && self.credentials.is_none() =>
                "rate_limit_per_token: has no meaning without tokens";
            self.burst == Some(0) => "burst: must be at least 1";
            self.burst.is_some() && self.rate_limit.is_none() =>
                "burst: has no meaning without rate_limit";
            self.rate_limit_per_key.is_some_and(|rate| rate < SLOWEST) =>
                "rate_limit_per_key: must be at least 0.000000001 per second";
            self.burst_per_key == Some(0) => "burst_per_key: must be at least 1";
            self.burst_per_key.is_some() && self.rate_limit_per_key.is_none() =>
                "burst_per_key: has no meaning without rate_limit_per_key";
        }
        Ok(())
    }

    fn check_retries(&self) -> Result<(), Error> {
        refuse_if! {
            self.max_attempts == 0 => "max_attempts: must be at least 1";
            !(0.0..=1.0).contains(&self.retry_budget.per_call) =>
                "retry_budget: the share of calls must be from 0 to 1";
        }
        self.hedge.map_or(Ok(()), |hedge| hedge.check(ErrorKind::Config))?;
        self.circuit_breaker.as_ref().map_or(Ok(()), CircuitBreaker::validate)
    }

    fn check_times(&self) -> Result<(), Error> {
        refuse_if! {
            self.call_timeout.is_zero() => "call_timeout: must be above zero";
            self.attempt_timeout.is_zero() => "attempt_timeout: must be above zero";
            self.connect_timeout.is_zero() => "connect_timeout: must be above zero";
            self.queue_timeout == Some(Duration::ZERO) => "queue_timeout: must be above zero";
            self.read_idle_timeout.is_zero() => "read_idle_timeout: must be above zero";
            self.acquire_timeout.is_zero() => "acquire_timeout: must be above zero";
            self.restart_period.is_zero() => "restart_period: must be above zero";
            self.heartbeat_timeout < SHORTEST_HEARTBEAT_TIMEOUT =>
                "heartbeat_timeout: must be at least 300 ms";
            self.replace_blocked_after < self.heartbeat_timeout =>
                "replace_blocked_after: must be at least heartbeat_timeout";
        }
        Ok(())
    }

    fn check_health_check(&self, base: &BaseUrl) -> Result<(), Error> {
        let breaker = self.circuit_breaker.as_ref();
        let target = breaker.and_then(CircuitBreaker::health_check_target);
        target.map_or(Ok(()), |target| base.join(target).map(drop)).map_err(|error| {
            Error::config("circuit_breaker: health_check is not a target below the base URL")
                .with_source(error)
        })
    }

    /// Checks what concerns the connections, those kept open, and their sockets.
    fn check_connections(&self) -> Result<(), Error> {
        let seconds = MIN_KEEPALIVE..=MAX_KEEPALIVE;
        refuse_if! {
            !(1..=65_536).contains(&self.connections_per_worker) =>
                "connections_per_worker: must be from 1 to 65536";
            self.min_connections > self.workers * self.connections_per_worker =>
                "min_connections: must be at most workers x connections_per_worker";
            self.min_connections > 0 && self.max_lifetime.is_zero() =>
                "min_connections: has no meaning with a max_lifetime of zero";
            self.tcp_keepalive.is_some_and(|time| !seconds.contains(&time)) =>
                "tcp_keepalive: must be from 1 to 32767 seconds";
            self.tcp_keepalive_interval.is_some_and(|time| !seconds.contains(&time)) =>
                "tcp_keepalive_interval: must be from 1 to 32767 seconds";
            self.tcp_keepalive_retries.is_some_and(|retries| !(1..=127).contains(&retries)) =>
                "tcp_keepalive_retries: must be from 1 to 127";
            self.tcp_keepalive.is_none() && self.tcp_keepalive_interval.is_some() =>
                "tcp_keepalive_interval: has no meaning without tcp_keepalive";
            self.tcp_keepalive.is_none() && self.tcp_keepalive_retries.is_some() =>
                "tcp_keepalive_retries: has no meaning without tcp_keepalive";
        }
        Ok(())
    }
}
