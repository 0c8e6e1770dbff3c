//! What a pool's handle and its builder say of limits: those that are set, for all requests or by
//! key, and those that the API makes known by its words or by refusals.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{AwwPool, PoolBuilder};
use crate::{error::Error, rate_limit::SharedBudget, supervisor::messages::SetRate};

impl AwwPool {
    /// Sets the rate limit of the whole API, in requests per second, or takes it away. It is
    /// in force when this returns: what leaves from then on keeps to it, calls that wait
    /// already too. A pool that had no limit can get one.
    ///
    /// The burst stays as it was [set](PoolBuilder::burst), or is 10 ms worth of the new
    /// rate. Nothing is saved up at first, so that the change allows no burst. With a limit
    /// the quotas that the API tells are kept to as well, see
    /// [`rate_limit`](PoolBuilder::rate_limit).
    ///
    /// ```no_run
    /// # async fn demo(pool: vantage_api_pool::AwwPool) -> Result<(), vantage_api_pool::Error> {
    /// pool.set_rate(Some("2.5".parse().unwrap())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a rate that is not above zero and for
    /// a handle with [credentials of its own](Self::with_credentials),
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown) when the pool has ended.
    pub async fn set_rate(&self, requests_per_second: Option<Decimal>) -> Result<(), Error> {
        self.for_the_pool("set_rate: it concerns the whole pool, not one handle")?;
        let set = SetRate::new(requests_per_second);
        self.address().await?.send(set).await.map_err(|_| Error::gone())?
    }
}

impl PoolBuilder {
    /// The rate limit of the whole API, whatever the number of workers, in requests
    /// per second: 0.5 is one request every two seconds. None by default.
    /// [`AwwPool::set_rate`] changes it.
    ///
    /// Where the API tells of a quota in its responses (`RateLimit` and `RateLimit-Policy` of
    /// draft-ietf-httpapi-ratelimit-headers, `…RateLimit-…` and `…Rate-Limit-…` with `Limit`,
    /// `Remaining` and `Reset` and whatever is before and after, or a list such as `remaining=9;
    /// resets=41`; a reset is seconds, a moment since 1970 in seconds or smaller units, a date,
    /// or a time such as `6m0s`), the rate is at most what uses
    /// up the rest of it by the reset, and no more than the quota over its window. Of
    /// several quotas the tightest counts. None is believed for longer than
    /// [`max_retry_after`](Self::max_retry_after). In a pool with several tokens a quota is
    /// that of its token, see [`AwwPool::with_auth_callback`].
    pub fn rate_limit(mut self, requests_per_second: Decimal) -> Self {
        self.config.rate_limit = Some(requests_per_second);
        self
    }

    /// How many requests may leave at once after a pause, within the rate limit: 10 ms
    /// worth of it by default, and at least 1.
    pub fn burst(mut self, requests: u32) -> Self {
        self.config.burst = Some(requests);
        self
    }

    /// A limit for each worker by itself, in requests per second, besides that of the API.
    /// None by default. After a pause 10 ms worth of it may leave at once, and at least 1.
    /// The worker's calls wait for it by their priority.
    pub fn rate_limit_per_worker(mut self, requests_per_second: Decimal) -> Self {
        self.config.rate_limit_per_worker = Some(requests_per_second);
        self
    }

    /// Whether the pool finds out by itself how much the API bears: `false` by default.
    ///
    /// It does nothing until the API first responds with 429 or another limit, or with a status
    /// of [`slow_down_statuses`](Self::slow_down_statuses). From then on it keeps to a rate
    /// of its own, which each of these cuts and which recovers and grows as long as none comes.
    /// A 429 that asks to leave one of several tokens alone holds that token and cuts nothing.
    /// It is the adaptive limiter of the AWS SDKs, CUBIC on the rate. Quotas that the API
    /// tells are kept to as with [`rate_limit`](Self::rate_limit), whether or not there is
    /// one; if there is, the lower of the rates counts.
    pub fn use_dampener(mut self, use_dampener: bool) -> Self {
        self.config.use_dampener = use_dampener;
        self
    }

    /// Takes a permit for each request to the API from a budget that others share as well, such as the
    /// pools of other processes; besides the limits of this pool, and in the place of its
    /// [dampener](Self::use_dampener). None by default.
    pub fn shared_budget(mut self, budget: Arc<dyn SharedBudget>) -> Self {
        self.config.shared_budget = Some(budget);
        self
    }

    /// The rate limit of each [`rate_key`](crate::Request::rate_key) by itself, in requests
    /// per second, besides that of the whole API. None by default. Requests without a key are
    /// not counted.
    ///
    /// A call waits for its key without holding a connection, behind those of the same key
    /// that are more urgent, or as urgent and earlier. One that would wait past its deadline
    /// fails at once with
    /// [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded). 65,536 keys are
    /// told apart at a time, see [`KeyedRateLimiter`](crate::limits::KeyedRateLimiter). A handle
    /// with [credentials of its own](crate::AwwPool::with_credentials) has as many of its own.
    pub fn rate_limit_per_key(mut self, requests_per_second: Decimal) -> Self {
        self.config.rate_limit_per_key = Some(requests_per_second);
        self
    }

    /// How many requests of one key may leave at once after a pause, within its limit: 10 ms
    /// worth of it by default, and at least 1.
    pub fn burst_per_key(mut self, requests: u32) -> Self {
        self.config.burst_per_key = Some(requests);
        self
    }
}
