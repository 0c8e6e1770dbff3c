//! What a stream needs of a pool: a way to its calls and to its control thread,
//! once the pool has started. Knows neither the pool's handle nor its supervisor.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

use super::Dispatcher;
use crate::error::Error;

/// Starts a pager in the context of the control thread.
pub(crate) type StartPager = Box<dyn FnOnce() + Send>;

/// A pool that has started. Holding it keeps the pool alive.
pub(crate) trait Control: Send + Sync {
    fn dispatcher(&self) -> &Arc<Dispatcher>;

    /// Runs `start` on the control thread.
    fn start_pager(&self, start: StartPager) -> BoxFuture<'static, Result<(), Error>>;
}

/// A pool that starts on first use.
pub(crate) trait Connect: Send + Sync {
    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<dyn Control>, Error>>;
}

/// A way to a pool, made from an [`AwwPool`](crate::AwwPool) or from an `Arc` or
/// a reference of one. It keeps the pool alive.
#[derive(Clone)]
pub struct PoolLink(pub(crate) Arc<dyn Connect>);

impl fmt::Debug for PoolLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolLink").finish_non_exhaustive()
    }
}
