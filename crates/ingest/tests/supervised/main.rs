//! Jobs that are looked after: their times, their turns, their deaths, and what they are told.

#![cfg(test)]

mod broken;
mod gated;
mod metered;

use std::{collections::BTreeMap, path::Path, time::Duration};

use actix::prelude::*;
use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc};
use vantage_api_ingest::{
    Error, Jobs, JobsHandle,
    description::{Description, Reader},
    jobs::{
        Activity, JobEvent, JobStatus,
        messages::{Pause, Resume, Run, Shutdown, Status, Stop, Subscribe},
    },
    report::{Outcome, Report},
};

use gated::Gated;

const DRAIN: Duration = Duration::from_secs(180);

/// The countries of the demo API, by jobs of these names and settings.
fn countries(api: &DemoApi, folder: &Path, jobs: &[(&str, &str)]) -> Description {
    let mut yaml = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables: [{ name: countries, id: name }, { name: nothing }]
jobs:
"#
    .to_owned();
    for (name, settings) in jobs {
        let settings =
            if settings.is_empty() { "streams: [{ table: countries }]" } else { *settings };
        let sink = format!("{{ sqlite: \"${{FOLDER}}/{name}.db\" }}");
        yaml.push_str(&format!("  {name}: {{ sink: {sink}, {settings} }}\n"));
    }
    Reader::new()
        .variable("BASE", api.base_url())
        .variable("ORIGIN", api.origin())
        .variable("FOLDER", folder.to_str().unwrap())
        .read_yaml(&yaml)
        .unwrap()
}

/// The rows of a gated API, which are committed page by page, by jobs with this setting.
fn rows(api: &Gated, folder: &Path, jobs: &[&str], setting: &str) -> Description {
    let mut yaml =
        "api: { base_url: \"${BASE}\" }\ntables: [{ name: rows, id: id }]\njobs:\n".to_owned();
    for name in jobs {
        let sink = format!("{{ sqlite: \"${{FOLDER}}/{name}.db\" }}");
        let streams = "streams: [{ table: rows, commit: { rows: 10 } }]";
        yaml.push_str(&format!("  {name}: {{ sink: {sink}, {streams}{setting} }}\n"));
    }
    Reader::new()
        .variable("BASE", api.base_url())
        .variable("FOLDER", folder.to_str().unwrap())
        .read_yaml(&yaml)
        .unwrap()
}

/// A time that does not come while a test runs, but on New Year's Day.
const SELDOM: &str = ", cron: \"0 0 1 1 *\"";

async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), test).await.expect("it ends")
}

async fn start(description: Description) -> JobsHandle {
    JobsHandle::start(Jobs::new(description).unwrap()).await.unwrap()
}

/// The next event of this kind.
async fn until(
    events: &mut broadcast::Receiver<JobEvent>,
    wanted: fn(&JobEvent) -> bool,
) -> JobEvent {
    loop {
        let event = events.recv().await.unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

fn is_commit(event: &JobEvent) -> bool {
    matches!(event, JobEvent::Committed { .. })
}

fn is_end(event: &JobEvent) -> bool {
    matches!(event, JobEvent::Ended { .. })
}

fn outcome(report: &Report) -> &Outcome {
    assert_eq!(report.streams.len(), 1, "{report}");
    &report.streams[0].outcome
}

fn failure(report: &Report) -> &str {
    let Outcome::Failed(why) = outcome(report) else { panic!("{report}") };
    why
}

fn count(folder: &Path, job: &str, table: &str) -> u64 {
    let db = Connection::open(folder.join(job).with_extension("db")).unwrap();
    let count = format!("select count(*) from \"{table}\"");
    db.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

fn of<'a>(statuses: &'a [JobStatus], job: &str) -> &'a JobStatus {
    statuses.iter().find(|status| status.job == job).unwrap()
}

#[tokio::test]
async fn a_run_that_panics_is_started_again_until_it_has_died_too_often() {
    broken::install();
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let jobs = [("unlucky", ""), ("doomed", ""), ("lucky", "")];
    let jobs = Jobs::new(countries(&api, folder.path(), &jobs)).unwrap();
    let mut events = jobs.events();
    let jobs = JobsHandle::start(jobs).await.unwrap();
    let unlucky = within(async {
        let mut deaths = 0;
        loop {
            match events.recv().await.unwrap() {
                JobEvent::Died { job, cause, again_in, .. } if job == "unlucky" => {
                    assert_eq!(cause, broken::WORDS);
                    assert!(again_in.is_some());
                    deaths += 1;
                }
                JobEvent::Ended { report, .. } if report.job == "unlucky" => {
                    break (report, deaths);
                }
                _ => {}
            }
        }
    });
    let (report, deaths) = unlucky.await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(deaths, 2);
    let doomed = within(jobs.run("doomed")).await.unwrap();
    let why = failure(&doomed);
    assert!(why.contains("6 times") && why.contains(broken::WORDS), "{why}");
    let lucky = within(jobs.run("lucky")).await.unwrap();
    assert!(lucky.is_complete(), "{lucky}");
    for job in ["unlucky", "lucky"] {
        assert_eq!(count(folder.path(), job, "countries"), api.countries().len() as u64);
    }
    let statuses = within(jobs.status()).await.unwrap();
    assert_eq!(of(&statuses, "doomed").activity, Activity::Stopped);
    assert_eq!(of(&statuses, "unlucky").activity, Activity::Idle);
    within(jobs.shutdown(DRAIN)).await;
}

#[tokio::test]
async fn jobs_run_again_at_their_times_and_one_after_another_if_told_so() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let every = "streams: [{ table: countries }], every: 1";
    let jobs = ["a", "b", "c"].map(|name| (name, every));
    let jobs = Jobs::new(countries(&api, folder.path(), &jobs)).unwrap().at_once(1);
    let mut events = jobs.events();
    let jobs = JobsHandle::start(jobs).await.unwrap();
    within(async {
        let (mut running, mut ended) = (0, BTreeMap::<String, u64>::new());
        while ended.len() < 3 || ended.values().any(|runs| *runs < 2) {
            match events.recv().await.unwrap() {
                JobEvent::Started { .. } => running += 1,
                JobEvent::Ended { report, next, .. } => {
                    running -= 1;
                    assert!(report.is_complete() && next.is_some(), "{report}");
                    let runs = ended.entry(report.job.clone()).or_insert(0);
                    *runs += 1;
                    assert_eq!(report.streams[0].run, *runs);
                }
                _ => {}
            }
            assert!(running <= 1);
        }
    })
    .await;
    within(jobs.shutdown(DRAIN)).await;
}

/// Passes on what it is told.
struct Observer(mpsc::UnboundedSender<JobEvent>);

impl Actor for Observer {
    type Context = Context<Self>;
}

impl Handler<JobEvent> for Observer {
    type Result = ();

    fn handle(&mut self, event: JobEvent, _: &mut Self::Context) {
        // At the end of the test nobody listens.
        let _ = self.0.send(event);
    }
}

#[test]
fn jobs_are_paused_resumed_and_stopped_by_messages() {
    System::new().block_on(within(async {
        let api = Gated::start(40);
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::new(rows(&api, folder.path(), &["copy"], SELDOM)).unwrap();
        let mut events = jobs.events();
        let jobs = jobs.start();
        let (tell, mut told) = mpsc::unbounded_channel();
        let observer = Observer(tell).start();
        jobs.send(Subscribe(observer.recipient())).await.unwrap();
        let copy = || "copy".to_owned();

        // Two pages, and no more as long as it is paused, although they are there.
        api.open(2);
        jobs.do_send(Run(copy()));
        until(&mut events, is_commit).await;
        jobs.send(Pause(copy())).await.unwrap().unwrap();
        let statuses = jobs.send(Status).await.unwrap().unwrap();
        assert_eq!(statuses[0].activity, Activity::Paused);
        api.open(40);
        let report = jobs.send(Stop(copy())).await.unwrap().unwrap().unwrap();
        assert_eq!(*outcome(&report), Outcome::Stopped, "{report}");
        let counts = report.streams[0].counts;
        assert!((10..400).contains(&counts.read), "{report}");
        assert_eq!(count(folder.path(), "copy", "rows"), counts.written);
        let statuses = jobs.send(Status).await.unwrap().unwrap();
        assert_eq!((statuses[0].activity, statuses[0].next), (Activity::Stopped, None));

        // The same run goes on.
        let report = jobs.send(Run(copy())).await.unwrap().unwrap();
        assert_eq!((outcome(&report), report.streams[0].run), (&Outcome::Complete, 1), "{report}");
        assert_eq!(count(folder.path(), "copy", "rows"), 400);
        until(&mut events, is_end).await;
        until(&mut events, is_end).await;

        api.open(2);
        jobs.do_send(Run(copy()));
        until(&mut events, is_commit).await;
        jobs.send(Pause(copy())).await.unwrap().unwrap();
        api.open(40);
        jobs.send(Resume(copy())).await.unwrap().unwrap();
        let JobEvent::Ended { report, .. } = until(&mut events, is_end).await else { panic!() };
        assert_eq!((outcome(&report), report.streams[0].run), (&Outcome::Complete, 2), "{report}");
        let statuses = jobs.send(Status).await.unwrap().unwrap();
        assert_eq!(statuses[0].activity, Activity::Idle);
        assert!(statuses[0].next.is_some());
        // None to stop.
        assert!(jobs.send(Stop(copy())).await.unwrap().unwrap().is_none());
        let unknown = jobs.send(Pause("other".into())).await.unwrap();
        assert!(matches!(unknown, Err(Error::NoJob(_))));

        let mut ends = 0;
        while ends < 3 {
            ends += usize::from(is_end(&told.recv().await.unwrap()));
        }
        jobs.send(Shutdown { drain: DRAIN }).await.unwrap();
    }));
}

#[tokio::test]
async fn what_the_last_run_did_is_known_when_the_jobs_are_started_anew() {
    let api = Gated::start(40);
    let folder = tempfile::tempdir().unwrap();
    let names = ["whole", "stopped", "failed"];
    let description = rows(&api, folder.path(), &names, SELDOM);
    let jobs = Jobs::new(description.clone()).unwrap();
    let mut events = jobs.events();
    let jobs = JobsHandle::start(jobs).await.unwrap();
    let statuses = within(jobs.status()).await.unwrap();
    assert!(statuses.iter().all(|status| status.last.is_none()));
    api.open(40);
    let whole = within(jobs.run("whole")).await.unwrap();
    api.open(2);
    jobs.address().do_send(Run("stopped".into()));
    let of_stopped =
        |event: &JobEvent| matches!(event, JobEvent::Committed { job, .. } if job == "stopped");
    within(until(&mut events, of_stopped)).await;
    let stopped = within(jobs.stop("stopped")).await.unwrap().unwrap();
    api.open(40);
    api.refuse_from(3);
    let failed = within(jobs.run("failed")).await.unwrap();
    assert!(!failure(&failed).is_empty());
    within(jobs.shutdown(DRAIN)).await;

    let jobs = start(description).await;
    let statuses = within(jobs.status()).await.unwrap();
    assert_eq!(statuses.len(), 3);
    for (name, report) in names.into_iter().zip([whole, stopped, failed]) {
        let status = of(&statuses, name);
        assert_eq!(status.activity, Activity::Idle);
        assert!(status.next.is_some());
        let last = status.last.as_ref().unwrap();
        assert_eq!(outcome(last), outcome(&report), "{last}");
        assert_eq!(last.streams[0].counts, report.streams[0].counts, "{last}");
        assert_eq!(last.streams[0].run, 1);
    }
    within(jobs.shutdown(DRAIN)).await;
}

#[tokio::test]
async fn a_job_that_fails_does_not_stop_others() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let jobs = [("bad", "streams: [{ table: nothing }]"), ("good", "")];
    let jobs = start(countries(&api, folder.path(), &jobs)).await;
    let (bad, good) = within(async { tokio::join!(jobs.run("bad"), jobs.run("good")) }).await;
    let (bad, good) = (bad.unwrap(), good.unwrap());
    assert!(!failure(&bad).is_empty(), "{bad}");
    assert!(good.is_complete(), "{good}");
    assert_eq!(count(folder.path(), "good", "countries"), api.countries().len() as u64);
    let statuses = within(jobs.status()).await.unwrap();
    let last = of(&statuses, "bad").last.as_ref().unwrap();
    assert_eq!(failure(last), failure(&bad));
    within(jobs.shutdown(DRAIN)).await;
}

#[tokio::test]
async fn a_shutdown_lets_runs_commit_and_starts_no_other() {
    let api = Gated::start(40);
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::new(rows(&api, folder.path(), &["first", "second"], "")).unwrap().at_once(1);
    let mut events = jobs.events();
    let jobs = JobsHandle::start(jobs).await.unwrap();
    api.open(2);
    within(until(&mut events, is_commit)).await;
    // Sent at once, and answered later.
    let second = jobs.address().send(Run("second".into()));
    within(jobs.shutdown(DRAIN)).await;
    assert!(matches!(within(second).await.unwrap(), Err(Error::Stopped(_))));
    let end = within(until(&mut events, is_end)).await;
    let JobEvent::Ended { report, next, .. } = end else { panic!() };
    assert_eq!((&*report.job, outcome(&report)), ("first", &Outcome::Stopped), "{report}");
    assert_eq!(next, None);
    let written = report.streams[0].counts.written;
    assert!(written >= 10, "{report}");
    assert_eq!(count(folder.path(), "first", "rows"), written);
    assert!(!folder.path().join("second.db").exists());
    // Nothing more, and nobody waits for it.
    assert!(within(events.recv()).await.is_err());
    assert!(matches!(jobs.run("first").await, Err(Error::ShutDown)));
}

#[tokio::test]
async fn jobs_come_and_go() {
    let api = Gated::start(2);
    api.open(2);
    let folder = tempfile::tempdir().unwrap();
    let mut description = rows(&api, folder.path(), &["copy"], "");
    let job = description.jobs.shift_remove("copy").unwrap();
    let jobs = start(description).await;
    assert!(within(jobs.status()).await.unwrap().is_empty());
    within(jobs.add("copy", job.clone())).await.unwrap();
    let again = within(jobs.add("copy", job.clone())).await;
    assert!(matches!(again, Err(Error::SecondJob(_))));
    let report = within(jobs.run("copy")).await.unwrap();
    assert!(report.is_complete(), "{report}");
    within(jobs.remove("copy")).await.unwrap();
    assert!(within(jobs.status()).await.unwrap().is_empty());
    assert!(matches!(within(jobs.run("copy")).await, Err(Error::NoJob(_))));
    within(jobs.add("copy", job)).await.unwrap();
    let report = within(jobs.run("copy")).await.unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(count(folder.path(), "copy", "rows"), 20);
    let mut events = jobs.events();
    drop(jobs);
    within(async { while events.recv().await.is_ok() {} }).await;
}
