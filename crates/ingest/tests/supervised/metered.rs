//! What jobs do, as a Prometheus exporter shows it.

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use vantage_api_ingest::{Jobs, JobsHandle, jobs::messages::Run};

use super::{DRAIN, SELDOM, broken, gated::Gated, is_commit, rows, start, until, within};

/// Waits until all of these lines are shown, which is a little after what they count.
async fn until_shown(exporter: &PrometheusHandle, lines: &[&str]) {
    let is_shown = |line: &&str| exporter.render().lines().any(|shown| shown == *line);
    while !lines.iter().all(is_shown) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_jobs_do_is_counted_and_no_row_twice() {
    broken::install();
    let exporter = PrometheusBuilder::new().install_recorder().unwrap();
    let api = Gated::start(4);
    let folder = tempfile::tempdir().unwrap();
    let description = rows(&api, folder.path(), &["metered"], SELDOM);
    let jobs = Jobs::new(description.clone()).unwrap();
    let mut events = jobs.events();
    let jobs = JobsHandle::start(jobs).await.unwrap();
    api.open(2);
    jobs.address().do_send(Run("metered".into()));
    within(until(&mut events, is_commit)).await;
    within(jobs.stop("metered")).await.unwrap().unwrap();
    within(jobs.shutdown(DRAIN)).await;

    // The same run goes on, as in another process.
    api.open(4);
    let jobs = start(description).await;
    let report = within(jobs.run("metered")).await.unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.streams[0].run, 1, "{report}");
    let lines = [
        "# TYPE vantage_api_ingest_rows_read_total counter",
        "# TYPE vantage_api_ingest_last_run_seconds gauge",
        r#"vantage_api_ingest_rows_read_total{job="metered",stream="rows"} 40"#,
        r#"vantage_api_ingest_rows_written_total{job="metered",stream="rows"} 40"#,
        r#"vantage_api_ingest_rows_rejected_total{job="metered",stream="rows"} 0"#,
        r#"vantage_api_ingest_runs_total{job="metered",stream="rows",outcome="stopped"} 1"#,
        r#"vantage_api_ingest_runs_total{job="metered",stream="rows",outcome="complete"} 1"#,
        r#"vantage_api_ingest_restarts_total{job="metered"} 1"#,
    ];
    within(until_shown(&exporter, &lines)).await;
    within(jobs.shutdown(DRAIN)).await;
}
