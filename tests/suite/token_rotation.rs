//! Which token a call goes out with: what the API says of one token costs the others
//! nothing, and each has a rate limit of its own if it is given one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use crate::support::{raw_server::RawServer, soon};
use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::sync::broadcast;
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, Response,
    events::Event,
    tokens::{StaticTokens, bearer},
};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A pool whose workers never seem to be blocked: a call that such a one loses takes the turn of
/// another token.
fn builder(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url()).heartbeat_timeout(Duration::from_secs(10))
}

/// An API that answers as `answer` says to the n-th request with a token, from 1, and notes
/// when each arrived.
struct Api {
    server: RawServer,
    seen: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Api {
    fn start(answer: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        let server = RawServer::start(move |mut peer| {
            let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
            async move {
                while let Some(head) = peer.head().await {
                    let bearer =
                        head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
                    let token = bearer.unwrap_or("none").to_owned();
                    let answer = {
                        let mut noted = noted.lock().unwrap();
                        noted.push((token.clone(), Instant::now()));
                        let nth = noted.iter().filter(|(other, _)| *other == token).count();
                        answer(&token, nth)
                    };
                    peer.write(format!("HTTP/1.1 {answer}content-length: 0\r\n\r\n").as_bytes())
                        .await;
                }
            }
        });
        Self { server, seen }
    }

    fn pool(&self, tokens: &[&str]) -> PoolBuilder {
        builder(&self.server).backoff_base(millis(1)).token_source(
            tokens.len(),
            StaticTokens::new(tokens.iter().copied()),
            bearer,
        )
    }

    /// The tokens, in the order they came.
    fn tokens(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(token, _)| token.clone()).collect()
    }

    /// How often each token was seen.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for token in self.tokens() {
            *counts.entry(token).or_default() += 1;
        }
        counts
    }

    /// How long after `start` the requests with each token came.
    fn arrivals(&self, start: Instant) -> BTreeMap<String, Vec<Duration>> {
        let seen = self.seen.lock().unwrap();
        let mut arrivals = BTreeMap::<String, Vec<Duration>>::new();
        for (token, at) in seen.iter() {
            arrivals.entry(token.clone()).or_default().push(*at - start);
        }
        arrivals
    }
}

const OK: &str = "200 OK\r\n";

fn too_many(seconds: u64) -> String {
    format!("429 Too Many Requests\r\nretry-after: {seconds}\r\n")
}

async fn get_many(pool: &AwwPool, calls: usize) -> Vec<Result<Response, Error>> {
    soon("every call is answered", join_all((0..calls).map(|_| pool.get("/")))).await
}

/// Makes three calls one after the other, after which three tokens are there. While one of them is
/// acquired the others serve.
async fn warm_up(pool: &AwwPool) {
    for _ in 0..3 {
        soon("a call", pool.get("/")).await.unwrap();
    }
}

/// The holds that were told, of tokens and, as `None`, of the whole API.
fn holds(events: &mut broadcast::Receiver<Event>) -> Vec<(Option<usize>, u64)> {
    let told = std::iter::from_fn(|| events.try_recv().ok());
    let holds = told.filter_map(|event| match event {
        Event::TokenHeld { slot, wait, .. } => Some((Some(slot), wait.as_secs())),
        Event::HoldSet { wait, .. } => Some((None, wait.as_secs())),
        _ => None,
    });
    holds.collect()
}

#[tokio::test]
async fn a_429_holds_its_token_and_calls_go_on_with_the_others() {
    // For longer than anything is waited for.
    let api = Api::start(|token, _| if token == "a" { too_many(200) } else { OK.into() });
    let pool = api.pool(&["a", "b", "c"]).build().unwrap();
    let mut events = pool.events();
    // One after the other, until each token is there.
    for _ in 0..4 {
        soon("a call", pool.get("/")).await.unwrap();
    }
    assert!(get_many(&pool, 60).await.iter().all(Result::is_ok));
    let counts = api.counts();
    assert_eq!((counts["a"], counts["b"] + counts["c"]), (1, 64));
    assert!(counts["b"].abs_diff(counts["c"]) <= 2, "{counts:?}");
    assert_eq!(holds(&mut events), [(Some(0), 200)]);
}

#[tokio::test]
async fn a_429_that_holds_its_token_slows_nobody_else_and_one_that_holds_none_does() {
    let alone = "429 Too Many Requests\r\n".to_owned();
    for (refusal, is_of_the_api) in [(too_many(30), false), (alone, true)] {
        let first = Mutex::new(Some(refusal));
        let api = Api::start(move |_, _| first.lock().unwrap().take().unwrap_or_else(|| OK.into()));
        let pool = api.pool(&["a", "b"]).use_dampener(true).build().unwrap();
        soon("an answer", pool.get("/")).await.unwrap();
        let rate = pool.stats().await.unwrap().rate;
        assert_eq!(rate.is_some(), is_of_the_api, "{rate:?}");
    }
}

#[tokio::test]
async fn when_all_tokens_are_held_a_call_waits_for_the_one_that_is_free_first() {
    let api = Api::start(|token, nth| match (token, nth) {
        ("a", 1) => too_many(30),
        ("b", 1) => too_many(1),
        _ => OK.into(),
    });
    let pool = api.pool(&["a", "b"]).build().unwrap();
    let started = Instant::now();
    soon("an answer", pool.get("/")).await.unwrap();
    assert!(started.elapsed() >= millis(990), "{:?}", started.elapsed());
    assert_eq!(api.tokens(), ["a", "b", "b"]);
    // A new call finds the free one, and one that cannot wait says how long it would have.
    soon("an answer", pool.get("/")).await.unwrap();
    assert_eq!(api.tokens(), ["a", "b", "b", "b"]);
}

#[tokio::test]
async fn a_call_that_finds_all_tokens_held_for_too_long_fails_at_once() {
    let api = Api::start(|_, _| too_many(290));
    let pool = api.pool(&["a", "b"]).build().unwrap();
    // Longer than the answer is waited for.
    let hasty = || Request::get("/").timeout(Duration::from_secs(100));
    for _ in 0..3 {
        let error = soon("an answer", pool.request(hasty())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        let wait = error.retry_after().unwrap();
        assert!(wait > millis(100_000) && wait <= millis(290_000), "{error}");
    }
    assert_eq!(api.tokens(), ["a", "b"], "nothing is sent while they are held");
}

#[tokio::test]
async fn a_hold_beyond_what_is_accepted_is_an_error_when_it_is_that_of_all_tokens() {
    let api = Api::start(|_, _| too_many(3_600));
    let answer = async {
        loop {
            let pool = api.pool(&["a", "b"]).build().unwrap();
            api.seen.lock().unwrap().clear();
            let started = Instant::now();
            let error = pool.get("/").await.unwrap_err();
            // A second later the first hold is known as one of less than what was asked for.
            if started.elapsed() < millis(900) {
                return error;
            }
        }
    };
    let error = soon("an answer in time", answer).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3_600)));
    assert_eq!(api.tokens(), ["a", "b"]);
}

#[tokio::test]
async fn a_503_holds_the_api_and_so_does_the_429_of_the_only_token() {
    let unavailable = "503 Service Unavailable\r\nretry-after: 1\r\n";
    for (answer, tokens) in [(unavailable.to_owned(), &["a", "b"][..]), (too_many(1), &["a"])] {
        let first = Mutex::new(Some(answer));
        let api = Api::start(move |_, _| first.lock().unwrap().take().unwrap_or_else(|| OK.into()));
        let pool = api.pool(tokens).build().unwrap();
        let mut events = pool.events();
        let started = Instant::now();
        soon("an answer", pool.get("/")).await.unwrap();
        assert!(started.elapsed() >= millis(990), "{:?}", started.elapsed());
        assert_eq!(holds(&mut events), [(None, 1)], "{tokens:?}");
    }
}

/// A window of 200 s from now on in which each token has its quota.
fn windowed(quotas: &'static [(&'static str, usize)]) -> impl Fn(&str, usize) -> String {
    // A moment, which is the same for whoever reads it late.
    let reset = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 200;
    move |token, nth| {
        let quota = quotas.iter().find(|(name, _)| *name == token).unwrap().1;
        let left = quota.saturating_sub(nth);
        let head = if nth > quota { "429 Too Many Requests" } else { "200 OK" };
        format!("{head}\r\nx-ratelimit-remaining: {left}\r\nx-ratelimit-reset: {reset}\r\n")
    }
}

#[tokio::test]
async fn the_token_with_the_most_quota_left_goes_first_and_then_they_take_turns() {
    let api = Api::start(windowed(&[("a", 10), ("b", 4)]));
    let pool = api.pool(&["a", "b"]).build().unwrap();
    for _ in 0..12 {
        soon("an answer", pool.get("/")).await.unwrap();
    }
    // Each once, so that its quota is known; then `a` down to what `b` has.
    let order = ["a", "b", "a", "a", "a", "a", "a", "a", "b", "a", "b", "a"];
    assert_eq!(api.tokens(), order);
}

#[tokio::test]
async fn a_token_whose_quota_is_used_up_is_left_alone_until_the_reset() {
    let api = Api::start(windowed(&[("a", 6), ("b", 3)]));
    let pool = api.pool(&["a", "b"]).build().unwrap();
    let mut events = pool.events();
    for _ in 0..9 {
        soon("an answer", pool.get("/")).await.unwrap();
    }
    let hasty = Request::get("/").timeout(Duration::from_secs(100));
    let error = soon("an answer", pool.request(hasty)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(error.retry_after().unwrap() > Duration::from_secs(150), "{error}");
    assert_eq!(api.counts(), BTreeMap::from([("a".into(), 6), ("b".into(), 3)]));
    let mut holds = holds(&mut events);
    holds.sort_unstable();
    assert_eq!(holds.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert!(holds.iter().all(|(_, wait)| (150..=200).contains(wait)), "{holds:?}");
}

#[tokio::test]
async fn quotas_are_kept_by_many_calls_at_a_time() {
    let api = Api::start(windowed(&[("a", 200), ("b", 100), ("c", 60)]));
    let pool = api.pool(&["a", "b", "c"]).build().unwrap();
    // So that the quotas are known.
    for _ in 0..3 {
        pool.get("/").await.unwrap();
    }
    let calls = futures::stream::iter(0..357).map(|_| pool.get("/")).buffer_unordered(32);
    let answers: Vec<_> = soon("every call", calls.collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(pool.stats().await.unwrap().rate_limited, 0);
    let counts = BTreeMap::from([("a".into(), 200), ("b".into(), 100), ("c".into(), 60)]);
    assert_eq!(api.counts(), counts);
}

/// Fails if by any moment more requests had come with one token than one and `rate` per
/// second. A busy machine can make them late, and never early.
fn assert_rate(arrivals: &BTreeMap<String, Vec<Duration>>, rate: u32) {
    for (token, at) in arrivals {
        for (before, at) in (0u32..).zip(at) {
            let due = Duration::from_secs(1) * before / rate;
            assert!(*at >= due, "{token}: request {before} after {at:?}, not {due:?}");
        }
    }
}

#[tokio::test]
async fn no_token_sends_more_than_its_limit_whatever_the_number_of_workers() {
    join_all([1, 3].map(async |workers| {
        let api = Api::start(|_, _| OK.into());
        let pool = api.pool(&["a", "b", "c"]).workers(workers);
        let pool = pool.rate_limit_per_token("20".parse().unwrap()).build().unwrap();
        let start = Instant::now();
        warm_up(&pool).await;
        let answers = get_many(&pool, 147).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_rate(&api.arrivals(start), 20);
        // The same of each, or nearly so.
        let counts = api.counts();
        assert!(counts.values().all(|count| (45..=55).contains(count)), "{counts:?}");
    }))
    .await;
}

#[tokio::test]
async fn the_limit_of_the_api_holds_beside_those_of_its_tokens() {
    let api = Api::start(|_, _| OK.into());
    let pool = api.pool(&["a", "b", "c"]).rate_limit("30".parse().unwrap());
    let pool = pool.rate_limit_per_token("20".parse().unwrap()).build().unwrap();
    let start = Instant::now();
    warm_up(&pool).await;
    assert!(get_many(&pool, 57).await.iter().all(Result::is_ok));
    assert_rate(&api.arrivals(start), 20);
    let all: Vec<_> = api.seen.lock().unwrap().iter().map(|(_, at)| *at - start).collect();
    assert_rate(&BTreeMap::from([("all".into(), all)]), 30);
    let counts = api.counts();
    assert!(counts.values().all(|count| (15..=25).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn a_call_goes_out_with_the_token_that_may_be_sent_at_once() {
    let api = Api::start(|_, _| OK.into());
    let pool = api.pool(&["a", "b", "c", "d"]);
    // A second request with any of them would be waited for too long.
    let pool = pool.rate_limit_per_token("0.001".parse().unwrap()).build().unwrap();
    for _ in 0..4 {
        soon("an answer", pool.get("/")).await.unwrap();
    }
    assert_eq!(api.tokens(), ["a", "b", "c", "d"]);
    let hasty = Request::get("/").timeout(millis(200));
    let error = soon("an answer", pool.request(hasty)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(api.tokens().len(), 4);
}

#[tokio::test]
async fn a_limited_token_that_is_held_leaves_the_calls_to_the_others() {
    let api = Api::start(|token, _| if token == "a" { too_many(30) } else { OK.into() });
    let pool = api.pool(&["a", "b"]).rate_limit_per_token("50".parse().unwrap()).build().unwrap();
    let start = Instant::now();
    // The answer that holds the token is there before another call may leave with it.
    let mut first = 0;
    while !api.counts().contains_key("a") {
        soon("an answer", pool.get("/")).await.unwrap();
        first += 1;
    }
    assert!(get_many(&pool, 20 - first).await.iter().all(Result::is_ok));
    assert_eq!(api.counts(), BTreeMap::from([("a".into(), 1), ("b".into(), 20)]));
    assert_rate(&api.arrivals(start), 50);
}

#[tokio::test]
async fn a_replay_that_waits_for_its_token_holds_up_nobody_else() {
    let refused = |token: &str| token == "token-1";
    let api = Api::start(move |token, _| match refused(token) {
        true => "401 Unauthorized\r\n".into(),
        false => OK.into(),
    });
    let count = std::sync::atomic::AtomicUsize::new(0);
    let acquire = move || {
        let number = 1 + count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::future::ready(Ok::<_, Error>(format!("token-{number}")))
    };
    let pool = builder(&api.server).rate_limit_per_token("0.15".parse().unwrap());
    let pool = pool.with_auth_callback(2, acquire, bearer).build().unwrap();
    let other = async {
        api.server.wait_for(|seen| seen.heads.len() == 1).await;
        // Time for the replay to come before the limiter, where it waits for more than six seconds.
        tokio::time::sleep(millis(500)).await;
        pool.get("/other").await.unwrap();
    };
    let replayed = async {
        pool.get("/replayed").await.unwrap();
    };
    soon("both answers", async { tokio::join!(replayed, other) }).await;
    assert_eq!((api.tokens().len(), api.counts()["token-1"]), (3, 1));
    let heads = api.server.seen().heads;
    let paths: Vec<_> = heads.iter().map(|(_, head)| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(paths, ["/replayed", "/other", "/replayed"]);
}

#[tokio::test]
async fn calls_that_go_away_take_nothing_from_a_tokens_limit() {
    let api = Api::start(|_, _| OK.into());
    let pool = api.pool(&["a"]).rate_limit_per_token("0.5".parse().unwrap());
    // Who is behind others that leave is not refused for their sake.
    let pool = pool.call_timeout(Duration::from_secs(86_400)).build().unwrap();
    pool.get("/").await.unwrap();
    {
        // Two hundred seconds' worth.
        let mut given_up: FuturesUnordered<_> = (0..100).map(|_| pool.get("/")).collect();
        let _ = tokio::time::timeout(millis(1), given_up.next()).await;
    }
    soon("an answer", pool.get("/")).await.unwrap();
}

#[tokio::test]
async fn a_limit_per_token_is_above_zero_and_needs_tokens() {
    let api = Api::start(|_, _| OK.into());
    let zero = api.pool(&["a"]).rate_limit_per_token("0".parse().unwrap()).build();
    let without = AwwPool::builder("http://localhost").rate_limit_per_token("1".parse().unwrap());
    for error in [zero.unwrap_err(), without.build().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("rate_limit_per_token"), "{error}");
    }
}
