//! What a query over an API costs, beside the same pages read typed through the pool; and how soon
//! requests stop once nobody wants their rows.
//!
//! ```text
//! cargo bench -p vantage-api-sql --bench cost
//! ```
//!
//! The server is a process of its own, so that its time is not counted. Of two ways that are compared
//! each runs in turn, and the medians are shown: CPU is user and system time of the whole process, which
//! other processes change little. `ROUNDS` is how often, `ROWS` how many rows there are.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod server;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Deserialize;
use vantage_api_ingest::description::Description;
use vantage_api_pool::{AwwPool, Envelope, PaginatedStream, Paging};
use vantage_api_sql::{ApiSession, datafusion::arrow::util::pretty::pretty_format_batches};

use server::{Holding, PAGE};

const LATENCY: Duration = Duration::from_millis(50);
const IN_FLIGHT: usize = 32;

const SUM: &str = "SELECT count(*), sum(x) FROM items";

/// A row of the server.
#[derive(Deserialize)]
#[allow(dead_code, reason = "built, and not looked at")]
struct Row {
    id: u64,
    name: String,
    country: String,
    n: i64,
    x: f64,
    at: String,
}

/// The one field that the query needs.
#[derive(Deserialize)]
struct Slim {
    x: f64,
}

#[tokio::main]
async fn main() {
    let rows = number("ROWS", 200_000);
    if let Some(latency) = env::args().skip_while(|argument| argument != "serve").nth(1) {
        return server::serve(Duration::from_millis(latency.parse().unwrap()), rows);
    }
    cpu(rows).await;
    latency(rows).await;
    stops().await;
}

fn number(name: &str, otherwise: usize) -> usize {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// A server in a process of its own, which ends with this.
struct Server(Child, String);

impl Server {
    fn start(latency: Duration) -> Self {
        let latency = latency.as_millis().to_string();
        let mut command = Command::new(env::current_exe().unwrap());
        let command = command.args(["serve", &latency]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self(child, url.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What a way of reading takes.
struct Taken {
    cpu: Duration,
    time: Duration,
}

async fn measured(work: impl Future<Output = ()>) -> Taken {
    let (before, began) = (used(), Instant::now());
    work.await;
    Taken { cpu: used() - before, time: began.elapsed() }
}

/// User and system time of this process.
fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let parts = [usage.user_time(), usage.system_time()];
    parts.map(|part| Duration::new(part.tv_sec() as u64, part.tv_usec() as u32 * 1000)).iter().sum()
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

fn session(url: &str) -> ApiSession {
    let yaml = format!(
        "api: {{ base_url: \"{url}\", workers: 2 }}
tables:
  - name: items
    id: id
    columns: {{ id: int, name: text, country: text, n: int, x: float, at: timestamp }}
    api: {{ paging: {{ by: page, size_param: per_page, size: {PAGE} }}, envelope: {{ items: data, total: total }} }}
    sql: {{ prefetch: {IN_FLIGHT} }}
"
    );
    let session = ApiSession::new().unwrap();
    session.add("public", &Description::from_yaml(&yaml).unwrap()).unwrap();
    session
}

async fn query(session: &ApiSession) {
    let found = session.sql(SUM).await.unwrap().collect().await.unwrap();
    assert!(pretty_format_batches(&found).unwrap().to_string().lines().count() > 3);
}

async fn typed<T: for<'de> Deserialize<'de> + Send + 'static>(pool: &AwwPool, x: fn(&T) -> f64) {
    let mut stream = PaginatedStream::get(pool, "items")
        .paging(Paging::page_number().page_size("per_page", PAGE as u64))
        .envelope(Envelope::items_at("data").total_at("total"))
        .prefetch(IN_FLIGHT)
        .items_as::<T>();
    let (mut count, mut sum) = (0, 0.0);
    while let Some(page) = stream.next_page().await {
        let page = page.unwrap();
        count += page.len();
        sum += page.iter().map(x).sum::<f64>();
    }
    assert!(count > 0 && sum > 0.0);
}

async fn cpu(rows: usize) {
    let server = Server::start(Duration::ZERO);
    let (session, rounds) = (session(&server.1), number("ROUNDS", 7));
    let pool = AwwPool::builder(server.1.as_str()).workers(2).build().unwrap();
    let (mut all, mut slim, mut sql) = (Vec::new(), Vec::new(), Vec::new());
    // The first round is for warm connections and caches.
    for round in 0..=rounds {
        let each = [
            (&mut all, measured(typed::<Row>(&pool, |row| row.x)).await),
            (&mut slim, measured(typed::<Slim>(&pool, |row| row.x)).await),
            (&mut sql, measured(query(&session)).await),
        ];
        for (known, taken) in each {
            if round > 0 {
                known.push(taken.cpu);
            }
        }
    }
    let (all, slim, sql) = (median(all), median(slim), median(sql));
    println!("{SUM}: {rows} rows, pages of {PAGE}, no latency; CPU, the median of {rounds}");
    println!("  typed rows through the pool           {all:>8.1?}");
    println!("  typed rows of the one field           {slim:>8.1?}");
    println!("  SQL                                   {sql:>8.1?}");
    println!("  SQL to typed rows                     {:>8.2}", ratio(sql, all));
    println!("  SQL to typed rows of the one field    {:>8.2}", ratio(sql, slim));
}

async fn latency(rows: usize) {
    let server = Server::start(LATENCY);
    let session = session(&server.1);
    query(&session).await;
    let mut times = Vec::new();
    for _ in 0..number("ROUNDS", 7).min(3) {
        times.push(measured(query(&session)).await.time);
    }
    let time = median(times);
    // The first page is requested alone: it tells how many there are.
    let ideal = LATENCY * (1 + (rows.div_ceil(PAGE) - 1).div_ceil(IN_FLIGHT) as u32);
    println!("the same, {LATENCY:?} a request, {IN_FLIGHT} in flight");
    println!("  ideal                                 {ideal:>8.1?}");
    println!("  SQL                                   {time:>8.1?}");
    println!("  ideal to SQL                          {:>8.2}", ratio(ideal, time));
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// After which time the last request was given up that nobody needs any more.
async fn stops() {
    println!("requests in flight stop after");
    let held = Holding::start(7, None);
    let session = session(&held.url);
    let stream = session.sql("SELECT id FROM items").await.unwrap();
    let reading = tokio::spawn(async move { stream.execute_stream().await.unwrap().count().await });
    held.wait_until_held();
    let gone = Instant::now();
    reading.abort();
    println!("  a query that is dropped               {:>8.1?}", held.stopped_after(gone));

    let held = Holding::start(7, None);
    let session = self::session(&held.url);
    let limit = format!("SELECT id FROM items LIMIT {}", 6 * PAGE);
    session.sql(&limit).await.unwrap().collect().await.unwrap();
    let gone = Instant::now();
    println!("  a limit that is reached               {:>8.1?}", held.stopped_after(gone));

    let held = Holding::start(7, Some(6));
    let session = self::session(&held.url);
    session.sql(SUM).await.unwrap().collect().await.unwrap_err();
    let gone = Instant::now();
    println!("  a page that fails                     {:>8.1?}", held.stopped_after(gone));
}
