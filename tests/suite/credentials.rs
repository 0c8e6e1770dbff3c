//! Handles of one pool with credentials of their own: each call goes out with the tokens of the
//! handle that it was made with, and what happens to one set of tokens is nothing to another.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    hostile::{Answer, Hostile, HostileServer},
    raw_server::RawServer,
    soon,
};
use futures::{
    StreamExt, TryStreamExt,
    future::{LocalBoxFuture, join, join_all},
};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PaginatedStream, PoolApi, PoolBuilder, Request, Token,
    events::Event,
    retry::Hedge,
    tokens::{Credentials, StaticTokens, TokenSource, bearer},
    vantage::Writes,
};
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Record};

const OK: &str = "200 OK\r\ncontent-length: 2\r\n\r\nok";
const REFUSED: &str = "401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

type AcquireError = Box<dyn std::error::Error + Send + Sync>;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn builder(url: String) -> PoolBuilder {
    // A worker that seems to be blocked would take the callbacks off its thread.
    AwwPool::builder(url).heartbeat_timeout(millis(10_000)).backoff_base(millis(1))
}

/// Puts a token into a request. The worker dies of each new mark on one.
fn mortal() -> impl Fn(Request, &str) -> Result<Request, Error> + Send + Sync + 'static {
    let marks = Mutex::new(HashSet::new());
    move |request, token| {
        let mark = request.headers().get("x-mark");
        if mark.is_some_and(|mark| marks.lock().unwrap().insert(mark.clone())) {
            actix::Arbiter::current().stop();
        }
        bearer(request, token)
    }
}

/// Somebody with tokens of its own, `blue.1`, `blue.2` and so on, who says in each target whose
/// call it is.
#[derive(Clone)]
struct Party {
    name: String,
    acquired: Arc<AtomicUsize>,
}

impl Party {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), acquired: Arc::default() }
    }

    fn credentials(&self, tokens: usize) -> Credentials {
        Credentials::from_source(tokens, self.clone(), mortal())
    }

    /// The target with the name of the party in it.
    fn target(&self, path: &str) -> String {
        format!("{path}?of={}", self.name)
    }

    fn acquired(&self) -> usize {
        self.acquired.load(Ordering::SeqCst)
    }
}

impl TokenSource for Party {
    fn acquire(&self, _: usize) -> LocalBoxFuture<'_, Result<Token, AcquireError>> {
        let number = self.acquired.fetch_add(1, Ordering::SeqCst) + 1;
        let token = Token::new(format!("{}.{number}", self.name));
        // As from a server that takes a moment.
        Box::pin(async {
            tokio::time::sleep(millis(20)).await;
            Ok(token)
        })
    }
}

/// A pool and two handles of it, each with a party and so many tokens.
fn three(builder: PoolBuilder, tokens: usize) -> [(Party, AwwPool); 3] {
    let [own, blue, green] = ["pool", "blue", "green"].map(Party::new);
    let pool = builder.token_source(tokens, own.clone(), mortal()).build().unwrap();
    let handle = |party: &Party| pool.with_credentials(party.credentials(tokens)).unwrap();
    let (of_blue, of_green) = (handle(&blue), handle(&green));
    [(own, pool), (blue, of_blue), (green, of_green)]
}

/// Who made a request, as its target says, and the token that came with it.
fn origin(head: &str) -> (String, String) {
    let target = head.split(' ').nth(1).unwrap();
    let of = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("of=")).unwrap();
    let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    (of.to_owned(), token.unwrap_or("none").to_owned())
}

/// Whether the token is one of the party's.
fn is_own((of, token): &(String, String)) -> bool {
    token.strip_prefix(of.as_str()).is_some_and(|rest| rest.starts_with('.'))
}

/// Answers each request as `answer` says of its head, who made it and its token.
fn api(answer: impl Fn(&str, &str, &str) -> String + Send + Sync + 'static) -> RawServer {
    let answer = Arc::new(answer);
    RawServer::start(move |mut peer| {
        let answer = Arc::clone(&answer);
        async move {
            while let Some((head, _)) = peer.head_and_body().await {
                let (of, token) = origin(&head);
                let answer = answer(&head, &of, &token);
                if head.contains(" /slow") {
                    peer.pause(millis(30)).await;
                }
                peer.write(format!("HTTP/1.1 {answer}").as_bytes()).await;
                if head.contains(" /cut") {
                    return;
                }
            }
        }
    })
}

/// How often each token was seen. No party came with the token of another.
fn tokens(origins: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for origin in origins {
        assert!(is_own(&origin), "{origin:?}");
        *counts.entry(origin.1).or_default() += 1;
    }
    counts
}

fn tokens_at(api: &RawServer) -> BTreeMap<String, usize> {
    tokens(api.seen().heads.iter().map(|(_, head)| origin(head)))
}

fn tokens_at_pages(api: &HostileServer) -> BTreeMap<String, usize> {
    let origins = |log: &crate::support::hostile::Log| -> Vec<_> {
        let seen = log.seen.iter().map(|seen| {
            let bearer = seen.header("authorization").unwrap_or("none").replace("Bearer ", "");
            (seen.param("of").unwrap().to_owned(), bearer)
        });
        seen.collect()
    };
    tokens(api.log(origins))
}

fn expected<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(token, count)| (token.to_owned(), count)).into()
}

/// Makes so many calls of each party, all at a time.
async fn calls(parties: &[(Party, AwwPool)], each: usize) {
    let call = async |(party, pool): &(Party, AwwPool)| pool.get(party.target("/rows")).await;
    let calls = (0..each).flat_map(|_| parties.iter().map(call));
    for answer in soon("every answer", join_all(calls)).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn accept_65_clones_with_their_own_credentials_share_one_pool() {
    let api = Hostile::new(95).start();
    let pool = builder(api.url()).workers(2).connections_per_worker(2);
    let parties = three(pool, 1);
    let read = async |(party, pool): &(Party, AwwPool)| -> Vec<_> {
        let rows = PaginatedStream::get(pool.clone(), party.target("/rows"));
        rows.prefetch(8).try_collect().await.unwrap()
    };
    let reads = soon("every row", join_all(parties.iter().map(read)));
    let (reads, ()) = join(reads, calls(&parties, 50)).await;
    assert!(reads.iter().all(|rows| *rows == api.rows()));
    let all = 10 + 50;
    assert_eq!(
        tokens_at_pages(&api),
        expected([("pool.1", all), ("blue.1", all), ("green.1", all)])
    );
    assert!(parties.iter().all(|(party, _)| party.acquired() == 1));
    assert!(api.log(|log| log.max_in_flight) <= 4, "they share the connections");
    let stats = soon("the statistics", parties[1].1.stats()).await.unwrap();
    assert_eq!((stats.calls_ok, stats.token_refreshes), (180, 3));
    soon("the end", parties[0].1.shutdown(Duration::ZERO)).await;
    let late = parties[2].1.get("/rows?of=green").await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn accept_65_a_401_of_one_is_nothing_to_the_tokens_of_others() {
    let api = api(|_, _, token| if token == "blue.1" { REFUSED } else { OK }.into());
    let parties = three(builder(api.url()).workers(3), 1);
    calls(&parties, 100).await;
    let counts = tokens_at(&api);
    assert_eq!((counts["pool.1"], counts["green.1"], counts["blue.2"]), (100, 100, 100));
    assert!((1..=100).contains(&counts["blue.1"]), "{counts:?}");
    assert_eq!(parties.map(|(party, _)| party.acquired()), [1, 2, 1]);
}

#[tokio::test]
async fn accept_65_whoever_declares_a_token_void_means_its_own() {
    let api = api(|_, _, _| OK.into());
    let parties = three(builder(api.url()), 2);
    calls(&parties, 10).await;
    parties[1].1.clone().invalidate_token(0).await.unwrap();
    calls(&parties, 10).await;
    assert_eq!(parties.each_ref().map(|(party, _)| party.acquired()), [2, 3, 2]);
    parties[0].1.invalidate_token(1).await.unwrap();
    calls(&parties, 10).await;
    assert_eq!(parties.each_ref().map(|(party, _)| party.acquired()), [3, 3, 2]);
    let error = parties[2].1.invalidate_token(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    soon("the end", parties[0].1.shutdown(Duration::ZERO)).await;
    let late = parties[2].1.invalidate_token(0).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ShuttingDown);
    tokens_at(&api);
}

#[tokio::test]
async fn accept_65_a_429_holds_the_tokens_of_its_own_handle_and_no_others() {
    let api = api(|_, _, token| match token {
        "blue.1" => "429 Busy\r\nretry-after: 290\r\ncontent-length: 0\r\n\r\n".into(),
        _ => OK.into(),
    });
    let parties = three(builder(api.url()), 1);
    let mut events = parties[0].1.events();
    let hasty = Request::get("/rows?of=blue").timeout(Duration::from_secs(100));
    let error = soon("an answer", parties[1].1.request(hasty.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    calls(&[parties[0].clone(), parties[2].clone()], 20).await;
    let error = soon("an answer", parties[1].1.request(hasty)).await.unwrap_err();
    assert!(error.retry_after().unwrap() > Duration::from_secs(100), "{error}");
    let expected = expected([("pool.1", 20), ("blue.1", 1), ("green.1", 20)]);
    assert_eq!(tokens_at(&api), expected, "nothing is sent while it is held");
    let told = std::iter::from_fn(|| events.try_recv().ok());
    let holds: Vec<_> = told
        .filter(|event| matches!(event, Event::TokenHeld { .. } | Event::HoldSet { .. }))
        .collect();
    assert!(matches!(holds[..], [Event::TokenHeld { slot: 0, .. }]), "{holds:?}");
}

#[tokio::test]
async fn accept_65_a_429_that_asks_for_too_long_ends_a_call_of_any_handle_at_once() {
    let api = api(|_, _, _| "429 Busy\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n".into());
    for longest in [Duration::ZERO, millis(1), Duration::from_secs(5)] {
        let parties = three(builder(api.url()).max_retry_after(longest), 1);
        for (party, pool) in parties.iter().rev() {
            let error = soon("an answer", pool.get(party.target("/rows"))).await.unwrap_err();
            let told = (error.kind(), error.attempts(), error.retry_after());
            let expected = (ErrorKind::RateLimited, 1, Some(Duration::from_secs(9)));
            assert_eq!(told, expected, "{longest:?}: {error}");
        }
    }
    tokens_at(&api);
}

#[tokio::test]
async fn accept_65_an_acquire_that_fails_hangs_or_panics_is_an_error_of_its_own_calls_alone() {
    #[derive(Clone, Copy, Debug)]
    enum Trouble {
        Error,
        Hang,
        Panic,
    }
    let api = api(|_, _, _| OK.into());
    let limit = millis(300);
    let parties = three(builder(api.url()).acquire_timeout(limit), 1);
    for trouble in [Trouble::Error, Trouble::Hang, Trouble::Panic] {
        let acquired = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&acquired);
        let acquire = move || {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                match trouble {
                    Trouble::Error => Err::<String, _>("the token server is down"),
                    Trouble::Hang => std::future::pending().await,
                    Trouble::Panic => panic!("trouble"),
                }
            }
        };
        let credentials = Credentials::from_callback(1, acquire, bearer);
        let broken = parties[0].1.with_credentials(credentials).unwrap();
        let start = Instant::now();
        let failing = join_all((0..50).map(|_| broken.get("/rows?of=broken")));
        let (failed, ()) = soon("all answers", join(failing, calls(&parties, 20))).await;
        for answer in failed {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Token, "{trouble:?}: {error}");
        }
        // The shortest rest is 100 ms, and those who come after it ask again.
        let most = 1 + start.elapsed().as_millis() as usize / 100;
        let acquired = acquired.load(Ordering::SeqCst);
        assert!((1..=most).contains(&acquired), "{trouble:?}: {acquired}: one, then a rest");
    }
    assert!(parties.iter().all(|(party, _)| party.acquired() == 1));
    assert_eq!(tokens_at(&api).values().sum::<usize>(), 3 * 3 * 20);
}

#[tokio::test]
async fn accept_65_repeats_hedges_redirects_and_replays_keep_the_credentials_of_their_call() {
    let troubled = Mutex::new(HashSet::new());
    let api = api(move |head, of, token| {
        let path = head.split([' ', '?']).nth(1).unwrap();
        let is_first = troubled.lock().unwrap().insert(format!("{path} {of}"));
        match path {
            "/busy" if is_first => "503 Busy\r\ncontent-length: 0\r\n\r\n".into(),
            "/cut" | "/cut/order" if is_first => "200 OK\r\ncontent-length: 9\r\n\r\nok".into(),
            "/refused" if token.ends_with(".1") || token.ends_with(".2") => REFUSED.into(),
            "/moved" => {
                format!("307 Moved\r\nlocation: /rows?of={of}\r\ncontent-length: 0\r\n\r\n")
            }
            _ => OK.into(),
        }
    });
    let parties = three(builder(api.url()).workers(2), 2);
    let troubles = async |hedge: Option<Hedge>, (party, pool): &(Party, AwwPool)| {
        for path in ["/rows", "/busy", "/slow", "/moved", "/refused", "/cut"] {
            pool.request(Request::get(party.target(path)).hedge(hedge)).await.unwrap();
        }
        let order = Request::post(party.target("/cut/order")).idempotency_key("1").unwrap();
        pool.request(order).await.unwrap();
    };
    // At first without hedges, which bring what would have been a repeat if the answer that fails
    // is late.
    for hedge in [None, Some(5), Some(5), Some(5), Some(5)] {
        let hedge = hedge.map(|delay| Hedge::after(millis(delay)));
        let all = parties.iter().map(|party| troubles(hedge, party));
        soon("every answer", join_all(all)).await;
    }
    soon("nine repeats and a hedge", async {
        loop {
            let stats = parties[0].1.stats().await.unwrap();
            if stats.retries >= 9 && stats.hedges > 0 {
                return;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
    // Two tokens of each party at least, whichever came first.
    assert!(tokens_at(&api).len() >= 6, "{:?}", tokens_at(&api));
}

#[tokio::test]
async fn accept_65_no_call_goes_out_with_the_token_of_another_while_workers_and_pagers_die() {
    let api =
        Hostile::new(200).on_page(7, Answer::Status(503).times(2)).delay(|_| millis(2)).start();
    // Deaths may fall between the two refusals of one page, and each of them costs attempts.
    let builder = builder(api.url()).workers(2).hedge(Hedge::after(millis(5))).max_attempts(100);
    let parties = three(builder, 2);
    let read = async |(number, (party, pool)): (usize, &(Party, AwwPool))| {
        let mut rows = PaginatedStream::get(pool, party.target("/rows")).prefetch(4);
        let mut read = Vec::new();
        while let Some(row) = rows.next().await {
            read.push(row.unwrap());
            if read.len() % 50 == 1 {
                let mark = format!("{number} {}", read.len());
                let marked = Request::get(party.target("/rows")).header("x-mark", &mark);
                pool.request(marked.unwrap()).await.unwrap();
                pool.get(party.target("/rows")).await.unwrap();
            }
        }
        read
    };
    let reads = soon("every row", join_all(parties.iter().enumerate().map(read))).await;
    assert!(reads.iter().all(|rows| *rows == api.rows()));
    // The four of one party die one after the other, those of several may die together.
    let deaths = soon("four deaths", async {
        loop {
            let deaths = parties[0].1.stats().await.unwrap().worker_restarts;
            if deaths >= 4 {
                return deaths;
            }
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
    assert!(deaths <= 12, "{deaths} deaths");
    assert_eq!(tokens_at_pages(&api).len(), 6);
    assert!(parties.iter().all(|(party, _)| party.acquired() == 2));
}

#[tokio::test]
async fn accept_65_handles_get_tokens_from_the_next_manager_when_one_dies() {
    let api = api(|_, _, _| OK.into());
    // The pool itself has no tokens, and no manager before a handle needs one.
    let pool = builder(api.url()).build().unwrap();
    assert!(soon("an answer", pool.get("/rows?of=none")).await.is_ok());
    let tenants = ["blue", "green"].map(|name| {
        let is_first = AtomicBool::new(true);
        let acquire = move || {
            let dies = is_first.swap(false, Ordering::SeqCst);
            async move {
                if dies {
                    actix::Arbiter::current().stop();
                    std::future::pending::<()>().await;
                }
                Ok::<_, Error>(format!("{name}.1"))
            }
        };
        let credentials = Credentials::from_callback(1, acquire, bearer);
        (Party::new(name), pool.with_credentials(credentials).unwrap())
    });
    calls(&tenants[..1], 1).await;
    calls(&tenants, 50).await;
    let of_none = |head: &&(usize, String)| origin(&head.1).0 == "none";
    let heads = api.seen().heads;
    let (without, with): (Vec<_>, Vec<_>) = heads.iter().partition(of_none);
    assert!(without.len() == 1 && origin(&without[0].1).1 == "none");
    let counts = tokens(with.into_iter().map(|(_, head)| origin(head)));
    assert_eq!(counts, expected([("blue.1", 51), ("green.1", 50)]));
}

#[tokio::test]
async fn accept_65_an_acquire_that_blocks_its_thread_takes_no_token_from_other_handles() {
    let refused = Arc::new(AtomicBool::new(false));
    let is_refused = Arc::clone(&refused);
    let api = api(move |_, _, token| match token {
        "green.1" if is_refused.load(Ordering::SeqCst) => REFUSED.into(),
        _ => OK.into(),
    });
    // A thread counts as blocked when both times are over: later than a busy machine leaves it
    // without a turn.
    let builder = builder(api.url()).acquire_timeout(millis(400)).heartbeat_timeout(millis(3_400));
    let parties = three(builder, 1);
    calls(&parties[2..], 1).await;
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (blocked, (enter, mut entered)) = (Mutex::new(blocked), watch::channel(false));
    let acquire = move || {
        enter.send_replace(true);
        let _ = blocked.lock().unwrap().recv_timeout(Duration::from_secs(60));
        std::future::ready(Ok::<_, Error>("late"))
    };
    let credentials = Credentials::from_callback(1, acquire, bearer);
    let broken = parties[0].1.with_credentials(credentials).unwrap();
    let blocking = broken.get("/rows?of=broken");
    let others = async {
        entered.wait_for(|entered| *entered).await.unwrap();
        calls(&parties[2..], 20).await;
        assert_eq!(parties[2].0.acquired(), 1);
    };
    let (answer, ()) = soon("all answers", join(blocking, others)).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Token);
    // Another manager is there for those whose token is refused.
    refused.store(true, Ordering::SeqCst);
    calls(&parties, 20).await;
    assert_eq!(parties.each_ref().map(|(party, _)| party.acquired()), [1, 1, 2]);
    drop(release);
    tokens_at(&api);
}

/// A source whose tokens last for so long that one is sent before its end however busy the machine
/// is, and no longer, since the first renewal is waited for. The second acquire does not end.
struct Watched {
    acquires: watch::Sender<usize>,
    /// Dropped with each acquire.
    running: Arc<()>,
}

impl TokenSource for Watched {
    fn acquire(&self, _: usize) -> LocalBoxFuture<'_, Result<Token, AcquireError>> {
        self.acquires.send_modify(|count| *count += 1);
        let (number, running) = (*self.acquires.borrow(), Arc::clone(&self.running));
        Box::pin(async move {
            if number > 1 {
                std::future::pending::<()>().await;
            }
            drop(running);
            Ok(Token::new("blue.1").expires_in(Duration::from_secs(8)))
        })
    }
}

/// Waits until nobody has `value`.
async fn gone<T>(what: &str, value: &Weak<T>) {
    soon(what, async {
        while value.strong_count() > 0 {
            tokio::time::sleep(millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn accept_65_with_the_last_handle_and_call_of_a_set_its_renewal_ends() {
    let api = Hostile::new(10).closed().start();
    let pool = builder(api.url()).build().unwrap();
    let (acquires, mut acquired) = watch::channel(0);
    let (running, alive) = (Arc::new(()), Arc::new(()));
    let (is_running, is_alive) = (Arc::downgrade(&running), Arc::downgrade(&alive));
    let apply = move |request: Request, token: &str| {
        let _ = &alive;
        bearer(request, token)
    };
    let source = Watched { acquires, running };
    let tenant = pool.with_credentials(Credentials::from_source(1, source, apply)).unwrap();
    let call = tokio::spawn({
        let tenant = tenant.clone();
        async move { tenant.get("/rows?of=blue").await }
    });
    api.wait_for("the call", |log| log.in_flight == 1).await;
    drop(tenant);
    // The call keeps the set: its token is renewed.
    soon("the renewal", acquired.wait_for(|&count| count == 2)).await.unwrap();
    assert!(is_alive.strong_count() > 0);
    api.open_all();
    soon("the answer", call).await.unwrap().unwrap();
    gone("the source and the callbacks", &is_alive).await;
    gone("the acquire that was under way", &is_running).await;
    assert_eq!(*acquired.borrow(), 2);
    assert!(soon("an answer", pool.get("/rows?of=none")).await.is_ok());
}

#[tokio::test]
async fn accept_65_a_thousand_handles_share_one_pool_and_leave_nothing() {
    let api = api(|_, _, _| OK.into());
    let pool = builder(api.url()).workers(2).connections_per_worker(4).build().unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let alive = Arc::new(());
    let tenants: Vec<_> = (0..1_000)
        .map(|number| {
            let (party, gate) = (Party::new(&format!("tenant{number}")), Arc::clone(&gate));
            let (acquired, name) = (Arc::clone(&party.acquired), party.name.clone());
            let alive = Arc::clone(&alive);
            let acquire = move || {
                let (number, name) = (acquired.fetch_add(1, Ordering::SeqCst) + 1, name.clone());
                let (gate, alive) = (Arc::clone(&gate), Arc::clone(&alive));
                async move {
                    let _opened = gate.acquire().await?;
                    drop(alive);
                    Ok::<_, tokio::sync::AcquireError>(format!("{name}.{number}"))
                }
            };
            let credentials = Credentials::from_callback(1, acquire, bearer);
            (party, pool.with_credentials(credentials).unwrap())
        })
        .collect();
    let opening = async {
        // All of them are acquiring at a time.
        soon("every acquire", async {
            while Arc::strong_count(&alive) < 2_001 {
                tokio::time::sleep(millis(5)).await;
            }
        })
        .await;
        gate.add_permits(1_000);
    };
    join(calls(&tenants, 3), opening).await;
    let counts = tokens_at(&api);
    assert_eq!((counts.len(), counts.values().sum::<usize>()), (1_000, 3_000));
    assert!(tenants.iter().all(|(party, _)| party.acquired() == 1));
    drop(tenants);
    let alive = {
        let left = Arc::downgrade(&alive);
        drop(alive);
        left
    };
    gone("every source", &alive).await;
    assert_eq!(pool.stats().await.unwrap().token_refreshes, 1_000);
}

#[tokio::test]
async fn accept_65_credentials_that_cannot_work_are_refused_at_once() {
    let refused = |pool: &AwwPool, credentials: Credentials| {
        let error = pool.with_credentials(credentials).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let secret = || StaticTokens::new(["canary"]);
    let pool = AwwPool::builder("http://localhost:9").build().unwrap();
    for (tokens, what) in [(0, "1 to 1024"), (1_025, "1 to 1024"), (2, "has 1 for")] {
        let error = refused(&pool, Credentials::from_source(tokens, secret(), bearer));
        assert!(error.contains(what), "{error}");
    }
    let limited = AwwPool::builder("http://localhost:9")
        .token_source(1, secret(), bearer)
        .rate_limit_per_token(5.into())
        .build()
        .unwrap();
    let credentials = Credentials::from_source(1, secret(), bearer);
    let printed = format!("{credentials:?}");
    assert!(refused(&limited, credentials.clone()).contains("rate_limit_per_token"));
    let tenant = pool.with_credentials(credentials).unwrap();
    assert!(!format!("{printed}{tenant:?}").contains("canary"));
}

#[tokio::test]
async fn accept_65_a_vantage_source_with_credentials_reads_writes_and_relates_with_them() {
    use vantage_dataset::prelude::*;

    type Rows = Table<PoolApi, EmptyEntity>;
    fn cities(api: PoolApi) -> Rows {
        Table::new("countries/{country_id}/cities", api).with_id_column("id")
    }
    fn countries(api: PoolApi) -> Rows {
        Table::new("countries", api).with_id_column("id").with_many("cities", "country_id", cities)
    }
    let rows = |n: u64| (1..=n).map(|id| json!({ "id": id, "country_id": id })).collect::<Vec<_>>();
    let server = Hostile::with_rows(rows(12))
        .at("/countries")
        .collection("/countries/{country_id}/cities", rows(12))
        .start();
    let parties = three(builder(server.url()), 1);
    let api = PoolApi::new(&parties[0].1).writes(Writes::rest());
    let sources = [
        api.clone(),
        api.with_credentials(parties[1].0.credentials(1)).unwrap(),
        api.with_credentials(parties[2].0.credentials(1)).unwrap(),
    ];
    for (source, (party, _)) in sources.into_iter().zip(&parties) {
        let before = server.log(|log| log.seen.len());
        let countries = countries(source);
        let cities = countries.get_ref_as::<EmptyEntity>("cities").unwrap();
        assert_eq!(soon("the related set", cities.list_values()).await.unwrap().len(), 12);
        // The server refuses it; what counts is whose request it was.
        let record = Record::from_iter([("id".to_owned(), ciborium::Value::from(99))]);
        soon("the write", countries.insert_value("99", &record)).await.unwrap_err();
        let bearers = server.log(|log| {
            let seen = log.seen[before..].iter();
            seen.map(|seen| (seen.method.clone(), seen.header("authorization").unwrap().to_owned()))
                .collect::<Vec<_>>()
        });
        assert!(bearers.len() > 13, "{bearers:?}");
        assert!(bearers.iter().any(|(method, _)| method != "GET"), "{bearers:?}");
        let own = format!("Bearer {}.1", party.name);
        assert!(bearers.iter().all(|(_, bearer)| *bearer == own), "{bearers:?}");
    }
}
