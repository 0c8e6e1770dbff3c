//! Shows how jobs come along, and keeps what a report draws.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{sync::oneshot, task::JoinHandle};
use vantage_api_ingest::{Job, Progress};
use vantage_api_pool::{AwwPool, stats::Stats};

use crate::output;

/// How often the statistics of the pool are read.
const EVERY: Duration = Duration::from_millis(500);
/// How often a line is printed where nobody watches.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// What was seen at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// Seconds since the start.
    pub(crate) at: f64,
    pub(crate) rows: u64,
    pub(crate) requests: u64,
    /// Answers 429 and the like.
    pub(crate) limited: u64,
    pub(crate) retries: u64,
}

/// Watches jobs until it is told to finish.
pub(crate) struct Watch {
    stop: oneshot::Sender<()>,
    history: JoinHandle<Vec<Moment>>,
}

impl Watch {
    pub(crate) fn start(pool: &AwwPool, jobs: &[Job]) -> Self {
        let (stop, stopped) = oneshot::channel();
        let streams = jobs.iter().map(|job| (job.name().to_owned(), job.progress())).collect();
        let watching = Watching {
            pool: pool.clone(),
            streams,
            bars: output::is_watched().then(MultiProgress::new),
            shown: BTreeMap::new(),
            rows: BTreeMap::new(),
            began: Instant::now(),
            told: Instant::now(),
            history: vec![Moment::default()],
        };
        Self { stop, history: tokio::spawn(watching.run(stopped)) }
    }

    pub(crate) async fn finish(self) -> Vec<Moment> {
        // The task ends with the program otherwise.
        let _ = self.stop.send(());
        self.history.await.unwrap_or_default()
    }
}

type Streams = Vec<(String, tokio::sync::broadcast::Receiver<Progress>)>;

struct Watching {
    pool: AwwPool,
    streams: Streams,
    bars: Option<MultiProgress>,
    shown: BTreeMap<String, ProgressBar>,
    rows: BTreeMap<String, u64>,
    began: Instant,
    told: Instant,
    history: Vec<Moment>,
}

impl Watching {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Vec<Moment> {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                _ = &mut stopped => true,
            };
            let stats = self.pool.stats().await.ok();
            self.take_in();
            self.note(stats.as_ref());
            if is_last {
                self.shown.values().for_each(ProgressBar::finish);
                return self.history;
            }
            self.show(stats.as_ref());
        }
    }

    /// Takes in what the jobs have committed.
    fn take_in(&mut self) {
        for (job, progress) in &mut self.streams {
            // After a lag the latest numbers are enough.
            loop {
                match progress.try_recv() {
                    Ok(progress) => {
                        self.rows
                            .insert(format!("{job}.{}", progress.stream), progress.counts.written);
                    }
                    Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
                    Err(_) => break,
                }
            }
        }
    }

    fn note(&mut self, stats: Option<&Stats>) {
        let Some(stats) = stats else { return };
        self.history.push(Moment {
            at: self.began.elapsed().as_secs_f64(),
            rows: self.rows.values().sum(),
            requests: stats.attempts,
            limited: stats.rate_limited,
            retries: stats.retries,
        });
    }

    fn show(&mut self, stats: Option<&Stats>) {
        let waits = stats.map(wait).unwrap_or_default();
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let Some(bars) = &self.bars else {
            if self.told.elapsed() >= LINES_EVERY {
                self.told = Instant::now();
                for (stream, rows) in &self.rows {
                    output::note(line(stream, *rows, seconds, &waits));
                }
            }
            return;
        };
        for (stream, rows) in &self.rows {
            let bar = self.shown.entry(stream.clone()).or_insert_with(|| {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(ProgressStyle::default_spinner());
                bar
            });
            bar.set_message(line(stream, *rows, seconds, &waits));
            bar.tick();
        }
    }
}

fn line(stream: &str, rows: u64, seconds: f64, waits: &str) -> String {
    format!("{stream}: {rows} rows committed, {:.0} rows/s{waits}", rows as f64 / seconds)
}

/// What calls wait for, if they do.
fn wait(stats: &Stats) -> String {
    match (stats.rate_limited, stats.rate) {
        (0, _) => String::new(),
        (limited, Some(rate)) => format!(", slowed down to {rate}/s by {limited} refusals"),
        (limited, None) => format!(", {limited} answers said to slow down"),
    }
}
