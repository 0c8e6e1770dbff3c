//! [pure] What is known of each job, which one runs next, and what follows the end of a run.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use tokio::sync::oneshot;

use super::{
    restarts::wait_after,
    status::{Activity, JobStatus},
};
use crate::{error::Error, report::Report, run::Control, schedule::Schedule};

/// What those who wait for the end of a run are told.
pub(super) type Ended = Result<Report, Error>;

/// The jobs, and the line of those that are due. Runs are numbered, so that the end of one is not
/// taken for that of the next.
#[derive(Default)]
pub(super) struct Roster {
    jobs: IndexMap<String, Entry>,
    line: VecDeque<String>,
    last_run: usize,
}

struct Entry {
    schedule: Option<Schedule>,
    phase: Phase,
    /// What it was told last. `Stop` lasts until it is told to run or to resume.
    told: Control,
    /// When it is due, while it is idle.
    next: Option<DateTime<Utc>>,
    began: Option<DateTime<Utc>>,
    /// In a row, with nothing committed in between.
    deaths: u32,
    last: Option<Report>,
    waiting: Vec<oneshot::Sender<Ended>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Queued,
    Running(usize),
}

/// What follows a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The job starts again after this time.
    After(Duration),
    /// Its run ends, after so many deaths in a row.
    GiveUp(u32),
}

impl Roster {
    /// # Errors
    /// If there is a job of this name.
    pub(super) fn add(
        &mut self,
        name: &str,
        schedule: Option<Schedule>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if self.jobs.contains_key(name) {
            return Err(Error::SecondJob(name.to_owned()));
        }
        let waits = schedule.as_ref().filter(|schedule| schedule.waits_first());
        let entry = Entry {
            next: Some(waits.map_or(now, |schedule| schedule.next(now))),
            schedule,
            phase: Phase::Idle,
            told: Control::Run,
            began: None,
            deaths: 0,
            last: None,
            waiting: Vec::new(),
        };
        self.jobs.insert(name.to_owned(), entry);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.line.retain(|queued| queued != name);
        if let Some(mut entry) = self.jobs.shift_remove(name) {
            entry.leave(name);
        }
    }

    /// Lines up the jobs whose time has come.
    pub(super) fn line_up(&mut self, now: DateTime<Utc>) {
        for (name, entry) in &mut self.jobs {
            let is_due = entry.next.is_some_and(|next| next <= now);
            if is_due && entry.phase == Phase::Idle && entry.told == Control::Run {
                entry.queue();
                self.line.push_back(name.clone());
            }
        }
    }

    /// The next job that is due and not paused, and the number of its run, which begins.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Option<(String, usize)> {
        let may_run =
            |name: &String| self.jobs.get(name).is_some_and(|entry| entry.told == Control::Run);
        let place = self.line.iter().position(may_run)?;
        let name = self.line.remove(place)?;
        let entry = self.jobs.get_mut(&name)?;
        self.last_run += 1;
        entry.phase = Phase::Running(self.last_run);
        entry.began = Some(now);
        Some((name, self.last_run))
    }

    /// Lines up a job, unless it runs or is lined up. Returns its run, if there is one, and what tells
    /// the end of this or the next one.
    ///
    /// # Errors
    /// If there is no such job.
    pub(super) fn run(
        &mut self,
        name: &str,
    ) -> Result<(Option<usize>, oneshot::Receiver<Ended>), Error> {
        let entry = self.entry(name)?;
        entry.told = Control::Run;
        let ended = entry.wait();
        match entry.phase {
            Phase::Running(run) => return Ok((Some(run), ended)),
            Phase::Queued => {}
            Phase::Idle => {
                entry.queue();
                self.line.push_back(name.to_owned());
            }
        }
        Ok((None, ended))
    }

    /// Tells a job something. Returns its run, if there is one, which is to be told as well.
    ///
    /// # Errors
    /// If there is no such job.
    pub(super) fn tell(
        &mut self,
        name: &str,
        control: Control,
        now: DateTime<Utc>,
    ) -> Result<Option<usize>, Error> {
        let entry = self.entry(name)?;
        entry.told = control;
        match (control, entry.phase) {
            (_, Phase::Running(run)) => return Ok(Some(run)),
            (Control::Stop, _) => {
                entry.leave(name);
                self.line.retain(|queued| queued != name);
            }
            (Control::Run, Phase::Idle) => {
                entry.next = entry.next.or_else(|| entry.time_after(now));
            }
            (Control::Run | Control::Pause, _) => {}
        }
        Ok(None)
    }

    /// Tells the end of a job's run; `None` if there is no such job.
    pub(super) fn wait(&mut self, name: &str) -> Option<oneshot::Receiver<Ended>> {
        self.jobs.get_mut(name).map(Entry::wait)
    }

    /// A run has ended. Returns when the job is due next.
    pub(super) fn ended(
        &mut self,
        name: &str,
        run: usize,
        report: &Report,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let entry = self.running(name, run)?;
        (entry.phase, entry.deaths) = (Phase::Idle, 0);
        entry.next = entry.time_after(now).filter(|_| entry.told != Control::Stop);
        entry.last = Some(report.clone());
        for waiting in entry.waiting.drain(..) {
            // Who has gone does not want to know.
            let _ = waiting.send(Ok(report.clone()));
        }
        entry.next
    }

    /// A run has died. `jitter` is from 0 to 1. `None` if the job has been removed since.
    pub(super) fn died(
        &mut self,
        name: &str,
        run: usize,
        has_committed: bool,
        jitter: f64,
        now: DateTime<Utc>,
    ) -> Option<Repair> {
        let entry = self.running(name, run)?;
        entry.deaths = if has_committed { 1 } else { entry.deaths.saturating_add(1) };
        let wait = wait_after(entry.deaths, jitter).filter(|_| entry.told != Control::Stop);
        let Some(wait) = wait else {
            entry.told = Control::Stop;
            return Some(Repair::GiveUp(entry.deaths));
        };
        entry.phase = Phase::Idle;
        entry.next = TimeDelta::from_std(wait).ok().map(|wait| now + wait);
        Some(Repair::After(wait))
    }

    /// A run that has nothing to tell is over, and the job is stopped.
    pub(super) fn abandon(&mut self, name: &str, run: usize) {
        if let Some(entry) = self.running(name, run) {
            entry.told = Control::Stop;
            entry.leave(name);
        }
    }

    /// Stops all jobs.
    pub(super) fn close(&mut self) {
        self.line.clear();
        for (name, entry) in &mut self.jobs {
            entry.told = Control::Stop;
            if !matches!(entry.phase, Phase::Running(_)) {
                entry.leave(name);
            }
        }
    }

    pub(super) fn statuses(&self) -> Vec<JobStatus> {
        let status = |(name, entry): (&String, &Entry)| JobStatus {
            job: name.clone(),
            activity: entry.activity(),
            next: entry.next,
            last: entry.last.clone(),
        };
        self.jobs.iter().map(status).collect()
    }

    /// Whether only the sink of a job knows what its last run did.
    pub(super) fn is_untold(&self, name: &str) -> bool {
        let is_running = |entry: &Entry| matches!(entry.phase, Phase::Running(_));
        self.jobs.get(name).is_some_and(|entry| entry.last.is_none() && !is_running(entry))
    }

    fn entry(&mut self, name: &str) -> Result<&mut Entry, Error> {
        self.jobs.get_mut(name).ok_or_else(|| Error::NoJob(name.to_owned()))
    }

    fn running(&mut self, name: &str, run: usize) -> Option<&mut Entry> {
        self.jobs.get_mut(name).filter(|entry| entry.phase == Phase::Running(run))
    }
}

impl Entry {
    fn queue(&mut self) {
        (self.phase, self.next) = (Phase::Queued, None);
    }

    /// Becomes idle without a run, which those who wait for one are told.
    fn leave(&mut self, name: &str) {
        (self.phase, self.next, self.deaths) = (Phase::Idle, None, 0);
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(Error::Stopped(name.to_owned())));
        }
    }

    fn wait(&mut self) -> oneshot::Receiver<Ended> {
        let (tell, ended) = oneshot::channel();
        self.waiting.push(tell);
        ended
    }

    /// The time of its schedule after its last start.
    fn time_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule.as_ref().map(|schedule| schedule.next(self.began.unwrap_or(now)))
    }

    fn activity(&self) -> Activity {
        match (self.phase, self.told) {
            (_, Control::Pause) => Activity::Paused,
            (Phase::Running(_), _) => Activity::Running,
            (_, Control::Stop) => Activity::Stopped,
            (Phase::Queued, Control::Run) => Activity::Queued,
            (Phase::Idle, Control::Run) => Activity::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);

    fn now() -> DateTime<Utc> {
        "2024-02-29T12:00:00Z".parse().unwrap()
    }

    fn report(job: &str) -> Report {
        Report { job: job.into(), streams: Vec::new() }
    }

    fn roster(jobs: &[&str]) -> Roster {
        let mut roster = Roster::default();
        for job in jobs {
            roster.add(job, Some(Schedule::Every(EVERY)), now()).unwrap();
        }
        roster.line_up(now());
        roster
    }

    fn activities(roster: &Roster) -> Vec<Activity> {
        roster.statuses().iter().map(|status| status.activity).collect()
    }

    #[test]
    fn jobs_run_in_turn_and_again_at_their_times() {
        let mut roster = roster(&["a", "b"]);
        assert!(roster.add("a", None, now()).is_err());
        assert_eq!(roster.take(now()), Some(("a".into(), 1)));
        assert_eq!(activities(&roster), [Activity::Running, Activity::Queued]);
        roster.line_up(now() + EVERY * 2);
        assert_eq!(roster.take(now()), Some(("b".into(), 2)));
        assert_eq!(roster.take(now()), None, "one that runs is not lined up again");
        assert_eq!(roster.ended("a", 1, &report("a"), now()), Some(now() + EVERY));
        roster.line_up(now() + EVERY / 2);
        assert_eq!(roster.take(now()), None);
        roster.line_up(now() + EVERY);
        assert_eq!(roster.take(now()), Some(("a".into(), 3)));
        roster.ended("a", 1, &report("a"), now());
        assert_eq!(activities(&roster)[0], Activity::Running, "that was an earlier run");
    }

    #[test]
    fn who_is_paused_lets_others_pass_and_who_is_stopped_leaves() {
        let mut roster = roster(&["a", "b", "c"]);
        assert_eq!(roster.tell("a", Control::Pause, now()).unwrap(), None);
        let (_, mut ended) = roster.run("b").unwrap();
        assert_eq!(roster.tell("b", Control::Stop, now()).unwrap(), None);
        assert!(matches!(ended.try_recv(), Ok(Err(Error::Stopped(_)))));
        assert_eq!(roster.take(now()), Some(("c".into(), 1)));
        assert_eq!(activities(&roster), [Activity::Paused, Activity::Stopped, Activity::Running]);
        roster.line_up(now() + EVERY * 2);
        assert_eq!(roster.take(now()), None);
        for job in ["a", "b"] {
            roster.tell(job, Control::Run, now()).unwrap();
        }
        assert_eq!(roster.take(now()), Some(("a".into(), 2)));
        assert_eq!(roster.take(now()), None, "a job that was stopped waits for its time");
        roster.line_up(now() + EVERY);
        assert_eq!(roster.take(now()), Some(("b".into(), 3)));
        assert_eq!(roster.tell("b", Control::Stop, now()).unwrap(), Some(3));
        assert_eq!(roster.ended("b", 3, &report("b"), now()), None);
        assert_eq!(roster.statuses()[1].next, None);
    }

    #[test]
    fn who_waits_is_told_of_the_run_under_way_or_the_next_one() {
        let mut roster = roster(&["a"]);
        let (queued, mut first) = roster.run("a").unwrap();
        assert_eq!(queued, None);
        assert_eq!(roster.take(now()), Some(("a".into(), 1)));
        let (running, mut second) = roster.run("a").unwrap();
        assert_eq!(running, Some(1));
        roster.ended("a", 1, &report("a"), now());
        for ended in [&mut first, &mut second] {
            assert_eq!(ended.try_recv().unwrap().unwrap().job, "a");
        }
        let (_, mut third) = roster.run("a").unwrap();
        roster.close();
        assert!(matches!(third.try_recv(), Ok(Err(Error::Stopped(_)))));
        assert_eq!(roster.take(now()), None);
        assert!(roster.run("b").is_err());
    }

    #[test]
    fn what_dies_too_often_in_a_row_is_given_up() {
        let mut roster = roster(&["a"]);
        let mut died = |has_committed: bool| {
            roster.line_up(now() + EVERY);
            let (_, run) = roster.take(now()).unwrap();
            roster.died("a", run, has_committed, 1.0, now()).unwrap()
        };
        for _ in 0..10 {
            assert_eq!(died(true), Repair::After(Duration::from_millis(200)));
        }
        for _ in 0..4 {
            assert!(matches!(died(false), Repair::After(_)));
        }
        assert_eq!(died(false), Repair::GiveUp(6));
        let run = roster.last_run;
        assert_eq!(activities(&roster), [Activity::Running], "its report is still to come");
        roster.ended("a", run, &report("a"), now());
        assert_eq!(activities(&roster), [Activity::Stopped]);
        let (_, _ended) = roster.run("a").unwrap();
        let (_, run) = roster.take(now()).unwrap();
        let repair = roster.died("a", run, false, 1.0, now());
        assert_eq!(repair, Some(Repair::After(Duration::from_millis(200))), "it counts anew");
        assert_eq!(roster.died("a", run, false, 1.0, now()), None);
    }
}
