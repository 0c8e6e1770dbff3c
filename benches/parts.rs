//! What the parts of a read cost: a call and a stream of pages. The comparison with other clients
//! is in `peers`.
//!
//! ```text
//! cargo bench --bench parts
//! ```

#![allow(missing_docs, clippy::unwrap_used)]

use std::{fmt::Write, hint::black_box, net::SocketAddr, sync::mpsc, thread};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use vantage_api_pool::{AwwPool, PaginatedStream, Request, paging::ReadMode};

const PAGES: u64 = 50;

#[derive(Deserialize)]
#[allow(dead_code, reason = "built, and not looked at")]
struct Row {
    id: u64,
    name: String,
    score: f64,
}

fn one_call(c: &mut Criterion) {
    let (runtime, pool) = (runtime(), pool());
    c.bench_function("one call", |b| {
        b.to_async(&runtime).iter(async || pool.get("/10?page=1").await.unwrap());
    });
    c.bench_function("one call with a query and a header", |b| {
        b.to_async(&runtime).iter(async || {
            let request = Request::get("/10").query(&[("page", 1)]).unwrap();
            pool.request(request.header("x-tenant", "blue").unwrap()).await.unwrap()
        });
    });
}

fn stream_of_pages(c: &mut Criterion) {
    let (runtime, pool) = (runtime(), pool());
    let mut group = c.benchmark_group("a stream of 50 pages");
    for size in [10, 100] {
        let stream = || PaginatedStream::get(&pool, format!("/{size}")).prefetch(8);
        group.throughput(Throughput::Elements(PAGES * size));
        group.bench_function(BenchmarkId::new("values", size), |b| {
            b.to_async(&runtime).iter(|| drain(stream()));
        });
        group.bench_function(BenchmarkId::new("typed", size), |b| {
            b.to_async(&runtime).iter(|| drain(stream().items_as::<Row>()));
        });
    }
    group.finish();
}

/// The same read in each mode, beside one another.
fn modes(c: &mut Criterion) {
    let (runtime, pool) = (runtime(), pool());
    let mut group = c.benchmark_group("50 pages of 100 items");
    for mode in
        [ReadMode::Parallel, ReadMode::Overlap, ReadMode::Sequential, ReadMode::DedicatedThread]
    {
        let stream = || PaginatedStream::get(&pool, "/100").prefetch(8).mode(mode);
        group.throughput(Throughput::Elements(PAGES * 100));
        group.bench_function(format!("{mode:?}"), |b| {
            b.to_async(&runtime).iter(|| drain(stream()));
        });
    }
    group.finish();
}

async fn drain<T: Send + 'static>(mut stream: PaginatedStream<T>) {
    while let Some(page) = stream.next_page().await {
        black_box(page.unwrap());
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A pool over a server of its own.
fn pool() -> AwwPool {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    let address: SocketAddr = told.recv().unwrap();
    AwwPool::builder(format!("http://{address}")).workers(1).build().unwrap()
}

/// Answers `/{items a page}?page={number}` until the client goes.
async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let answer = answer(std::str::from_utf8(&head).unwrap());
        head.clear();
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(head: &str) -> String {
    let target = head.split(' ').nth(1).unwrap();
    let (size, page) = target.trim_start_matches('/').split_once("?page=").unwrap();
    let body = page_of(size.parse().unwrap(), page.parse().unwrap());
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A page of so many items in the standard envelope.
fn page_of(size: u64, page: u64) -> String {
    let mut body = String::from(r#"{"data":["#);
    for id in page * size..(page + 1) * size {
        let comma = if id > page * size { "," } else { "" };
        write!(body, r#"{comma}{{"id":{id},"name":"row number {id}","score":{id}.5}}"#).unwrap();
    }
    write!(body, r#"],"pagination":{{"page":{page},"total_pages":{PAGES}}}}}"#).unwrap();
    body
}

criterion_group!(parts, one_call, stream_of_pages, modes);
criterion_main!(parts);
