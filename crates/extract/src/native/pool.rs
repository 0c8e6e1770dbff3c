//! The pools of native extractors.

use std::time::Duration;

use super::{
    CircuitBreakerState, PoolError,
    extractor::{NativeExtractorType, NativeExtractors},
    stats::{NativeMemoryStats, NativePoolMetrics, PoolHealthStatus},
};
use crate::resource::{Checkout, ResourcePool, ResourcePoolBuilder};

/// The settings of a [`NativeExtractorPool`], for each type of extractor.
#[derive(Clone, Debug, PartialEq)]
pub struct NativePoolConfig {
    /// How many extractors there are without any use: 0 by default.
    pub min_pool_size: usize,
    /// How many there may be: 20 by default.
    pub max_pool_size: usize,
    /// How long one beyond the minimum stays without use: 60 s by default.
    pub idle_timeout: Duration,
    /// Whether idle extractors are checked: true by default.
    pub enable_health_checks: bool,
    /// How often: every 10 s by default.
    pub health_check_interval: Duration,
    /// Whether [`metrics`](NativeExtractorPool::metrics) has averages of waits and creations: true
    /// by default. Otherwise they are 0.
    pub enable_metrics: bool,
}

impl Default for NativePoolConfig {
    fn default() -> Self {
        Self {
            min_pool_size: 0,
            max_pool_size: 20,
            idle_timeout: Duration::from_secs(60),
            enable_health_checks: true,
            health_check_interval: Duration::from_secs(10),
            enable_metrics: true,
        }
    }
}

/// Pools of extractors of each type.
#[derive(Clone, Debug)]
pub struct NativeExtractorPool {
    css: ResourcePool<NativeExtractors>,
    regex: ResourcePool<NativeExtractors>,
    has_averages: bool,
}

/// Bytes in units of 2²⁰.
fn mb(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl NativeExtractorPool {
    /// Two pools with these settings.
    ///
    /// # Errors
    /// [`PoolError::Config`] for settings that contradict each other.
    pub async fn new(config: NativePoolConfig) -> Result<Self, PoolError> {
        let pool = |kind| Self::builder(kind, &config).build();
        let (css, regex) = (pool(NativeExtractorType::Css)?, pool(NativeExtractorType::Regex)?);
        Ok(Self { css, regex, has_averages: config.enable_metrics })
    }

    /// Two pools whose settings are those of the environment, with the prefix `NATIVE`, see
    /// [`ResourcePoolBuilder::from_env`].
    ///
    /// # Errors
    /// [`PoolError::Config`] that names the variable whose value is invalid.
    pub async fn from_env() -> Result<Self, PoolError> {
        let pool = |kind| ResourcePool::builder(NativeExtractors(kind)).from_env("NATIVE")?.build();
        let (css, regex) = (pool(NativeExtractorType::Css)?, pool(NativeExtractorType::Regex)?);
        Ok(Self { css, regex, has_averages: true })
    }

    fn builder(
        kind: NativeExtractorType,
        config: &NativePoolConfig,
    ) -> ResourcePoolBuilder<NativeExtractors> {
        ResourcePool::builder(NativeExtractors(kind))
            .min(config.min_pool_size)
            .max(config.max_pool_size)
            .idle_timeout(config.idle_timeout)
            .health_checks(config.enable_health_checks)
            .health_interval(config.health_check_interval)
    }

    /// An extractor, which returns to the pool when it is dropped.
    ///
    /// # Errors
    /// Those of [`ResourcePool::checkout`].
    pub async fn checkout(
        &self,
        kind: NativeExtractorType,
    ) -> Result<Checkout<NativeExtractors>, PoolError> {
        self.pool(kind).checkout().await
    }

    /// The pool of one type.
    #[must_use]
    pub fn pool(&self, kind: NativeExtractorType) -> &ResourcePool<NativeExtractors> {
        match kind {
            NativeExtractorType::Css => &self.css,
            NativeExtractorType::Regex => &self.regex,
        }
    }

    /// What it does.
    pub async fn metrics(&self) -> NativePoolMetrics {
        let (css, regex) = (self.css.metrics(), self.regex.metrics());
        let (in_use, max) = (css.in_use + regex.in_use, css.max + regex.max);
        let average = |css: Duration, regex: Duration, of: [u64; 2]| {
            let of = of.map(|number| number as f64);
            let all = millis(css) * of[0] + millis(regex) * of[1];
            if self.has_averages { all / (of[0] + of[1]).max(1.0) } else { 0.0 }
        };
        let calls = [css.checkouts + css.refused, regex.checkouts + regex.refused];
        let created = [css.created, regex.created];
        NativePoolMetrics {
            css_in_use: css.in_use,
            css_total: css.size,
            regex_in_use: regex.in_use,
            regex_total: regex.size,
            total: css.size + regex.size,
            in_use,
            available: max.saturating_sub(in_use),
            utilization: in_use as f64 / max.max(1) as f64,
            avg_wait_time_ms: average(css.average_wait, regex.average_wait, calls),
            avg_creation_time_ms: average(css.average_creation, regex.average_creation, created),
        }
    }

    /// How well it is.
    pub async fn health_status(&self) -> PoolHealthStatus {
        let (css, regex) = (self.css.health(), self.regex.health());
        PoolHealthStatus {
            level: css.level.max(regex.level),
            score: css.score.min(regex.score),
            utilization: self.metrics().await.utilization,
            error_rate: css.error_rate.max(regex.error_rate),
            memory_usage_mb: mb(css.memory.used + regex.memory.used),
            memory_pressure: css.memory.pressure.max(regex.memory.pressure),
        }
    }

    /// The state of the breaker that is further from closed.
    pub async fn circuit_breaker_state(&self) -> CircuitBreakerState {
        let states = [self.css.breaker_state(), self.regex.breaker_state()];
        let worst = [CircuitBreakerState::Open, CircuitBreakerState::HalfOpen];
        let worst = worst.into_iter().find(|state| states.contains(state));
        worst.unwrap_or(CircuitBreakerState::Closed)
    }

    /// The memory of the extractors.
    pub async fn memory_stats(&self) -> NativeMemoryStats {
        let all = [&self.css, &self.regex].map(|pool| (pool.memory_stats(), pool.metrics()));
        // Extractors of one type are much alike.
        let in_use = all.iter().map(|(memory, metrics)| {
            mb(memory.used) * metrics.in_use as f64 / metrics.size.max(1) as f64
        });
        NativeMemoryStats {
            total_allocated_mb: mb(all.iter().map(|(memory, _)| memory.used).sum()),
            in_use_mb: in_use.sum(),
            peak_mb: mb(all.iter().map(|(memory, _)| memory.peak).sum()),
            gc_count: all.iter().map(|(memory, _)| memory.collections).sum(),
        }
    }

    /// Closes idle extractors beyond the minimum.
    ///
    /// # Errors
    /// None: the signature is that of pools that may fail to.
    pub async fn force_gc(&self) -> Result<(), PoolError> {
        self.css.collect();
        self.regex.collect();
        Ok(())
    }
}
