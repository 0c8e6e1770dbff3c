//! Budgets: how fast all processes together may send to an API.

use std::time::Duration;

use sqlx::Row;

use super::{Store, seconds};
use crate::Error;

/// What a process is granted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grant {
    /// There is no limit, and none was met.
    Unlimited,
    /// So many permits, of which one may be used each so often, after a wait.
    Permits { permits: u32, each: Duration, wait: Duration },
}

impl Store {
    /// Sets the limit of a budget, in requests per second, that was configured; none if there is none.
    /// One that is there already takes no write. Another one waits for the disk: nobody would tell it again.
    pub(crate) async fn limit_budget(&self, key: &str, limit: Option<f64>) -> Result<(), Error> {
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

    /// Takes a block of permits, and counts how many requests were not refused since it was told last.
    pub(crate) async fn grant(&self, key: &str, accepted: u32) -> Result<Grant, Error> {
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

    /// Lowers the rate for all: the API has refused a request that was sent so long ago. Counts how many
    /// were not refused since it was told last.
    pub(crate) async fn cut_budget(
        &self,
        key: &str,
        age: Duration,
        accepted: u32,
    ) -> Result<(), Error> {
        sqlx::query("SELECT _apipool_cut($1, $2, $3)")
            .bind(key)
            .bind(i32::try_from(accepted).unwrap_or(i32::MAX))
            .bind(seconds(age))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps the rate that a quota leaves, for all and for so long.
    pub(crate) async fn tell_quota(
        &self,
        key: &str,
        rate: f64,
        time: Duration,
    ) -> Result<(), Error> {
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

    /// Gives back what was granted for so long.
    pub(crate) async fn return_budget(&self, key: &str, time: Duration) -> Result<(), Error> {
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
