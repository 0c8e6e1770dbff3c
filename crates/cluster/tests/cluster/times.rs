//! Jobs that run again and again.

use std::time::Duration;

use vantage_api_cluster::{Cluster, Worker};

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
