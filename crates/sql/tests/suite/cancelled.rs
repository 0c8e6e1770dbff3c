//! Queries that end before their last page.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;
use vantage_api_sql::ApiSession;

use crate::{
    support::Pages,
    world::{ITEMS, World, rows, try_rows},
};

/// A world of 100 pages of 7 rows, the seventh and later of which are not answered, and a session
/// that reads ahead.
fn held() -> (World, ApiSession) {
    let world = World::of(Pages::Numbered, 700, 7);
    let session = world.session(Pages::Numbered, "", "prefetch: 8");
    world.items.hold_from("items", 7);
    (world, session)
}

/// The requests that are not answered stop, and not since they were given up: that would take longer
/// than is waited for here.
async fn assert_stops(world: &World) {
    world.items.wait_until_open(false).await;
    // The pool goes on.
    world.items.release("items");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_dropped_stops_every_request() {
    let world = World::of(Pages::Numbered, 700, 7);
    let session = world.session(Pages::Numbered, "", "prefetch: 4");
    let query = session.sql("SELECT id FROM items").await.unwrap();
    let mut stream = query.execute_stream().await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    world.items.hold("items");
    let reading = tokio::spawn(async move { while stream.next().await.is_some() {} });
    world.items.wait_until_open(true).await;
    reading.abort();
    world.items.wait_until_open(false).await;
    // The pool goes on.
    world.items.release("items");
    assert_eq!(rows(&session, "SELECT id FROM items").await.len(), 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_that_is_given_up_stops_every_request() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    world.items.hold("items");
    let query = {
        let session = session.clone();
        tokio::spawn(
            async move { rows(&session, "SELECT t, count(*) FROM items GROUP BY t").await },
        )
    };
    world.items.wait_until_open(true).await;
    query.abort();
    world.items.wait_until_open(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_rows_come_before_the_last_page() {
    let world = World::of(Pages::Numbered, 700, 7);
    let session = world.session(Pages::Numbered, "", "prefetch: 1");
    let query = session.sql("SELECT id FROM items").await.unwrap();
    let mut stream = query.execute_stream().await.unwrap();
    let first = timeout(Duration::from_secs(60), stream.next()).await.unwrap();
    assert!(first.unwrap().unwrap().num_rows() > 0);
    assert!(world.items.asked().len() < 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_outlives_its_query_keeps_no_request_alive() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    let plan = session.sql("SELECT id FROM items").await.unwrap().create_physical_plan().await;
    let plan = plan.unwrap();
    world.items.hold("items");
    let streams = (0..plan.properties().partitioning.partition_count())
        .map(|partition| plan.execute(partition, session.context().task_ctx()).unwrap());
    let mut streams: Vec<_> = streams.collect();
    let first = streams.remove(0);
    let reading = tokio::spawn(async move { first.collect::<Vec<_>>().await });
    world.items.wait_until_open(true).await;
    reading.abort();
    drop(streams);
    world.items.wait_until_open(false).await;
    world.items.release("items");
    drop(plan);
    assert_eq!(rows(&session, "SELECT id FROM items").await.len(), ITEMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_reached_stops_the_pages_that_were_read_ahead() {
    let (world, session) = held();
    // More pages than are read one by one.
    assert_eq!(rows(&session, "SELECT id FROM items LIMIT 42").await.len(), 42);
    assert_stops(&world).await;
    assert_eq!(rows(&session, "SELECT id FROM items").await.len(), 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_stops_the_pages_behind_it() {
    let (world, session) = held();
    world.items.fail("items", 6, usize::MAX);
    let error = try_rows(&session, "SELECT count(*) FROM items").await.unwrap_err().to_string();
    assert!(error.contains("page 6"), "{error}");
    assert_stops(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_of_a_union_that_fails_stops_the_other() {
    let (world, session) = held();
    world.groups.fail("groups", 2, usize::MAX);
    let both = "SELECT id FROM items UNION ALL SELECT id FROM other.groups";
    let error = try_rows(&session, both).await.unwrap_err().to_string();
    assert!(error.contains("`groups`") && error.contains("page 2"), "{error}");
    assert_stops(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_does_not_fit_stops_the_pages_behind_it() {
    let (world, session) = held();
    let mut odd = world.items.rows("items");
    odd[37]["n"] = "none".into();
    world.items.put("items", odd);
    let error = try_rows(&session, "SELECT sum(n) FROM items").await.unwrap_err().to_string();
    assert!(error.contains("page 6") && error.contains("`n`"), "{error}");
    assert_stops(&world).await;
}
