//! Jobs that a description has: started, watched, stopped.

use std::{
    collections::BTreeMap,
    mem::MaybeUninit,
    os::raw::c_char,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use bytes::Bytes;
use serde_json::json;
use tokio::{
    runtime::Builder,
    sync::{
        broadcast::error::{RecvError, TryRecvError},
        watch,
    },
};
use vantage_api_ingest::{Job, Progress, description::Reader};

use crate::{
    arguments::{empty, optional_text, text},
    border::{ErrorSlot, State, border, message_of},
    buffer::{give, give_found, vap_buf},
    cancel::token_of,
    completion::What,
    error::Failure,
    handles::{Object, TABLE, vap_handle},
    options,
    submit::{submit, tell},
    wait::{until, wait},
};

/// A job, and its run if there is one.
pub(crate) struct RunningJob {
    job: Job,
    phase: watch::Sender<Phase>,
    /// What each stream told last in this run.
    told: Mutex<BTreeMap<String, serde_json::Value>>,
    is_closed: AtomicBool,
}

/// How far a run is.
#[derive(Clone)]
enum Phase {
    /// There was none.
    Idle,
    Running,
    /// With its state, and its report in JSON.
    Ended(Result<(State, Bytes), Failure>),
}

impl RunningJob {
    fn new(job: Job) -> Self {
        let (phase, told) = (watch::Sender::new(Phase::Idle), Mutex::default());
        Self { job, phase, told, is_closed: AtomicBool::new(false) }
    }

    fn keep(&self, told: &Progress) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(told.stream.clone(), value_of(told));
    }

    /// What each stream told last in this run, by its name.
    fn kept(&self) -> BTreeMap<String, serde_json::Value> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a run on a thread of its own.
    fn start(self: &Arc<Self>) -> Result<(), Failure> {
        let mut is_running = false;
        self.phase.send_modify(|phase| {
            is_running = matches!(phase, Phase::Running);
            if !is_running {
                // Here, so that it takes back no later stop.
                self.job.resume();
                self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
                *phase = Phase::Running;
            }
        });
        if is_running {
            return Err(Failure::busy("the job runs already"));
        }
        // That of a close beside it may have been taken back.
        if self.is_closed.load(SeqCst) {
            self.job.stop();
        }
        let own = Arc::clone(self);
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| own.run()));
            let ended = ended.unwrap_or_else(|panic| {
                Err(Failure::job(format!("the run died: {}", message_of(panic)), true))
            });
            own.phase.send_replace(Phase::Ended(ended));
        };
        let thread = thread::Builder::new().name("vantage-job".into()).spawn(run);
        thread.map(drop).map_err(|error| {
            let failure = Failure::state(format!("the system has no thread for the job: {error}"));
            self.phase.send_replace(Phase::Ended(Err(failure.clone())));
            failure
        })
    }

    fn run(&self) -> Result<(State, Bytes), Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::state(error.to_string()))?;
        let report = runtime.block_on(async {
            let mut progress = self.job.progress();
            let mut run = pin!(self.job.run());
            let report = loop {
                tokio::select! {
                    report = &mut run => break report,
                    // What is missed is in what comes next, as counts only grow.
                    told = progress.recv() => if let Ok(told) = told { self.keep(&told) },
                }
            };
            // The last commits may have come together with the end.
            loop {
                match progress.try_recv() {
                    Ok(told) => self.keep(&told),
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty | TryRecvError::Closed) => return report,
                }
            }
        });
        let json = serde_json::to_vec(&report);
        let json = json.map_err(|error| Failure::state(error.to_string()))?;
        let state = if report.is_complete() { State::Ok } else { State::Incomplete };
        Ok((state, json.into()))
    }

    /// Lets a run commit what it has read, and end.
    fn stop(&self) {
        self.job.stop();
    }

    /// As a stop, also of a run that is just being started.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, SeqCst);
        self.job.stop();
    }
}

fn value_of(told: &Progress) -> serde_json::Value {
    json!({
        "stream": told.stream,
        "run": told.run,
        "counts": told.counts,
        "before": told.before,
    })
}

/// Waits for the end of the run.
async fn ended(mut phase: watch::Receiver<Phase>) -> Result<(State, Bytes), Failure> {
    let phase = phase.wait_for(|phase| !matches!(phase, Phase::Running)).await;
    match phase.as_deref() {
        Ok(Phase::Ended(ended)) => ended.clone(),
        Ok(_) => Err(Failure::state("the job was not started")),
        Err(_) => Err(Failure::closed()),
    }
}

/// Opens a job of a description.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_job_open(
    description: *const c_char,
    description_len: usize,
    variables: *const c_char,
    variables_len: usize,
    name: *const c_char,
    name_len: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        // SAFETY: the caller's contract.
        let description = unsafe { text("description", description, description_len) }?;
        // SAFETY: the caller's contract.
        let variables = unsafe { optional_text("variables", variables, variables_len) }?;
        // SAFETY: the caller's contract.
        let name = unsafe { text("name", name, name_len) }?;
        let mut reader = Reader::new();
        for (name, value) in options::variables(variables)? {
            reader = reader.variable(name, value);
        }
        let job = Job::new(&reader.read_yaml(description)?, name)?;
        out.write(TABLE.insert(Arc::new(RunningJob::new(job)))?);
        Ok(State::Ok)
    })
}

/// Starts a run of a job.
#[unsafe(no_mangle)]
pub extern "C" fn vap_job_start(job: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<RunningJob>(job)?.start()?;
        Ok(State::Ok)
    })
}

/// Lets a run of a job commit what it has read, and end.
#[unsafe(no_mangle)]
pub extern "C" fn vap_job_stop(job: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<RunningJob>(job)?.stop();
        Ok(State::Ok)
    })
}

/// What the streams of a job have committed in this run, in JSON.
#[unsafe(no_mangle)]
pub extern "C" fn vap_job_progress(
    job: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give(out, || {
            let job = TABLE.get::<RunningJob>(job)?;
            let streams: Vec<_> = job.kept().into_values().collect();
            Ok(json!(streams).to_string().into())
        })
    })
}

/// Waits for the end of the run of a job.
#[unsafe(no_mangle)]
pub extern "C" fn vap_job_wait(
    job: vap_handle,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let mut state = State::Timeout;
        let given = give_found(out, || {
            let (job, cancel) = (TABLE.get::<RunningJob>(job)?, token_of(cancel)?);
            let ended = until(ended(job.phase.subscribe()), cancel.as_ref(), None);
            let Some(ended) = wait(ended, timeout_ms) else { return Ok(None) };
            let (ended, report) = ended?;
            state = ended;
            Ok(Some(report))
        })?;
        Ok(if given == State::NotFound { State::Timeout } else { state })
    })
}

/// Tells a queue how far the run of a job is, and then its end.
#[unsafe(no_mangle)]
pub extern "C" fn vap_job_watch(
    job: vap_handle,
    queue: vap_handle,
    tag: u64,
    op: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let op = empty("op", op)?;
        let job = TABLE.get::<RunningJob>(job)?;
        let (mut progress, phase) = (job.job.progress(), job.phase.subscribe());
        submit(queue, tag, What::Report, op, |slot| {
            let slot = Arc::clone(slot);
            async move {
                let mut ended = pin!(ended(phase));
                let (mut is_open, mut seen) = (true, BTreeMap::new());
                let mut say = |stream: String, value: serde_json::Value| {
                    if seen.get(&stream) != Some(&value)
                        && tell(&slot, What::Progress, value.to_string())
                    {
                        seen.insert(stream, value);
                    }
                };
                loop {
                    tokio::select! {
                        biased;
                        told = progress.recv(), if is_open => match told {
                            // What has no room, or is missed, is in what comes next, as counts
                            // only grow.
                            Ok(told) => say(told.stream.clone(), value_of(&told)),
                            Err(RecvError::Lagged(_)) => {}
                            Err(RecvError::Closed) => is_open = false,
                        },
                        ended = &mut ended => {
                            let (state, report) = ended?;
                            // The run may have ended before the watch began.
                            job.kept().into_iter().for_each(|(stream, value)| say(stream, value));
                            return Ok((state, Some(Object::Bytes(Arc::new(report)))));
                        }
                    }
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_job_that_was_closed_beside_its_start_stops() {
        // Nobody listens there, and the run would try that for ever.
        let description = "
            api: { base_url: 'http://127.0.0.1:1', max_attempts: 1000000 }
            tables: [ { name: items, id: id, columns: { id: int } } ]
            jobs: { copy: { sink: { sqlite: '${FOLDER}/a.db' }, streams: [ { table: items } ] } }";
        let folder = tempfile::tempdir().unwrap();
        let reader = Reader::new().variable("FOLDER", folder.path().to_str().unwrap());
        let description = reader.read_yaml(description).unwrap();
        let job = Arc::new(RunningJob::new(Job::new(&description, "copy").unwrap()));
        job.close();
        job.start().unwrap();
        let (state, report) = wait(ended(job.phase.subscribe()), 60_000).unwrap().unwrap();
        assert_eq!(state, State::Incomplete);
        assert!(String::from_utf8_lossy(&report).contains("\"stopped\""), "{report:?}");
    }
}
