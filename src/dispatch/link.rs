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

/// A handle of a pool that starts on first use.
pub(crate) trait Connect: Send + Sync {
    /// Signs the resume tokens of its streams.
    fn signer(&self) -> Signer;

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<Connected>, Error>>;
}

/// Makes calls with the pool's own tokens, and does not keep the pool alive.
impl Connect for Dispatcher {
    fn signer(&self) -> Signer {
        self.config.settings.signer()
    }

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<Connected>, Error>> {
        let caller = Caller::new(self, None);
        Box::pin(async { Ok(Arc::new(Connected::new(caller, None))) })
    }
}

/// A link to a pool, made from an [`AwwPool`](crate::AwwPool) or from an `Arc` or a
/// reference of one. It keeps the pool alive.
#[derive(Clone)]
pub struct PoolLink(pub(crate) Arc<dyn Connect>);

impl PoolLink {
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
        let connected = self.0.connect().await?;
        connected.caller.dispatcher.blocking().work(work).await
    }
}

impl fmt::Debug for PoolLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolLink").finish_non_exhaustive()
    }
}
