//! Every setting of a pool, its default, and its validation. Starts nothing and
//! reads no environment.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Uri, header::USER_AGENT};
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    rate_limit::{AnswerRules, KeyedRateLimiter, SLOWEST, default_burst},
    request::header,
    retry::{self, CircuitBreaker, Earnings, Hedge, ResponseRule, ResponseRules},
    signer::Signer,
    token_manager::{Credentials, TokenSet},
    transport::{Proxy, check_headers, tls},
};

mod schemes;
mod transport;

const DEFAULT_USER_AGENT: &str = concat!("vantage-api-pool/", env!("CARGO_PKG_VERSION"));

/// The most workers that a pool has.
pub(crate) const MAX_WORKERS: usize = 1024;

/// Three beats: one that is missed says nothing yet.
const SHORTEST_HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(300);

/// Checks a number of workers.
pub(crate) fn check_workers(workers: usize) -> Result<(), Error> {
    if (1..=MAX_WORKERS).contains(&workers) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, "workers: must be from 1 to 1024"))
}

/// Checks a rate in requests per second, and answers with `what` if it is not one.
pub(crate) fn check_rate(rate: Option<Decimal>, what: &'static str) -> Result<(), Error> {
    match rate {
        Some(rate) if rate <= Decimal::ZERO => Err(Error::new(ErrorKind::Config, what)),
        _ => Ok(()),
    }
}

/// What Linux takes as the time to the first keep-alive probe and between two of them.
const MIN_KEEPALIVE: Duration = Duration::from_secs(1);
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Every setting of a pool, before validation. [`PoolBuilder`] documents each.
#[derive(Clone)]
pub(crate) struct PoolConfig {
    pub(crate) base_url: String,
    pub(crate) workers: usize,
    pub(crate) connections_per_worker: usize,
    pub(crate) min_connections: usize,
    pub(crate) max_queued: usize,
    pub(crate) rate_limit: Option<Decimal>,
    pub(crate) burst: Option<u32>,
    pub(crate) rate_limit_per_worker: Option<Decimal>,
    pub(crate) rate_limit_per_key: Option<Decimal>,
    pub(crate) burst_per_key: Option<u32>,
    pub(crate) rate_limit_per_token: Option<Decimal>,
    pub(crate) use_dampener: bool,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) call_timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_idle_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) tcp_nodelay: bool,
    pub(crate) tcp_keepalive: Option<Duration>,
    pub(crate) tcp_keepalive_interval: Option<Duration>,
    pub(crate) tcp_keepalive_retries: Option<u32>,
    pub(crate) proxy: Option<SecretString>,
    pub(crate) https_only: bool,
    pub(crate) allow_http_origins: bool,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_error_body_bytes: usize,
    pub(crate) page_byte_budget: usize,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) retry_budget: Earnings,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) max_retry_after: Duration,
    pub(crate) reconnect_timeout: Duration,
    pub(crate) answers: AnswerRules,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) response_rules: Vec<ResponseRule>,
    pub(crate) acquire_timeout: Duration,
    pub(crate) restart_intensity: u32,
    pub(crate) restart_period: Duration,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) replace_blocked_after: Duration,
    pub(crate) gzip: bool,
    pub(crate) default_headers: Vec<(String, String)>,
    pub(crate) root_certificates: Vec<Vec<u8>>,
    pub(crate) client_certificate: Option<SecretString>,
    pub(crate) credentials: Option<Credentials>,
    /// `None` after a key that is too short.
    pub(crate) signer: Option<Signer>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics_label: Option<String>,
}

impl PoolConfig {
    pub(crate) fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            workers: 3,
            connections_per_worker: 32,
            min_connections: 0,
            max_queued: 16_384,
            rate_limit: None,
            burst: None,
            rate_limit_per_worker: None,
            rate_limit_per_key: None,
            burst_per_key: None,
            rate_limit_per_token: None,
            use_dampener: false,
            queue_timeout: None,
            call_timeout: Duration::from_secs(120),
            attempt_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            read_idle_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            max_lifetime: Duration::from_secs(300),
            tcp_nodelay: true,
            tcp_keepalive: None,
            tcp_keepalive_interval: None,
            tcp_keepalive_retries: None,
            proxy: None,
            https_only: false,
            allow_http_origins: false,
            max_body_bytes: 10 * 1024 * 1024,
            max_error_body_bytes: 64 * 1024,
            page_byte_budget: 256 * 1024 * 1024,
            max_attempts: 3,
            backoff_base: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(20),
            retry_budget: Earnings::default(),
            hedge: None,
            max_retry_after: Duration::from_secs(300),
            reconnect_timeout: Duration::from_secs(15),
            answers: AnswerRules::default(),
            circuit_breaker: None,
            response_rules: Vec::new(),
            acquire_timeout: Duration::from_secs(30),
            restart_intensity: 100,
            restart_period: Duration::from_secs(60),
            heartbeat_timeout: Duration::from_millis(500),
            replace_blocked_after: Duration::from_secs(10),
            gzip: true,
            default_headers: Vec::new(),
            root_certificates: Vec::new(),
            client_certificate: None,
            credentials: None,
            signer: Some(Signer::of_this_process()),
            #[cfg(feature = "metrics")]
            metrics_label: None,
        }
    }

    /// Checks every setting and parses what needs parsing.
    pub(crate) fn validate(&self) -> Result<ValidConfig, Error> {
        let invalid = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        check_workers(self.workers)?;
        if !(1..=65_536).contains(&self.connections_per_worker) {
            return invalid("connections_per_worker: must be from 1 to 65536");
        }
        self.check_connections()?;
        check_rate(self.rate_limit, "rate_limit: must be above zero requests per second")?;
        check_rate(
            self.rate_limit_per_worker,
            "rate_limit_per_worker: must be above zero requests per second",
        )?;
        check_rate(
            self.rate_limit_per_token,
            "rate_limit_per_token: must be above zero requests per second",
        )?;
        if self.rate_limit_per_token.is_some() && self.credentials.is_none() {
            return invalid("rate_limit_per_token: has no meaning without tokens");
        }
        if self.burst == Some(0) {
            return invalid("burst: must be at least 1");
        }
        if self.burst.is_some() && self.rate_limit.is_none() {
            return invalid("burst: has no meaning without rate_limit");
        }
        if self.rate_limit_per_key.is_some_and(|rate| rate < SLOWEST) {
            return invalid("rate_limit_per_key: must be at least 0.000000001 per second");
        }
        if self.burst_per_key == Some(0) {
            return invalid("burst_per_key: must be at least 1");
        }
        if self.burst_per_key.is_some() && self.rate_limit_per_key.is_none() {
            return invalid("burst_per_key: has no meaning without rate_limit_per_key");
        }
        if self.max_attempts == 0 {
            return invalid("max_attempts: must be at least 1");
        }
        if !(0.0..=1.0).contains(&self.retry_budget.per_call) {
            return invalid("retry_budget: the share of calls must be from 0 to 1");
        }
        self.hedge.map_or(Ok(()), |hedge| hedge.check(ErrorKind::Config))?;
        if self.max_body_bytes == 0 {
            return invalid("max_body_bytes: must be at least 1");
        }
        if self.signer.is_none() {
            return invalid("signing_key: must have at least 32 bytes");
        }
        for (timeout, what) in [
            (self.call_timeout, "call_timeout: must be above zero"),
            (self.attempt_timeout, "attempt_timeout: must be above zero"),
            (self.connect_timeout, "connect_timeout: must be above zero"),
            (self.queue_timeout.unwrap_or(Duration::MAX), "queue_timeout: must be above zero"),
            (self.read_idle_timeout, "read_idle_timeout: must be above zero"),
            (self.acquire_timeout, "acquire_timeout: must be above zero"),
            (self.restart_period, "restart_period: must be above zero"),
        ] {
            if timeout.is_zero() {
                return invalid(what);
            }
        }
        if self.heartbeat_timeout < SHORTEST_HEARTBEAT_TIMEOUT {
            return invalid("heartbeat_timeout: must be at least 300 ms");
        }
        if self.replace_blocked_after < self.heartbeat_timeout {
            return invalid("replace_blocked_after: must be at least heartbeat_timeout");
        }
        self.answers.check()?;
        self.circuit_breaker.as_ref().map_or(Ok(()), CircuitBreaker::validate)?;
        self.credentials.as_ref().map_or(Ok(()), Credentials::validate)?;

        let as_config = |error: Error| {
            Error::new(ErrorKind::Config, "a default header is not legal in HTTP")
                .with_source(error)
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
        let proxy = self.proxy.as_ref().map(|proxy| Proxy::parse(proxy.expose_secret()));
        let base = BaseUrl::parse(&self.base_url)?;
        self.check_schemes(&base)?;
        let breaker = self.circuit_breaker.as_ref();
        if let Some(target) = breaker.and_then(CircuitBreaker::health_check_target) {
            base.join(target).map_err(|error| {
                let what = "circuit_breaker: health_check is no target below the base URL";
                Error::new(ErrorKind::Config, what).with_source(error)
            })?;
        }
        Ok(ValidConfig {
            base_uri: base.as_uri()?,
            base,
            headers,
            tls: tls::client_config(
                &self.root_certificates,
                self.client_certificate.as_ref().map(ExposeSecret::expose_secret),
            )?,
            proxy: proxy.transpose()?.map(Arc::new),
            rules: ResponseRules::new(&self.response_rules)?,
            settings: self.clone(),
        })
    }

    /// What signs cursors and resume tokens.
    pub(crate) fn signer(&self) -> Signer {
        self.signer.clone().unwrap_or_else(Signer::of_this_process)
    }

    /// The tokens that come of `credentials`.
    pub(crate) fn token_set(&self, credentials: Credentials, now: Instant) -> TokenSet {
        TokenSet::new(credentials, self.rate_limit_per_token, self.max_retry_after, now)
    }

    /// The limits of a handle's calls that have a rate key.
    pub(crate) fn keys(&self) -> Option<KeyedRateLimiter<Arc<str>>> {
        let Self { rate_limit_per_key, burst_per_key, .. } = self;
        let rate = (*rate_limit_per_key)?;
        KeyedRateLimiter::new(rate, burst_per_key.unwrap_or_else(|| default_burst(rate))).ok()
    }

    /// Checks what concerns the connections kept open and their sockets.
    fn check_connections(&self) -> Result<(), Error> {
        let invalid = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        if self.min_connections > self.workers * self.connections_per_worker {
            return invalid("min_connections: must be at most workers x connections_per_worker");
        }
        if self.min_connections > 0 && self.max_lifetime.is_zero() {
            return invalid("min_connections: has no meaning with a max_lifetime of zero");
        }
        let seconds = MIN_KEEPALIVE..=MAX_KEEPALIVE;
        if self.tcp_keepalive.is_some_and(|time| !seconds.contains(&time)) {
            return invalid("tcp_keepalive: must be from 1 to 32767 seconds");
        }
        if self.tcp_keepalive_interval.is_some_and(|time| !seconds.contains(&time)) {
            return invalid("tcp_keepalive_interval: must be from 1 to 32767 seconds");
        }
        if self.tcp_keepalive_retries.is_some_and(|retries| !(1..=127).contains(&retries)) {
            return invalid("tcp_keepalive_retries: must be from 1 to 127");
        }
        if self.tcp_keepalive.is_none() && self.tcp_keepalive_interval.is_some() {
            return invalid("tcp_keepalive_interval: has no meaning without tcp_keepalive");
        }
        if self.tcp_keepalive.is_none() && self.tcp_keepalive_retries.is_some() {
            return invalid("tcp_keepalive_retries: has no meaning without tcp_keepalive");
        }
        Ok(())
    }
}

impl ValidConfig {
    /// How many requests may be on the wire at a time in a pool of the size it starts with.
    pub(crate) fn max_connections(&self) -> usize {
        self.settings.workers * self.settings.connections_per_worker
    }

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

    pub(crate) fn retry_policy(&self) -> retry::Policy {
        retry::Policy {
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
    pub(crate) rules: ResponseRules,
    pub(crate) settings: PoolConfig,
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("workers", &self.workers)
            .field("connections_per_worker", &self.connections_per_worker)
            .field("rate_limit", &self.rate_limit)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
