//! Contradictions: where pages say different things about the set, a read has all of it, or says that it
//! has not. Where nothing says so, what is documented holds.

use serde_json::Value;
use vantage_api_pool::{Error, ErrorKind, vantage::PoolTableExt};
use vantage_dataset::prelude::*;

use super::{
    CAP, COUNT, ids, limits, of_each, read,
    server::Sheet,
    told,
    ways::{Kind, Way, rows, ways},
};
use crate::support::soon;

/// What is read where a lie is told, and what was said about it.
async fn lied_to(
    way: &Way,
    lie: impl Fn(&mut Sheet) + Send + Sync + 'static,
) -> (Vec<u64>, Option<Error>, Vec<String>) {
    let server = way.plan(COUNT, CAP).lying(lie).start();
    let (stream, warnings) = told(way.read(&server.url(), CAP).prefetch(3));
    let (read, error) = read(stream).await;
    let warnings = warnings.lock().unwrap().clone();
    (ids(&read), error, warnings)
}

fn numbers(of: impl IntoIterator<Item = usize>) -> Vec<u64> {
    of.into_iter().map(|id| id as u64).collect()
}

fn with_total() -> impl Iterator<Item = Way> {
    ways().into_iter().filter(|way| way.has_total)
}

#[tokio::test]
async fn a_total_below_what_was_read_ends_nothing_and_is_told() {
    of_each(with_total(), async |way| {
        let lie = |sheet: &mut Sheet| {
            if sheet.start > 0 {
                sheet.total = Some(1);
            }
        };
        let (read, error, warnings) = lied_to(&way, lie).await;
        assert!(error.is_none(), "{}: {error:?}", way.name);
        assert_eq!(read, numbers(0..COUNT), "{}", way.name);
        assert!(!warnings.is_empty(), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_total_above_the_rows_is_an_error_after_all_of_them() {
    of_each(with_total(), async |way| {
        let lie = |sheet: &mut Sheet| sheet.total = Some(COUNT + CAP + 3);
        let (read, error, _) = lied_to(&way, lie).await;
        let error = error.unwrap_or_else(|| panic!("{}: it ends", way.name));
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", way.name);
        assert_eq!(read, numbers(0..COUNT), "{}: {error}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_total_that_comes_and_goes_says_nothing() {
    of_each(with_total().filter(|way| !way.is_decided), async |way| {
        for kept in [0, 10, 20] {
            let lie =
                move |sheet: &mut Sheet| sheet.total = sheet.total.filter(|_| sheet.start == kept);
            let (read, error, _) = lied_to(&way, lie).await;
            assert!(error.is_none(), "{}, {kept}: {error:?}", way.name);
            assert_eq!(read, numbers(0..COUNT), "{}, {kept}", way.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_total_that_changes_is_an_error_where_that_was_asked_for() {
    of_each(
        with_total().filter(|way| way.kind == Kind::Computed || way.kind == Kind::Pointed),
        async |way| {
            for total in [30, 31, COUNT + 20] {
                let lie = move |sheet: &mut Sheet| {
                    if sheet.start >= 20 {
                        sheet.total = Some(total);
                    }
                };
                let server = way.plan(COUNT, CAP).lying(lie).start();
                let (paging, envelope) = way.settings(CAP);
                let stream = way.read(&server.url(), CAP).paging(paging.fail_on_change(true));
                let (read, error) = read(stream.envelope(envelope)).await;
                // The number of pages may be the same.
                if error.is_none() {
                    assert_eq!(read, rows(COUNT), "{}, {total}", way.name);
                    continue;
                }
                let kind = error.unwrap().kind();
                assert_eq!(kind, ErrorKind::SetChanged, "{}, {total}", way.name);
                assert_eq!(read, rows(20), "{}, {total}", way.name);
            }
        },
    )
    .await;
}

/// A flag or a total says that more follow, and the page names no next one.
#[tokio::test]
async fn a_page_that_says_more_and_names_none_is_an_error_after_its_rows() {
    let is_told = |way: &Way| way.has_total || way.has_flag;
    of_each(
        ways().into_iter().filter(|way| way.kind == Kind::Pointed && is_told(way)),
        async |way| {
            let lie = |sheet: &mut Sheet| {
                if sheet.start == 20 {
                    sheet.next = None;
                }
            };
            let (read, error, _) = lied_to(&way, lie).await;
            match error {
                // It can compute a place, whatever was named.
                None => assert_eq!(read, numbers(0..COUNT), "{}", way.name),
                Some(error) => {
                    assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", way.name);
                    assert_eq!(read, numbers(0..30), "{}: {error}", way.name);
                }
            }
        },
    )
    .await;
}

/// A flag that a setting names decides where the set ends, unless a total says that there are more.
#[tokio::test]
async fn a_full_page_that_says_it_is_the_last_one_is_believed_unless_a_total_says_more() {
    of_each(ways().into_iter().filter(|way| way.has_flag), async |way| {
        let lie = |sheet: &mut Sheet| sheet.more &= sheet.start != 20;
        let (read, error, warnings) = lied_to(&way, lie).await;
        assert!(error.is_none(), "{}: {error:?}", way.name);
        let says_more = way.has_total || way.counts_pages;
        let expected = if says_more { COUNT } else { 30 };
        assert_eq!(read, numbers(0..expected), "{}", way.name);
        assert_eq!(warnings.is_empty(), !says_more, "{}: {warnings:?}", way.name);
    })
    .await;
}

/// After the last row a flag still says more: a few more requests, and an error or a warning.
#[tokio::test]
async fn a_flag_that_always_says_more_is_no_endless_read() {
    of_each(ways().into_iter().filter(|way| way.has_flag), async |way| {
        let server = way.plan(COUNT, CAP).lying(|sheet: &mut Sheet| sheet.more = true).start();
        let (paging, envelope) = way.settings(CAP);
        let stream = way.read(&server.url(), CAP).paging(paging.max_empty_pages(3));
        let (stream, warnings) = told(stream.envelope(envelope));
        let (read, error) = read(stream).await;
        assert_eq!(ids(&read), numbers(0..COUNT), "{}", way.name);
        match error {
            None => assert!(!warnings.lock().unwrap().is_empty(), "{}", way.name),
            Some(error) => {
                let kinds = [ErrorKind::Incomplete, ErrorKind::PageLoop];
                assert!(kinds.contains(&error.kind()), "{}: {error}", way.name);
            }
        }
        let requests = server.traffic().requests;
        assert!(requests <= 14, "{}: {requests} requests", way.name);
    })
    .await;
}

/// What is left of a page after a filter may be nothing.
#[tokio::test]
async fn a_page_without_rows_in_the_middle_hides_none_of_those_after_it() {
    let is_told = |way: &Way| way.has_total || way.has_flag || way.kind == Kind::Pointed;
    of_each(ways().into_iter().filter(|way| is_told(way) && !way.begins_again), async |way| {
        let lie = |sheet: &mut Sheet| {
            if sheet.start == 10 {
                sheet.rows.clear();
            }
        };
        let (read, error, _) = lied_to(&way, lie).await;
        let all = numbers((0..10).chain(20..COUNT));
        match error {
            None => {
                assert_eq!(read, all, "{}", way.name);
                assert!(!way.has_total, "{}: rows are missing", way.name);
            }
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", way.name);
                assert!(all.starts_with(&read), "{}: {read:?}", way.name);
            }
        }
    })
    .await;
}

/// A row less than told, in the middle.
#[tokio::test]
async fn a_row_that_a_page_leaves_out_is_read_or_missed() {
    of_each(with_total().filter(|way| way.kind != Kind::Windowed), async |way| {
        let lie = |sheet: &mut Sheet| {
            if sheet.start == 10 {
                sheet.rows.pop();
            }
        };
        let (read, error, _) = lied_to(&way, lie).await;
        match error {
            None => assert_eq!(read, numbers(0..COUNT), "{}", way.name),
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", way.name);
                let all = numbers((0..19).chain(20..COUNT));
                assert_eq!(read, all, "{}: {error}", way.name);
            }
        }
    })
    .await;
}

/// A row that comes again on the next page, as where one was inserted before it.
#[tokio::test]
async fn a_row_that_comes_twice_is_told_by_a_table() {
    let has_it = |way: &Way| matches!(way.kind, Kind::Computed | Kind::Pointed | Kind::Keyed);
    of_each(
        ways().into_iter().filter(|way| has_it(way) && !way.begins_again && !way.has_ties),
        async |way| {
            let lie = |sheet: &mut Sheet| {
                if sheet.start == 20 {
                    sheet.rows = rows(29).split_off(19);
                }
            };
            let server = way.plan(COUNT, CAP).lying(lie).start();
            let (source, table) = limits::table(&way, &server.url(), CAP);
            match soon("the rows", table.list_values()).await {
                Ok(read) => {
                    let read: Vec<Value> = read.into_keys().map(Value::from).collect();
                    assert_eq!(source.duplicate_rows(), 1, "{}: {read:?}", way.name);
                }
                Err(error) => {
                    let kind = error.context["kind"].as_str();
                    assert!(["page_loop", "incomplete"].contains(&kind), "{}: {error}", way.name);
                }
            }
            let count = soon("the count", table.get_count()).await;
            assert!(count.is_ok() || source.duplicate_rows() < 2, "{}", way.name);
        },
    )
    .await;
}
