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
    pub(crate) async fn limit_budget(&self, key: &str, limit: Option<f64>) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO _apipool_budget (key, most) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET most = excluded.most",
        )
        .bind(key)
        .bind(limit)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a block of permits.
    pub(crate) async fn grant(&self, key: &str) -> Result<Grant, Error> {
        let sql = "SELECT permits, each, wait FROM _apipool_grant($1)";
        let row = sqlx::query(sql).bind(key).fetch_one(&self.pool).await?;
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

    /// Lowers the rate for all: the API has refused a request that was sent so long ago, while it did not
    /// refuse `rate` of this process's. Requests that were sent before the last cut cut nothing, and those
    /// shortly after it: they pay for what was sent before. If all that is granted is used, it is the rate
    /// that was too high, and otherwise what was used of it.
    pub(crate) async fn cut_budget(
        &self,
        key: &str,
        age: Duration,
        rate: f64,
    ) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_budget b SET cut = clock_timestamp(), peak = greatest(1, CASE
                 WHEN _apipool_rate(b) IS NULL THEN $3 * (SELECT greatest(count(*), 1)
                     FROM _apipool_worker w WHERE _apipool_is_alive(w.id))
                 WHEN b.granted > clock_timestamp() - interval '100 milliseconds'
                     THEN _apipool_rate(b)
                 ELSE least(_apipool_rate(b), b.measured) END)
             WHERE key = $1 AND (cut IS NULL
                 OR cut < clock_timestamp() - make_interval(secs => greatest($2, 0.5)))",
        )
        .bind(key)
        .bind(seconds(age))
        .bind(rate.max(1.0))
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
                 told_until = clock_timestamp() + make_interval(secs => $3) WHERE key = $1",
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
             WHERE key = $1",
        )
        .bind(key)
        .bind(seconds(time))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
