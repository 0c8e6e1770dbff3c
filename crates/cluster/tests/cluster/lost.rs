//! What a process did and did not hear of.

use std::time::Duration;

use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    database::{Database, described, description, soon},
};

const QUICK: Duration = Duration::from_millis(5);

/// OpenFn/lightning#3565: the claim is in the database, and the claimant lives, but has not heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_given_back_by_a_worker_that_lives() {
    let (api, database) = (Api::start(1_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    let mut none = all.clone();
    none.jobs.clear();
    let cluster = Cluster::connect(&database.settings()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let first = Worker::start(database.patient(), none).await.unwrap();
    // As far as the table goes it has the unit, of which it has never heard.
    database.query(&format!(
        "UPDATE _apipool_unit SET owner = '{}', epoch = epoch + 1, starts = 1,
             since = now() - interval '1 minute'",
        first.name()
    ));
    let second = Worker::start(database.patient(), all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(database.rows(), (1_000, 1_000));
    soon(first.stop()).await;
    soon(second.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_cannot_be_read_is_set_aside_and_the_rest_is_read() {
    let (api, database) = (Api::start(5_000, QUICK), Database::new());
    let all = description(&api, &database.url, "write: append");
    let mut settings = database.patient();
    settings.max_starts = 1;
    let cluster = Cluster::connect(&settings).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    database.query(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.key = 'pages 21-30' THEN NEW.part := '{}'; END IF; RETURN NEW; END $$",
    );
    database.query(
        "CREATE TRIGGER spoil BEFORE INSERT ON _apipool_unit FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    let worker = Worker::start(settings, all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Failed));
    assert_eq!(database.rows(), (4_000, 4_000));
    let overview = cluster.overview().await.unwrap();
    let error = overview.runs[0].streams[0].error.clone().unwrap();
    assert!(error.contains("got no further; last: the tables of the cluster"), "{error}");
    soon(worker.stop()).await;
}

/// rails/solid_queue#748: all was done, but that it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_end_was_not_written_down_is_not_read_twice() {
    let (api, database) = (Api::start(1_000, QUICK), Database::new());
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = format!("{{ sqlite: \"{}\" }}", folder.path().join("a.db").display());
    for all in [
        // Too short for parts.
        description(&api, &database.url, "write: append"),
        described(&api, &elsewhere, "write: append", ""),
    ] {
        let cluster = Cluster::connect(&database.settings()).await.unwrap();
        let before = api.requests();
        let worker = Worker::start(database.patient(), all.clone()).await.unwrap();
        let run = cluster.begin(&all, "copy").await.unwrap();
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        soon(worker.stop()).await;
        let asked = api.requests() - before;

        // As if the process had ended between the last commit and the word of it.
        database.query(&format!("UPDATE _apipool_unit SET done = false WHERE run = {run}"));
        database.query(&format!(
            "UPDATE _apipool_run SET state = 'running', ended = NULL WHERE id = {run}"
        ));
        let worker = Worker::start(database.patient(), all.clone()).await.unwrap();
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        assert_eq!(api.requests() - before, asked);
        let rows = format!("SELECT rows FROM _apipool_unit WHERE run = {run} AND NOT is_part");
        assert_eq!(database.number(&rows), 1_000);

        // The next run is one.
        let next = cluster.begin(&all, "copy").await.unwrap();
        assert_ne!(next, run);
        assert_eq!(soon(cluster.ended(next)).await.unwrap(), Some(RunState::Complete));
        assert!(api.requests() - before > asked);
        soon(worker.stop()).await;
    }
    assert_eq!(database.rows(), (2_000, 1_000));
}
