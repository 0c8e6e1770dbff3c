//! The actor that owns the jobs: starts their runs, and decides what follows when they end.

use std::{collections::HashMap, fmt, mem, num::NonZero, sync::Arc, thread, time::Duration};

use actix::prelude::*;
use chrono::Utc;
use tokio::sync::{broadcast, oneshot, watch};
use vantage_api_pool::AwwPool;

use super::{
    event::JobEvent,
    roster::{Ended, Repair, Roster},
    runner::{self, RunEnded, RunWatch},
};
use crate::{
    description::{Description, JobDescription},
    error::Error,
    job::Job,
    report::Report,
    run::Control,
    schedule::Schedule,
};

/// How often is looked for jobs whose time has come.
const TICK: Duration = Duration::from_millis(100);
/// How many jobs run at a time, unless told otherwise.
const AT_ONCE: usize = 32;
/// How many events those who listen may fall behind.
const EVENTS: usize = 1024;

/// The jobs of a description, as an actor: it takes [`messages`](super::messages), and goes on until
/// it is [shut down](super::messages::Shutdown), also when all its addresses are gone.
///
/// ```no_run
/// use actix::Actor;
/// use vantage_api_ingest::{
///     Jobs,
///     description::Description,
///     jobs::messages::{Run, Stop},
/// };
///
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let jobs = Jobs::new(Description::from_file("world.yaml")?)?.at_once(8).start();
/// let report = jobs.send(Run("world".into())).await??;
/// println!("{report}");
/// jobs.send(Stop("world".into())).await??;
/// # Ok(()) }
/// ```
pub struct Jobs {
    description: Arc<Description>,
    pool: AwwPool,
    owns_pool: bool,
    at_once: usize,
    roster: Roster,
    /// What runs, by the number of the run.
    runs: HashMap<usize, Arc<Job>>,
    /// How many runs there are.
    running: watch::Sender<usize>,
    events: broadcast::Sender<JobEvent>,
    /// Where jobs run.
    threads: Vec<Arbiter>,
    is_closed: bool,
    /// Dropped with it.
    pub(super) gone: Option<oneshot::Sender<()>>,
}

impl Jobs {
    /// All jobs of a description, with a pool of their own. They start when the actor does.
    ///
    /// # Errors
    /// If a setting of the API is not valid, or the table of a job is not there.
    pub fn new(description: Description) -> Result<Self, Error> {
        let pool = description.api.clone().builder()?.build()?;
        let mut jobs = Self::over(description, pool)?;
        jobs.owns_pool = true;
        Ok(jobs)
    }

    /// All jobs of a description, whose requests go through `pool`, which outlives them.
    ///
    /// # Errors
    /// If the table of a job is not there.
    pub fn over(description: Description, pool: AwwPool) -> Result<Self, Error> {
        let (mut roster, now) = (Roster::default(), Utc::now());
        for (name, job) in &description.jobs {
            // Made again for each run: most do not run most of the time.
            Job::over(&description, name, pool.clone())?;
            roster.add(name, Schedule::of(job), now)?;
        }
        Ok(Self {
            description: Arc::new(description),
            pool,
            owns_pool: false,
            at_once: AT_ONCE,
            roster,
            runs: HashMap::new(),
            running: watch::Sender::default(),
            events: broadcast::Sender::new(EVENTS),
            threads: Vec::new(),
            is_closed: false,
            gone: None,
        })
    }

    /// How many jobs run at a time, at least 1 and by default 32; others wait for their turn. Each
    /// stream of a job that runs has a thread, a connection of its sink, and what a commit gathers.
    #[must_use]
    pub fn at_once(mut self, jobs: usize) -> Self {
        self.at_once = jobs.max(1);
        self
    }

    /// What happens to the jobs from here on. The jobs never wait for a receiver: one that falls
    /// behind by more than 1,024 events is told by `RecvError::Lagged` how many it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.events.subscribe()
    }

    pub(super) fn sender(&self) -> &broadcast::Sender<JobEvent> {
        &self.events
    }

    pub(super) fn pool(&self) -> &AwwPool {
        &self.pool
    }

    /// The pool, if it ends with the jobs.
    pub(super) fn own_pool(&self) -> Option<AwwPool> {
        self.owns_pool.then(|| self.pool.clone())
    }

    pub(super) fn description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How many runs there are, from here on.
    pub(super) fn running(&self) -> watch::Receiver<usize> {
        self.running.subscribe()
    }

    pub(super) fn run(
        &mut self,
        name: &str,
        ctx: &Context<Self>,
    ) -> Result<oneshot::Receiver<Ended>, Error> {
        self.check_open()?;
        let (run, ended) = self.roster.run(name)?;
        self.control(run, Control::Run);
        self.fill(ctx);
        Ok(ended)
    }

    pub(super) fn tell(
        &mut self,
        name: &str,
        control: Control,
        ctx: &Context<Self>,
    ) -> Result<(), Error> {
        self.check_open()?;
        let run = self.roster.tell(name, control, Utc::now())?;
        self.control(run, control);
        self.turn(ctx);
        Ok(())
    }

    /// Stops a job, and returns what tells the end of its run, if it runs.
    pub(super) fn stop(&mut self, name: &str) -> Result<Option<oneshot::Receiver<Ended>>, Error> {
        let run = self.roster.tell(name, Control::Stop, Utc::now())?;
        self.control(run, Control::Stop);
        Ok(run.and_then(|_| self.roster.wait(name)))
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        job: JobDescription,
        ctx: &Context<Self>,
    ) -> Result<(), Error> {
        self.check_open()?;
        if self.description.jobs.contains_key(name) {
            return Err(Error::SecondJob(name.to_owned()));
        }
        let schedule = Schedule::of(&job);
        let description = Arc::make_mut(&mut self.description);
        description.jobs.insert(name.to_owned(), job);
        if let Err(error) = Job::over(description, name, self.pool.clone()) {
            description.jobs.shift_remove(name);
            return Err(error);
        }
        self.roster.add(name, schedule, Utc::now())?;
        self.turn(ctx);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.roster.remove(name);
        Arc::make_mut(&mut self.description).jobs.shift_remove(name);
    }

    /// Starts no other run, and stops those that are under way.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.roster.close();
        self.runs.values().for_each(|job| job.stop());
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::ShutDown) } else { Ok(()) }
    }

    fn control(&self, run: Option<usize>, control: Control) {
        let Some(job) = run.and_then(|run| self.runs.get(&run)) else { return };
        match control {
            Control::Run => job.resume(),
            Control::Pause => job.pause(),
            Control::Stop => job.stop(),
        }
    }

    fn turn(&mut self, ctx: &Context<Self>) {
        self.roster.line_up(Utc::now());
        self.fill(ctx);
    }

    /// Starts as many runs of jobs that are due as there may be.
    fn fill(&mut self, ctx: &Context<Self>) {
        while self.runs.len() < self.at_once
            && let Some((name, run)) = self.roster.take(Utc::now())
        {
            match Job::over(&self.description, &name, self.pool.clone()) {
                Ok(job) => self.start_run(Arc::new(job), run, ctx),
                Err(error) => {
                    // It was checked when it was added.
                    tracing::error!(job = name, %error, "no run of this job");
                    self.roster.abandon(&name, run);
                }
            }
        }
    }

    fn start_run(&mut self, job: Arc<Job>, run: usize, ctx: &Context<Self>) {
        let watch = RunWatch::new(&job, run, ctx.address().recipient(), self.events.clone());
        let thread = self.threads.get(run % self.threads.len().max(1));
        let thread = thread.map_or_else(Arbiter::current, Arbiter::handle);
        runner::start(&thread, Arc::clone(&job), watch);
        self.runs.insert(run, job);
        self.count();
    }

    fn release(&mut self, run: usize) {
        self.runs.remove(&run);
        self.count();
    }

    fn count(&self) {
        self.running.send_replace(self.runs.len());
    }

    fn finish(&mut self, name: &str, run: usize, report: Report, ctx: &Context<Self>) {
        self.release(run);
        let next = self.roster.ended(name, run, &report, Utc::now());
        self.emit(JobEvent::Ended { report, next });
        self.fill(ctx);
    }

    /// Ends a run that has died, with a report that says so.
    fn give_up(&mut self, name: String, run: usize, why: String, ctx: &mut Context<Self>) {
        let Some(job) = self.runs.get(&run).cloned() else { return };
        let failed = async move { job.failed(&why).await }.into_actor(self);
        ctx.spawn(failed.map(move |report, jobs: &mut Self, ctx: &mut Context<Self>| {
            jobs.finish(&name, run, report, ctx);
        }));
    }

    fn emit(&self, event: JobEvent) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..cores.min(self.at_once) {
            match Arbiter::try_new() {
                Ok(thread) => self.threads.push(thread),
                Err(error) => tracing::warn!(%error, "no thread for jobs"),
            }
        }
        #[cfg(feature = "metrics")]
        super::metrics::start(self.events());
        ctx.run_interval(TICK, |jobs, ctx| jobs.turn(ctx));
        self.turn(ctx);
    }
}

impl Handler<RunEnded> for Jobs {
    type Result = ();

    fn handle(&mut self, ended: RunEnded, ctx: &mut Self::Context) {
        let RunEnded { job: name, run, has_committed, result } = ended;
        let cause = match result {
            Ok(report) => return self.finish(&name, run, report, ctx),
            Err(cause) => cause,
        };
        let repair = self.roster.died(&name, run, has_committed, fastrand::f64(), Utc::now());
        tracing::warn!(job = name, cause, ?repair, "a run has died");
        let again_in = match repair {
            Some(Repair::After(wait)) => Some(wait),
            Some(Repair::GiveUp(_)) | None => None,
        };
        self.emit(JobEvent::Died { job: name.clone(), cause: cause.clone(), again_in });
        if let Some(Repair::GiveUp(deaths)) = repair {
            let why = match deaths {
                1 => format!("the run has died: {cause}"),
                _ => format!("the run has died {deaths} times in a row: {cause}"),
            };
            return self.give_up(name, run, why, ctx);
        }
        self.release(run);
        self.fill(ctx);
    }
}

impl Drop for Jobs {
    /// However it ends, no thread is left.
    fn drop(&mut self) {
        for thread in mem::take(&mut self.threads) {
            thread.stop();
        }
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("jobs", &self.description.jobs.len())
            .field("running", &self.runs.len())
            .finish_non_exhaustive()
    }
}
