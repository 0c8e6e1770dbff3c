//! Streams that fail, beside others that do not.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    database::{AND_GONE, Database, described, description, soon},
};

const QUICK: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_always_fails_does_not_keep_the_others_from_being_read_again() {
    let (api, database) = (Api::start(2_000, QUICK), Database::new());
    let sink = format!("{{ postgres: \"{}\" }}", database.url);
    let all = described(&api, &sink, AND_GONE, "every: 1s");
    let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
    database.reaches("SELECT count(*) FROM _apipool_run WHERE state = 'failed'", 1).await;
    database.reaches("SELECT count(*) FROM items", 6_000).await;
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_without_the_streams_that_the_job_does_not_have_any_more() {
    let (api, database) = (Api::start(2_000, QUICK), Database::new());
    let both = description(&api, &database.url, AND_GONE);
    let worker = Worker::start(database.settings(), both.clone()).await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&both, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Failed));
    let one = description(&api, &database.url, "write: append");
    assert_eq!(cluster.begin(&one, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    // What was done is not done again.
    assert_eq!(database.rows(), (2_000, 2_000));
    soon(worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_stops_the_others_if_the_job_says_so() {
    let (api, database) = (Api::start(120_000, Duration::from_millis(60)), Database::new());
    let sink = format!("{{ postgres: \"{}\" }}", database.url);
    let all = described(&api, &sink, AND_GONE, "on_error: stop");
    let worker = Worker::start(database.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Failed));
    let overview = cluster.overview().await.unwrap();
    let items = overview.runs[0].streams.iter().find(|stream| stream.stream == "items").unwrap();
    let error = items.error.clone().unwrap();
    assert!(error.contains("stopped, since another stream has failed"), "{error}");
    assert!(api.requests() < 1_200, "{} pages of 1200 were asked for", api.requests());
    soon(worker.stop()).await;
}
