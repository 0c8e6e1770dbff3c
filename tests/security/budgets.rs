//! Sets and pages that take more memory or time than there is.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread::{self, Thread},
    time::Duration,
};

use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Deserializer, Serialize};
use vantage_api_pool::{
    AwwPool, Envelope, ErrorKind, PaginatedStream, Paging, PoolApi,
    retry::ResponseRule,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, PoolTableExt, Sorting, Writes},
};
use vantage_dataset::prelude::*;
use vantage_table::{prelude::OrderBy, table::Table};
use vantage_types::EmptyEntity;
use vantage_vista::VistaFactory;

use crate::support::{raw_server::RawServer, soon};

/// A server that answers each page of `/rows` with `page` of its number, which is in the query.
fn paged(page: impl Fn(usize) -> String + Send + Sync + 'static) -> RawServer {
    let page = Arc::new(page);
    RawServer::start(move |mut peer| {
        let page = Arc::clone(&page);
        async move {
            while let Some(head) = peer.head().await {
                let body = number_in(&head).map_or_else(|| "[]".to_owned(), |number| page(number));
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                peer.write(head.as_bytes()).await;
                peer.write(body.as_bytes()).await;
            }
        }
    })
}

/// The number of the page that a request asks for.
fn number_in(head: &str) -> Option<usize> {
    let target = head.split(' ').nth(1)?;
    target.split_once("page=")?.1.split('&').next()?.parse().ok()
}

fn pages_asked_for(server: &RawServer) -> usize {
    server.seen().heads.iter().filter(|(_, head)| number_in(head).is_some()).count()
}

#[derive(Clone, Serialize, Deserialize)]
struct Numbered {
    id: usize,
}

/// As many pages as fit, and what is under way when the first large one comes.
#[tokio::test]
async fn security_05_the_byte_budget_counts_what_came() {
    const PAGES: usize = 48;
    const LARGE: usize = 1_000_000;
    let server = paged(|number| {
        let text = "x".repeat(if number == 1 { 1 } else { LARGE });
        let row = format!(r#"{{"id":{number},"t":"{text}"}}"#);
        format!(r#"{{"data":[{row}],"pagination":{{"total_pages":{PAGES}}}}}"#)
    });
    let pool = AwwPool::builder(server.url()).workers(1).max_body_bytes(LARGE + LARGE / 10);
    let pool = pool.build().unwrap();
    let stream = PaginatedStream::get(&pool, "/rows").items_as::<Numbered>();
    let mut stream = stream.prefetch(PAGES).byte_budget(7 * LARGE);
    assert_eq!(soon("the first row", stream.next()).await.unwrap().unwrap().id, 1);
    let asked_for = AtomicUsize::new(0);
    let look = |consumed: usize| {
        asked_for.fetch_max(pages_asked_for(&server) - consumed, Ordering::Relaxed);
    };
    server.wait_for(|seen| seen.heads.len() > 6).await;
    // The pager shares its thread with the one worker, and has its turns between these calls.
    for _ in 0..50 {
        soon("a call", pool.get("/other")).await.unwrap();
    }
    look(0);
    for number in 2..=PAGES {
        assert_eq!(soon("a row", stream.next()).await.unwrap().unwrap().id, number);
        look(number - 1);
    }
    assert!(soon("the end", stream.next()).await.is_none());
    let most = asked_for.into_inner();
    assert!((6..=8).contains(&most), "{most} pages at a time");
}

/// However much one stream holds, each other goes on, and reads ahead when there is room again.
#[tokio::test]
async fn security_05_the_streams_of_a_pool_share_a_budget_and_none_waits_for_another() {
    const PAGES: usize = 12;
    const SIZE: usize = 100_000;
    let server = paged(|number| {
        let row = format!(r#"{{"id":{number},"t":"{}"}}"#, "x".repeat(SIZE));
        format!(r#"{{"data":[{row}],"pagination":{{"total_pages":{PAGES}}}}}"#)
    });
    let pool = AwwPool::builder(server.url()).workers(1).page_byte_budget(5 * SIZE);
    let pool = pool.build().unwrap();
    let open = || PaginatedStream::get(&pool, "/rows").items_as::<Numbered>().prefetch(PAGES);
    let mut idle = open();
    assert_eq!(soon("the first row", idle.next()).await.unwrap().unwrap().id, 1);
    server.wait_for(|seen| seen.heads.len() >= 4).await;
    let rows: Vec<Numbered> = soon("the rows", open().try_collect()).await.unwrap();
    assert_eq!(rows.len(), PAGES);
    let by_idle = pages_asked_for(&server) - PAGES;
    assert!((4..=5).contains(&by_idle), "{by_idle} pages read ahead");
    drop(idle);
    let before = pages_asked_for(&server);
    let mut last = open();
    assert_eq!(soon("the first row", last.next()).await.unwrap().unwrap().id, 1);
    server.wait_for(|seen| seen.heads.len() >= before + 4).await;
    assert_eq!(soon("the rest", last.count()).await, PAGES - 1);
}

/// Small pages are fetched as far ahead as the prefetch allows, for all that their size is not
/// known beforehand.
#[tokio::test]
async fn security_05_small_pages_are_fetched_as_far_ahead_as_ever() {
    const PAGES: usize = 100;
    let server = paged(|number| {
        format!(r#"{{"data":[{{"id":{number}}}],"pagination":{{"total_pages":{PAGES}}}}}"#)
    });
    let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
    let mut stream = PaginatedStream::get(&pool, "/rows").items_as::<Numbered>().prefetch(48);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    server.wait_for(|seen| seen.heads.len() >= 48).await;
    assert_eq!(soon("the rest", stream.count()).await, PAGES - 1);
}

/// So many items at most between two times that the thread is given back.
const MOST_IN_A_TURN: usize = 40_000;

/// How many items there are, and how many come at most before the thread is given back.
async fn turns<T, E: std::fmt::Debug>(
    stream: impl Stream<Item = std::result::Result<T, E>>,
) -> (usize, usize) {
    let mut stream = pin!(stream);
    let (mut items, mut in_turn, mut longest) = (0, 0, 0);
    let all = poll_fn(|cx| {
        loop {
            match stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    item.unwrap();
                    (items, in_turn) = (items + 1, in_turn + 1);
                    longest = longest.max(in_turn);
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {
                    in_turn = 0;
                    return Poll::Pending;
                }
            }
        }
    });
    soon("the items", all).await;
    (items, longest)
}

/// What a future ends with, and how often it was polled.
async fn polls<T>(future: impl Future<Output = T>) -> (T, usize) {
    let mut future = pin!(future);
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    });
    (soon("the outcome", counted).await, polls)
}

/// A page of so many rows without fields.
fn empty_rows(rows: usize) -> String {
    format!("[{}{{}}]", "{},".repeat(rows - 1))
}

#[derive(Deserialize)]
struct Nothing {}

#[tokio::test]
async fn security_03_a_stream_gives_the_thread_back_within_a_page() {
    const ROWS: usize = 400_000;
    let lines = "{}\n".repeat(ROWS);
    for (page, envelope) in
        [(empty_rows(ROWS), Envelope::bare_array()), (lines, Envelope::ndjson())]
    {
        let page = page.clone();
        let server = RawServer::answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}",
            page.len()
        ));
        let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
        let stream = || {
            let stream = PaginatedStream::get(&pool, "/rows").paging(Paging::none());
            stream.envelope(envelope.clone())
        };
        for (rows, longest) in [turns(stream()).await, turns(stream().items_as::<Nothing>()).await]
        {
            assert_eq!(rows, ROWS);
            assert!(longest <= MOST_IN_A_TURN, "{longest} rows in one turn");
        }
    }
}

#[tokio::test]
async fn security_03_a_list_gives_the_thread_back_within_a_page() {
    const ROWS: usize = 400_000;
    let server = paged(|_| empty_rows(ROWS));
    let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
    let api = PoolApi::new(pool).paging(Paging::none());
    let table = Table::<PoolApi, EmptyEntity>::new("rows?page=1", api).with_id_column("id");
    let (rows, list) = polls(table.list_values()).await;
    assert_eq!(rows.unwrap().len(), ROWS);
    let (count, counted) = polls(table.get_count()).await;
    assert_eq!(count.unwrap(), ROWS as i64);
    let (rows, longest) = turns(table.stream_values()).await;
    assert_eq!(rows, ROWS);
    assert!(longest <= MOST_IN_A_TURN, "{longest} rows in one turn");
    let fewest = ROWS / MOST_IN_A_TURN;
    assert!(list >= fewest && counted >= fewest, "{list} and {counted} turns");
}

#[tokio::test]
async fn security_03_rows_that_are_ordered_left_out_or_passed_over_give_the_thread_back() {
    const ROWS: usize = 100_000;
    let server = paged(|_| {
        let rows: Vec<_> = (0..ROWS).rev().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        format!("[{}]", rows.join(","))
    });
    let pool = pool_of(&server);
    let api = PoolApi::new(pool.clone()).paging(Paging::none()).filtering(Filtering::Local);
    let api = api.sorting(Sorting::none().on_rows(true));
    let table = Table::<PoolApi, Numbered>::new("rows?page=1", api).with_id_column("id");
    let fewest = ROWS / MOST_IN_A_TURN;

    let mut sorted = table.clone();
    sorted.add_order(OrderBy::ascending(ApiCondition::column("id")));
    let (rows, longest) = turns(sorted.stream_values()).await;
    assert_eq!(rows, ROWS);
    assert!(longest <= MOST_IN_A_TURN, "{longest} rows in one turn");
    let window = soon("a window", sorted.list_window(7, 2)).await.unwrap();
    assert_eq!(window.keys().collect::<Vec<_>>(), ["7", "8"]);

    let mut narrowed = table.clone();
    narrowed.add_condition(ApiCondition::eq("id", 7));
    let (rows, turns) = polls(narrowed.list_values()).await;
    assert_eq!(rows.unwrap().len(), 1);
    assert!(turns >= fewest, "{turns} turns");

    let stream = || PaginatedStream::get(&pool, "/rows?page=1").paging(Paging::none());
    let mut read = stream();
    for _ in 0..ROWS - 1 {
        soon("a row", read.next()).await.unwrap().unwrap();
    }
    let rest = stream().resume_from(read.resume_token());
    let (rest, turns) = polls(rest.try_collect::<Vec<_>>()).await;
    assert_eq!(rest.unwrap(), [serde_json::json!({ "id": 0 })]);
    assert!(turns >= fewest, "{turns} turns");
}

/// A page that is being put together is there in whole though its reader was interrupted.
#[tokio::test]
async fn security_03_a_page_that_takes_several_turns_loses_nothing() {
    const ROWS: usize = 100_000;
    let server = paged(|_| format!("[{}]", vec!["7"; ROWS].join(",")));
    let pool = pool_of(&server);
    let mut stream = PaginatedStream::get(&pool, "/rows?page=1").paging(Paging::none());
    let mut turns = 0;
    let page = loop {
        let mut next = Box::pin(stream.next_page());
        let polled = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
        drop(next);
        match polled {
            Poll::Ready(page) => break page.unwrap().unwrap(),
            Poll::Pending => tokio::task::yield_now().await,
        }
        turns += 1;
    };
    assert!(turns >= ROWS / MOST_IN_A_TURN, "{turns} turns");
    assert_eq!(page.len(), ROWS);
    assert!(soon("the end", stream.next()).await.is_none());
}

/// An item, and the thread on which it was built.
struct Placed {
    id: usize,
    on: Thread,
}

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        Ok(Self { id: Numbered::deserialize(json)?.id, on: thread::current() })
    }
}

impl Placed {
    /// Whether it was built on a thread for long work: neither a worker's nor a test's has its name.
    fn is_elsewhere(&self) -> bool {
        self.on.name() == Some("vantage-api-pool")
    }
}

/// A server of one page with the rows 1 to 4, of which those with an even id are this long.
fn with_long_rows(length: usize) -> RawServer {
    paged(move |_| {
        let text = "x".repeat(length);
        let row = |id: usize| {
            let text = if id.is_multiple_of(2) { text.as_str() } else { "" };
            format!(r#"{{"id":{id},"t":"{text}"}}"#)
        };
        format!("[{}]", [1, 2, 3, 4].map(row).join(","))
    })
}

#[tokio::test]
async fn security_03_a_long_item_is_built_neither_by_its_reader_nor_by_a_worker() {
    for length in [300_000, 2_000_000] {
        let server = with_long_rows(length);
        let pool = pool_of(&server);
        let stream = || {
            let stream = PaginatedStream::get(&pool, "/rows?page=1").paging(Paging::none());
            stream.items_as::<Placed>()
        };
        let home = thread::current().id();
        let check = |rows: Vec<Placed>, first: usize| {
            assert!(rows.iter().map(|row| row.id).eq(first..=4), "from {first}");
            for row in rows {
                let is_long = row.id % 2 == 0;
                assert_eq!((row.is_elsewhere(), row.on.id() == home), (is_long, !is_long));
            }
        };
        check(soon("the rows", stream().try_collect()).await.unwrap(), 1);
        check(soon("the page", stream().next_page()).await.unwrap().unwrap(), 1);
        for taken in 1..4 {
            let mut read = stream();
            for _ in 0..taken {
                soon("a row", read.next()).await.unwrap().unwrap();
            }
            let rest = stream().resume_from(read.resume_token());
            check(soon("the rest", rest.try_collect()).await.unwrap(), taken + 1);
        }
        // Whoever takes the items of a page himself has chosen the thread.
        let mut pages = stream().pages();
        let page = soon("the page", pages.next()).await.unwrap().unwrap();
        assert!(page.map(std::result::Result::unwrap).all(|row| row.on.id() == home));
    }
}

#[tokio::test]
async fn security_03_a_long_body_is_read_neither_by_its_caller_nor_by_a_worker() {
    for (length, is_long) in [(1, false), (300_000, true)] {
        let server = paged(move |_| format!(r#"{{"id":1,"t":"{}"}}"#, "x".repeat(length)));
        let pool = pool_of(&server);
        let row: Placed = soon("the row", pool.get_json("/rows?page=1")).await.unwrap();
        let home = thread::current().id();
        assert_eq!((row.is_elsewhere(), row.on.id() == home), (is_long, !is_long));
        let api = PoolApi::new(pool).item_endpoints(true);
        let table = Table::<PoolApi, EmptyEntity>::new("rows?page=1", api).with_id_column("id");
        let row = soon("the row", table.get_value("1")).await.unwrap().unwrap();
        assert_eq!(row.get("t").and_then(|text| text.as_text()).map(str::len), Some(length));
    }
}

#[tokio::test]
async fn security_03_many_values_are_prepared_neither_by_the_reader_nor_by_a_worker() {
    let server = paged(|_| r#"[{"id":1,"n":7},{"id":2,"n":-7}]"#.to_owned());
    for (values, are_many) in [(100, false), (20_000, true)] {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&threads);
        let filters = Filters::equality().custom(move |_, _, _| {
            seen.lock().unwrap().push(thread::current());
            None
        });
        let api = PoolApi::new(pool_of(&server)).paging(Paging::none());
        let api = api.filtering(Filtering::Mixed).filters(filters);
        let rows = Table::<PoolApi, Numbered>::new("rows?page=1", api).with_id_column("id");
        let mut rows = rows.with_column_of::<i64>("n");
        rows.add_condition(ApiCondition::is_in("n", 0..values));
        assert_eq!(soon("a list", rows.list_values()).await.unwrap().len(), 1);
        assert_eq!(soon("entities", rows.list_direct()).await.unwrap().len(), 1);
        assert_eq!(soon("a count", rows.get_count()).await.unwrap(), 1);
        assert_eq!(soon("a stream", rows.stream_values().count()).await, 1);
        assert!(soon("a row", rows.get_value("1")).await.unwrap().is_some());
        let threads = threads.lock().unwrap();
        assert!(!threads.is_empty());
        for on in threads.iter() {
            let is_home = on.id() == thread::current().id();
            assert_eq!((on.name() == Some("vantage-api-pool"), is_home), (are_many, !are_many));
        }
    }
}

/// A row that is being built elsewhere is neither lost nor taken when nobody waits for it.
#[tokio::test]
async fn security_03_a_long_item_comes_though_its_reader_was_interrupted() {
    let server = with_long_rows(300_000);
    let pool = pool_of(&server);
    let stream = || {
        let stream = PaginatedStream::get(&pool, "/rows?page=1").paging(Paging::none());
        stream.items_as::<Numbered>()
    };
    let (mut read, mut ids, mut token) = (stream(), Vec::new(), None);
    let all = async {
        loop {
            match poll_fn(|cx| Poll::Ready(read.poll_next_unpin(cx))).await {
                Poll::Ready(Some(row)) => ids.push(row.unwrap().id),
                Poll::Ready(None) => break,
                Poll::Pending => tokio::task::yield_now().await,
            }
            if ids == [1] {
                token = Some(read.resume_token());
            }
        }
    };
    soon("the rows", all).await;
    assert_eq!(ids, [1, 2, 3, 4]);
    let rest: Vec<Numbered> =
        soon("the rest", stream().resume_from(token.unwrap()).try_collect()).await.unwrap();
    assert!(rest.iter().map(|row| row.id).eq(2..=4));
}

#[tokio::test]
async fn security_03_long_pages_are_judged_as_others_are() {
    for rows in [2, 200_000] {
        let row = r#"{"id":7}"#;
        let rows = vec![row; rows].join(",");
        let again = paged(move |number| format!(r#"{{"data":[{rows}],"at":{number}}}"#));
        let read = PaginatedStream::get(pool_of(&again), "/rows").items_as::<Numbered>();
        let error = soon("a loop", read.try_collect::<Vec<_>>()).await.err().unwrap();
        assert_eq!((error.kind(), error.page()), (ErrorKind::PaginationMissing, Some(2)));
    }
    let long = "x".repeat(2_000_000);
    let server = paged(move |number| {
        let rows = if number > 3 { "" } else { &format!(r#"{{"id":{number},"t":"{long}"}}"#) };
        format!(r#"{{"data":[{rows}],"next":"{}"}}"#, number + 1)
    });
    let stream = |paging| {
        let stream = PaginatedStream::get(pool_of(&server), "/rows?page=1").paging(paging);
        stream.items_as::<Numbered>()
    };
    let rows = stream(by_cursor()).take(3).try_collect::<Vec<_>>();
    assert_eq!(soon("the rows", rows).await.unwrap().len(), 3);
    let broken = paged(|_| format!(r#"{{"data":[{{"id":1}},{}"#, "7,".repeat(1_000_000)));
    let read = PaginatedStream::get(pool_of(&broken), "/rows").items_as::<Numbered>();
    let error = soon("an error", read.try_collect::<Vec<_>>()).await.err().unwrap();
    assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(1)));
}

/// Pages without end, each with so many rows and a cursor that is new.
fn endless(rows: usize) -> RawServer {
    paged(move |number| {
        let row = |row| format!(r#"{{"id":{}}}"#, number * rows + row);
        let rows = (0..rows).map(row).collect::<Vec<_>>().join(",");
        format!(r#"{{"data":[{rows}],"next":"{}"}}"#, number + 1)
    })
}

/// How an API is asked for [`endless`] pages.
fn by_cursor() -> Paging {
    Paging::cursor("page", "next")
}

fn pool_of(server: &RawServer) -> AwwPool {
    AwwPool::builder(server.url()).workers(1).build().unwrap()
}

#[tokio::test]
async fn security_12_a_stream_takes_so_many_rows_and_pages_and_no_more() {
    let server = endless(10);
    let pool = pool_of(&server);
    let stream = || {
        let stream = PaginatedStream::get(&pool, "/rows?page=1").paging(by_cursor());
        stream.items_as::<Numbered>()
    };
    for (stream, rows, named) in [
        (stream().max_rows(25), 25, "25 rows that max_rows"),
        (stream().max_rows(30), 30, "30 rows that max_rows"),
        (stream().max_pages(3), 30, "3 pages that max_pages"),
        (stream().max_page_items(9), 0, "9 items that max_page_items"),
    ] {
        let read: Vec<_> = soon("the rows", stream.collect()).await;
        let (last, before) = read.split_last().unwrap();
        assert!(before.iter().all(std::result::Result::is_ok));
        let error = last.as_ref().err().unwrap();
        assert_eq!((before.len(), error.kind()), (rows, ErrorKind::SetTooLarge), "{named}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn security_12_a_set_that_is_as_large_as_it_may_be_is_read_and_no_page_behind_it() {
    let server = paged(|number| {
        let rows = if number > 3 { String::new() } else { format!(r#"{{"id":{number}}}"#) };
        format!(r#"{{"data":[{rows}],"pagination":{{"total_pages":3}}}}"#)
    });
    let pool = pool_of(&server);
    let stream = || PaginatedStream::get(&pool, "/rows").items_as::<Numbered>().prefetch(8);
    let all = stream().max_rows(3).max_pages(3).max_page_items(1);
    assert_eq!(soon("the rows", all.try_collect::<Vec<_>>()).await.unwrap().len(), 3);
    let asked_for = pages_asked_for(&server);
    let error = stream().max_pages(2).try_collect::<Vec<_>>();
    assert_eq!(soon("an error", error).await.err().unwrap().kind(), ErrorKind::SetTooLarge);
    assert_eq!(pages_asked_for(&server) - asked_for, 2);
    let pages = soon("the pages", stream().max_rows(2).pages().collect::<Vec<_>>()).await;
    assert_eq!(pages.last().unwrap().as_ref().err().unwrap().kind(), ErrorKind::SetTooLarge);
    let rows = pages.into_iter().flatten().flatten().filter_map(std::result::Result::ok);
    assert_eq!(rows.count(), 2);
}

#[tokio::test]
async fn security_12_a_stream_that_was_bounded_goes_on_where_it_stood() {
    let server = endless(10);
    let pool = pool_of(&server);
    let stream = || {
        let stream = PaginatedStream::get(&pool, "/rows?page=1").paging(by_cursor());
        stream.items_as::<Numbered>()
    };
    for bounded in [stream().max_rows(25), stream().max_pages(2)] {
        let mut bounded = bounded;
        let mut last = 0;
        while let Ok(row) = soon("a row", bounded.next()).await.unwrap() {
            last = row.id;
        }
        let mut rest = stream().resume_from(bounded.resume_token());
        assert_eq!(soon("the next row", rest.next()).await.unwrap().unwrap().id, last + 1);
    }
}

#[tokio::test]
async fn security_12_a_read_ends_at_its_deadline_whether_pages_come_or_not() {
    let second = Duration::from_secs(1);
    let silent = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    for server in [endless(10), silent] {
        let pool = pool_of(&server);
        let stream = PaginatedStream::get(&pool, "/rows?page=1").paging(by_cursor());
        let read = stream.deadline(second).try_collect::<Vec<_>>();
        let error = soon("the deadline", read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.to_string().contains("within 1s, as its deadline"), "{error}");
    }
}

#[tokio::test]
async fn security_12_a_table_is_read_as_a_whole_within_bounds() {
    let server = endless(10);
    let api = PoolApi::new(pool_of(&server)).paging(by_cursor()).filtering(Filtering::Local);
    let table = |settings: ApiTable| {
        let settings = settings.sorting(Sorting::none().on_rows(true));
        let api = api.clone().table("rows", settings.path("rows?page=1").writes(Writes::rest()));
        Table::<PoolApi, Numbered>::new("rows", api).with_id_column("id")
    };
    for (settings, kind, named) in [
        (ApiTable::new().max_rows(25), "set_too_large", "max_rows"),
        (ApiTable::new().max_pages(3), "set_too_large", "max_pages"),
        (ApiTable::new().max_page_items(9), "set_too_large", "max_page_items"),
        (ApiTable::new().deadline(Duration::ZERO), "deadline_exceeded", "deadline"),
    ] {
        let table = table(settings);
        let mut sorted = table.clone();
        sorted.add_order(OrderBy::ascending(ApiCondition::column("id")));
        let vista = api.vista_factory().from_table(table.clone()).unwrap();
        let id = table["id"].clone();
        for (read, outcome) in [
            ("a list", soon("a list", table.list_values()).await.err()),
            ("a typed list", soon("a list", table.list_direct()).await.err()),
            ("a count", soon("a count", table.get_count()).await.err()),
            ("a sum", soon("a sum", table.get_sum(&id)).await.err()),
            ("a window", soon("a window", table.list_window(0, 1_000)).await.err()),
            ("a delete", soon("a delete", table.delete_all()).await.err()),
            ("a Vista", soon("a Vista", vista.fetch_window(0, 1_000)).await.err()),
            ("an order", soon("an order", sorted.stream_values().try_next()).await.err()),
        ] {
            let error = outcome.unwrap_or_else(|| panic!("{read}: no error of {named}"));
            assert_eq!(error.context["kind"], kind, "{read}: {error}");
            assert!(error.to_string().contains(named), "{read}: {error}");
        }
        // No row counts that has another id.
        if named != "max_rows" {
            let error = soon("a get", table.get_value("none")).await.unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        // A stream is bounded by its consumer alone.
        let streamed = table.stream_values().take(100).try_collect::<Vec<_>>();
        assert_eq!(soon("a stream", streamed).await.unwrap().len(), 100, "{named}");
    }
}

#[tokio::test]
async fn security_12_a_description_bounds_its_table_and_the_api_all_others() {
    let server = endless(10);
    let api = PoolApi::new(pool_of(&server)).paging(by_cursor()).max_rows(15);
    let yaml = |more: &str| {
        format!(
            "name: rows\ncolumns: {{ id: {{ type: int }} }}\napi: {{ endpoint: 'rows?page=1'{more} }}"
        )
    };
    for (more, named) in [
        (", max_rows: 25", "25 rows that max_rows"),
        (", max_rows: 99, max_pages: 3", "3 pages that max_pages"),
        (", max_page_items: 9", "9 items that max_page_items"),
        ("", "15 rows that max_rows"),
    ] {
        let vista = api.vista_factory().from_yaml(&yaml(more)).unwrap();
        let error = soon("an error", vista.list_values()).await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    for wrong in [", max_rows: 0", ", max_pages: -1", ", deadline: 0"] {
        let error = api.vista_factory().with_yaml(&yaml(wrong)).unwrap_err();
        assert!(error.is_incorrect_usage(), "{error}");
    }
}

#[tokio::test]
async fn security_03_a_response_rule_is_applied_to_a_long_body_as_to_a_short_one() {
    for length in [10, 300_000, 3_000_000] {
        let server = paged(move |_| format!(r#"{{"pad":"{}","error":"no"}}"#, "x".repeat(length)));
        let rule = ResponseRule::fail().json_present("error").message_at("error");
        let pool = AwwPool::builder(server.url()).response_rule(rule).build().unwrap();
        let error = soon("the call", pool.get("/rows?page=1")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::ApiError, 1), "{length}");
        assert!(error.to_string().contains("no"), "{error}");
    }
}
