//! Shows how jobs come along, and looks at what a report draws.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indicatif::{HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use vantage_api_ingest::{
    Progress,
    description::Description,
    report::{Outcome, Report, StreamReport},
    state::Counts,
};
use vantage_api_pool::{
    AwwPool,
    events::{Event, Outcome as Attempted},
    stats::Stats,
};

use crate::{
    history::{History, Moment},
    output,
    pace::Pace,
};

/// How often a line is printed where nobody watches.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// From how many bars on those of streams that have ended make room for others.
const MOST_BARS: usize = 24;

/// The bar of a stream of which nobody knows how many rows it has.
const ENDLESS: &str = "{spinner} {prefix}: {wide_msg}";
/// That of one whose rows the API has counted.
const COUNTED: &str = "{prefix} [{bar:24}] {percent:>3}% {wide_msg}";
/// That of one that has ended.
const ENDED: &str = "{prefix}: {wide_msg}";

/// Shows jobs while they run: a bar for each stream on a terminal, and elsewhere lines.
pub(crate) struct Watch {
    pool: AwwPool,
    events: Receiver<Event>,
    /// Why the last attempt failed that is made again, while none since has worked.
    trouble: Option<String>,
    bars: Option<&'static MultiProgress>,
    /// By job and name.
    streams: IndexMap<(String, String), Stream>,
    began: Instant,
    told: Instant,
    history: History,
}

struct Stream {
    /// Whether what the API says of its first pages is how many rows there are.
    is_whole: bool,
    is_running: bool,
    began: Instant,
    counts: Counts,
    /// The rows that all its runs have committed since the start.
    written: u64,
    /// Known from the first commit of its run on.
    pace: Option<Pace>,
    bar: Option<ProgressBar>,
}

impl Watch {
    pub(crate) fn new(description: &Description, pool: &AwwPool) -> Self {
        let now = Instant::now();
        let jobs = description.jobs.iter();
        let streams = jobs.flat_map(|(job, described)| {
            described.streams.iter().map(move |stream| {
                let is_whole = stream.for_each.is_none() && stream.windows.is_none();
                ((job.clone(), stream.name.clone()), Stream::new(is_whole, now))
            })
        });
        Self {
            pool: pool.clone(),
            events: pool.events(),
            trouble: None,
            bars: output::bars(),
            streams: streams.collect(),
            began: now,
            told: now,
            history: History::new(),
        }
    }

    /// A run of a job has begun, or goes on.
    pub(crate) fn began(&mut self, job: &str) {
        if self.streams.values().filter(|stream| stream.bar.is_some()).count() >= MOST_BARS {
            self.make_room();
        }
        let now = Instant::now();
        for ((of, name), stream) in &mut self.streams {
            if of == job {
                let bar = stream.bar.take();
                stream.begin(now);
                stream.bar = self.bars.map(|bars| new_bar(bars, bar, format!("{of}.{name}")));
            }
        }
    }

    fn make_room(&mut self) {
        let ended = self.streams.values_mut().filter(|stream| !stream.is_running);
        for bar in ended.filter_map(|stream| stream.bar.take()) {
            if let Some(bars) = self.bars {
                bars.remove(&bar);
            }
        }
    }

    pub(crate) fn committed(&mut self, job: &str, progress: &Progress) {
        let name = (job.to_owned(), progress.stream.clone());
        if let Some(stream) = self.streams.get_mut(&name) {
            stream.count(progress.counts, progress.before.written);
        }
    }

    pub(crate) fn ended(&mut self, report: &Report) {
        for ended in &report.streams {
            let name = (report.job.clone(), ended.stream.clone());
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.is_running = false;
                // A run that told nothing has committed nothing.
                stream.count(ended.counts, ended.counts.written);
                if let Some(bar) = &stream.bar {
                    bar.set_style(style(ENDED));
                    bar.abandon_with_message(end(ended));
                }
            }
        }
    }

    /// Looks at the pool, and shows how far the streams are.
    pub(crate) async fn look(&mut self) {
        let stats = self.pool.stats().await.ok();
        if let Some(stats) = &stats {
            self.history.note(self.moment(stats));
        }
        self.take_events();
        let mut waits = stats.as_ref().map(wait).unwrap_or_default();
        if let Some(trouble) = &self.trouble {
            waits.push_str(&format!(", waits to try again after: {trouble}"));
        }
        let now = Instant::now();
        let tells = self.bars.is_none() && self.told.elapsed() >= LINES_EVERY;
        if tells {
            self.told = now;
        }
        for ((job, name), stream) in self.streams.iter_mut().filter(|(_, own)| own.is_running) {
            if let Some(pace) = &mut stream.pace {
                pace.note(now, stream.counts.written);
            }
            stream.draw(&waits);
            if tells {
                output::note(format_args!("{job}.{name}: {}{waits}", stream.standing()));
            }
        }
    }

    fn take_events(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.trouble = trouble(&event, self.trouble.take()),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    pub(crate) async fn finish(self) -> Vec<Moment> {
        let last = self.pool.stats().await.ok().map(|stats| self.moment(&stats));
        self.streams.values().filter_map(|stream| stream.bar.as_ref()).for_each(|bar| {
            if !bar.is_finished() {
                bar.abandon();
            }
        });
        self.history.end(last)
    }

    fn moment(&self, stats: &Stats) -> Moment {
        Moment {
            at: self.began.elapsed().as_secs_f64(),
            rows: self.streams.values().map(|stream| stream.written).sum(),
            requests: stats.attempts,
            limited: stats.rate_limited,
            retries: stats.retries,
        }
    }
}

impl Stream {
    fn new(is_whole: bool, began: Instant) -> Self {
        Self {
            is_whole,
            is_running: false,
            began,
            counts: Counts::default(),
            written: 0,
            pace: None,
            bar: None,
        }
    }

    /// A run has begun, or goes on.
    fn begin(&mut self, now: Instant) {
        let (is_whole, written) = (self.is_whole, self.written);
        *self = Self { is_running: true, written, ..Self::new(is_whole, now) };
    }

    /// Its run has counted this; it goes on from where so many rows were written.
    fn count(&mut self, counts: Counts, before: u64) {
        let known = match self.pace {
            Some(_) => self.counts.written,
            None => before,
        };
        self.pace.get_or_insert_with(|| Pace::from(self.began, before));
        self.written += counts.written.saturating_sub(known);
        self.counts = counts;
    }

    /// How many rows there are, if the API said so.
    fn total(&self) -> Option<u64> {
        self.counts.declared.filter(|_| self.is_whole)
    }

    fn draw(&self, waits: &str) {
        let Some(bar) = &self.bar else { return };
        if let Some(total) = self.total() {
            if bar.length().is_none() {
                bar.set_style(style(COUNTED));
            }
            bar.set_length(total.max(self.counts.read));
            bar.set_position(self.counts.read);
        }
        let left = self.left().map(|left| format!(", {left:#} left")).unwrap_or_default();
        bar.set_message(format!("{}{left}{waits}", self.standing()));
        bar.tick();
    }

    /// How far it is, in words.
    fn standing(&self) -> String {
        let Some(pace) = &self.pace else { return "begun".to_owned() };
        format!(
            "{} rows committed, {:.0} rows/s, {} pages",
            HumanCount(self.counts.written),
            pace.per_second(),
            HumanCount(self.counts.pages)
        )
    }

    fn left(&self) -> Option<HumanDuration> {
        let more = self.total()?.checked_sub(self.counts.read)?;
        self.pace.as_ref()?.time_for(more).map(HumanDuration)
    }
}

/// A bar in the place of the last one of its stream.
fn new_bar(bars: &MultiProgress, last: Option<ProgressBar>, prefix: String) -> ProgressBar {
    let bar = match last {
        Some(last) => {
            let bar = bars.insert_before(&last, ProgressBar::new_spinner());
            bars.remove(&last);
            bar
        }
        None => bars.add(ProgressBar::new_spinner()),
    };
    bar.set_style(style(ENDLESS));
    bar.set_prefix(prefix);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// How a stream ended, in words.
fn end(stream: &StreamReport) -> String {
    let how = match stream.outcome {
        Outcome::Complete => "complete",
        Outcome::Stopped => "stopped",
        Outcome::Failed(_) => "FAILED",
        _ => "ended",
    };
    let counts = &stream.counts;
    let (written, pages) = (HumanCount(counts.written), HumanCount(counts.pages));
    format!("{how}, {written} rows written from {pages} pages, in {:.1?}", stream.took)
}

/// What calls wait for, if they do.
fn wait(stats: &Stats) -> String {
    match (stats.rate_limited, stats.rate) {
        (0, _) => String::new(),
        (limited, Some(rate)) => format!(", slowed down to {rate}/s by {limited} refusals"),
        (limited, None) => format!(", {limited} answers said to slow down"),
    }
}

/// Why attempts fail, after `event` and what was known `before`.
fn trouble(event: &Event, before: Option<String>) -> Option<String> {
    match event {
        Event::RetryScheduled { status: Some(status), .. } => {
            Some(format!("status {}", status.as_u16()))
        }
        Event::RetryScheduled { reason, .. } => Some(reason.name().to_owned()),
        Event::AttemptEnded { outcome: Attempted::Answered(status), .. } if status.is_success() => {
            None
        }
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_a_template() {
        for template in [ENDLESS, COUNTED, ENDED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn how_far_a_stream_is_depends_on_what_is_known() {
        let start = Instant::now();
        let mut stream = Stream::new(true, start);
        assert_eq!((stream.standing().as_str(), stream.total()), ("begun", None));
        stream.counts = Counts {
            pages: 10,
            read: 1000,
            written: 1000,
            declared: Some(4000),
            ..Counts::default()
        };
        let mut pace = Pace::from(start, 0);
        pace.note(start + Duration::from_secs(10), 1000);
        stream.pace = Some(pace);
        assert_eq!(stream.standing(), "1,000 rows committed, 100 rows/s, 10 pages");
        assert_eq!(stream.left().unwrap().0, Duration::from_secs(30));
        stream.is_whole = false;
        assert!(stream.left().is_none(), "the parts that have begun are not all");
    }

    #[test]
    fn the_rows_of_all_runs_are_counted_and_of_this_process_alone() {
        let start = Instant::now();
        let mut stream = Stream::new(true, start);
        let mut count = |written: u64, before: u64, begins: bool| {
            if begins {
                stream.begin(start);
            }
            stream.count(Counts { written, ..Counts::default() }, before);
            stream.written
        };
        assert_eq!(count(100, 40, true), 60, "40 were there before");
        assert_eq!(count(150, 40, false), 110);
        assert_eq!(count(170, 150, false), 130, "it goes on after an error");
        assert_eq!(count(180, 170, true), 140, "it goes on after a death");
        assert_eq!(count(5, 0, true), 145, "the next run");
        assert_eq!(count(0, 0, false), 145, "nothing is known of its end");
        assert_eq!(count(99, 99, true), 145, "a run without a commit");
    }
}
