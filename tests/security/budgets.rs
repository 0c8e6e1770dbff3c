//! Sets and pages that take more memory or time than there is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::StreamExt;
use serde::Deserialize;
use vantage_api_pool::{AwwPool, PaginatedStream};

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

#[derive(Deserialize)]
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
