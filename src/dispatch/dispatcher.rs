//! Admission, the choice of a worker, and the job table. Holds no call while it
//! waits but in the table, so that whoever looks after the table finds every call.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::future::{Either, select};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::{
    Call, Effort, Job, Lost, Reply, Routes, Tally, Ticket,
    jobs::{JobTable, Loss, Refusal},
};
use crate::{
    config::ValidConfig,
    error::{Error, ErrorKind},
    http::{Request, Response},
};

/// Shared by every handle of a pool and by its actors.
pub(crate) struct Dispatcher {
    pub(crate) config: Arc<ValidConfig>,
    permits: Arc<Semaphore>,
    tally: Tally,
    jobs: Mutex<JobTable>,
    emptied: Notify,
    routes: watch::Receiver<Routes>,
    lost: mpsc::UnboundedSender<Lost>,
}

impl Dispatcher {
    pub(crate) fn new(
        config: Arc<ValidConfig>,
        routes: watch::Receiver<Routes>,
        lost: mpsc::UnboundedSender<Lost>,
    ) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(config.max_connections())),
            config,
            tally: Tally::default(),
            jobs: Mutex::default(),
            emptied: Notify::new(),
            routes,
            lost,
        }
    }

    /// The same way with other workers.
    #[cfg(test)]
    pub(crate) fn with_routes(&self, routes: watch::Receiver<Routes>) -> Self {
        Self::new(Arc::clone(&self.config), routes, self.lost.clone())
    }

    /// Runs `request` on a worker. Dropping the future cancels the call.
    pub(crate) async fn call(&self, request: Request) -> Result<Response, Error> {
        self.call_with(request, |response, _| response).await
    }

    /// Runs `request` on a worker and returns what `finish` makes of the answer, on the
    /// worker's thread. Dropping the future cancels the call.
    pub(crate) async fn call_with<T, F>(&self, request: Request, finish: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(Response, Effort) -> T + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let reply = move |result: Result<Response, Error>, effort: Effort| {
            let _ = sender.send(match result {
                Ok(response) => Ok(finish(response, effort)),
                Err(error) => Err(error.with_effort(effort.attempts, effort.elapsed)),
            });
        };
        let job = self.accept(request, Box::new(reply))?;
        self.run(&job, answer).await.unwrap_or_else(|_| Err(Error::gone()))
    }

    /// Checks a request and enters it into the job table.
    fn accept(&self, request: Request, reply: Reply) -> Result<Entered<'_>, Error> {
        let url = self.config.base.join(request.target())?;
        let timeout = request.own_deadline().unwrap_or(self.config.settings.call_timeout);
        let call = Arc::new(Call::new(request, url, Instant::now(), timeout, reply));
        let entered = self.jobs().enter(Arc::clone(&call), self.config.max_calls());
        let key = entered.map_err(|refusal| match refusal {
            Refusal::Closed => Error::shutting_down(),
            Refusal::Full => {
                self.tally.refuse();
                Error::new(ErrorKind::QueueFull, "as many calls wait as max_queued allows")
            }
        })?;
        Ok(Entered { dispatcher: self, call, key })
    }

    /// Waits for a permit and a worker, then for the answer. The answer may come
    /// first: the supervisor answers calls whose deadline passes in the queue.
    async fn run<T>(
        &self,
        job: &Entered<'_>,
        mut answer: oneshot::Receiver<T>,
    ) -> Result<T, oneshot::error::RecvError> {
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => self.place(&job.call, permit),
            Err(_) => match select(&mut answer, pin!(self.queue())).await {
                Either::Left((answer, _)) => return answer,
                Either::Right((Ok(permit), _)) => self.place(&job.call, permit),
                Either::Right((Err(error), _)) => job.call.answer(Err(error)),
            },
        }
        answer.await
    }

    /// Waits in the queue, first come first served.
    async fn queue(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.permits.clone().acquire_owned().await.map_err(|_| Error::shutting_down())
    }

    /// Hands a call to the worker with the fewest in flight. With no worker
    /// alive, the call goes to the supervisor, which places it when there is one.
    fn place(&self, call: &Arc<Call>, permit: OwnedSemaphorePermit) {
        let mut job = Job { permit, ticket: Ticket::new(Arc::clone(call), self.lost.clone()) };
        let routes = self.routes.borrow().clone();
        let mut tried = Vec::new();
        while let Some((index, route)) = routes
            .iter()
            .enumerate()
            .filter(|(index, _)| !tried.contains(index))
            .min_by_key(|(_, route)| route.in_flight())
        {
            job.ticket.enter(route);
            match route.deliver(job) {
                Ok(()) => return,
                Err(returned) => job = returned,
            }
            job.ticket.leave_route();
            tried.push(index);
        }
        job.ticket.hand_over(Loss::Unplaced);
    }

    /// Places a lost call again, when a permit is free: what waits on a worker is
    /// lost with it, so nothing waits there that need not.
    pub(crate) async fn requeue(&self, call: &Arc<Call>) {
        let permit = pin!(self.permits.clone().acquire_owned());
        match select(pin!(call.cancelled()), permit).await {
            Either::Left(_) => {}
            Either::Right((Ok(permit), _)) => self.place(call, permit),
            Either::Right((Err(_), _)) => call.answer(Err(Error::shutting_down())),
        }
    }

    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Refuses new calls.
    pub(crate) fn close_intake(&self) {
        self.jobs().close();
    }

    /// Resolves when no accepted call is left.
    pub(crate) async fn drained(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.jobs().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Answers every call that has no answer yet.
    pub(crate) fn fail_all(&self, error: impl Fn() -> Error) {
        self.permits.close();
        for call in self.jobs().all() {
            call.fail(error());
            call.cancel();
        }
    }

    /// Answers the calls whose deadline was before `now`.
    pub(crate) fn fail_overdue(&self, now: Instant) {
        for call in self.jobs().overdue(now) {
            call.fail(Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"));
            call.cancel();
        }
    }

    fn jobs(&self) -> MutexGuard<'_, JobTable> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's place in the job table. Leaving it cancels whatever still runs.
struct Entered<'a> {
    dispatcher: &'a Dispatcher,
    call: Arc<Call>,
    key: usize,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.call.cancel();
        let mut jobs = self.dispatcher.jobs();
        jobs.leave(self.key);
        if jobs.is_empty() {
            self.dispatcher.emptied.notify_waiters();
        }
    }
}
