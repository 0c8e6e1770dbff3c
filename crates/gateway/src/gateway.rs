//! The gateway as a value: what it shares among requests, and how it is mounted in an application.

use std::{
    fmt,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use actix_web::{HttpRequest, web};
use indexmap::IndexMap;
use tokio::sync::watch;
use vantage_api_pool::{AwwPool, limits::RateLimitPolicyEnforcer};

use crate::{
    Problem,
    auth::Authenticator,
    builder::GatewayBuilder,
    cache::Cache,
    client_address::Proxies,
    cors::Cors,
    cursor::Cursors,
    error::Error,
    failed_logins::FailedLogins,
    in_flight::InFlight,
    jobs::{Ask, Jobs},
    limits::Limits,
    locks::RowLocks,
    operate::PoolsReady,
    pages::Pages,
    pipeline,
    stats::{Counts, GatewayStats},
    status::Status,
    table_config::Table,
};

/// What was said to the builder, checked.
pub(crate) struct Settings {
    pub(crate) bind: SocketAddr,
    pub(crate) prefix: String,
    pub(crate) workers: usize,
    pub(crate) tables: IndexMap<String, Table>,
    pub(crate) pools: Vec<(String, AwwPool)>,
    pub(crate) jobs: Option<Ask>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) cors: Option<Cors>,
    pub(crate) limits: Limits,
    pub(crate) cache_bytes: u64,
    pub(crate) stale_if_error: Duration,
    pub(crate) cursor_secret: Option<Vec<u8>>,
    pub(crate) limit_addresses: Option<RateLimitPolicyEnforcer>,
    pub(crate) limit_principals: RateLimitPolicyEnforcer,
    pub(crate) drain_ready_delay: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) stats_roles: Vec<String>,
    pub(crate) proxies: Proxies,
    #[cfg(feature = "kv")]
    pub(crate) kv: Option<crate::kv::Kv>,
}

/// What all requests share.
pub(crate) struct State {
    pub(crate) prefix: String,
    pub(crate) tables: IndexMap<String, Table>,
    pub(crate) pools: Vec<(String, AwwPool)>,
    pub(crate) jobs: Option<Jobs>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) cors: Option<Cors>,
    pub(crate) limits: Limits,
    pub(crate) limit_addresses: Option<RateLimitPolicyEnforcer>,
    pub(crate) limit_principals: RateLimitPolicyEnforcer,
    pub(crate) stats_roles: Vec<String>,
    pub(crate) proxies: Proxies,
    #[cfg(feature = "kv")]
    pub(crate) kv: Option<crate::kv::Kv>,
    pub(crate) cache: Cache,
    pub(crate) cursors: Cursors,
    pub(crate) row_locks: RowLocks,
    pub(crate) failed_logins: FailedLogins,
    pub(crate) in_flight: InFlight,
    pub(crate) counts: Counts,
    pub(crate) pools_ready: PoolsReady,
    pub(crate) pages: Pages,
    pub(crate) status: Status,
    is_draining: AtomicBool,
    has_ended: watch::Sender<bool>,
}

impl State {
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    pub(crate) fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Ends all work that is going on.
    pub(crate) fn end(&self) {
        self.has_ended.send_replace(true);
    }

    /// What `work` answers, unless all work is ended before.
    ///
    /// # Errors
    /// 503 then.
    pub(crate) async fn until_ended<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let mut work = pin!(work);
        if let Poll::Ready(answer) = futures::poll!(work.as_mut()) {
            return answer;
        }
        let mut ended = self.has_ended.subscribe();
        tokio::select! {
            biased;
            answer = work => answer,
            _ = ended.wait_for(|has_ended| *has_ended) => {
                Err(Problem::unavailable("shutting_down", "the gateway is shutting down", 5))
            }
        }
    }
}

/// A gateway: serves its tables as a server of its own by [`run`](Self::run), or as a part of an
/// application by [`configure`](Self::configure). Clones are the same gateway.
///
/// ```
/// use vantage_api_gateway::Gateway;
///
/// // Nobody has said who may use it.
/// let error = Gateway::builder().build().unwrap_err();
/// assert!(error.to_string().starts_with("auth: "));
/// ```
#[derive(Clone)]
pub struct Gateway {
    pub(crate) state: Arc<State>,
    pub(crate) server: ServerSettings,
    pub(crate) handle: GatewayHandle,
}

/// What concerns the server alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerSettings {
    pub(crate) bind: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) drain_ready_delay: Duration,
    pub(crate) drain_timeout: Duration,
}

impl Gateway {
    /// Says what a gateway serves, and to whom.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::new()
    }

    pub(crate) fn new(settings: Settings) -> Result<Self, Error> {
        let limits = settings.limits;
        let state = Arc::new(State {
            cache: Cache::new(settings.cache_bytes, settings.stale_if_error),
            cursors: Cursors::new(settings.cursor_secret.as_deref())?,
            row_locks: RowLocks::default(),
            failed_logins: FailedLogins::new(limits.max_failed_logins)?,
            in_flight: InFlight::new(limits.max_in_flight, limits.max_in_flight_per_principal),
            counts: Counts::default(),
            pools_ready: PoolsReady::default(),
            pages: Pages::new(settings.authenticator.is_some()),
            status: Status::new(limits.max_event_streams),
            is_draining: AtomicBool::new(false),
            has_ended: watch::Sender::new(false),
            prefix: settings.prefix,
            tables: settings.tables,
            pools: settings.pools,
            jobs: settings.jobs.map(Jobs::new),
            authenticator: settings.authenticator,
            cors: settings.cors,
            limits,
            limit_addresses: settings.limit_addresses,
            limit_principals: settings.limit_principals,
            stats_roles: settings.stats_roles,
            proxies: settings.proxies,
            #[cfg(feature = "kv")]
            kv: settings.kv,
        });
        let server = ServerSettings {
            bind: settings.bind,
            workers: settings.workers,
            drain_ready_delay: settings.drain_ready_delay,
            drain_timeout: settings.drain_timeout,
        };
        let handle = GatewayHandle::new(Arc::clone(&state));
        Ok(Self { state, server, handle })
    }

    /// Mounts the gateway in an application, below its prefix.
    ///
    /// What is a matter of the server and not of requests must be set there: see the settings that
    /// [`Limits`] calls those of `run` alone, and
    /// [`h1_allow_half_closed(false)`](actix_web::HttpServer::h1_allow_half_closed), so that a
    /// client that leaves ends the work for it.
    ///
    /// ```no_run
    /// use actix_web::{App, HttpServer};
    /// use vantage_api_gateway::Gateway;
    ///
    /// # fn demo(gateway: Gateway) -> std::io::Result<()> {
    /// let server = HttpServer::new(move || App::new().configure(|app| gateway.configure(app)))
    ///     .h1_allow_half_closed(false)
    ///     .bind("127.0.0.1:8080")?;
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn configure(&self, app: &mut web::ServiceConfig) {
        let state = Arc::clone(&self.state);
        let serve = move |request: HttpRequest, payload: web::Payload| {
            pipeline::serve(Arc::clone(&state), request, payload.into_inner())
        };
        app.service(web::scope(&self.state.prefix).default_service(web::to(serve)));
    }

    /// Drains the gateway and shows what it did.
    #[must_use]
    pub fn handle(&self) -> GatewayHandle {
        self.handle.clone()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("bind", &self.server.bind)
            .field("prefix", &self.state.prefix)
            .field("tables", &self.state.tables.keys())
            .finish_non_exhaustive()
    }
}

/// Looks after a gateway from elsewhere.
#[derive(Clone)]
pub struct GatewayHandle {
    pub(crate) state: Arc<State>,
    pub(crate) drains: Arc<watch::Sender<Option<Duration>>>,
    pub(crate) addresses: Arc<watch::Sender<Option<SocketAddr>>>,
}

impl GatewayHandle {
    fn new(state: Arc<State>) -> Self {
        let (drains, addresses) = (watch::Sender::new(None), watch::Sender::new(None));
        Self { state, drains: Arc::new(drains), addresses: Arc::new(addresses) }
    }

    /// Begins the end: `/ready` is 503 from now on. A server that [`run`](Gateway::run) started
    /// stops after its `ready_delay`, and gives what is being worked on `timeout`, counted from then;
    /// what has not ended by then is answered with 503. Of a mounted gateway the application stops
    /// the server.
    pub fn drain(&self, timeout: Duration) {
        self.state.start_draining();
        self.drains.send_replace(Some(timeout));
    }

    /// The address on which [`run`](Gateway::run) listens, as soon as it does: for port 0.
    pub async fn address(&self) -> Option<SocketAddr> {
        let mut addresses = self.addresses.subscribe();
        addresses.wait_for(Option::is_some).await.ok().and_then(|address| *address)
    }

    /// What the gateway has done so far.
    #[must_use]
    pub fn stats(&self) -> GatewayStats {
        self.state.counts.stats(&self.state)
    }
}

impl fmt::Debug for GatewayHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayHandle").finish_non_exhaustive()
    }
}
