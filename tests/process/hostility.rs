//! Everything that goes wrong, at once and at random: cut, slow and stalled bodies,
//! hang-ups, refusals, revoked tokens, dying workers, callers that go away. Nothing
//! hangs, nothing is lost or doubled, and every error names its cause.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    held::{Held, alone},
    raw_server::{Peer, RawServer},
    soon,
};
use fastrand::Rng;
use futures::{StreamExt, future::join_all};
use tokio::sync::Notify;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, Request, Response,
};

const ROWS: u64 = 95;
/// What a page has at most, whatever is asked for.
const CAP: u64 = 10;
const CONNECTIONS: usize = 24;
/// Longer than the test waits for anything.
const LIMIT: Duration = Duration::from_secs(600);

/// How a set tells its end, and what is wrong with it for good.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Set {
    Total,
    /// No totals, and a 404 past the end.
    NotFoundPastEnd,
    /// Nothing but a last page that is shorter.
    Short,
    /// The fourth page has no rows, though the total counts them: it is no more than a guess.
    EmptyMiddle,
    /// The fourth page fails for ever.
    Broken,
    /// The fourth page is never the JSON that it should be.
    Html,
}

const SETS: [Set; 6] =
    [Set::Total, Set::NotFoundPastEnd, Set::Short, Set::EmptyMiddle, Set::Broken, Set::Html];

impl Set {
    fn rows(self, page: u64) -> Vec<u64> {
        if self == Self::EmptyMiddle && page == 4 {
            return Vec::new();
        }
        ((page - 1) * CAP..(page * CAP).min(ROWS)).collect()
    }

    /// The rows that a reader gets, and whether that is all.
    fn promised(self) -> (Vec<u64>, bool) {
        let is_whole = !matches!(self, Self::Broken | Self::Html);
        let pages = if is_whole { ROWS.div_ceil(CAP) } else { 3 };
        ((1..=pages).flat_map(|page| self.rows(page)).collect(), is_whole)
    }

    fn page(self, page: u64) -> (u16, String) {
        match self {
            Self::Broken if page == 4 => return (500, "{}".into()),
            Self::Html if page == 4 => return (200, "<html>".into()),
            Self::NotFoundPastEnd if page > ROWS.div_ceil(CAP) => return (404, "{}".into()),
            _ => {}
        }
        let rows = serde_json::json!(self.rows(page));
        let body = match self {
            Self::NotFoundPastEnd | Self::Short => serde_json::json!({ "data": rows }),
            _ => serde_json::json!({
                "data": rows,
                "pagination": { "page": page, "per_page": CAP, "total": ROWS },
            }),
        };
        (200, body.to_string())
    }
}

/// What the server knows and does to its clients.
struct Chaos {
    random: Mutex<Rng>,
    /// Faults in a hundred answers.
    rate: AtomicUsize,
    token: AtomicUsize,
    revocations: AtomicUsize,
    /// How often each order was acted upon.
    orders: Mutex<HashMap<u64, usize>>,
    /// How many requests meet at the barrier, and the bell when all are there.
    gathered: AtomicUsize,
    all_there: Notify,
}

impl Chaos {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(Rng::with_seed(seed)),
            rate: AtomicUsize::new(0),
            token: AtomicUsize::new(0),
            revocations: AtomicUsize::new(0),
            orders: Mutex::default(),
            gathered: AtomicUsize::new(0),
            all_there: Notify::new(),
        })
    }

    fn start(self: &Arc<Self>) -> RawServer {
        let chaos = Arc::clone(self);
        RawServer::start(move |mut peer| {
            let chaos = Arc::clone(&chaos);
            async move {
                while let Some(head) = peer.head().await {
                    let length = head.split("content-length: ").nth(1).map_or(0, leading_number);
                    let mut body = 0;
                    while body < length {
                        match peer.more().await as u64 {
                            0 => return,
                            more => body += more,
                        }
                    }
                    if !chaos.answer(&head, &mut peer).await {
                        return;
                    }
                }
            }
        })
    }

    fn dice(&self, sides: u64) -> u64 {
        self.random.lock().unwrap().u64(0..sides)
    }

    fn revoke(&self) {
        self.token.fetch_add(1, Ordering::SeqCst);
        self.revocations.fetch_add(1, Ordering::SeqCst);
    }

    fn is_struck(&self) -> bool {
        (self.dice(100) as usize) < self.rate.load(Ordering::SeqCst)
    }

    /// Answers a request, and says whether the connection lives on.
    async fn answer(&self, head: &str, peer: &mut Peer) -> bool {
        let (status, body) = match self.refusal(head) {
            Some(status) => (status, String::new()),
            None => match self.route(head).await {
                Some(answer) => answer,
                None => return false,
            },
        };
        let mut text = head_of(status, &format!("content-length: {}", body.len()));
        if body.is_empty() || !self.is_struck() {
            text.push_str(&body);
            return peer.write(text.as_bytes()).await;
        }
        self.strike(text, &body, peer).await
    }

    /// A status that says that nothing was done.
    fn refusal(&self, head: &str) -> Option<u16> {
        let token = head.split("token-").nth(1).map_or(u64::MAX, leading_number) as usize;
        if token != self.token.load(Ordering::SeqCst) {
            return Some(401);
        }
        // A revoked token fails many calls at once.
        if self.rate.load(Ordering::SeqCst) > 0 && self.dice(400) == 0 {
            self.revoke();
        }
        (self.is_struck() && self.dice(4) == 0).then_some(429)
    }

    /// What is asked for; `None` to hang up instead.
    async fn route(&self, head: &str) -> Option<(u16, String)> {
        let path = head.split(' ').nth(1).unwrap();
        if path.starts_with("/barrier") {
            let bell = self.all_there.notified();
            // A call comes again if its worker dies late, by the hand of one that is over.
            if self.gathered.fetch_add(1, Ordering::SeqCst) + 1 >= CONNECTIONS {
                self.all_there.notify_waiters();
            } else {
                bell.await;
            }
            return Some((200, "\"here\"".into()));
        }
        let number = path.rsplit('/').next().map_or(0, leading_number);
        let answer = if path.starts_with("/orders") {
            *self.orders.lock().unwrap().entry(number).or_default() += 1;
            (201, number.to_string())
        } else if path.starts_with("/items") {
            (200, number.to_string())
        } else {
            let page = path.split("page=").nth(1).map_or(1, leading_number);
            SETS[number as usize].page(page)
        };
        if self.is_struck() {
            return (self.dice(2) == 0).then_some((503, String::new()));
        }
        Some(answer)
    }

    /// Sends an answer that is wrong in some way, or right in an unusual one.
    async fn strike(&self, head: String, body: &str, peer: &mut Peer) -> bool {
        let (head, body) = (head.as_bytes(), body.as_bytes());
        let half = body.len() / 2;
        match self.dice(8) {
            0 => {
                // Cut.
                peer.write(head).await;
                peer.write(&body[..half]).await;
                false
            }
            1 => {
                // Slow, but alive.
                peer.write(head).await;
                for piece in body.chunks(half.max(1)) {
                    peer.pause(Duration::from_millis(20)).await;
                    peer.write(piece).await;
                }
                true
            }
            2 => {
                // Stalled.
                peer.write(head).await;
                peer.write(&body[..half]).await;
                peer.closed().await;
                false
            }
            3 => {
                peer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
                peer.write(&[head, body].concat()).await
            }
            4 => {
                // More than was asked for.
                peer.write(&[head, body, b"HTTP/1.1 200 OK\r\n\r\n"].concat()).await
            }
            5 => {
                peer.write(b"NONSENSE\r\n\r\n").await;
                false
            }
            6 => {
                // Right, and closed without a word.
                peer.write(&[head, body].concat()).await;
                false
            }
            _ => {
                let chunked = head_of(200, "transfer-encoding: chunked");
                let chunk = format!("{:x}\r\n", body.len());
                peer.write(&[chunked.as_bytes(), chunk.as_bytes(), body].concat()).await;
                false
            }
        }
    }
}

/// Counts the panics in threads of pools.
fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            let is_ours = name.starts_with("actix") || name.starts_with("vantage");
            PANICS.fetch_add(usize::from(is_ours), Ordering::SeqCst);
            others(panic);
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

fn head_of(status: u16, field: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{field}\r\n\r\n")
}

fn leading_number(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// What the pool's callbacks have done.
#[derive(Default)]
struct Callbacks {
    acquired: AtomicUsize,
    /// An attempt out of so many kills its worker; 0 for none.
    kill_every: AtomicUsize,
    attempts: AtomicUsize,
    kills: AtomicUsize,
}

fn pool(url: String, chaos: &Arc<Chaos>, callbacks: &Arc<Callbacks>) -> AwwPool {
    let acquire = {
        let (chaos, callbacks) = (Arc::clone(chaos), Arc::clone(callbacks));
        move || {
            callbacks.acquired.fetch_add(1, Ordering::SeqCst);
            let token = format!("token-{}.", chaos.token.load(Ordering::SeqCst));
            async { Ok::<_, Error>(token) }
        }
    };
    let apply = {
        let callbacks = Arc::clone(callbacks);
        move |request: Request, token: &str| {
            let attempt = callbacks.attempts.fetch_add(1, Ordering::SeqCst) + 1;
            let every = callbacks.kill_every.load(Ordering::SeqCst);
            // There is none on a thread aside, which callbacks run on when a worker seems blocked.
            let arbiter = actix::Arbiter::try_current();
            if let Some(worker) = arbiter.filter(|_| every > 0 && attempt.is_multiple_of(every)) {
                callbacks.kills.fetch_add(1, Ordering::SeqCst);
                worker.stop();
            }
            request.header("authorization", token).unwrap()
        }
    };
    AwwPool::builder(url)
        .workers(3)
        .connections_per_worker(CONNECTIONS / 3)
        .max_attempts(4)
        .backoff_base(Duration::from_millis(1))
        .backoff_cap(Duration::from_millis(20))
        .read_idle_timeout(Duration::from_millis(300))
        // What hangs does so after its head, so nothing but a busy machine would use these up. The
        // default budget grows with the time, and with it what is served.
        .attempt_timeout(LIMIT)
        .call_timeout(LIMIT)
        .retry_budget(1.0, 1_000)
        .heartbeat_timeout(Duration::from_secs(10))
        .with_auth_callback(1, acquire, apply)
        .build()
        .unwrap()
}

/// Kinds that this server gives reason for.
fn is_expected(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Disconnected
            | ErrorKind::Truncated
            | ErrorKind::Stalled
            | ErrorKind::Framing
            | ErrorKind::Status
            | ErrorKind::Unauthorized
            | ErrorKind::Decode
            | ErrorKind::WorkerCrashed
    )
}

/// Reads a set to its end or to `enough` rows, and says whether it was read in full.
async fn read(pool: &AwwPool, number: usize, prefetch: usize, enough: usize) -> bool {
    let set = SETS[number];
    let paging = Paging::default().page_size("per_page", 1000);
    let mut stream = PaginatedStream::get(pool, format!("/sets/{number}"))
        .items_as::<u64>()
        .paging(
            paging
                .not_found_ends(set == Set::NotFoundPastEnd)
                .totals_are_estimates(set == Set::EmptyMiddle),
        )
        .envelope(Envelope::default())
        .prefetch(prefetch);
    let (promised, is_whole) = set.promised();
    let mut rows = Vec::new();
    while rows.len() < enough {
        match stream.next().await {
            Some(Ok(row)) => rows.push(row),
            Some(Err(error)) => {
                assert!(is_expected(&error), "{set:?}: {error:?}");
                assert!(error.page().is_some(), "{set:?}: {error:?}");
                assert!(stream.next().await.is_none(), "{set:?}: something followed the error");
                assert!(promised.starts_with(&rows), "{set:?}: {rows:?}");
                // Only a total that is not a guess ends a set with its last row.
                let ends_with_a_row = is_whole && set == Set::Total;
                assert!(rows.len() < promised.len() || !ends_with_a_row, "{set:?}: {error:?}");
                return false;
            }
            None => {
                assert!(is_whole, "{set:?} seems whole");
                assert_eq!(rows, promised, "{set:?}");
                assert!(stream.next().await.is_none());
                return true;
            }
        }
    }
    assert!(promised.starts_with(&rows), "{set:?}: {rows:?}");
    false
}

fn own_answer(answer: Result<Response, Error>, number: u64) -> bool {
    match answer {
        Ok(response) => {
            assert_eq!(response.text().unwrap(), number.to_string(), "another call's answer");
            true
        }
        Err(error) => {
            assert!(is_expected(&error), "{error:?}");
            assert!(error.attempts() > 0, "{error:?}");
            false
        }
    }
}

/// As many calls as there are connections, each answered only when all have arrived.
async fn all_permits_are_back(pool: &AwwPool, chaos: &Chaos) {
    chaos.gathered.store(0, Ordering::SeqCst);
    let calls = join_all((0..CONNECTIONS).map(|_| pool.get("/barrier")));
    for answer in soon("as many calls as connections", calls).await {
        answer.unwrap();
    }
}

async fn soak(seed: u64, rate: usize, kill_every: usize) {
    assert_eq!(panics(), 0);
    let chaos = Chaos::new(seed);
    let server = chaos.start();
    drop(std::net::TcpStream::connect(server.address()));
    server.wait_for(|seen| seen.closed.len() == 1).await;
    let held = Held::now();
    let callbacks = Arc::new(Callbacks::default());
    let pool = pool(server.url(), &chaos, &callbacks);
    all_permits_are_back(&pool, &chaos).await;
    chaos.revoke();
    let refused = join_all((0..1000).map(|_| pool.get("/items/7")));
    for answer in soon("a thousand calls with a revoked token", refused).await {
        assert!(own_answer(answer, 7));
    }
    assert_eq!(callbacks.acquired.load(Ordering::SeqCst), 2);
    chaos.rate.store(rate, Ordering::SeqCst);
    callbacks.kill_every.store(kill_every, Ordering::SeqCst);

    let mut dice = Rng::with_seed(seed);
    let mut reads = Vec::new();
    for number in 0..10 * SETS.len() {
        let prefetch = dice.usize(1..9);
        let enough = if dice.u8(0..4) == 0 { dice.usize(0..50) } else { usize::MAX };
        let pool = pool.clone();
        reads.push(tokio::spawn(async move {
            read(&pool, number % SETS.len(), prefetch, enough).await
        }));
    }
    let mut gets = Vec::new();
    let mut posts = Vec::new();
    for number in 0..600_u64 {
        // Some callers lose patience.
        let patience = if dice.u8(0..10) == 0 { Duration::from_millis(30) } else { LIMIT };
        let get = pool.clone();
        gets.push(tokio::spawn(async move {
            let answer = tokio::time::timeout(patience, get.get(format!("/items/{number}")));
            answer.await.map(|answer| own_answer(answer, number))
        }));
        let pool = pool.clone();
        posts.push(tokio::spawn(async move {
            let request = Request::post(format!("/orders/{number}")).body("x");
            let answer = tokio::time::timeout(patience, pool.request(request));
            answer.await.map(|answer| own_answer(answer, number))
        }));
    }
    let results = async { (join_all(reads).await, join_all(gets).await, join_all(posts).await) };
    let (reads, gets, posts) = soon("the end of every read and call", results).await;

    let whole = reads.into_iter().filter(|read| *read.as_ref().unwrap()).count();
    let served = gets.into_iter().filter(|get| matches!(get.as_ref().unwrap(), Ok(true))).count();
    let ordered: Vec<bool> =
        posts.into_iter().map(|post| matches!(post.unwrap(), Ok(true))).collect();
    println!(
        "seed {seed}: {whole} whole reads, {served} gets, {} posts, {} kills, {} revocations",
        ordered.iter().filter(|ok| **ok).count(),
        callbacks.kills.load(Ordering::SeqCst),
        chaos.revocations.load(Ordering::SeqCst),
    );
    assert!(whole > 0 && served > 300, "hardly anything was served");

    {
        let orders = chaos.orders.lock().unwrap();
        for (number, ok) in ordered.iter().enumerate() {
            let acted = orders.get(&(number as u64)).copied().unwrap_or(0);
            assert!(acted <= 1, "order {number} was acted upon {acted} times");
            assert!(acted == 1 || !ok, "order {number} was answered and never acted upon");
        }
    }
    let revocations = chaos.revocations.load(Ordering::SeqCst);
    let acquired = callbacks.acquired.load(Ordering::SeqCst);
    assert!(acquired <= revocations + 1, "{acquired} tokens for {revocations} revocations");
    assert!(kill_every == 0 || callbacks.kills.load(Ordering::SeqCst) > 3);

    chaos.rate.store(0, Ordering::SeqCst);
    callbacks.kill_every.store(0, Ordering::SeqCst);
    all_permits_are_back(&pool, &chaos).await;
    let made = callbacks.attempts.load(Ordering::SeqCst);
    let counted = soon("statistics", pool.stats()).await.unwrap().attempts as usize;
    assert!(counted <= made, "{counted} attempts counted, {made} made");
    soon("the end", pool.shutdown(Duration::ZERO)).await;
    held.is_all_again("after the pool").await;
    assert_eq!(panics(), 0, "a thread of the pool panicked");
}

#[test]
fn mixed_faults_at_random() {
    alone(soak(1, 8, 0));
}

#[test]
fn mixed_faults_at_random_while_workers_die() {
    alone(soak(2, 8, 97));
}

#[test]
fn every_third_answer_wrong_while_workers_die() {
    alone(soak(3, 33, 61));
}
