//! Many jobs in one process, each into a database of its own, and what they cost.
//!
//! ```text
//! cargo run --release -p vantage-api-ingest --example pipelines          # 1,000 jobs
//! cargo run --release -p vantage-api-ingest --example pipelines -- 100 8 # 100 jobs, 8 at a time
//! ```

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use vantage_api_ingest::{
    Jobs, JobsHandle,
    description::{Description, Reader, SinkDescription},
    jobs::JobEvent,
};

const DESCRIPTION: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables: [{ name: cities, id: id }]
jobs:
  model:
    sink: { sqlite: model.db }
    streams: [{ table: cities }]
"#;

/// As many jobs as wanted, all like the one of the description.
fn describe(api: &DemoApi, folder: &Path, jobs: usize) -> Result<Description, Box<dyn Error>> {
    let reader = Reader::new().variable("BASE", api.base_url()).variable("ORIGIN", api.origin());
    let mut description = reader.read_yaml(DESCRIPTION)?;
    let model = description.jobs.shift_remove("model").ok_or("the description has no model")?;
    for number in 1..=jobs {
        let (name, mut job) = (format!("pipeline_{number}"), model.clone());
        job.sink = SinkDescription::Sqlite(folder.join(&name).with_extension("db"));
        description.jobs.insert(name, job);
    }
    Ok(description)
}

/// The most memory that this process has had, in KiB, where the system tells it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// How many threads this process has, where the system tells it.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let count = numbers.next().transpose()?.unwrap_or(1000);
    let at_once = numbers.next().transpose()?.unwrap_or(32);
    let options = DemoOptions {
        per_page: 100,
        max_per_page: 100,
        quota: 1_000_000,
        ..DemoOptions::default()
    };
    let api = DemoApi::start(options)?;
    let folder = tempfile::tempdir()?;
    let description = describe(&api, folder.path(), count)?;
    let jobs = Jobs::new(description)?.at_once(at_once);
    let mut events = jobs.events();
    let began = Instant::now();
    let jobs = JobsHandle::start(jobs).await?;
    let (mut ended, mut rows, mut most_threads) = (0, 0, 0);
    while ended < count {
        let JobEvent::Ended { report, .. } = events.recv().await? else { continue };
        if !report.is_complete() {
            return Err(report.to_string().into());
        }
        ended += 1;
        rows += report.streams.iter().map(|stream| stream.counts.written).sum::<u64>();
        most_threads = most_threads.max(threads());
    }
    let took = began.elapsed();
    jobs.shutdown(Duration::from_secs(10)).await;
    let per_second = rows as f64 / took.as_secs_f64();
    println!(
        "{count} jobs, {at_once} at a time: {rows} rows in {took:.1?}, {per_second:.0} rows/s"
    );
    println!("{} requests, up to {most_threads} threads", api.requests());
    match peak_memory() {
        Some(peak) => println!("peak memory: {} MiB, with the API", peak / 1024),
        None => println!("this system does not tell the peak memory"),
    }
    Ok(())
}
