//! A hundred thousand calls while the server, the network and the users' own code inject every
//! fault they can, and workers, supervisors and whole Systems die: every call ends exactly once,
//! every response belongs to its call, and nothing is left behind.
//!
//! ```text
//! cargo run --release --example soak            # 100,000 calls
//! cargo run --release --example soak 1000000
//! ```
//!
//! It prints how often each fault was injected, under the numbers of the tests. Faults of the
//! server come in one of a hundred responses each, those of calls in one of a hundred calls. A
//! death is an event of a pool and not of a call, so each kind has a rate of its own.

#![allow(clippy::print_stdout)]

mod beside;
mod callbacks;
mod server;
mod tally;

use std::{
    error::Error as StdError,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::broadcast::{self, error::RecvError};
use tracing::Instrument;
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, events::Event, stats::Stats,
};

use beside::{CALLS_PER_DEATH, Deaths, ask_eagerly};
use callbacks::{Callbacks, Fate};
use server::{Chaos, Fault, Limited};
use tally::Tally;

const CALLERS: u64 = 64;
/// The number of memory samples.
const SAMPLES: u64 = 100;
/// How much memory the second half of the run may add, in bytes: some noise, and the run's own
/// records for each call.
const MOST_GROWTH: u64 = 2 * 1024 * 1024;
const BOOKS_PER_CALL: u64 = 16;

type Outcome<T> = Result<T, Box<dyn StdError>>;

fn main() -> Outcome<()> {
    let calls = match std::env::args().nth(1) {
        Some(calls) => calls.parse()?,
        None => 100_000,
    };
    // The panics are part of the run.
    std::panic::set_hook(Box::new(|_| {}));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(soak(calls))
}

/// The pools of the main load, over TCP and over TLS.
struct Pools {
    plain: AwwPool,
    tls: AwwPool,
}

impl Pools {
    fn of(&self, number: u64) -> &AwwPool {
        if number / 1_000 % 5 == 4 { &self.tls } else { &self.plain }
    }

    /// The statistics of both.
    async fn stats(&self) -> Result<[Stats; 2], Error> {
        Ok([self.plain.stats().await?, self.tls.stats().await?])
    }
}

async fn soak(calls: u64) -> Outcome<()> {
    let chaos = Chaos::new();
    let addresses = chaos.serve()?;
    let descriptors = open_descriptors();
    let callbacks = Callbacks::new();
    callbacks.subscribe()?;
    let plain = pool(&addresses.plain, &chaos, &callbacks).build()?;
    let tls = pool(&addresses.tls, &chaos, &callbacks).root_certificate(addresses.root).build()?;
    let blocked = Arc::new(AtomicU64::new(0));
    for pool in [&plain, &tls] {
        tokio::spawn(count_blocked(pool.events(), Arc::clone(&blocked)));
    }
    let pools = Arc::new(Pools { plain, tls });
    // They run from here on: a call that is cancelled before its pool runs is not counted.
    pools.stats().await?;

    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(caller(Arc::clone(&pools), Arc::clone(&next), calls)))
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let eager = {
        let (url, is_over) = (addresses.plain.clone(), Arc::clone(&is_over));
        tokio::spawn(async move { ask_eagerly(&url, is_over).await })
    };
    let deaths = Deaths::default();
    let memory = async {
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
        Ok(memory)
    };
    let (memory, mut beside) =
        futures::try_join!(memory, deaths.run(&addresses.plain, &next, calls))?;
    let mut tally = Tally::default();
    for caller in callers {
        tally.add(caller.await?);
    }
    is_over.store(true, Ordering::SeqCst);
    beside.add(eager.await??);
    let took = started.elapsed();
    let stats = pools.stats().await?;
    for pool in [&pools.plain, &pools.tls] {
        pool.shutdown(Duration::from_secs(5)).await;
    }
    drop(pools);
    let left = descriptors_left(descriptors).await;
    let growth = growth(&memory[memory.len() / 2..]);

    let run = Run { calls, chaos, callbacks, deaths, blocked: blocked.load(Ordering::SeqCst) };
    println!(
        "{calls} calls in {took:.1?}: {} ok, {} errors, {} cancelled",
        tally.ok,
        tally.errors(),
        tally.cancelled
    );
    println!("  errors: {:?}", tally.errors);
    println!(
        "  and {} of the pools beside: {} ok, {} errors {:?}",
        beside.sent,
        beside.ok,
        beside.errors(),
        beside.errors
    );
    for stats in &stats {
        println!("  {stats}");
    }
    println!(
        "  memory: {:.1} MiB at the end, {:+.2} MiB over the second half; {left} descriptors left",
        memory.last().unwrap_or(&0.0) / 1024.0 / 1024.0,
        growth / 1024.0 / 1024.0,
    );
    let injected = run.injected();
    println!("{:>5}  {:<52} {:<26} {:>8}", "fault", "what", "rate", "injected");
    for Row { fault, what, rate, injected } in &injected {
        println!("{fault:>5}  {what:<52} {rate:<26} {injected:>8}");
    }
    for wrong in tally.wrong.iter().chain(&beside.wrong) {
        println!("  WRONG: {wrong}");
    }

    let sum = |count: fn(&Stats) -> u64| stats.iter().map(count).sum::<u64>();
    let (chaos, callbacks) = (&run.chaos, &run.callbacks);
    let overdone = (0..calls).filter(|number| chaos.times_ordered(*number) > 1).count();
    let undone = tally.ordered.iter().filter(|number| chaos.times_ordered(**number) == 0).count();
    let lost = sum(|stats| stats.transport_errors + stats.cancelled);
    // Each of these makes a token invalid, or is not a token.
    let reasons = chaos.injected(Fault::Revoked)
        + chaos.injected(Fault::LateRefusal)
        + chaos.injected(Fault::Unauthorized)
        + count(&callbacks.acquires_failed)
        + count(&callbacks.acquires_panicked)
        + count(&callbacks.acquires_hung);
    let Limited { served, refused } = chaos.limited();
    for (holds, what) in [
        (tally.sent == calls, "every call was made"),
        (tally.is_even() && beside.is_even(), "every call came to one end"),
        (tally.wrong.is_empty(), "every answer was the call's own, and every error expected"),
        (beside.wrong.is_empty(), "so it was where supervisors and Systems died"),
        (overdone == 0, "no order was acted upon twice"),
        (undone == 0, "every order that succeeded was acted upon"),
        (sum(|stats| stats.calls_ok) == tally.ok, "the pools counted the successes right"),
        (sum(|stats| stats.calls_failed) == tally.errors(), "and the errors"),
        (sum(|stats| stats.calls_cancelled) == tally.cancelled, "and what was cancelled"),
        (sum(|stats| stats.calls_open + stats.calls_refused) == 0, "and no call beyond them"),
        (sum(|stats| stats.attempts) <= count(&chaos.heads) + lost, "no attempt was made up"),
        (
            calls < 100_000 || injected.iter().all(|row| row.injected > 0),
            "every fault was injected",
        ),
        (
            count(&callbacks.acquires) <= 2 * (reasons + 2),
            "no stampede for a token: at most two requests for each reason",
        ),
        (
            served < 1_000 || refused * 10 < served,
            "the hidden limit was found: less than one refusal for ten answers",
        ),
        (
            calls < 100_000 || sum(|stats| stats.malformed_limit_headers) > 0,
            "quotas that make no sense were counted",
        ),
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

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

/// Counts of injected faults.
struct Run {
    calls: u64,
    chaos: Arc<Chaos>,
    callbacks: Arc<Callbacks>,
    deaths: Deaths,
    /// How often a heartbeat was missed.
    blocked: u64,
}

/// One line of the table.
struct Row {
    fault: &'static str,
    what: &'static str,
    rate: String,
    injected: u64,
}

impl Run {
    fn injected(&self) -> Vec<Row> {
        let row =
            |fault, what, rate: &str, injected| Row { fault, what, rate: rate.into(), injected };
        let call = |fault, what, fate| {
            let injected = (0..self.calls).filter(|number| Fate::of(*number) == fate).count();
            row(fault, what, "1 of 100 calls", injected as u64)
        };
        let of = |fault, what, rate, counter: &AtomicU64| row(fault, what, rate, count(counter));
        let server = |fault, what, injected| {
            row(fault, what, "1 of 100 answers", self.chaos.injected(injected))
        };
        let callbacks = &self.callbacks;
        let each = format!("1 for {CALLS_PER_DEATH} calls");
        vec![
            call("1", "the task of a call panics on its worker", Fate::Panics),
            of("1", "apply panics", "1 of 100 calls", &callbacks.apply_panics),
            call("2", "a poison call: its task panics each time", Fate::Poison),
            of(
                "3",
                "apply stops its worker's Arbiter",
                "1 of 100 calls, 4/s at most",
                &callbacks.deaths,
            ),
            of("4", "a System stops while a pool starts in it", &each, &self.deaths.systems),
            of("5", "apply blocks its worker for 450 ms", "1 of 2,000 calls", &callbacks.blocks),
            row("5", "  a heartbeat was missed", "", self.blocked),
            of("5", "apply blocks its worker for 5 ms", "1 of 100 calls", &callbacks.naps),
            of("6", "a supervisor panics under 20 calls", &each, &self.deaths.supervisors),
            of(
                "7",
                "a callback's value panics in its drop",
                "1 of 100 calls",
                &callbacks.drop_panics,
            ),
            server("8", "the token is revoked: all calls meet a 401", Fault::Revoked),
            server("9", "the 401 comes when there is a newer token", Fault::LateRefusal),
            of("10", "acquire fails", "1 of 100 acquires", &callbacks.acquires_failed),
            of("10", "acquire panics", "1 of 100 acquires", &callbacks.acquires_panicked),
            of(
                "10",
                "acquire hangs, and panics as it is dropped",
                "1 of 100 acquires",
                &callbacks.acquires_hung,
            ),
            server("11", "401 for ever", Fault::Unauthorized),
            server("12", "429 for four requests in a row", Fault::Storm),
            row(
                "12",
                "  429 of the API with a hidden limit",
                "as the dampener finds it",
                self.chaos.limited().refused,
            ),
            server("13", "Retry-After garbage, past, skewed, far too long", Fault::StrangeWait),
            server("14", "quota fields malformed, negative, 17 digits", Fault::StrangeQuota),
            server("15", "a body shorter than its length, TCP and TLS", Fault::CutLength),
            server("15", "chunks without the last one, TCP and TLS", Fault::CutChunks),
            server("16", "a body until the close, TCP and TLS", Fault::UntilClose),
            server("17", "103 and 100 before the answer", Fault::Interim),
            server("18", "the connection closes as it is reused", Fault::StaleClose),
            call("-", "the caller goes away", Fate::Cancelled),
        ]
    }
}

/// A pool of the main load.
fn pool(url: &str, chaos: &Arc<Chaos>, callbacks: &Arc<Callbacks>) -> PoolBuilder {
    let acquire = {
        let (chaos, callbacks) = (Arc::clone(chaos), Arc::clone(callbacks));
        move || Arc::clone(&callbacks).acquire(Arc::clone(&chaos))
    };
    let apply = {
        let callbacks = Arc::clone(callbacks);
        move |request: Request, token: &str| callbacks.apply(request, token)
    };
    AwwPool::builder(url)
        .workers(3)
        .connections_per_worker(8)
        .backoff_base(Duration::from_millis(1))
        .backoff_cap(Duration::from_millis(20))
        // It is never reached, but without a limit nobody reads the quota headers.
        .rate_limit(100_000.into())
        .max_retry_after(Duration::from_millis(20))
        .acquire_timeout(Duration::from_millis(100))
        .heartbeat_timeout(Duration::from_millis(300))
        .with_auth_callback(1, acquire, apply)
}

/// Makes calls until all are made. Orders must not be sent twice.
async fn caller(pools: Arc<Pools>, next: Arc<AtomicU64>, calls: u64) -> Tally {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= calls {
            return tally;
        }
        let is_order = (number / 100).is_multiple_of(10);
        let request = if is_order {
            Request::post(format!("/orders/{number}")).body("x")
        } else {
            Request::get(format!("/items/{number}"))
        };
        let fate = Fate::of(number);
        let call = pools.of(number).request(fate.mark(request)).instrument(fate.span());
        tally.sent += 1;
        let answer = if fate == Fate::Cancelled {
            let patience = Duration::from_micros(fastrand::u64(..3_000));
            match tokio::time::timeout(patience, call).await {
                Ok(answer) => answer,
                Err(_) => {
                    tally.cancelled += 1;
                    continue;
                }
            }
        } else {
            call.await
        };
        match answer {
            Ok(_) if fate.is_fatal() => {
                tally.ok += 1;
                tally.wrong.push(format!("call {number} succeeded: {fate:?}"));
            }
            Ok(response) => {
                tally.succeeded(number, &response);
                if is_order {
                    tally.ordered.push(number);
                }
            }
            Err(error) => {
                tally.failed(number, &error, is_expected(&error, fate, is_order));
                if let (ErrorKind::Token, Some(wait)) = (error.kind(), error.retry_after()) {
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

/// Whether this run explains the error.
fn is_expected(error: &Error, fate: Fate, is_order: bool) -> bool {
    match error.kind() {
        // Because of a token's end, or of a server that stays busy for three attempts, or says so.
        ErrorKind::Token | ErrorKind::Unauthorized | ErrorKind::Status | ErrorKind::RateLimited => {
            true
        }
        ErrorKind::Callback => matches!(fate, Fate::ApplyPanics | Fate::ApplyDrops),
        ErrorKind::DeadlineExceeded => fate == Fate::Blocks,
        // An attempt that may have succeeded is not repeated; reads are, three times.
        ErrorKind::WorkerCrashed => is_order || fate == Fate::Poison,
        ErrorKind::Truncated | ErrorKind::Disconnected => is_order || error.attempts() >= 3,
        _ => false,
    }
}

/// Counts the workers that were noticed to be blocked.
async fn count_blocked(mut events: broadcast::Receiver<Event>, blocked: Arc<AtomicU64>) {
    loop {
        match events.recv().await {
            Ok(Event::WorkerBlocked { .. }) => {
                blocked.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// How much the memory grew over these samples, by linear regression.
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

/// The resident memory of this process in bytes, as Linux reports it; 0 elsewhere.
fn resident_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: usize = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    kib * 1024
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// How many more descriptors than `before` stay open once all had time to be closed.
async fn descriptors_left(before: usize) -> usize {
    let started = Instant::now();
    while open_descriptors() > before && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open_descriptors().saturating_sub(before)
}
