//! Cancellation: a read that is dropped ends what it has under way and asks for nothing more.

use futures::StreamExt;
use vantage_api_pool::{AwwPool, paging::ReadMode};

use super::{
    CAP, COUNT, Hold, Server, barrier, of_each,
    ways::{Kind, Way, pool, ways},
};

const AHEAD: usize = 3;

/// Drops a read when it waits for a reply.
async fn dropped(way: &Way, mode: ReadMode, pool: &AwwPool, server: &Server) {
    let mut stream = way.read_in(pool, CAP).prefetch(AHEAD).mode(mode);
    let reading = async { while stream.next().await.is_some() {} };
    tokio::select! {
        () = reading => panic!("{}: it has ended", way.name),
        () = server.wait_for("a reply that waits", |seen| seen.held > 0) => {}
    }
}

/// Whether what a dropped read had under way has ended, and nothing came after it.
async fn assert_over(way: &Way, what: &str, pool: &AwwPool, server: &Server) {
    server.wait_for("the end of what was under way", |seen| seen.held == 0).await;
    barrier(pool).await;
    server.wait_for("the end of what was under way", |seen| seen.held == 0).await;
    let before = server.traffic();
    let name = way.name;
    assert!(before.aborted >= 1, "{name}, {what}: {before:?}");
    assert!(before.aborted <= AHEAD, "{name}, {what}: {before:?}");
    server.let_go();
    barrier(pool).await;
    assert_eq!(server.traffic().requests, before.requests, "{name}, {what}: {before:?}");
}

#[tokio::test]
async fn a_read_that_is_dropped_at_any_of_its_requests_asks_for_no_more() {
    of_each(ways(), async |way| {
        let requests = match way.kind {
            Kind::Once => 1,
            _ => 3,
        };
        let modes = [ReadMode::Parallel, ReadMode::DedicatedThread, ReadMode::Sequential];
        for (request, mode) in (0..requests).zip(modes) {
            let server = way.plan(COUNT, CAP).holding(Hold::AfterRequests(request)).start();
            let pool = pool(&server.url());
            dropped(&way, mode, &pool, &server).await;
            assert_over(&way, &format!("request {request}, {mode:?}"), &pool, &server).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_that_is_dropped_among_its_rows_asks_for_no_more() {
    of_each(ways(), async |way| {
        let has_one = way.kind == Kind::Once || way.name.contains("last answer");
        let hold = Hold::From(if has_one { 0 } else { 20 });
        let server = way.plan(COUNT, CAP).holding(hold).start();
        let pool = pool(&server.url());
        dropped(&way, ReadMode::Parallel, &pool, &server).await;
        assert_over(&way, "among its rows", &pool, &server).await;
    })
    .await;
}

/// The room that a read had is free for others at once.
#[tokio::test]
async fn reads_that_are_dropped_leave_room_for_others() {
    of_each(ways().into_iter().filter(|way| way.kind == Kind::Computed), async |way| {
        let server = way.plan(COUNT, 5).holding(Hold::From(10)).start();
        let pool = AwwPool::builder(server.url()).workers(1).connections_per_worker(2);
        let pool = pool.build().unwrap();
        for _ in 0..3 {
            dropped(&way, ReadMode::Parallel, &pool, &server).await;
        }
        server.let_go();
        let (read, error) = super::read(way.read_in(&pool, 5)).await;
        assert!(error.is_none(), "{}: {error:?}", way.name);
        assert_eq!(read.len(), COUNT, "{}", way.name);
    })
    .await;
}
