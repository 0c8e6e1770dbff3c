//! Processes that are killed or frozen.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    child::Worked,
    file::{Files, MOST_STARTS, soon},
};

const SLOW: Duration = Duration::from_millis(60);
const STREAM: &str = "write: append";

/// Whoever has the stream.
async fn owner(files: &Files, workers: [Worked; 2]) -> (Worked, Worked) {
    files.reaches("SELECT count(owner) FROM _apipool_unit", 1).await;
    let sql =
        format!("SELECT count(*) FROM _apipool_unit WHERE owner LIKE '{}'", workers[0].named());
    let is_first = files.number(&sql) > 0;
    let [one, other] = workers;
    if is_first { (one, other) } else { (other, one) }
}

/// elitan/velo#51, schmittjoh/JMSJobQueueBundle#258: what was running when its process died was stuck.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_that_is_killed_had_goes_to_the_other_one_and_each_row_is_there_once() {
    let (api, files) = (Api::start(10_000, SLOW), Files::new());
    let all = files.description(&api, STREAM, "");
    let workers = [Worked::start(&files, &api, STREAM), Worked::start(&files, &api, STREAM)];
    files.reaches_workers(2).await;
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    files.rows_reach(1).await;
    let (owner, _other) = owner(&files, workers).await;
    drop(owner);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (10_000, 10_000));
    // From its last commit on.
    assert!(api.requests() < 2 * 100, "{} pages of 100 were asked for", api.requests());
}

/// apalis-dev/apalis#530, payloadcms/payload#17220.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_frozen_writes_nothing_once_another_one_has_what_it_had() {
    let (api, files) = (Api::start(10_000, SLOW), Files::new());
    let all = files.description(&api, STREAM, "");
    let workers = [Worked::start(&files, &api, STREAM), Worked::start(&files, &api, STREAM)];
    files.reaches_workers(2).await;
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    files.rows_reach(1).await;
    let (frozen, other) = owner(&files, workers).await;
    freeze(&files, &frozen).await;
    let taken = format!(
        "SELECT count(*) FROM _apipool_unit WHERE owner LIKE '{}' AND epoch > 1",
        other.named()
    );
    files.reaches(&taken, 1).await;
    let before = files.rows().0;
    files.rows_reach(before + 1).await;
    frozen.signal(libc::SIGCONT);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (10_000, 10_000));
    // It works on.
    drop(other);
    let again = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(again)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (20_000, 10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_killed_and_the_next_ones_go_on_with_the_same_file() {
    let (api, files) = (Api::start(6_000, SLOW), Files::new());
    let all = files.description(&api, STREAM, "");
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let mut committed = 0;
    for _ in 0..3 {
        let _killed = Worked::start(&files, &api, STREAM);
        files.rows_reach(committed + 1).await;
        committed = files.rows().0;
    }
    let worker = Worker::start(files.settings(), all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (6_000, 6_000));
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_kills_whoever_reads_it_is_set_aside_and_the_others_are_read() {
    let (api, files) = (Api::start(1_000, Duration::from_millis(5)), Files::new());
    let poison = Api::start(1_000, Duration::from_millis(5));
    // Whoever asks for it, however often.
    poison.poison(1, u32::MAX);
    let settings = [(MOST_STARTS, "2")];
    let start = |job: &str| Worked::start_with(&files, &poison, STREAM, job, &settings);
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let all = files.description(&poison, STREAM, "");
    let run = cluster.begin(&all, "copy").await.unwrap();
    let mut worker = start("");
    soon(async {
        while cluster.overview().await.unwrap().runs[0].state == RunState::Running {
            if !worker.is_running() {
                worker = start("");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let overview = cluster.overview().await.unwrap();
    assert_eq!(overview.runs[0].state, RunState::Failed);
    let error = overview.runs[0].streams[0].error.clone().unwrap();
    assert!(error.contains("gave up: it was started 2 times"), "{error}");
    assert_eq!(cluster.ended(run).await.unwrap(), Some(RunState::Failed));
    // The process that set it aside works on: the job reads another API by now.
    drop(worker);
    let worker =
        Worker::start(files.settings(), files.description(&api, STREAM, "")).await.unwrap();
    assert_eq!(cluster.begin(&all, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (1_000, 1_000));
    soon(worker.stop()).await;
}

/// Freezes a process that is not in the midst of writing: the file would be locked until it goes on.
async fn freeze(files: &Files, worker: &Worked) {
    let is_free = |name: &str| {
        let file = files.open(name);
        file.busy_timeout(Duration::from_secs(5)).unwrap();
        file.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
    };
    soon(async {
        loop {
            worker.signal(libc::SIGSTOP);
            if is_free("cluster.db") && is_free("rows.db") {
                return;
            }
            worker.signal(libc::SIGCONT);
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    })
    .await;
}

impl Files {
    async fn reaches_workers(&self, least: i64) {
        // The file is made by the first of them.
        soon(async {
            while !self.path("cluster.db").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let there = "SELECT count(*) FROM sqlite_schema WHERE name = '_apipool_worker'";
        self.reaches(there, 1).await;
        self.reaches("SELECT count(*) FROM _apipool_worker", least).await;
    }
}
