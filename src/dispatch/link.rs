//! What a stream needs of a pool: a way to its calls, and a thread for its pager,
//! once the pool has started. Knows neither the pool's handle nor its supervisor.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{Dispatcher, Tenant};
use crate::{error::Error, signer::Signer};

/// Starts a pager on the thread that it is called on, and gives it what it keeps till its end.
pub(crate) type StartPager = Box<dyn FnOnce(Keeper) + Send>;

/// What a pager keeps till its end, so that its thread ends with it.
pub(crate) type Keeper = Option<Box<dyn Send>>;

/// Closed when the thread that a pager was started on is given up. The pager may be
/// gone then, or stuck.
pub(crate) type Lifeline = watch::Receiver<()>;

/// A handle of a pool that has started. Holding it keeps the pool alive.
pub(crate) trait Control: Send + Sync {
    fn dispatcher(&self) -> &Arc<Dispatcher>;

    /// The handle, if it has credentials of its own.
    fn tenant(&self) -> Option<&Arc<Tenant>>;

    /// Runs `start` on a thread of its `own`, which ends with the pager, or else on the thread
    /// of a living worker, or on the control thread if there is none.
    fn start_pager(
        &self,
        start: StartPager,
        own: bool,
    ) -> BoxFuture<'static, Result<Lifeline, Error>>;
}

/// A handle of a pool that starts on first use.
pub(crate) trait Connect: Send + Sync {
    /// What signs the resume tokens of its streams.
    fn signer(&self) -> Signer;

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<dyn Control>, Error>>;
}

/// A way to a pool, made from an [`AwwPool`](crate::AwwPool) or from an `Arc` or
/// a reference of one. It keeps the pool alive.
#[derive(Clone)]
pub struct PoolLink(pub(crate) Arc<dyn Connect>);

impl PoolLink {
    /// Runs long work on a thread that nobody waits on.
    pub(crate) async fn aside<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let control = self.0.connect().await?;
        control.dispatcher().aside().work(work).await
    }
}

impl fmt::Debug for PoolLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolLink").finish_non_exhaustive()
    }
}
