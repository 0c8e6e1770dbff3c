//! What a gateway serves and to whom, said and then checked.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures::FutureExt as _;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::to_value;
use vantage_api_pool::{
    AwwPool,
    limits::{RateLimitPolicy, RateLimitPolicyEnforcer},
};

use crate::{
    auth::Authenticator,
    client_address::Proxies,
    cors::Cors,
    error::Error,
    gateway::{Gateway, Settings},
    jobs::Ask,
    limits::Limits,
    table_config::{Table, TableConfig, resolve_relations},
};

/// Builds a [`Gateway`]. What is wrong is an error of [`build`](Self::build), not a surprise
/// later.
#[must_use]
pub struct GatewayBuilder {
    bind: SocketAddr,
    prefix: String,
    workers: usize,
    tables: Vec<(String, TableConfig)>,
    pools: Vec<(String, AwwPool)>,
    jobs: Option<Ask>,
    authenticator: Option<Arc<dyn Authenticator>>,
    is_without_auth: bool,
    cors: Option<Cors>,
    limits: Limits,
    cache_bytes: u64,
    stale_if_error: Duration,
    cursor_secret: Option<Vec<u8>>,
    limit_addresses: Option<RateLimitPolicyEnforcer>,
    limit_principals: Option<RateLimitPolicyEnforcer>,
    drain_ready_delay: Duration,
    drain_timeout: Duration,
    stats_roles: Vec<String>,
    proxies: Vec<String>,
    #[cfg(feature = "kv")]
    kv: Option<crate::kv::Kv>,
}

impl GatewayBuilder {
    pub(crate) fn new() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            prefix: "/api/v1".to_owned(),
            workers: 0,
            tables: Vec::new(),
            pools: Vec::new(),
            jobs: None,
            authenticator: None,
            is_without_auth: false,
            cors: None,
            limits: Limits::default(),
            cache_bytes: 64 << 20,
            stale_if_error: Duration::from_secs(60),
            cursor_secret: None,
            limit_addresses: None,
            limit_principals: None,
            drain_ready_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
            stats_roles: Vec::new(),
            proxies: Vec::new(),
            #[cfg(feature = "kv")]
            kv: None,
        }
    }

    /// Where [`Gateway::run`] listens: 127.0.0.1:8080 by default. Port 0 takes a free one.
    pub fn bind(mut self, address: impl Into<SocketAddr>) -> Self {
        self.bind = address.into();
        self
    }

    /// The path under which everything is: `/api/v1` by default.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The threads of the server: one for each core by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Serves a table at `/tables/{name}`.
    pub fn table(mut self, name: impl Into<String>, table: TableConfig) -> Self {
        self.tables.push((name.into(), table));
        self
    }

    /// Serves a key-value store at `/kv`.
    #[cfg(feature = "kv")]
    pub fn kv(mut self, kv: crate::kv::Kv) -> Self {
        self.kv = Some(kv);
        self
    }

    /// Shows the statistics of a pool in `/stats` and `/metrics`, and makes `/ready` 503 while its
    /// breaker is open or it has no workers.
    pub fn pool(mut self, name: impl Into<String>, pool: AwwPool) -> Self {
        self.pools.push((name.into(), pool));
        self
    }

    /// Shows what jobs do, on this machine or on others, in `/stats`, in `/status/events` and on the
    /// page `/status`: what `overview` gives, as JSON. It is asked at most once a second, for all who
    /// look, and only while somebody does; and given 5 s, for which nothing else waits. If it fails,
    /// takes longer or panics, that is told, with what was known before and its age. Its error is told
    /// to nobody, and `/ready` does not depend on it.
    ///
    /// The page shows an `Overview` of `vantage-api-cluster`, and of other values what they have in
    /// common with it:
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use serde_json::json;
    /// use vantage_api_gateway::Gateway;
    ///
    /// let builder = Gateway::builder().jobs(|| async {
    ///     Ok::<_, Infallible>(json!({
    ///         "workers": [{
    ///             "name": "a", "is_alive": true, "age": 60.0, "silent": 0.5, "slots": 4,
    ///             "units": [{
    ///                 "job": "world", "stream": "cities", "part": "pages 1-50", "since": 2.5,
    ///                 "pages": 20, "rows": 2000,
    ///             }],
    ///         }],
    ///         "runs": [{
    ///             "id": 1, "job": "world", "state": "running", "took": 60.0, "cap": null,
    ///             "streams": [{
    ///                 "stream": "cities", "units": 3, "done": 1, "running": 1, "failed": 0,
    ///                 "pages": 70, "rows": 7000, "error": null, "remarks": [],
    ///             }],
    ///         }],
    ///     }))
    /// });
    /// # drop(builder);
    /// ```
    pub fn jobs<F, T, E>(mut self, overview: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
    {
        let ask = move || overview().map(|told| to_value(told.ok()?).ok()).boxed();
        self.jobs = Some(Arc::new(ask));
        self
    }

    /// Decides who makes each request.
    pub fn auth(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Serves everything to everybody who reaches the address, which must then be of the loopback.
    pub fn without_auth(mut self) -> Self {
        self.is_without_auth = true;
        self
    }

    /// Allows pages of other origins to make requests: none by default.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// Bounds everything that clients can make long, large or many.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How much memory answers that are kept may take, in bytes: 64 MiB by default. Which answers
    /// are kept is said by [`TableConfig::cache_ttl`].
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How long after its time an answer that was kept is still given, with `Age`, if the source
    /// of the table fails: 60 s by default.
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale_if_error = time;
        self
    }

    /// Seals cursors with a key that is derived from this secret of at least 32 bytes, so that they
    /// outlive the process and are good at every gateway with the same secret. By default they are
    /// good at this one, until it ends.
    pub fn cursor_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.cursor_secret = Some(secret.into());
        self
    }

    /// Takes the word of these reverse proxies, addresses or networks such as `10.0.0.0/8`, for
    /// whose requests they forward: the last address in `X-Forwarded-For` that is not one of
    /// theirs. By default a client is the peer of its connection, and all that come through a proxy
    /// are one.
    pub fn trust_proxies<P: Into<String>>(mut self, proxies: impl IntoIterator<Item = P>) -> Self {
        self.proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Limits the requests of each network before its credentials are looked at: not at all by
    /// default, but for [failed logins](Limits::max_failed_logins).
    pub fn limit_addresses(mut self, enforcer: RateLimitPolicyEnforcer) -> Self {
        self.limit_addresses = Some(enforcer);
        self
    }

    /// Limits the requests of each principal: by default 50 a second after a burst of 100.
    pub fn limit_principals(mut self, enforcer: RateLimitPolicyEnforcer) -> Self {
        self.limit_principals = Some(enforcer);
        self
    }

    /// How a server ends: `/ready` says 503 for `ready_delay` (5 s by default), so that no new
    /// requests are sent here; then no connection is accepted, and what is being worked on has
    /// `timeout` (30 s) to end.
    pub fn drain(mut self, ready_delay: Duration, timeout: Duration) -> Self {
        (self.drain_ready_delay, self.drain_timeout) = (ready_delay, timeout);
        self
    }

    /// The roles that may see `/stats`, `/metrics` and `/status/events`: every principal by default.
    pub fn stats_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.stats_roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Checks everything that was said.
    ///
    /// # Errors
    /// [`Error`] names the setting: no authenticator, no authentication on an address that others
    /// reach, two tables of one name, or a table whose settings do not fit it.
    pub fn build(self) -> Result<Gateway, Error> {
        if self.authenticator.is_none() && !self.is_without_auth {
            return Err(Error::NoAuthenticator);
        }
        if self.authenticator.is_some() && self.is_without_auth {
            return Err(Error::Setting("without_auth: an authenticator is set too".to_owned()));
        }
        if self.is_without_auth && !self.bind.ip().to_canonical().is_loopback() {
            return Err(Error::OpenToOthers(self.bind));
        }
        self.limits.validate()?;
        check_prefix(&self.prefix)?;
        if self.cursor_secret.as_ref().is_some_and(|secret| secret.len() < 32) {
            return Err(Error::Setting("cursor_secret: it has less than 32 bytes".to_owned()));
        }
        let limit_principals = match self.limit_principals {
            Some(enforcer) => enforcer,
            None => default_limit()?,
        };
        Gateway::new(Settings {
            bind: self.bind,
            prefix: self.prefix,
            workers: self.workers,
            tables: tables(self.tables)?,
            pools: self.pools,
            jobs: self.jobs,
            authenticator: self.authenticator,
            cors: self.cors,
            limits: self.limits,
            cache_bytes: self.cache_bytes,
            stale_if_error: self.stale_if_error,
            cursor_secret: self.cursor_secret,
            limit_addresses: self.limit_addresses,
            limit_principals,
            drain_ready_delay: self.drain_ready_delay,
            drain_timeout: self.drain_timeout,
            stats_roles: self.stats_roles,
            proxies: Proxies::parse(&self.proxies)?,
            #[cfg(feature = "kv")]
            kv: self.kv,
        })
    }
}

fn tables(table_config: Vec<(String, TableConfig)>) -> Result<IndexMap<String, Table>, Error> {
    let mut tables = IndexMap::new();
    let mut relations = Vec::new();
    for (name, table_config) in table_config {
        let (table, names) = table_config.into_table(&name)?;
        if tables.contains_key(&name) {
            return Err(Error::table(&name, "two tables have this name"));
        }
        relations.push(names);
        tables.insert(name, table);
    }
    let resolved: Result<Vec<_>, Error> = tables
        .values()
        .zip(&relations)
        .map(|(table, names)| resolve_relations(table, names, |name| tables.contains_key(name)))
        .collect();
    for (table, relations) in tables.values_mut().zip(resolved?) {
        table.relations = relations;
    }
    Ok(tables)
}

fn check_prefix(prefix: &str) -> Result<(), Error> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(is_legal) && segment != "." && segment != ".."
    };
    match prefix.strip_prefix('/') {
        Some(rest) if rest.split('/').all(is_segment) => Ok(()),
        _ => Err(Error::Setting(format!("prefix: {prefix:?} is not a path such as /api/v1"))),
    }
}

fn default_limit() -> Result<RateLimitPolicyEnforcer, Error> {
    let policy = RateLimitPolicy::token_bucket("principal", 100, Duration::from_secs(2));
    RateLimitPolicyEnforcer::new([policy])
        .map_err(|error| Error::Setting(format!("limit_principals: {error}")))
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<&str> = self.tables.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("GatewayBuilder")
            .field("bind", &self.bind)
            .field("prefix", &self.prefix)
            .field("tables", &tables)
            .finish_non_exhaustive()
    }
}
