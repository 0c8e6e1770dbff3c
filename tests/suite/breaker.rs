//! The circuit breaker over real sockets: when it opens, what a call meets then, who is
//! the probe, and how it closes.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    hostile::{Answer, Hostile},
    raw_server::{Peer, RawServer},
    soon,
};
use futures::{future::join_all, poll};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};
use vantage_api_pool::{
    AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Request, Response,
    events::{Event, Outcome},
    retry::{BreakerState, CircuitBreaker},
    stats::Stats,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BROKEN: &[u8] = b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// For how long a breaker is open the first time whose open time is waited for. Nothing is done
/// within it: a busy machine may take longer for anything.
const OPEN_TIME: Duration = Duration::from_millis(300);
/// Far longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

/// Opens after four failures, for [`OPEN_TIME`].
fn eager() -> CircuitBreaker {
    CircuitBreaker::default().minimum_calls(4).open_time(OPEN_TIME)
}

/// Opens after four failures, and stays open.
fn lasting() -> CircuitBreaker {
    eager().open_time(LONG).max_open_time(LONG)
}

/// A pool with this breaker that makes one attempt for each call.
fn guarded(url: String, breaker: CircuitBreaker) -> PoolBuilder {
    let pool = AwwPool::builder(url).workers(2).max_attempts(1).circuit_breaker(breaker);
    // A worker that seems to be blocked would lose its calls, and callbacks their thread.
    pool.heartbeat_timeout(Duration::from_secs(10))
}

async fn get(pool: &AwwPool) -> Result<Response, Error> {
    soon("an answer", pool.get("/rows")).await
}

fn spawn_get(pool: &AwwPool) -> JoinHandle<Result<Response, Error>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.get("/rows").await })
}

/// Makes calls until the breaker is open, one after the other, and returns how many were sent.
async fn open(pool: &AwwPool) -> usize {
    for sent in 0..1_000 {
        let error = get(pool).await.expect_err("the server fails");
        if error.kind() == ErrorKind::CircuitOpen {
            return sent;
        }
    }
    panic!("the breaker does not open");
}

/// Makes the calls that open an [`eager`] breaker, and no other.
async fn trip(pool: &AwwPool) {
    for _ in 0..4 {
        assert_eq!(get(pool).await.unwrap_err().kind(), ErrorKind::Status);
    }
}

/// The statistics that count so many attempts: a worker without a turn is late to report.
async fn counted(pool: &AwwPool, attempts: u64) -> Stats {
    soon("all attempts are counted", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if stats.attempts >= attempts {
                return stats;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await
}

/// Waits until so many events of a kind were told.
async fn until(
    mut count: usize,
    events: &mut broadcast::Receiver<Event>,
    is_wanted: fn(&Event) -> bool,
) {
    soon("the events", async {
        while count > 0 {
            count -= usize::from(is_wanted(&events.recv().await.expect("the pool tells")));
        }
    })
    .await;
}

fn is_cancelled(event: &Event) -> bool {
    matches!(event, Event::AttemptEnded { outcome: Outcome::Cancelled, .. })
}

/// A server that behaves as it is told while it runs.
struct Moody {
    server: RawServer,
    mood: watch::Sender<Mood>,
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    /// Answers with 500.
    Broken,
    /// Answers so many requests since its start with 500, and further ones not at all as long as
    /// it lasts.
    BrokenUpTo(usize),
    /// Answers nothing as long as it lasts.
    Silent,
}

impl Mood {
    /// Whether the request with this number, from 0, is answered.
    fn answers(self, number: usize) -> bool {
        match self {
            Self::Well | Self::Broken => true,
            Self::BrokenUpTo(requests) => number < requests,
            Self::Silent => false,
        }
    }
}

impl Moody {
    fn start(mood: Mood) -> Self {
        let mood = watch::Sender::new(mood);
        let moods = mood.subscribe();
        let requests = Arc::new(AtomicUsize::new(0));
        let server =
            RawServer::start(move |peer| serve(peer, moods.clone(), Arc::clone(&requests)));
        Self { server, mood }
    }

    fn turn(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    fn requests(&self) -> usize {
        self.server.seen().heads.len()
    }
}

async fn serve(mut peer: Peer, mut moods: watch::Receiver<Mood>, requests: Arc<AtomicUsize>) {
    while peer.request().await.is_some() {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let mood = tokio::select! {
            mood = moods.wait_for(|mood| mood.answers(number)) => mood.map(|mood| *mood),
            () = peer.closed() => return,
        };
        let answer = match mood {
            Ok(Mood::Well) => OK,
            Ok(_) => BROKEN,
            Err(_) => return,
        };
        peer.write(answer).await;
    }
}

#[tokio::test]
async fn faults_45_an_open_breaker_sends_nothing_then_exactly_one_probe_and_closes_when_it_is_answered()
 {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), lasting()).build().unwrap();
    assert_eq!(open(&pool).await, 4);
    for refused in soon("all refused", join_all((0..20).map(|_| pool.get("/rows")))).await {
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::CircuitOpen, Delivery::NotSent));
        let wait = error.retry_after().expect("a wait is named");
        assert!((LONG / 2..=LONG).contains(&wait), "{error}");
        assert!(error.attempts() == 0 && error.is_retryable(), "{error}");
    }
    assert_eq!(counted(&pool, 4).await.breaker_refusals, 21);
    assert_eq!(api.requests(), 4);

    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager()).build().unwrap();
    let mut events = pool.events();
    trip(&pool).await;
    api.turn(Mood::Silent);
    tokio::time::sleep(OPEN_TIME).await;
    let probe = spawn_get(&pool);
    api.server.wait_for(|seen| seen.heads.len() == 5).await;
    for refused in soon("all refused", join_all((0..20).map(|_| pool.get("/rows")))).await {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::CircuitOpen);
    }
    assert_eq!(pool.stats().await.unwrap().breaker, BreakerState::HalfOpen);
    assert_eq!(api.requests(), 5);

    api.turn(Mood::Well);
    assert!(soon("the probe's answer", probe).await.unwrap().is_ok());
    let answers = soon("all answers", join_all((0..20).map(|_| pool.get("/rows")))).await;
    assert!(answers.iter().all(Result::is_ok));
    let stats = counted(&pool, 25).await;
    assert_eq!((stats.breaker, stats.breaker_openings), (BreakerState::Closed, 1));
    assert_eq!((stats.breaker_refusals, stats.attempts), (20, 25));

    let mut changes = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::BreakerChanged { from, to, open_for, .. } = event {
            changes.push((from, to, open_for));
        }
    }
    assert_eq!(
        changes,
        [
            (BreakerState::Closed, BreakerState::Open, Some(OPEN_TIME)),
            (BreakerState::Open, BreakerState::HalfOpen, None),
            (BreakerState::HalfOpen, BreakerState::Closed, None),
        ]
    );
}

#[tokio::test]
async fn of_many_calls_that_come_when_the_open_time_is_over_one_is_the_probe() {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager()).workers(4).build().unwrap();
    trip(&pool).await;
    api.turn(Mood::Silent);
    tokio::time::sleep(OPEN_TIME).await;
    let calls: Vec<_> = (0..200).map(|_| spawn_get(&pool)).collect();
    let until_all_but_one = async {
        while calls.iter().filter(|call| !call.is_finished()).count() != 1 {
            tokio::time::sleep(millis(5)).await;
        }
    };
    soon("all but one refused", until_all_but_one).await;
    api.server.wait_for(|seen| seen.heads.len() >= 5).await;
    assert_eq!(api.requests(), 5);
    api.turn(Mood::Well);
    let answers = soon("all answers", join_all(calls)).await;
    assert_eq!(answers.iter().filter(|answer| answer.as_ref().unwrap().is_ok()).count(), 1);
}

#[tokio::test]
async fn accept_61_a_probe_that_fails_opens_the_breaker_for_longer() {
    let api = Moody::start(Mood::Broken);
    let breaker = eager().growth(3.0).max_open_time(millis(1_000));
    let pool = guarded(api.server.url(), breaker).build().unwrap();
    let mut events = pool.events();
    trip(&pool).await;
    for (sent, open_time) in (5..8).zip([300, 900, 1_000]) {
        tokio::time::sleep(millis(open_time)).await;
        assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
        assert_eq!(api.requests(), sent);
    }
    let times: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            Event::BreakerChanged { open_for, .. } => open_for,
            _ => None,
        })
        .collect();
    assert_eq!(times, [300, 900, 1_000, 1_000].map(millis));

    let api = Moody::start(Mood::Broken);
    let breaker = eager().growth(100_000.0).max_open_time(LONG);
    let pool = guarded(api.server.url(), breaker).build().unwrap();
    trip(&pool).await;
    tokio::time::sleep(OPEN_TIME).await;
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
    let refused = get(&pool).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CircuitOpen);
    assert!(refused.retry_after().is_some_and(|wait| wait > LONG / 2), "{refused}");
    assert_eq!(api.requests(), 5);
}

#[tokio::test]
async fn faults_45_a_cancelled_probe_frees_its_place() {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager()).build().unwrap();
    trip(&pool).await;
    api.turn(Mood::Silent);
    tokio::time::sleep(OPEN_TIME).await;
    let probe = spawn_get(&pool);
    api.server.wait_for(|seen| seen.heads.len() == 5).await;
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    let mut events = pool.events();
    probe.abort();
    until(1, &mut events, is_cancelled).await;
    api.turn(Mood::Well);
    assert!(get(&pool).await.is_ok());
    let stats = counted(&pool, 6).await;
    assert_eq!((stats.breaker, stats.cancelled), (BreakerState::Closed, 1));
}

#[tokio::test]
async fn a_probe_whose_worker_dies_frees_its_place() {
    let api = Moody::start(Mood::Broken);
    let is_deadly = Arc::new(AtomicUsize::new(0));
    let deaths = Arc::clone(&is_deadly);
    let pool = guarded(api.server.url(), eager())
        .with_auth_callback(
            1,
            || async { Ok::<_, std::io::Error>("token") },
            move |request, _| {
                let take = |left: usize| left.checked_sub(1);
                if deaths.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                    actix::Arbiter::current().stop();
                }
                request
            },
        )
        .build()
        .unwrap();
    trip(&pool).await;
    api.turn(Mood::Well);
    is_deadly.store(1, Ordering::SeqCst);
    tokio::time::sleep(OPEN_TIME).await;
    // The call runs again on another worker, where it is the probe.
    assert!(get(&pool).await.is_ok());
    // The end of a worker may be noticed after its call has run again.
    let restarted = async { while pool.stats().await.unwrap().worker_restarts == 0 {} };
    soon("the restart", restarted).await;
    let stats = pool.stats().await.unwrap();
    assert_eq!((stats.breaker, stats.worker_restarts), (BreakerState::Closed, 1));
}

#[tokio::test]
async fn accept_61_answers_below_500_and_429_never_open_the_breaker() {
    for status in [400, 401, 403, 404, 408, 429] {
        let api = Hostile::new(10).on_any(Answer::Status(status)).start();
        let pool = guarded(api.url(), eager().minimum_calls(1).failure_rate(0.01));
        let pool = pool.build().unwrap();
        for _ in 0..20 {
            assert_eq!(get(&pool).await.unwrap_err().status().unwrap().as_u16(), status);
        }
        assert_eq!(pool.stats().await.unwrap().breaker, BreakerState::Closed);
    }
}

#[tokio::test]
async fn a_503_with_a_retry_after_is_left_to_the_hold() {
    let answer = "HTTP/1.1 503 Busy\r\nretry-after: 0.02\r\ncontent-length: 0\r\n\r\n";
    let server = RawServer::answering(answer);
    let pool = guarded(server.url(), eager()).build().unwrap();
    for _ in 0..20 {
        assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
    }
    let server = RawServer::answering(answer.replace("retry-after", "x-other"));
    assert_eq!(open(&guarded(server.url(), lasting()).build().unwrap()).await, 4);
}

#[tokio::test]
async fn accept_61_failures_of_the_transport_and_timeouts_open_the_breaker() {
    let closing = RawServer::start(|mut peer| async move {
        peer.request().await;
    });
    let truncating = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").await;
    });
    let silent = Moody::start(Mood::Silent);
    let refusing = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for url in [closing.url(), truncating.url(), silent.server.url(), refusing] {
        let pool = guarded(url, lasting()).attempt_timeout(millis(50)).build().unwrap();
        assert_eq!(open(&pool).await, 4);
    }
}

#[tokio::test]
async fn attempts_that_their_callers_cut_short_say_nothing_about_the_api() {
    let api = Moody::start(Mood::Silent);
    let pool = guarded(api.server.url(), eager()).build().unwrap();
    for _ in 0..8 {
        let hasty = pool.request(Request::get("/rows").timeout(millis(20)));
        assert_eq!(soon("an answer", hasty).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    }
    let mut events = pool.events();
    let dropped: Vec<_> = (0..8).map(|_| spawn_get(&pool)).collect();
    until(8, &mut events, |event| matches!(event, Event::AttemptStarted { .. })).await;
    dropped.iter().for_each(JoinHandle::abort);
    until(8, &mut events, is_cancelled).await;
    api.turn(Mood::Well);
    assert!(get(&pool).await.is_ok());
    assert_eq!(pool.stats().await.unwrap().breaker_openings, 0);
}

#[tokio::test]
async fn a_call_that_was_attempted_waits_for_the_probe_and_a_new_one_does_not() {
    let api = Moody::start(Mood::BrokenUpTo(1));
    let pool = guarded(api.server.url(), lasting().minimum_calls(1))
        .max_attempts(3)
        .backoff_base(millis(1))
        .call_timeout(2 * LONG)
        .build()
        .unwrap();
    let mut events = pool.events();
    let patient = spawn_get(&pool);
    let is_open = |event: &Event| matches!(event, Event::BreakerChanged { .. });
    until(1, &mut events, is_open).await;
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert!(!patient.is_finished());
    assert_eq!(api.requests(), 1);
    patient.abort();

    let api = Moody::start(Mood::BrokenUpTo(1));
    let pool = guarded(api.server.url(), eager().minimum_calls(1))
        .max_attempts(3)
        .backoff_base(millis(1))
        .build()
        .unwrap();
    let started = Instant::now();
    let patient = spawn_get(&pool);
    // When the open time is over it is the probe itself.
    api.server.wait_for(|seen| seen.heads.len() == 2).await;
    assert!(started.elapsed() >= OPEN_TIME, "{:?}", started.elapsed());
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    api.turn(Mood::Well);
    assert!(soon("the patient call", patient).await.unwrap().is_ok());
    assert_eq!(api.requests(), 2);
}

#[tokio::test]
async fn a_call_that_was_attempted_does_not_wait_past_its_deadline() {
    let api = Moody::start(Mood::Broken);
    let breaker = eager().minimum_calls(1).open_time(millis(200_000));
    let breaker = breaker.max_open_time(millis(200_000));
    let pool = guarded(api.server.url(), breaker).max_attempts(3).backoff_base(millis(1));
    let pool = pool.build().unwrap();
    let call = pool.request(Request::get("/rows").timeout(millis(100_000)));
    let error = soon("an answer", call).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::CircuitOpen, 1));
    assert_eq!((error.delivery(), error.status().unwrap().as_u16()), (Delivery::Answered, 500));
    let wait = error.retry_after().unwrap();
    assert!(wait > millis(100_000) && wait <= millis(200_000), "{error}");
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(cause.kind(), ErrorKind::Status);
}

#[tokio::test]
async fn calls_that_wait_follow_as_soon_as_the_probe_is_answered() {
    let api = Moody::start(Mood::Silent);
    // A deadline before the end of the place that a probe may have keeps nobody from waiting.
    let pool = guarded(api.server.url(), eager().minimum_calls(1)).call_timeout(millis(50_000));
    let pool = pool.max_attempts(2).backoff_base(millis(1)).build().unwrap();
    let mut events = pool.events();
    let calls: Vec<_> = (0..10).map(|_| spawn_get(&pool)).collect();
    api.server.wait_for(|seen| seen.heads.len() == 10).await;
    api.turn(Mood::BrokenUpTo(10));
    until(10, &mut events, |event| matches!(event, Event::AttemptEnded { .. })).await;
    api.server.wait_for(|seen| seen.heads.len() == 11).await;
    // One of them is the probe, and the others wait for it, not for a time to pass.
    assert_eq!(pool.stats().await.unwrap().breaker, BreakerState::HalfOpen);
    api.turn(Mood::Well);
    let answers = soon("all answers", join_all(calls)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().is_ok()));
    assert_eq!(api.requests(), 20);
}

#[tokio::test]
async fn a_new_call_does_not_queue_behind_the_probe_to_be_told() {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager()).workers(1).connections_per_worker(1);
    let pool = pool.build().unwrap();
    trip(&pool).await;
    api.turn(Mood::Silent);
    tokio::time::sleep(OPEN_TIME).await;
    let probe = spawn_get(&pool);
    api.server.wait_for(|seen| seen.heads.len() == 5).await;
    // The probe has the only connection.
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert!(!probe.is_finished());
    probe.abort();
}

#[tokio::test]
async fn while_one_waits_for_the_probe_those_in_the_queue_are_told_at_once() {
    let api = Moody::start(Mood::Silent);
    let pool = guarded(api.server.url(), lasting().minimum_calls(1))
        .workers(1)
        .connections_per_worker(1)
        .max_attempts(2)
        .backoff_base(millis(1))
        .call_timeout(2 * LONG)
        .build()
        .unwrap();
    let patient = spawn_get(&pool);
    api.server.wait_for(|seen| seen.heads.len() == 1).await;
    // It is in the queue when the breaker opens.
    let mut queued = pin!(pool.get("/rows"));
    assert!(poll!(queued.as_mut()).is_pending());
    api.turn(Mood::Broken);
    let error = soon("an answer", queued).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::CircuitOpen, 0));
    assert!(!patient.is_finished());
    assert_eq!(api.requests(), 1);
    patient.abort();
}

#[tokio::test]
async fn without_a_breaker_every_call_is_sent() {
    let api = Moody::start(Mood::Broken);
    let pool = AwwPool::builder(api.server.url()).max_attempts(1).build().unwrap();
    for _ in 0..300 {
        assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
    }
    assert_eq!(api.requests(), 300);
}

#[tokio::test]
async fn minimum_calls_and_failure_rate_say_when_it_opens() {
    for (minimum, rate, sent) in [(1, 1.0, 1), (10, 1.0, 10), (6, 0.5, 6), (6, 0.4, 6)] {
        let api = Moody::start(Mood::Well);
        let breaker = lasting().minimum_calls(minimum).failure_rate(rate);
        let pool = guarded(api.server.url(), breaker).build().unwrap();
        // Three of the first six are answered where the rate leaves room for that.
        let good = if rate < 1.0 { 3 } else { 0 };
        for _ in 0..good {
            get(&pool).await.unwrap();
        }
        api.turn(Mood::Broken);
        assert_eq!(good + open(&pool).await, sent, "{minimum} {rate}");
    }
    // With three good ones, two thirds are bad only after six bad ones.
    let api = Moody::start(Mood::Well);
    let breaker = lasting().failure_rate(0.66);
    let pool = guarded(api.server.url(), breaker).build().unwrap();
    for _ in 0..3 {
        get(&pool).await.unwrap();
    }
    api.turn(Mood::Broken);
    assert_eq!(open(&pool).await, 6);
}

#[tokio::test]
async fn failures_older_than_the_window_do_not_count() {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager().window(millis(50))).build().unwrap();
    for _ in 0..8 {
        assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
        tokio::time::sleep(millis(25)).await;
    }
    let pool = guarded(api.server.url(), lasting()).build().unwrap();
    assert_eq!(open(&pool).await, 4);
}

#[tokio::test]
async fn failure_statuses_are_those_that_count() {
    let api = Moody::start(Mood::Broken);
    let pool = guarded(api.server.url(), eager().failure_statuses([502, 503])).build().unwrap();
    for _ in 0..20 {
        assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::Status);
    }
    let pool = guarded(api.server.url(), lasting().failure_statuses([500])).build().unwrap();
    assert_eq!(open(&pool).await, 4);
}

#[tokio::test]
async fn a_breaker_out_of_range_is_refused_when_the_pool_is_built() {
    let invalid = AwwPool::builder("http://localhost").circuit_breaker(eager().failure_rate(1.5));
    let error = invalid.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("circuit_breaker: failure_rate"), "{error}");
}

#[tokio::test]
async fn with_a_health_check_no_call_is_the_probe_and_the_breaker_closes_without_one() {
    // The first check fails, and the second one has no answer yet.
    let api = Moody::start(Mood::BrokenUpTo(5));
    let breaker = eager().health_check("/health?from=pool");
    let pool = guarded(api.server.url(), breaker).build().unwrap();
    let mut events = pool.events();
    trip(&pool).await;
    // The first check opens the breaker again.
    until(2, &mut events, |event| {
        matches!(event, Event::BreakerChanged { to: BreakerState::Open, .. })
    })
    .await;
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    api.turn(Mood::Well);
    until(1, &mut events, |event| {
        matches!(event, Event::BreakerChanged { to: BreakerState::Closed, .. })
    })
    .await;
    let probes = api.server.seen().heads.split_off(4);
    assert_eq!(probes.len(), 2);
    assert!(
        probes.iter().all(|(_, head)| head.starts_with("GET /health?from=pool ")),
        "{probes:?}"
    );
    get(&pool).await.unwrap();
}

#[tokio::test]
async fn while_a_health_check_is_out_calls_fail_at_once_and_those_that_wait_follow_its_answer() {
    let api = Moody::start(Mood::Silent);
    let breaker = eager().minimum_calls(1).health_check("/health");
    let builder = guarded(api.server.url(), breaker).max_attempts(3).backoff_cap(millis(1));
    let pool = builder.build().unwrap();
    let mut events = pool.events();
    let waiting: Vec<_> = (0..4).map(|_| spawn_get(&pool)).collect();
    api.server.wait_for(|seen| seen.heads.len() == 4).await;
    // The first of their attempts to fail opens the breaker, and all wait with their second.
    api.turn(Mood::BrokenUpTo(4));
    until(1, &mut events, |event| {
        matches!(event, Event::BreakerChanged { to: BreakerState::Open, .. })
    })
    .await;
    until(1, &mut events, |event| {
        matches!(event, Event::BreakerChanged { to: BreakerState::HalfOpen, .. })
    })
    .await;
    assert_eq!(get(&pool).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    api.turn(Mood::Well);
    for answer in soon("all answers", join_all(waiting)).await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn shutting_down_ends_the_health_checks() {
    let api = Moody::start(Mood::BrokenUpTo(4));
    let pool = guarded(api.server.url(), eager().health_check("/health")).build().unwrap();
    trip(&pool).await;
    // A check is under way, so that none comes to the server later than it was sent.
    api.server.wait_for(|seen| seen.heads.len() == 5).await;
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    api.turn(Mood::Broken);
    tokio::time::sleep(millis(800)).await;
    assert_eq!(api.requests(), 5);
}

#[test]
fn a_health_check_that_is_no_target_is_refused_by_its_name() {
    for target in ["/../health", "/health\r\nhost: elsewhere"] {
        let breaker = CircuitBreaker::default().health_check(target);
        let error = guarded("http://127.0.0.1:1/v1".into(), breaker).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{target}");
        assert!(error.to_string().contains("health_check"), "{error}");
    }
}
