//! What the pools of native extractors say of themselves.

use crate::resource::HealthLevel;

/// What a [`NativeExtractorPool`](super::NativeExtractorPool) does.
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

/// How well a [`NativeExtractorPool`](super::NativeExtractorPool) is: the worse of its two pools, and both together.
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

/// The memory of a [`NativeExtractorPool`](super::NativeExtractorPool), in units of 2²⁰ bytes.
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
