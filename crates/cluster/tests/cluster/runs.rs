//! Whole runs.

use std::{sync::Arc, time::Duration};

use vantage_api_cluster::{Cluster, RunState, Worker, dispatch::InProcess};
use vantage_api_ingest::Job;

use crate::{
    api::Api,
    child,
    database::{Database, described, description, soon},
};

const QUICK: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_copy_each_row_once_in_parts() {
    let (api, database) = (Api::start(4_950, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    let workers = [
        Worker::start(database.patient(), all.clone()).await.unwrap(),
        Worker::start(database.patient(), all.clone()).await.unwrap(),
    ];
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (4_950, 4_950));
    // Each page once, and the first once more for the plan.
    assert_eq!(api.requests(), 51);
    let overview = cluster.overview().await.unwrap();
    let stream = &overview.runs[0].streams[0];
    assert_eq!((stream.units, stream.done, stream.pages, stream.rows), (5, 5, 50, 4_950));
    assert_eq!(overview.workers.len(), 2);

    // What one machine remembers of it is what it would have written itself.
    let job = Job::new(&all, "copy").unwrap();
    let report = job.last_run().await.unwrap().unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!((report.streams[0].run, report.streams[0].counts.read), (1, 4_950));
    assert_eq!(report.streams[0].counts.declared, Some(4_950));

    // The next run is another one.
    let again = cluster.begin(&all, "copy").await.unwrap();
    assert_ne!(again, run);
    assert_eq!(soon(cluster.ended(again)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (9_900, 4_950));
    for worker in workers {
        soon(worker.stop()).await;
    }
    assert!(cluster.overview().await.unwrap().workers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_merged_by_their_key() {
    let (api, database) = (Api::start(2_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: merge");
    let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    for _ in 0..2 {
        let run = cluster.begin(&all, "copy").await.unwrap();
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        assert_eq!(database.rows(), (2_000, 2_000));
    }
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_see_other_columns_write_one_table() {
    let (api, database) = (Api::start(10_000, QUICK), Database::new());
    // In the midst of a part, of which several are written at a time.
    api.widen_after(4_250);
    let all = description(&api, &database.url, "write: append");
    let workers = [
        Worker::start(database.settings(), all.clone()).await.unwrap(),
        Worker::start(database.settings(), all.clone()).await.unwrap(),
    ];
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (10_000, 10_000));
    assert_eq!(database.number("SELECT count(late) FROM items"), 5_750);
    assert_eq!(database.number("SELECT (sum(value) * 2)::bigint FROM items"), 8_500 + 17_250);
    for worker in workers {
        soon(worker.stop()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_needs_no_queue() {
    let (api, database) = (Api::start(2_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    let pool = all.api.clone().builder().unwrap().build().unwrap();
    let dispatcher = Arc::new(InProcess::new());
    let settings = database.settings();
    let worker = Worker::dispatched(settings.clone(), all.clone(), pool, dispatcher);
    let worker = worker.await.unwrap();
    let cluster = Cluster::connect(&settings).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (2_000, 2_000));
    soon(worker.stop()).await;
}

/// What it had in hand was known as taken for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_without_a_queue_was_doing_when_it_was_dropped_is_done_by_the_next_one() {
    let (api, database) = (Api::start(20_000, Duration::from_millis(60)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let dispatcher = Arc::new(InProcess::new());
    let start = || {
        let pool = all.api.clone().builder().unwrap().build().unwrap();
        Worker::dispatched(database.settings(), all.clone(), pool, dispatcher.clone())
    };
    let first = start().await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let taken = "SELECT count(*) FROM _apipool_unit WHERE is_part AND owner IS NOT NULL";
    database.reaches(taken, 1).await;
    drop(first);
    let second = start().await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (20_000, 20_000));
    soon(second.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_divided_is_run_whole() {
    let (api, database) = (Api::start(1_000, QUICK), Database::new());
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("{{ sqlite: \"{}\" }}", folder.path().join("a.db").display());
    for all in [
        description(&api, &database.url, "write: replace"),
        described(&api, &sink, "write: append", ""),
    ] {
        let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
        let cluster = Cluster::connect(&database.settings()).await.unwrap();
        let run = cluster.begin(&all, "copy").await.unwrap();
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        let report = Job::new(&all, "copy").unwrap().last_run().await.unwrap().unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.streams[0].counts.written, 1_000);
        soon(worker.stop()).await;
    }
    assert_eq!(database.rows(), (1_000, 1_000));
}

/// riverqueue/river#342: what one process does not know is left to those that do.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_the_jobs_that_it_does_not_know_to_others() {
    let (api, database) = (Api::start(1_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    let mut none = all.clone();
    none.jobs.clear();
    let ignorant = Worker::start(database.patient(), none).await.unwrap();
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let knowing = Worker::start(database.patient(), all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (1_000, 1_000));
    assert_eq!(database.number("SELECT max(epoch) FROM _apipool_unit"), 1);
    soon(ignorant.stop()).await;
    soon(knowing.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_replaced() {
    let (api, database) = (Api::start(20_000, Duration::from_millis(60)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let first = child::start(&api, &database);
    let run = cluster.begin(&all, "copy").await.unwrap();
    soon(async {
        while database.number("SELECT coalesce(sum(rows), 0)::bigint FROM _apipool_unit") == 0 {
            tokio::time::sleep(QUICK).await;
        }
    })
    .await;
    // Killed, with units that are claimed.
    drop(first);
    let _second = child::start(&api, &database);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (20_000, 20_000));
    assert!(database.number("SELECT max(epoch) FROM _apipool_unit WHERE is_part") > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_kills_whoever_reads_it_is_set_aside_and_the_rest_is_read() {
    let (api, database) = (Api::start(5_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    api.poison(25, 1_000);
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let ended = soon(async {
        let mut workers = [child::start(&api, &database), child::start(&api, &database)];
        loop {
            let ended = tokio::time::timeout(Duration::from_millis(100), cluster.ended(run)).await;
            if let Ok(ended) = ended {
                return ended.unwrap();
            }
            for worker in &mut workers {
                if !worker.is_running() {
                    *worker = child::start(&api, &database);
                }
            }
        }
    })
    .await;
    assert_eq!(ended, Some(RunState::Failed));
    let rows = database.rows();
    assert_eq!(rows.0, rows.1);
    // Nine parts of ten pages that are whole, and pages 21 to 24 at most of the other one.
    assert!((4_000..=4_400).contains(&rows.0), "{rows:?}");
    let overview = cluster.overview().await.unwrap();
    let error = overview.runs[0].streams[0].error.clone().unwrap();
    assert!(error.contains("1 of 5 parts failed: pages 21-30: gave up"), "{error}");

    // The next run goes on with what is missing.
    api.poison(25, 0);
    let _worker = child::start(&api, &database);
    assert_eq!(cluster.begin(&all, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (5_000, 5_000));
}
