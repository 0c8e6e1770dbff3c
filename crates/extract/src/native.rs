//! Pooled extractors for single values: `checkout`, `extract(html, "h1")`, and what the pool says
//! of itself. A thin face over [`resource`](crate::resource), [`Css`] and [`Regex`].
//!
//! What is in a pooled extractor are selectors and patterns that it has compiled. For pages of
//! items, an [`Extraction`] compiles them once and needs no pool.
//!
//! ```
//! use vantage_api_extract::native::{NativeExtractorPool, NativeExtractorType, NativePoolConfig};
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = NativeExtractorPool::new(NativePoolConfig::default()).await?;
//! let extractor = pool.checkout(NativeExtractorType::Css).await?;
//! let html = r#"<html><body><h1>Title</h1><p>Content</p></body></html>"#;
//! let result = extractor.extract(html, "h1").await?;
//! assert_eq!(result, "Title");
//! drop(extractor); // it returns to the pool
//!
//! let metrics = pool.metrics().await;
//! println!("CSS extractors: {}/{}", metrics.css_in_use, metrics.css_total);
//! # assert_eq!((metrics.css_in_use, metrics.css_total), (0, 1));
//! # Ok(()) }
//! # futures::executor::block_on(demo()).unwrap();
//! ```

use std::{
    collections::VecDeque,
    future::{Future, ready},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use vantage_api_pool::Priority;

pub use crate::resource::{
    BreakerState as CircuitBreakerState, HealthLevel as PoolHealthLevel, PoolError,
};
use crate::{
    css::Css,
    error::ExtractError,
    extraction::Extraction,
    regex::Regex,
    resource::{
        BoxError, Checkout, Factory, HealthLevel, Poolable, ResourcePool, ResourcePoolBuilder,
    },
    threads::ExtractorThreads,
};

/// What a pooled extractor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeExtractorType {
    /// HTML, by CSS selectors.
    Css,
    /// Text, by patterns.
    Regex,
}

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

/// How many selectors or patterns an extractor keeps compiled.
const KEPT: usize = 32;
/// About how much memory one takes, compiled.
const COMPILED: usize = 16 << 10;

/// An extractor of single values.
pub struct NativeExtractor {
    kind: NativeExtractorType,
    /// Those used last, at the end.
    compiled: Mutex<VecDeque<(String, Extraction)>>,
}

impl NativeExtractor {
    fn new(kind: NativeExtractorType) -> Self {
        Self { kind, compiled: Mutex::default() }
    }

    /// The first match: the text of the element that a selector finds, or the first group of a
    /// pattern, or its whole match if it has no group.
    ///
    /// It runs on the [extractor threads](ExtractorThreads), within the default
    /// [`Limits`](crate::Limits).
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an invalid selector or pattern, [`ExtractError::NoItems`] if
    /// nothing matches, and [`ExtractError::Limit`].
    pub async fn extract(&self, text: &str, pattern: &str) -> Result<String, ExtractError> {
        let first = self.extract_all(text, pattern).await?.into_iter().next();
        first.ok_or_else(|| ExtractError::NoItems { items: format!("`{pattern}`") })
    }

    /// All matches, in order.
    ///
    /// # Errors
    /// As of [`extract`](Self::extract).
    pub async fn extract_all(
        &self,
        text: &str,
        pattern: &str,
    ) -> Result<Vec<String>, ExtractError> {
        let extraction = self.compiled(pattern)?;
        let text = text.to_owned();
        let limits = crate::Limits::default();
        let page = ExtractorThreads::shared().run(Priority::Normal, limits.time, move |_| {
            extraction.page(text.as_bytes(), None, None)
        });
        let page = page.await.unwrap_or_else(|| Err(limits.exceeded("time")))?;
        let page: Page = serde_json::from_str(&page)
            .map_err(|_| ExtractError::malformed("JSON", "the page has no texts"))?;
        Ok(page.data.into_iter().filter_map(|row| row.value).collect())
    }

    fn compiled(&self, pattern: &str) -> Result<Extraction, ExtractError> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let at = compiled.iter().position(|(own, _)| own == pattern);
        let found = match at.and_then(|at| compiled.remove(at)) {
            Some((_, found)) => found,
            None => match self.kind {
                NativeExtractorType::Css => Css::new(pattern).field("value", ".").build()?,
                NativeExtractorType::Regex => first_group(pattern)?,
            },
        };
        compiled.push_back((pattern.to_owned(), found.clone()));
        if compiled.len() > KEPT {
            compiled.pop_front();
        }
        Ok(found)
    }
}

/// The first group of a pattern as `value`, or the whole match.
fn first_group(pattern: &str) -> Result<Extraction, ExtractError> {
    let groups = crate::text::compiled("pattern", pattern)?;
    let name = groups.capture_names().nth(1).map(|name| name.map(str::to_owned));
    match name {
        None => Regex::new(format!("(?<value>{pattern})")).build(),
        Some(Some(name)) => Regex::new(pattern).field("value", name.as_str()).build(),
        Some(None) => Extraction::new(FirstGroup { pattern: groups }),
    }
}

/// Items of the first group, which has no name.
struct FirstGroup {
    pattern: ::regex::Regex,
}

impl crate::Extract for FirstGroup {
    fn identity(&self) -> String {
        format!("first group of {}", self.pattern)
    }

    fn items_by(&self) -> String {
        format!("the pattern `{}`", self.pattern)
    }

    fn extract(&self, body: &crate::Body<'_>, items: &mut crate::Items) -> Result<(), ExtractError> {
        for found in self.pattern.captures_iter(body.text()?) {
            let value = found.get(1).map(|group| group.as_str());
            items.item(&serde_json::json!({ "value": value }))?;
            items.check_time()?;
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Page {
    data: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    value: Option<String>,
}

impl Poolable for NativeExtractor {
    fn memory(&self) -> usize {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        size_of::<Self>() + compiled.iter().map(|(own, _)| own.len() + COMPILED).sum::<usize>()
    }
}

/// Makes extractors of one type.
#[derive(Clone, Copy, Debug)]
pub struct NativeExtractors(NativeExtractorType);

impl Factory for NativeExtractors {
    type Item = NativeExtractor;

    fn create(&self) -> impl Future<Output = Result<NativeExtractor, BoxError>> + Send {
        ready(Ok(NativeExtractor::new(self.0)))
    }
}

/// Pools of extractors of each type.
#[derive(Clone, Debug)]
pub struct NativeExtractorPool {
    css: ResourcePool<NativeExtractors>,
    regex: ResourcePool<NativeExtractors>,
    has_averages: bool,
}

/// What a [`NativeExtractorPool`] does.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct NativePoolMetrics {
    /// Extractors of CSS that are in use.
    pub css_in_use: usize,
    /// Extractors of CSS.
    pub css_total: usize,
    /// Extractors of patterns that are in use.
    pub regex_in_use: usize,
    /// Extractors of patterns.
    pub regex_total: usize,
    /// All extractors.
    pub total: usize,
    /// All that are in use.
    pub in_use: usize,
    /// How many more may be in use.
    pub available: usize,
    /// The share of the maximum that is in use, from 0 to 1.
    pub utilization: f64,
    /// How long a checkout waited on the average, in milliseconds.
    pub avg_wait_time_ms: f64,
    /// How long it took to make an extractor on the average, in milliseconds.
    pub avg_creation_time_ms: f64,
}

/// How well a [`NativeExtractorPool`] is: the worse of its two pools, and both together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolHealthStatus {
    /// How well it is.
    pub level: HealthLevel,
    /// From 0 to 100, see [`Health`](crate::resource::Health).
    pub score: u8,
    /// The share of the maximum that is in use, from 0 to 1.
    pub utilization: f64,
    /// The share of failures in the last minute, from 0 to 1.
    pub error_rate: f64,
    /// The memory of the extractors, in units of 2²⁰ bytes.
    pub memory_usage_mb: f64,
    /// The share of the memory limit that is used; 0 without one.
    pub memory_pressure: f64,
}

/// The memory of a [`NativeExtractorPool`], in units of 2²⁰ bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct NativeMemoryStats {
    /// All extractors.
    pub total_allocated_mb: f64,
    /// Those that are in use.
    pub in_use_mb: f64,
    /// The most at a time.
    pub peak_mb: f64,
    /// How often idle extractors were closed to free memory.
    pub gc_count: u64,
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
    /// [`PoolError::Config`] that names the variable whose value is none.
    pub async fn from_env() -> Result<Self, PoolError> {
        let pool = |kind| {
            ResourcePool::builder(NativeExtractors(kind)).from_env("NATIVE")?.build()
        };
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
        let checkouts = [css.checkouts, regex.checkouts];
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
            avg_wait_time_ms: average(css.average_wait, regex.average_wait, checkouts),
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

impl std::fmt::Debug for NativeExtractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeExtractor").field("kind", &self.kind).finish_non_exhaustive()
    }
}
