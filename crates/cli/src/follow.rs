//! Follows jobs by their events: prints each report, and knows when nothing more is to come.

use std::time::Duration;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::interval,
};
use vantage_api_ingest::{
    JobsHandle,
    description::Description,
    jobs::{Activity, JobEvent, JobStatus},
    report::Report,
};
use vantage_api_pool::AwwPool;

use crate::{history::Moment, output, watch::Watch};

/// How often is looked at how far the jobs are.
const EVERY: Duration = Duration::from_millis(500);

/// Follows the jobs of a description.
pub(crate) struct Follow {
    jobs: IndexMap<String, Known>,
    watch: Watch,
    as_json: bool,
}

/// What is known of a job.
#[derive(Default)]
struct Known {
    has_begun: bool,
    /// Whether its run has died, and goes on later.
    is_dead: bool,
    last: Option<Report>,
    /// Whether it does not start again by itself.
    is_over: bool,
}

/// What came of the jobs.
pub(crate) struct Followed {
    /// What the last run of each did that has run.
    pub(crate) reports: Vec<Report>,
    pub(crate) history: Vec<Moment>,
    /// Whether all these runs are complete, and none died at the end.
    pub(crate) is_complete: bool,
    /// Whether none of the jobs would run again.
    pub(crate) is_over: bool,
}

impl Follow {
    pub(crate) fn new(description: &Description, pool: &AwwPool, as_json: bool) -> Self {
        let names = description.jobs.keys();
        Self {
            jobs: names.map(|name| (name.clone(), Known::default())).collect(),
            watch: Watch::new(description, pool),
            as_json,
        }
    }

    /// Until no job runs again by itself, or the jobs are shut down.
    pub(crate) async fn until_over(
        mut self,
        mut events: Receiver<JobEvent>,
        jobs: &JobsHandle,
    ) -> Followed {
        let mut ticks = interval(EVERY);
        while !self.is_over() {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.take(event),
                    Err(RecvError::Lagged(_)) => {
                        // Without an answer there is nothing to be caught up with.
                        self.catch_up(jobs.status().await.unwrap_or_default());
                    }
                    Err(RecvError::Closed) => break,
                },
                _ = ticks.tick() => self.watch.look().await,
            }
        }
        let is_over = self.is_over();
        let is_complete =
            |job: &Known| !job.is_dead && job.last.as_ref().is_none_or(Report::is_complete);
        let is_complete = self.jobs.values().all(is_complete);
        Followed {
            history: self.watch.finish().await,
            reports: self.jobs.into_values().filter_map(|job| job.last).collect(),
            is_complete,
            is_over,
        }
    }

    fn is_over(&self) -> bool {
        self.jobs.values().all(|job| job.is_over)
    }

    fn take(&mut self, event: JobEvent) {
        match event {
            JobEvent::Started { job, .. } => {
                self.watch.began(&job);
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.has_begun = true;
                }
            }
            JobEvent::Committed { job, progress, .. } => self.watch.committed(&job, &progress),
            JobEvent::Died { job, cause, again_in, .. } => {
                let again = again_in.map(|wait| format!("; it goes on in {wait:.1?}"));
                let again = again.unwrap_or_default();
                output::note(format_args!("{job}: its run has died: {cause}{again}"));
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.is_dead = true;
                }
            }
            JobEvent::Ended { report, next, .. } => self.ended(report, next),
            _ => {}
        }
    }

    fn ended(&mut self, report: Report, next: Option<DateTime<Utc>>) {
        let Some(known) = self.jobs.get_mut(&report.job) else { return };
        (known.is_dead, known.is_over) = (false, next.is_none());
        // It may have been caught up with.
        if known.last.as_ref().is_some_and(|last| is_same(last, &report)) {
            return;
        }
        self.watch.ended(&report);
        if self.as_json {
            let json = serde_json::to_string(&report).unwrap_or_default();
            output::report(format_args!("{json}\n"));
        } else {
            output::report(&report);
        }
        if let Some(next) = next {
            tell_next(&report.job, next);
        }
        known.last = Some(report);
    }

    /// Takes what happened while events were missed from how the jobs are doing.
    fn catch_up(&mut self, all: Vec<JobStatus>) {
        for JobStatus { job, activity, next, last, .. } in all {
            let Some(known) = self.jobs.get_mut(&job) else { continue };
            let is_idle = matches!(activity, Activity::Idle | Activity::Stopped);
            // What has not run here may have a report of another process.
            let has_ended = known.has_begun || (activity == Activity::Idle && next.is_none());
            known.is_over |= is_idle && next.is_none();
            if let Some(last) = last.filter(|_| is_idle && has_ended) {
                self.ended(last, next);
            }
        }
    }
}

/// Whether two reports are of the same run of a job.
fn is_same(one: &Report, other: &Report) -> bool {
    let runs = |report: &Report| -> Vec<(u64, Duration)> {
        report.streams.iter().map(|stream| (stream.run, stream.took)).collect()
    };
    runs(one) == runs(other)
}

/// Tells when a job runs next.
pub(crate) fn tell_next(job: &str, next: DateTime<Utc>) {
    output::note(format_args!("{job}: next run at {}", next.format("%F %T UTC")));
}
