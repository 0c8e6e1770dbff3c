//! The statistics as a Prometheus exporter shows them. A program of its own, since the
//! recorder is one for the whole process.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use support::{hostile::Hostile, soon};
use vantage_api_pool::AwwPool;

#[tokio::test]
async fn an_exporter_shows_what_the_pool_counts_under_its_label_and_counts_nothing_twice() {
    let exporter = PrometheusBuilder::new().install_recorder().unwrap();
    let api = Hostile::new(10).start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1);
    let pool = pool.metrics_label("rows").build().unwrap();
    for _ in 0..7 {
        soon("an answer", pool.get("/rows?secret=canary")).await.unwrap();
    }
    let both = futures::future::join(pool.get("/rows"), pool.get("/rows"));
    soon("answers", both).await.0.unwrap();
    let shown = |line: &str| exporter.render().lines().any(|shown| shown == line);
    let counted = [
        r#"vantage_api_pool_calls_total{pool="rows",outcome="ok"} 9"#,
        r#"vantage_api_pool_workers{pool="rows"} 1"#,
    ];
    soon("the first second", async {
        while !counted.into_iter().all(shown) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;

    // What comes last is shown too, and what was shown before is not added again.
    soon("an answer", pool.get("/rows")).await.unwrap();
    soon("the end", pool.shutdown(Duration::from_secs(5))).await;
    for line in [
        "# TYPE vantage_api_pool_calls_total counter",
        "# TYPE vantage_api_pool_workers_serving gauge",
        r#"vantage_api_pool_calls_total{pool="rows",outcome="ok"} 10"#,
        r#"vantage_api_pool_calls_total{pool="rows",outcome="failed"} 0"#,
        r#"vantage_api_pool_attempts_total{pool="rows",outcome="2xx"} 10"#,
        r#"vantage_api_pool_latency_seconds_count{pool="rows"} 10"#,
        r#"vantage_api_pool_wait_seconds_count{pool="rows",cause="queue"} 1"#,
        r#"vantage_api_pool_calls_open{pool="rows"} 0"#,
    ] {
        assert!(shown(line), "{line} is not in\n{}", exporter.render());
    }
    assert!(!exporter.render().contains("canary"));

    // Without a label a pool is named by the host of its base URL.
    let pool = AwwPool::new(1, None, false, api.url());
    soon("an answer", pool.get("/rows")).await.unwrap();
    soon("the end", pool.shutdown(Duration::from_secs(5))).await;
    let host = api.url().split('/').nth(2).unwrap().to_owned();
    let line = format!(r#"vantage_api_pool_calls_total{{pool="{host}",outcome="ok"}} 1"#);
    assert!(shown(&line), "{line} is not in\n{}", exporter.render());
}
