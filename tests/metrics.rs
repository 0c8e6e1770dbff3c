//! The statistics as a Prometheus exporter shows them. A program of its own, since the
//! recorder is one for the whole process.

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use support::{hostile::Hostile, soon};
use vantage_api_pool::AwwPool;

/// Waits until all of these lines are shown, as they are a second after what they count.
async fn until_shown(exporter: &PrometheusHandle, lines: &[&str]) {
    soon("what was counted", async {
        while !lines.iter().all(|line| exporter.render().lines().any(|shown| shown == *line)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_exporter_shows_what_the_pool_counts_under_its_label_and_counts_nothing_twice() {
    let exporter = PrometheusBuilder::new().install_recorder().unwrap();
    let api = Hostile::new(10).start();
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(1);
    // A call that is taken from a worker that seems to be blocked waits once more.
    let pool = pool.heartbeat_timeout(Duration::from_secs(10));
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
    until_shown(&exporter, &counted).await;

    // What was shown before is not added again.
    soon("an answer", pool.get("/rows")).await.unwrap();
    let lines = [
        "# TYPE vantage_api_pool_calls_total counter",
        "# TYPE vantage_api_pool_workers_serving gauge",
        r#"vantage_api_pool_calls_total{pool="rows",outcome="ok"} 10"#,
        r#"vantage_api_pool_calls_total{pool="rows",outcome="failed"} 0"#,
        r#"vantage_api_pool_attempts_total{pool="rows",outcome="2xx"} 10"#,
        r#"vantage_api_pool_latency_seconds_count{pool="rows"} 10"#,
        r#"vantage_api_pool_wait_seconds_count{pool="rows",cause="queue"} 1"#,
        r#"vantage_api_pool_calls_open{pool="rows"} 0"#,
    ];
    until_shown(&exporter, &lines).await;
    soon("the end", pool.shutdown(Duration::from_secs(5))).await;
    for line in lines {
        assert!(shown(line), "{line} is not in\n{}", exporter.render());
    }
    assert!(!exporter.render().contains("canary"));

    // Without a label a pool is named by the host of its base URL.
    let pool = AwwPool::new(1, None, false, api.url());
    soon("an answer", pool.get("/rows")).await.unwrap();
    let host = api.url().split('/').nth(2).unwrap().to_owned();
    let line = format!(r#"vantage_api_pool_calls_total{{pool="{host}",outcome="ok"}} 1"#);
    until_shown(&exporter, &[line.as_str()]).await;

    // What comes last is shown too. On a busy machine it may come too late for that, but not in a
    // life that is shorter than what is waited for.
    let brief = soon("a brief life", async {
        let mut lives = 0;
        loop {
            lives += 1;
            let (label, since) = (format!("life-{lives}"), Instant::now());
            let pool = AwwPool::builder(api.url()).workers(1).metrics_label(label.clone());
            let pool = pool.build().unwrap();
            pool.get("/rows").await.unwrap();
            pool.shutdown(Duration::from_secs(5)).await;
            if since.elapsed() < Duration::from_millis(250) {
                return label;
            }
        }
    });
    let label = brief.await;
    let line = format!(r#"vantage_api_pool_attempts_total{{pool="{label}",outcome="2xx"}} 1"#);
    assert!(shown(&line), "{line} is not in\n{}", exporter.render());
}
