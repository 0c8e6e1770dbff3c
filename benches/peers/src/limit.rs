//! An API that does not tell its limit, under the same load by each client: how much of the
//! limit is used, how much is refused, and what becomes of the calls.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use kit::load::{self, Fate, Load};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use vantage_api_pool::AwwPool;

use crate::{
    clients::{Client, forerunners},
    report::name,
    runner,
};

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n[{\"id\":\"1\"}]";
const REFUSED: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n";

/// Compares the clients and prints a table.
pub fn compare(rate: u32, callers: usize, seconds: u64) -> anyhow::Result<()> {
    forerunners::program()?;
    println!("\n### A hidden limit of {rate} per second, {callers} callers, {seconds} s\n");
    println!("| client | used | 429s | requests | calls answered | failed | unanswered |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for client in [Client::PoolCalls, Client::OldPool] {
        let (base, bucket) = serve(rate)?;
        let load = Load { base, callers, seconds };
        let fate = run(client, &load)?;
        let (served, refused) =
            bucket.lock().unwrap_or_else(PoisonError::into_inner).counts(seconds);
        let used = 100.0 * served as f64 / (u64::from(rate) * seconds) as f64;
        let share = 100.0 * refused as f64 / (served + refused).max(1) as f64;
        println!(
            "| {} | {used:.1} % | {share:.1} % | {} | {} | {} | {} |",
            name(client),
            served + refused,
            fate.answered,
            fate.failed,
            fate.unanswered
        );
    }
    Ok(())
}

/// Puts one client under load in a process of its own.
fn run(client: Client, load: &Load) -> anyhow::Result<Fate> {
    let mut command = match client {
        Client::PoolCalls => runner::own(&["load"])?,
        _ => {
            let mut command = std::process::Command::new(forerunners::program()?);
            command.args(["load", &name(client)]);
            command
        }
    };
    let output = command.args(load.arguments()).stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "{client:?} failed");
    serde_json::from_slice(&output.stdout).context("a client that says nothing")
}

/// Puts the pool under load.
pub fn pool(load: &Load) -> anyhow::Result<Fate> {
    load::run(load, async || {
        let pool = AwwPool::builder(&load.base).use_dampener(true).build()?;
        Ok(Box::new(move || {
            let pool = pool.clone();
            async move { pool.get("/rows").await.is_ok() }
        }) as Box<dyn Fn() -> _>)
    })
}

/// A bucket of one second's worth, and what became of the requests.
struct Bucket {
    rate: f64,
    left: f64,
    filled_at: Instant,
    /// When each request came, and whether it was served.
    seen: Vec<(Instant, bool)>,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let gained = (now - self.filled_at).as_secs_f64() * self.rate;
        (self.left, self.filled_at) = ((self.left + gained).min(self.rate), now);
        let is_served = self.left >= 1.0;
        self.left -= f64::from(u8::from(is_served));
        self.seen.push((now, is_served));
        is_served
    }

    /// How many were served and how many refused within so many seconds from the first on.
    fn counts(&self, seconds: u64) -> (u64, u64) {
        let Some((first, _)) = self.seen.first() else { return (0, 0) };
        let end = *first + Duration::from_secs(seconds);
        let within = self.seen.iter().filter(|(at, _)| *at < end);
        within.fold(
            (0, 0),
            |(served, refused), (_, is_served)| {
                if *is_served { (served + 1, refused) } else { (served, refused + 1) }
            },
        )
    }
}

/// Starts an API with a limit of `rate` per second on a thread of its own, which ends with the
/// program, and says where it is.
fn serve(rate: u32) -> anyhow::Result<(String, Arc<Mutex<Bucket>>)> {
    let rate = f64::from(rate);
    let bucket = Bucket { rate, left: rate, filled_at: Instant::now(), seen: Vec::new() };
    let bucket = Arc::new(Mutex::new(bucket));
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let base = format!("http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::clone(&bucket);
    std::thread::spawn(move || runtime.block_on(accept_all(listener, shared)));
    Ok((base, bucket))
}

async fn accept_all(
    listener: std::net::TcpListener,
    bucket: Arc<Mutex<Bucket>>,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let bucket = Arc::clone(&bucket);
        // A client that goes away is not an event.
        tokio::spawn(async move { answer_all(stream, &bucket).await.ok() });
    }
}

async fn answer_all(mut stream: TcpStream, bucket: &Mutex<Bucket>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let is_served =
                bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
            stream.write_all(if is_served { OK } else { REFUSED }).await?;
        }
    }
    Ok(())
}
