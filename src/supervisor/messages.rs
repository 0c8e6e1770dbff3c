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

/// Makes one call, like [`AwwPool::request`](crate::AwwPool::request). A Vantage scope does not
/// cross a mailbox: the request has the priority of the scope in which it was made.
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::{Request, messages::Fetch};
///
/// let supervisor = pool.supervisor().await?;
/// let response = supervisor.send(Fetch::new(Request::get("/countries?page=1"))).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Response, Error>")]
pub struct Fetch {
    pub(super) handle: Option<PoolLink>,
    pub(super) request: Request,
}

impl Fetch {
    /// A call with the pool's own credentials.
    pub fn new(request: Request) -> Self {
        Self { handle: None, request }
    }

    /// Makes the call with the credentials of a handle.
    ///
    /// ```no_run
    /// # async fn demo(pool: vantage_api_pool::AwwPool, tenant: vantage_api_pool::AwwPool)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// use vantage_api_pool::{Request, messages::Fetch};
    ///
    /// let orders = Fetch::new(Request::get("/orders")).by(&tenant);
    /// let response = pool.supervisor().await?.send(orders).await??;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn by(mut self, handle: impl Into<PoolLink>) -> Self {
        self.handle = Some(handle.into());
        self
    }
}

/// Opens a paged stream of JSON values. It has four settings of [`PaginatedStream`], with the same
/// defaults; all others are made on the stream that is returned, before it is polled.
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
    /// A stream of the items of `endpoint`.
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

    /// Requests the pages with the credentials of a handle. The default is the pool's own.
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

/// Returns the pool's statistics.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Stats, Error>")]
pub struct GetStats;

/// Changes the number of workers, like [`AwwPool::resize`](crate::AwwPool::resize).
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::messages::Resize;
///
/// pool.supervisor().await?.send(Resize::new(8)).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Resize(pub(super) usize);

impl Resize {
    /// Resizes the pool to so many workers.
    pub fn new(workers: usize) -> Self {
        Self(workers)
    }
}

/// Sets the rate limit, in requests per second, or removes it, like
/// [`AwwPool::set_rate`](crate::AwwPool::set_rate).
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct SetRate(pub(super) Option<Decimal>);

impl SetRate {
    /// Sets this limit; `None` removes the one that is set.
    pub fn new(requests_per_second: Option<Decimal>) -> Self {
        Self(requests_per_second)
    }
}

/// Invalidates the pool's own token of a slot, counted from 0, so that it is refreshed before its
/// next use, like [`AwwPool::invalidate_token`](crate::AwwPool::invalidate_token).
///
/// ```no_run
/// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// use vantage_api_pool::messages::InvalidateToken;
///
/// pool.supervisor().await?.send(InvalidateToken::new(0)).await??;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct InvalidateToken(pub(super) usize);

impl InvalidateToken {
    /// Invalidates the token of `slot`.
    pub fn new(slot: usize) -> Self {
        Self(slot)
    }
}

/// Sends every [`Event`] from now on to an actor, until that actor stops or the pool ends. The
/// pool keeps the recipient until then, and never waits for it: an actor that falls behind by more
/// than 4,096 events gets an [`Event::Missed`] instead of them.
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
/// pool.supervisor().await?.send(Subscribe::new(watcher)).await?;
/// # Ok(()) }
/// ```
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub(super) Recipient<Event>);

impl Subscribe {
    /// Sends the events to `observer`.
    pub fn new(observer: Recipient<Event>) -> Self {
        Self(observer)
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscribe").finish_non_exhaustive()
    }
}

impl Message for Event {
    type Result = ();
}

/// Waits until the minimum number of connections is open, see
/// [`AwwPool::warm_up`](crate::AwwPool::warm_up).
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct WarmUp;

/// Shuts the pool down: refuses new calls, lets accepted calls finish for at most `drain`,
/// fails the rest with [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown), then stops
/// and joins every worker.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    pub(super) drain: Duration,
}

impl Shutdown {
    /// Shuts down after at most `drain`, which accepted calls may still take.
    pub fn new(drain: Duration) -> Self {
        Self { drain }
    }
}
