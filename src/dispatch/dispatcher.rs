//! Admission, the choice of a worker, and the job table. While a call waits it is always in the
//! table, so that whoever checks the table finds every call.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{
    TryFutureExt,
    future::{Either, select},
};
use http::Uri;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    Admission, Answer, ByteBudget, Call, Job, Routes, SharedBreaker, SharedCounters,
    SupervisorRequest, Tenant,
    jobs::{End, JobTable, Loss},
};
use crate::{
    blocking::BlockingPool,
    config::ValidConfig,
    error::{Error, ErrorKind},
    events::Events,
    lock::lock,
    permits::{InFlight, Permit, Semaphore},
    request::Request,
    response::Response,
    retry::CallKind,
    stats::Stats,
};

/// The longest rate key, in bytes: keys are stored as they are.
const LONGEST_RATE_KEY: usize = 1_024;

/// Shared by every handle of a pool and by its actors.
pub(crate) struct Dispatcher {
    pub(crate) config: Arc<ValidConfig>,
    pub(crate) admission: Admission,
    /// The budget for pages that streams hold in memory.
    pub(super) page_bytes: ByteBudget,
    events: Arc<Events>,
    /// The breaker of the pool's own calls, and of all others without their own.
    pub(crate) circuit: Option<SharedBreaker>,
    jobs: Mutex<JobTable>,
    emptied: Notify,
    blocking: BlockingPool,
    routes: watch::Receiver<Routes>,
    supervisor: mpsc::UnboundedSender<SupervisorRequest>,
}

impl Dispatcher {
    pub(crate) fn new(
        config: Arc<ValidConfig>,
        events: Arc<Events>,
        routes: watch::Receiver<Routes>,
        supervisor: mpsc::UnboundedSender<SupervisorRequest>,
    ) -> Self {
        let settings = &config.settings;
        Self {
            circuit: SharedBreaker::of_pool(&config, &events),
            events,
            admission: Admission::new(settings.workers * settings.connections_per_worker),
            page_bytes: ByteBudget::new(settings.page_byte_budget),
            config,
            jobs: Mutex::default(),
            emptied: Notify::new(),
            blocking: BlockingPool::default(),
            routes,
            supervisor,
        }
    }

    /// The same dispatcher with other workers.
    #[cfg(test)]
    pub(crate) fn with_routes(&self, routes: watch::Receiver<Routes>) -> Self {
        let (config, events) = (Arc::clone(&self.config), Arc::clone(&self.events));
        Self::new(config, events, routes, self.supervisor.clone())
    }

    /// Runs `request` on a worker, for `tenant` or with the pool's own credentials.
    /// Dropping the future cancels the call.
    pub(crate) fn call(
        &self,
        request: Request,
        tenant: Option<Arc<Tenant>>,
    ) -> impl Future<Output = Result<Response, Error>> {
        self.make(CallKind::Call, request, tenant).map_ok(|(response, _)| response)
    }

    /// Requests `target` to check whether the API has recovered.
    pub(crate) async fn check_health(&self, target: &str) -> Result<Response, Error> {
        let limit = self.config.settings.attempt_timeout;
        let request = Request::get(target).timeout(limit);
        self.make(CallKind::HealthCheck, request, None).await.map(|(response, _)| response)
    }

    /// As [`call`](Self::call), and also returns the cost of the call.
    pub(super) fn make(
        &self,
        kind: CallKind,
        request: Request,
        tenant: Option<Arc<Tenant>>,
    ) -> impl Future<Output = Answer> {
        let (reply, answer) = oneshot::channel();
        // Before the future is made, which then needs no room for the request.
        let accepted = self.accept(kind, request, tenant, reply);
        async move {
            let mut job = accepted?;
            let answer = self.run(&job, answer).await.unwrap_or_else(|_| Err(Error::gone()));
            job.end = if answer.is_ok() { End::Ok } else { End::Failed };
            answer
        }
    }

    /// Validates a request and enters it into the job table.
    fn accept(
        &self,
        kind: CallKind,
        request: Request,
        tenant: Option<Arc<Tenant>>,
        reply: oneshot::Sender<Answer>,
    ) -> Result<CancelOnDrop<'_>, Error> {
        let url = Arc::new(self.url(&request)?);
        if request.own_rate_key().is_some_and(|key| key.len() > LONGEST_RATE_KEY) {
            let what = "the rate key has more than 1,024 bytes";
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
        let hedge = request.own_hedge().flatten();
        hedge.map_or(Ok(()), |hedge| hedge.check(ErrorKind::InvalidRequest))?;
        let foreign = request.foreign_base(&self.config.base);
        let circuit = self.circuit_of(tenant.as_deref());
        if let (CallKind::Call, Some(circuit), None) = (kind, circuit, foreign) {
            // A new call that would not be let through now fails at once.
            circuit.check(kind, Instant::now()).map_err(|refusal| circuit.refuse(refusal))?;
        }
        let timeout = request.own_deadline().unwrap_or(self.config.settings.call_timeout);
        let request = request.or_queue_timeout(self.config.settings.queue_timeout);
        let call = Arc::new(Call::new(kind, request, tenant, url, Instant::now(), timeout, reply));
        let entered = lock(&self.jobs).enter(Arc::clone(&call), self.max_calls());
        let key = entered.inspect_err(|error| {
            if error.kind() == ErrorKind::QueueFull {
                self.counters().refuse();
            }
        })?;
        Ok(CancelOnDrop { dispatcher: self, call, key, end: End::Cancelled })
    }

    /// The URL of a request.
    ///
    /// # Errors
    /// If the target is not below the base URL.
    pub(crate) fn url(&self, request: &Request) -> Result<Uri, Error> {
        request.base(&self.config.base).join(request.target())
    }

    /// Waits for a permit and a worker, then for the answer. The answer may come
    /// first: the supervisor answers calls whose deadline passes in the queue.
    async fn run(
        &self,
        job: &CancelOnDrop<'_>,
        mut answer: oneshot::Receiver<Answer>,
    ) -> Result<Answer, oneshot::error::RecvError> {
        match self.semaphore().try_acquire() {
            Ok(permit) => self.place(&job.call, permit),
            Err(_) => match select(&mut answer, pin!(self.admission.permit(&job.call))).await {
                Either::Left((answer, _)) => return answer,
                Either::Right((Ok(permit), _)) => self.place(&job.call, permit),
                Either::Right((Err(error), _)) => job.call.answer(Err(error)),
            },
        }
        answer.await
    }

    /// Gives a call to the least loaded worker: the one with the fewest calls in flight. With no
    /// worker alive, the call goes to the supervisor, which places it when there is one.
    fn place(&self, call: &Arc<Call>, permit: Permit) {
        let mut job = Job::new(call, permit, &self.supervisor);
        let routes = self.routes.borrow().clone();
        let mut tried = Vec::new();
        while let Some((index, route)) = routes
            .iter()
            .enumerate()
            .filter(|(index, _)| !tried.contains(index))
            .min_by_key(|(_, route)| route.load())
        {
            job.enter(route);
            match route.deliver(job) {
                Ok(()) => return,
                Err(returned) => job = returned,
            }
            job.leave_route();
            tried.push(index);
        }
        job.hand_over(Loss::Unplaced);
    }

    /// Places a lost call again when a permit is free: calls that wait on a worker are lost
    /// with it, so no call waits there without need.
    pub(crate) async fn requeue(&self, call: &Arc<Call>) {
        let permit = pin!(self.admission.permit(call));
        match select(pin!(call.cancelled()), permit).await {
            Either::Left(_) => {}
            Either::Right((Ok(permit), _)) => self.place(call, permit),
            Either::Right((Err(error), _)) => call.fail(error),
        }
    }

    /// Adds what is known here to the statistics.
    pub(crate) fn write(&self, stats: &mut Stats) {
        self.counters().write(stats);
        lock(&self.jobs).write(stats);
        if let Some(circuit) = &self.circuit {
            circuit.write(stats);
        }
    }

    pub(crate) fn semaphore(&self) -> &Arc<Semaphore> {
        &self.admission.semaphore
    }

    pub(crate) fn ask_supervisor(&self, request: SupervisorRequest) {
        // Without a supervisor the request is dropped, and whoever waits for a response notices.
        let _ = self.supervisor.send(request);
    }

    /// The configured number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.semaphore().size() / self.config.settings.connections_per_worker
    }

    /// How many calls may be open at a time, including waiting ones.
    fn max_calls(&self) -> usize {
        self.semaphore().size().saturating_add(self.config.settings.max_queued)
    }

    /// The calls that are on `worker` at the moment.
    pub(crate) fn calls_on(&self, worker: u64) -> Vec<(Arc<Call>, Arc<InFlight>)> {
        let calls = lock(&self.jobs).all().into_iter();
        let placed =
            calls.filter_map(|call| call.in_flight().upgrade().map(|in_flight| (call, in_flight)));
        placed.filter(|(_, in_flight)| in_flight.is_on(worker)).collect()
    }

    /// Calls that have ended without `worker`'s answer but are still on it.
    pub(crate) fn left_on(&self, worker: u64) -> Vec<Arc<InFlight>> {
        let left = lock(&self.jobs).left().into_iter();
        left.filter(|in_flight| in_flight.is_on(worker)).collect()
    }

    /// The threads for users' code that may block.
    pub(crate) fn blocking(&self) -> &BlockingPool {
        &self.blocking
    }

    /// How long a callback may take there.
    pub(crate) fn callback_timeout(&self) -> Duration {
        let settings = &self.config.settings;
        settings.attempt_timeout.min(settings.call_timeout)
    }

    pub(crate) fn counters(&self) -> &SharedCounters {
        &self.admission.counters
    }

    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// The breaker of a tenant's calls, or of the pool's own.
    pub(crate) fn circuit_of<'a>(
        &'a self,
        tenant: Option<&'a Tenant>,
    ) -> Option<&'a SharedBreaker> {
        tenant.and_then(|tenant| tenant.circuit.as_ref()).or(self.circuit.as_ref())
    }

    /// Refuses new calls.
    pub(crate) fn close_intake(&self) {
        lock(&self.jobs).close();
    }

    /// Resolves when no accepted call is left, or none of `tenant`.
    pub(crate) async fn drained(&self, tenant: Option<&Tenant>) {
        loop {
            let emptied = self.emptied.notified();
            if lock(&self.jobs).has_none_of(tenant) {
                return;
            }
            emptied.await;
        }
    }

    /// Lets the calls of a closed tenant finish for at most `drain`, and fails the rest.
    pub(crate) async fn drain(&self, tenant: &Arc<Tenant>, drain: Duration) {
        if tokio::time::timeout(drain, self.drained(Some(tenant))).await.is_ok() {
            return;
        }
        let mut left = lock(&self.jobs).all();
        left.retain(|call| call.tenant.as_ref().is_some_and(|own| Arc::ptr_eq(own, tenant)));
        for call in left {
            call.fail(Error::shutting_down());
        }
    }

    /// Fails every call that has no answer yet.
    pub(crate) fn fail_all(&self, error: impl Fn() -> Error) {
        self.semaphore().close();
        self.blocking.end_all_waits();
        let all = lock(&self.jobs).all();
        for call in all {
            call.fail(error());
        }
    }

    /// Fails the calls whose deadline or queue timeout passed before `now`, and ends the waits for
    /// callbacks that have taken too long.
    pub(crate) fn fail_overdue(&self, now: Instant) {
        self.blocking.end_waits(now);
        lock(&self.jobs).forget_free();
        let overdue = lock(&self.jobs).overdue(now);
        for call in overdue {
            call.fail(Error::new(ErrorKind::DeadlineExceeded, "the call's deadline passed"));
        }
        self.admission.fail_overdue(now);
    }
}

/// A call's entry in the job table. Dropping it cancels whatever still runs.
struct CancelOnDrop<'a> {
    dispatcher: &'a Dispatcher,
    call: Arc<Call>,
    key: usize,
    /// How it has ended, as known so far.
    end: End,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.call.cancel();
        let mut jobs = lock(&self.dispatcher.jobs);
        jobs.leave(self.key, self.end, self.call.in_flight());
        let tenant = self.call.tenant.as_deref();
        if jobs.is_empty() || tenant.is_some() && jobs.has_none_of(tenant) {
            self.dispatcher.emptied.notify_waiters();
        }
    }
}
