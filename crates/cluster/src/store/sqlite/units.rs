//! Units: who has which, and what becomes of them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, alive, in_work, list, micros, now};
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    store::{Claimed, Units, Work, runs::RunId},
};

/// Takes a unit, if the cap of its job leaves room for it.
const CLAIM: &str = concat!(
    "UPDATE _apipool_unit SET epoch = epoch + 1, starts = starts + 1, owner = ?3, since = ?1
     WHERE id = ?2 AND NOT done AND NOT failed AND NOT halted AND not_before <= ?1
         AND (owner IS NULL OR owner = ?3 OR owner NOT IN ",
    alive!(),
    ") AND run IN (SELECT r.id FROM _apipool_run r
             WHERE r.state = 'running' AND r.job IN (SELECT value FROM json_each(?4))
                 AND NOT EXISTS (SELECT 1 FROM _apipool_cap c
                     WHERE c.job = r.job AND c.most <= ",
    in_work!(),
    "))"
);

/// What was claimed.
const CLAIMED: &str =
    "SELECT u.id, u.run, r.job, u.stream, u.epoch, u.starts, u.stream_run, u.error,
         EXISTS (SELECT 1 FROM _apipool_cap c WHERE c.job = r.job) AS is_capped
     FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run WHERE u.id = ?1";

#[async_trait]
impl Units for SqliteStore {
    async fn claim(&self, unit: i64, me: &str, jobs: &[String]) -> Result<Option<Claimed>, Error> {
        let mut transaction = self.begin().await?;
        let claim = sqlx::query(CLAIM).bind(now()).bind(unit).bind(me).bind(list(jobs)?);
        if claim.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query(CLAIMED).bind(unit).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        let stream_run: Option<i64> = row.try_get("stream_run")?;
        Ok(Some(Claimed {
            unit,
            run: row.try_get("run")?,
            job: row.try_get("job")?,
            stream: row.try_get("stream")?,
            epoch: row.try_get("epoch")?,
            starts: row.try_get("starts")?,
            error: row.try_get("error")?,
            is_capped: row.try_get("is_capped")?,
            work: Work::Stream { stream_run: stream_run.map(i64::unsigned_abs) },
        }))
    }

    async fn lost(&self, own: &[(i64, i64)]) -> Result<Vec<i64>, Error> {
        let sql = "SELECT o.value ->> 0 FROM json_each(?1) o
                   WHERE NOT EXISTS (SELECT 1 FROM _apipool_unit u
                       WHERE u.id = o.value ->> 0 AND u.epoch = o.value ->> 1 AND NOT u.halted)";
        Ok(sqlx::query_scalar(sql).bind(list(own)?).fetch_all(&self.quick).await?)
    }

    async fn release(
        &self,
        own: &Claimed,
        wait: Duration,
        error: Option<&str>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let released: Option<bool> = sqlx::query_scalar(
            "UPDATE _apipool_unit SET owner = NULL, error = ?3, not_before = ?4
             WHERE id = ?1 AND epoch = ?2 AND NOT done AND NOT failed RETURNING halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(error)
        .bind(now().saturating_add(micros(wait)))
        .fetch_optional(&mut *transaction)
        .await?;
        if released == Some(false) && wait.is_zero() {
            dispatcher.push(Transaction::Sqlite(&mut transaction), &[own.unit]).await?;
        }
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    async fn drop_all(&self, own: &[(i64, i64)]) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET owner = NULL
             WHERE EXISTS (SELECT 1 FROM json_each(?1) o
                 WHERE o.value ->> 0 = id AND o.value ->> 1 = epoch)",
        )
        .bind(list(own)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn time(&self) -> Result<f64, Error> {
        Ok(now() as f64 / 1e6)
    }

    async fn disown(&self, me: &str, begun: &[i64], time: f64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET owner = NULL
             WHERE owner = ?1 AND NOT done AND NOT failed AND since < ?3
                 AND id NOT IN (SELECT value FROM json_each(?2))",
        )
        .bind(me)
        .bind(list(begun)?)
        .bind((time * 1e6).round() as i64)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn fail(&self, own: &Claimed, error: &str, stops: bool) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let failed = sqlx::query(
            "UPDATE _apipool_unit SET failed = 1, error = ?3, owner = NULL
             WHERE id = ?1 AND epoch = ?2 AND NOT done",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(error)
        .execute(&mut *transaction)
        .await?;
        if stops && failed.rows_affected() == 1 {
            stop_run(&mut transaction, own.run).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn finish(
        &self,
        own: &Claimed,
        (pages, rows): (u64, u64),
        remarks: &[String],
    ) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET done = 1, owner = NULL, error = NULL, remarks = ?3,
                 pages = ?4, rows = ?5
             WHERE id = ?1 AND epoch = ?2",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(list(remarks)?)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn run_whole(&self, own: &Claimed, stream_run: u64) -> Result<bool, Error> {
        let kept = sqlx::query(
            "UPDATE _apipool_unit SET stream_run = ?3
             WHERE id = ?1 AND epoch = ?2 AND NOT done AND NOT failed AND NOT halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(stream_run).unwrap_or(i64::MAX))
        .execute(&self.writer)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    async fn tell(&self, own: &Claimed, pages: u64, rows: u64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET pages = ?3, rows = ?4, starts = 0
             WHERE id = ?1 AND epoch = ?2 AND (pages < ?3 OR rows < ?4)",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(&self.quick)
        .await?;
        Ok(())
    }
}

/// Sets all that is open of a run aside: another stream of it has failed.
async fn stop_run(transaction: &mut SqliteConnection, run: RunId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE _apipool_unit SET failed = 1, epoch = epoch + 1, owner = NULL,
             error = 'stopped, since another stream has failed'
         WHERE run = ?1 AND NOT done AND NOT failed",
    )
    .bind(run)
    .execute(transaction)
    .await?;
    Ok(())
}
