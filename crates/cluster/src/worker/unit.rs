//! Does one unit.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};
use vantage_api_ingest::{
    Job,
    description::SinkDescription,
    parts::{Claim, Division, Part},
    report::Outcome,
};

use super::{Shared, warn_of};
use crate::{
    Error,
    dispatch::Handler,
    store::{Claimed, LIMIT, PATIENCE, PostgresStore, Work, within},
};

/// The waits before a unit is tried again after an error that may pass: doubled each time, from the
/// first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What became of a unit.
enum End {
    Done {
        pages: u64,
        rows: u64,
        remarks: Vec<String>,
    },
    /// It was divided, or others have it: nothing is to be written down.
    Left,
    /// It is to go on, by anyone and at once.
    Stopped,
    /// It is to be tried again.
    Again(String, Duration),
    Failed(String),
}

#[async_trait]
impl Handler for Arc<Shared> {
    async fn handle(&self, unit: i64) {
        let own = Arc::clone(self);
        // On a task of its own: what it does would hold up the heartbeats of the queue.
        let task = tokio::spawn(async move { own.work(unit).await });
        let mut task = AbortOnDrop(task);
        match (&mut task.0).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(unit, %error, "a unit was left as it is"),
            Err(error) => tracing::warn!(unit, %error, "a unit has ended before its time"),
        }
    }
}

struct AbortOnDrop(JoinHandle<Result<(), Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    async fn work(&self, unit: i64) -> Result<(), Error> {
        let Some(mut running) = self.running.begin(unit) else { return Ok(()) };
        // What others know alone is handed out again until one of them has it.
        let jobs = self.jobs();
        let claim = self.store.claim(unit, &self.me, &jobs);
        let Some(own) = within(LIMIT, claim).await? else { return Ok(()) };
        tracing::info!(unit, own.epoch, own.job, own.stream, "begun");
        let end = match self.job(&own.job) {
            Ok(job) => {
                let job = Arc::new(job);
                running.claimed(&own, &job);
                let most = i32::try_from(self.settings.max_starts).unwrap_or(i32::MAX);
                match own.starts > most {
                    true => End::Failed(set_aside(most, own.error.as_deref())),
                    false => self.run(&job, &own).await,
                }
            }
            Err(error) => End::Failed(error.to_string()),
        };
        self.conclude(&own, end).await?;
        running.ended();
        Ok(())
    }

    async fn run(&self, job: &Job, own: &Claimed) -> End {
        let ended = match &own.work {
            Work::Stream { stream_run } => self.stream(job, own, *stream_run).await,
            Work::Part { stream_run, part, next } => {
                let claim = Claim { fence: PostgresStore::fence(own), next: next.clone() };
                match serde_json::from_str(part) {
                    Ok(part) => self.part(job, own, *stream_run, &part, claim).await,
                    Err(error) => Err(error.into()),
                }
            }
        };
        match ended {
            Ok(end) => end,
            Err(Error::Job(error)) if !error.may_pass() => End::Failed(error.to_string()),
            Err(error) => End::Again(error.to_string(), wait_after(own.starts)),
        }
    }

    /// Divides a stream, or runs it whole: in the run in which that was begun `earlier`.
    async fn stream(&self, job: &Job, own: &Claimed, earlier: Option<u64>) -> Result<End, Error> {
        let stream_run = job.next_run(&own.stream, earlier).await?;
        let is_begun = earlier == Some(stream_run);
        if !is_begun && let Some(store) = self.home_of(&own.job) {
            let division = job.divide(&own.stream, self.settings.pages).await?;
            if let Division::Parts { run, parts } = division {
                let dispatcher = &*self.dispatcher;
                within(LIMIT, store.divide(own, run, &parts, dispatcher)).await?;
                return Ok(End::Left);
            }
        }
        if !is_begun && !within(LIMIT, self.store.run_whole(own, stream_run)).await? {
            return Ok(End::Left);
        }
        let mut progress = job.progress();
        let mut run = std::pin::pin!(job.run_alone(&own.stream, Some(stream_run)));
        let report = loop {
            tokio::select! {
                report = &mut run => break report?,
                told = progress.recv() => match told {
                    Ok(told) => {
                        let (pages, rows) = (told.counts.pages, told.counts.written);
                        let tell = self.store.tell(own, pages, rows);
                        if let Err(error) = within(PATIENCE, tell).await {
                            tracing::warn!(%error, "progress is not told");
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    // It ends with the job, which is here.
                    Err(RecvError::Closed) => break (&mut run).await?,
                },
            }
        };
        Ok(match report.outcome {
            Outcome::Complete => End::Done {
                pages: report.counts.pages,
                rows: report.counts.written,
                remarks: report.remarks,
            },
            Outcome::Failed(error) => End::Failed(error),
            _ => End::Stopped,
        })
    }

    async fn part(
        &self,
        job: &Job,
        own: &Claimed,
        stream_run: u64,
        part: &Part,
        claim: Claim,
    ) -> Result<End, Error> {
        let end = match job.run_part(&own.stream, stream_run, part, claim).await {
            Ok(end) => end,
            Err(error) if !error.may_pass() && was_reset(job, own, stream_run).await? => {
                tracing::warn!(%error, own.stream, "reset meanwhile: it begins anew");
                if let Some(store) = self.store.of_parts() {
                    within(LIMIT, store.undivide(own, &*self.dispatcher)).await?;
                }
                return Ok(End::Left);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(match end.is_done {
            true => End::Done { pages: 0, rows: 0, remarks: end.remarks },
            false => End::Stopped,
        })
    }

    /// The database of the cluster, if that is the sink of a job as well, and a commit can be fenced there.
    fn home_of(&self, job: &str) -> Option<&PostgresStore> {
        let own = self.settings.url.expose_secret();
        match self.description.jobs.get(job).map(|job| &job.sink)? {
            SinkDescription::Postgres(url) if url.expose_secret() == own => self.store.of_parts(),
            _ => None,
        }
    }

    /// Writes down what became of a unit, if it is still this process's.
    async fn conclude(&self, own: &Claimed, end: End) -> Result<(), Error> {
        let is_ended = matches!(end, End::Done { .. } | End::Failed(_));
        within(LIMIT, self.write_down(own, end)).await?;
        if is_ended {
            warn_of(self.settle().await, "what has come to its end is not ended yet");
        }
        if own.is_capped {
            let (jobs, room) = (self.jobs(), "the next unit waits until it is looked for");
            warn_of(within(LIMIT, self.store.reconcile(&jobs, &*self.dispatcher)).await, room);
        }
        Ok(())
    }

    async fn write_down(&self, own: &Claimed, end: End) -> Result<(), Error> {
        let Claimed { unit, epoch, .. } = *own;
        match end {
            End::Left => Ok(()),
            End::Done { pages, rows, remarks } => {
                self.store.finish(own, (pages, rows), &remarks).await
            }
            End::Stopped => self.store.release(own, Duration::ZERO, None, &*self.dispatcher).await,
            End::Again(error, wait) => {
                tracing::warn!(unit, epoch, error, "to be tried again");
                self.store.release(own, wait, Some(&error), &*self.dispatcher).await
            }
            End::Failed(error) if self.store.holds(own).await? => {
                tracing::warn!(unit, epoch, error, "failed");
                self.store.fail(own, &error, self.stops(&own.job)).await
            }
            End::Failed(error) => {
                tracing::info!(unit, epoch, error, "others have it, or it is held");
                self.store.drop_all(&[(unit, epoch)]).await
            }
        }
    }
}

/// Whether the run of a stream whose parts are run is not there any more.
async fn was_reset(job: &Job, own: &Claimed, stream_run: u64) -> Result<bool, Error> {
    let states = job.status().await?;
    let state = states.into_iter().find(|(stream, _)| *stream == own.stream);
    Ok(state.is_none_or(|(_, state)| {
        state.run != stream_run || state.is_finished || !state.is_in_parts
    }))
}

fn set_aside(starts: i32, last: Option<&str>) -> String {
    let last = last.map(|error| format!("; last: {error}")).unwrap_or_default();
    format!("gave up: it was started {starts} times and got no further{last}")
}

fn wait_after(starts: i32) -> Duration {
    let doubled = u32::try_from(starts.saturating_sub(1)).unwrap_or_default().min(16);
    let wait = FIRST_WAIT.saturating_mul(1 << doubled).min(LONGEST_WAIT);
    // Not all at the same moment.
    wait.mul_f64(0.75 + fastrand::f64() / 2.0)
}
