//! What servers do besides answering: they ask for tokens, send to other places, and close
//! connections that are idle.

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use futures::{TryStreamExt, future::try_join_all};
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Request, tokens::StaticTokens};
use vantage_dataset::prelude::*;

use crate::{
    django::{by_page, settings},
    fastapi,
    rows::assert_same,
    servers::{Program, Server},
    source::{Rows, Source, within},
};

fn shared() -> &'static Server {
    Server::shared(Program::Django)
}

/// `Authorization: Token …`, as Django REST framework has it.
fn token(mut request: Request, token: &str) -> Request {
    let value = format!("Token {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

#[tokio::test]
async fn a_token_opens_what_is_closed_without_one() {
    let source = Source { path: "api/secret/", ..by_page(shared()) };
    let pool = |secret: &'static str| {
        let tokens = StaticTokens::new([secret]);
        AwwPool::builder(shared().url()).token_source(1, tokens, token).build().unwrap()
    };
    let read = source.stream_of(&pool("open-sesame")).try_collect::<Vec<Value>>();
    let read = within("the read", read).await.unwrap();
    assert_same("the values", &read, &source.expected());
    for pool in [pool("wrong"), source.pool()] {
        let read = source.stream_of(&pool).try_collect::<Vec<Value>>();
        let error = within("no read", read).await.unwrap_err();
        assert_eq!(error.status().map(|status| status.as_u16()), Some(401), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_for_all_reads() {
    let asked = Arc::new(AtomicUsize::new(0));
    let acquire = {
        let asked = asked.clone();
        move || {
            let is_first = asked.fetch_add(1, SeqCst) == 0;
            async move { Ok::<_, String>(if is_first { "stale" } else { "open-sesame" }) }
        }
    };
    let pool = AwwPool::builder(shared().url()).with_auth_callback(1, acquire, token);
    let pool = pool.build().unwrap();
    let source = Source { path: "api/secret/", ..by_page(shared()) };
    let reads = (0..8).map(|_| source.stream_of(&pool).try_collect::<Vec<Value>>());
    for read in within("the reads", try_join_all(reads)).await.unwrap() {
        assert_same("a read", &read, &source.expected());
    }
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test]
async fn an_item_of_an_endpoint_with_a_slash_has_one_too() {
    let table = settings("").item_endpoint(true);
    let source = Source { table, ..by_page(shared()) };
    let pool = source.pool();
    let rows: Rows = source.table_of(source.api_of(pool.clone()));
    assert!(within("the row", rows.get_value("7")).await.unwrap().is_some());
    assert_eq!(within("the counts", pool.stats()).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn an_endpoint_that_is_redirected_is_read_whole() {
    let source = Source { path: "api/page", ..by_page(shared()) };
    let read = source.stream().try_collect::<Vec<Value>>();
    assert_same("the read", &within("the read", read).await.unwrap(), &source.expected());
}

#[tokio::test]
async fn pages_after_a_301_are_asked_for_at_the_new_place() {
    let source = Source { path: "api/page", ..by_page(shared()) };
    let pool = source.pool();
    let read = source.stream_of(&pool).try_collect::<Vec<Value>>();
    within("the read", read).await.unwrap();
    assert_eq!(within("the counts", pool.stats()).await.unwrap().status_3xx, 1);
}

#[tokio::test]
async fn a_write_that_is_redirected_says_where_to() {
    let pool = by_page(shared()).pool();
    let note = Request::patch("/api/notes/7").json(&json!({ "name": "x" })).unwrap();
    let error = within("no patch", pool.request(note)).await.unwrap_err().to_string();
    assert!(error.contains("301") && error.contains("/api/notes/7/"), "{error}");
}

/// Both close a connection that was idle for five seconds.
#[tokio::test]
async fn a_call_after_the_server_has_closed_its_idle_connections_is_not_lost() {
    let json_server = Server::start(Program::JsonServer);
    let notes = AwwPool::builder(json_server.url()).build().unwrap();
    let note = || Request::post("/notes").json(&json!({ "name": "x" })).unwrap();
    let source = fastapi::by_page(Server::shared(Program::FastApi).url());
    let pages = source.pool();
    for _ in 0..2 {
        let sent = (0..8).map(|_| notes.request(note()));
        within("the notes", try_join_all(sent)).await.unwrap();
        let read = source.stream_of(&pages).prefetch(8).try_collect::<Vec<Value>>();
        assert_same("the read", &within("the read", read).await.unwrap(), &source.expected());
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    let stored = within("what is stored", notes.get("/notes")).await.unwrap();
    assert_eq!(stored.json::<Vec<Value>>().unwrap().len(), 16);
    let stats = within("the counts", notes.stats()).await.unwrap();
    assert_eq!(stats.calls_failed, 0, "{stats}");
}
