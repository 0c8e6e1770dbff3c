//! Budgets: a row for each, whose decisions are made here.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, WRITE, gcra::Bucket, now};
use crate::{
    Error,
    store::{Budgets, Grant},
};

#[async_trait]
impl Budgets for SqliteStore {
    async fn limit_budget(&self, key: &str, limit: Option<f64>) -> Result<(), Error> {
        let there = "SELECT EXISTS (SELECT 1 FROM _apipool_budget WHERE key = ?1 AND most IS ?2)";
        let there = sqlx::query_scalar(there).bind(key).bind(limit);
        if there.fetch_one(&self.quick).await? {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO _apipool_budget (key, most, granted, counted_since) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (key) DO UPDATE SET most = excluded.most",
        )
        .bind(key)
        .bind(limit)
        .bind(now())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn grant(&self, key: &str, accepted: u32) -> Result<Grant, Error> {
        let granted = self.change(key, |bucket, now| bucket.grant(now, accepted)).await?;
        Ok(granted.unwrap_or(Grant::Unlimited))
    }

    async fn cut_budget(&self, key: &str, age: Duration, accepted: u32) -> Result<(), Error> {
        self.change(key, |bucket, now| bucket.cut(now, accepted, age)).await.map(drop)
    }

    async fn tell_quota(&self, key: &str, rate: f64, time: Duration) -> Result<(), Error> {
        self.change(key, |bucket, now| bucket.tell(now, rate, time)).await.map(drop)
    }

    async fn return_budget(&self, key: &str, time: Duration) -> Result<(), Error> {
        self.change(key, |bucket, _| bucket.give_back(time)).await.map(drop)
    }
}

impl SqliteStore {
    /// Changes a budget, if it is there, and does not wait for the disk: what a loss of power takes away of
    /// it is found out again.
    async fn change<T>(
        &self,
        key: &str,
        change: impl FnOnce(&mut Bucket, i64) -> T + Send,
    ) -> Result<Option<T>, Error> {
        let mut transaction = self.quick.begin_with(WRITE).await?;
        let Some(before) = read(&mut transaction, key).await? else { return Ok(None) };
        let mut bucket = before.clone();
        let changed = change(&mut bucket, now());
        if bucket != before {
            write(&mut transaction, key, &bucket).await?;
            transaction.commit().await?;
        }
        Ok(Some(changed))
    }
}

async fn read(connection: &mut SqliteConnection, key: &str) -> Result<Option<Bucket>, Error> {
    let sql = "SELECT most, granted, peak, cut, told, told_until, measured, counted, counted_since
               FROM _apipool_budget WHERE key = ?1";
    let Some(row) = sqlx::query(sql).bind(key).fetch_optional(connection).await? else {
        return Ok(None);
    };
    Ok(Some(Bucket {
        most: row.try_get("most")?,
        granted: row.try_get("granted")?,
        peak: row.try_get("peak")?,
        cut: row.try_get("cut")?,
        told: row.try_get("told")?,
        told_until: row.try_get("told_until")?,
        measured: row.try_get("measured")?,
        counted: row.try_get("counted")?,
        counted_since: row.try_get("counted_since")?,
    }))
}

async fn write(connection: &mut SqliteConnection, key: &str, to: &Bucket) -> Result<(), Error> {
    sqlx::query(
        "UPDATE _apipool_budget SET granted = ?2, peak = ?3, cut = ?4, told = ?5, told_until = ?6,
             measured = ?7, counted = ?8, counted_since = ?9
         WHERE key = ?1",
    )
    .bind(key)
    .bind(to.granted)
    .bind(to.peak)
    .bind(to.cut)
    .bind(to.told)
    .bind(to.told_until)
    .bind(to.measured)
    .bind(to.counted)
    .bind(to.counted_since)
    .execute(connection)
    .await?;
    Ok(())
}
