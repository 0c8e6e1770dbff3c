//! What the fence is for: a part that two processes write at a time.

use std::time::Duration;

use vantage_api_ingest::{
    Job,
    parts::{Claim, Division, Part},
};

use crate::{
    api::Api,
    database::{Database, description, soon},
};

/// A table with the epoch of the part, as a cluster has it, and the statement with which commits begin.
fn claim(database: &Database, epoch: i64, is_fenced: bool) -> Claim {
    database.query(
        "CREATE TABLE IF NOT EXISTS part (id int PRIMARY KEY, epoch bigint, next text, done boolean)",
    );
    database.query("INSERT INTO part VALUES (1, 0, NULL, false) ON CONFLICT DO NOTHING");
    database.query(&format!("UPDATE part SET epoch = {epoch}"));
    let only = if is_fenced { format!(" AND epoch = {epoch} AND NOT done") } else { String::new() };
    let fence = format!("UPDATE part SET next = $1, done = $2 WHERE id = 1{only}");
    Claim { fence, next: database.query("SELECT next FROM part")[0].get(0) }
}

async fn divided(job: &Job) -> (u64, Vec<Part>) {
    match job.divide("items", 10).await.unwrap() {
        Division::Parts { run, parts } => (run, parts),
        other => panic!("{other:?}"),
    }
}

/// Two claims of the same part, of which the second one is later, write it at the same time.
async fn both_write(is_fenced: bool) -> (i64, i64) {
    let (api, database) = (Api::start(3_000, Duration::from_millis(100)), Database::new());
    let all = description(&api, &database.url, "write: append, prefetch: 1");
    let jobs = [Job::new(&all, "copy").unwrap(), Job::new(&all, "copy").unwrap()];
    let (run, parts) = divided(&jobs[0]).await;
    let frozen = claim(&database, 1, is_fenced);
    let mut progress = jobs[0].progress();
    let zombie = jobs[0].run_part("items", run, &parts[0], frozen);
    let successor = async {
        // The first one has written something.
        progress.recv().await.unwrap();
        let claim = claim(&database, 2, is_fenced);
        jobs[1].run_part("items", run, &parts[0], claim).await
    };
    let (zombie, successor) = soon(async { tokio::join!(zombie, successor) }).await;
    assert!(successor.unwrap().is_done);
    assert_eq!(zombie.is_err(), is_fenced, "{zombie:?}");
    database.rows()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_claimed_a_part_last_writes_it() {
    assert_eq!(both_write(true).await, (1_000, 1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fence_rows_are_doubled() {
    let (rows, different) = both_write(false).await;
    assert!(rows > different, "{rows} rows, {different} different ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_reset_is_not_written_by_its_parts_any_more() {
    let (api, database) = (Api::start(3_000, Duration::from_millis(5)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let job = Job::new(&all, "copy").unwrap();
    let (run, parts) = divided(&job).await;
    assert_eq!(parts.len(), 3);
    job.reset(None, true).await.unwrap();
    let error = job.run_part("items", run, &parts[0], claim(&database, 1, true)).await.unwrap_err();
    assert!(error.to_string().contains("has ended or was reset"), "{error}");
    assert!(job.end_parts("items", run, &[], None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_far_from_true_is_not_divided_into_more_parts_than_can_be_kept() {
    // The greatest whole number that JSON tells exactly.
    let (api, database) = (Api::in_pages((1 << 53) - 1, 1, Duration::ZERO), Database::new());
    let all = description(&api, &database.url, "write: append");
    let (_, parts) = divided(&Job::new(&all, "copy").unwrap()).await;
    assert!((2..=10_001).contains(&parts.len()), "{} parts", parts.len());
}
