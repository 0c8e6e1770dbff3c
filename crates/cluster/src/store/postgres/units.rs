//! Units: who has which, and what becomes of them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, parts::stop_run, seconds};
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    store::{Claimed, Units, Work},
};

/// Takes a unit of a job that has no cap; or, if `$4`, of one whose cap leaves room for it.
const CLAIM: &str = "UPDATE _apipool_unit u SET epoch = epoch + 1, starts = starts + 1, owner = $2,
         since = now()
     FROM _apipool_run r
     WHERE u.id = $1 AND r.id = u.run AND r.job = ANY($3) AND r.state = 'running' AND NOT u.done
         AND NOT u.failed AND NOT u.halted AND NOT u.is_divided AND u.not_before <= now()
         AND (u.owner IS NULL OR u.owner = $2 OR NOT _apipool_is_alive(u.owner))
         AND NOT EXISTS (SELECT 1 FROM _apipool_cap c WHERE c.job = r.job
             AND (NOT $4 OR c.most <= _apipool_in_work(r.job)))
     RETURNING u.id, u.run, r.job, u.stream, u.epoch, u.starts, u.part, u.stream_run, u.next,
         u.error";

#[async_trait]
impl Units for PostgresStore {
    async fn claim(&self, unit: i64, me: &str, jobs: &[String]) -> Result<Option<Claimed>, Error> {
        let claim =
            |is_capped: bool| sqlx::query(CLAIM).bind(unit).bind(me).bind(jobs).bind(is_capped);
        if let Some(row) = claim(false).fetch_optional(&self.pool).await? {
            return claimed(&row, false).map(Some);
        }
        let mut transaction = self.pool.begin().await?;
        // Whoever claims another unit of a job that has a cap waits, and then counts this one.
        let capped = sqlx::query(
            "SELECT c.job FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
                 JOIN _apipool_cap c ON c.job = r.job
             WHERE u.id = $1 FOR UPDATE OF c",
        );
        if capped.bind(unit).fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(None);
        }
        let row = claim(true).fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        row.map(|row| claimed(&row, true)).transpose()
    }

    async fn lost(&self, own: &[(i64, i64)]) -> Result<Vec<i64>, Error> {
        let (units, epochs): (Vec<i64>, Vec<i64>) = own.iter().copied().unzip();
        let sql = "SELECT o.id FROM unnest($1::bigint[], $2::bigint[]) AS o (id, epoch)
                   WHERE NOT EXISTS (SELECT 1 FROM _apipool_unit u
                       WHERE u.id = o.id AND u.epoch = o.epoch AND NOT u.halted)";
        Ok(sqlx::query_scalar(sql).bind(units).bind(epochs).fetch_all(&self.pool).await?)
    }

    async fn release(
        &self,
        own: &Claimed,
        wait: Duration,
        error: Option<&str>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let released: Option<bool> = sqlx::query_scalar(
            "UPDATE _apipool_unit SET owner = NULL, error = $4,
                 not_before = now() + make_interval(secs => $3)
             WHERE id = $1 AND epoch = $2 AND NOT done AND NOT failed RETURNING halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(seconds(wait))
        .bind(error)
        .fetch_optional(&mut *transaction)
        .await?;
        if released == Some(false) && wait.is_zero() {
            dispatcher.push(Transaction::Postgres(&mut transaction), &[own.unit]).await?;
        }
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    async fn drop_all(&self, own: &[(i64, i64)]) -> Result<(), Error> {
        let (units, epochs): (Vec<i64>, Vec<i64>) = own.iter().copied().unzip();
        sqlx::query(
            "UPDATE _apipool_unit u SET owner = NULL
             FROM unnest($1::bigint[], $2::bigint[]) AS o (id, epoch)
             WHERE u.id = o.id AND u.epoch = o.epoch",
        )
        .bind(units)
        .bind(epochs)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn time(&self) -> Result<f64, Error> {
        let sql = "SELECT extract(epoch FROM now())::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn disown(&self, me: &str, begun: &[i64], time: f64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET owner = NULL
             WHERE owner = $1 AND NOT done AND NOT failed AND id <> ALL($2)
                 AND since < to_timestamp($3)",
        )
        .bind(me)
        .bind(begun)
        .bind(time)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn fail(&self, own: &Claimed, error: &str, stops: bool) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let failed = sqlx::query(
            "UPDATE _apipool_unit SET failed = true, error = $3, owner = NULL
             WHERE id = $1 AND epoch = $2 AND NOT done",
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
        let is_part = matches!(own.work, Work::Part { .. });
        sqlx::query(
            "UPDATE _apipool_unit SET done = true, owner = NULL, error = NULL, remarks = $3,
                 pages = CASE WHEN $6 THEN pages ELSE $4 END,
                 rows = CASE WHEN $6 THEN rows ELSE $5 END
             WHERE id = $1 AND epoch = $2",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(remarks)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .bind(is_part)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn run_whole(&self, own: &Claimed, stream_run: u64) -> Result<bool, Error> {
        let kept = sqlx::query(
            "UPDATE _apipool_unit SET stream_run = $3
             WHERE id = $1 AND epoch = $2 AND NOT done AND NOT failed AND NOT halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(stream_run).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    async fn tell(&self, own: &Claimed, pages: u64, rows: u64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET pages = $3, rows = $4, starts = 0
             WHERE id = $1 AND epoch = $2 AND (pages < $3 OR rows < $4)",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn claimed(row: &PgRow, is_capped: bool) -> Result<Claimed, Error> {
    let part: Option<String> = row.try_get("part")?;
    let stream_run = row.try_get::<Option<i64>, _>("stream_run")?.map(i64::unsigned_abs);
    let work = match part {
        None => Work::Stream { stream_run },
        Some(part) => Work::Part {
            stream_run: stream_run.unwrap_or_default(),
            part,
            next: row.try_get("next")?,
        },
    };
    Ok(Claimed {
        unit: row.try_get("id")?,
        run: row.try_get("run")?,
        job: row.try_get("job")?,
        stream: row.try_get("stream")?,
        epoch: row.try_get("epoch")?,
        starts: row.try_get("starts")?,
        error: row.try_get("error")?,
        is_capped,
        work,
    })
}
