//! Probes of memory: each is a process of its own that fills itself in one way and says how much
//! that took.

use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt, future::join_all, stream};
use serde::{Deserialize, Serialize};
use vantage_api_pool::AwwPool;
use vantage_dataset::traits::ReadableValueSet;

use crate::clients::{Client, awc, hyper, on_tokio_thread, pool};
use kit::{
    body::{Body, Tree, Values},
    data::{Item, Shape},
    measure::resident_kib,
};

/// Pages ahead of a stream: the pool's default.
const AHEAD: usize = 3;
/// Pages in the set of each stream: more than are ever fetched.
const PAGES: u64 = 1000;

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Probe {
    /// Connections that have each served one request and are kept.
    Idle { client: Client, count: u64 },
    /// Streams of which only the first item was read.
    Streams { client: Client, count: u64 },
    /// One long read with a pause after each page.
    Steady { items: u64 },
}

/// What many of one thing take, in KiB each.
#[derive(Debug, Serialize, Deserialize)]
pub struct Footprint {
    pub kib_each: f64,
}

/// The memory of a long read, in KiB.
#[derive(Debug, Serialize, Deserialize)]
pub struct Steady {
    /// The most within the first second.
    pub first_kib: u64,
    /// The most in the last quarter of the samples.
    pub last_kib: u64,
    pub seconds: f64,
}

/// Runs a probe and prints what it found as JSON.
pub fn run(base: &str, probe: &Probe) -> anyhow::Result<()> {
    let found = match probe {
        Probe::Idle { client, count } => {
            serde_json::to_string(&idle(base, *client, *count as usize)?)?
        }
        Probe::Streams { client, count } => {
            serde_json::to_string(&streams(base, *client, *count as usize)?)?
        }
        Probe::Steady { items } => serde_json::to_string(&on_tokio_thread(steady(base, *items))??)?,
    };
    println!("{found}");
    Ok(())
}

/// All requests are held by the server for a while, so each has a connection of its own.
fn idle(base: &str, client: Client, count: usize) -> anyhow::Result<Footprint> {
    let url = format!("{base}/1/1/{}/items?page=1", 300 + count / 10);
    let one = format!("{base}/1/1/0/items?page=1");
    match client {
        Client::PoolValues => on_tokio_thread(async {
            let pool = AwwPool::builder(base).workers(1).connections_per_worker(count).build()?;
            let fetch = async |url| Ok(pool.get(url).await?);
            connections(count, &one, &url, fetch).await
        })?,
        Client::HyperValues => on_tokio_thread(async {
            let client = hyper::client();
            let fetch = async |url| hyper::fetch::<Tree>(client.clone(), url).await;
            connections(count, &one, &url, fetch).await
        })?,
        Client::ReqwestValues => on_tokio_thread(async {
            let client = reqwest::Client::builder().no_proxy().build()?;
            let fetch = async |url: String| Ok(client.get(url).send().await?.bytes().await?);
            connections(count, &one, &url, fetch).await
        })?,
        Client::AwcInline => actix_rt::System::new().block_on(async {
            let client = awc::client(count);
            let fetch = async |url| awc::fetch::<Values>(client.clone(), url).await;
            connections(count, &one, &url, fetch).await
        }),
        other => anyhow::bail!("no such probe of {other:?}"),
    }
}

async fn connections<T>(
    count: usize,
    one: &str,
    url: &str,
    fetch: impl AsyncFn(String) -> anyhow::Result<T>,
) -> anyhow::Result<Footprint> {
    fetch(one.to_owned()).await?;
    let before = settled().await;
    let held = |_| fetch(url.to_owned()).map(|answer| answer.map(drop));
    join_all((0..count).map(held)).await.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(footprint(before, settled().await, count))
}

fn streams(base: &str, client: Client, count: usize) -> anyhow::Result<Footprint> {
    let path = format!("{}/{PAGES}/0/items", Shape::A.items_per_page());
    match client {
        Client::PoolValues | Client::PoolTyped | Client::PoolRecordsStream => {
            on_tokio_thread(async {
                let pool = AwwPool::builder(base).workers(1).build()?;
                pool.get(format!("/{path}")).await?;
                let before = settled().await;
                let stream = || pool::stream(&pool, &path, AHEAD);
                match client {
                    Client::PoolValues => held(before, (0..count).map(|_| stream())).await,
                    Client::PoolTyped => {
                        held(before, (0..count).map(|_| stream().items_as::<Item>())).await
                    }
                    _ => {
                        let table = pool::table(&pool, &path, AHEAD);
                        held(before, (0..count).map(|_| table.stream_values())).await
                    }
                }
            })?
        }
        Client::HyperValues => on_tokio_thread(async {
            let client = hyper::client();
            let fetch = |url| tokio::spawn(hyper::fetch::<Tree>(client.clone(), url)).map(flat);
            pages(base, &path, count, fetch).await
        })?,
        Client::AwcInline => actix_rt::System::new().block_on(async {
            let client = awc::client(32);
            let fetch = |url| actix_rt::spawn(awc::fetch::<Values>(client.clone(), url)).map(flat);
            pages(base, &path, count, fetch).await
        }),
        other => anyhow::bail!("no such probe of {other:?}"),
    }
}

fn flat<B>(joined: Result<anyhow::Result<B>, tokio::task::JoinError>) -> anyhow::Result<B> {
    joined?
}

/// Streams by `buffered`. Of a page that was begun the pool holds the rest and has the next ones
/// fetched; so one more in flight is the same.
async fn pages<B: Body, F>(
    base: &str,
    path: &str,
    count: usize,
    fetch: impl Fn(String) -> F + Copy,
) -> anyhow::Result<Footprint>
where
    F: Future<Output = anyhow::Result<B>>,
{
    let url = move |page: u64| format!("{base}/{path}?page={page}");
    fetch(url(1)).await?;
    let before = settled().await;
    let one =
        |_| Box::pin(stream::iter(1..=PAGES).map(move |page| fetch(url(page))).buffered(AHEAD + 1));
    held(before, (0..count).map(one)).await
}

/// Takes one item of each stream and measures while all are held.
async fn held<S, T, E>(before: u64, streams: impl Iterator<Item = S>) -> anyhow::Result<Footprint>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    E: std::fmt::Display,
{
    let mut streams: Vec<S> = streams.collect();
    let firsts = join_all(streams.iter_mut().map(StreamExt::next)).await;
    for first in &firsts {
        if let Some(Err(error)) = first {
            anyhow::bail!("a stream failed: {error}");
        }
    }
    Ok(footprint(before, settled().await, streams.len()))
}

fn footprint(before: u64, after: u64, count: usize) -> Footprint {
    Footprint { kib_each: after.saturating_sub(before) as f64 / count as f64 }
}

/// The memory of this process once it has stopped to change, or after 20 seconds.
async fn settled() -> u64 {
    let began = Instant::now();
    let (mut last, mut same) = (resident_kib(), 0);
    while same < 4 && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = resident_kib();
        same = if now.abs_diff(last) * 200 <= last { same + 1 } else { 0 };
        last = now;
    }
    last
}

async fn steady(base: &str, items: u64) -> anyhow::Result<Steady> {
    let per_page = Shape::A.items_per_page();
    let pool = AwwPool::builder(base).workers(1).build()?;
    let path = format!("{per_page}/{}/0/items", items.div_ceil(per_page));
    let mut stream = pool::stream(&pool, &path, 32);
    let began = Instant::now();
    let (mut first, mut samples) = (0, Vec::new());
    let mut due = began;
    while let Some(page) = stream.next_page().await {
        drop(page?);
        tokio::time::sleep(Duration::from_millis(1)).await;
        if Instant::now() >= due {
            due += Duration::from_millis(100);
            samples.push(resident_kib());
            if began.elapsed() < Duration::from_secs(1) {
                first = samples.iter().copied().fold(first, u64::max);
            }
        }
    }
    let end = &samples[samples.len() * 3 / 4..];
    Ok(Steady {
        first_kib: first,
        last_kib: end.iter().copied().max().unwrap_or(0),
        seconds: began.elapsed().as_secs_f64(),
    })
}
