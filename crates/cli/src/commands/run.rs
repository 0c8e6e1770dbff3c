//! `apipool run`.

use std::{cell::Cell, future, time::Duration};

use chrono::Utc;
use vantage_api_ingest::{Job, Jobs, JobsHandle, description::Description, schedule::Schedule};
use vantage_api_pool::AwwPool;

use super::{describe, pool, reset, with_queries};
use crate::{
    arguments::Run,
    failure::{Failure, unknown},
    follow::{Follow, tell_next},
    html,
    interrupts::Interrupts,
    output,
};

pub(crate) async fn run(run: &Run) -> Result<(), Failure> {
    let description = describe(&run.file)?;
    let pool = pool(&description)?;
    // A query may read what other jobs have written.
    let description = wanted(with_queries(description, &pool)?, run)?;
    #[cfg(feature = "cluster")]
    if let Some(url) = &run.url {
        return super::cluster::run(url, &description, &pool, run.json).await;
    }
    if run.full_refresh {
        forget(&description, &pool).await?;
    }
    let interrupts = Interrupts::new();
    tell_first(&description);
    let follow = Follow::new(&description, &pool, run.json);
    let jobs = Jobs::over(description, pool.clone())?;
    let events = jobs.events();
    let jobs = JobsHandle::start(jobs).await?;
    let is_stopped = Cell::new(false);
    let followed = tokio::select! {
        followed = follow.until_over(events, &jobs) => followed,
        () = interrupted_twice(interrupts, &jobs, &is_stopped) => return Err(Failure::aborted()),
    };
    jobs.shutdown(Duration::ZERO).await;
    if let Some(path) = &run.report {
        std::fs::write(path, html::page(&followed.reports, &followed.history))?;
    }
    pool.shutdown(Duration::from_secs(1)).await;
    match (followed.is_over || is_stopped.get(), followed.is_complete) {
        (true, true) => Ok(()),
        (true, false) => Err(Failure::incomplete(&followed.reports)),
        (false, _) => Err(Failure::run("the jobs have ended before their time")),
    }
}

/// The description with the jobs that are to run, and their times unless they run once.
fn wanted(mut description: Description, run: &Run) -> Result<Description, Failure> {
    if let Some(name) = run.jobs.iter().find(|name| !description.jobs.contains_key(*name)) {
        return Err(unknown("the description has no job", name, description.jobs.keys()));
    }
    if description.jobs.is_empty() {
        return Err(Failure::usage("the description has no jobs").advising("add one below `jobs`"));
    }
    description.jobs.retain(|name, _| run.jobs.is_empty() || run.jobs.contains(name));
    if run.once {
        description.jobs.values_mut().for_each(|job| (job.every, job.cron) = (None, None));
    }
    Ok(description)
}

/// Makes the sinks forget where the streams stand.
async fn forget(description: &Description, pool: &AwwPool) -> Result<(), Failure> {
    for (name, described) in &description.jobs {
        let job = Job::over(description, name, pool.clone())?;
        reset::note_kept(&job, described, None).await?;
        job.reset(None, false).await?;
    }
    Ok(())
}

/// Tells when jobs run that wait for their time.
fn tell_first(description: &Description) {
    for (name, job) in &description.jobs {
        if let Some(schedule) = Schedule::of(job).filter(Schedule::waits_first) {
            tell_next(name, schedule.next(Utc::now()));
        }
    }
}

/// Stops the jobs at the first signal; resolves at the second.
async fn interrupted_twice(mut interrupts: Interrupts, jobs: &JobsHandle, is_stopped: &Cell<bool>) {
    interrupts.next().await;
    output::note("stopping: what was read is committed; once more to abort");
    is_stopped.set(true);
    let drained = async {
        jobs.shutdown(Duration::MAX).await;
        // The end of the jobs is noticed by who follows them.
        future::pending().await
    };
    tokio::select! {
        () = drained => {}
        () = interrupts.next() => {}
    }
}
