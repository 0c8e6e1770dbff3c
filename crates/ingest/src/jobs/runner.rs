//! Runs a job once, and tells how that ended, however it ends.

use std::{any::Any, mem, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use actix::{ArbiterHandle, Message, Recipient};
use futures::FutureExt;
use tokio::sync::broadcast::{self, error::TryRecvError};

use super::event::JobEvent;
use crate::{
    job::{Job, Progress},
    report::Report,
};

/// A run has ended, or died for this reason.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RunEnded {
    pub(super) job: String,
    pub(super) run: usize,
    /// Whether it has committed anything.
    pub(super) has_committed: bool,
    pub(super) result: Result<Report, String>,
}

/// Tells the end of a run when it is dropped with it.
pub(super) struct RunWatch {
    jobs: Recipient<RunEnded>,
    events: broadcast::Sender<JobEvent>,
    job: String,
    run: usize,
    has_committed: bool,
    result: Result<Report, String>,
}

impl RunWatch {
    pub(super) fn new(
        job: &Job,
        run: usize,
        jobs: Recipient<RunEnded>,
        events: broadcast::Sender<JobEvent>,
    ) -> Self {
        let result = Err("its thread has ended".to_owned());
        Self { jobs, events, job: job.name().to_owned(), run, has_committed: false, result }
    }

    fn tell(&self, event: JobEvent) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }

    fn committed(&mut self, progress: Progress) {
        self.has_committed = true;
        self.tell(JobEvent::Committed { job: self.job.clone(), progress });
    }
}

impl Drop for RunWatch {
    fn drop(&mut self) {
        self.jobs.do_send(RunEnded {
            job: mem::take(&mut self.job),
            run: self.run,
            has_committed: self.has_committed,
            result: mem::replace(&mut self.result, Err(String::new())),
        });
    }
}

/// Runs a job on a thread. If that is gone, the watch is dropped, and tells.
pub(super) fn start(thread: &ArbiterHandle, job: Arc<Job>, watch: RunWatch) {
    thread.spawn_fn(move || {
        actix::spawn(run(job, watch));
    });
}

async fn run(job: Arc<Job>, mut watch: RunWatch) {
    let mut progress = job.progress();
    watch.tell(JobEvent::Started { job: watch.job.clone() });
    let run = async {
        tracing::info!(job = job.name(), "a run begins");
        job.run().await
    };
    let mut run = pin!(AssertUnwindSafe(run).catch_unwind());
    let ended = loop {
        tokio::select! {
            biased;
            told = progress.recv() => {
                // After a lag the latest numbers are enough.
                if let Ok(told) = told {
                    watch.committed(told);
                }
            }
            ended = &mut run => break ended,
        }
    };
    loop {
        match progress.try_recv() {
            Ok(told) => watch.committed(told),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    watch.result = ended.map_err(|panic| message_of(&*panic));
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_words() {
        let told = |payload: Box<dyn Any + Send>| message_of(&*payload);
        assert_eq!(told(Box::new("words")), "words");
        assert_eq!(told(Box::new("words".to_owned())), "words");
        assert_eq!(told(Box::new(7)), "a panic without words");
    }
}
