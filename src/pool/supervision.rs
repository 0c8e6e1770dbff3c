//! What a pool's handle and its builder say of supervision: how many workers there are,
//! when one counts as blocked, and when one is given up; and of what is told about the pool.

use std::time::Duration;

use super::{AwwPool, PoolBuilder};
use crate::{error::Error, supervisor::messages::Resize};

impl AwwPool {
    /// Changes the number of workers (1 to 1024), and with it how many requests may be on
    /// the wire: workers times [`connections_per_worker`](PoolBuilder::connections_per_worker).
    ///
    /// New workers take calls as soon as this returns. Those that leave take no more, finish
    /// what they have on the wire and end by themselves; calls that wait on them move to
    /// others. A slot that was given up (see
    /// [`restart_intensity`](PoolBuilder::restart_intensity)) gets a new worker. What
    /// [`min_connections`](PoolBuilder::min_connections) keeps open is shared out again over
    /// the workers that there are then: those of which one has too many close as they go
    /// unused.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a number out of range and for a handle
    /// with [credentials of its own](Self::with_credentials),
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown) when the pool has ended.
    pub async fn resize(&self, workers: usize) -> Result<(), Error> {
        self.for_the_pool("resize: it concerns the whole pool, not one handle")?;
        self.address().await?.send(Resize::new(workers)).await.map_err(|_| Error::gone())?
    }
}

impl PoolBuilder {
    /// How often in a row a worker may die, in one place and within
    /// [`restart_period`](Self::restart_period), before it is not replaced any more: 100 times
    /// by default. Only workers that died without having completed a call count. With zero a
    /// worker is not even replaced after the first such death. When no worker is left, every call
    /// fails at once with
    /// [`ErrorKind::NoWorkers`](crate::ErrorKind::NoWorkers), until
    /// [`AwwPool::resize`]. The same goes for the thread of the `acquire` callback; without
    /// it, calls fail with [`ErrorKind::Token`](crate::ErrorKind::Token).
    ///
    /// The rule is that of Erlang/OTP's supervisors. One call can kill ten workers before it is
    /// given up, so the default of 100 leaves room for ten such calls in a row.
    pub fn restart_intensity(mut self, restart_intensity: u32) -> Self {
        self.config.restart_intensity = restart_intensity;
        self
    }

    /// The time within which [`restart_intensity`](Self::restart_intensity) counts: 60 s by
    /// default.
    pub fn restart_period(mut self, restart_period: Duration) -> Self {
        self.config.restart_period = restart_period;
        self
    }

    /// How long a worker may give no sign of life, since a callback blocks its thread, before
    /// calls pass it by: 500 ms by default, at least 300 ms. A worker gives one every 100 ms.
    /// Calls that wait on it then go to others; those that are on the wire may still finish
    /// there, and end at their deadline at the latest. If it may be an `apply` that blocks it,
    /// such callbacks run on threads of their own from then on.
    pub fn heartbeat_timeout(mut self, heartbeat_timeout: Duration) -> Self {
        self.config.heartbeat_timeout = heartbeat_timeout;
        self
    }

    /// How long a worker may give no sign of life before another one takes its place: 10 s by
    /// default, at least [`heartbeat_timeout`](Self::heartbeat_timeout). Its calls run again
    /// where that can do no harm, and otherwise fail. The blocked thread is left to itself and
    /// ends when its callback returns; no more than four such threads are left in one place.
    pub fn replace_blocked_after(mut self, replace_blocked_after: Duration) -> Self {
        self.config.replace_blocked_after = replace_blocked_after;
        self
    }

    /// The value of the label `pool` under which the statistics go to the `metrics` facade:
    /// host and port of the base URL by default. Pools with the same label add to the same
    /// counters and overwrite each other's gauges.
    ///
    /// With the feature `metrics`, a pool hands the difference of its statistics to the facade
    /// once a second and when it is shut down, on a thread of its own, so that a recorder that
    /// blocks holds nothing up: counters such as
    /// `vantage_api_pool_calls_total` by `outcome`, gauges such as
    /// `vantage_api_pool_connections_open`, and the histograms
    /// `vantage_api_pool_latency_seconds` and `vantage_api_pool_wait_seconds` by `cause`. Any
    /// recorder takes them; `metrics-exporter-prometheus` renders them as text. Without a
    /// recorder they go nowhere.
    #[cfg(feature = "metrics")]
    pub fn metrics_label(mut self, label: impl Into<String>) -> Self {
        self.config.metrics_label = Some(label.into());
        self
    }
}
