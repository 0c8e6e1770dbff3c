//! Limits: a read takes no more than it may, asks for no page too many, and says which limit it was.

use std::time::Duration;

use futures::StreamExt;
use vantage_api_pool::{
    AwwPool, ErrorKind, PoolApi,
    paging::ReadMode,
    vantage::{Filtering, PoolTableExt},
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::{
    CAP, COUNT, Hold, Server, barrier, ids, of_each, read,
    ways::{Kind, Way, pool, rows, ways},
};
use crate::support::soon;

/// Whether no page was asked for that begins at this row or after it.
fn assert_none_from(way: &Way, what: &str, server: &Server, row: usize) {
    let pages = server.traffic().pages;
    let is_before = pages.iter().all(|page| *page < row.max(1));
    assert!(is_before, "{}, {what}: {pages:?}, none from {row} on", way.name);
}

#[tokio::test]
async fn a_limit_of_rows_ends_a_read_after_them() {
    of_each(ways(), async |way| {
        for most in [0, 7, 10, 23, COUNT] {
            let server = way.plan(COUNT, CAP).start();
            let stream = way.read(&server.url(), CAP).max_rows(most as u64);
            let (read, error) = read(stream.mode(ReadMode::Sequential)).await;
            let name = way.name;
            assert_eq!(ids(&read), ids(&rows(most)), "{name}, {most}");
            match error {
                None => assert_eq!(most, COUNT, "{name}, {most}"),
                Some(error) => {
                    assert_eq!(error.kind(), ErrorKind::SetTooLarge, "{name}, {most}: {error}");
                    assert!(error.to_string().contains("max_rows"), "{name}, {most}: {error}");
                    assert!(most < COUNT, "{name}: {error}");
                    assert_none_from(&way, "max_rows", &server, most + 1);
                }
            }
        }
    })
    .await;
}

/// Each page is handed out unread, and the one after which the limit is reached ends the read.
#[tokio::test]
async fn a_limit_of_rows_that_a_page_reaches_lets_no_other_one_be_asked_for() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, CAP).start();
        let pool = pool(&server.url());
        let stream = way.read_in(&pool, CAP).max_rows(7).mode(ReadMode::Sequential);
        let mut pages = stream.pages();
        let page = soon("a page", pages.next()).await.unwrap().unwrap();
        barrier(&pool).await;
        assert_none_from(&way, "a page that reaches the limit", &server, 8);
        let came: Vec<_> = page.filter_map(Result::ok).collect();
        assert!(came.len() <= 7, "{}: {:?}", way.name, ids(&came));
    })
    .await;
}

#[tokio::test]
async fn who_takes_some_rows_asks_for_no_page_after_them() {
    of_each(ways(), async |way| {
        for most in [1, 10, 11, 30] {
            let server = way.plan(COUNT, CAP).start();
            let stream = way.read(&server.url(), CAP).mode(ReadMode::Sequential);
            let taken: Vec<_> = soon("the rows", stream.take(most).collect()).await;
            let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
            assert_eq!(ids(&taken), ids(&rows(most)), "{}, {most}", way.name);
            assert_none_from(&way, "taken", &server, most);
        }
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_pages_is_kept_however_many_are_fetched_ahead() {
    of_each(ways(), async |way| {
        for (most, prefetch) in [(1, 4), (2, 1), (3, 4)] {
            let server = way.plan(COUNT, CAP).start();
            let stream = way.read(&server.url(), CAP).max_pages(most as u64).prefetch(prefetch);
            let (read, error) = read(stream).await;
            let name = way.name;
            let pages = server.traffic().pages;
            let allowed = most * if way.begins_again { 2 } else { 1 } + usize::from(way.is_decided);
            assert!(pages.len() <= allowed, "{name}, {most}: {pages:?}");
            assert_eq!(ids(&read), ids(&rows(read.len())), "{name}, {most}");
            match error {
                None => assert_eq!(read.len(), COUNT, "{name}, {most}"),
                Some(error) => {
                    assert_eq!(error.kind(), ErrorKind::SetTooLarge, "{name}, {most}: {error}");
                    assert!(error.to_string().contains("max_pages"), "{name}, {most}: {error}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_with_too_many_items_or_too_many_bytes_is_refused() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, CAP).start();
        let (few, error) = read(way.read(&server.url(), CAP).max_page_items(2)).await;
        let error = error.unwrap_or_else(|| panic!("{}: {:?}", way.name, ids(&few)));
        assert_eq!(error.kind(), ErrorKind::SetTooLarge, "{}: {error}", way.name);
        assert!(few.len() <= 2, "{}", way.name);
        assert_eq!(few, rows(few.len()), "{}", way.name);

        let pool = AwwPool::builder(server.url()).max_body_bytes(300).build().unwrap();
        let (none, error) = read(way.read_in(&pool, CAP)).await;
        let error = error.unwrap_or_else(|| panic!("{}: {:?}", way.name, ids(&none)));
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge, "{}: {error}", way.name);
        assert!(none.is_empty(), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_read_that_waits_beyond_its_deadline_ends_by_name_at_any_of_its_requests() {
    of_each(ways(), async |way| {
        let requests = if way.kind == Kind::Once { 1 } else { 3 };
        for request in 0..requests {
            let server = way.plan(COUNT, CAP).holding(Hold::AfterRequests(request)).start();
            let stream = way.read(&server.url(), CAP).deadline(Duration::from_millis(60));
            let (read, error) = read(stream).await;
            let error = error.unwrap_or_else(|| panic!("{}: {:?}", way.name, ids(&read)));
            assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{}: {error}", way.name);
            assert!(error.to_string().contains("deadline"), "{}: {error}", way.name);
            assert_eq!(read, rows(read.len()), "{}, request {request}", way.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_small_budget_of_bytes_reads_every_row() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, 6).start();
        let (read, error) = read(way.read(&server.url(), 6).byte_budget(1).prefetch(4)).await;
        assert!(error.is_none(), "{}: {error:?}", way.name);
        assert_eq!(ids(&read), ids(&rows(COUNT)), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_read_that_reaches_the_row_cap_says_so() {
    // One that begins again asks for another set, of which the API returns as much again.
    let is_one =
        |way: &Way| way.begins_again || matches!(way.kind, Kind::Windowed | Kind::Job | Kind::Once);
    of_each(ways().into_iter().filter(|way| !is_one(way) && !way.has_ties), async |way| {
        let server = way.plan(COUNT, CAP).start();
        let (paging, envelope) = way.settings(CAP);
        let stream = way.read(&server.url(), CAP).paging(paging.row_cap(20)).envelope(envelope);
        let (read, error) = read(stream.prefetch(4)).await;
        let error = error.unwrap_or_else(|| panic!("{}: {:?}", way.name, ids(&read)));
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", way.name);
        assert!(error.to_string().contains("row_cap"), "{}: {error}", way.name);
        assert_eq!(ids(&read), ids(&rows(20)), "{}", way.name);
        if way.kind == Kind::Computed {
            assert_none_from(&way, "row_cap", &server, 20);
        }
    })
    .await;
}

/// A table over a way.
pub(super) fn table(way: &Way, url: &str, size: usize) -> (PoolApi, Table<PoolApi, EmptyEntity>) {
    let (paging, envelope) = way.settings(size);
    let source = PoolApi::new(pool(url)).paging(paging).envelope(envelope);
    let source = source.filtering(Filtering::Local).item_endpoints(false).prefetch(2);
    (source.clone(), Table::new("rows", source).with_id_column("id"))
}

#[tokio::test]
async fn a_window_of_a_table_has_its_rows_and_takes_no_page_after_them() {
    of_each(ways(), async |way| {
        for (skip, limit) in [(0, 5), (0, 10), (7, 9), (20, 15), (33, 9), (40, 5)] {
            let server = way.plan(COUNT, CAP).start();
            let (_, table) = table(&way, &server.url(), CAP);
            let window = soon("a window", table.list_window(skip, limit)).await;
            let window = window.unwrap_or_else(|error| panic!("{}: {error}", way.name));
            let ids: Vec<usize> = window.into_keys().map(|id| id.parse().unwrap()).collect();
            let (skip, limit) = (skip as usize, limit as usize);
            let expected: Vec<_> = (0..COUNT).skip(skip).take(limit).collect();
            assert_eq!(ids, expected, "{}: {skip}, {limit}", way.name);
            if skip + limit <= COUNT {
                let what = format!("window {skip}, {limit}");
                assert_none_from(&way, &what, &server, skip + limit);
            }
        }
    })
    .await;
}
