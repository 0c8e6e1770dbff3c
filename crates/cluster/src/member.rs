//! A process that has joined a cluster: its pool takes from the budget of all.

use std::{fmt, sync::Arc};

use tokio::task::JoinHandle;
use vantage_api_ingest::description::Description;
use vantage_api_pool::{AwwPool, PoolConfig};

use crate::{
    Error, Settings, Worker,
    budget::Budget,
    engine::Engine,
    store::{PATIENCE, within},
    worker::name,
};

/// A process that has joined a cluster. Its pool sends as fast as the budget allows that it shares with
/// the pools of all other processes for the same origin: by the `rate_limit` of the API, and by what
/// refusals and the quotas in headers tell any of them. If their descriptions say other limits, that of
/// the process holds which joined last. While the database cannot be reached, it does not send.
pub struct Member {
    settings: Settings,
    engine: Engine,
    pool: AwwPool,
    budget: Arc<Budget>,
    asking: JoinHandle<()>,
}

impl Member {
    /// Joins, with a pool for this API.
    ///
    /// # Errors
    /// If a setting is not valid, or the database of the cluster cannot be reached.
    pub async fn join(settings: Settings, api: PoolConfig) -> Result<Self, Error> {
        let engine = Engine::connect(&settings).await?;
        let budget = Budget::new();
        let built = api.builder().and_then(|builder| {
            let shared: Arc<Budget> = Arc::clone(&budget);
            builder.shared_budget(shared).build()
        });
        let pool = built.map_err(vantage_api_ingest::Error::from)?;
        let asking = budget.start(engine.store());
        Ok(Self { settings, engine, pool, budget, asking })
    }

    /// Its pool.
    #[must_use]
    pub fn pool(&self) -> &AwwPool {
        &self.pool
    }

    /// Starts to work on the jobs of a description, whose requests go through [its pool](Self::pool).
    ///
    /// # Errors
    /// If the database of the cluster cannot be reached.
    pub async fn work(self, description: Description) -> Result<Worker, Error> {
        let me = name();
        let Self { settings, engine, pool, .. } = &self;
        let queue = engine.queue(me.clone(), settings).await?;
        let (settings, pool, store) = (settings.clone(), pool.clone(), engine.store());
        let worker = Worker::with(settings, description, pool, me, store, queue).await?;
        Ok(worker.of(self))
    }

    /// Gives back what was granted and not used.
    pub(crate) async fn leave(self) {
        if let Err(error) = within(PATIENCE, self.budget.give_back(&*self.engine.store())).await {
            tracing::warn!(%error, "a part of the shared budget is lost");
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("settings", &self.settings).finish_non_exhaustive()
    }
}
