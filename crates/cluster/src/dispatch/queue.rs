//! Units in a queue in PostgreSQL, for the workers of all machines.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PgTask, PostgresStorage, queries::push_tasks};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use super::{Dispatcher, Handler, bell::Bell};
use crate::{
    Error,
    store::{LIMIT, seconds, within},
};

/// The name of the queue.
const QUEUE: &str = "apipool";

/// How often a slot that has nothing to do looks into the queue, besides when it is told of a message.
const LOOK: Duration = Duration::from_secs(1);

/// The first wait before a slot begins again after an error of the database, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The least time after which the queue takes messages away from a worker that is silent. It counts
/// whole seconds, and takes what was handed out just now with fewer.
const LEAST_SILENCE: Duration = Duration::from_secs(3);

/// The longest wait before a slot begins again after an error of the database.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long messages are kept that were handled.
const KEPT: Duration = Duration::from_secs(3600);

/// A message of the queue: which unit to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Message {
    unit: i64,
}

/// A queue in PostgreSQL, which [apalis](https://crates.io/crates/apalis) keeps in the schema `apalis`.
#[derive(Clone)]
pub(crate) struct Queue {
    pool: PgPool,
    name: String,
    heartbeat: Duration,
    silence: Duration,
    bell: Bell,
}

/// The settings of the queue, each of which prevents something that was seen: a worker that has fetched
/// more than it does at a time says nothing while those wait, so that they run twice (batches of one).
fn config(heartbeat: Duration) -> Config {
    let silence = (heartbeat * 3).max(LEAST_SILENCE);
    let missed = silence.as_millis().div_ceil(heartbeat.as_millis().max(1));
    Config::default()
        .queue(QUEUE)
        .batch_size(1)
        .heartbeat_interval(heartbeat)
        .missed_heartbeats(usize::try_from(missed).unwrap_or(usize::MAX))
}

impl Queue {
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
        PostgresStorage::<()>::setup(&pool).await?;
        Ok(Self { pool, name, heartbeat, silence, bell: Bell::default() })
    }

    /// Handles one message after another, until `stop` is true. Any error of the database ends a worker
    /// of the queue, with what it was doing; another one begins, under another name: one that comes back
    /// under the same name finds messages that nobody handles any more. One worker does one message at a
    /// time, since results are accepted by the name of the worker alone.
    async fn slot(self, handler: Handling, stop: watch::Receiver<bool>) {
        let mut wait = FIRST_WAIT;
        while !*stop.borrow() {
            let storage = PostgresStorage::<Message>::new(&self.pool)
                .with_config(config(self.heartbeat))
                .poll_with_strategy(Strategy::new().stream(self.bell.heard()).interval(LOOK));
            let name = format!("{} {}", self.name, Uuid::new_v4().simple());
            let worker = WorkerBuilder::new(name.as_str())
                .backend(storage)
                .data(handler.clone())
                .concurrency(1)
                .build(handle);
            let mut stopping = stop.clone();
            let signal = async move {
                // Without a sender nobody will stop it: then it ends as well.
                let _ = stopping.wait_for(|stop| *stop).await;
                Ok::<(), std::io::Error>(())
            };
            let begun = tokio::time::Instant::now();
            if let Err(error) = worker.run_until(signal).await {
                tracing::warn!(%error, "a worker of the queue has ended");
            }
            if let Err(error) = within(LIMIT, self.release(&name)).await {
                tracing::warn!(%error, "messages wait until their worker is missed");
            }
            if begun.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            let mut stop = stop.clone();
            let _ = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Gives back the messages that a worker had fetched when it ended.
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

/// What handles messages.
#[derive(Clone)]
struct Handling(Arc<dyn Handler>);

async fn handle(message: Message, handling: Data<Handling>) -> Result<(), BoxDynError> {
    handling.0.0.handle(message.unit).await;
    Ok(())
}

#[async_trait]
impl Dispatcher for Queue {
    async fn push(&self, transaction: &mut PgConnection, units: &[i64]) -> Result<(), Error> {
        if units.is_empty() {
            return Ok(());
        }
        let message = |unit: &i64| -> Result<PgTask, Error> {
            let args = serde_json::to_vec(&Message { unit: *unit })?;
            // The unit is found again by its key; a message may come twice.
            let key = format!("{unit}.{}", Uuid::new_v4().simple());
            Ok(TaskBuilder::new(args).idempotency_key(key).build())
        };
        let messages = units.iter().map(message).collect::<Result<Vec<_>, Error>>()?;
        push_tasks(transaction, QUEUE, messages).await?;
        Ok(())
    }

    async fn run(&self, handler: Arc<dyn Handler>, slots: usize, stop: watch::Receiver<bool>) {
        let mut all = JoinSet::new();
        for _ in 0..slots {
            all.spawn(self.clone().slot(Handling(Arc::clone(&handler)), stop.clone()));
        }
        let slots = async {
            while let Some(ended) = all.join_next().await {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a slot has ended before its time");
                }
            }
        };
        tokio::select! {
            () = slots => {}
            () = self.bell.listen(&self.pool) => {}
        }
    }

    async fn known(&self, transaction: &mut PgConnection) -> Result<HashSet<i64>, Error> {
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

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_taken_away_from_a_worker_before_it_could_say_that_it_is_alive() {
        for millis in [200, 400, 1_000, 10_000] {
            let heartbeat = Duration::from_millis(millis);
            let config = config(heartbeat);
            let silence =
                config.heartbeat_interval * u32::try_from(config.missed_heartbeats).unwrap();
            assert!(silence >= heartbeat * 3 && silence >= LEAST_SILENCE, "{silence:?}");
            assert_eq!(config.batch_size, 1);
        }
    }
}
