//! Jobs that run again and again.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    child::Worked,
    file::{Files, soon},
};

/// jcass77/django-apscheduler#131, meteor/meteor-synced-cron#70: each process ran it.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_due_is_begun_by_one_of_two_processes() {
    let (api, files) = (Api::start(300, Duration::from_millis(2)), Files::new());
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let (stream, job) = ("write: append", "every: 1s");
    let start = || Worked::start_with(&files, &api, stream, job, &[]);
    let workers = [start(), start()];
    files.reaches("SELECT count(*) FROM _apipool_run WHERE state = 'complete'", 3).await;
    for worker in workers {
        worker.stop().await;
    }
    // Each time once, at least a second apart.
    let twice = "SELECT count(*) FROM (SELECT due - lag(due) OVER (ORDER BY due) AS gap
                 FROM _apipool_run) WHERE gap < 1000000";
    assert_eq!(files.number(twice), 0);
    let complete = files.number("SELECT count(*) FROM _apipool_run WHERE state = 'complete'");
    let (rows, different) = files.rows();
    assert!(rows >= complete * 300 && rows <= (complete + 1) * 300, "{rows} of {complete} runs");
    assert_eq!(different, 300);
    assert!(cluster.overview().await.unwrap().workers.is_empty());
}

/// quartznet/quartznet#1511: what was paused went on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_paused_does_not_go_on_when_its_job_is_due() {
    let (api, files) = (Api::start(20_000, Duration::from_millis(60)), Files::new());
    let all = files.description(&api, "write: append", "every: 1s");
    let worker = Worker::start(files.settings(), all).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    files.rows_reach(1).await;
    cluster.pause("copy").await.unwrap();
    let run = files.number("SELECT max(id) FROM _apipool_run");
    // It was due twice since then.
    let beats = "SELECT max(seen) / 1000000 FROM _apipool_worker";
    files.reaches(beats, files.number(beats) + 3).await;
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Paused));
    assert_eq!(files.number("SELECT count(*) FROM _apipool_run"), 1);
    soon(worker.stop()).await;
}
