//! Reads a paged API, as Vantage tables and as a stream, and reports the cost.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! The API is a demo in this process: a latency of 5 ms, ten rows a page, and a 503 for one request
//! in a hundred. So the retries in the last line are the pool's own work, and a line that is
//! rewritten shows the progress of the stream.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use vantage_api_pool::{
    AwwPool, PaginatedStream, PoolApi, Request, Token,
    stats::Stats,
    tokens::bearer,
    vantage::{ApiCondition, PoolTableExt},
};
use vantage_cli_util::print_table;
use vantage_dataset::prelude::ReadableDataSet;
use vantage_table::table::Table;

use demo_api::{DemoApi, DemoOptions};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Country {
    name: String,
    capital: String,
    population: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct City {
    name: String,
    country: String,
    population: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions {
        latency: Duration::from_millis(5),
        fault_rate: 0.01,
        ..DemoOptions::default()
    })?;

    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = Arc::new(AwwPool::new(3, None, false, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    ));
    let api = PoolApi::new(&pool).prefetch(8).item_endpoints(true);

    let cities = Table::<PoolApi, City>::new("cities", api.clone()).with_id_column("id");
    let started = Instant::now();
    let all = cities.list().await?;
    println!("{} cities read in {:.1?}", all.len(), started.elapsed());
    let japanese = cities.with_condition(ApiCondition::eq("country", "Japan"));
    println!("{} of them are in Japan", japanese.get_count().await?);

    let countries = Table::<PoolApi, Country>::new("countries", api)
        .with_id_column("name")
        .with_column_of::<String>("capital")
        .with_column_of::<u64>("population");
    let african = countries.clone().with_condition(ApiCondition::eq("continent", "Africa"));
    print_table(&african).await?;
    if let Some(Country { name, capital, population }) = countries.get("Germany").await? {
        println!("{name} has {population} people; its capital is {capital}");
    }

    let progress = tokio::spawn(report(Arc::clone(&pool)));
    let mut stream = PaginatedStream::get(&pool, "/cities").prefetch(8).items_as::<City>();
    let (mut rows, mut people) = (0, 0);
    while let Some(page) = stream.next_page().await {
        for city in page? {
            rows += 1;
            people += city.population;
        }
    }
    progress.abort();
    // A line that was being rewritten ends here.
    if io::stdout().is_terminal() {
        println!();
    }
    println!("{people} people live in {rows} cities");

    println!("{}", pool.stats().await?);
    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// Prints four times per second what the pool does: on one line that is rewritten, if the output
/// is a terminal.
async fn report(pool: Arc<AwwPool>) -> Result<(), vantage_api_pool::Error> {
    let start = pool.stats().await?;
    let mut last = start.clone();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = pool.stats().await?;
        let items = now.difference(&start).items;
        let line = format!("{items} items, {}", pace(&now.difference(&last)));
        if io::stdout().is_terminal() {
            // Back to the first column, and clear the line.
            print!("\r\x1b[K{line}");
            let _ = io::stdout().flush();
        } else {
            println!("{line}");
        }
        last = now;
    }
}

/// The figures of an interval.
fn pace(interval: &Stats) -> String {
    let pages = interval.pages as f64 / interval.elapsed.as_secs_f64().max(0.001);
    let (p50, p99) = (interval.latency.percentile(0.5), interval.latency.percentile(0.99));
    let waits = match interval.waits.longest() {
        Some(cause) => format!("waits most for: {cause}"),
        None => "waits for nothing".to_owned(),
    };
    format!("{pages:.0} pages/s, p50 {p50:.1?}, p99 {p99:.1?}, {waits}")
}

/// Fetches a token over the network, through a pool that needs none.
async fn fetch_token(login: AwwPool) -> Result<Token, vantage_api_pool::Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: f64,
    }
    let granted: Granted = login.request(Request::post("/token")).await?.json()?;
    Ok(Token::new(granted.access_token).expires_in(Duration::from_secs_f64(granted.expires_in)))
}
