//! `apipool worker`, `pause`, `resume`, `cap` and `cancel`, and what `run` and `status` do with `--url`.

use std::{fmt::Write, time::Duration};

use vantage_api_cluster::{
    Cluster, Member, Observer, Overview, RunState, RunView, Settings, StreamView,
};
use vantage_api_ingest::{Job, description::Description};
use vantage_api_pool::AwwPool;

use super::{describe, with_queries};
use crate::{
    arguments::{Cap, Hold, Worker as WorkerArguments},
    failure::Failure,
    interrupts::Interrupts,
    output,
};

/// How often it is looked how far runs have come.
const LOOK: Duration = Duration::from_secs(2);

/// Over which time it is measured how fast streams are.
const MEASURED: Duration = Duration::from_secs(1);

pub(crate) async fn work(arguments: &WorkerArguments) -> Result<(), Failure> {
    let description = describe(&arguments.file)?;
    let mut settings = Settings::new(named(arguments.url.url.as_deref())?);
    settings.slots = arguments.slots;
    settings.heartbeat = Duration::try_from_secs_f64(arguments.heartbeat)
        .map_err(|error| Failure::usage(format_args!("`--heartbeat`: {error}")))?;
    let mut interrupts = Interrupts::new();
    let member = Member::join(settings, description.api.clone()).await?;
    let pool = member.pool().clone();
    let description = with_queries(description, &pool)?;
    let worker = member.work(description).await?;
    output::note(format_args!("{} works", worker.name()));
    interrupts.next().await;
    output::note("stopping: what was read is committed, and others go on; once more to abort");
    tokio::select! {
        () = worker.stop() => {}
        () = interrupts.next() => return Err(Failure::aborted()),
    }
    pool.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// Has the workers run the jobs of a description, and waits until they have.
pub(crate) async fn run(
    url: &str,
    description: &Description,
    pool: &AwwPool,
    is_json: bool,
) -> Result<(), Failure> {
    let cluster = connected(Some(url)).await?;
    let mut runs = Vec::new();
    for name in description.jobs.keys() {
        runs.push((name, cluster.begin(description, name).await?));
    }
    // Until now a signal has ended the program.
    let mut interrupts = Interrupts::new();
    let (mut is_complete, mut reports) = (true, Vec::new());
    for (name, run) in runs {
        let state = tokio::select! {
            state = follow(&cluster, name, run) => state?,
            () = interrupts.next() => {
                let advice = "`apipool cancel JOB` ends them, `apipool status --url URL` shows them";
                return Err(Failure::run("the runs go on without being watched").advising(advice));
            }
        };
        is_complete &= state == Some(RunState::Complete);
        let job = Job::over(description, name, pool.clone())?;
        if let Some(report) = job.last_run().await? {
            match is_json {
                true => output::report(format_args!(
                    "{}\n",
                    serde_json::to_string(&report).map_err(Failure::run)?
                )),
                false => output::report(&report),
            }
            reports.push(report);
        }
        if state != Some(RunState::Complete) {
            let overview = cluster.overview().await?;
            overview.runs.iter().filter(|own| own.id == run).for_each(tell_errors);
        }
    }
    if is_complete { Ok(()) } else { Err(Failure::incomplete(&reports)) }
}

/// Tells how far a run has come, until it has ended.
async fn follow(
    cluster: &Cluster,
    job: &str,
    run: i64,
) -> Result<Option<RunState>, vantage_api_cluster::Error> {
    let mut told = String::new();
    loop {
        if let Ok(state) = tokio::time::timeout(LOOK, cluster.ended(run)).await {
            return state;
        }
        let overview = cluster.overview().await?;
        let mut now = String::new();
        if !overview.workers.iter().any(|worker| worker.is_alive) {
            now = format!("{job}: no worker is there: start `apipool worker FILE --url URL`");
        } else if let Some(run) = overview.runs.iter().find(|own| own.id == run) {
            now = standing(run, None);
        }
        if now != told {
            output::note(&now);
            told = now;
        }
    }
}

fn tell_errors(run: &RunView) {
    for stream in &run.streams {
        if let Some(error) = &stream.error {
            output::error(format_args!("{}.{}: {error}", run.job, stream.stream));
        }
    }
}

pub(crate) async fn status(url: &str, is_json: bool) -> Result<(), Failure> {
    let observer = observer(url)?;
    let before = observer.overview().await?;
    if is_json {
        output::line(serde_json::to_string(&before).map_err(Failure::run)?);
        return Ok(());
    }
    tokio::time::sleep(MEASURED).await;
    let now = observer.overview().await?;
    output::text(shown(&before, &now));
    Ok(())
}

/// Looks at the cluster at a URL, or that of the environment if it is empty.
pub(crate) fn observer(url: &str) -> Result<Observer, Failure> {
    Ok(Observer::new(named(Some(url))?)?)
}

/// An overview, with one of a moment before it, by which it is known how fast things are.
fn shown(before: &Overview, now: &Overview) -> String {
    let mut text = String::new();
    if now.workers.is_empty() {
        text.push_str("no workers\n");
    }
    for worker in &now.workers {
        let (name, all) = (&worker.name, worker.slots);
        let standing = match worker.is_alive {
            true => format!("for {}", time(worker.age)),
            false => format!("GONE, not heard of for {}", time(worker.silent)),
        };
        let _ = writeln!(text, "{name}: {} of {all} slots, {standing}", worker.units.len());
        for unit in &worker.units {
            let part = if unit.part.is_empty() { "whole" } else { &unit.part };
            let (since, rows) = (time(unit.since), unit.rows);
            let (job, stream) = (&unit.job, &unit.stream);
            let _ = writeln!(text, "  {job}.{stream} {part}: {rows} rows, since {since}");
        }
    }
    for run in &now.runs {
        let earlier = before.runs.iter().find(|own| own.id == run.id);
        let _ = writeln!(text, "{}", standing(run, earlier));
        for stream in &run.streams {
            if let Some(error) = &stream.error {
                let _ = writeln!(text, "  {}: {error}", stream.stream);
            }
        }
    }
    text
}

/// How a run stands; with an `earlier` look, how fast it is.
fn standing(run: &RunView, earlier: Option<&RunView>) -> String {
    let state = match run.state {
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Cancelled => "cancelled",
        RunState::Complete => "complete",
        RunState::Failed => "FAILED",
        _ => "?",
    };
    let sum = |run: &RunView, of: fn(&StreamView) -> i64| run.streams.iter().map(of).sum::<i64>();
    let (units, done) = (sum(run, |own| own.units), sum(run, |own| own.done));
    let (working, failed) = (sum(run, |own| own.running), sum(run, |own| own.failed));
    let (pages, rows) = (sum(run, |own| own.pages), sum(run, |own| own.rows));
    let mut text =
        format!("{}: {state} for {}, {done} of {units} units done", run.job, time(run.took));
    if run.state == RunState::Running {
        let waiting = (units - done - failed - working).max(0);
        let _ = write!(text, ", {working} in work, {waiting} waiting");
        if let Some(most) = run.cap {
            let _ = write!(text, ", at most {most} at a time");
        }
    }
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    let _ = write!(text, "; {rows} rows from {pages} pages");
    if let Some(earlier) = earlier.filter(|_| run.state == RunState::Running) {
        let more = (rows - sum(earlier, |own| own.rows)).max(0);
        let _ = write!(text, ", {more} rows/s");
    }
    text
}

/// A time in seconds, for people.
fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

pub(crate) async fn pause(hold: &Hold) -> Result<(), Failure> {
    Ok(connected(hold.url.url.as_deref()).await?.pause(&hold.job).await?)
}

pub(crate) async fn resume(hold: &Hold) -> Result<(), Failure> {
    Ok(connected(hold.url.url.as_deref()).await?.resume(&hold.job).await?)
}

pub(crate) async fn cap(cap: &Cap) -> Result<(), Failure> {
    Ok(connected(cap.url.url.as_deref()).await?.cap(&cap.job, cap.most).await?)
}

pub(crate) async fn cancel(hold: &Hold) -> Result<(), Failure> {
    Ok(connected(hold.url.url.as_deref()).await?.cancel(&hold.job).await?)
}

async fn connected(url: Option<&str>) -> Result<Cluster, Failure> {
    Ok(Cluster::connect(&Settings::new(named(url)?)).await?)
}

/// The URL that was given, or that of the environment.
pub(crate) fn named(url: Option<&str>) -> Result<String, Failure> {
    let given = url.map(str::to_owned).filter(|url| !url.is_empty());
    given.or_else(|| std::env::var("APIPOOL_URL").ok()).ok_or_else(|| {
        Failure::usage("it is not said which database the workers share").advising(
            "give `--url sqlite:FILE` or `--url postgres://USER:PASSWORD@HOST/DATABASE`, or set \
                 APIPOOL_URL",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_parts_at_most() {
        for (seconds, told) in [(0.4, "0s"), (59.0, "59s"), (61.0, "1m 1s"), (7_322.0, "2h 2m")] {
            assert_eq!(time(seconds), told);
        }
    }
}
