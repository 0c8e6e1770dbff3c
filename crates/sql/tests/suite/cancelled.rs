//! Queries that end before their last page.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;

use crate::{
    support::Pages,
    world::{ITEMS, World, rows},
};

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
