//! The queue in PostgreSQL.

use std::{collections::HashSet, fmt, io, sync::Arc, time::Duration};

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage, queries::push_tasks};
use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    bell::Bell,
    message::{Handling, KEPT, Message, QUEUE, handle, task},
    slots::{self, Slot, missed},
};
use crate::{
    Error,
    dispatch::{Dispatcher, Handler, Transaction},
    store::postgres::seconds,
};

/// How often a slot that has nothing to do looks into the queue, besides when it is told of a message.
const LOOK: Duration = Duration::from_secs(1);

/// A queue in the schema `apalis`.
#[derive(Clone)]
pub(crate) struct PostgresQueue {
    pool: PgPool,
    name: String,
    heartbeat: Duration,
    silence: Duration,
    bell: Bell,
}

impl PostgresQueue {
    /// Connects to the queue, and makes it if it is not there. Workers of this process have names that
    /// begin with `name`.
    ///
    /// # Errors
    /// That of the database.
    pub(crate) async fn open(
        pool: PgPool,
        name: String,
        heartbeat: Duration,
        silence: Duration,
    ) -> Result<Self, Error> {
        PostgresStorage::<()>::setup(&pool).await.map_err(Error::queue)?;
        Ok(Self { pool, name, heartbeat, silence, bell: Bell::default() })
    }
}

/// The settings of the queue, each of which prevents something that was seen: a worker that has fetched
/// more than it does at a time says nothing while those wait, so that they run twice (batches of one).
fn config(heartbeat: Duration) -> Config {
    Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .heartbeat_interval(heartbeat)
        .missed_heartbeats(missed(heartbeat))
}

impl Slot for PostgresQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn work(
        &self,
        name: &str,
        handling: Handling,
        stopped: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> Result<(), WorkerError> {
        let storage = PostgresStorage::<Message>::new(&self.pool)
            .with_config(config(self.heartbeat))
            .poll_with_strategy(Strategy::new().stream(self.bell.heard()).interval(LOOK));
        let worker =
            WorkerBuilder::new(name).backend(storage).data(handling).concurrency(1).build(handle);
        worker.run_until(stopped).await
    }

    async fn release(&self, worker: &str) -> Result<(), Error> {
        sqlx::query(
            "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
             WHERE job_type = $1 AND lock_by = $2 AND status IN ('Queued', 'Running')",
        )
        .bind(QUEUE)
        .bind(worker)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[async_trait]
impl Dispatcher for PostgresQueue {
    async fn push(&self, transaction: Transaction<'_>, units: &[i64]) -> Result<(), Error> {
        let Transaction::Postgres(transaction) = transaction else { return Err(Error::Foreign) };
        if units.is_empty() {
            return Ok(());
        }
        let messages = units.iter().map(|unit| task(*unit)).collect::<Result<Vec<_>, Error>>()?;
        push_tasks(transaction, QUEUE, messages).await.map_err(Error::queue)
    }

    async fn run(&self, handler: Arc<dyn Handler>, slots: usize, stop: watch::Receiver<bool>) {
        tokio::select! {
            () = slots::run(self.clone(), handler, slots, stop) => {}
            () = self.bell.listen(&self.pool) => {}
        }
    }

    async fn known(&self, transaction: Transaction<'_>) -> Result<HashSet<i64>, Error> {
        let Transaction::Postgres(transaction) = transaction else { return Err(Error::Foreign) };
        let units: Vec<i64> = sqlx::query_scalar(
            "SELECT split_part(j.idempotency_key, '.', 1)::bigint FROM apalis.jobs j
                 LEFT JOIN apalis.workers w ON w.id = j.lock_by
             WHERE j.job_type = $1 AND j.idempotency_key IS NOT NULL
                 AND (j.status = 'Pending' OR j.status IN ('Queued', 'Running')
                     AND w.last_seen > now() - make_interval(secs => $2))",
        )
        .bind(QUEUE)
        .bind(seconds(self.silence))
        .fetch_all(transaction)
        .await?;
        Ok(units.into_iter().collect())
    }

    async fn tidy(&self) -> Result<(), Error> {
        sqlx::query(
            "DELETE FROM apalis.jobs WHERE job_type = $1
                 AND (status IN ('Done', 'Failed', 'Killed')
                         AND done_at < now() - make_interval(secs => $2)
                     OR status IN ('Queued', 'Running') AND NOT EXISTS (
                         SELECT 1 FROM apalis.workers w WHERE w.id = lock_by
                             AND w.last_seen > now() - make_interval(secs => $2)))",
        )
        .bind(QUEUE)
        .bind(seconds(KEPT.max(self.silence * 2)))
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "DELETE FROM apalis.workers w WHERE w.worker_type = $1
                 AND w.last_seen < now() - make_interval(secs => $2)
                 AND NOT EXISTS (SELECT 1 FROM apalis.jobs j WHERE j.lock_by = w.id)",
        )
        .bind(QUEUE)
        .bind(seconds(KEPT.max(self.silence * 2)))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("name", &self.name).finish_non_exhaustive()
    }
}
