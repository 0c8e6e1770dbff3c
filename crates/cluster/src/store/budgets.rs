//! What is asked of budgets: how fast all processes together may send to an API.

use std::time::Duration;

use async_trait::async_trait;

use crate::Error;

/// What a process is granted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Grant {
    /// There is no limit, and none was met.
    Unlimited,
    /// So many permits, of which one may be used each so often, after a wait.
    Permits { permits: u32, each: Duration, wait: Duration },
}

/// The budgets of a cluster, by the origins of the APIs.
#[async_trait]
pub(crate) trait Budgets {
    /// Sets the limit of a budget, in requests per second, that was configured; none if there is none.
    /// One that is there already takes no write. Another one waits for the disk: nobody would tell it again.
    async fn limit_budget(&self, key: &str, limit: Option<f64>) -> Result<(), Error>;

    /// Takes a block of permits, and counts how many requests were not refused since it was told last.
    async fn grant(&self, key: &str, accepted: u32) -> Result<Grant, Error>;

    /// Lowers the rate for all: the API has refused a request that was sent so long ago. Counts how many
    /// were not refused since it was told last.
    async fn cut_budget(&self, key: &str, age: Duration, accepted: u32) -> Result<(), Error>;

    /// Keeps the rate that a quota leaves, for all and for so long.
    async fn tell_quota(&self, key: &str, rate: f64, time: Duration) -> Result<(), Error>;

    /// Gives back what was granted for so long.
    async fn return_budget(&self, key: &str, time: Duration) -> Result<(), Error>;
}
