//! Deaths of actors that no user's code can cause from outside.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Supervisor,
    death_watch::ActorEnded,
    death_watch::Role,
    host,
    messages::{GetStats, Resize},
    worker_handle::WorkerHandle,
};
use crate::{
    actors::{ActorRef, Die, mortal},
    config::{PoolConfig, ValidConfig},
    dispatch::{Dispatcher, Route, Routes, SupervisorRequest, Tenant, jobs::Loss},
    error::ErrorKind,
    rate_limit::{Hold, Pace, Pacer},
    request::Request,
    retry::{Budget, Earnings},
    stats::{Stats, StatsCollector},
    token_manager::Credentials,
    worker::WorkerParts,
};

const LIMIT: Duration = Duration::from_secs(60);

fn config(url: &str) -> ValidConfig {
    PoolConfig { workers: 2, ..PoolConfig::new(url) }.validate().unwrap()
}

struct Watcher(mpsc::UnboundedSender<u64>);

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<ActorEnded> for Watcher {
    type Result = ();

    fn handle(&mut self, ended: ActorEnded, _: &mut Self::Context) {
        let ActorEnded::Worker(id) = ended else { panic!("{ended:?} is not a worker") };
        self.0.send(id).unwrap();
    }
}

fn stats() -> ActorRef<StatsCollector> {
    let collector = StatsCollector::new(Arc::default(), Box::new(())).start();
    ActorRef::of(&watch::Sender::new((Some(collector), false)))
}

fn parts() -> (WorkerParts, mpsc::UnboundedReceiver<SupervisorRequest>) {
    let (ask, requests) = mpsc::unbounded_channel();
    let (_, routes) = watch::channel(Routes::default());
    let now = Instant::now();
    let parts = WorkerParts {
        dispatcher: Arc::new(Dispatcher::new(
            Arc::new(config("http://localhost")),
            Arc::default(),
            routes,
            ask,
        )),
        rate_queue: ActorRef::of(&watch::Sender::default()),
        pacer: Arc::new(Pacer::new(
            Pace::new(None, None, false, Duration::ZERO, now),
            Arc::default(),
        )),
        keys: None,
        token_manager: ActorRef::of(&watch::Sender::default()),
        own_tokens: None,
        stats: stats(),
        hold: Arc::new(Hold::new()),
        budget: Arc::new(Mutex::new(Budget::new(Earnings::default(), now))),
        origins: Arc::default(),
    };
    (parts, requests)
}

#[actix::test]
async fn faults_04_the_death_of_an_arbiter_is_noticed_whether_or_not_its_worker_had_started() {
    let (sender, mut deaths) = mpsc::unbounded_channel();
    let watcher = Watcher(sender).start();
    let (parts, _requests) = parts();
    for id in 1..=100 {
        let arbiter = Arbiter::new();
        let dies_first = id % 2 == 0;
        if dies_first {
            arbiter.stop();
        }
        let recipient = watcher.clone().recipient();
        let handle = WorkerHandle::start(arbiter, 7, id, parts.clone(), recipient);
        handle.arbiter.stop();
        let death = timeout(LIMIT, deaths.recv()).await;
        assert_eq!(death.expect("unnoticed"), Some(id));
    }
}

#[actix::test]
async fn a_job_sent_to_a_dead_worker_comes_back() {
    let (sender, mut deaths) = mpsc::unbounded_channel();
    let watcher = Watcher(sender).start();
    let (parts, mut requests) = parts();
    let handle = WorkerHandle::start(Arbiter::new(), 0, 1, parts.clone(), watcher.recipient());
    handle.arbiter.stop();
    timeout(LIMIT, deaths.recv()).await.expect("unnoticed");
    let (_routes, receiver) = watch::channel(Routes::from([handle.route]));
    let dispatcher = parts.dispatcher.with_routes(receiver);
    let request = tokio::select! {
        answer = dispatcher.call(Request::get("/"), None) => panic!("{answer:?}"),
        request = timeout(LIMIT, requests.recv()) => request.expect("it is lost").unwrap(),
    };
    // The watch is dropped a moment before the mailbox.
    let SupervisorRequest::Rescue(_, loss) = request else { panic!("it asks for a pager") };
    assert!(matches!(loss, Loss::Unplaced | Loss::Dropped));
}

#[tokio::test]
async fn faults_06_when_the_supervisor_panics_every_waiter_gets_an_error_and_the_threads_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let core = Arc::new(host::start(config(&url), Arc::default()).await.unwrap());
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let core = Arc::clone(&core);
            tokio::spawn(async move { core.dispatcher.call(Request::get("/"), None).await })
        })
        .collect();
    timeout(LIMIT, listener.accept()).await.expect("no call went out").unwrap();
    let _ = core.supervisor.send(Die).await;
    for call in calls {
        let answer = timeout(LIMIT, call).await.expect("a call hangs").unwrap();
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    let late = core.dispatcher.call(Request::get("/"), None);
    let late = timeout(LIMIT, late).await.expect("a late call hangs");
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ShuttingDown);
    timeout(LIMIT, core.shutdown(Duration::ZERO)).await.expect("the threads do not end");
}

#[actix::test]
async fn a_call_whose_task_panics_is_reported_as_such() {
    let (parts, mut requests) = parts();
    let seen = Arc::new(AtomicUsize::new(0));
    let deliver = {
        let seen = Arc::clone(&seen);
        move |job| {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _job: crate::dispatch::Job = job;
                panic!("the task of a call")
            }));
            Ok(())
        }
    };
    let route = Arc::new(Route::new(1, Box::new(deliver)));
    let (_routes, receiver) = watch::channel(Routes::from([route]));
    let dispatcher = parts.dispatcher.with_routes(receiver);
    let call = dispatcher.call(Request::get("/"), None);
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    let request = requests.try_recv().unwrap();
    assert!(matches!(request, SupervisorRequest::Rescue(_, Loss::Panicked)));
}

mortal!(Supervisor);

/// Kills the holder of a role.
#[derive(Message)]
#[rtype(result = "()")]
struct Kill(Role);

impl Handler<Kill> for Supervisor {
    type Result = ();

    fn handle(&mut self, Kill(role): Kill, _: &mut Self::Context) {
        self.roles.kill(role);
    }
}

/// Responds to everything with 200, and returns its address.
async fn obliging_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A request is small enough to arrive in one piece.
                while peer.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    peer.write_all(answer).await.unwrap();
                }
            });
        }
    });
    url
}

async fn start(config: PoolConfig) -> Arc<host::Core> {
    Arc::new(host::start(config.validate().unwrap(), Arc::default()).await.unwrap())
}

async fn kill(core: &host::Core, role: Role) {
    timeout(LIMIT, core.supervisor.send(Kill(role))).await.expect("no answer").unwrap();
}

/// Makes concurrent calls, and checks that all of them succeed.
async fn calls(core: &host::Core, count: usize) {
    let call = || core.dispatcher.call(Request::get("/"), None);
    let answers = timeout(LIMIT, join_all((0..count).map(|_| call()))).await.expect("a call hangs");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

async fn stats_of(core: &host::Core) -> Stats {
    let asked = core.supervisor.send(GetStats);
    timeout(LIMIT, asked).await.expect("no statistics").unwrap().unwrap()
}

/// The statistics once so many attempts are counted: a worker that has no turn reports later.
async fn stats_after(core: &host::Core, attempts: u64) -> Stats {
    let counted = async {
        loop {
            let stats = stats_of(core).await;
            if stats.attempts >= attempts {
                return stats;
            }
        }
    };
    timeout(LIMIT, counted).await.expect("not all attempts are counted")
}

#[tokio::test]
async fn when_the_rate_limiter_dies_those_who_wait_are_served_and_the_limit_holds() {
    let url = obliging_server().await;
    let rate_limit = Some(50.into());
    let core =
        start(PoolConfig { workers: 2, rate_limit, burst: Some(20), ..PoolConfig::new(url) });
    let core = core.await;
    let began = Instant::now();
    calls(&core, 20).await;
    for _ in 0..3 {
        let waiting = calls(&core, 10);
        let killing = async {
            for _ in 0..3 {
                kill(&core, Role::RateQueue).await;
            }
        };
        futures::future::join(waiting, killing).await;
    }
    // The burst is used up, and no successor brings a new one.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(580), "20 calls and 30 at 50 per second took {took:?}");
}

#[tokio::test]
async fn a_limiter_that_follows_another_one_serves_on_after_a_resize() {
    let url = obliging_server().await;
    let core = start(PoolConfig { rate_limit: Some(1_000.into()), ..PoolConfig::new(url) }).await;
    core.supervisor.send(Resize::new(1)).await.unwrap().unwrap();
    kill(&core, Role::RateQueue).await;
    calls(&core, 50).await;
    assert_eq!(stats_of(&core).await.calls_ok, 50);
}

#[tokio::test]
async fn when_the_statistics_actor_dies_what_was_counted_is_kept() {
    let url = obliging_server().await;
    let core = start(PoolConfig { workers: 2, ..PoolConfig::new(url) }).await;
    for round in 1..=5 {
        calls(&core, 10).await;
        assert_eq!(stats_after(&core, round * 10).await.calls_ok, round * 10);
        kill(&core, Role::Stats).await;
        stats_of(&core).await;
    }
    let whole = stats_after(&core, 50).await;
    assert_eq!((whole.calls_ok, whole.attempts, whole.latency.count()), (50, 50, 50));
}

#[tokio::test]
async fn when_the_token_manager_dies_those_who_wait_get_a_token_from_its_successor() {
    let url = obliging_server().await;
    let acquired = Arc::new(AtomicUsize::new(0));
    let (enter, mut entered) = mpsc::unbounded_channel();
    let acquire = {
        let acquired = Arc::clone(&acquired);
        move || {
            let is_first = acquired.fetch_add(1, Ordering::SeqCst) == 0;
            let enter = enter.clone();
            async move {
                let _ = enter.send(());
                if is_first {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::io::Error>("token")
            }
        }
    };
    let apply = |request: Request, _: &str| request;
    let credentials = Some(Credentials::from_callback(1, acquire, apply));
    let core = start(PoolConfig { workers: 2, credentials, ..PoolConfig::new(url) }).await;
    let killing = async {
        timeout(LIMIT, entered.recv()).await.expect("no acquire").unwrap();
        kill(&core, Role::Tokens).await;
    };
    futures::future::join(calls(&core, 50), killing).await;
    assert_eq!(acquired.load(Ordering::SeqCst), 2, "one acquire each");

    // The tokens that workers already have stay good, whoever issued them.
    kill(&core, Role::Tokens).await;
    calls(&core, 10).await;
    assert_eq!(acquired.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn accept_65_sets_of_handles_outlive_the_token_manager() {
    let url = obliging_server().await;
    let core = start(PoolConfig { workers: 2, ..PoolConfig::new(url) }).await;
    let acquired = Arc::new(AtomicUsize::new(0));
    let set = || {
        let acquired = Arc::clone(&acquired);
        let acquire = move || {
            acquired.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, std::io::Error>("token"))
        };
        let apply = |request: Request, _: &str| request;
        let credentials = Credentials::from_callback(1, acquire, apply);
        Arc::new(Tenant::new(&PoolConfig::new(""), credentials, Instant::now()))
    };
    let sets = [set(), set()];
    let call = async |set: &Arc<Tenant>| {
        let call = core.dispatcher.call(Request::get("/"), Some(Arc::clone(set)));
        timeout(LIMIT, call).await.expect("a call hangs")
    };
    // No manager is started before it is needed.
    assert_eq!(call(&sets[0]).await.unwrap_err().kind(), ErrorKind::Token);
    core.need_tokens().await.unwrap();
    for round in 1..=3 {
        for set in &sets {
            call(set).await.unwrap();
            // The next call needs another token.
            set.tokens.invalidate(0).unwrap();
        }
        assert_eq!(acquired.load(Ordering::SeqCst), 2 * round);
        kill(&core, Role::Tokens).await;
    }
}
