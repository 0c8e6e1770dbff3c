//! Budgets, whose decisions are functions in the database.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;

use super::{PostgresStore, seconds};
use crate::{
    Error,
    store::{Budgets, Grant},
};

#[async_trait]
impl Budgets for PostgresStore {
    async fn limit_budget(&self, key: &str, limit: Option<f64>) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO _apipool_budget (key, most)
             SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM _apipool_budget
                 WHERE key = $1 AND most IS NOT DISTINCT FROM $2)
             ON CONFLICT (key) DO UPDATE SET most = excluded.most",
        )
        .bind(key)
        .bind(limit)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn grant(&self, key: &str, accepted: u32) -> Result<Grant, Error> {
        let sql = "SELECT permits, each, wait FROM _apipool_grant($1, $2)";
        let accepted = i32::try_from(accepted).unwrap_or(i32::MAX);
        let row = sqlx::query(sql).bind(key).bind(accepted).fetch_one(&self.pool).await?;
        let Some(permits) = row.try_get::<Option<i32>, _>("permits")? else {
            return Ok(Grant::Unlimited);
        };
        let time = |name: &str| -> Result<Duration, Error> {
            let seconds: f64 = row.try_get(name)?;
            Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
        };
        Ok(Grant::Permits {
            permits: permits.unsigned_abs(),
            each: time("each")?,
            wait: time("wait")?,
        })
    }

    async fn cut_budget(&self, key: &str, age: Duration, accepted: u32) -> Result<(), Error> {
        sqlx::query("SELECT _apipool_cut($1, $2, $3)")
            .bind(key)
            .bind(i32::try_from(accepted).unwrap_or(i32::MAX))
            .bind(seconds(age))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn tell_quota(&self, key: &str, rate: f64, time: Duration) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_budget SET told = $2,
                 told_until = clock_timestamp() + make_interval(secs => $3)
             WHERE key = $1 AND set_config('synchronous_commit', 'off', true) IS NOT NULL",
        )
        .bind(key)
        .bind(rate.max(0.1))
        .bind(seconds(time))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn return_budget(&self, key: &str, time: Duration) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_budget SET granted = granted - make_interval(secs => $2)
             WHERE key = $1 AND set_config('synchronous_commit', 'off', true) IS NOT NULL",
        )
        .bind(key)
        .bind(seconds(time))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
