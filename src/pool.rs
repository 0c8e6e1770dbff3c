//! The handle of a pool. It starts the pool on first use and hides that actors do
//! the work: it is used from any thread and any runtime.

use std::{fmt, sync::Arc, time::Duration};

use actix::Addr;
use rust_decimal::Decimal;
use tokio::sync::{OnceCell, broadcast};

use crate::{
    config::PoolConfig,
    dispatch::Tenant,
    error::Error,
    events::{Event, Events},
    request::Request,
    response::Response,
    retry::CircuitBreaker,
    signer::Signer,
    stats::Stats,
    supervisor::{self, Core, Supervisor, messages::GetStats},
};

mod calls;
mod connections;
mod limits;
mod link;
mod retries;
mod supervision;
mod target;
mod tokens;

/// A pool of supervised workers for one REST API.
///
/// Cheap to clone; all clones are one pool. It starts on first use, on a thread of
/// its own, or on Arbiters of the actix System it is first used in. When the last
/// clone is dropped, the pool ends; [`shutdown`](Self::shutdown) does so in order.
///
/// ```no_run
/// use vantage_api_pool::{AwwPool, Request};
///
/// # async fn demo() -> Result<(), vantage_api_pool::Error> {
/// let pool = AwwPool::new(3, None, false, "http://localhost:8080/v1");
/// let page = pool.get("/countries?page=1").await?;
/// println!("{} bytes", page.body().len());
/// let created = pool.request(Request::post("/orders").json(&["tea"])?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AwwPool {
    inner: Arc<Inner>,
    /// This handle, if it has credentials of its own.
    tenant: Option<Arc<Tenant>>,
}

struct Inner {
    config: PoolConfig,
    events: Arc<Events>,
    /// `None` in it when the pool was shut down before it started.
    core: OnceCell<Option<Arc<Core>>>,
}

impl AwwPool {
    /// A pool with the given number of workers (1 to 1024), a rate limit in
    /// requests per second for the whole API, and everything else as
    /// [`builder`](Self::builder) has it by default.
    ///
    /// Nothing is checked and nothing starts here: an invalid value, such as a bad
    /// URL, is the error of the first use. For `use_dampener` see
    /// [`PoolBuilder::use_dampener`].
    #[must_use]
    pub fn new(
        workers: usize,
        rate_limit: Option<Decimal>,
        use_dampener: bool,
        base_url: impl Into<String>,
    ) -> Self {
        let config = PoolConfig { workers, rate_limit, use_dampener, ..PoolConfig::new(base_url) };
        Self::with_config(config)
    }

    /// A pool with every setting, checked when it is built.
    pub fn builder(base_url: impl Into<String>) -> PoolBuilder {
        PoolBuilder { config: PoolConfig::new(base_url) }
    }

    fn with_config(config: PoolConfig) -> Self {
        let inner = Inner { config, events: Arc::default(), core: OnceCell::new() };
        Self { inner: Arc::new(inner), tenant: None }
    }

    /// GETs `target`: a path below the base URL with an optional query, or an
    /// absolute URL below it.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn get(&self, target: impl Into<String>) -> Result<Response, Error> {
        self.request(Request::get(target)).await
    }

    /// Makes a call and waits for its response. Dropping the future cancels the call.
    ///
    /// # Errors
    /// Every response that is not a success (2xx), after the retries that its status
    /// and method allow, and every failure to get a response. See
    /// [`ErrorKind`](crate::ErrorKind).
    pub async fn request(&self, request: Request) -> Result<Response, Error> {
        self.core().await?.dispatcher.call(request, self.tenant.clone()).await
    }

    /// What signs the cursors of its tables.
    pub(crate) fn signer(&self) -> Signer {
        self.inner.config.signer()
    }

    /// Whether each request that does not set this header itself goes with one.
    pub(crate) fn has_default_header(&self, name: &str) -> bool {
        self.inner.config.default_headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// What the pool has done so far. Workers are asked first; one that does not report within two
    /// seconds counts with what it reported before.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown) when the pool has ended.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.address().await?.send(GetStats).await.map_err(|_| Error::gone())?
    }

    /// What happens in the pool from here on. It works before the first use, does not start
    /// the pool, and is closed when the pool has ended.
    ///
    /// The pool never waits for a receiver: one that falls behind by more than 4,096 events
    /// is told by `RecvError::Lagged` how many it missed. While there is no receiver, events
    /// are not made. The first one makes room for the events, about 300 KiB.
    ///
    /// ```no_run
    /// use vantage_api_pool::{AwwPool, events::Event};
    ///
    /// # async fn watch(pool: AwwPool) {
    /// let mut events = pool.events();
    /// while let Ok(event) = events.recv().await {
    ///     if let Event::AttemptEnded { attempt, outcome, latency, .. } = event {
    ///         println!("attempt {} of call {}: {outcome:?}", attempt.number, attempt.call);
    ///         println!("by worker {} in {latency:?}", attempt.worker);
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.listen()
    }

    /// The address of the pool's supervisor, for an actix application that sends
    /// [`messages`](crate::messages). [`Fetch`](crate::messages::Fetch) and
    /// [`OpenStream`](crate::messages::OpenStream) go out with the pool's own tokens;
    /// [`Fetch::by`](crate::messages::Fetch::by) and
    /// [`OpenStream::by`](crate::messages::OpenStream::by) with those of a handle.
    ///
    /// # Errors
    /// A setting that is invalid; [`ErrorKind::Config`](crate::ErrorKind::Config) for a handle
    /// with [credentials of its own](Self::with_credentials), which that address does not have.
    pub async fn supervisor(&self) -> Result<Addr<Supervisor>, Error> {
        if self.tenant.is_some() {
            let what = "supervisor: it does not have the credentials of this handle; send \
                        Fetch::by and OpenStream::by to that of the pool";
            return Err(Error::config(what));
        }
        self.address().await
    }

    async fn address(&self) -> Result<Addr<Supervisor>, Error> {
        Ok(self.core().await?.supervisor.clone())
    }

    /// Ends the pool: refuses new calls, lets accepted ones finish for at most
    /// `drain`, ends the rest with
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown), and waits until
    /// the pool's threads have ended; one that a callback blocks is left behind after
    /// 2 seconds. A pool that was never used ends at once and does not start any more.
    /// Of several shutdowns at a time the shortest drain counts, and each waits for the end.
    ///
    /// For a handle with [credentials of its own](Self::with_credentials) it ends the calls of
    /// that handle and its clones in the same way, and refuses further ones; the pool and all
    /// other handles go on.
    pub async fn shutdown(&self, drain: Duration) {
        if let Some(tenant) = &self.tenant {
            tenant.close();
            if let Some(Some(core)) = self.inner.core.get() {
                core.drain(Arc::clone(tenant), drain).await;
            }
        } else if let Some(core) = self.inner.core.get_or_init(async || None).await {
            core.shutdown(drain).await;
        }
    }

    async fn core(&self) -> Result<&Arc<Core>, Error> {
        let core = self.inner.core().await?;
        if self.tenant.is_some() {
            core.need_tokens().await?;
        }
        Ok(core)
    }
}

impl Inner {
    async fn core(&self) -> Result<&Arc<Core>, Error> {
        // Boxed, as each call's future would have room for it otherwise.
        let start = || {
            Box::pin(async {
                let events = Arc::clone(&self.events);
                let core = supervisor::start(self.config.validate()?, events).await?;
                Ok::<_, Error>(Some(Arc::new(core)))
            })
        };
        self.core.get_or_try_init(start).await?.as_ref().ok_or_else(Error::shutting_down)
    }
}

impl AsRef<AwwPool> for AwwPool {
    fn as_ref(&self) -> &AwwPool {
        self
    }
}

impl fmt::Debug for AwwPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwwPool")
            .field("config", &self.inner.config)
            .field("started", &self.inner.core.get().is_some_and(Option::is_some))
            .finish()
    }
}

/// Every setting of a pool. Times are wall-clock durations and must be above zero
/// unless said otherwise; sizes are in bytes.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::AwwPool;
///
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .workers(4)
///     .rate_limit("2.5".parse().unwrap())
///     .attempt_timeout(Duration::from_secs(10))
///     .default_header("x-tenant", "blue")
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    pub(crate) config: PoolConfig,
}

/// Setters that put their value into the field of the same name.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl PoolBuilder {
            $($(#[$doc])*
            pub fn $name(mut self, $name: $type) -> Self {
                self.config.$name = $name;
                self
            })*
        }
    };
}

setters! {
    /// Workers, each with a thread and connections of its own: 3 by default, 1 to 1024.
    workers: usize;
    /// How many requests the pool has on the wire at a time, divided by the number of workers: 32
    /// by default. So with 3 workers at most 96 connections are in use, by whichever workers, and
    /// further calls queue. No more than that are kept for further use either; but as long as one
    /// worker uses more than its 32, idle connections of the others may stay open in addition.
    connections_per_worker: usize;
    /// How many calls may wait, for a connection, the rate limit, a token or a retry: 16,384 by
    /// default. They come on top of the calls that all connections can carry. One more call fails
    /// with [`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull). A handle with [credentials of
    /// its own](AwwPool::with_credentials) has a share of that: it may have at most as many calls
    /// under way as the pool could still accept from others.
    max_queued: usize;
    /// How long a call may take as a whole, queueing, waits and retries included,
    /// unless the request sets its own deadline: 120 s by default.
    call_timeout: Duration;
    /// How long one attempt may take, to the end of the body: 30 s by default. If no open
    /// connection is free, opening one (name, TCP, TLS) is part of it. Waits before the attempt are
    /// not.
    attempt_timeout: Duration;
    /// How long a connection may take to be established, TLS included: 5 s by default.
    connect_timeout: Duration;
    /// How long a response that has begun to arrive, with its head or its body, may stand still:
    /// 10 s by default. How long it may take to begin is bounded by
    /// [`attempt_timeout`](Self::attempt_timeout).
    read_idle_timeout: Duration;
    /// How long a connection beyond [`min_connections`](Self::min_connections) is kept without
    /// use: 15 s by default. With zero none is kept. The connection that was used last is used
    /// first, so that those which are not needed become idle. One that the server closes
    /// meanwhile is closed within a second.
    idle_timeout: Duration;
    /// How long a connection is used at all: 300 s by default. With zero each serves one
    /// request.
    max_lifetime: Duration;
    /// The largest body that is read, after decompression: 10 MiB by default.
    max_body_bytes: usize;
    /// The most that is read of the body of an error (4xx and 5xx), after decompression: 64 KiB
    /// by default. What is longer is cut there, and its connection is closed: a call keeps that
    /// body while it waits to be retried. No [`ResponseRule`](crate::retry::ResponseRule) sees more
    /// either, and one that accepts such a response does not make its rows a whole page.
    max_error_body_bytes: usize;
    /// At most about this many bytes of pages are in memory for all streams and tables of the pool
    /// together: 256 MiB by default. Each has a
    /// [`byte_budget`](crate::PaginatedStream::byte_budget) of its own besides. When this one is
    /// used up, no stream waits for another: each goes on with one page at a time, which is more
    /// than the budget if there are that many streams, and reads ahead again when there is room.
    /// A handle [with credentials of its own](AwwPool::with_credentials) reads ahead only while its
    /// own pages take no more bytes than are still free in this budget.
    page_byte_budget: usize;
    /// How often a call is attempted, the first time included: 3 by default. Attempts that do
    /// not count are those after which the API asked for a wait, which the call's timeout alone
    /// bounds, and those that did not reach it, see
    /// [`reconnect_timeout`](Self::reconnect_timeout). With 1 nothing is retried.
    max_attempts: u32;
    /// The wait before the first retry is random between zero and this, and the
    /// bound doubles for each further one: 100 ms by default. With zero there is no wait.
    backoff_base: Duration;
    /// The bound on the wait before a retry: 20 s by default. It may be zero.
    backoff_cap: Duration;
    /// The longest wait that an API may ask for: 300 s by default. A call for which it asks for a
    /// longer one fails with [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited). With zero,
    /// each wait above zero is too long.
    ///
    /// A wait is what `Retry-After` says (whole or decimal seconds, a date, a moment since 1970;
    /// of several the longest), or else the reset of a quota that is used up, of a 429, a 503 or
    /// another limit. After a 429, a 503 or another limit the whole API is held for so long, or
    /// one [handle](AwwPool::with_credentials) or token;
    /// after any other status that is retried, the call waits. When a hold is over one request
    /// goes first, and more as they are served, all within two seconds. A wait that is already over
    /// or shorter than 10 ms counts as none: the call backs off as it does without one.
    max_retry_after: Duration;
    /// How long the `acquire` callback or a [`TokenSource`](crate::tokens::TokenSource) may take:
    /// 30 s by default.
    acquire_timeout: Duration;
    /// Whether responses compressed by gzip are asked for: `true` by default. With the features
    /// `brotli` and `zstd` such responses are read as well; they are asked for by a
    /// [default header](Self::default_header) `Accept-Encoding`, which takes the place of this.
    gzip: bool;
    /// Whether the root certificates that the operating system trusts are trusted too, besides
    /// those of the web: `false` by default. They are read when the pool is built; where
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, from there. One that cannot be read is passed
    /// over, and it is an error if there is none.
    platform_roots: bool;
}

impl PoolBuilder {
    /// A header for every request that does not set it itself. `User-Agent` replaces
    /// the pool's own. [`Request::json`] sets `Content-Type` itself; writes of Vantage tables
    /// leave it to this one.
    pub fn default_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.default_headers.push((name.into(), value.into()));
        self
    }

    /// Trusts another root certificate, in PEM, besides those of the web
    /// ([Mozilla's](https://docs.rs/webpki-roots), built in).
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.config.root_certificates.push(pem.into());
        self
    }

    /// The key that signs [resume tokens](crate::paging::ResumeToken) and the cursors of Vistas, at
    /// least 32 random bytes. Only what the same key has signed is taken. By default it is a
    /// random one of this process: what is to be taken by another process, or after a restart,
    /// needs a key that is kept as a secret.
    pub fn signing_key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.config.signer = Signer::new(key.as_ref());
        self
    }

    /// A circuit breaker for the API: while it is open, calls fail at once with
    /// [`ErrorKind::CircuitOpen`](crate::ErrorKind::CircuitOpen). None by default.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.config.circuit_breaker = Some(breaker);
        self
    }

    /// Checks every setting. Nothing starts yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub fn build(self) -> Result<AwwPool, Error> {
        self.config.validate()?;
        Ok(AwwPool::with_config(self.config))
    }
}
