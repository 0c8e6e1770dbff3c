//! Limits and waits as servers really tell them.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use futures::{StreamExt, future::join_all};
use tokio::sync::{Semaphore, broadcast};
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PaginatedStream, Paging, PoolBuilder, Request,
    events::Event,
    retry::{BreakerState, CircuitBreaker},
    stats::Stats,
};

use crate::support::{
    authority::authority,
    raw_server::{Peer, RawServer},
    soon,
};

/// Longer than a busy machine holds anything up.
const PATIENCE: Duration = Duration::from_secs(60);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Waits for something that takes longer than a moment by design.
async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(180);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("{what}: never"))
}

/// A server whose answers are made by `answer` out of the number of the request, from 0, and
/// its head: the status line's end and further fields, each with its line end. It notes when
/// requests came.
struct Api {
    server: RawServer,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Api {
    fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, answer)
    }

    fn on(
        listener: TcpListener,
        answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (Arc::clone(&arrivals), Arc::new(answer));
        let server = RawServer::on(listener, move |peer| {
            serve(peer, Arc::clone(&noted), Arc::clone(&answer))
        });
        Self { server, arrivals }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    fn requests(&self) -> usize {
        self.arrivals.lock().unwrap().len()
    }

    /// The time from each request to the next.
    fn gaps(&self) -> Vec<Duration> {
        let arrivals = self.arrivals.lock().unwrap();
        arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

async fn serve(
    mut peer: Peer,
    arrivals: Arc<Mutex<Vec<Instant>>>,
    answer: Arc<impl Fn(usize, &str) -> String>,
) {
    while let Some((head, _)) = peer.head_and_body().await {
        let number = {
            let mut arrivals = arrivals.lock().unwrap();
            arrivals.push(Instant::now());
            arrivals.len() - 1
        };
        let fields = answer(number, &head);
        let (fields, body) = fields.split_once("\r\n\r\n").unwrap_or((&fields, "[]"));
        let fields = fields.trim_end();
        let answer = format!("HTTP/1.1 {fields}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        peer.write(answer.as_bytes()).await;
    }
}

const OK: &str = "200 OK\r\n";

/// Answers so many times with `first`, and well from then on.
fn at_first(times: usize, first: impl Into<String>) -> Api {
    let first = first.into();
    Api::start(move |n, _| if n < times { first.clone() } else { OK.into() })
}

fn too_many(fields: &str) -> String {
    format!("429 Too Many Requests\r\n{fields}\r\n")
}

fn builder(api: &Api) -> PoolBuilder {
    AwwPool::builder(api.url())
}

fn pool(api: &Api) -> AwwPool {
    builder(api).build().unwrap()
}

async fn get(pool: &AwwPool) -> Result<vantage_api_pool::Response, Error> {
    soon("an answer", pool.get("/rows")).await
}

/// The statistics once they fulfil `condition`: a worker may be late with its report.
async fn stats_when(pool: &AwwPool, condition: impl Fn(&Stats) -> bool) -> Stats {
    soon("statistics", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if condition(&stats) {
                return stats;
            }
            tokio::time::sleep(millis(20)).await;
        }
    })
    .await
}

/// The first wait that the API was held for.
async fn held(events: &mut broadcast::Receiver<Event>) -> Duration {
    soon("a hold", async {
        loop {
            if let Event::HoldSet { wait, .. } = events.recv().await.unwrap() {
                return wait;
            }
        }
    })
    .await
}

/// What the pool makes of the one answer with these fields: how long it holds the API.
async fn hold_of(fields: &str) -> Duration {
    let api = at_first(1, too_many(fields));
    let pool = pool(&api);
    let mut events = pool.events();
    let call = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.get("/rows").await })
    };
    let wait = held(&mut events).await;
    call.abort();
    wait
}

fn http_date(from_now: i64) -> String {
    let now = SystemTime::now();
    let at = Duration::from_secs(from_now.unsigned_abs());
    httpdate::fmt_http_date(if from_now < 0 { now - at } else { now + at })
}

fn epoch(from_now: u64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (now + Duration::from_secs(from_now)).as_secs_f64()
}

#[tokio::test]
async fn case_14_decimal_seconds_are_waited_for() {
    let api = at_first(1, too_many("retry-after: 1.5"));
    get(&pool(&api)).await.unwrap();
    assert!(api.gaps()[0] >= millis(1_490), "{:?}", api.gaps());
}

#[tokio::test]
async fn case_14_of_several_values_the_longest_counts() {
    for fields in [
        "retry-after: 20\r\nretry-after: 40",
        "retry-after: 40, 20",
        "retry-after: 20, soon\r\nretry-after: 40.0",
    ] {
        assert_eq!(hold_of(fields).await, Duration::from_secs(40), "{fields}");
    }
}

#[tokio::test]
async fn case_15_a_403_that_is_a_limit_is_waited_for() {
    for fields in [
        "retry-after: 1",
        "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1",
        "ratelimit: \"all\";r=0;t=1",
    ] {
        let api = at_first(1, format!("403 Forbidden\r\n{fields}\r\n"));
        let pool = pool(&api);
        let mut events = pool.events();
        // Not processed, so the method does not matter.
        let post = pool.request(Request::post("/rows"));
        soon("an answer", post).await.unwrap();
        assert!(api.gaps()[0] >= millis(990), "{fields}: {:?}", api.gaps());
        assert_eq!(held(&mut events).await, Duration::from_secs(1), "{fields}");
    }
}

#[tokio::test]
async fn case_15_a_403_that_is_none_is_final() {
    for fields in ["", "x-ratelimit-remaining: 7\r\nx-ratelimit-reset: 60\r\n"] {
        let api = at_first(9, format!("403 Forbidden\r\n{fields}"));
        let error = get(&pool(&api)).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), api.requests()), (403, 1));
    }
}

#[tokio::test]
async fn case_15_a_403_that_is_a_limit_may_succeed_later() {
    let api = at_first(9, "403 Forbidden\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n");
    let error = get(&builder(&api).max_attempts(1).build().unwrap()).await.unwrap_err();
    assert!(error.status().unwrap().as_u16() == 403 && error.is_retryable(), "{error}");
    let api = at_first(9, "403 Forbidden\r\n");
    assert!(!get(&pool(&api)).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn case_15_further_statuses_are_limits_by_setting() {
    for status in ["400 Bad", "403 No", "420 Calm", "509 Bandwidth"] {
        let api = at_first(2, format!("{status}\r\n"));
        let error = get(&builder(&api).max_attempts(2).build().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status, "{status}");
        let api = at_first(2, format!("{status}\r\n"));
        let pool = builder(&api).backoff_base(millis(1)).limit_statuses([400, 403, 420, 509]);
        let pool = pool.build().unwrap();
        soon("an answer", pool.request(Request::post("/rows"))).await.unwrap();
        assert_eq!(api.requests(), 3, "{status}");
    }
    let error = AwwPool::builder("http://a").limit_statuses([200]).build().unwrap_err();
    assert!(error.to_string().contains("limit_statuses"), "{error}");
}

#[tokio::test]
async fn case_16_the_reset_of_a_refusal_is_waited_for_without_any_setting() {
    for status in ["429 Slow", "503 Busy"] {
        for fields in ["x-ratelimit-reset: 1", "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1"] {
            let api = at_first(3, format!("{status}\r\n{fields}\r\n"));
            get(&pool(&api)).await.unwrap();
            let gaps = api.gaps();
            assert!(gaps.iter().all(|gap| *gap >= millis(990)), "{status}, {fields}: {gaps:?}");
        }
    }
}

#[tokio::test]
async fn case_17_a_wait_that_is_over_is_a_back_off_and_counts_as_an_attempt() {
    for asked in ["0", "0.0", "Thu, 01 Jan 1970 00:00:00 GMT", "1000000001"] {
        let api = at_first(99, too_many(&format!("retry-after: {asked}")));
        let long = Duration::from_secs(u32::MAX.into());
        let pool = builder(&api).backoff_base(long).backoff_cap(long).build().unwrap();
        let error = get(&pool).await.unwrap_err();
        // A back-off of more than a century, of which any part that is drawn is too long.
        assert_eq!((error.kind(), api.requests()), (ErrorKind::DeadlineExceeded, 1), "{asked}");
        let api = at_first(99, too_many(&format!("retry-after: {asked}")));
        let error = get(&builder(&api).backoff_base(millis(1)).build().unwrap()).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (429, 3), "{asked}");
    }
}

#[tokio::test]
async fn case_17_a_503_with_a_wait_that_is_over_opens_the_breaker() {
    let api = at_first(99, "503 Busy\r\nretry-after: 0\r\n");
    let breaker = CircuitBreaker::default().minimum_calls(4).open_time(Duration::from_secs(60));
    let pool = builder(&api).max_attempts(1).circuit_breaker(breaker).build().unwrap();
    for _ in 0..4 {
        get(&pool).await.unwrap_err();
    }
    assert_eq!(pool.stats().await.unwrap().breaker, BreakerState::Open);
}

#[tokio::test]
async fn case_17_at_the_end_of_a_hold_one_leaves_first_and_the_others_when_it_is_served() {
    const CALLS: usize = 60;
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let (noted, gate) = (Arc::clone(&arrivals), Arc::new(Semaphore::new(0)));
    let server = RawServer::start(move |mut peer| {
        let (arrivals, gate) = (Arc::clone(&noted), Arc::clone(&gate));
        async move {
            while peer.request().await.is_some() {
                let requests = {
                    let mut arrivals = arrivals.lock().unwrap();
                    arrivals.push(Instant::now());
                    arrivals.len()
                };
                if requests == 1 {
                    let busy = "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
                    peer.write(busy.as_bytes()).await;
                    continue;
                }
                // None is served before all are here.
                if requests >= CALLS + 2 {
                    gate.close();
                }
                let _ = gate.acquire().await;
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
            }
        }
    });
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let mut events = pool.events();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get("/rows").await }
    });
    held(&mut events).await;
    let calls = join_all((0..CALLS).map(|_| pool.get("/rows")));
    assert!(soon("the calls", calls).await.iter().all(Result::is_ok));
    soon("the first call", first).await.unwrap().unwrap();
    // As none is served, the number of those that may be under way doubles in each quarter of a
    // second. On a busy machine they come later, and never sooner.
    let arrivals = arrivals.lock().unwrap();
    for (before, at) in arrivals[1..].iter().enumerate() {
        let doublings = (before + 1).next_power_of_two().ilog2();
        let after = *at - arrivals[0];
        assert!(after >= millis(990 + 250 * u64::from(doublings)), "{before} others: {after:?}");
    }
}

/// An API that leads to another one for its second page.
fn leading_to(other: &Api) -> Api {
    let next = format!("{}/more", other.url());
    Api::start(move |_, head| {
        if head.starts_with("GET /led") {
            format!("200 OK\r\nlink: <{next}>; rel=\"next\"\r\n\r\n[1]")
        } else {
            "200 OK\r\n\r\n[]".to_owned()
        }
    })
}

async fn follow(pool: &AwwPool, other: &Api) -> Vec<Result<serde_json::Value, Error>> {
    let paging = Paging::link_header().allow_origin(other.url());
    let stream = PaginatedStream::get(pool, "/led").paging(paging);
    in_time("the rows", stream.collect()).await
}

#[tokio::test]
async fn case_20_a_hold_of_another_origin_is_no_hold_of_the_api() {
    for status in ["503 Busy", "429 Slow"] {
        let other = at_first(9, format!("{status}\r\nretry-after: 300\r\n"));
        let api = leading_to(&other);
        let pool = builder(&api).call_timeout(PATIENCE).build().unwrap();
        let mut events = pool.events();
        let rows = follow(&pool, &other).await;
        assert_eq!(rows.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        // The API is not held, and the other one is: nothing more is sent to it.
        get(&pool).await.unwrap();
        let again = follow(&pool, &other).await;
        let error = again.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), other.requests()), (ErrorKind::DeadlineExceeded, 1), "{status}");
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            match event {
                Event::HoldSet { .. } => panic!("{status}: the API is held"),
                Event::OriginHeld { origin, wait, .. } => told.push((origin, wait.as_secs())),
                _ => {}
            }
        }
        assert_eq!(told, [(other.url(), 300)]);
    }
}

#[tokio::test]
async fn case_20_an_outage_of_another_origin_opens_its_own_breaker() {
    let other = at_first(usize::MAX, "500 Broken\r\n");
    let api = leading_to(&other);
    let breaker = CircuitBreaker::default().minimum_calls(4).open_time(Duration::from_secs(60));
    let pool = builder(&api).max_attempts(1).circuit_breaker(breaker).build().unwrap();
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let rows = follow(&pool, &other).await;
        kinds.push(rows.last().unwrap().as_ref().unwrap_err().kind());
    }
    assert_eq!(kinds[3..], [ErrorKind::Status, ErrorKind::CircuitOpen, ErrorKind::CircuitOpen]);
    assert_eq!(other.requests(), 4);
    get(&pool).await.unwrap();
    assert_eq!(pool.stats().await.unwrap().breaker, BreakerState::Closed);
}

#[tokio::test]
async fn case_20_refusals_of_another_origin_do_not_slow_the_api_down_nor_use_up_its_repeats() {
    let other = at_first(usize::MAX, too_many("x-ratelimit-remaining: 0"));
    let next = format!("{}/more", other.url());
    let is_flaky = Mutex::new(true);
    let api = Api::start(move |_, head| match head.starts_with("GET /led") {
        true => format!("200 OK\r\nlink: <{next}>; rel=\"next\"\r\n\r\n[1]"),
        false if std::mem::replace(&mut *is_flaky.lock().unwrap(), false) => "500 Oops".into(),
        false => OK.into(),
    });
    let pool = builder(&api).use_dampener(true).backoff_base(millis(1)).retry_budget(0.0, 0);
    let pool = pool.build().unwrap();
    let is_denied = async {
        while pool.stats().await.unwrap().retries_denied == 0 {
            follow(&pool, &other).await;
        }
    };
    in_time("the repeats of the other origin are used up", is_denied).await;
    assert_eq!(pool.stats().await.unwrap().rate, None);
    get(&pool).await.unwrap();
}

/// A bucket of ten that fills with ten per second and asks for a second. The first request is
/// refused too, so that one is, however slowly they come.
fn throttled(status: &'static str, fields: &'static str) -> Api {
    let bucket = Mutex::new((10.0f64, Instant::now()));
    Api::start(move |n, head| {
        let mut bucket = bucket.lock().unwrap();
        let now = Instant::now();
        bucket.0 = (bucket.0 + 10.0 * (now - bucket.1).as_secs_f64()).min(10.0);
        bucket.1 = now;
        if n == 0 || bucket.0 < 1.0 {
            return format!("{status}\r\n{fields}");
        }
        bucket.0 -= 1.0;
        page(head)
    })
}

/// A page of two rows out of ten, numbered from 1.
fn page(head: &str) -> String {
    let number = head
        .split("page=")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
    let first = 2 * number.unwrap_or(1);
    if first > 10 {
        return "200 OK\r\n\r\n[]".into();
    }
    format!("200 OK\r\n\r\n[{}, {first}]", first - 1)
}

async fn read(pool: &AwwPool) -> Result<Vec<u64>, Error> {
    let paging = Paging::page_number();
    let stream = PaginatedStream::get(pool, "/rows").paging(paging);
    let rows: Vec<Result<serde_json::Value, Error>> = stream.collect().await;
    rows.into_iter().map(|row| row.map(|row| row.as_u64().unwrap())).collect()
}

#[tokio::test]
async fn case_39_eight_reads_at_once_end_whole_against_a_throttle_that_names_its_waits() {
    for (status, fields) in [
        ("429 Too Many Requests", "retry-after: 1\r\n"),
        ("503 Service Unavailable", "retry-after: 1\r\n"),
        ("429 Too Many Requests", "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n"),
    ] {
        let api = throttled(status, fields);
        let pool = pool(&api);
        let reads = join_all((0..8).map(|_| read(&pool)));
        for rows in in_time("the reads", reads).await {
            assert_eq!(rows.unwrap(), (1..=10).collect::<Vec<_>>(), "{status}");
        }
        let stats = stats_when(&pool, |stats| stats.retries > 0).await;
        assert_eq!(stats.retries_denied, 0, "{stats}");
    }
}

#[tokio::test]
async fn case_39_waits_that_are_asked_for_count_against_the_timeout_alone() {
    let api = at_first(6, too_many("retry-after: 0.05"));
    let pool = builder(&api).max_attempts(2).retry_budget(0.0, 0).build().unwrap();
    let answer = get(&pool).await;
    assert_eq!((answer.unwrap().status().as_u16(), api.requests()), (200, 7));
    // More than the ten repeats that the budget begins with.
    let api = at_first(15, too_many("retry-after: 0.05"));
    let pool = builder(&api).max_attempts(2).retry_budget(0.0, 0).build().unwrap();
    get(&pool).await.unwrap();
    // The timeout holds, and what else goes wrong counts.
    let api = at_first(usize::MAX, too_many("retry-after: 1"));
    let hasty = builder(&api).build().unwrap();
    let call = hasty.request(Request::get("/rows").timeout(millis(2_500)));
    let error = soon("an error", call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(api.requests() <= 3, "{}", api.requests());
    let api = Api::start(|n, _| match n % 2 {
        0 => too_many("retry-after: 0.02"),
        _ => "500 Broken\r\n".into(),
    });
    let error = get(&builder(&api).backoff_base(millis(1)).build().unwrap()).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (500, 6));
    // Who wants one attempt gets one.
    let api = at_first(1, too_many("retry-after: 0.05"));
    let error = get(&builder(&api).max_attempts(1).build().unwrap()).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), api.requests()), (429, 1));
}

#[tokio::test]
async fn case_39_tokens_that_are_held_one_after_the_other_cost_no_attempt() {
    let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let api = Api::start(move |_, head| {
        let token = head.to_lowercase().split("bearer ").nth(1).unwrap()[..1].to_owned();
        let mut seen = noted.lock().unwrap();
        let nth = seen.entry(token.clone()).or_default();
        *nth += 1;
        if token == "f" { OK.into() } else { too_many("retry-after: 60") }
    });
    let tokens = vantage_api_pool::tokens::StaticTokens::new(["a", "b", "c", "d", "e", "f"]);
    let pool = builder(&api)
        .backoff_base(millis(1))
        .token_source(6, tokens, vantage_api_pool::tokens::bearer)
        .build()
        .unwrap();
    get(&pool).await.unwrap();
    assert!(seen.lock().unwrap().values().all(|nth| *nth == 1), "{seen:?}");
}

#[tokio::test]
async fn case_40_a_503_slows_down_where_others_are_served_and_not_where_it_is_an_outage() {
    // Served and refused in turn by a limit that says 503.
    let api = throttled("503 Busy", "");
    let dampened = |api: &Api| builder(api).use_dampener(true).backoff_base(millis(1));
    let pool = dampened(&api).build().unwrap();
    let until_slow = async {
        while pool.stats().await.unwrap().rate.is_none() {
            join_all((0..20).map(|_| pool.get("/rows"))).await;
        }
    };
    in_time("a rate", until_slow).await;
    // An outage.
    let api = at_first(usize::MAX, "503 Busy\r\n");
    let breaker = CircuitBreaker::default().minimum_calls(20).open_time(PATIENCE);
    let pool = dampened(&api).max_attempts(1).circuit_breaker(breaker).build().unwrap();
    soon("the calls", join_all((0..40).map(|_| pool.get("/rows")))).await;
    let stats = pool.stats().await.unwrap();
    assert_eq!((stats.rate, stats.breaker_openings), (None, 1));
}

#[tokio::test]
async fn case_40_which_statuses_mean_slower_is_a_setting() {
    for (statuses, is_slower) in [(vec![500], true), (vec![503], false), (vec![], false)] {
        let api = Api::start(|n, _| if n == 3 { "500 Slow\r\n".into() } else { OK.into() });
        let pool = builder(&api).use_dampener(true).slow_down_statuses(statuses.clone());
        let pool = pool.backoff_base(millis(1)).build().unwrap();
        for _ in 0..5 {
            get(&pool).await.unwrap();
        }
        let rate = pool.stats().await.unwrap().rate;
        assert_eq!(rate.is_some(), is_slower, "{statuses:?}: {rate:?}");
    }
    let error = AwwPool::builder("http://a").slow_down_statuses([200]).build().unwrap_err();
    assert!(error.to_string().contains("slow_down_statuses"), "{error}");
}

/// A listener that does not accept, on a port of its own, and its address.
fn closed_port() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn listen(address: std::net::SocketAddr) -> TcpListener {
    soon("the port is free", async {
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn case_41_a_server_that_restarts_costs_no_read() {
    let api = Api::start(|_, head| page(head));
    let address = api.server.address();
    let pool = builder(&api).reconnect_timeout(PATIENCE).build().unwrap();
    read(&pool).await.unwrap();
    drop(api);
    let reads = join_all((0..8).map(|_| read(&pool)));
    let restart = async {
        // Far more attempts than three for each.
        while pool.stats().await.unwrap().transport_errors < 60 {
            tokio::time::sleep(millis(20)).await;
        }
        Api::on(listen(address).await, |_, head| page(head))
    };
    let (reads, _api) = in_time("the reads", async { tokio::join!(reads, restart) }).await;
    for rows in reads {
        assert_eq!(rows.unwrap(), (1..=10).collect::<Vec<_>>());
    }
}

/// An API behind TLS that, after its first connection, cuts the handshakes of `cuts` more.
async fn behind_cut_handshakes(cuts: usize) -> (Vec<u8>, String, RawServer) {
    let (pem, config) = authority("localhost");
    let server = RawServer::start_tls(config, |mut peer| async move {
        if peer.request().await.is_some() {
            let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n[]";
            peer.write(close.as_bytes()).await;
        }
    });
    let to = server.address();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut client, _)) = listener.accept().await else { return };
            if !(1..=cuts).contains(&number) {
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        }
    });
    (pem, base, server)
}

#[tokio::test]
async fn case_41_a_handshake_that_a_restart_cuts_costs_no_read() {
    let (pem, base, _server) = behind_cut_handshakes(8).await;
    let pool = AwwPool::builder(&base).workers(1).root_certificate(pem);
    let pool = pool.connect_timeout(PATIENCE).reconnect_timeout(PATIENCE).build().unwrap();
    for _ in 0..2 {
        in_time("the read", pool.get("/rows")).await.unwrap();
    }
}

#[tokio::test]
async fn case_41_a_server_that_restarts_costs_no_write_that_was_not_sent() {
    let address = closed_port();
    let pool = AwwPool::builder(format!("http://{address}")).reconnect_timeout(PATIENCE);
    let pool = pool.build().unwrap();
    let call = pool.request(Request::post("/orders").body("tea"));
    let start = async {
        while pool.stats().await.unwrap().transport_errors < 5 {
            tokio::time::sleep(millis(20)).await;
        }
        Api::on(listen(address).await, |_, _| OK.into())
    };
    let (answer, api) = in_time("the write", async { tokio::join!(call, start) }).await;
    assert_eq!((answer.unwrap().status().as_u16(), api.requests()), (200, 1));
}

#[tokio::test]
async fn case_41_connections_that_break_before_an_answer_are_tried_again_for_reads_alone() {
    let breaking = |times: usize| {
        RawServer::start(move |mut peer| async move {
            if peer.number() < times {
                peer.request().await;
                return peer.reset();
            }
            while peer.request().await.is_some() {
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
            }
        })
    };
    let server = breaking(8);
    let pool = AwwPool::builder(server.url()).backoff_base(millis(10));
    let pool = pool.reconnect_timeout(PATIENCE).build().unwrap();
    in_time("the read", pool.get("/rows")).await.unwrap();
    assert_eq!(server.seen().heads.len(), 9);
    let server = breaking(8);
    let pool = AwwPool::builder(server.url()).build().unwrap();
    let error = soon("an error", pool.request(Request::post("/rows"))).await.unwrap_err();
    assert_eq!((error.kind(), server.seen().heads.len()), (ErrorKind::Disconnected, 1));
}

#[tokio::test]
async fn case_41_an_api_that_never_answers_is_an_error_after_the_reconnect_timeout() {
    let url = format!("http://{}", closed_port());
    let pool = AwwPool::builder(&url).reconnect_timeout(millis(700)).build().unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.elapsed() >= millis(700) && error.attempts() > 1, "{error}");
    // By number, as before.
    let pool = AwwPool::builder(&url).reconnect_timeout(Duration::ZERO);
    let pool = pool.backoff_base(millis(1)).build().unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    // Never beyond the timeout of the call, and once is once.
    let pool = AwwPool::builder(&url).build().unwrap();
    let call = pool.request(Request::get("/rows").timeout(millis(600)));
    let error = soon("an error", call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    let pool = AwwPool::builder(&url).max_attempts(1).build().unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 1));
}

#[tokio::test]
async fn case_56_resets_in_any_form_are_kept_to() {
    let moment = SystemTime::now() + Duration::from_secs(100);
    let seconds = epoch(100);
    let iso = {
        let text = httpdate::fmt_http_date(moment);
        let parsed = chrono::DateTime::parse_from_rfc2822(&text).unwrap();
        parsed.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let resets = [
        format!("x-ratelimit-reset: {}", httpdate::fmt_http_date(moment)),
        format!("x-ratelimit-reset: {iso}"),
        format!("x-ratelimit-reset: {seconds:.3}"),
        format!("x-ratelimit-reset: {:.0}", seconds * 1e3),
        "x-ratelimit-reset: 100.25".to_owned(),
        "x-ratelimit-reset-requests: 1m40s".to_owned(),
        "x-ratelimit-reset-after: 100.4".to_owned(),
        "anthropic-ratelimit-requests-reset: ISO".replace("ISO", &iso),
        "zendesk-ratelimit-tickets-index: total=100; remaining=0; resets=100".to_owned(),
    ];
    for fields in resets {
        let wait = hold_of(&fields).await;
        assert!(
            wait >= Duration::from_secs(40) && wait <= Duration::from_secs(102),
            "{fields}: {wait:?}"
        );
    }
}

#[tokio::test]
async fn case_56_what_is_not_understood_is_told_and_counted() {
    for (field, value) in [
        ("x-ratelimit-reset", "tomorrow"),
        ("x-ratelimit-remaining", "few"),
        ("retry-after", "soon"),
        ("retry-after-ms", "soon"),
        ("zendesk-ratelimit-tickets-index", "total=100; remaining=few; resets=41"),
        ("x-shopify-shop-api-call-limit", "40/40"),
    ] {
        let api = at_first(1, too_many(&format!("{field}: {value}")));
        let pool = builder(&api).backoff_base(millis(1)).build().unwrap();
        let mut events = pool.events();
        get(&pool).await.unwrap();
        let told = soon("an event", async {
            loop {
                if let Event::LimitUnread { field, .. } = events.recv().await.unwrap() {
                    return field;
                }
            }
        });
        assert_eq!(told.await, field);
        let stats = stats_when(&pool, |stats| stats.malformed_limit_headers > 0).await;
        assert_eq!(stats.malformed_limit_headers, 1, "{field}");
    }
}

#[tokio::test]
async fn case_71_a_wait_is_heeded_on_every_status_that_is_repeated() {
    for status in [408, 425, 500, 502, 504, 520, 529] {
        let api = at_first(4, format!("{status} Wait\r\nretry-after: 0.3\r\n"));
        get(&pool(&api)).await.unwrap();
        let gaps = api.gaps();
        assert!(
            gaps.len() == 4 && gaps.iter().all(|gap| *gap >= millis(295)),
            "{status}: {gaps:?}"
        );
    }
}

#[tokio::test]
async fn case_71_a_conflict_is_worth_one_wait_by_setting() {
    for status in [409, 413, 423] {
        let answer = format!("{status} Wait\r\nretry-after: 0.3\r\n");
        let api = at_first(1, answer.clone());
        let error = get(&builder(&api).build().unwrap()).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), api.requests()), (status, 1));
        let patient =
            |api: &Api| builder(api).retry_after_statuses([409, 413, 423]).build().unwrap();
        let api = at_first(1, answer.clone());
        let pool = patient(&api);
        soon("an answer", pool.request(Request::patch("/rows/1"))).await.unwrap();
        assert!(api.gaps()[0] >= millis(295), "{:?}", api.gaps());
        let api = at_first(9, answer);
        let error = get(&patient(&api)).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), api.requests()), (status, 2));
        let api = at_first(9, format!("{status} Wait\r\n"));
        get(&patient(&api)).await.unwrap_err();
        assert_eq!(api.requests(), 1, "no wait is named");
    }
    let error = AwwPool::builder("http://a").retry_after_statuses([503]).build().unwrap_err();
    assert!(error.to_string().contains("retry_after_statuses"), "{error}");
}

#[tokio::test]
async fn case_72_dates_that_others_read_are_waited_for() {
    let date = http_date(100);
    let (day, rest) = date.split_once(", ").unwrap();
    let (number, rest_of) = rest.split_at(2);
    let dashed = format!("{day}, {}", rest.replacen(' ', "-", 2));
    let other_day = if day == "Mon" { "Tue" } else { "Mon" };
    for asked in [
        date.clone(),
        date.replace("GMT", "UTC"),
        date.replace("GMT", "+0000"),
        format!("{day}, {}{rest_of}", number.trim_start_matches('0')),
        dashed,
        format!("{other_day}, {rest}"),
        rest.to_owned(),
        format!("{:.0}", epoch(100)),
    ] {
        let wait = hold_of(&format!("retry-after: {asked}")).await;
        assert!(
            wait >= Duration::from_secs(40) && wait <= Duration::from_secs(101),
            "{asked}: {wait:?}"
        );
    }
}

#[tokio::test]
async fn case_72_a_leap_second_and_the_clock_of_the_server_are_read_alike() {
    for (date, until) in [
        ("Sat, 31 Dec 2016 23:59:30 GMT", "Sat, 31 Dec 2016 23:59:60 GMT"),
        ("Sat, 31 Dec 2016 23:59:30 UTC", "Sun, 1 Jan 2017 00:00:00 +0000"),
        ("Sat, 31-Dec-2016 23:59:30 GMT", "1483228800"),
    ] {
        let wait = hold_of(&format!("date: {date}\r\nretry-after: {until}")).await;
        assert_eq!(wait, Duration::from_secs(30), "{until}");
    }
}

#[tokio::test]
async fn case_73_waits_in_milliseconds_are_heeded_by_default() {
    for field in ["retry-after-ms", "x-ms-retry-after-ms"] {
        let api = at_first(4, too_many(&format!("{field}: 300")));
        get(&pool(&api)).await.unwrap();
        let gaps = api.gaps();
        assert!(gaps.len() == 4 && gaps.iter().all(|gap| *gap >= millis(295)), "{field}: {gaps:?}");
        let api = at_first(99, too_many(&format!("{field}: 300000")));
        let pool = builder(&api).retry_after_ms(false).backoff_base(millis(1)).build().unwrap();
        let error = get(&pool).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (429, 3), "{field}");
    }
    assert_eq!(hold_of("retry-after: 2\r\nretry-after-ms: 1500").await, millis(1_500));
    assert_eq!(hold_of("retry-after: 60\r\nretry-after-ms: 1500").await, Duration::from_secs(60));
}

#[tokio::test]
async fn case_73_should_retry_is_heeded_by_setting() {
    for (status, says, by_default, heeded) in [
        (500, "false", 3, 1),
        (429, "false", 3, 1),
        (422, "true", 1, 3),
        (500, "true", 3, 3),
        (422, "perhaps", 1, 1),
    ] {
        for (is_heeded, requests) in [(false, by_default), (true, heeded)] {
            let api = at_first(9, format!("{status} Wait\r\nx-should-retry: {says}\r\n"));
            let pool = builder(&api).backoff_base(millis(1)).should_retry_header(is_heeded);
            get(&pool.build().unwrap()).await.unwrap_err();
            assert_eq!(api.requests(), requests, "{status} {says}, heeded: {is_heeded}");
        }
    }
}

#[tokio::test]
async fn case_20_another_path_of_the_same_origin_shares_what_the_api_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let exports = format!("{url}/exports");
    let next = format!("200 OK\r\nlink: <{exports}/2>; rel=\"next\"\r\n\r\n[1]");
    let _api = Api::on(listener, move |_, head| match head.starts_with("GET /exports") {
        true => "503 Busy\r\nretry-after: 300\r\n".into(),
        false => next.clone(),
    });
    let pool = AwwPool::builder(format!("{url}/v1")).call_timeout(PATIENCE);
    let pool = pool.build().unwrap();
    let mut events = pool.events();
    let paging = Paging::link_header().allow_origin(exports);
    let stream = PaginatedStream::get(&pool, "/rows").paging(paging);
    let rows: Vec<Result<serde_json::Value, Error>> = in_time("the rows", stream.collect()).await;
    assert_eq!(rows.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(held(&mut events).await, Duration::from_secs(300));
}

/// What others report, each with where it comes from.
mod reports {
    use super::*;

    /// urllib3 issue 2861, Sentry issue 7919, PostHog pull request 74113: fractions of a second
    /// were an error or no wait.
    #[tokio::test]
    async fn fractions_of_any_length_are_waits() {
        for (asked, seconds) in [("0.503", 0.503), ("292.052427053", 292.052_427_053)] {
            let wait = hold_of(&format!("retry-after: {asked}")).await;
            assert!((wait.as_secs_f64() - seconds).abs() < 1e-6, "{wait:?}");
        }
    }

    /// tavily-python pull request 166, notebooklm-py pull request 1276, pi issue 9689: `inf`
    /// and `nan` slept for ever or not at all, and so did a date that is invalid.
    #[tokio::test]
    async fn what_a_float_parser_takes_for_a_number_is_none() {
        for asked in ["inf", "nan", "-inf", "Infinity", "1e10000", "1e1", "Wed, 99 Foo 2026"] {
            let api = at_first(99, too_many(&format!("retry-after: {asked}")));
            let pool = builder(&api).backoff_base(millis(1)).build().unwrap();
            let error = get(&pool).await.unwrap_err();
            assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (429, 3), "{asked}");
            let stats = stats_when(&pool, |stats| stats.malformed_limit_headers >= 3).await;
            assert_eq!(stats.malformed_limit_headers, 3, "{asked}");
        }
    }

    /// crawlee-python pull request 1995, aoai-simulated-api issue 57, openai-java pull request
    /// 878: a negative wait switched the back-off off.
    #[tokio::test]
    async fn a_negative_wait_is_a_back_off() {
        let fields =
            "retry-after: -43\r\nretry-after-ms: -43000\r\nx-ratelimit-reset-requests: -43";
        let api = at_first(99, too_many(fields));
        let long = Duration::from_secs(u32::MAX.into());
        let pool = builder(&api).backoff_base(long).backoff_cap(long).build().unwrap();
        let error = get(&pool).await.unwrap_err();
        assert_eq!((error.kind(), api.requests()), (ErrorKind::DeadlineExceeded, 1));
        let stats = stats_when(&pool, |stats| stats.malformed_limit_headers >= 3).await;
        assert_eq!(stats.malformed_limit_headers, 3);
    }

    /// coral pull request 89, mcman issue 36: a reset that is over stalled for the ceiling, or
    /// for longer than the universe is old.
    #[tokio::test]
    async fn a_reset_that_is_over_is_no_wait() {
        let api =
            at_first(2, too_many("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1700000000"));
        get(&builder(&api).backoff_base(millis(1)).build().unwrap()).await.unwrap();
        assert_eq!(api.requests(), 3);
    }

    /// PUBG documentation issue 61, vercel pull request 14947: resets in nanoseconds, in
    /// microseconds, in milliseconds.
    #[tokio::test]
    async fn resets_in_smaller_units_are_moments() {
        for scale in [1e3, 1e6, 1e9] {
            let wait = hold_of(&format!("x-ratelimit-reset: {:.0}", epoch(100) * scale)).await;
            assert!(wait > Duration::from_secs(80) && wait < Duration::from_secs(101), "{wait:?}");
        }
    }

    /// dados-abertos issue 286: `30s`. Hindsight pull request 3508: the later of the two counts.
    #[tokio::test]
    async fn units_are_read_and_of_two_quotas_that_are_used_up_the_later_counts() {
        assert_eq!(hold_of("retry-after: 30s").await, Duration::from_secs(30));
        let fields = "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 20ms\r\n\
                      x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 1m30.5s";
        assert_eq!(hold_of(fields).await, millis(90_500));
    }

    /// go-autorest issue 214: waits that the server asked for used up the retries.
    #[tokio::test]
    async fn many_refusals_in_a_row_do_not_use_up_the_attempts() {
        let api = at_first(20, too_many("retry-after-ms: 20"));
        get(&pool(&api)).await.unwrap();
        assert_eq!(api.requests(), 21);
    }

    /// octokit.rb pull request 1382, github-changelog-generator issue 993: a 403 for another
    /// limit than that of the headers, whose reset is an hour away.
    #[tokio::test]
    async fn the_reset_of_a_quota_that_is_not_used_up_is_not_waited_for() {
        let fields = "retry-after: 1\r\nx-ratelimit-remaining: 4000\r\nx-ratelimit-reset: 3348";
        let api = at_first(1, format!("403 Forbidden\r\n{fields}\r\n"));
        let pool = pool(&api);
        let mut events = pool.events();
        get(&pool).await.unwrap();
        assert_eq!(held(&mut events).await, Duration::from_secs(1));
    }

    /// copilot-cli issue 2760, sourcegraph pull request 51743: a wait of an hour is not a retry.
    #[tokio::test]
    async fn a_reset_beyond_what_is_accepted_is_told_at_once() {
        let api = at_first(9, too_many("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 3600"));
        let error = get(&pool(&api)).await.unwrap_err();
        assert_eq!((error.kind(), api.requests()), (ErrorKind::RateLimited, 1));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3_600)));
    }
}
