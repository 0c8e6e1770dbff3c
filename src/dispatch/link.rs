//! What a stream needs of a pool: a way to its calls, and a thread for its pager,
//! once the pool has started. Knows neither the pool's handle nor its supervisor.

use std::{any::Any, fmt, sync::Arc};

use futures::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::Caller;
use crate::{error::Error, signer::Signer};

/// Starts a pager on the thread that it is called on, and gives it what it keeps till its end.
pub(crate) type StartPager = Box<dyn FnOnce(PagerGuard) + Send>;

/// What a pager keeps till its end, so that its thread ends with it.
pub(crate) type PagerGuard = Option<Box<dyn Send>>;

/// Whoever asked for a pager, until it has started.
pub(crate) type StartedPager = oneshot::Sender<Result<CancellationToken, Error>>;

/// Cancelled, which closes it, when the thread that a pager was started on is given up. The pager
/// may be gone then, or stuck.
pub(crate) type CancellationToken = watch::Receiver<()>;

/// A handle of a pool that has started.
pub(crate) struct Connected {
    pub(crate) caller: Caller,
    /// The pool, which lives as long as this, if it is one of its handles.
    _pool: Option<Arc<dyn Any + Send + Sync>>,
}

impl Connected {
    pub(crate) fn new(caller: Caller, pool: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        Self { caller, _pool: pool }
    }
}

/// A handle of a pool that starts on first use.
pub(crate) trait Connect: Send + Sync {
    /// What signs the resume tokens of its streams.
    fn signer(&self) -> Signer;

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<Connected>, Error>>;
}

/// A way to a pool, made from an [`AwwPool`](crate::AwwPool) or from an `Arc` or
/// a reference of one. It keeps the pool alive.
#[derive(Clone)]
pub struct PoolLink(pub(crate) Arc<dyn Connect>);

impl PoolLink {
    /// Runs long work on a thread that nobody waits on.
    pub(crate) async fn blocking<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let connected = self.0.connect().await?;
        connected.caller.dispatcher.blocking().work(work).await
    }
}

impl fmt::Debug for PoolLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolLink").finish_non_exhaustive()
    }
}
