//! What goes wrong with queues in SQLite files.

use std::time::Duration;

use futures::future::join_all;
use rusqlite::Connection;
use tokio::time::sleep;
use vantage_api_cluster::{Cluster, RunState, Worker};

use crate::{
    api::Api,
    file::{Files, PATIENCE, soon},
};

const QUICK: Duration = Duration::from_millis(2);

/// openai/codex#44474, ArnaudGuiovanna/tutor-mcp#126: the migrations of a new file were run by two at a time.
/// russellromney/honker#102: nobody waits for the file that becomes one with a write-ahead log.
#[tokio::test(flavor = "multi_thread")]
async fn many_make_a_new_file_at_the_same_time() {
    for _ in 0..5 {
        let files = Files::new();
        let settings = files.settings();
        let all = (0..8).map(|_| Cluster::connect(&settings));
        for connected in soon(join_all(all)).await {
            connected.unwrap();
        }
        assert_eq!(files.number("SELECT count(*) FROM _apipool_cluster"), 1);
        assert_eq!(text(&files.open("cluster.db"), "PRAGMA journal_mode"), "wal");
    }
}

/// rails/solid_queue#385, rails/solid_queue#309, coleifer/huey#445: a heartbeat, a push or a look failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_program_locks_for_seconds_is_waited_for() {
    let (api, files) = (Api::start(12_000, Duration::from_millis(30)), Files::new());
    let all = files.description(&api, "write: append", "");
    let settings = files.patient();
    let workers = [
        Worker::start(settings.clone(), all.clone()).await.unwrap(),
        Worker::start(settings.clone(), all.clone()).await.unwrap(),
    ];
    let cluster = Cluster::connect(&settings).await.unwrap();
    let foreign = files.open("cluster.db");
    let lock = |time: u64| {
        foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
        sleep(Duration::from_millis(time))
    };
    // It is begun while the file is locked.
    let held = lock(3_000);
    let (description, own) = (all.clone(), cluster);
    let begun = tokio::spawn(async move {
        let run = own.begin(&description, "copy").await;
        (run, own)
    });
    held.await;
    foreign.execute_batch("COMMIT").unwrap();
    let (run, cluster) = soon(begun).await.unwrap();
    let run = run.unwrap();
    files.rows_reach(1).await;
    for _ in 0..2 {
        lock(3_000).await;
        foreign.execute_batch("COMMIT").unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (12_000, 12_000));
    assert_eq!(files.number("SELECT max(epoch) FROM _apipool_unit"), 1, "begun once");
    for worker in workers {
        soon(worker.stop()).await;
    }
}

/// apalis-dev/apalis-sqlite#58: after a while no job was picked up any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_an_idle_while_is_picked_up_and_so_is_what_the_queue_has_lost() {
    let (api, files) = (Api::start(100, QUICK), Files::new());
    let all = files.description(&api, "write: append", "");
    let worker = Worker::start(files.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    for runs in 1..=3 {
        // Longer than the heartbeats after which one would be missed.
        let beats = "SELECT max(seen) / 1000000 FROM _apipool_worker";
        files.reaches(beats, files.number(beats) + 2).await;
        let run = cluster.begin(&all, "copy").await.unwrap();
        if runs == 2 {
            files.change("DELETE FROM Jobs WHERE status = 'Pending'");
        }
        if runs == 3 {
            // Others have begun with it, and are never heard of again.
            files.change("UPDATE Jobs SET lock_by = NULL WHERE lock_by IS NOT NULL");
            files.change("UPDATE Jobs SET status = 'Running' WHERE status = 'Pending'");
        }
        assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
        assert_eq!(files.rows(), (runs * 100, 100));
    }
    soon(worker.stop()).await;
}

/// coleifer/huey#253, transact-rs/sqlx#3430: what was said to be taken was taken by nobody, or by two.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_twice_and_of_what_is_no_more_do_nothing() {
    let (api, files) = (Api::start(3_000, Duration::from_millis(10)), Files::new());
    let all = files.description(&api, "write: append", "");
    let cluster = Cluster::connect(&files.patient()).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    let copy = |unit: i64, id: &str| {
        let sql = format!(
            "INSERT INTO Jobs SELECT CAST('{{\"unit\":{unit}}}' AS BLOB), '{id}', job_type, 'Pending', 0,
                 max_attempts, run_at, NULL, NULL, NULL, NULL, priority, metadata, '{unit}.{id}'
             FROM Jobs LIMIT 1"
        );
        files.change(&sql);
    };
    let unit = files.number("SELECT id FROM _apipool_unit");
    copy(unit, "01J00000000000000000000001");
    copy(unit, "01J00000000000000000000002");
    copy(unit + 1_000, "01J00000000000000000000003");
    let workers = [
        Worker::start(files.patient(), all.clone()).await.unwrap(),
        Worker::start(files.patient(), all.clone()).await.unwrap(),
    ];
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    files.reaches("SELECT count(*) FROM Jobs WHERE status = 'Done'", 4).await;
    assert_eq!(files.rows(), (3_000, 3_000));
    assert_eq!(files.number("SELECT epoch FROM _apipool_unit"), 1);
    for worker in workers {
        soon(worker.stop()).await;
    }
}

/// Its tables are dropped under a worker, which says so and works on once they are there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_errors_of_the_database() {
    let (api, files) = (Api::start(500, QUICK), Files::new());
    let all = files.description(&api, "write: append", "");
    let worker = Worker::start(files.settings(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    files.change("ALTER TABLE Jobs RENAME TO away");
    assert!(cluster.begin(&all, "copy").await.is_err());
    let beats = "SELECT max(seen) / 1000000 FROM _apipool_worker";
    files.reaches(beats, files.number(beats) + 2).await;
    files.change("ALTER TABLE away RENAME TO Jobs");
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (500, 500));
    soon(worker.stop()).await;
}

fn text(connection: &Connection, sql: &str) -> String {
    connection.busy_timeout(PATIENCE).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}
