//! The pool of native extractors, by the examples of the document that it is known from.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures::FutureExt;
use vantage_api_extract::{
    ExtractError,
    native::{
        CircuitBreakerState, NativeExtractorPool, NativeExtractorType, NativePoolConfig,
        PoolHealthLevel,
    },
};

#[tokio::test]
async fn an_extractor_is_checked_out_used_and_returned() {
    let config = NativePoolConfig {
        min_pool_size: 5,
        max_pool_size: 20,
        idle_timeout: Duration::from_secs(60),
        enable_health_checks: true,
        health_check_interval: Duration::from_secs(10),
        enable_metrics: true,
    };
    let pool = NativeExtractorPool::new(config).await.unwrap();
    let extractor = pool.checkout(NativeExtractorType::Css).await.unwrap();
    let html = r#"<html><body><h1>Title</h1><p>Content</p><p>More</p></body></html>"#;
    assert_eq!(extractor.extract(html, "h1").await.unwrap(), "Title");
    assert_eq!(extractor.extract_all(html, "p").await.unwrap(), ["Content", "More"]);
    assert_eq!(pool.metrics().await.css_in_use, 1);
    drop(extractor);

    let metrics = pool.metrics().await;
    assert_eq!((metrics.css_in_use, metrics.regex_in_use, metrics.in_use), (0, 0, 0));
    assert!(metrics.css_total >= 1 && metrics.total >= metrics.regex_total);
    assert_eq!((metrics.available, metrics.utilization), (40, 0.0));
}

#[tokio::test]
async fn patterns_find_their_first_group_or_their_match() {
    let pool = NativeExtractorPool::new(NativePoolConfig::default()).await.unwrap();
    let extractor = pool.checkout(NativeExtractorType::Regex).await.unwrap();
    for (pattern, found) in [
        (r"\d+", "12"),
        (r"(\d)\d", "1"),
        (r"(?<unit>k[gm])", "kg"),
        // A match without the group has no value.
        (r"\d+|(k\w)", "kg"),
    ] {
        assert_eq!(extractor.extract("12 kg of 3 km", pattern).await.unwrap(), found);
    }
    let error = extractor.extract("text", "(").await.unwrap_err();
    assert!(matches!(error, ExtractError::Setting { .. }), "{error}");
    let error = extractor.extract("text", "[0-9]").await.unwrap_err();
    assert!(matches!(error, ExtractError::NoItems { .. }), "{error}");
    assert_eq!(pool.metrics().await.regex_in_use, 1);
}

#[tokio::test]
async fn a_checkout_and_its_return_are_seen_in_the_metrics() {
    let pool = NativeExtractorPool::new(NativePoolConfig {
        min_pool_size: 2,
        max_pool_size: 5,
        ..Default::default()
    })
    .await
    .unwrap();
    let extractor = pool.checkout(NativeExtractorType::Css).await.unwrap();
    assert_eq!(pool.metrics().await.css_in_use, 1);
    drop(extractor);
    assert_eq!(pool.metrics().await.css_in_use, 0);
}

#[tokio::test]
async fn health_breaker_and_memory_are_told() {
    let pool = NativeExtractorPool::new(Default::default()).await.unwrap();
    let extractor = pool.checkout(NativeExtractorType::Css).await.unwrap();
    extractor.extract("<h1>a</h1>", "h1").await.unwrap();
    let health = pool.health_status().await;
    println!("Overall health: {:?}", health.level);
    println!("Health score: {}/100", health.score);
    assert_eq!((health.level, health.score), (PoolHealthLevel::Healthy, 100));
    assert!(health.memory_usage_mb > 0.0);
    assert_eq!((health.utilization, health.error_rate, health.memory_pressure), (0.025, 0.0, 0.0));
    match pool.circuit_breaker_state().await {
        CircuitBreakerState::Closed => {}
        CircuitBreakerState::Open | CircuitBreakerState::HalfOpen => unreachable!("it is closed"),
    }
    drop(extractor);
    let memory = pool.memory_stats().await;
    assert!(memory.total_allocated_mb > 0.0 && memory.peak_mb >= memory.total_allocated_mb);
    assert_eq!((memory.in_use_mb, memory.gc_count), (0.0, 0));
    pool.force_gc().await.unwrap();
    // That of the patterns had none.
    assert_eq!(pool.memory_stats().await.gc_count, 1);
    assert_eq!(pool.metrics().await.total, 0);
}

#[tokio::test]
async fn the_wait_for_an_extractor_is_told_on_the_average() {
    let config = NativePoolConfig { max_pool_size: 1, ..Default::default() };
    let pool = NativeExtractorPool::new(config).await.unwrap();
    let held = pool.checkout(NativeExtractorType::Css).await.unwrap();
    let mut waiting = Box::pin(pool.checkout(NativeExtractorType::Css));
    assert!(waiting.as_mut().now_or_never().is_none());
    std::thread::sleep(Duration::from_millis(20));
    drop(held);
    drop(waiting.await.unwrap());
    let average = pool.metrics().await.avg_wait_time_ms;
    assert!(average >= 10.0, "{average} ms of two calls");
}

#[tokio::test]
async fn without_metrics_there_are_no_averages() {
    let config = NativePoolConfig { enable_metrics: false, ..Default::default() };
    let pool = NativeExtractorPool::new(config).await.unwrap();
    drop(pool.checkout(NativeExtractorType::Regex).await.unwrap());
    let metrics = pool.metrics().await;
    assert_eq!((metrics.avg_wait_time_ms, metrics.avg_creation_time_ms), (0.0, 0.0));
    assert_eq!(metrics.regex_total, 1);
}
