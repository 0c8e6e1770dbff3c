//! The supervisor actor. It knows every other actor; none of them knows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix::prelude::*;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use tokio::sync::{mpsc, watch};

use super::{
    answer::WhileAwaited,
    health,
    heartbeat::HeartbeatMonitor,
    messages::{Fetch, GetStats, InvalidateToken, OpenStream, WarmUp},
    roles::Roles,
    threads::Threads,
    workers::Workers,
};
use crate::{
    dispatch::{Call, Dispatcher, PoolLink, Routes, SupervisorRequest, jobs::Loss},
    error::Error,
    pager::PaginatedStream,
    rate_limit::Hold,
    response::Response,
    retry::Budget,
    stats::{Snapshot, Stats},
    token_manager::no_token,
    worker::{Fill, Flush, WorkerParts},
};

/// How often calls and workers are checked.
const TICK: Duration = Duration::from_millis(50);
/// How long past its deadline a worker may still answer a call, since it knows more about the
/// call, before the supervisor answers.
const GRACE: Duration = Duration::from_millis(20);
/// When to retry the start of an actor for which the system had no thread.
pub(super) const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long a worker may take to report before its numbers are left out.
const REPORT_LIMIT: Duration = Duration::from_secs(2);

/// Stops all Arbiters and starts no more. The response resolves when their threads have ended.
#[derive(Message)]
#[rtype(result = "Ended")]
pub(super) struct Retire;

pub(super) type Ended = Shared<BoxFuture<'static, ()>>;

/// The actor at the root of a pool: owns the workers and answers an actix
/// application's [`messages`](crate::messages).
///
/// Its address comes from [`AwwPool::supervisor`](crate::AwwPool::supervisor); it
/// is closed once the pool is shut down or its last handle is dropped.
pub struct Supervisor {
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) parts: WorkerParts,
    pub(super) roles: Roles,
    pub(super) workers: Workers,
    pub(super) threads: Threads,
    pub(super) monitor: HeartbeatMonitor,
    requests: Option<mpsc::UnboundedReceiver<SupervisorRequest>>,
    /// Calls that wait for a living worker.
    pub(super) parked: Vec<Arc<Call>>,
    /// Cancels the pagers on this thread.
    pub(super) pagers: watch::Sender<()>,
    /// The threads with one pager each, by the number of the pager, and what cancels it.
    pub(super) pager_threads: BTreeMap<u64, (Arbiter, watch::Sender<()>)>,
    started: Instant,
    /// Set once all workers are stopped and none will be started.
    pub(super) retired: Option<Ended>,
    #[cfg(feature = "metrics")]
    pub(super) publishing: super::publish_metrics::Publishing,
}

impl Supervisor {
    /// The supervisor with every other actor. The token manager, if there is one, runs on
    /// `callbacks`.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        routes: watch::Sender<Routes>,
        requests: mpsc::UnboundedReceiver<SupervisorRequest>,
        callbacks: Option<Arbiter>,
        ctx: &mut Context<Self>,
    ) -> Self {
        let now = Instant::now();
        let supervisor = ctx.address().recipient();
        let roles = Roles::start(Arc::clone(&dispatcher), callbacks, supervisor);
        let settings = &dispatcher.config.settings;
        let parts = WorkerParts {
            dispatcher: Arc::clone(&dispatcher),
            rate_queue: roles.rate_queue.actor_ref(),
            pacer: Arc::clone(&roles.pacer),
            keys: settings.keys().map(Arc::new),
            token_manager: roles.token_manager.actor_ref(),
            own_tokens: roles.own_tokens.clone(),
            stats: roles.stats.actor_ref(),
            hold: Arc::new(Hold::new()),
            budget: Arc::new(Mutex::new(Budget::new(settings.retry_budget, now))),
            origins: Arc::default(),
        };
        #[cfg(feature = "metrics")]
        let publishing = super::publish_metrics::publishing(dispatcher.config.metrics_label());
        let (blocked_after, lost_after) =
            (settings.heartbeat_timeout, settings.replace_blocked_after);
        let mut supervisor = Self {
            workers: Workers::new(settings.workers, routes),
            monitor: HeartbeatMonitor::new(blocked_after, lost_after, now),
            dispatcher,
            parts,
            roles,
            threads: Threads::default(),
            requests: Some(requests),
            parked: Vec::new(),
            pagers: watch::Sender::new(()),
            pager_threads: BTreeMap::new(),
            started: now,
            retired: None,
            #[cfg(feature = "metrics")]
            publishing,
        };
        // At once: the first calls find them.
        supervisor.occupy_all(ctx);
        supervisor
    }

    /// Retries calls that found no worker, once there is one.
    pub(super) fn requeue_parked(&mut self) {
        if self.workers.serving() == 0 {
            return;
        }
        for call in std::mem::take(&mut self.parked) {
            self.requeue(call);
        }
    }

    pub(super) fn requeue(&self, call: Arc<Call>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        actix_rt::spawn(async move { dispatcher.requeue(&call).await });
    }

    /// The statistics of the pool. Every worker is asked to report first, so that everything the
    /// caller has seen is counted.
    pub(super) fn stats(&self) -> impl Future<Output = Result<Stats, Error>> + use<> {
        let reports: Vec<_> = self.workers.workers().map(|worker| worker.send(Flush)).collect();
        let (size, serving) = (self.workers.size(), self.workers.serving());
        let (collector, dispatcher) = (self.parts.stats.clone(), Arc::clone(&self.dispatcher));
        let (pacer, started) = (Arc::clone(&self.parts.pacer), self.started);
        async move {
            let _ = tokio::time::timeout(REPORT_LIMIT, join_all(reports)).await;
            let mut stats = collector.ask(|| Snapshot).await?;
            stats.elapsed = started.elapsed();
            (stats.size, stats.serving) = (size, serving);
            dispatcher.write(&mut stats);
            pacer.write(&mut stats);
            Ok(stats)
        }
    }

    /// The way to `handle`, or to the pool itself.
    fn link(&self, handle: Option<PoolLink>) -> PoolLink {
        handle.unwrap_or_else(|| PoolLink::of_pool(Arc::clone(&self.dispatcher)))
    }

    fn enforce_deadlines(&mut self) {
        self.dispatcher
            .fail_overdue(Instant::now().checked_sub(GRACE).unwrap_or_else(Instant::now));
        self.dispatcher.semaphore().forget_owed();
        self.requeue_parked();
    }

    /// Removes every actor's thread.
    fn take_arbiters(&mut self) -> Vec<Arbiter> {
        let workers = self.workers.take_all().into_iter().map(|handle| handle.arbiter);
        let pagers =
            std::mem::take(&mut self.pager_threads).into_values().map(|(arbiter, _)| arbiter);
        workers.chain(self.roles.take_callbacks()).chain(pagers).collect()
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(mut requests) = self.requests.take() {
            ctx.add_stream(futures::stream::poll_fn(move |cx| requests.poll_recv(cx)));
        }
        ctx.spawn(health::watch(Arc::clone(&self.dispatcher)).into_actor(self));
        ctx.run_interval(TICK, |supervisor, ctx| {
            supervisor.enforce_deadlines();
            supervisor.look_after_workers(ctx);
        });
        #[cfg(feature = "metrics")]
        ctx.run_interval(super::publish_metrics::EVERY, |_, ctx| {
            ctx.notify(super::publish_metrics::Publish { last: false });
        });
    }
}

impl Drop for Supervisor {
    /// However the supervisor ends, all waits end, and no thread is left.
    fn drop(&mut self) {
        self.dispatcher.close_intake();
        self.dispatcher.fail_all(Error::gone);
        self.dispatcher.blocking().close();
        for arbiter in self.take_arbiters() {
            arbiter.stop();
        }
    }
}

impl StreamHandler<SupervisorRequest> for Supervisor {
    fn handle(&mut self, request: SupervisorRequest, ctx: &mut Self::Context) {
        match request {
            SupervisorRequest::Rescue(call, _) if call.is_cancelled() => {}
            SupervisorRequest::Rescue(call, _) if self.retired.is_some() => {
                call.fail(Error::shutting_down());
            }
            SupervisorRequest::Rescue(call, Loss::Unplaced) if !self.workers.is_given_up() => {
                self.parked.push(call);
            }
            SupervisorRequest::Rescue(call, loss) => self.rescue(call, loss),
            SupervisorRequest::StartPager { start, is_alone, started } => {
                let _ = started.send(self.start_pager(start, is_alone, ctx));
            }
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Retire> for Supervisor {
    type Result = MessageResult<Retire>;

    fn handle(&mut self, _: Retire, _: &mut Self::Context) -> Self::Result {
        if let Some(ended) = &self.retired {
            return MessageResult(ended.clone());
        }
        let arbiters = self.take_arbiters();
        self.threads.end(arbiters);
        let ended = self.threads.ended().boxed().shared();
        self.retired = Some(ended.clone());
        MessageResult(ended)
    }
}

impl Handler<Fetch> for Supervisor {
    type Result = WhileAwaited<Result<Response, Error>>;

    fn handle(&mut self, fetch: Fetch, _: &mut Self::Context) -> Self::Result {
        let handle = self.link(fetch.handle);
        WhileAwaited(Box::pin(async move {
            let connected = handle.connect().await?;
            connected.caller.call(fetch.request).await
        }))
    }
}

impl Handler<OpenStream> for Supervisor {
    type Result = MessageResult<OpenStream>;

    fn handle(&mut self, open: OpenStream, _: &mut Self::Context) -> Self::Result {
        let mut stream = PaginatedStream::get(self.link(open.handle), open.endpoint.0);
        if let Some(pages) = open.prefetch {
            stream = stream.prefetch(pages);
        }
        if let Some(paging) = open.paging {
            stream = stream.paging(paging);
        }
        if let Some(envelope) = open.envelope {
            stream = stream.envelope(envelope);
        }
        if let Some(priority) = open.priority {
            stream = stream.priority(priority);
        }
        MessageResult(stream)
    }
}

impl Handler<GetStats> for Supervisor {
    type Result = ResponseFuture<Result<Stats, Error>>;

    fn handle(&mut self, _: GetStats, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.stats())
    }
}

impl Handler<InvalidateToken> for Supervisor {
    type Result = Result<(), Error>;

    fn handle(
        &mut self,
        InvalidateToken(slot): InvalidateToken,
        _: &mut Self::Context,
    ) -> Self::Result {
        match &self.roles.own_tokens {
            Some(own) => own.invalidate(slot),
            None => Err(no_token(slot, 0)),
        }
    }
}

impl Handler<WarmUp> for Supervisor {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, _: WarmUp, _: &mut Self::Context) -> Self::Result {
        let well = self.workers.well().map(|handle| &handle.worker);
        let filled: Vec<_> = well.map(|worker| worker.send(Fill)).collect();
        Box::pin(async move {
            let mut filled = join_all(filled).await.into_iter();
            filled.try_for_each(|filled| filled.unwrap_or_else(|_| Err(Error::gone())))
        })
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("workers", &self.workers.size()).finish_non_exhaustive()
    }
}
