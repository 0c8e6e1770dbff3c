//! Jobs that run again and again.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    database::{Database, described, soon},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_due_is_begun_by_one_of_all_workers() {
    let (api, database) = (Api::start(300, Duration::from_millis(2)), Database::new());
    let sink = format!("{{ postgres: \"{}\" }}", database.url);
    let all = described(&api, &sink, "write: append", "every: 2s");
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(Worker::start(database.settings(), all.clone()).await.unwrap());
    }
    let _cluster = Cluster::connect(&database.settings()).await.unwrap();
    soon(async {
        let sql = "SELECT count(*) FROM _apipool_run WHERE state = 'complete'";
        while database.number(sql) < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for worker in workers {
        soon(worker.stop()).await;
    }
    // Each time once, at least two seconds apart.
    let twice = "SELECT count(*) FROM (SELECT due - lag(due) OVER (ORDER BY due) AS gap
                 FROM _apipool_run) AS gaps WHERE gap < interval '2 seconds'";
    assert_eq!(database.number(twice), 0);
    let complete = database.number("SELECT count(*) FROM _apipool_run WHERE state = 'complete'");
    let (rows, different) = database.rows();
    assert!(rows >= complete * 300 && different == 300, "{rows} of {complete} runs");
}

/// quartznet/quartznet#1511: what was paused went on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_paused_does_not_go_on_when_its_job_is_due() {
    let (api, database) = (Api::start(20_000, Duration::from_millis(60)), Database::new());
    let sink = format!("{{ postgres: \"{}\" }}", database.url);
    let other = format!(
        "every: 1s
  other:
    sink: {sink}
    every: 1s
    streams: [{{ table: items, name: some, where: {{ id: 1 }}, write: replace }}]"
    );
    let all = described(&api, &sink, "write: append", &other);
    let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let running = "SELECT coalesce(sum(u.rows), 0)::bigint FROM _apipool_unit u
                   JOIN _apipool_run r ON r.id = u.run WHERE r.job = 'copy'";
    database.reaches(running, 1).await;
    cluster.pause("copy").await.unwrap();
    // Another job was due several times since then, and so was this one.
    let since = database.number("SELECT count(*) FROM _apipool_run WHERE job = 'other'");
    database.reaches("SELECT count(*) FROM _apipool_run WHERE job = 'other'", since + 3).await;
    let run = database.number("SELECT max(id) FROM _apipool_run WHERE job = 'copy'");
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Paused));
    soon(worker.stop()).await;
}
