//! One job of one client, its measurement, and what is reported of it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    data::Tally,
    measure::{cpu, peak_kib},
};

/// What a client has to read, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Job {
    /// Where the server is: `http://host:port`.
    #[arg(long)]
    pub base: String,
    #[arg(long)]
    pub items_per_page: u64,
    #[arg(long)]
    pub pages: u64,
    /// Requests in flight at a time.
    #[arg(long)]
    pub in_flight: usize,
    /// Milliseconds before each answer.
    #[arg(long)]
    pub latency: u64,
    /// The cores that the client may use: also its number of threads, where it takes one.
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<usize>,
}

impl Job {
    /// The path of a set of `pages` pages, without a slash before it.
    pub fn path(&self, pages: u64) -> String {
        format!("{}/{pages}/{}/items", self.items_per_page, self.latency)
    }

    /// The arguments that this is parsed from.
    pub fn arguments(&self) -> Vec<String> {
        let cores: Vec<_> = self.cores.iter().map(usize::to_string).collect();
        let pairs = [
            ("--base", self.base.clone()),
            ("--items-per-page", self.items_per_page.to_string()),
            ("--pages", self.pages.to_string()),
            ("--in-flight", self.in_flight.to_string()),
            ("--latency", self.latency.to_string()),
            ("--cores", cores.join(",")),
        ];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    pub fn threads(&self) -> usize {
        self.cores.len().max(1)
    }

    /// Pages that are read before the measurement, so that connections are open and caches warm.
    fn warm_up_pages(&self) -> u64 {
        (4 * self.in_flight as u64).clamp(16, 512)
    }
}

/// A set to read to its end.
pub struct Set {
    pub path: String,
    pub pages: u64,
}

/// What a client did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub pages: u64,
    pub items: u64,
    pub checksum: u64,
    pub cpu_us: f64,
    pub wall_us: f64,
    pub peak_kib: u64,
    /// How long the consumer waited for its next page.
    pub p50_us: f64,
    pub p99_us: f64,
}

/// The consumer: counts, checks, and notes how long it waited for each page.
pub struct Consumer {
    pub tally: Tally,
    items_per_page: u64,
    waits: Vec<Duration>,
}

impl Consumer {
    fn new(job: &Job) -> Self {
        Self {
            tally: Tally::default(),
            items_per_page: job.items_per_page,
            waits: Vec::with_capacity(job.pages as usize + 1),
        }
    }

    /// Waits for the next page.
    pub async fn page<T>(&mut self, next: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let page = next.await;
        self.waits.push(asked.elapsed());
        page
    }

    /// Waits for the next item. The first of a page counts as the wait for the page.
    pub async fn item<T>(&mut self, next: impl Future<Output = T>) -> T {
        if self.tally.items.is_multiple_of(self.items_per_page) {
            self.page(next).await
        } else {
            next.await
        }
    }
}

/// Reads a few pages with `read`, and then the whole set, measured.
pub async fn measured(
    job: &Job,
    read: impl AsyncFn(Set, &mut Consumer) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let set = |pages| Set { path: job.path(pages), pages };
    read(set(job.warm_up_pages()), &mut Consumer::new(job)).await?;
    let mut consumer = Consumer::new(job);
    let (began, used) = (Instant::now(), cpu()?);
    read(set(job.pages), &mut consumer).await?;
    let (used, took) = (cpu()?.saturating_sub(used), began.elapsed());
    let Consumer { tally, mut waits, .. } = consumer;
    waits.sort_unstable();
    let quantile = |share: f64| {
        let last = waits.len().saturating_sub(1) as f64;
        waits.get((last * share).round() as usize).map_or(0.0, |wait| micros(*wait))
    };
    Ok(Outcome {
        pages: job.pages,
        items: tally.items,
        checksum: tally.checksum,
        cpu_us: micros(used),
        wall_us: micros(took),
        peak_kib: peak_kib(),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
