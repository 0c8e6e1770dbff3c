//! Workers that are lost, and queries that are given up.
//!
//! Read for it: datafusion-distributed#575 and #640 (no retry), ravel#1684 (a worker that is known and
//! dead fails every query), ClickHouse#66791 (a server that is killed looks like the end of a stream),
//! trino#2909 (run again only what failed by a worker), trino#9341 (300 s of attempts), ballista#1908
//! (a plan that cannot be decoded taken for a lost executor), ballista#2029 and #2212 (all executors
//! lost, and the client waits), ballista#2063 (tasks of a cancelled stage go on).

use std::time::{Duration, Instant};

use futures::StreamExt;

use crate::{
    process::WorkerProcess,
    support::Pages,
    world::{PAGE, World, bounded, rows, try_rows},
};

const SUMS: &str = "SELECT t, count(*), sum(n), sum(id) FROM items GROUP BY t";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_before_the_first_row_costs_one_retry() {
    for workers in [2, 3] {
        let mut world = World::new(Pages::Numbered, workers, 30 * PAGE);
        let session = world.session();
        world.apis[0].hold("items");
        let query = tokio::spawn(async move { rows(&session, SUMS).await });
        world.apis[0].wait_until_open(true).await;
        world.workers[0].kill();
        let found = bounded(query).await.unwrap();
        let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
        assert_eq!(found, rows(&world.alone(), SUMS).await);
        // With two workers less one, the session reads the pages itself.
        let expected = if workers == 2 { 31 } else { 2 };
        assert_eq!(asked[0], expected, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_after_the_first_row_is_named() {
    let mut world = World::new(Pages::Numbered, 2, 30 * PAGE);
    let session = world.session();
    world.apis.iter().for_each(|api| api.hold("items"));
    let query = session.sql("SELECT id FROM items").await.unwrap();
    let mut stream = query.execute_stream().await.unwrap();
    // The rows of the first page are there already.
    let first = bounded(stream.next()).await.unwrap().unwrap();
    assert!(first.num_rows() > 0);
    world.apis[0].wait_until_open(true).await;
    let lost = world.workers[0].url().to_owned();
    world.workers[0].kill();
    let error = loop {
        match bounded(stream.next()).await.expect("rows are missing, and no error says so") {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("was lost after the query had handed out"), "{error}");
    assert!(error.contains(&lost), "{error}");
    world.apis[1].wait_until_open(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_dead_before_a_query_gets_nothing_of_it() {
    let mut world = World::new(Pages::Numbered, 3, 30 * PAGE);
    let session = world.session();
    world.workers[1].kill();
    let found = rows(&session, SUMS).await;
    let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
    assert_eq!((asked[0], asked[1] + asked[3]), (1, 29), "{asked:?}");
    assert_eq!(found, rows(&world.alone(), SUMS).await);
    world.workers.iter_mut().for_each(WorkerProcess::kill);
    let error = try_rows(&session, SUMS).await.unwrap_err().to_string();
    assert!(error.contains("none answers") && error.contains(world.workers[2].url()), "{error}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_says_nothing_any_more_is_given_up() {
    let world = World::new(Pages::Numbered, 3, 30 * PAGE);
    let session = world.session();
    world.apis[0].hold("items");
    let query = tokio::spawn(async move { rows(&session, SUMS).await });
    world.apis[0].wait_until_open(true).await;
    world.workers[0].freeze();
    assert_eq!(bounded(query).await.unwrap(), rows(&world.alone(), SUMS).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_given_up_stops_the_requests_of_all_workers() {
    for sql in [SUMS, "SELECT id FROM items"] {
        let world = World::new(Pages::Numbered, 2, 30 * PAGE);
        let session = world.session();
        world.apis.iter().for_each(|api| api.hold_from("items", 4));
        let query = {
            let session = session.clone();
            tokio::spawn(async move { rows(&session, sql).await })
        };
        for api in &world.apis {
            api.wait_until_open(true).await;
        }
        query.abort();
        let given_up = Instant::now();
        for api in &world.apis {
            api.wait_until_open(false).await;
        }
        // Within milliseconds, and not when the requests are too old after 30 seconds.
        let lasted = given_up.elapsed();
        assert!(lasted < Duration::from_secs(20), "{sql}: requests went on for {lasted:?}");
        // The workers go on.
        world.apis.iter().for_each(|api| api.release("items"));
        assert_eq!(rows(&session, "SELECT count(id) FROM items").await, ["150"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_is_named_and_is_no_lost_worker() {
    let world = World::new(Pages::Numbered, 2, 30 * PAGE);
    for api in &world.apis {
        api.fail("items", 30, usize::MAX);
    }
    let error = try_rows(&world.session(), SUMS).await.unwrap_err().to_string();
    assert!(error.contains("`items`") && error.contains("page 30"), "{error}");
    assert_eq!(world.own.asked().len(), 1, "the query was run again");
}
