//! Deaths that no user's code can cause from outside.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    actor::Supervisor,
    host,
    slot::{Occupant, WorkerDown},
};
use crate::{
    config::{PoolConfig, ValidConfig},
    dispatch::{Dispatcher, Routes, jobs::Loss},
    error::ErrorKind,
    http::Request,
    rate_limit::Hold,
    retry::Budget,
    stats::StatsCollector,
    worker::WorkerParts,
};

const LIMIT: Duration = Duration::from_secs(10);

fn config(url: &str) -> ValidConfig {
    PoolConfig { workers: 2, ..PoolConfig::new(url) }.validate().unwrap()
}

struct Watcher(mpsc::UnboundedSender<(usize, u64)>);

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<WorkerDown> for Watcher {
    type Result = ();

    fn handle(&mut self, down: WorkerDown, _: &mut Self::Context) {
        self.0.send((down.slot, down.generation)).unwrap();
    }
}

fn parts() -> (WorkerParts, mpsc::UnboundedReceiver<crate::dispatch::Lost>) {
    let (lost, losses) = mpsc::unbounded_channel();
    let (_, routes) = watch::channel(Routes::default());
    let now = Instant::now();
    let parts = WorkerParts {
        dispatcher: Arc::new(Dispatcher::new(Arc::new(config("http://localhost")), routes, lost)),
        limiter: None,
        tokens: None,
        turn: Arc::new(AtomicUsize::new(0)),
        hold: Arc::new(Hold::new(now)),
        budget: Arc::new(Mutex::new(Budget::new(now))),
    };
    (parts, losses)
}

#[actix::test]
async fn the_death_of_an_arbiter_is_noticed_whether_or_not_its_worker_had_started() {
    let (sender, mut deaths) = mpsc::unbounded_channel();
    let watcher = Watcher(sender).start();
    let (parts, _losses) = parts();
    for generation in 0..100 {
        let arbiter = Arbiter::new();
        let dies_first = generation % 2 == 0;
        if dies_first {
            arbiter.stop();
        }
        let stats = StatsCollector::new().start();
        let recipient = watcher.clone().recipient();
        let occupant = Occupant::start(arbiter, 7, generation, parts.clone(), stats, recipient);
        occupant.arbiter.stop();
        let death = timeout(LIMIT, deaths.recv()).await;
        assert_eq!(death.expect("unnoticed"), Some((7, generation)));
    }
}

#[actix::test]
async fn a_job_sent_to_a_dead_worker_comes_back() {
    let (sender, mut deaths) = mpsc::unbounded_channel();
    let watcher = Watcher(sender).start();
    let (parts, mut losses) = parts();
    let stats = StatsCollector::new().start();
    let arbiter = Arbiter::new();
    let occupant = Occupant::start(arbiter, 0, 1, parts.clone(), stats, watcher.recipient());
    let route = occupant.route();
    occupant.arbiter.stop();
    timeout(LIMIT, deaths.recv()).await.expect("unnoticed");
    let (_routes, receiver) = watch::channel(Routes::from([Arc::new(route)]));
    let dispatcher = parts.dispatcher.with_routes(receiver);
    let call = dispatcher.call(Request::get("/"));
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    assert!(losses.try_recv().is_ok_and(|lost| lost.loss == Loss::Unplaced));
}

/// Makes the supervisor panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("the supervisor dies");
    }
}

#[tokio::test]
async fn when_the_supervisor_panics_every_waiter_gets_an_error_and_the_threads_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let core = Arc::new(host::start(config(&url)).await.unwrap());
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let core = Arc::clone(&core);
            tokio::spawn(async move { core.started.dispatcher.call(Request::get("/")).await })
        })
        .collect();
    timeout(LIMIT, listener.accept()).await.expect("no call went out").unwrap();
    let _ = core.started.supervisor.send(Crash).await;
    for call in calls {
        let answer = timeout(LIMIT, call).await.expect("a call hangs").unwrap();
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    let late = core.started.dispatcher.call(Request::get("/"));
    let late = timeout(LIMIT, late).await.expect("a late call hangs");
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ShuttingDown);
    timeout(LIMIT, core.shutdown(Duration::ZERO)).await.expect("the threads do not end");
}

#[actix::test]
async fn a_call_whose_task_panics_is_reported_as_such() {
    let (parts, mut losses) = parts();
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
    let route = Arc::new(crate::dispatch::Route::new(Box::new(deliver)));
    let (_routes, receiver) = watch::channel(Routes::from([route]));
    let dispatcher = parts.dispatcher.with_routes(receiver);
    let call = dispatcher.call(Request::get("/"));
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert!(losses.try_recv().is_ok_and(|lost| lost.loss == Loss::Panicked));
}
