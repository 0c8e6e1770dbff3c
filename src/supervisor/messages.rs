//! The messages that an actix application sends to [`Supervisor`](crate::Supervisor).

use std::{fmt, time::Duration};

use actix::{Message, Recipient};
use rust_decimal::Decimal;

use crate::{
    base_url::RequestTarget,
    dispatch::PoolLink,
    error::Error,
    events::Event,
    pager::{Envelope, PaginatedStream, Paging},
    priority::Priority,
    request::Request,
    response::Response,
    stats::Stats,
};

/// Makes one call. It takes the same way as [`AwwPool::request`](crate::AwwPool::request). A
/// Vantage scope does not cross a mailbox: its priority is that of where the request was made.
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::{Request, messages::Fetch};
///
/// let supervisor = pool.supervisor().await?;
/// let response = supervisor.send(Fetch(Request::get("/countries?page=1"))).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Response, Error>")]
pub struct Fetch(pub Request);

/// Makes one call by a handle, with the credentials of that handle: what [`Fetch`] is for the
/// pool's own.
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool, tenant: vantage_api_pool::AwwPool)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::{Request, messages::FetchBy};
///
/// let supervisor = pool.supervisor().await?;
/// let orders = FetchBy::new(&tenant, Request::get("/orders"));
/// let response = supervisor.send(orders).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Response, Error>")]
pub struct FetchBy {
    pub(super) handle: PoolLink,
    pub(super) request: Request,
}

impl FetchBy {
    /// A call by `handle`.
    pub fn new(handle: impl Into<PoolLink>, request: Request) -> Self {
        Self { handle: handle.into(), request }
    }
}

/// Opens a paged stream of JSON values. It takes the same settings as
/// [`PaginatedStream`], with the same defaults.
#[derive(Debug, Clone, Message)]
#[rtype(result = "PaginatedStream")]
pub struct OpenStream {
    pub(super) handle: Option<PoolLink>,
    pub(super) endpoint: RequestTarget,
    pub(super) prefetch: Option<usize>,
    pub(super) paging: Option<Paging>,
    pub(super) envelope: Option<Envelope>,
    pub(super) priority: Option<Priority>,
}

impl OpenStream {
    /// A stream over `endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            handle: None,
            endpoint: RequestTarget(endpoint.into()),
            prefetch: None,
            paging: None,
            envelope: None,
            priority: Priority::of_scope(),
        }
    }

    /// Asks for the pages by a handle, with the credentials of that handle. The default are
    /// those of the pool.
    #[must_use]
    pub fn by(mut self, handle: impl Into<PoolLink>) -> Self {
        self.handle = Some(handle.into());
        self
    }

    /// See [`PaginatedStream::prefetch`].
    #[must_use]
    pub fn prefetch(mut self, pages: usize) -> Self {
        self.prefetch = Some(pages);
        self
    }

    /// See [`PaginatedStream::paging`].
    #[must_use]
    pub fn paging(mut self, paging: Paging) -> Self {
        self.paging = Some(paging);
        self
    }

    /// See [`PaginatedStream::envelope`].
    #[must_use]
    pub fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// See [`PaginatedStream::priority`]. The default is that of the Vantage scope in which
    /// the message is made.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }
}

/// Asks for the pool's statistics.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Stats, Error>")]
pub struct GetStats;

/// Changes the number of workers. It does what
/// [`AwwPool::resize`](crate::AwwPool::resize) does.
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::messages::Resize;
///
/// pool.supervisor().await?.send(Resize(8)).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Resize(pub usize);

/// Sets the rate limit, in requests per second, or takes it away. It does what
/// [`AwwPool::set_rate`](crate::AwwPool::set_rate) does.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct SetRate(pub Option<Decimal>);

/// Has the pool's own token of a slot, counted from 0, renewed before it is used again, as
/// [`AwwPool::invalidate_token`](crate::AwwPool::invalidate_token) does.
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::messages::InvalidateToken;
///
/// pool.supervisor().await?.send(InvalidateToken(0)).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct InvalidateToken(pub usize);

/// Has every [`Event`] from here on sent to an actor, until that actor stops or the pool
/// ends. The pool keeps the recipient till then, and it never waits for it: an actor that
/// falls behind by more than 4,096 events gets an [`Event::Missed`] in their place.
///
/// ```no_run
/// use actix::prelude::*;
/// use vantage_api_pool::{AwwPool, events::Event, messages::Subscribe};
///
/// struct Watcher;
///
/// impl Actor for Watcher {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Event> for Watcher {
///     type Result = ();
///
///     fn handle(&mut self, event: Event, _: &mut Self::Context) {
///         println!("{event:?}");
///     }
/// }
///
/// # async fn demo(pool: AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// let watcher = Watcher.start().recipient();
/// pool.supervisor().await?.send(Subscribe(watcher)).await?;
/// # Ok(()) }
/// ```
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<Event>);

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscribe").finish_non_exhaustive()
    }
}

impl Message for Event {
    type Result = ();
}

/// Waits until as many connections are open as the pool is to keep open, see
/// [`AwwPool::warm_up`](crate::AwwPool::warm_up).
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct WarmUp;

/// Shuts the pool down: refuses new calls, lets accepted ones finish for at most
/// `drain`, answers the rest with [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown),
/// then stops and joins every worker.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    /// How long accepted calls may still take.
    pub drain: Duration,
}
