//! A job: streams that are copied into one sink.

mod parts;

use std::{
    mem,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::sync::{broadcast, watch};
use vantage_api_pool::AwwPool;

use crate::{
    description::{Description, OnError, WriteMode},
    error::Error,
    plan::{Reads, Stream},
    report::{Outcome, Report, StreamReport},
    run::{Begun, Control, Ended, OnCommit, Warnings, Writer},
    state::{Counts, StreamState},
};

/// How often a stream goes on after errors that may pass, with nothing committed in between.
const MAX_RESTARTS: u32 = 5;
/// The wait before the first restart; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// That a run was given up and another one begun.
const OTHER_READ: &str = "the description asks for other pages than before the last run was interrupted, \
                          or the place at which it was has expired at the API, so this one has begun \
                          anew";

/// A job: it copies its streams into its sink, each from where its last run ended.
///
/// ```no_run
/// use vantage_api_ingest::{Job, description::Description};
///
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let description = Description::from_file("world.yaml")?;
/// let report = Job::new(&description, "world")?.run().await;
/// println!("{report}");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Job {
    name: String,
    pool: AwwPool,
    streams: Vec<Stream>,
    on_error: OnError,
    control: watch::Sender<Control>,
    progress: broadcast::Sender<Progress>,
}

/// How far a stream of a job has come: told after each commit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// The stream.
    pub stream: String,
    /// The number of its run.
    pub run: u64,
    /// What the run has committed.
    pub counts: Counts,
    /// What of that was committed before the job was run this time, in which the run goes on; nothing
    /// if it began then.
    pub before: Counts,
}

impl Job {
    /// The job of this name, with a pool of its own.
    ///
    /// # Errors
    /// If there is no such job, or a setting of the API is not valid.
    pub fn new(description: &Description, name: &str) -> Result<Self, Error> {
        let pool = description.api.clone().builder()?.build()?;
        Self::over(description, name, pool)
    }

    /// The job of this name, whose requests go through `pool`: that of all jobs of an API, so that
    /// they share its limits.
    ///
    /// # Errors
    /// If there is no such job, or one of its tables cannot be read as it says.
    pub fn over(description: &Description, name: &str, pool: AwwPool) -> Result<Self, Error> {
        let job = description.jobs.get(name).ok_or_else(|| Error::NoJob(name.to_owned()))?;
        let source = description.source(&pool);
        let streams = job.streams.iter();
        let streams = streams.map(|stream| Stream::of(description, name, job, stream, &source));
        Ok(Self::of_streams(
            name.to_owned(),
            pool,
            streams.collect::<Result<_, _>>()?,
            job.on_error,
        ))
    }

    pub(crate) fn of_streams(
        name: String,
        pool: AwwPool,
        streams: Vec<Stream>,
        on_error: OnError,
    ) -> Self {
        let (control, progress) = (watch::Sender::default(), broadcast::Sender::new(1024));
        Self { name, pool, streams, on_error, control, progress }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pool that its requests go through.
    #[must_use]
    pub fn pool(&self) -> &AwwPool {
        &self.pool
    }

    /// What its streams commit from here on.
    #[must_use]
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Takes no further page until it [resumes](Self::resume).
    pub fn pause(&self) {
        self.control.send_replace(Control::Pause);
    }

    /// Goes on after a [pause](Self::pause).
    pub fn resume(&self) {
        self.control.send_replace(Control::Run);
    }

    /// Commits what was read, and ends the run for now. The next one goes on there.
    pub fn stop(&self) {
        self.control.send_replace(Control::Stop);
    }

    /// Whether it was told to [stop](Self::stop).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.control.borrow() == Control::Stop
    }

    /// Waits so long, and returns whether it was told to [stop](Self::stop) meanwhile.
    pub async fn stopped_within(&self, time: Duration) -> bool {
        let mut control = self.control.subscribe();
        let stopped = control.wait_for(|control| *control == Control::Stop);
        tokio::time::timeout(time, stopped).await.is_ok()
    }

    /// Runs every stream, several at a time, and reports what came of each. An error of one is in
    /// its report; the others go on, unless the description says otherwise.
    pub async fn run(&self) -> Report {
        let streams =
            join_all(self.streams.iter().map(|stream| self.run_stream(stream, None))).await;
        Report { job: self.name.clone(), streams }
    }

    /// What is remembered of each stream, by name.
    ///
    /// # Errors
    /// If the sink cannot be reached.
    pub async fn status(&self) -> Result<Vec<(String, StreamState)>, Error> {
        let mut all = Vec::new();
        for stream in &self.streams {
            all.push((stream.name.clone(), stream.state().await?));
        }
        Ok(all)
    }

    /// What its last run did, as its sink remembers it; `None` if there was none. A run that was
    /// interrupted has stopped, or failed if an error ended it. It took the time
    /// from its first start to its end.
    ///
    /// # Errors
    /// If the sink cannot be reached.
    pub async fn last_run(&self) -> Result<Option<Report>, Error> {
        let states = self.status().await?;
        if states.iter().all(|(_, state)| state.run == 0) {
            return Ok(None);
        }
        let streams = self.streams.iter().zip(states);
        let streams = streams.map(|(stream, (_, state))| remembered(stream, state));
        Ok(Some(Report { job: self.name.clone(), streams: streams.collect() }))
    }

    /// The report of a run that has died.
    pub(crate) async fn failed(&self, why: &str) -> Report {
        let died = || Err(Error::Died(why.to_owned()));
        let streams = self.streams.iter().map(|stream| stream.report(died(), Duration::ZERO));
        Report { job: self.name.clone(), streams: join_all(streams).await }
    }

    /// Forgets where its streams stand, or that one alone, so that the next run begins anew; with
    /// `drop_rows`, deletes their tables as well.
    ///
    /// # Errors
    /// If the sink cannot be reached.
    pub async fn reset(&self, stream: Option<&str>, drop_rows: bool) -> Result<(), Error> {
        let is_named = |own: &&Stream| stream.is_none_or(|stream| own.name == stream);
        for stream in self.streams.iter().filter(is_named) {
            stream.reset(drop_rows).await?;
        }
        Ok(())
    }

    /// Runs a stream. `run` is the one that was begun earlier.
    async fn run_stream(&self, stream: &Stream, run: Option<u64>) -> StreamReport {
        let (start, warnings) = (Instant::now(), Warnings::default());
        let ended = self.run_restarting(stream, run.map(Begun::earlier), &warnings).await;
        let mut report = stream.report(ended, start.elapsed()).await;
        report.remarks.extend(warnings.take());
        if self.on_error == OnError::Stop && matches!(report.outcome, Outcome::Failed(_)) {
            self.stop();
        }
        report
    }

    /// Runs a stream, again from its last commit after errors that may pass.
    async fn run_restarting(
        &self,
        stream: &Stream,
        mut begun: Option<Begun>,
        warnings: &Warnings,
    ) -> Result<Ended, Error> {
        let (mut committed, mut restarts) = (Counts::default(), 0);
        let (mut begins_anew, mut is_anew) = (false, false);
        loop {
            let anew = mem::take(&mut begins_anew);
            let error = match self.run_once(stream, &mut begun, anew, warnings).await {
                Err(error) => error,
                Ok(ended) if !is_anew && ended.is_of_other_read() => {
                    let appends = stream.write().mode == WriteMode::Append;
                    let counts = ended.state.counts();
                    if appends && counts.written + counts.repeated > 0 {
                        return Err(Error::OtherRead(ended.state.run));
                    }
                    warnings.add(OTHER_READ);
                    (begins_anew, is_anew) = (true, true);
                    continue;
                }
                Ok(mut ended) => match ended.passing_failure() {
                    Some(error) => error,
                    None => return Ok(ended),
                },
            };
            if !error.may_pass() {
                return Err(error);
            }
            if let Ok(state) = stream.state().await {
                if let Some(begun) = begun.filter(|begun| begun.has_ended(&state)) {
                    return Ok(self.ended_unheard(stream, begun, state));
                }
                let now = state.counts();
                // A query begins anew each time.
                let goes_on = matches!(stream.reads, Reads::Table(_));
                if mem::replace(&mut committed, now) != now && goes_on {
                    restarts = 0;
                }
            }
            if restarts == MAX_RESTARTS || self.is_stopped() {
                return Err(error);
            }
            tracing::warn!(job = self.name, stream = stream.name, %error, restarts, "restarting");
            let wait = FIRST_WAIT * 2_u32.pow(restarts);
            restarts += 1;
            if self.stopped_within(wait).await {
                return Err(error);
            }
        }
    }

    /// Runs a stream from its last commit, or `anew`. `begun` is the run that was begun before an error.
    async fn run_once(
        &self,
        stream: &Stream,
        begun: &mut Option<Begun>,
        anew: bool,
        warnings: &Warnings,
    ) -> Result<Ended, Error> {
        let (sink, mut rules) = (stream.sink(), stream.write().clone());
        rules.begins_anew |= anew;
        let (writer, state) = Writer::open(sink, rules, *begun, self.on_commit(stream)).await?;
        let own = *begun.insert(writer.begun);
        if state.is_finished {
            let state = writer.finish(false, None).await?;
            return Ok(self.ended_unheard(stream, own, state));
        }
        let control = self.control.subscribe();
        match &stream.reads {
            Reads::Table(plan) => {
                plan.run(writer, &state, stream.units(&state), control, warnings).await
            }
            Reads::Query(plan) => plan.run(writer, &state, control).await,
        }
    }

    /// Tells of each commit whoever listens.
    fn on_commit(&self, stream: &Stream) -> OnCommit {
        let (name, progress) = (stream.name.clone(), self.progress.clone());
        Box::new(move |state: &StreamState, before: Counts| {
            let (run, counts) = (state.run, state.counts());
            // Nobody has to listen.
            let _ = progress.send(Progress { stream: name.clone(), run, counts, before });
        })
    }

    /// What came of a run that has ended, while its sink has lost the word that it has: a connection
    /// may break between the last commit and the answer to it.
    fn ended_unheard(&self, stream: &Stream, begun: Begun, state: StreamState) -> Ended {
        let mut tell = self.on_commit(stream);
        tell(&state, begun.before);
        Ended::of(state)
    }
}

/// What a stream's last run did.
fn remembered(stream: &Stream, state: StreamState) -> StreamReport {
    let (took, error) = (state.took().unwrap_or_default(), state.error.clone());
    let report = stream.report_of(Ended::of(state), took);
    match error {
        Some(error) => StreamReport { outcome: Outcome::Failed(error), ..report },
        None => report,
    }
}
