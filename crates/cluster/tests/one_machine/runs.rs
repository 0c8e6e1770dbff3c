//! Whole runs.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use vantage_api_cluster::{Cluster, Observer, RunState, Worker, dispatch::InProcess};
use vantage_api_ingest::Job;

use crate::{
    api::Api,
    file::{Files, soon},
};

const QUICK: Duration = Duration::from_millis(2);

/// Of a stream of items: others follow, which write tables of their own.
const AND_OTHERS: &str = "write: append }, { table: items, name: second, write: append },
      { table: items, name: third, write: append";

/// Of a stream of items: another one follows, which fails.
const AND_GONE: &str = "write: append }, { table: gone, write: append";

/// agronholm/apscheduler#959, coleifer/huey#123: with SQLite every worker ran every job.
#[tokio::test(flavor = "multi_thread")]
async fn two_workers_copy_each_row_once_in_whole_streams() {
    let (api, files) = (Api::start(1_950, QUICK), Files::new());
    let all = files.description(&api, AND_OTHERS, "");
    let workers = [
        Worker::start(files.patient(), all.clone()).await.unwrap(),
        Worker::start(files.patient(), all.clone()).await.unwrap(),
    ];
    let cluster = Cluster::connect(&files.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (1_950, 1_950));
    // Each page of each stream once.
    assert_eq!(api.requests(), 3 * 20);

    let observer = Observer::new(files.url()).unwrap();
    let overview = observer.overview().await.unwrap();
    assert_eq!(overview.workers.len(), 2);
    assert!(overview.workers.iter().all(|worker| worker.is_alive && worker.slots == 4));
    let run_view = &overview.runs[0];
    assert_eq!((run_view.id, run_view.cap, run_view.state), (run, None, RunState::Complete));
    let names: Vec<&str> = run_view.streams.iter().map(|stream| stream.stream.as_str()).collect();
    assert_eq!(names, ["items", "second", "third"]);
    for stream in &run_view.streams {
        assert_eq!((stream.units, stream.done, stream.running, stream.failed), (1, 1, 0, 0));
        assert_eq!((stream.pages, stream.rows), (20, 1_950));
        assert_eq!(stream.error, None);
    }
    let report = Job::new(&all, "copy").unwrap().last_run().await.unwrap().unwrap();
    assert!(report.is_complete(), "{report}");

    // The next run is another one.
    let again = cluster.begin(&all, "copy").await.unwrap();
    assert_ne!(again, run);
    assert_eq!(soon(cluster.ended(again)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (3_900, 1_950));
    for worker in workers {
        soon(worker.stop()).await;
    }
    assert!(cluster.overview().await.unwrap().workers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_going_on_is_told_in_the_same_shape_as_by_postgresql() {
    let (api, files) = (Api::start(20_000, Duration::from_millis(50)), Files::new());
    let all = files.description(&api, "write: append", "");
    let worker = Worker::start(files.patient(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.patient()).await.unwrap();
    cluster.begin(&all, "copy").await.unwrap();
    cluster.cap("copy", Some(3)).await.unwrap();
    files.reaches("SELECT coalesce(sum(rows), 0) FROM _apipool_unit", 1).await;
    let overview = cluster.overview().await.unwrap();
    let text = serde_json::to_value(&overview).unwrap();
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let expected = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let worker_view = &text["workers"][0];
    assert_eq!(keys(worker_view), expected("name age silent is_alive slots units"));
    assert_eq!(keys(&worker_view["units"][0]), expected("job stream part since pages rows"));
    assert_eq!(keys(&text["runs"][0]), expected("id job state took cap streams"));
    let stream = &text["runs"][0]["streams"][0];
    assert_eq!(keys(stream), expected("stream units done running failed pages rows error remarks"));
    let unit = &overview.workers[0].units[0];
    assert_eq!(
        (unit.job.as_str(), unit.stream.as_str(), unit.part.as_str()),
        ("copy", "items", "")
    );
    assert!(unit.since >= 0.0 && unit.rows > 0 && unit.pages > 0);
    let run = &overview.runs[0];
    assert_eq!((run.state, run.cap, run.streams[0].running), (RunState::Running, Some(3), 1));
    assert!(run.took >= 0.0 && overview.workers[0].age >= 0.0);
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_needs_no_queue() {
    let (api, files) = (Api::start(2_000, QUICK), Files::new());
    let all = files.description(&api, "write: append", "");
    let pool = all.api.clone().builder().unwrap().build().unwrap();
    let dispatcher = Arc::new(InProcess::new());
    let worker = Worker::dispatched(files.settings(), all.clone(), pool, dispatcher);
    let worker = worker.await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (2_000, 2_000));
    soon(worker.stop()).await;
}

/// The rows and the cluster in one file, which both write.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_cluster_may_be_that_of_the_rows() {
    let (api, files) = (Api::start(3_000, QUICK), Files::new());
    let file = files.path("cluster.db").display().to_string();
    let all = crate::file::described(&api.base_url(), &file, "write: merge", "");
    let worker = Worker::start(files.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.number("SELECT count(*) FROM items"), 3_000);
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_is_told_of_and_what_is_done_is_not_done_again() {
    let (api, files) = (Api::start(2_000, QUICK), Files::new());
    let both = files.description(&api, AND_GONE, "");
    let worker = Worker::start(files.settings(), both.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&both, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Failed));
    let overview = cluster.overview().await.unwrap();
    let gone = overview.runs[0].streams.iter().find(|stream| stream.stream == "gone").unwrap();
    assert!(gone.error.as_deref().is_some_and(|error| error.contains("404")), "{gone:?}");
    // The job does not have it any more.
    let one = files.description(&api, "write: append", "");
    assert_eq!(cluster.begin(&one, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (2_000, 2_000));
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_stops_the_others_if_the_job_says_so() {
    let (api, files) = (Api::start(120_000, Duration::from_millis(60)), Files::new());
    let all = files.description(&api, AND_GONE, "on_error: stop");
    let worker = Worker::start(files.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Failed));
    let overview = cluster.overview().await.unwrap();
    let items = overview.runs[0].streams.iter().find(|stream| stream.stream == "items").unwrap();
    let error = items.error.clone().unwrap();
    assert!(error.contains("stopped, since another stream has failed"), "{error}");
    soon(worker.stop()).await;
}
