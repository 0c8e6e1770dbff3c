//! What a stream needs from a pool: a way to make calls, and a thread for its pager, once the pool
//! has started. Knows neither the pool's handle nor its supervisor.

use std::{any::Any, fmt, sync::Arc};

use futures::future::BoxFuture;

use super::{Caller, Dispatcher};
use crate::{coop::LONG_WORK, error::Error, signer::Signer};

/// A handle of a pool that has started.
pub(crate) struct Connected {
    pub(crate) caller: Caller,
    /// Keeps the pool alive, if this is one of its handles.
    _pool: Option<Arc<dyn Any + Send + Sync>>,
}

impl Connected {
    pub(crate) fn new(caller: Caller, pool: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        Self { caller, _pool: pool }
    }
}

/// A link to a pool, made from an [`AwwPool`](crate::AwwPool) or from an `Arc` or a
/// reference of one. It keeps the pool alive, and starts it on first use.
#[derive(Clone)]
pub struct PoolLink {
    /// Signs the resume tokens of streams.
    pub(crate) signer: Signer,
    connect: Arc<dyn Fn() -> Connecting + Send + Sync>,
}

type Connecting = BoxFuture<'static, Result<Arc<Connected>, Error>>;

impl PoolLink {
    pub(crate) fn new(
        signer: Signer,
        connect: impl Fn() -> Connecting + Send + Sync + 'static,
    ) -> Self {
        Self { signer, connect: Arc::new(connect) }
    }

    /// A link that makes calls with the pool's own tokens, and does not keep the pool alive.
    pub(crate) fn of_pool(dispatcher: Arc<Dispatcher>) -> Self {
        Self::new(dispatcher.config.settings.signer(), move || {
            let caller = Caller::new(Arc::clone(&dispatcher), None);
            Box::pin(async { Ok(Arc::new(Connected::new(caller, None))) })
        })
    }

    /// The pool, which has started.
    pub(crate) async fn connect(&self) -> Result<Arc<Connected>, Error> {
        (self.connect)().await
    }

    /// Runs work of so many units, as `coop` counts them: on a thread for long work if it would take
    /// too long here.
    pub(crate) async fn run<R: Send + 'static>(
        self,
        units: usize,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        if units < LONG_WORK {
            return Ok(work());
        }
        let connected = self.connect().await?;
        connected.caller.dispatcher.blocking().work(work).await
    }
}

impl fmt::Debug for PoolLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolLink").finish_non_exhaustive()
    }
}
