//! `apipool run`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use tokio::signal;
use vantage_api_ingest::{Job, report::Report, schedule::Schedule};

use super::{describe, pool};
use crate::{arguments::Run, failure::Failure, html, output, watch::Watch};

pub(crate) async fn run(run: &Run) -> Result<(), Failure> {
    let description = describe(&run.file)?;
    let names: Vec<&str> = match run.jobs.as_slice() {
        [] => description.jobs.keys().map(String::as_str).collect(),
        jobs => jobs.iter().map(String::as_str).collect(),
    };
    if names.is_empty() {
        return Err(Failure::usage("the description has no jobs"));
    }
    let pool = pool(&description)?;
    let jobs = names.iter().map(|name| Job::over(&description, name, pool.clone()));
    let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
    if run.full_refresh {
        for job in &jobs {
            job.reset(None, false).await?;
        }
    }
    let watch = Watch::start(&pool, &jobs);
    let scheduled = jobs.iter().zip(&names).map(|(job, name)| {
        let schedule = Schedule::of(&description.jobs[*name]).filter(|_| !run.once);
        scheduled(job, schedule, run)
    });
    let reports = tokio::select! {
        reports = join_all(scheduled) => reports,
        () = interrupted_twice(&jobs) => return Err(Failure::run("aborted; what was committed stays")),
    };
    let history = watch.finish().await;
    if let Some(path) = &run.report {
        std::fs::write(path, html::page(&reports, &history))?;
    }
    pool.shutdown(Duration::from_secs(1)).await;
    let is_complete = reports.iter().flatten().all(Report::is_complete);
    if is_complete { Ok(()) } else { Err(Failure::Incomplete) }
}

/// Runs a job, again and again if it has a schedule, until it is stopped. The report of its last run;
/// none if it was stopped before its first.
async fn scheduled(job: &Job, schedule: Option<Schedule>, run: &Run) -> Option<Report> {
    let mut last: Option<(DateTime<Utc>, Report)> = None;
    loop {
        if let Some(schedule) = &schedule
            && (schedule.waits_first() || last.is_some())
        {
            let next = schedule.next(last.as_ref().map_or_else(Utc::now, |(began, _)| *began));
            output::note(format_args!("{}: next run at {}", job.name(), next.format("%F %T UTC")));
            let wait = (next - Utc::now()).to_std().unwrap_or_default();
            if job.stopped_within(wait).await {
                return last.map(|(_, report)| report);
            }
        }
        let began = Utc::now();
        let report = job.run().await;
        tell(&report, run.json);
        if schedule.is_none() || job.is_stopped() {
            return Some(report);
        }
        last = Some((began, report));
    }
}

fn tell(report: &Report, as_json: bool) {
    if as_json {
        output::line(serde_json::to_string(report).unwrap_or_default());
    } else {
        output::text(report);
    }
}

/// Stops the jobs at the first signal; resolves at the second.
async fn interrupted_twice(jobs: &[Job]) {
    interrupted().await;
    output::note("stopping: what was read is committed; once more to abort");
    jobs.iter().for_each(Job::stop);
    interrupted().await;
}

/// Ctrl-C, or SIGTERM where there are signals.
async fn interrupted() {
    #[cfg(unix)]
    {
        if let Ok(mut terminated) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
            tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without handlers a signal ends the program at once.
    if signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
