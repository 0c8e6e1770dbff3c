//! What a scan counts, for EXPLAIN ANALYZE.

use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricValue, Time,
};
use vantage_api_pool::{
    AwwPool,
    stats::{Stats, WaitCause},
};

/// What is counted of the pages of a scan. Pages and bytes are its own; requests and waits are those
/// of its pool while it ran, other scans of the same API among them.
#[derive(Clone, Debug)]
pub(super) struct PageMetrics {
    set: ExecutionPlanMetricsSet,
    pages: Count,
    bytes: Count,
    requests: Count,
}

impl PageMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet) -> Self {
        let count = |name: &'static str| MetricBuilder::new(set).counter(name, 0);
        let (pages, bytes, requests) = (count("pages"), count("bytes"), count("requests"));
        Self { set: set.clone(), pages, bytes, requests }
    }

    /// Counts a page.
    pub(super) fn page(&self, bytes: usize) {
        self.pages.add(1);
        self.bytes.add(bytes);
    }

    fn wait(&self, cause: WaitCause, waited: std::time::Duration) {
        let time = Time::new();
        time.add_duration(waited);
        let name = format!("wait_{}", cause.name()).into();
        MetricBuilder::new(&self.set).with_partition(0).build(MetricValue::Time { name, time });
    }
}

/// What the pool did since a scan began.
#[derive(Debug)]
pub(super) struct PoolMetrics {
    pool: AwwPool,
    told: Option<Stats>,
    metrics: PageMetrics,
}

impl PoolMetrics {
    /// From now on. A pool that does not tell is not counted.
    pub(super) async fn since_now(pool: &AwwPool, metrics: PageMetrics) -> Self {
        Self { told: pool.stats().await.ok(), pool: pool.clone(), metrics }
    }

    /// Counts what the pool did since this was last called.
    pub(super) async fn tell(&mut self) {
        let (Some(before), Ok(now)) = (&self.told, self.pool.stats().await) else { return };
        let since = now.difference(before);
        self.metrics.requests.add(usize::try_from(since.attempts).unwrap_or(usize::MAX));
        for cause in WaitCause::ALL {
            let waited = since.waits.get(cause).total();
            if !waited.is_zero() {
                self.metrics.wait(cause, waited);
            }
        }
        self.told = Some(now);
    }
}
