//! A handle as streams see it: the way to its pool, with its credentials.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::AwwPool;
use crate::{
    dispatch::{Caller, Connect, Connected, PoolLink},
    error::Error,
    signer::Signer,
};

impl Connect for AwwPool {
    fn signer(&self) -> Signer {
        self.signer()
    }

    fn connect(self: Arc<Self>) -> BoxFuture<'static, Result<Arc<Connected>, Error>> {
        Box::pin(async move {
            let core = Arc::clone(self.core().await?);
            let dispatcher = Arc::clone(&core.dispatcher);
            let caller = Caller::new(dispatcher, self.tenant.clone());
            Ok(Arc::new(Connected::new(caller, Some(core))))
        })
    }
}

impl<P: AsRef<AwwPool>> From<P> for PoolLink {
    fn from(pool: P) -> Self {
        Self(Arc::new(pool.as_ref().clone()))
    }
}
