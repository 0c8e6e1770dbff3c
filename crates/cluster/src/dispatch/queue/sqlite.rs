//! The queue in an SQLite file. It has no word of a message that another process has pushed: slots look.

use std::{collections::HashSet, fmt, io, sync::Arc, time::Duration};

use apalis::prelude::*;
use apalis_sqlite::{Config, SqlitePool, SqliteStorage, queries::push_tasks};
use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    bell::Bell,
    message::{Handling, KEPT, Message, QUEUE, handle, task},
    slots::{self, LEAST_SILENCE, Slot, missed},
};
use crate::{
    Error,
    dispatch::{Dispatcher, Handler, Transaction},
};

/// How often a slot that has nothing to do looks into the queue.
const LOOK: Duration = Duration::from_millis(500);

/// A queue in the tables `Jobs` and `Workers`, which are made with those of the cluster.
#[derive(Clone)]
pub(crate) struct SqliteQueue {
    pool: SqlitePool,
    name: String,
    heartbeat: Duration,
    silence: Duration,
    bell: Bell,
}

impl SqliteQueue {
    /// The queue of a file. Workers of this process have names that begin with `name`.
    pub(crate) fn new(
        pool: SqlitePool,
        name: String,
        heartbeat: Duration,
        silence: Duration,
    ) -> Self {
        Self { pool, name, heartbeat, silence, bell: Bell::default() }
    }

    /// How long messages and workers are kept, in whole seconds, as the queue counts.
    fn kept(&self) -> i64 {
        whole(KEPT.max(self.silence * 2))
    }
}

/// As that of the queue in PostgreSQL.
fn config(heartbeat: Duration) -> Config {
    Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .heartbeat_interval(heartbeat)
        .missed_heartbeats(missed(heartbeat))
}

fn whole(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

impl Slot for SqliteQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn work(
        &self,
        name: &str,
        handling: Handling,
        stopped: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> Result<(), WorkerError> {
        let storage = SqliteStorage::<Message>::new(&self.pool)
            .with_config(config(self.heartbeat))
            .poll_with_strategy(Strategy::new().stream(self.bell.heard()).interval(LOOK));
        let worker =
            WorkerBuilder::new(name).backend(storage).data(handling).concurrency(1).build(handle);
        worker.run_until(stopped).await
    }

    async fn release(&self, worker: &str) -> Result<(), Error> {
        sqlx::query(
            "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
             WHERE job_type = ?1 AND lock_by = ?2 AND status IN ('Queued', 'Running')",
        )
        .bind(QUEUE)
        .bind(worker)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[async_trait]
impl Dispatcher for SqliteQueue {
    async fn push(&self, transaction: Transaction<'_>, units: &[i64]) -> Result<(), Error> {
        let Transaction::Sqlite(transaction) = transaction else { return Err(Error::Foreign) };
        let messages = units.iter().map(|unit| task(*unit)).collect::<Result<Vec<_>, Error>>()?;
        push_tasks(transaction, QUEUE, &messages).await.map_err(Error::queue)
    }

    fn committed(&self) {
        self.bell.ring();
    }

    async fn run(&self, handler: Arc<dyn Handler>, slots: usize, stop: watch::Receiver<bool>) {
        slots::run(self.clone(), handler, slots, stop).await;
    }

    async fn known(&self, transaction: Transaction<'_>) -> Result<HashSet<i64>, Error> {
        let Transaction::Sqlite(transaction) = transaction else { return Err(Error::Foreign) };
        // It knows when a worker was last seen in whole seconds.
        let silence = whole(self.silence.max(LEAST_SILENCE));
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT j.idempotency_key FROM Jobs j LEFT JOIN Workers w ON w.id = j.lock_by
             WHERE j.job_type = ?1 AND j.idempotency_key IS NOT NULL
                 AND (j.status = 'Pending' OR j.status IN ('Queued', 'Running')
                     AND w.last_seen > unixepoch() - ?2)",
        )
        .bind(QUEUE)
        .bind(silence)
        .fetch_all(transaction)
        .await?;
        let unit = |key: &String| key.split('.').next()?.parse().ok();
        Ok(keys.iter().filter_map(unit).collect())
    }

    async fn tidy(&self) -> Result<(), Error> {
        sqlx::query(
            "DELETE FROM Jobs WHERE job_type = ?1
                 AND (status IN ('Done', 'Failed', 'Killed') AND done_at < unixepoch() - ?2
                     OR status IN ('Queued', 'Running') AND NOT EXISTS (
                         SELECT 1 FROM Workers w WHERE w.id = lock_by
                             AND w.last_seen > unixepoch() - ?2))",
        )
        .bind(QUEUE)
        .bind(self.kept())
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "DELETE FROM Workers WHERE worker_type = ?1 AND last_seen < unixepoch() - ?2
                 AND NOT EXISTS (SELECT 1 FROM Jobs j WHERE j.lock_by = Workers.id)",
        )
        .bind(QUEUE)
        .bind(self.kept())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueue").field("name", &self.name).finish_non_exhaustive()
    }
}
