//! What every way to page promises, over raw sockets: order, resuming, loops, contradictions,
//! cancellation and limits. `ways` lists the ways, and each other module has a property that is tested
//! of all of them; a failure names the way.

mod cancellation;
mod contradictions;
mod limits;
mod loops;
mod order;
mod random;
mod reports;

mod resume;
mod server;
mod settings;
mod ways;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

use futures::{FutureExt, StreamExt};
use serde_json::Value;
use vantage_api_pool::{AwwPool, Error, PaginatedStream};

use self::server::Server;
pub(crate) use self::{
    random::of_cases,
    server::{Asked, Fate, Hold},
    ways::{Way, pool, ways},
};
use crate::support::soon;

/// How many rows the set has, unless a test says otherwise, and how many are on a page.
const COUNT: usize = 35;
const CAP: usize = 10;

/// Tests each of these ways by itself, and names those that fail.
async fn of_each(ways: impl IntoIterator<Item = Way>, test: impl AsyncFn(Way)) {
    let mut failed = Vec::new();
    for way in ways {
        let name = way.name;
        if AssertUnwindSafe(test(way)).catch_unwind().await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "the ways that fail: {failed:?}");
}

/// Reads to the end: the items, and the error that was the end.
async fn read(mut stream: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    soon("the end of a read", async {
        let mut items = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) => items.push(item),
                Err(error) => return (items, Some(error)),
            }
        }
        (items, None)
    })
    .await
}

/// Takes this many rows.
async fn take(stream: &mut PaginatedStream, rows: usize) -> Vec<Value> {
    let taken = stream.take(rows).map(Result::unwrap).collect();
    soon("some rows", taken).await
}

/// The numbers of rows.
fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// What a read tells.
type Warnings = Arc<Mutex<Vec<String>>>;

fn told(stream: PaginatedStream) -> (PaginatedStream, Warnings) {
    let warnings = Warnings::default();
    let into = Arc::clone(&warnings);
    (stream.on_warning(move |what| into.lock().unwrap().push(what.to_owned())), warnings)
}

/// Whatever the pool was about to send has arrived before the answers to these calls.
async fn barrier(pool: &AwwPool) {
    for _ in 0..4 {
        soon("an answer", pool.get(server::BARRIER)).await.unwrap();
    }
}
