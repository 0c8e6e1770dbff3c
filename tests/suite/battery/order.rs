//! Order: each row comes once and in its place, whatever the size of the set, however many pages are
//! fetched ahead, and in whatever order and condition the replies arrive.

use vantage_api_pool::{ErrorKind, paging::ReadMode};

use super::{
    CAP, COUNT, Fate, Hold, ids, of_each, read,
    ways::{Kind, Way, rows, ways},
};

/// Whether what came is the set, or, where a way is decided by the first page, that it was not.
fn assert_whole(
    way: &Way,
    what: &str,
    count: usize,
    (read, error): (Vec<serde_json::Value>, Option<vantage_api_pool::Error>),
) {
    let name = way.name;
    match error {
        // One page that says nothing about another is no evidence.
        Some(error) if way.is_decided && count <= CAP => {
            assert_eq!(error.kind(), ErrorKind::PaginationMissing, "{name}, {what}: {error}");
            assert!(read.is_empty(), "{name}, {what}");
        }
        Some(error) => panic!("{name}, {what}: {error} after {:?}", ids(&read)),
        None => assert_eq!(ids(&read), ids(&rows(count)), "{name}, {what}"),
    }
}

#[tokio::test]
async fn each_row_comes_once_and_in_order_whatever_the_size_of_the_set() {
    of_each(ways(), async |way| {
        for (count, prefetch) in [(0, 1), (1, 4), (9, 1), (10, 4), (11, 3), (20, 1), (COUNT, 4)] {
            let hold = Hold::Some(count as u64);
            let server = way.plan(count, CAP).holding(hold).start();
            let whole = read(way.read(&server.url(), CAP).prefetch(prefetch)).await;
            assert_whole(&way, &format!("{count} rows, {prefetch} ahead"), count, whole);
        }
    })
    .await;
}

#[tokio::test]
async fn each_row_comes_once_in_every_mode() {
    let modes = [ReadMode::Overlap, ReadMode::Sequential, ReadMode::DedicatedThread];
    of_each(ways(), async |way| {
        let mode = modes[way.name.len() % modes.len()];
        let server = way.plan(COUNT, 6).start();
        let whole = read(way.read(&server.url(), 6).mode(mode).prefetch(3)).await;
        assert_whole(&way, &format!("{mode:?}"), COUNT, whole);
    })
    .await;
}

/// Each page but the first and the last one waits for a later one to be asked for.
#[tokio::test]
async fn replies_in_reverse_order_are_put_in_order() {
    of_each(ways().into_iter().filter(|way| way.kind == Kind::Computed), async |way| {
        let hold = Hold::UntilLater { last: 30 };
        let server = way.plan(COUNT, 5).holding(hold).start();
        let whole = read(way.read(&server.url(), 5).prefetch(4)).await;
        assert_whole(&way, "in reverse order", COUNT, whole);
    })
    .await;
}

/// A size that the API does not grant changes where pages begin.
#[tokio::test]
async fn a_size_that_is_not_granted_leaves_no_gap() {
    of_each(ways().into_iter().filter(|way| !way.has_ties), async |way| {
        for asked in [3, 100] {
            let server = way.plan(COUNT, 7).start();
            let whole = read(way.read(&server.url(), asked).prefetch(3)).await;
            assert_whole(&way, &format!("{asked} a page"), COUNT, whole);
        }
    })
    .await;
}

/// Each third request fails in some way. What may have made a job is not sent again.
#[tokio::test]
async fn replies_that_fail_or_break_off_are_asked_for_again() {
    of_each(ways(), async |way| {
        let makes_a_job = way.kind == Kind::Job;
        let mut requests = 0;
        let fates = move |asked: &super::server::Asked, _| {
            requests += 1;
            match requests % 9 {
                _ if makes_a_job && asked.method == "POST" => Fate::Whole,
                2 => Fate::Busy,
                5 => Fate::Cut,
                8 => Fate::Reset,
                _ => Fate::Whole,
            }
        };
        let server = way.plan(COUNT, 6).breaking(fates).start();
        let whole = read(way.read(&server.url(), 6).prefetch(3)).await;
        assert_whole(&way, "with failures", COUNT, whole);
    })
    .await;
}
