//! Servers that refuse whoever asks more than ten times a second: Django REST framework with
//! 429 and `Retry-After: 1`, nginx with a bare 503. Eight reads at once ask far more.

use std::collections::BTreeMap;

use futures::{
    TryStreamExt,
    future::{join_all, try_join_all},
};
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Error, PoolBuilder, Request};

use crate::{
    django, fastapi,
    rows::assert_same,
    servers::{Program, Server},
    source::{Source, within},
};

const READS: usize = 8;

fn throttled(django: &Server) -> Source {
    Source { path: "api/throttled/", ..django::by_page(django) }
}

fn limited(nginx: &Server) -> Source {
    Source { path: "limited/page", ..fastapi::by_page(nginx.url()) }
}

fn nginx() -> Server {
    Server::start(Program::Nginx(Server::shared(Program::FastApi).port()))
}

/// Eight reads at once through one pool.
async fn reads(source: &Source, pool: PoolBuilder) -> Vec<Result<Vec<Value>, Error>> {
    let pool: AwwPool = pool.build().unwrap();
    let reads = (0..READS).map(|_| source.stream_of(&pool).try_collect::<Vec<Value>>());
    let reads = within("eight reads", join_all(reads)).await;
    let stats = within("the counts", pool.stats()).await.unwrap();
    println!("{stats}");
    reads
}

async fn all_are_whole(source: &Source, pool: PoolBuilder) {
    let reads = reads(source, pool).await;
    let mut failures = BTreeMap::<String, usize>::new();
    for error in reads.iter().filter_map(|read| read.as_ref().err()) {
        *failures.entry(error.to_string()).or_default() += 1;
    }
    assert!(failures.is_empty(), "{failures:?}");
    for read in reads {
        assert_same("a read", &read.unwrap(), &source.expected());
    }
}

/// Whole, or an error with the server's own status.
async fn none_is_short(source: &Source, pool: PoolBuilder, status: u16) {
    for read in reads(source, pool).await {
        match read {
            Ok(read) => assert_same("a read", &read, &source.expected()),
            Err(error) => {
                assert_eq!(error.status().map(|it| it.as_u16()), Some(status), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_throttle_makes_no_read_short() {
    let server = Server::start(Program::Django);
    none_is_short(&throttled(&server), AwwPool::builder(server.url()), 429).await;
}

#[tokio::test]
async fn eight_reads_against_a_throttle_end_whole() {
    let server = Server::start(Program::Django);
    all_are_whole(&throttled(&server), AwwPool::builder(server.url())).await;
}

#[tokio::test]
async fn eight_reads_against_a_throttle_end_whole_with_a_rate_limit() {
    let server = Server::start(Program::Django);
    let pool = AwwPool::builder(server.url()).rate_limit("8".parse().unwrap());
    all_are_whole(&throttled(&server), pool).await;
}

#[tokio::test]
async fn eight_reads_against_a_throttle_end_whole_with_the_dampener() {
    let server = Server::start(Program::Django);
    let pool = AwwPool::builder(server.url()).use_dampener(true).max_attempts(20);
    all_are_whole(&throttled(&server), pool).await;
}

#[tokio::test]
async fn a_limit_told_by_503_makes_no_read_short() {
    let server = nginx();
    none_is_short(&limited(&server), AwwPool::builder(server.url()), 503).await;
}

#[tokio::test]
async fn eight_reads_against_a_limit_told_by_503_end_whole() {
    let server = nginx();
    all_are_whole(&limited(&server), AwwPool::builder(server.url()).use_dampener(true)).await;
}

#[tokio::test]
async fn eight_reads_against_a_limit_told_by_503_end_whole_with_a_rate_limit() {
    let server = nginx();
    let pool = AwwPool::builder(server.url()).rate_limit("8".parse().unwrap());
    all_are_whole(&limited(&server), pool).await;
}

#[tokio::test]
async fn a_write_that_was_throttled_is_stored_once() {
    let server = Server::start(Program::Django);
    let pool = AwwPool::builder(server.url()).use_dampener(true).max_attempts(20);
    let pool = pool.build().unwrap();
    let note = |n: usize| Request::post("/api/throttled-notes/").json(&json!({ "name": n }));
    let notes = (0..40).map(|n| pool.request(note(n).unwrap()));
    let notes = within("the notes", try_join_all(notes)).await.unwrap();
    assert!(notes.iter().all(|answer| answer.status() == 201));
    let stats = within("the counts", pool.stats()).await.unwrap();
    assert!(stats.rate_limited > 0, "{stats}");
    let stored = within("what is stored", pool.get("/api/notes/?page_size=100")).await.unwrap();
    assert_eq!(stored.json::<Value>().unwrap()["count"], 40);
}
