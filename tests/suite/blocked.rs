//! Workers whose thread a user's code blocks: calls go elsewhere, nothing is sent twice
//! that may not be, everybody is answered in time, and what the thread does later
//! changes nothing.

use std::{
    collections::HashSet,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    hostile::{Hostile, Log},
    raw_server::RawServer,
    soon,
};
use futures::{StreamExt, future::join_all};
use vantage_api_pool::{
    AwwPool, Delivery, Error, ErrorKind, PaginatedStream, PoolBuilder, Request, Response,
    Supervisor,
    events::{Event, Outcome},
    stats::Stats,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// When a thread counts as blocked. A busy machine may leave one without a turn for longer: then
/// it is soon back.
const BLOCKED: Duration = Duration::from_secs(2);
/// When it is given up: later than a busy machine leaves one without a turn.
const LOST: Duration = Duration::from_millis(5_500);
/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(300);

/// A place in a callback where threads are held until it opens.
struct Barrier {
    is_open: Mutex<bool>,
    opened: Condvar,
    entered: AtomicUsize,
}

impl Barrier {
    const fn new() -> Self {
        Self { is_open: Mutex::new(false), opened: Condvar::new(), entered: AtomicUsize::new(0) }
    }

    fn hold(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_timeout_while(is_open, NEVER, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    async fn holds(&self, threads: usize) {
        until("the callback blocks", async || self.entered.load(Ordering::SeqCst) >= threads).await;
    }
}

/// Opens at the end of the test, however it ends.
struct Opens(Arc<Barrier>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A pool whose `apply` blocks at the barrier on requests that are marked.
fn blocking(url: String) -> (PoolBuilder, Opens) {
    let barrier = Arc::new(Barrier::new());
    let own = Arc::clone(&barrier);
    let builder = AwwPool::builder(url)
        .heartbeat_timeout(BLOCKED)
        .replace_blocked_after(NEVER)
        .with_auth_callback(
            1,
            || async { Ok::<_, std::io::Error>("token") },
            move |request, _| {
                if request.headers().contains_key("x-block") {
                    own.hold();
                }
                request
            },
        );
    (builder, Opens(barrier))
}

fn marked() -> Request {
    Request::get("/rows?page=1").header("x-block", "1").unwrap()
}

type Answering = tokio::task::JoinHandle<Result<Response, Error>>;

fn ask(pool: &AwwPool, request: Request) -> Answering {
    let pool = pool.clone();
    tokio::spawn(async move { pool.request(request).await })
}

async fn answer(answering: Answering) -> Result<Response, Error> {
    soon("an answer", answering).await.unwrap()
}

async fn stats(pool: &AwwPool) -> Stats {
    soon("statistics", pool.stats()).await.unwrap()
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn sent(server: &RawServer, start: &str) -> usize {
    server.seen().heads.iter().filter(|(_, head)| head.starts_with(start)).count()
}

#[tokio::test]
async fn faults_05_while_a_worker_is_blocked_calls_go_elsewhere_and_its_own_ends_at_the_deadline() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(2).build().unwrap();
    let began = Instant::now();
    let timeout = Duration::from_secs(6);
    let blocked = ask(&pool, marked().timeout(timeout));
    barrier.0.holds(1).await;
    // Half of them are placed on the worker that does not answer.
    let answers = soon("healthy answers", join_all((0..60).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    until("one worker serves", async || stats(&pool).await.serving == 1).await;
    let during = stats(&pool).await;
    assert_eq!((during.size, during.worker_restarts), (2, 0));

    let error = answer(blocked).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::DeadlineExceeded, Delivery::NotSent));
    assert!(began.elapsed() >= timeout, "{:?}", began.elapsed());

    barrier.0.open();
    until("the worker is back", async || stats(&pool).await.serving == 2).await;
    let before = stats(&pool).await;
    until("both workers answer", async || {
        join_all((0..60).map(|_| pool.get("/rows"))).await;
        let since = stats(&pool).await.difference(&before);
        since.workers.iter().filter(|worker| worker.calls_ok > 0).count() == 2
    })
    .await;
}

/// Has the supervisor that gets it panic. No message of the crate does.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Die;

impl actix::Handler<Die> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Self::Context) {
        panic!("the death of a supervisor");
    }
}

#[tokio::test]
async fn faults_06_a_supervisor_that_dies_answers_all_who_wait_for_a_worker_that_is_blocked() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(1).connections_per_worker(1).build().unwrap();
    let mut calls = vec![ask(&pool, marked())];
    barrier.0.holds(1).await;
    calls.extend((0..20).map(|_| ask(&pool, Request::get("/rows"))));
    until("all are accepted", async || stats(&pool).await.calls_open == 21).await;
    let supervisor = pool.supervisor().await.unwrap();
    soon("the death", supervisor.send(Die)).await.unwrap_err();
    // The worker is still blocked, so no end of its calls there answers them.
    for call in calls {
        assert_eq!(answer(call).await.unwrap_err().kind(), ErrorKind::ShuttingDown);
    }
    let late = soon("an answer", pool.get("/rows")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ShuttingDown);
    assert_eq!(api.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn faults_05_a_stream_goes_on_while_and_after_the_worker_that_its_pager_is_on_is_blocked() {
    let api = Hostile::new(500).start();
    let (pool, barrier) = blocking(api.url());
    // By then the pages that are on the wire there are asked for again.
    let pool = pool.workers(2).replace_blocked_after(LOST).build().unwrap();
    let mut streams: Vec<_> =
        (0..4).map(|_| PaginatedStream::get(&pool, "/rows").prefetch(2)).collect();
    // Half of the pagers are on the thread that will be blocked.
    for stream in &mut streams {
        soon("a page", stream.next_page()).await.unwrap().unwrap();
    }
    let blocked = ask(&pool, marked());
    barrier.0.holds(1).await;
    for stream in &mut streams {
        for _ in 0..20 {
            soon("a page", stream.next_page()).await.unwrap().unwrap();
        }
    }
    assert_eq!(answer(blocked).await.unwrap_err().kind(), ErrorKind::Callback);
    barrier.0.open();
    let rows = api.rows();
    let rest = rows.len() - 21 * 10;
    for stream in streams {
        let items: Vec<_> = soon("the rest", stream.map(Result::unwrap).collect()).await;
        assert_eq!(items, rows[rows.len() - rest..]);
    }
}

#[tokio::test]
async fn a_page_of_a_read_that_is_dropped_is_not_sent_again_when_its_worker_is_given_up() {
    let api = Hostile::new(95).closed().start();
    [1, 9].into_iter().for_each(|page| api.open(page));
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(1).connections_per_worker(4).replace_blocked_after(LOST);
    let pool = pool.build().unwrap();
    let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(2);
    soon("a row", stream.next()).await.unwrap().unwrap();
    api.wait_for("a page under way", |log| log.pages() == [1, 2]).await;
    // It blocks the thread on which the pages are fetched.
    let blocked = ask(&pool, marked());
    barrier.0.holds(1).await;
    drop(stream);
    until("another worker", async || stats(&pool).await.worker_restarts > 0).await;
    assert_eq!(answer(blocked).await.unwrap_err().kind(), ErrorKind::Callback);
    for _ in 0..5 {
        soon("an answer", pool.get("/rows?page=9")).await.unwrap();
    }
    assert_eq!(api.log(Log::pages), [1, 2, 9, 9, 9, 9, 9]);
}

#[tokio::test]
async fn posts_that_wait_on_a_blocked_worker_move_and_each_is_sent_once() {
    let server = RawServer::answering(OK);
    let (pool, barrier) = blocking(server.url());
    let pool = pool.workers(2).connections_per_worker(16).build().unwrap();
    let blocked = ask(&pool, marked());
    barrier.0.holds(1).await;
    let post = || pool.request(Request::post("/orders").body("x"));
    let answers = soon("all answers", join_all((0..30).map(|_| post()))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    // The worker finds them in its mailbox when it comes to itself.
    barrier.0.open();
    assert!(answer(blocked).await.is_ok());
    until("the worker is back", async || stats(&pool).await.serving == 2).await;
    assert_eq!(sent(&server, "POST"), 30);
    assert_eq!(stats(&pool).await.calls_ok, 31);
}

#[tokio::test]
async fn a_worker_that_stays_blocked_is_replaced_and_its_late_answers_change_nothing() {
    // Requests to /held get no answer on the first connection that carries them.
    let held = Arc::new(AtomicUsize::new(0));
    let server = RawServer::start({
        let held = Arc::clone(&held);
        move |mut peer| {
            let held = Arc::clone(&held);
            async move {
                while let Some(head) = peer.head().await {
                    let is_first =
                        || held.fetch_add(1, Ordering::SeqCst) < 2 || head.starts_with("POST");
                    if head.contains("/held") && is_first() {
                        return peer.closed().await;
                    }
                    peer.write(OK).await;
                }
            }
        }
    });
    let (pool, barrier) = blocking(server.url());
    let pool = pool.workers(1).replace_blocked_after(LOST).build().unwrap();
    let get = ask(&pool, Request::get("/held"));
    let post = ask(&pool, Request::post("/held"));
    server.wait_for(|seen| seen.heads.len() == 2).await;
    let culprit = ask(&pool, marked());
    barrier.0.holds(1).await;
    let waiting = ask(&pool, Request::post("/orders"));

    assert!(answer(waiting).await.is_ok(), "what waited runs on the replacement");
    assert!(answer(get).await.is_ok(), "what may be repeated is");
    let error = answer(post).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::WorkerCrashed, Delivery::Unknown));
    let error = answer(culprit).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Callback, Delivery::NotSent));
    until("the replacement serves", async || stats(&pool).await.serving == 1).await;
    assert_eq!(stats(&pool).await.worker_restarts, 1);

    barrier.0.open();
    // Its connections close with it: by then the old thread has done what it would do.
    server.wait_for(|seen| seen.closed.len() >= 2).await;
    soon("an answer", pool.get("/after")).await.unwrap();
    assert_eq!((sent(&server, "POST /held"), sent(&server, "POST /orders")), (1, 1));
    assert_eq!((sent(&server, "GET /held"), sent(&server, "GET /rows")), (2, 0));
}

#[tokio::test]
async fn a_callback_that_never_returns_costs_a_bounded_number_of_threads() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(1).replace_blocked_after(LOST).build().unwrap();
    // One worker's thread is left behind, and eight that the callback has from then on.
    for threads in 1..=9 {
        let _culprit = ask(&pool, marked());
        barrier.0.holds(threads).await;
        if threads <= 8 {
            soon("an answer", pool.get("/rows")).await.unwrap();
        }
    }
    for _ in 0..10 {
        let error = answer(ask(&pool, marked())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback);
    }
    until("the replacement serves", async || stats(&pool).await.serving == 1).await;
    assert_eq!(stats(&pool).await.worker_restarts, 1);
    assert_eq!(barrier.0.entered.load(Ordering::SeqCst), 9);
    barrier.0.open();
    until("it is back", async || pool.get("/rows").await.is_ok()).await;
}

#[tokio::test]
async fn with_a_long_heartbeat_timeout_calls_wait_for_the_worker_that_they_are_on() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(2).heartbeat_timeout(NEVER).build().unwrap();
    let blocked = ask(&pool, marked());
    barrier.0.holds(1).await;
    let in_time = || pool.request(Request::get("/rows").timeout(Duration::from_secs(8)));
    let answers = soon("answers", join_all((0..20).map(|_| in_time()))).await;
    let late: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(!late.is_empty() && late.len() < answers.len(), "{} of them late", late.len());
    assert!(late.iter().all(|error| error.kind() == ErrorKind::DeadlineExceeded), "{late:?}");
    assert_eq!(stats(&pool).await.serving, 2);
    barrier.0.open();
    assert!(answer(blocked).await.is_ok());
}

#[tokio::test]
async fn calls_that_wait_for_the_rate_limit_do_not_starve_others_from_a_blocked_worker() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool =
        pool.workers(2).connections_per_worker(2).rate_limit(50.into()).burst(1).build().unwrap();
    let blocked = ask(&pool, marked());
    barrier.0.holds(1).await;
    let answers = soon("all answers", join_all((0..60).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    barrier.0.open();
    assert!(answer(blocked).await.is_ok());
}

#[tokio::test]
async fn what_happens_to_a_blocked_worker_is_told_and_each_attempt_on_it_has_its_end() {
    let server = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if head.contains("/held") {
                return peer.closed().await;
            }
            peer.write(OK).await;
        }
    });
    let (pool, barrier) = blocking(server.url());
    let pool = pool.workers(1).replace_blocked_after(LOST).build().unwrap();
    let mut events = pool.events();
    // One waits for its answer, one ends at its deadline, and one is dropped, all before the
    // worker is given up. The deadline is later than a busy machine takes to block the worker.
    let held = ask(&pool, Request::post("/held"));
    let late = ask(&pool, Request::post("/held").timeout(Duration::from_secs(4)));
    let dropped = ask(&pool, Request::get("/held"));
    server.wait_for(|seen| seen.heads.len() == 3).await;
    let culprit = ask(&pool, marked());
    barrier.0.holds(1).await;
    dropped.abort();
    assert_eq!(answer(late).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    let mut told = Vec::new();
    soon("the worker is given up", async {
        while !matches!(told.last(), Some(Event::WorkerDied { worker: 0, .. })) {
            told.push(events.recv().await.unwrap());
        }
    })
    .await;
    assert!(told.iter().any(|event| matches!(event, Event::WorkerBlocked { worker: 0, .. })));
    // Its thread never ends the attempts, so that is done for it.
    let (mut started, mut ended) = (HashSet::new(), HashSet::new());
    for event in &told {
        match event {
            Event::AttemptStarted { attempt, .. } => assert!(started.insert(*attempt)),
            Event::AttemptEnded { attempt, outcome, .. } => {
                assert!(ended.insert(*attempt) && *outcome == Outcome::Cancelled);
            }
            _ => {}
        }
    }
    assert_eq!((started.len(), &ended), (3, &started));
    assert_eq!(answer(held).await.unwrap_err().kind(), ErrorKind::WorkerCrashed);
    assert_eq!(answer(culprit).await.unwrap_err().kind(), ErrorKind::Callback);
    let counted = async || {
        let now = stats(&pool).await;
        assert_eq!(now.attempts, now.status_2xx + now.transport_errors + now.cancelled, "{now}");
        (now.cancelled, now.status_2xx, now.calls_failed)
    };
    assert_eq!(counted().await, (3, 0, 3));

    // What the thread does later changes nothing.
    barrier.0.open();
    server.wait_for(|seen| !seen.closed.is_empty()).await;
    soon("an answer", pool.get("/rows")).await.unwrap();
    // A worker that has no turn reports later.
    until("the answer is counted", async || stats(&pool).await.status_2xx > 0).await;
    assert_eq!(counted().await, (3, 1, 3));
}

#[tokio::test]
async fn a_worker_that_comes_back_is_told() {
    let api = Hostile::new(10).start();
    let (pool, barrier) = blocking(api.url());
    let pool = pool.workers(2).build().unwrap();
    let mut events = pool.events();
    let blocked = ask(&pool, marked());
    let mut told = HashSet::new();
    soon("both events of one worker", async {
        loop {
            match events.recv().await.unwrap() {
                Event::WorkerBlocked { worker, .. } => {
                    told.insert(worker);
                    barrier.0.open();
                }
                Event::WorkerBack { worker, .. } => break assert!(told.contains(&worker)),
                _ => {}
            }
        }
    })
    .await;
    assert!(answer(blocked).await.is_ok());
}
