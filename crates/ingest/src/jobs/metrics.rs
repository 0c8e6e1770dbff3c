//! Tells the `metrics` facade what happens to jobs. The recorder is the program's own code, so it is
//! called on a thread that may block and that no job waits for.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::event::JobEvent;
use crate::{
    job::Progress,
    report::{Outcome, StreamReport},
    state::Counts,
};

const READ: &str = "vantage_api_ingest_rows_read_total";
const WRITTEN: &str = "vantage_api_ingest_rows_written_total";
const REJECTED: &str = "vantage_api_ingest_rows_rejected_total";
const RUNS: &str = "vantage_api_ingest_runs_total";
const RESTARTS: &str = "vantage_api_ingest_restarts_total";
const SECONDS: &str = "vantage_api_ingest_last_run_seconds";

/// Records `events` until there are no more.
pub(super) fn start(events: Receiver<JobEvent>) {
    let thread = thread::Builder::new().name("ingest-metrics".into());
    if let Err(error) = thread.spawn(move || record_all(events)) {
        tracing::warn!(%error, "no thread for the metrics");
    }
}

fn record_all(mut events: Receiver<JobEvent>) {
    let mut recorded = Recorded::default();
    loop {
        let event = match events.blocking_recv() {
            Ok(event) => event,
            Err(RecvError::Lagged(events)) => {
                tracing::warn!(events, "the metrics recorder is too slow and missed events");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        if catch_unwind(AssertUnwindSafe(|| recorded.record(&event))).is_err() {
            tracing::warn!("the metrics recorder has panicked");
        }
    }
}

/// What was recorded of the streams of jobs that run, by job and stream, with the number of the run.
#[derive(Default)]
struct Recorded(HashMap<(String, String), (u64, Counts)>);

impl Recorded {
    fn record(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Started { job } => self.0.retain(|(of, _), _| of != job),
            JobEvent::Committed { job, progress } => self.committed(job, progress),
            JobEvent::Died { job, again_in: Some(_), .. } => {
                let job = vec![Label::new("job", job.clone())];
                count(RESTARTS, "Runs that died and are started again.", job, 1);
            }
            JobEvent::Died { again_in: None, .. } | JobEvent::Missed { .. } => {}
            JobEvent::Ended { report, .. } => {
                report.streams.iter().for_each(|stream| ended(&report.job, stream));
            }
        }
    }

    fn committed(&mut self, job: &str, progress: &Progress) {
        let Progress { stream, run, counts, before } = progress;
        let last = self.0.insert((job.to_owned(), stream.clone()), (*run, *counts));
        // Each run counts from nothing.
        let last = last.filter(|(of, _)| of == run).map_or(*before, |(_, counts)| counts);
        for (name, what, all, told) in [
            (READ, "Rows that were read and are committed.", counts.read, last.read),
            (WRITTEN, "Rows that were committed.", counts.written, last.written),
            (REJECTED, "Rows that were set aside.", counts.rejected, last.rejected),
        ] {
            count(name, what, labels(job, stream), all.saturating_sub(told));
        }
    }
}

fn ended(job: &str, report: &StreamReport) {
    let outcome = match report.outcome {
        Outcome::Complete => "complete",
        Outcome::Stopped => "stopped",
        Outcome::Failed(_) => "failed",
    };
    let mut with_outcome = labels(job, &report.stream);
    with_outcome.push(Label::from_static_parts("outcome", outcome));
    count(RUNS, "Runs that ended, by how.", with_outcome, 1);
    describe_gauge!(SECONDS, Unit::Seconds, "How long the last run took.");
    gauge!(SECONDS, labels(job, &report.stream)).set(report.took.as_secs_f64());
}

fn labels(job: &str, stream: &str) -> Vec<Label> {
    vec![Label::new("job", job.to_owned()), Label::new("stream", stream.to_owned())]
}

fn count(name: &'static str, what: &'static str, labels: Vec<Label>, number: u64) {
    // Each time, as a recorder may be installed later.
    describe_counter!(name, what);
    counter!(name, labels).increment(number);
}
