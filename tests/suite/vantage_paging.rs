//! Tables over APIs that page in other ways than by number: whole sets, windows and counts.

use std::{future::Future, time::Duration};

use crate::support::hostile::{Form, Hostile, HostileServer, Log, Style, Total};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vantage_api_pool::{AwwPool, Paging, PoolApi, vantage::PoolTableExt};
use vantage_dataset::prelude::*;
use vantage_table::{pagination::Pagination, table::Table};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    name: String,
    n: u64,
}

fn rows(server: &HostileServer, paging: Paging) -> Table<PoolApi, Entry> {
    let pool = AwwPool::builder(server.url()).build().unwrap();
    Table::new("rows", PoolApi::new(pool).paging(paging)).with_id_column("id")
}

fn window(table: &Table<PoolApi, Entry>, skip: u64, limit: u64) -> Table<PoolApi, Entry> {
    let window = Pagination::window(skip as i64, limit as i64);
    table.clone().with(|table| table.set_pagination(Some(window)))
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), work).await.expect("no wait lasts for ever")
}

async fn listed(table: &Table<PoolApi, Entry>) -> Vec<u64> {
    within(table.list()).await.unwrap().into_values().map(|entry| entry.id).collect()
}

fn by_offset() -> Hostile {
    Hostile::new(95).style(Style::Offset).params("offset", "limit")
}

fn offsets() -> Paging {
    Paging::offset_limit("offset", "limit", 50).not_found_ends(true)
}

/// The rows of the set in `skip..skip + limit`.
fn expected(skip: u64, limit: u64) -> Vec<u64> {
    (skip.min(95)..(skip + limit).min(95)).collect()
}

const WINDOWS: [(u64, u64); 9] =
    [(0, 10), (20, 10), (23, 5), (7, 40), (90, 10), (94, 1), (95, 10), (300, 5), (0, 500)];

#[tokio::test]
async fn accept_16_a_window_is_asked_for_by_its_offset_verbatim() {
    let server = by_offset().page_size(10, 50).start();
    assert_eq!(listed(&window(&rows(&server, offsets()), 20, 10)).await, expected(20, 10));
    let query =
        server.log(|log| log.seen.iter().map(|seen| seen.query.clone()).collect::<Vec<_>>());
    assert_eq!(query, [[("offset".into(), "20".into()), ("limit".into(), "10".into())]]);
}

#[tokio::test]
async fn accept_17_a_window_by_offset_holds_exactly_its_rows_whatever_the_cap() {
    for hostile in [
        by_offset(),
        by_offset().page_size(3, 4),
        by_offset().not_found_past_end(),
        by_offset().uneven(|row| 2 + row % 5),
    ] {
        let server = hostile.start();
        let table = rows(&server, offsets());
        assert_eq!(listed(&table).await, expected(0, 95));
        for (skip, limit) in WINDOWS {
            let listed = listed(&window(&table, skip, limit)).await;
            assert_eq!(listed, expected(skip, limit), "{skip}, {limit}");
        }
    }
}

#[tokio::test]
async fn accept_19_a_window_by_offset_needs_no_total() {
    for hostile in [
        by_offset().total(Total::Absent),
        by_offset().without_pagination(),
        by_offset().without_pagination().page_size(3, 7),
        by_offset().without_pagination().not_found_past_end(),
    ] {
        let server = hostile.start();
        let table = rows(&server, offsets());
        for (skip, limit) in WINDOWS {
            let listed = listed(&window(&table, skip, limit)).await;
            assert_eq!(listed, expected(skip, limit), "{skip}, {limit}");
        }
    }
}

#[tokio::test]
async fn accept_22_a_window_of_an_api_without_addresses_is_read_from_the_start() {
    for (style, paging) in [
        (Style::Cursor("next"), Paging::cursor("after", "next").page_size("limit", 10)),
        (Style::Link(Form::Query), Paging::link_header()),
    ] {
        let server = Hostile::new(95).style(style).params("after", "limit").start();
        let table = rows(&server, paging);
        assert_eq!(listed(&table).await, expected(0, 95));
        for (skip, limit) in WINDOWS {
            let listed = listed(&window(&table, skip, limit)).await;
            assert_eq!(listed, expected(skip, limit), "{skip}, {limit}");
        }
    }
}

#[tokio::test]
async fn accept_04_a_count_by_any_paging_is_that_of_the_rows() {
    for total in [Total::InPagination, Total::Absent] {
        for (style, paging) in [
            (Style::Offset, Paging::offset_limit("after", "limit", 20)),
            (Style::Cursor("next"), Paging::cursor("after", "next").page_size("limit", 10)),
            (Style::NextUrl("next", Form::Query), Paging::next_url("next")),
        ] {
            let hostile = Hostile::new(95).style(style.clone()).params("after", "limit");
            let server = hostile.total(total).start();
            assert_eq!(within(rows(&server, paging).get_count()).await.unwrap(), 95, "{style:?}");
            if total == Total::InPagination {
                assert_eq!(server.log(Log::pages).len(), 1, "{style:?}");
            }
        }
    }
}

#[tokio::test]
async fn accept_17_no_page_is_requested_after_those_with_the_rows_of_a_window() {
    // Long enough that all pages could be fetched while the rows of the first are built.
    let name = "n".repeat(300_000);
    let rows_of = |count: u64| {
        (0..count).map(|id| json!({ "id": id, "name": name, "n": id })).collect::<Vec<_>>()
    };
    let number = || Hostile::with_rows(rows_of(40)).page_size(10, 10);
    let cursor = || number().style(Style::Cursor("next")).params("after", "limit");
    for (hostile, paging) in [
        (number(), Paging::page_number()),
        (number().total(Total::Absent), Paging::page_number()),
        (cursor(), Paging::cursor("after", "next")),
    ] {
        let server = hostile.start();
        let table = rows(&server, paging.clone());
        for (skip, limit, pages) in [(0, 10, 1), (0, 4, 1), (5, 10, 2), (0, 20, 2)] {
            let before = server.log(|log| log.seen.len());
            let listed = listed(&window(&table, skip, limit)).await;
            assert_eq!(listed, (skip..skip + limit).collect::<Vec<_>>(), "{skip}, {limit}");
            let requested = server.log(|log| log.seen.len()) - before;
            assert_eq!(requested, pages, "{paging:?}: {skip}, {limit}");
        }
    }
}
