//! A set that changes, or whose server dies, while it is read: every row once, in
//! order, and an end.

use std::{net::TcpListener, sync::Arc, time::Duration};

use crate::support::{
    hostile::{Answer, Hostile, HostileServer, Log},
    raw_server::{Peer, RawServer},
    soon,
};
use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::sync::Notify;
use vantage_api_pool::{AwwPool, ErrorKind, PaginatedStream, Paging};

const ROWS: u64 = 95;
const PER_PAGE: u64 = 10;

async fn read_all(stream: PaginatedStream) -> Vec<Value> {
    soon("the stream ends", stream.map(Result::unwrap).collect()).await
}

/// The bytes of a page of [`ROWS`] numbers.
fn page(number: u64) -> Vec<u8> {
    let rows: Vec<_> = ((number - 1) * PER_PAGE..(number * PER_PAGE).min(ROWS)).collect();
    let pagination = json!({ "page": number, "per_page": PER_PAGE, "total": ROWS });
    let body = json!({ "data": rows, "pagination": pagination }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    (head + &body).into_bytes()
}

fn page_asked_for(head: &str) -> u64 {
    let number = head.split("page=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
    number.unwrap().parse().unwrap()
}

/// Serves the pages, but stops in the middle of page `fatal` and rings the bell.
async fn serve(mut peer: Peer, fatal: Option<u64>, bell: Arc<Notify>) {
    while let Some(head) = peer.head().await {
        let number = page_asked_for(&head);
        let bytes = page(number);
        if fatal == Some(number) {
            peer.write(&bytes[..bytes.len() - 9]).await;
            bell.notify_one();
            return peer.closed().await;
        }
        peer.write(&bytes).await;
    }
}

#[tokio::test]
async fn faults_19_a_server_that_dies_within_a_page_and_comes_back_is_read_to_the_end() {
    for prefetch in [1, 4] {
        let bell = Arc::new(Notify::new());
        let server = {
            let bell = Arc::clone(&bell);
            RawServer::start(move |peer| serve(peer, Some(5), Arc::clone(&bell)))
        };
        let address = server.address();
        let pool = AwwPool::builder(server.url())
            .max_attempts(50)
            .backoff_base(Duration::from_millis(1))
            .backoff_cap(Duration::from_millis(100))
            .reconnect_timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let reading = tokio::spawn({
            let stream = PaginatedStream::get(&pool, "/rows").prefetch(prefetch);
            async move { stream.items_as::<u64>().map(Result::unwrap).collect::<Vec<_>>().await }
        });
        soon("half a page", bell.notified()).await;
        drop(server);
        soon("the death is noticed", async {
            while pool.stats().await.unwrap().transport_errors == 0 {}
        })
        .await;
        // The old server's thread may still be about to end.
        let listener = soon("the port is free", async {
            loop {
                match TcpListener::bind(address) {
                    Ok(listener) => return listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        let server = RawServer::on(listener, move |peer| serve(peer, None, Arc::default()));
        let rows = soon("the read ends", reading).await.unwrap();
        assert_eq!(rows, (0..ROWS).collect::<Vec<_>>(), "prefetch {prefetch}");
        let asked: Vec<_> =
            server.seen().heads.iter().map(|(_, head)| page_asked_for(head)).collect();
        assert!(!asked.contains(&1), "the read began again: {asked:?}");
    }
}

/// Reads three pages of 95 rows, makes it `rows` rows, and reads on.
async fn read_while_it_becomes(rows: u64) -> (HostileServer, Vec<Value>) {
    let api = Hostile::new(95).closed().start();
    (1..=3).for_each(|page| api.open(page));
    let pool = AwwPool::new(2, None, false, api.url());
    let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(2);
    let mut items = Vec::new();
    for _ in 0..30 {
        items.push(soon("an item", stream.next()).await.unwrap().unwrap());
    }
    api.set_rows(Hostile::new(rows).start().rows());
    api.open_all();
    items.extend(read_all(stream).await);
    (api, items)
}

#[tokio::test]
async fn faults_20_a_set_that_loses_rows_ends_at_its_new_end() {
    for rows in [42, 40, 30] {
        let (api, items) = read_while_it_becomes(rows).await;
        assert_eq!(items, api.rows(), "{rows} rows");
        // What was under way when the end came nearer, and no more.
        let last = api.log(|log| log.pages().into_iter().max()).unwrap();
        assert!(last <= rows.div_ceil(10) + 3, "{rows} rows: page {last} was asked for");
    }
}

#[tokio::test]
async fn faults_20_a_set_that_gains_rows_is_read_to_its_new_end() {
    let (api, items) = read_while_it_becomes(130).await;
    assert_eq!(items, api.rows());
    let mut pages = api.log(Log::pages);
    pages.sort_unstable();
    pages.dedup();
    assert_eq!(pages, (1..=13).collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_20_a_set_that_changes_is_an_error_where_that_was_asked_for() {
    for rows in [130, 42] {
        let api = Hostile::new(95).closed().start();
        (1..=3).for_each(|page| api.open(page));
        let pool = AwwPool::new(2, None, false, api.url());
        let strict = Paging::default().fail_on_change(true);
        let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(2).paging(strict);
        for _ in 0..30 {
            soon("an item", stream.next()).await.unwrap().unwrap();
        }
        api.set_rows(Hostile::new(rows).start().rows());
        api.open_all();
        let error = soon("an error", stream.next()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.page()), (ErrorKind::SetChanged, Some(4)), "{rows} rows");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn faults_23_without_a_total_an_empty_page_is_the_end() {
    let api = Hostile::new(95).without_pagination().on_page(4, Answer::NoRows).start();
    let pool = AwwPool::new(2, None, false, api.url());
    for prefetch in [1, 5] {
        let items = read_all(PaginatedStream::get(&pool, "/rows").prefetch(prefetch)).await;
        assert_eq!(items, api.rows()[..30], "prefetch {prefetch}");
    }
}

#[tokio::test]
async fn faults_30_the_permits_of_a_dropped_stream_serve_other_calls_at_once() {
    let api = Hostile::new(95).closed().start();
    api.open(1);
    let pool = AwwPool::builder(api.url()).workers(1).connections_per_worker(4).build().unwrap();
    let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(5);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    api.wait_for("pages under way", |log| log.in_flight == 4).await;
    drop(stream);
    api.wait_for("aborted pages", |log| log.aborted == 4 && log.in_flight == 0).await;
    let calls = join_all((0..4).map(|_| pool.get("/rows?page=9")));
    let served = async {
        api.wait_for("as many calls as permits", |log| log.in_flight == 4).await;
        api.open_all();
    };
    let (answers, ()) = soon("the calls", async { tokio::join!(calls, served) }).await;
    assert!(answers.iter().all(Result::is_ok));
    soon("the end, with nothing to wait for", pool.shutdown(Duration::from_secs(15))).await;
}
