//! A hundred thousand calls to a server that commits each of its faults in one of a
//! hundred answers, while callbacks panic, block and kill their workers: every call is
//! answered once, every answer is its own, and nothing is left behind.
//!
//! ```text
//! cargo run --release --example soak            # 100,000 calls
//! cargo run --release --example soak 1000000
//! ```

#![allow(clippy::print_stdout)]

mod server;

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use vantage_api_pool::{AwwPool, Error, ErrorKind, Request};

use server::{Chaos, body};

const CALLERS: u64 = 64;
/// How often the memory is looked at.
const SAMPLES: u64 = 100;
/// What the second half of the run may add to the memory, in bytes: besides some noise, what
/// the run's own books take for each call.
const MOST_GROWTH: u64 = 2 * 1024 * 1024;
const BOOKS_PER_CALL: u64 = 16;
/// The shortest time between two deaths of workers, below which their replacement is slowed.
const BETWEEN_DEATHS: Duration = Duration::from_millis(500);
/// How long a callback blocks its worker.
const BLOCKED: Duration = Duration::from_millis(5);

type Outcome<T> = Result<T, Box<dyn StdError>>;

/// What the pool's own callbacks have done to it.
#[derive(Default)]
struct Callbacks {
    panics: AtomicU64,
    deaths: AtomicU64,
    blocks: AtomicU64,
    failures: AtomicU64,
    /// When the last worker was killed, in milliseconds of the run.
    last_death: AtomicU64,
}

/// What became of the calls.
#[derive(Default)]
struct Tally {
    sent: u64,
    ok: u64,
    errors: BTreeMap<&'static str, u64>,
    /// Orders that were answered with success.
    ordered: Vec<u64>,
    wrong: Vec<String>,
}

impl Tally {
    fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.ordered.extend(other.ordered);
        self.wrong.extend(other.wrong);
    }
}

fn main() -> Outcome<()> {
    let calls = match std::env::args().nth(1) {
        Some(calls) => calls.parse()?,
        None => 100_000,
    };
    // The panics are a part of the run.
    std::panic::set_hook(Box::new(|_| {}));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(soak(calls))
}

async fn soak(calls: u64) -> Outcome<()> {
    let chaos = Arc::new(Chaos::default());
    let address = chaos.serve()?;
    let descriptors = open_descriptors();
    let callbacks = Arc::new(Callbacks::default());
    let pool = pool(format!("http://{address}"), &chaos, &callbacks)?;

    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(caller(pool.clone(), Arc::clone(&next), calls)))
        .collect();
    let mut memory = Vec::new();
    while callers.iter().any(|caller| !caller.is_finished()) {
        let made = next.load(Ordering::SeqCst).min(calls);
        if made >= memory.len() as u64 * calls / SAMPLES {
            memory.push(resident_memory() as f64);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        if started.elapsed() > Duration::from_secs(60 + calls / 100) {
            return Err(format!("calls hang: {made} of {calls} were made").into());
        }
    }
    let mut tally = Tally::default();
    for caller in callers {
        tally.add(caller.await?);
    }
    let took = started.elapsed();
    let stats = pool.stats().await?;
    pool.shutdown(Duration::from_secs(5)).await;
    drop(pool);
    let left = descriptors_left(descriptors).await;
    let growth = growth(&memory[memory.len() / 2..]);

    println!("{calls} calls in {took:.1?}: {} ok, {} errors", tally.ok, tally.failed());
    println!("  errors: {:?}", tally.errors);
    println!("  injected by the server: {:?}", chaos.injected());
    let [panics, deaths, blocks, failures] =
        [&callbacks.panics, &callbacks.deaths, &callbacks.blocks, &callbacks.failures]
            .map(|count| count.load(Ordering::SeqCst));
    println!(
        "  injected by callbacks: {panics} panics, {deaths} dead workers, {blocks} blocked \
         workers, {failures} failed token requests"
    );
    println!("  {stats}");
    println!(
        "  memory: {:.1} MiB at the end, {:+.2} MiB over the second half; {left} descriptors left",
        memory.last().unwrap_or(&0.0) / 1024.0 / 1024.0,
        growth / 1024.0 / 1024.0,
    );

    for wrong in &tally.wrong {
        println!("  WRONG: {wrong}");
    }
    let overdone = (0..calls).filter(|number| chaos.times_ordered(*number) > 1).count();
    let undone = tally.ordered.iter().filter(|number| chaos.times_ordered(**number) == 0).count();
    let heads = chaos.heads.load(Ordering::SeqCst);
    for (holds, what) in [
        (tally.sent == calls, "every call was made"),
        (tally.sent == tally.ok + tally.failed(), "every call was answered once"),
        (tally.wrong.is_empty(), "every answer was the call's own, and every error expected"),
        (overdone == 0, "no order was acted upon twice"),
        (undone == 0, "every order that succeeded was acted upon"),
        (stats.calls_ok + stats.calls_failed <= calls, "no call was counted twice"),
        (stats.attempts <= heads + stats.transport_errors, "no attempt was made up"),
        (tally.ok > calls / 2, "most calls succeeded"),
        (growth < (MOST_GROWTH + BOOKS_PER_CALL * calls / 2) as f64, "the memory is flat"),
        (left == 0, "no descriptor is left"),
    ] {
        println!("  {}: {what}", if holds { "yes" } else { "NO " });
        if !holds {
            return Err(format!("it does not hold that {what}").into());
        }
    }
    Ok(())
}

fn pool(url: String, chaos: &Arc<Chaos>, callbacks: &Arc<Callbacks>) -> Result<AwwPool, Error> {
    let acquire = {
        let (chaos, callbacks) = (Arc::clone(chaos), Arc::clone(callbacks));
        move || {
            let fails = fastrand::u8(..100) == 0;
            callbacks.failures.fetch_add(fails.into(), Ordering::SeqCst);
            std::future::ready(if fails { Err("no token today") } else { Ok(chaos.token()) })
        }
    };
    let apply = {
        let callbacks = Arc::clone(callbacks);
        let started = Instant::now();
        move |mut request: Request, token: &str| {
            callbacks.misbehave(started);
            if let Ok(value) = token.parse() {
                request.headers_mut().insert("x-token", value);
            }
            request
        }
    };
    AwwPool::builder(url)
        .workers(3)
        .connections_per_worker(8)
        .backoff_base(Duration::from_millis(1))
        .backoff_cap(Duration::from_millis(20))
        .with_auth_callback(1, acquire, apply)
        .build()
}

impl Callbacks {
    /// Panics, blocks or kills the worker that it runs on, each in one of a hundred attempts.
    fn misbehave(&self, started: Instant) {
        match fastrand::u8(..100) {
            0 => {
                self.panics.fetch_add(1, Ordering::SeqCst);
                std::panic::resume_unwind(Box::new("a callback's panic"));
            }
            1 => {
                self.blocks.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(BLOCKED);
            }
            2 => {
                let now = started.elapsed().as_millis() as u64;
                let due =
                    self.last_death.load(Ordering::SeqCst) + BETWEEN_DEATHS.as_millis() as u64;
                if now >= due {
                    self.last_death.store(now, Ordering::SeqCst);
                    self.deaths.fetch_add(1, Ordering::SeqCst);
                    actix::Arbiter::current().stop();
                }
            }
            _ => {}
        }
    }
}

/// Makes calls until all are made: one in ten is an order, which must not be sent twice.
async fn caller(pool: AwwPool, next: Arc<AtomicU64>, calls: u64) -> Tally {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= calls {
            return tally;
        }
        let is_order = number.is_multiple_of(10);
        let request = if is_order {
            Request::post(format!("/orders/{number}")).body("x")
        } else {
            Request::get(format!("/items/{number}"))
        };
        tally.sent += 1;
        match pool.request(request).await {
            Ok(response) => {
                tally.ok += 1;
                if is_order {
                    tally.ordered.push(number);
                }
                if response.text().is_ok_and(|text| text != body(number)) {
                    tally.wrong.push(format!("call {number} got the answer of another"));
                }
            }
            Err(error) => {
                *tally.errors.entry(error.kind_name()).or_default() += 1;
                if !is_expected(&error, is_order) {
                    tally.wrong.push(format!("call {number}: {error}"));
                }
                if let (ErrorKind::Token, Some(wait)) = (error.kind(), error.wait()) {
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

/// Whether this run gives reason for the error.
fn is_expected(error: &Error, is_order: bool) -> bool {
    match error.kind() {
        // Of callbacks, of the token's end, and of a server that stays busy for three attempts.
        ErrorKind::Callback | ErrorKind::Token | ErrorKind::Unauthorized | ErrorKind::Status => {
            true
        }
        // What cannot be told apart from success is not repeated; reads are, three times.
        ErrorKind::WorkerCrashed => is_order,
        ErrorKind::Truncated | ErrorKind::Disconnected => is_order || error.attempts() >= 3,
        _ => false,
    }
}

/// How much the memory rose over these samples, by the line that fits them best.
fn growth(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let mean_at = (count - 1.0) / 2.0;
    let mean = samples.iter().sum::<f64>() / count;
    let (mut rise, mut run) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let at = at as f64 - mean_at;
        rise += at * (sample - mean);
        run += at * at;
    }
    if run > 0.0 { rise / run * count } else { 0.0 }
}

/// Bytes of memory that this process has, as Linux tells; elsewhere nothing.
fn resident_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: usize = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    kib * 1024
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// How many descriptors more than `before` stay open when all had time to be closed.
async fn descriptors_left(before: usize) -> usize {
    let started = Instant::now();
    while open_descriptors() > before && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open_descriptors().saturating_sub(before)
}
