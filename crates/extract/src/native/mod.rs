//! Pooled extractors for single values: `checkout`, `extract(html, "h1")`, and what the pool says
//! of itself. A thin face over [`resource`](crate::resource), [`Css`](crate::Css) and [`Regex`](crate::Regex).
//!
//! What is in a pooled extractor are selectors and patterns that it has compiled. For pages of
//! items, an [`Extraction`](crate::Extraction) compiles them once and needs no pool.
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

mod extractor;
mod pool;
mod stats;

pub use crate::resource::{
    BreakerState as CircuitBreakerState, HealthLevel as PoolHealthLevel, PoolError,
};
pub use extractor::{NativeExtractor, NativeExtractorType, NativeExtractors};
pub use pool::{NativeExtractorPool, NativePoolConfig};
pub use stats::{NativeMemoryStats, NativePoolMetrics, PoolHealthStatus};
