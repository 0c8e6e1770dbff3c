//! Queries that stay in the session's own process.

use crate::{
    support::Pages,
    world::{World, rows},
};

async fn assert_kept(world: &World, sql: &str) {
    let session = world.session();
    let found = rows(&session, sql).await;
    let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
    assert_eq!(asked[1..].iter().sum::<usize>(), 0, "{sql}: {asked:?}");
    let alone = rows(&world.alone(), sql).await;
    assert_eq!(found, alone, "{sql}");
    assert_eq!(asked[0], world.own.asked().len(), "{sql}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_whose_pages_are_not_counted_are_read_by_one_process() {
    for pages in [Pages::Cursor, Pages::NextUrl, Pages::Link, Pages::None] {
        let world = World::new(pages, 2, 43);
        assert_kept(&world, "SELECT t, count(*) FROM items GROUP BY t").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_page_without_a_total_is_not_requested_twice() {
    let world = World::new(Pages::Unnumbered, 2, 43);
    let (session, sql) = (world.session(), "SELECT count(id), sum(n) FROM items");
    let found = rows(&session, sql).await;
    let asked = world.asked();
    let firsts = asked.iter().flatten().filter(|target| {
        let pairs = target.split(['?', '&']);
        pairs.into_iter().any(|pair| pair == "page=1")
    });
    assert_eq!(firsts.count(), 1, "{asked:?}");
    assert_eq!(found, rows(&world.alone(), sql).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_a_scan_joins_by_keys_and_columns_that_are_not_declared_stay() {
    let world = World::new(Pages::Numbered, 2, 43);
    assert_kept(&world, "SELECT count(*) FROM (SELECT id FROM items LIMIT 3)").await;
    for sql in [
        "SELECT count(*) FROM items JOIN (SELECT DISTINCT t FROM items WHERE id < 3) AS few USING (t)",
        "SELECT count(*) FROM items a JOIN undeclared b ON a.id = b.id",
    ] {
        let session = world.session();
        let found = rows(&session, sql).await;
        let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
        assert_eq!(asked[1..], [0, 0], "{sql}");
        assert_eq!(found, rows(&world.alone(), sql).await, "{sql}");
        world.asked();
    }
}
