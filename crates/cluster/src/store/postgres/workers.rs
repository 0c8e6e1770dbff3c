//! Workers, and what is handed out again.

use std::time::Duration;

use async_trait::async_trait;

use super::{PostgresStore, seconds};
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    store::{Workers, workers::KEPT},
};

/// The number of the lock under which what was lost is handed out again, by one process at a time.
const LOCK: i64 = 0x0061_7069_706f_6f6e;

#[async_trait]
impl Workers for PostgresStore {
    async fn beat(&self, me: &str, silence: Duration, slots: usize) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO _apipool_worker (id, silence, slots) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET seen = now()",
        )
        .bind(me)
        .bind(seconds(silence))
        .bind(i32::try_from(slots).unwrap_or(i32::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn leave(&self, me: &str) -> Result<(), Error> {
        sqlx::query("DELETE FROM _apipool_worker WHERE id = $1")
            .bind(me)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn reconcile(
        &self,
        jobs: &[String],
        dispatcher: &dyn Dispatcher,
    ) -> Result<usize, Error> {
        let mut transaction = self.pool.begin().await?;
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        if !locked {
            // Another process does it just now.
            return Ok(0);
        }
        let open: Vec<i64> = sqlx::query_scalar(
            "WITH cap AS MATERIALIZED (
                 SELECT job, most - _apipool_in_work(job) AS room FROM _apipool_cap)
             SELECT id FROM (
                 SELECT u.id, c.room, row_number() OVER (PARTITION BY r.job ORDER BY u.id) AS place
                 FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
                     LEFT JOIN cap c ON c.job = r.job
                 WHERE r.state = 'running' AND r.job = ANY($1)
                     AND NOT u.done AND NOT u.failed AND NOT u.halted
                     AND NOT u.is_divided AND u.not_before <= now()
                     AND (u.owner IS NULL OR NOT _apipool_is_alive(u.owner))) AS open
             WHERE room IS NULL OR place <= room ORDER BY id",
        )
        .bind(jobs)
        .fetch_all(&mut *transaction)
        .await?;
        if open.is_empty() {
            return Ok(0);
        }
        let known = dispatcher.known(Transaction::Postgres(&mut transaction)).await?;
        let lost: Vec<i64> = open.into_iter().filter(|unit| !known.contains(unit)).collect();
        dispatcher.push(Transaction::Postgres(&mut transaction), &lost).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(lost.len())
    }

    async fn forget(&self) -> Result<(), Error> {
        let kept = seconds(KEPT);
        sqlx::query(
            "DELETE FROM _apipool_worker w
             WHERE w.seen < now() - make_interval(secs => greatest($1, 2 * w.silence))
                 AND NOT EXISTS (SELECT 1 FROM _apipool_unit u WHERE u.owner = w.id)",
        )
        .bind(kept)
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "DELETE FROM _apipool_run r
             WHERE r.state = 'complete' AND r.ended < now() - make_interval(secs => $1)
                 AND EXISTS (SELECT 1 FROM _apipool_run o WHERE o.job = r.job AND o.id > r.id)",
        )
        .bind(kept)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
