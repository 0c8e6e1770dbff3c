//! Panics in the task of a call, outside every place where the pool expects one. A
//! tracing subscriber that panics when the call's span is entered on a worker brings
//! them about: the call that panics pays, and nobody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use crate::support::{hostile::Hostile, raw_server::RawServer, soon};
use futures::future::{join, join_all};
use tracing::{Instrument, Subscriber, span::Id};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
};
use vantage_api_pool::{
    AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request, Response, stats::Stats,
};

/// Panics when a span is entered on another thread than that of the test, as often as it
/// is told to.
#[derive(Clone)]
struct Poison {
    panics: Arc<AtomicUsize>,
    home: ThreadId,
}

impl Poison {
    fn new(panics: usize) -> Self {
        Self { panics: Arc::new(panics.into()), home: std::thread::current().id() }
    }

    fn panics_next(&self) {
        self.panics.store(1, Ordering::SeqCst);
    }

    /// Makes a call whose span is poisoned.
    async fn ask(&self, pool: &AwwPool, request: Request) -> Result<Response, Error> {
        let _subscriber = tracing::subscriber::set_default(Registry::default().with(self.clone()));
        let span = tracing::info_span!("poisoned");
        pool.request(request).instrument(span).await
    }
}

impl<S: Subscriber> Layer<S> for Poison {
    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        // A span is entered once more when what is in it is dropped; no one survives a
        // second panic there.
        if std::thread::current().id() == self.home || std::thread::panicking() {
            return;
        }
        let count_down = |left: usize| left.checked_sub(1);
        if self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down).is_ok() {
            panic!("a subscriber's panic");
        }
    }
}

/// A pool of one worker, from which a busy machine takes no call away.
fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).workers(1).heartbeat_timeout(Duration::from_secs(10))
}

async fn stats(pool: &AwwPool) -> Stats {
    soon("statistics", pool.stats()).await.unwrap()
}

#[tokio::test]
async fn faults_01_a_call_whose_task_panics_is_run_again_and_the_others_are_untouched() {
    let api = Hostile::new(10).closed().start();
    let pool = builder(api.url()).build().unwrap();
    let others: Vec<_> = (0..10)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get("/rows?page=1").await })
        })
        .collect();
    api.wait_for("the others on the wire", |log| log.in_flight == 10).await;
    let poison = Poison::new(2);
    let poisoned = soon("an answer", poison.ask(&pool, Request::get("/rows/1"))).await;
    assert!(poisoned.is_ok(), "{poisoned:?}");
    assert_eq!(poison.panics.load(Ordering::SeqCst), 0, "it did not panic");
    assert_eq!(api.log(|log| log.aborted), 0);
    api.open_all();
    for answer in soon("the others", join_all(others)).await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(stats(&pool).await.worker_restarts, 0, "the worker lives");
}

#[tokio::test]
async fn faults_01_a_post_on_the_wire_whose_task_panics_is_not_sent_again() {
    // The start of an answer wakes the call's task.
    let (begin, begun) = tokio::sync::watch::channel(false);
    let server = RawServer::start(move |mut peer| {
        let mut begun = begun.clone();
        async move {
            while peer.request().await.is_some() {
                let _ = begun.wait_for(|begun| *begun).await;
                peer.write(b"HTTP/1.1 200 OK\r\n").await;
            }
        }
    });
    let pool = builder(server.url()).build().unwrap();
    let poison = Poison::new(0);
    let post = poison.ask(&pool, Request::post("/orders").body("x"));
    let panicking = async {
        server.wait_for(|seen| seen.heads.len() == 1).await;
        poison.panics_next();
        begin.send(true).unwrap();
    };
    let (answer, ()) = soon("an answer", join(post, panicking)).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::WorkerCrashed, Delivery::Unknown));
    assert_eq!(server.seen().heads.len(), 1);
    assert_eq!(stats(&pool).await.worker_restarts, 0, "the worker lives");
}

#[tokio::test]
async fn faults_02_a_call_whose_task_always_panics_ends_after_its_attempts_and_the_worker_lives() {
    let api = Hostile::new(10).start();
    for attempts in [1, 3, 5] {
        let pool = builder(api.url()).max_attempts(attempts).build().unwrap();
        let poison = Poison::new(usize::MAX);
        let error = soon("an answer", poison.ask(&pool, Request::get("/rows"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WorkerCrashed);
        let panics = usize::MAX - poison.panics.load(Ordering::SeqCst);
        assert_eq!(panics, attempts as usize);
        soon("an answer", pool.get("/rows")).await.unwrap();
        assert_eq!(stats(&pool).await.worker_restarts, 0);
    }
}
