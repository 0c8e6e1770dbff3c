//! A handle as streams see it: the way to its pool, with its credentials.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::AwwPool;
use crate::{
    dispatch::{Connect, Control, Dispatcher, Lifeline, PoolLink, StartPager, Tenant},
    error::Error,
    signer::Signer,
    supervisor::Core,
};

/// A handle of a pool that has started.
struct Connected {
    core: Arc<Core>,
    tenant: Option<Arc<Tenant>>,
}

impl Control for Connected {
    fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.core.started.dispatcher
    }

    fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    fn start_pager(
        &self,
        start: StartPager,
        own: bool,
    ) -> BoxFuture<'static, Result<Lifeline, Error>> {
        self.core.started.start_pager(start, own)
    }
}

impl Connect for AwwPool {
    fn signer(&self) -> Signer {
        self.signer()
    }

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<dyn Control>, Error>> {
        Box::pin(async move {
            let core = Arc::clone(self.core().await?);
            let control: Arc<dyn Control> =
                Arc::new(Connected { core, tenant: self.tenant.clone() });
            Ok(control)
        })
    }
}

impl From<AwwPool> for PoolLink {
    fn from(pool: AwwPool) -> Self {
        Self(Arc::new(pool))
    }
}

impl From<&AwwPool> for PoolLink {
    fn from(pool: &AwwPool) -> Self {
        Self::from(pool.clone())
    }
}

impl From<Arc<AwwPool>> for PoolLink {
    fn from(pool: Arc<AwwPool>) -> Self {
        Self(pool)
    }
}

impl From<&Arc<AwwPool>> for PoolLink {
    fn from(pool: &Arc<AwwPool>) -> Self {
        Self::from(Arc::clone(pool))
    }
}
