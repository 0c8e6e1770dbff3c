//! What a pool's builder says of metrics.

use super::PoolBuilder;

impl PoolBuilder {
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
    pub fn metrics_label(mut self, label: impl Into<String>) -> Self {
        self.config.metrics_label = Some(label.into());
        self
    }
}
