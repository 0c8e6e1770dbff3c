//! A handle as streams see it: the way to its pool, with its credentials.

use std::sync::Arc;

use super::AwwPool;
use crate::dispatch::{Caller, Connected, PoolLink};

impl<P: AsRef<AwwPool>> From<P> for PoolLink {
    fn from(pool: P) -> Self {
        let pool = pool.as_ref().clone();
        Self::new(pool.signer(), move || {
            let pool = pool.clone();
            Box::pin(async move {
                let core = Arc::clone(pool.core().await?);
                let caller = Caller::new(Arc::clone(&core.dispatcher), pool.tenant.clone());
                Ok(Arc::new(Connected::new(caller, Some(core))))
            })
        })
    }
}
