//! Who only looks.

use std::time::Duration;

use vantage_api_cluster::{Cluster, Observer, RunState, Worker};

use crate::{
    api::Api,
    child,
    database::{Database, description, soon},
};

const QUICK: Duration = Duration::from_millis(5);

// Who only looks needs no more rights than that, and changes nothing (grafana/grafana#13399, hardbyte/awa#93).
#[tokio::test(flavor = "multi_thread")]
async fn it_needs_the_right_to_read_and_makes_nothing() {
    let (api, database) = (Api::start(1_000, QUICK), Database::new());
    database.query("CREATE ROLE looks LOGIN");
    let url = database.url.replace("postgres://postgres@", "postgres://looks@");
    let observer = Observer::new(url).unwrap();
    let nothing = observer.overview().await.unwrap();
    assert!(nothing.workers.is_empty() && nothing.runs.is_empty());
    let made = "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_apipool%'";
    assert_eq!(database.number(made), 0);

    let all = description(&api, &database.url, "write: append");
    let worker = Worker::start(database.patient(), all.clone()).await.unwrap();
    // Before it may read them.
    observer.overview().await.unwrap_err();
    for table in ["run", "unit", "worker", "cap"] {
        database.query(&format!("GRANT SELECT ON _apipool_{table} TO looks"));
    }
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    let overview = observer.overview().await.unwrap();
    assert_eq!(overview.workers[0].name, worker.name());
    assert_eq!((overview.runs[0].id, overview.runs[0].state), (run, RunState::Complete));
    assert_eq!(overview.runs[0].streams[0].rows, 1_000);
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_killed_is_told_as_gone_with_what_it_had() {
    let (api, database) = (Api::start(10_000, Duration::from_millis(200)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let worker = child::start(&api, &database);
    cluster.begin(&all, "copy").await.unwrap();
    let observer = Observer::new(database.url.clone()).unwrap();
    soon(async {
        while !observer.overview().await.unwrap().workers.iter().any(|own| !own.units.is_empty()) {
            tokio::time::sleep(QUICK).await;
        }
    })
    .await;
    drop(worker);
    soon(async {
        loop {
            let overview = observer.overview().await.unwrap();
            if let [gone] = overview.workers.as_slice()
                && !gone.is_alive
            {
                assert!(gone.silent > 0.0 && !gone.units.is_empty(), "{gone:?}");
                // What it had waits.
                assert_eq!(overview.runs[0].streams[0].running, 0, "{overview:?}");
                return;
            }
            tokio::time::sleep(QUICK).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_is_made_again() {
    let database = Database::new();
    let observer = Observer::new(database.url.clone()).unwrap();
    observer.overview().await.unwrap();
    let own =
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(database.number(&format!("SELECT count(*) {own}")), 1, "no more than one");
    database.query(&format!("SELECT pg_terminate_backend(pid) {own}"));
    soon(async { while observer.overview().await.is_err() {} }).await;
    // One that is given up is closed, whatever it was at.
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_micros(300), observer.overview()).await;
    }
    observer.overview().await.unwrap();
    soon(async {
        while database.number(&format!("SELECT count(*) {own}")) > 1 {
            tokio::time::sleep(QUICK).await;
        }
    })
    .await;
}
