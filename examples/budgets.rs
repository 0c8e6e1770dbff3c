//! The cost of hostile sizes: how long a page of millions of rows, or of one row of millions of
//! values, delays another task on the same thread, how much memory is taken by pages that suddenly
//! grow, and by the bodies of errors. Each figure is from a process of its own; memory is measured
//! on Linux only.
//!
//! ```text
//! cargo run --release --example budgets
//! ```

#![allow(clippy::print_stdout)]

use std::{
    cell::Cell,
    convert::Infallible,
    env,
    error::Error,
    fs,
    future::{Future, poll_fn},
    io::Write,
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, future::join_all};
use indexmap::IndexMap;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::sleep,
};
use vantage_api_pool::{AwwPool, Envelope, PaginatedStream, Paging, PoolApi};
use vantage_dataset::prelude::ReadableValueSet;
use vantage_table::{table::Table, traits::table_source::TableSource};
use vantage_types::{EmptyEntity, Record};

type Outcome<T> = std::result::Result<T, Box<dyn Error>>;

const MIB: usize = 1024 * 1024;
/// This many rows without fields are 10 MiB.
const ROWS: usize = 10 * MIB / 3 - 10;
const FIGURES: [&str; 10] = [
    "nothing",
    "values",
    "typed",
    "long_item",
    "table_stream",
    "list",
    "unbounded_list",
    "million",
    "prefetch",
    "errors",
];

fn main() -> Outcome<()> {
    if let Some(figure) = env::args().nth(1) {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(tell(&figure));
    }
    for figure in FIGURES {
        Command::new(env::current_exe()?).arg(figure).status()?;
    }
    Ok(())
}

async fn tell(figure: &str) -> Outcome<()> {
    match figure {
        "million" => return million().await,
        "prefetch" => return prefetch().await,
        "errors" => return errors().await,
        _ => {}
    }
    let page = match figure {
        "long_item" => format!("[[{}0]]", "0,".repeat(4 * MIB)),
        _ => format!("[{}{{}}]", "{},".repeat(ROWS - 1)),
    };
    let page: Arc<[u8]> = page.into_bytes().into();
    let pool = AwwPool::builder(serve(move |_| Answer {
        status: 200,
        gzip: false,
        body: Arc::clone(&page),
    })?);
    let pool = pool.build()?;
    // The pool has started, and its buffers are there.
    pool.get("/rows").await?;
    let stream = || {
        let stream = PaginatedStream::get(&pool, "/rows").paging(Paging::none());
        stream.envelope(Envelope::bare_array())
    };
    let table = |api: PoolApi| Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    let api = PoolApi::new(pool.clone()).paging(Paging::none());
    let unbounded = api.clone().max_rows(u64::MAX).max_page_items(u64::MAX);
    let before = memory("VmRSS:");
    match figure {
        "nothing" => {
            let nothing = async {
                sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(())
            };
            delay("nothing", nothing).await;
        }
        "values" => {
            delay("a stream of values", count(stream())).await;
        }
        "typed" => {
            delay("a typed stream", count(stream().items_as::<Nothing>())).await;
        }
        "long_item" => {
            delay("a long item", count(stream().items_as::<Vec<u8>>())).await;
        }
        "table_stream" => {
            delay("a stream of a table", count(table(api).stream_values())).await;
        }
        "list" => {
            delay("a list", list(&table(api))).await;
        }
        _ => {
            let rows = delay("a list without bounds", list(&table(unbounded))).await;
            println!("  {} MiB for {} rows", since(before), rows.map_or(0, |rows| rows.len()));
            return Ok(());
        }
    }
    println!("  {} MiB at the most", since(before));
    Ok(())
}

#[derive(Deserialize)]
struct Nothing {}

type Rows = IndexMap<String, Record<Value>>;

/// The rows as the source hands them to the table. `list_values` itself looks through them once
/// more, in one poll, which takes 8 ns a row.
async fn list(table: &Table<PoolApi, EmptyEntity>) -> vantage_core::Result<Rows> {
    table.data_source().list_table_values(table).await
}

async fn count<T, E>(
    rows: impl futures::Stream<Item = std::result::Result<T, E>>,
) -> std::result::Result<usize, E> {
    rows.try_fold(0, async |count, _| Ok(count + 1)).await
}

/// Runs `read` beside a task that sleeps for a millisecond again and again, and prints how late
/// its timer was at most, and how long the longest poll of `read` took.
async fn delay<T, E: std::fmt::Display>(
    what: &str,
    read: impl Future<Output = std::result::Result<T, E>>,
) -> Option<T> {
    let late = Cell::new(Duration::ZERO);
    let ticks = async {
        loop {
            let now = Instant::now();
            sleep(Duration::from_millis(1)).await;
            late.set(late.get().max(now.elapsed().saturating_sub(Duration::from_millis(1))));
        }
    };
    let mut longest = Duration::ZERO;
    let started = Instant::now();
    let outcome = {
        let mut read = pin!(read);
        let read = poll_fn(|cx| {
            let now = Instant::now();
            let outcome = read.as_mut().poll(cx);
            longest = longest.max(now.elapsed());
            outcome
        });
        tokio::select! {
            biased;
            () = ticks => None,
            outcome = read => Some(outcome),
        }
    };
    println!(
        "{what}: the timer was late by {:.1?} at most, the longest poll took {longest:.1?} of {:.1?} in all",
        late.get(),
        started.elapsed()
    );
    match outcome? {
        Ok(value) => Some(value),
        Err(error) => {
            println!("  {error}");
            None
        }
    }
}

/// As many rows as a list may have by default, with ids, in ten pages.
async fn million() -> Outcome<()> {
    let pages: Vec<Arc<[u8]>> = (0..10)
        .map(|page| {
            let ids = page * 100_000..(page + 1) * 100_000;
            let rows: Vec<_> = ids.map(|id| format!(r#"{{"id":{id}}}"#)).collect();
            let rows = rows.join(",");
            format!(r#"{{"data":[{rows}],"pagination":{{"total_pages":10}}}}"#).into_bytes().into()
        })
        .collect();
    let url = serve(move |head| {
        let number = |page: &&str| page.parse::<usize>().ok();
        let page = head.split(['=', ' ', '&']).find_map(|part| number(&part)).unwrap_or(1);
        Answer { status: 200, gzip: false, body: Arc::clone(&pages[(page - 1) % pages.len()]) }
    })?;
    let api = PoolApi::new(AwwPool::builder(url).build()?);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    let before = memory("VmRSS:");
    let rows = delay("a list", list(&table)).await;
    println!("  {} MiB for {} rows", since(before), rows.map_or(0, |rows| rows.len()));
    Ok(())
}

/// Page 1 is small and all others have 9 MB; 48 of them may be prefetched within 64 MiB, and none
/// is consumed.
async fn prefetch() -> Outcome<()> {
    let page = |text: usize| -> Arc<[u8]> {
        let body = format!(
            r#"{{"data":[{{"t":"{}"}}],"pagination":{{"total_pages":100}}}}"#,
            "x".repeat(text)
        );
        body.into_bytes().into()
    };
    let (small, large) = (page(1), page(9_000_000));
    static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);
    let url = serve(move |head| {
        ASKED_FOR.fetch_add(1, Ordering::Relaxed);
        let body = if head.contains("page=1 ") { &small } else { &large };
        Answer { status: 200, gzip: false, body: Arc::clone(body) }
    })?;
    let pool = AwwPool::builder(url).build()?;
    let before = memory("VmRSS:");
    let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(48).byte_budget(64 * MIB);
    stream.next().await.transpose()?;
    sleep(Duration::from_secs(5)).await;
    let pages = ASKED_FOR.load(Ordering::Relaxed);
    let held = memory("VmRSS:").saturating_sub(before) / MIB;
    println!(
        "prefetch(48) within 64 MiB: {pages} pages, {held} MiB, {} MiB at the most",
        since(before)
    );
    Ok(())
}

/// 1,000 calls that fail with 9.5 MB in 9 KB of gzip, with all settings at their defaults.
async fn errors() -> Outcome<()> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b'x'; 9_500_000])?;
    let body: Arc<[u8]> = gzip.finish()?.into();
    let url = serve(move |_| Answer { status: 500, gzip: true, body: Arc::clone(&body) })?;
    let pool = AwwPool::builder(url).build()?;
    let failed = join_all((0..1_000).map(|_| pool.get("/rows"))).await;
    let failed = failed.iter().filter(|answer| answer.is_err()).count();
    println!("{failed} calls against errors of 9.5 MB: {} MiB in all", memory("VmHWM:") / MIB);
    Ok(())
}

struct Answer {
    status: u16,
    gzip: bool,
    body: Arc<[u8]>,
}

/// Starts a server on a thread of its own, and returns its URL.
fn serve(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Outcome<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move { converse(stream, &*answer).await });
            }
        });
    });
    Ok(format!("http://{address}"))
}

async fn converse(mut stream: TcpStream, answer: &(impl Fn(&str) -> Answer + Sync)) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let Answer { status, gzip, body } = answer(&String::from_utf8_lossy(&head));
        head.clear();
        let encoding = if gzip { "content-encoding: gzip\r\n" } else { "" };
        let length = body.len();
        let first = format!("HTTP/1.1 {status} X\r\n{encoding}content-length: {length}\r\n\r\n");
        let sent = async {
            stream.write_all(first.as_bytes()).await?;
            stream.write_all(&body).await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

/// How much the peak memory of this process exceeds `before`, in MiB.
fn since(before: usize) -> usize {
    memory("VmHWM:").saturating_sub(before) / MIB
}

/// A line of `/proc/self/status`, in bytes.
fn memory(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let digits = line.trim_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<usize>().unwrap_or_default() * 1024
}
