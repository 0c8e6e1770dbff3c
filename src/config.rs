//! Every setting of a pool, its default, and its validation. Starts nothing and
//! reads no environment but in `environment`.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Uri, header::USER_AGENT};
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    base_url::BaseUrl,
    data::{duration, optional_duration},
    error::{Error, ErrorKind},
    rate_limit::{AnswerRules, KeyedRateLimiter, SLOWEST, default_burst},
    request::header,
    retry::{self, CircuitBreaker, Earnings, Hedge, ResponseRule, ResponseRules},
    signer::Signer,
    token_manager::{Credentials, TokenSet},
    transport::{Proxy, check_headers, tls},
};

mod auth;
mod environment;
mod forms;
mod schemes;
mod transport;

pub(crate) use auth::{Auth, OAuth2, Secrets};

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

/// The settings of a pool as data: from YAML, JSON or the environment, or by serde from whatever
/// holds them. [`PoolBuilder`](crate::PoolBuilder) sets the same from code and documents each.
///
/// ```
/// use vantage_api_pool::PoolConfig;
///
/// let config = PoolConfig::from_yaml(
///     "
/// base_url: https://api.example.com/v1
/// auth: { bearer: { env: API_TOKEN } }
/// rate_limit: 2.5
/// call_timeout: 1m
/// default_headers: { x-tenant: blue }
/// circuit_breaker: { open_time: 2s }
/// ",
/// )?;
/// let pool = config.builder()?.workers(4).build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
///
/// # Keys
///
/// Only `base_url` is required, and an unknown key is an error that names it. The keys are the
/// names of the builder's methods, such as `workers`, `max_attempts` or `use_dampener`. A
/// duration is a number of seconds or text such as `250ms`, `1m 30s` or `2h`; a size is in
/// bytes. These have a form of their own:
///
/// | key | value |
/// |---|---|
/// | `auth` | one of the forms below |
/// | `default_headers` | a map of names to values |
/// | `root_certificates` | a list of texts in PEM |
/// | `retry_budget` | `{ share_of_calls: 0.2, per_second: 10 }` |
/// | `hedge` | `{ after: 200ms }` or `{ at_percentile: 0.95 }`, and `at_most: 0.05` |
/// | `circuit_breaker` | a map of the names of [`CircuitBreaker`]'s methods |
/// | `response_rules` | a list of [`ResponseRule`]s |
/// | `limit_statuses`, `slow_down_statuses`, `retry_after_statuses` | a list of statuses |
///
/// # `auth`
///
/// | form | credentials |
/// |---|---|
/// | `{ bearer: SECRET }` | a bearer token (RFC 6750) |
/// | `{ basic: { user: NAME, password: SECRET } }` | a user name and a password (RFC 7617) |
/// | `{ header: { name: X-Api-Key, value: SECRET } }` | a key in a header |
/// | `{ query: { name: api_key, value: SECRET } }` | a key in the query |
/// | `{ oauth2: { token_url: URL, client_id: ID, client_secret: SECRET, scopes: [read], params: { audience: api }, credentials_in_body: false } }` | tokens by the client credentials grant (RFC 6749 section 4.4); needs the feature `oauth2` |
///
/// A `SECRET` is a text, a list of texts, `{ env: NAME }` or `{ file: PATH }`; `NAME` and
/// `PATH` may be lists too. Of a list the pool uses all, as the tokens of
/// [`token_source`](crate::PoolBuilder::token_source). `file` takes `reread_every: 10m` beside
/// it. No secret is in an error, in `Debug` output or in a log. A key in the query is in the
/// URLs that servers and proxies write to their logs, so prefer a header.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a map of the settings of a pool")]
pub struct PoolConfig {
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
    #[serde(with = "optional_duration")]
    pub(crate) queue_timeout: Option<Duration>,
    #[serde(with = "duration")]
    pub(crate) call_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) attempt_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) read_idle_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) idle_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) max_lifetime: Duration,
    pub(crate) tcp_nodelay: bool,
    #[serde(with = "optional_duration")]
    pub(crate) tcp_keepalive: Option<Duration>,
    #[serde(with = "optional_duration")]
    pub(crate) tcp_keepalive_interval: Option<Duration>,
    pub(crate) tcp_keepalive_retries: Option<u32>,
    #[serde(deserialize_with = "forms::secret")]
    pub(crate) proxy: Option<SecretString>,
    pub(crate) no_proxy: String,
    pub(crate) https_only: bool,
    pub(crate) allow_http_origins: bool,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_error_body_bytes: usize,
    pub(crate) page_byte_budget: usize,
    pub(crate) max_attempts: u32,
    #[serde(with = "duration")]
    pub(crate) backoff_base: Duration,
    #[serde(with = "duration")]
    pub(crate) backoff_cap: Duration,
    pub(crate) retry_budget: Earnings,
    pub(crate) hedge: Option<Hedge>,
    #[serde(with = "duration")]
    pub(crate) max_retry_after: Duration,
    #[serde(with = "duration")]
    pub(crate) reconnect_timeout: Duration,
    pub(crate) limit_statuses: BTreeSet<u16>,
    pub(crate) slow_down_statuses: Option<BTreeSet<u16>>,
    pub(crate) retry_after_statuses: BTreeSet<u16>,
    pub(crate) retry_after_ms: bool,
    pub(crate) should_retry_header: bool,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) response_rules: Vec<ResponseRule>,
    #[serde(with = "duration")]
    pub(crate) acquire_timeout: Duration,
    pub(crate) restart_intensity: u32,
    #[serde(with = "duration")]
    pub(crate) restart_period: Duration,
    #[serde(with = "duration")]
    pub(crate) heartbeat_timeout: Duration,
    #[serde(with = "duration")]
    pub(crate) replace_blocked_after: Duration,
    pub(crate) gzip: bool,
    #[serde(deserialize_with = "forms::headers")]
    pub(crate) default_headers: Vec<(String, String)>,
    #[serde(deserialize_with = "forms::certificates")]
    pub(crate) root_certificates: Vec<Vec<u8>>,
    pub(crate) platform_roots: bool,
    #[serde(deserialize_with = "forms::secret")]
    pub(crate) client_certificate: Option<SecretString>,
    /// What the credentials are made of when a builder is made of this.
    #[serde(deserialize_with = "auth::auth")]
    pub(crate) auth: Option<Auth>,
    #[serde(skip)]
    pub(crate) credentials: Option<Credentials>,
    /// `None` after a key that is too short.
    #[serde(rename = "signing_key", deserialize_with = "forms::signer")]
    pub(crate) signer: Option<Signer>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics_label: Option<String>,
}

/// The defaults, for a pool without a base URL.
impl Default for PoolConfig {
    fn default() -> Self {
        Self::new("")
    }
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
            no_proxy: String::new(),
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
            limit_statuses: BTreeSet::new(),
            slow_down_statuses: None,
            retry_after_statuses: BTreeSet::new(),
            retry_after_ms: true,
            should_retry_header: false,
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
            platform_roots: false,
            client_certificate: None,
            auth: None,
            credentials: None,
            signer: Some(Signer::of_this_process()),
            #[cfg(feature = "metrics")]
            metrics_label: None,
        }
    }

    /// Settings in YAML or JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the key, and the line where that can be told.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        serde_yaml_ng::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()))
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
        let answers = self.answers();
        answers.check()?;
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
        let proxy = self.proxy.as_ref();
        let proxy = proxy.map(|proxy| Proxy::parse(proxy.expose_secret(), &self.no_proxy));
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
                self.platform_roots,
                self.client_certificate.as_ref().map(ExposeSecret::expose_secret),
            )?,
            proxy: proxy.transpose()?.map(Arc::new),
            rules: ResponseRules::new(&self.response_rules)?,
            answers,
            settings: self.clone(),
        })
    }

    /// What statuses and headers mean.
    fn answers(&self) -> AnswerRules {
        AnswerRules {
            limits: self.limit_statuses.clone(),
            slower: self.slow_down_statuses.clone(),
            worth_a_wait: self.retry_after_statuses.clone(),
            reads_millis: self.retry_after_ms,
            reads_should_retry: self.should_retry_header,
        }
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
    pub(crate) answers: AnswerRules,
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
