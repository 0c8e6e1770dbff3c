//! How the actor answers its messages.

use std::time::Duration;

use actix::prelude::*;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        oneshot,
    },
    time::timeout,
};
use vantage_api_pool::AwwPool;

use super::{
    actor::Jobs,
    event::JobEvent,
    messages::{Add, Pause, Remove, Resume, Run, Shutdown, Status, Stop, Subscribe},
    roster::Ended,
    status::JobStatus,
};
use crate::{description::Description, error::Error, job::Job, report::Report, run::Control};

impl Handler<Run> for Jobs {
    type Result = ResponseFuture<Result<Report, Error>>;

    fn handle(&mut self, Run(job): Run, ctx: &mut Self::Context) -> Self::Result {
        let ended = self.run(&job, ctx);
        Box::pin(async move { end_of(ended?).await })
    }
}

impl Handler<Pause> for Jobs {
    type Result = Result<(), Error>;

    fn handle(&mut self, Pause(job): Pause, ctx: &mut Self::Context) -> Self::Result {
        self.tell(&job, Control::Pause, ctx)
    }
}

impl Handler<Resume> for Jobs {
    type Result = Result<(), Error>;

    fn handle(&mut self, Resume(job): Resume, ctx: &mut Self::Context) -> Self::Result {
        self.tell(&job, Control::Run, ctx)
    }
}

impl Handler<Stop> for Jobs {
    type Result = ResponseFuture<Result<Option<Report>, Error>>;

    fn handle(&mut self, Stop(job): Stop, _: &mut Self::Context) -> Self::Result {
        let ended = self.stop(&job);
        Box::pin(async move {
            match ended? {
                Some(ended) => end_of(ended).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

impl Handler<Add> for Jobs {
    type Result = Result<(), Error>;

    fn handle(&mut self, Add { name, job }: Add, ctx: &mut Self::Context) -> Self::Result {
        self.add(&name, job, ctx)
    }
}

impl Handler<Remove> for Jobs {
    type Result = ResponseActFuture<Self, Result<(), Error>>;

    fn handle(&mut self, Remove(job): Remove, _: &mut Self::Context) -> Self::Result {
        let ended = self.stop(&job);
        let ended = async move {
            if let Some(ended) = ended? {
                // Whatever came of its run, the job goes.
                let _ = ended.await;
            }
            Ok::<_, Error>(())
        };
        let removed = ended.into_actor(self).map(move |ended, jobs: &mut Self, _| {
            if ended.is_ok() {
                jobs.remove(&job);
            }
            ended
        });
        Box::pin(removed)
    }
}

impl Handler<Status> for Jobs {
    type Result = ResponseFuture<Result<Vec<JobStatus>, Error>>;

    fn handle(&mut self, _: Status, _: &mut Self::Context) -> Self::Result {
        let mut all = self.roster().statuses();
        let is_untold = |status: &JobStatus| self.roster().is_untold(&status.job);
        let untold: Vec<bool> = all.iter().map(is_untold).collect();
        let (description, pool) = (self.description(), self.pool().clone());
        Box::pin(async move {
            for (status, is_untold) in all.iter_mut().zip(untold) {
                if is_untold {
                    status.last = remembered(&description, &status.job, &pool).await;
                }
            }
            Ok(all)
        })
    }
}

impl Handler<Subscribe> for Jobs {
    type Result = ();

    /// One event at a time is in the observer's mailbox; the others wait in the buffer that all
    /// receivers share, where the oldest are dropped first.
    fn handle(&mut self, Subscribe(observer): Subscribe, _: &mut Self::Context) {
        actix::spawn(observe(self.events(), observer));
    }
}

impl Handler<Shutdown> for Jobs {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown { drain }: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        self.close();
        let (mut running, pool) = (self.running(), self.own_pool());
        let jobs = ctx.address();
        Box::pin(async move {
            let drained = running.wait_for(|running| *running == 0);
            let is_late = timeout(drain, drained).await.is_err();
            if is_late {
                tracing::warn!("runs were still under way at the end of the drain");
            }
            if let Some(pool) = pool {
                pool.shutdown(Duration::ZERO).await;
            }
            jobs.do_send(Leave);
        })
    }
}

/// The actor ends, and with it the threads of its jobs.
#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Handler<Leave> for Jobs {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

async fn end_of(ended: oneshot::Receiver<Ended>) -> Ended {
    ended.await.map_err(|_| Error::ShutDown)?
}

/// What the sink of a job knows of its last run.
async fn remembered(description: &Description, name: &str, pool: &AwwPool) -> Option<Report> {
    let job = Job::over(description, name, pool.clone()).ok()?;
    match job.last_run().await {
        Ok(report) => report,
        Err(error) => Some(job.failed(&error.to_string()).await),
    }
}

async fn observe(mut events: broadcast::Receiver<JobEvent>, observer: Recipient<JobEvent>) {
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(events)) => JobEvent::Missed { events },
            Err(RecvError::Closed) => return,
        };
        if observer.send(event).await.is_err() {
            return;
        }
    }
}
