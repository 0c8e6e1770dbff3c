//! The handle of a cluster: begins runs, holds them, and tells what is going on.

use std::{fmt, sync::Arc, time::Duration};

use vantage_api_ingest::description::{Description, JobDescription};

use crate::{
    Error, Overview, RunState, Settings,
    dispatch::Dispatcher,
    engine::Engine,
    store::{LIMIT, Store, within},
};

/// How often it is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(100);

/// A cluster, seen from outside: it works on nothing itself.
pub struct Cluster {
    store: Arc<dyn Store>,
    queue: Arc<dyn Dispatcher>,
}

impl Cluster {
    /// Connects to a cluster, and makes its tables if they are not there.
    ///
    /// # Errors
    /// If a setting is not valid, or the database cannot be reached.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let engine = Engine::connect(settings).await?;
        Ok(Self { store: engine.store(), queue: engine.queue(String::new(), settings).await? })
    }

    /// Begins a run of a job, or goes on with the last one if that was paused, cancelled or has failed,
    /// and returns its number. That of the run that is under way, if there is one. One that goes on does
    /// not read again what is done, and leaves out the streams that the job does not have any more.
    ///
    /// # Errors
    /// If the description has no such job, or the database cannot be reached.
    pub async fn begin(&self, description: &Description, job: &str) -> Result<i64, Error> {
        let own = description.jobs.get(job);
        let own = own.ok_or_else(|| vantage_api_ingest::Error::NoJob(job.to_owned()))?;
        let streams = streams(own);
        loop {
            let begun = self.store.begin(job, &streams, None, &*self.queue);
            if let Some(run) = within(LIMIT, begun).await? {
                return Ok(run);
            }
            if let Some(run) = within(LIMIT, self.store.open_run(job)).await? {
                return Ok(run);
            }
            // It has ended in between.
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a run has ended or is held, and returns how it stands. `None` if there is no such
    /// run.
    ///
    /// # Errors
    /// That of the database.
    pub async fn ended(&self, run: i64) -> Result<Option<RunState>, Error> {
        loop {
            match within(LIMIT, self.store.state_of(run)).await? {
                Some(RunState::Running) => tokio::time::sleep(LOOK).await,
                state => return Ok(state),
            }
        }
    }

    /// Pauses the run of a job on all machines, and it waits to be [resumed](Self::resume), or begun;
    /// until then it does not go on either when the job is due. Nothing is committed any more of streams
    /// in parts. Those that are run whole are stopped within a second or so, and what was read of them by
    /// then is committed.
    ///
    /// # Errors
    /// [`Error::NoRun`] if none is under way; that of the database.
    pub async fn pause(&self, job: &str) -> Result<(), Error> {
        within(LIMIT, self.store.hold(job, RunState::Paused)).await
    }

    /// Lets the run of a job go on that was paused.
    ///
    /// # Errors
    /// [`Error::NoRun`] if none is paused; that of the database.
    pub async fn resume(&self, job: &str) -> Result<(), Error> {
        within(LIMIT, self.store.resume(job, &*self.queue)).await
    }

    /// Ends the run of a job on all machines. Nothing is committed any more of streams in parts; those that
    /// are run whole are stopped within a second or so, and what was read of them by then is committed.
    /// What is committed stays, and the next run goes on there.
    ///
    /// # Errors
    /// [`Error::NoRun`] if none is under way; that of the database.
    pub async fn cancel(&self, job: &str) -> Result<(), Error> {
        within(LIMIT, self.store.hold(job, RunState::Cancelled)).await
    }

    /// Lets no more than so many units of a job be worked on at a time by all processes together, from the
    /// next ones on; any number with `None`, as at first. A unit is a stream, or a part of one, and has as
    /// many requests in flight as its stream reads ahead.
    ///
    /// ```no_run
    /// # async fn demo(cluster: vantage_api_cluster::Cluster) -> Result<(), vantage_api_cluster::Error> {
    /// cluster.cap("world", Some(2)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoJob`] if the job was never run, [`Error::Settings`] if it is none at all; that of the
    /// database.
    pub async fn cap(&self, job: &str, most: Option<u32>) -> Result<(), Error> {
        if most == Some(0) {
            return Err(Error::Settings("a cap is at least 1; a job is held by pausing it".into()));
        }
        let most = most.map(|most| i32::try_from(most).unwrap_or(i32::MAX));
        within(LIMIT, self.store.cap(job, most)).await
    }

    /// What is going on.
    ///
    /// # Errors
    /// That of the database.
    pub async fn overview(&self) -> Result<Overview, Error> {
        within(LIMIT, self.store.overview()).await
    }
}

/// The names of a job's streams.
pub(crate) fn streams(job: &JobDescription) -> Vec<String> {
    job.streams.iter().map(|stream| stream.name.clone()).collect()
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}
