//! Every setting of a pool and its default; `valid` checks them. Starts nothing, and reads the
//! environment in `environment` alone.
//!
//! # Where the defaults are
//!
//! - of a pool: `PoolConfig::new`, below; the burst of a rate limit: `default_burst` in
//!   `rate_limit/bucket.rs`;
//! - of its circuit breaker: `CircuitBreaker::default` in `retry/breaker/settings.rs`; of its retry
//!   budget: `Earnings::default` in `retry/budget.rs`; the share of hedges: `retry/hedge.rs`;
//! - of a stream (prefetch, bytes): the head of `pager/endpoint.rs`; of where a set ends:
//!   `pager/strategy/end_settings.rs`;
//! - of Vantage tables: `ApiSettings::default` and `Bounds::OF_TABLES` in
//!   `vantage/settings/api.rs`.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    data::{duration, optional_duration},
    error::Error,
    rate_limit::{AnswerRules, KeyedRateLimiter, SharedBudget, default_burst},
    retry::{CircuitBreaker, Earnings, Hedge, ResponseRule},
    signer::Signer,
    token_manager::{Credentials, TokenSet},
};

mod auth;
mod environment;
mod forms;
mod schemes;
mod transport;
mod valid;

pub(crate) use auth::{
    Auth, AwsData, Encoding, HmacData, OAuth2, Secrets, TimestampData, TokenRequestData,
};
pub(crate) use valid::ValidConfig;

/// The most workers that a pool has.
pub(crate) const MAX_WORKERS: usize = 1024;

/// Checks a number of workers.
pub(crate) fn check_workers(workers: usize) -> Result<(), Error> {
    if (1..=MAX_WORKERS).contains(&workers) {
        return Ok(());
    }
    Err(Error::config("workers: must be from 1 to 1024"))
}

/// Checks the rate of a setting, in requests per second.
pub(crate) fn check_rate(setting: &str, rate: Option<Decimal>) -> Result<(), Error> {
    if rate.is_none_or(|rate| rate > Decimal::ZERO) {
        return Ok(());
    }
    Err(Error::config(format!("{setting}: must be above zero requests per second")))
}

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
/// Only `base_url` is required, and an unknown key is an error that names it. The other keys are
/// the names of the builder's methods, such as `workers`, `max_attempts` or `use_dampener`, but
/// for `auth`, `default_headers` and `root_certificates`. A duration is a number of seconds or
/// text such as `250ms`, `1m 30s` or `2h`; a size is in bytes. These have a form of their own:
///
/// | key | value |
/// |---|---|
/// | `auth` | one of the forms below |
/// | `default_headers` | a map of names to values |
/// | `root_certificates` | a text in PEM, or a list of them |
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
/// | `{ header: { name: X-Api-Key, value: SECRET, prefix: "Token " } }` | a key in a header, after a prefix if there is one |
/// | `{ query: { name: api_key, value: SECRET } }` | a key in the query |
/// | `{ cookie: { name: session, value: SECRET } }` | a key in a cookie |
/// | `{ oauth2: CLIENT }` | a bearer token of OAuth 2.0: short for `{ bearer: { oauth2: CLIENT } }` |
///
/// A list of these forms is a choice: the first one in which no text is empty is used, as in
/// `[{ bearer: "${TOKEN:-}" }, { basic: { user: "${USER:-}", password: "${PASSWORD:-}" } }]` where
/// variables are replaced.
///
/// A `SECRET` is a text, a list of texts, `{ env: NAME }`, `{ file: PATH }`,
/// `{ token_request: REQUEST }` or `{ oauth2: CLIENT }`; `NAME` and `PATH` may be lists too. Of a
/// list the pool uses all, as the tokens of [`token_source`](crate::PoolBuilder::token_source).
/// `file` takes `reread_every: 10m` beside it. No secret is in an error, in `Debug` output or in a
/// log. A key in the query is in the URLs that servers and proxies write to their logs, so prefer
/// a header.
///
/// A `CLIENT` has `token_url`, `client_id` and `client_secret`, and if needed `scopes: [read]`,
/// `params: { audience: api }` and `credentials_in_body: true`. It gets tokens by its own
/// credentials (RFC 6749 section 4.4), or with `refresh_token` by that (section 6). An endpoint that
/// replaces the refresh token with each use needs `keep_in: PATH`, a file for the latest one; see
/// [`RefreshToken`](crate::tokens::RefreshToken). It needs the feature `oauth2`.
///
/// A `REQUEST` is any other way to a token, such as a login:
///
/// ```yaml
/// auth:
///   header:
///     name: X-Session
///     value:
///       token_request:
///         url: https://api.example.com/v1/login
///         json: { user: ada, password: s3cret }
///         token: data.session
///         lifetime: 30m
/// ```
///
/// | key | value |
/// |---|---|
/// | `url`, `method` | where it goes, and how: `POST` by default |
/// | `json` or `form` | its body: any value, or a map of fields |
/// | `headers`, `basic` | a map of names to values; `{ user: NAME, password: TEXT }` |
/// | `token`, `token_header` or `token_cookie` | where the response has the token: a path (`access_token` by default, `.` if it is the body), a header, or a cookie that is set |
/// | `expires` | the path of how long it is valid, in seconds, or of when it expires |
/// | `lifetime` | how long it is valid if the response does not say so |
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
    #[serde(skip)]
    pub(crate) shared_budget: Option<Arc<dyn SharedBudget>>,
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
            shared_budget: None,
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
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the key, and the line where that can
    /// be told.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        serde_yaml_ng::from_str(text).map_err(|error| {
            let what = error.to_string();
            // Only what is not a map at all has no key, and might be a secret.
            let is_no_map = what.starts_with("invalid type");
            let what =
                if is_no_map { "must be a map of the settings of a pool".into() } else { what };
            Error::config(what)
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
