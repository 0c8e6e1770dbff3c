//! Jobs of which no more than so many units are worked on at a time.

use std::time::Duration;

use vantage_api_cluster::{Cluster, Error, RunState, Worker};

use crate::{
    api::Api,
    database::{Database, description, soon},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_holds_for_all_workers_together_until_it_is_taken_away() {
    let (api, database) = (Api::start(12_000, Duration::from_millis(20)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    assert!(matches!(cluster.cap("copy", Some(3)).await, Err(Error::NoJob(_))));
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert!(matches!(cluster.cap("copy", Some(0)).await, Err(Error::Settings(_))));
    cluster.cap("copy", Some(3)).await.unwrap();
    let workers = [
        Worker::start(database.patient(), all.clone()).await.unwrap(),
        Worker::start(database.patient(), all.clone()).await.unwrap(),
    ];
    let mut most = 0;
    soon(async {
        let done = "SELECT count(*) FROM _apipool_unit WHERE is_part AND done";
        while database.number(done) < 6 {
            most = most.max(database.number("SELECT _apipool_in_work('copy')"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!((1..=3).contains(&most), "{most} at a time");
    assert_eq!(cluster.overview().await.unwrap().runs[0].cap, Some(3));
    cluster.cap("copy", None).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (12_000, 12_000));
    for worker in workers {
        soon(worker.stop()).await;
    }
}

/// rails/solid_queue#546, PrefectHQ/prefect#17415: the dead kept their places for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_dead_have_takes_no_place_under_a_cap() {
    let (api, database) = (Api::start(3_000, Duration::from_millis(5)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    cluster.cap("copy", Some(1)).await.unwrap();
    database.query("UPDATE _apipool_unit SET owner = 'gone', since = now()");
    let worker = Worker::start(database.patient(), all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (3_000, 3_000));
    soon(worker.stop()).await;
}
