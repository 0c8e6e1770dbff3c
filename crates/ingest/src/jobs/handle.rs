//! The jobs for programs that are not actix application: on a thread of their own.

use std::{fmt, sync::Arc, thread, time::Duration};

use actix::{Actor, Addr, Context, Handler, Message, System, dev::ToEnvelope};
use futures::{FutureExt, future::Shared};
use tokio::{
    runtime,
    sync::{broadcast, oneshot},
};

use super::{
    actor::Jobs,
    event::JobEvent,
    messages::{Add, Pause, Remove, Resume, Run, Shutdown, Status, Stop},
    status::JobStatus,
};
use crate::{description::JobDescription, error::Error, report::Report};

/// [`Jobs`] on a thread of their own, used from any thread and any runtime.
///
/// Cheap to clone. When the last clone is dropped the jobs end at once, and what they have read but
/// not committed is read again by the next run; [`shutdown`](Self::shutdown) lets them commit it.
///
/// ```no_run
/// use std::time::Duration;
///
/// use vantage_api_ingest::{Jobs, JobsHandle, description::Description};
///
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let jobs = JobsHandle::start(Jobs::new(Description::from_file("world.yaml")?)?).await?;
/// println!("{}", jobs.run("world").await?);
/// for job in jobs.status().await? {
///     println!("{}: {:?}", job.job, job.activity);
/// }
/// jobs.shutdown(Duration::from_secs(10)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JobsHandle {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: Addr<Jobs>,
    /// Weak, so that receivers learn of the end.
    events: broadcast::WeakSender<JobEvent>,
    /// Resolves when the thread has ended.
    ended: Shared<oneshot::Receiver<()>>,
}

impl JobsHandle {
    /// Starts jobs.
    ///
    /// # Errors
    /// If a setting of the pool is not valid, or the system has no thread for them.
    pub async fn start(mut jobs: Jobs) -> Result<Self, Error> {
        // A pool starts where it is first used: on that thread it would end with the jobs, although
        // others may use it.
        jobs.pool().stats().await?;
        let events = jobs.sender().downgrade();
        let (gone, left) = oneshot::channel();
        jobs.gone = Some(gone);
        let (ready, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::NoThread)?;
        spawn(move || {
            let system = System::with_tokio_rt(|| runtime);
            system.block_on(async move {
                // Without someone who has the address, they end at once.
                if ready.send(jobs.start()).is_ok() {
                    let _ = left.await;
                }
            });
            drop(system);
            drop(end);
        })?;
        let jobs = started.await.map_err(|_| Error::ShutDown)?;
        Ok(Self { inner: Arc::new(Inner { jobs, events, ended: ended.shared() }) })
    }

    /// Runs a job now, unless it runs or is due already, and returns what the run did when it has
    /// ended. A job that is paused or stopped goes on. Dropping the future does not stop the run.
    ///
    /// # Errors
    /// If there is no such job, or if it is stopped before it has run; what fails in the run is in the
    /// report.
    pub async fn run(&self, job: impl Into<String>) -> Result<Report, Error> {
        self.ask(Run(job.into())).await
    }

    /// Lets a job take no further page, or not start, until it is told to [resume](Self::resume).
    ///
    /// # Errors
    /// If there is no such job.
    pub async fn pause(&self, job: impl Into<String>) -> Result<(), Error> {
        self.ask(Pause(job.into())).await
    }

    /// Lets a job go on after a pause, and start at its times again after a [stop](Self::stop).
    ///
    /// # Errors
    /// If there is no such job.
    pub async fn resume(&self, job: impl Into<String>) -> Result<(), Error> {
        self.ask(Resume(job.into())).await
    }

    /// Commits what a job has read and ends its run, and returns what it did when it has ended; `None`
    /// if it did not run. The next run goes on there.
    ///
    /// # Errors
    /// If there is no such job.
    pub async fn stop(&self, job: impl Into<String>) -> Result<Option<Report>, Error> {
        self.ask(Stop(job.into())).await
    }

    /// How all jobs are doing. Looks into the sinks of those that have not run in this process.
    ///
    /// # Errors
    /// If the jobs are shut down.
    pub async fn status(&self) -> Result<Vec<JobStatus>, Error> {
        self.ask(Status).await
    }

    /// Adds a job, over the API and the tables of the description.
    ///
    /// # Errors
    /// If there is a job of this name, or no such table.
    pub async fn add(&self, name: impl Into<String>, job: JobDescription) -> Result<(), Error> {
        self.ask(Add { name: name.into(), job }).await
    }

    /// [Stops](Self::stop) a job, and forgets it when its run has ended. What it has written stays,
    /// and what its sink remembers of it.
    ///
    /// # Errors
    /// If there is no such job.
    pub async fn remove(&self, job: impl Into<String>) -> Result<(), Error> {
        self.ask(Remove(job.into())).await
    }

    /// What happens to the jobs from here on, as [`Jobs::events`]; closed when they have ended.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<JobEvent> {
        let closed = || broadcast::channel(1).1;
        self.inner.events.upgrade().map_or_else(closed, |events| events.subscribe())
    }

    /// The address of the actor, for what takes one.
    #[must_use]
    pub fn address(&self) -> &Addr<Jobs> {
        &self.inner.jobs
    }

    /// Starts no other run, stops those that are under way, gives them at most `drain` to commit what
    /// was read, and waits until the jobs have ended. Shuts down the pool as well, unless it was
    /// [given](Jobs::over).
    pub async fn shutdown(&self, drain: Duration) {
        let _ = self.inner.jobs.send(Shutdown { drain }).await;
        let _ = self.inner.ended.clone().await;
    }

    async fn ask<M, T>(&self, message: M) -> Result<T, Error>
    where
        M: Message<Result = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
        Jobs: Handler<M>,
        Context<Jobs>: ToEnvelope<Jobs, M>,
    {
        self.inner.jobs.send(message).await.map_err(|_| Error::ShutDown)?
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name("ingest-jobs".into()).spawn(run);
    spawned.map(drop).map_err(Error::NoThread)
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.do_send(Shutdown { drain: Duration::ZERO });
    }
}

impl fmt::Debug for JobsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobsHandle").field("is_up", &self.inner.jobs.connected()).finish()
    }
}
