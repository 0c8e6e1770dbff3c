//! One pool for all tables with the same settings of their API, so that its limits hold for all.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use vantage_api_ingest::description::Description;
use vantage_api_pool::{AwwPool, PoolConfig};

use crate::error::SqlError;

/// The pools of a session, by the settings of their APIs.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<String, AwwPool>>);

impl Pools {
    /// The pool of an API of these settings, which `key` tells from others.
    ///
    /// # Errors
    /// If no pool can be made of them.
    pub(crate) fn get(
        &self,
        name: &str,
        key: String,
        description: &Description,
    ) -> Result<AwwPool, SqlError> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let pool = built(&description.api);
        let pool = pool.map_err(|source| SqlError::Pool { api: name.to_owned(), source })?;
        pools.insert(key, pool.clone());
        Ok(pool)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<AwwPool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn built(api: &PoolConfig) -> Result<AwwPool, vantage_api_pool::Error> {
    api.clone().builder()?.build()
}

/// Without the keys, which have the settings in them.
impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").finish_non_exhaustive()
    }
}
