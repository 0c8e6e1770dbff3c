//! Runs that are paused and cancelled, and workers that stop.

use std::time::Duration;

use vantage_api_cluster::{Cluster, Error, RunState, Worker};
use vantage_api_ingest::Job;

use crate::{
    api::Api,
    child,
    database::{Database, description, soon},
};

const SLOW: Duration = Duration::from_millis(60);

async fn some_rows(database: &Database, more_than: i64) {
    let sql = "SELECT coalesce(sum(rows), 0)::bigint FROM _apipool_unit";
    soon(async {
        while database.number(sql) <= more_than {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_committed_and_goes_on_where_it_was() {
    let (api, database) = (Api::start(20_000, SLOW), Database::new());
    let all = description(&api, &database.url, "write: append");
    let _workers = [child::start(&api, &database), child::start(&api, &database)];
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    assert!(matches!(cluster.pause("copy").await, Err(Error::NoRun(_))));
    let run = cluster.begin(&all, "copy").await.unwrap();
    some_rows(&database, 0).await;
    cluster.pause("copy").await.unwrap();
    // Not one more: the pause is in the database, and each commit looks.
    let held = database.rows();
    assert_eq!(cluster.ended(run).await.unwrap(), Some(RunState::Paused));
    soon(async {
        let sql = "SELECT count(*) FROM _apipool_unit WHERE owner IS NOT NULL AND NOT done";
        while database.number(sql) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(database.rows(), held);
    // Nobody reads it as a whole meanwhile.
    let report = Job::new(&all, "copy").unwrap().run().await;
    assert!(report.to_string().contains("in parts that several processes read"), "{report}");

    cluster.resume("copy").await.unwrap();
    some_rows(&database, held.0).await;
    cluster.cancel("copy").await.unwrap();
    assert_eq!(cluster.ended(run).await.unwrap(), Some(RunState::Cancelled));
    assert!(matches!(cluster.resume("copy").await, Err(Error::NoRun(_))));
    assert_eq!(cluster.begin(&all, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (20_000, 20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_in_the_midst_of_a_run_begins_anew() {
    let (api, database) = (Api::start(10_000, SLOW), Database::new());
    let all = description(&api, &database.url, "write: append");
    let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    some_rows(&database, 0).await;
    Job::new(&all, "copy").unwrap().reset(None, true).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (10_000, 10_000));
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_hands_over_at_once() {
    let (api, database) = (Api::start(10_000, SLOW), Database::new());
    let all = description(&api, &database.url, "write: append");
    let settings = database.patient();
    let first = Worker::start(settings.clone(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&settings).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    some_rows(&database, 0).await;
    let second = Worker::start(settings, all.clone()).await.unwrap();
    soon(first.stop()).await;
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (10_000, 10_000));
    soon(second.stop()).await;
}
