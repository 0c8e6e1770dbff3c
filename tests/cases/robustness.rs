//! Callbacks that hang, panic or return late, and what they may not hold up; tokens of other
//! reads.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all};
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi, PoolBuilder, Request,
    events::Event,
    paging::{PageRequest, PageStrategy, PageView, ReadMode, ResumeToken},
    tokens::{Credentials, bearer},
    vantage::Filtering,
};
use vantage_vista::{FilterOp, VistaFactory};

use crate::support::{
    hostile::{Form, Hostile, HostileServer, Style},
    raw_server::RawServer,
    soon,
};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A place in a callback where threads are held until it opens.
#[derive(Default)]
struct Barrier {
    is_open: Mutex<bool>,
    opened: Condvar,
    entered: AtomicUsize,
}

impl Barrier {
    fn hold(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        let limit = Duration::from_secs(120);
        drop(self.opened.wait_timeout_while(is_open, limit, |is_open| !*is_open).unwrap());
    }

    fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    async fn holds(&self, threads: usize) {
        until("the callback blocks", async || self.entered() >= threads).await;
    }
}

/// Opens at the end of the test, however it ends.
struct Opens(Arc<Barrier>);

impl Opens {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn barrier(&self) -> Arc<Barrier> {
        Arc::clone(&self.0)
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        *self.0.is_open.lock().unwrap() = true;
        self.0.opened.notify_all();
    }
}

/// What a callback does that does not do what it is for.
#[derive(Clone)]
enum Trouble {
    Blocks(Arc<Barrier>),
    /// Panics with a value that panics when it is dropped.
    Panics,
}

impl Trouble {
    fn happen(&self) {
        match self {
            Self::Blocks(barrier) => barrier.hold(),
            Self::Panics => std::panic::panic_any(PanicsAgain),
        }
    }
}

struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("the end of a panic's payload");
        }
    }
}

/// Blocks where it is dropped.
struct BlocksAtItsEnd(Arc<Barrier>);

impl Drop for BlocksAtItsEnd {
    fn drop(&mut self) {
        self.0.hold();
    }
}

/// An error of a user that blocks where it is dropped.
struct ErrorThatBlocks(Arc<Barrier>);

impl Drop for ErrorThatBlocks {
    fn drop(&mut self) {
        self.0.hold();
    }
}

impl fmt::Debug for ErrorThatBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorThatBlocks")
    }
}

impl fmt::Display for ErrorThatBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for ErrorThatBlocks {}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A pool none of whose workers counts as blocked for being held up by a busy machine.
fn builder(api: &HostileServer) -> PoolBuilder {
    AwwPool::builder(api.url())
        .workers(3)
        .heartbeat_timeout(Duration::from_secs(10))
        .replace_blocked_after(Duration::from_secs(120))
}

/// The pool does everything that it is for, and at last ends.
async fn is_well(api: &HostileServer, pool: &AwwPool) {
    works(api, pool).await;
    ends(pool).await;
}

async fn ends(pool: &AwwPool) {
    soon("the end of the pool", pool.shutdown(Duration::from_secs(2))).await;
    let error = soon("a refusal", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
}

/// The pool answers calls on every worker, reads streams and tells its statistics.
async fn works(api: &HostileServer, pool: &AwwPool) {
    for answer in soon("answers", join_all((0..30).map(|_| pool.get("/rows")))).await {
        answer.unwrap();
    }
    let streams = (0..4).map(|_| PaginatedStream::get(pool, "/rows").collect::<Vec<_>>());
    for rows in soon("whole sets", join_all(streams)).await {
        let rows: Result<Vec<Value>, _> = rows.into_iter().collect();
        assert_eq!(rows.unwrap(), api.rows());
    }
    soon("statistics", pool.stats()).await.unwrap();
}

/// Asks for numbered pages until one is short, but for its trouble.
struct Troubled {
    first: Option<Trouble>,
    next: Option<Trouble>,
}

impl PageStrategy for Troubled {
    fn first(&self) -> PageRequest {
        self.first.iter().for_each(Trouble::happen);
        PageRequest::new().param("page", "1")
    }

    fn next(&self, page: &PageView<'_>) -> Result<Option<PageRequest>, AnyError> {
        self.next.iter().for_each(Trouble::happen);
        let next = PageRequest::new().param("page", (page.index() + 2).to_string());
        Ok((page.rows() == 10).then_some(next))
    }
}

fn read(pool: &AwwPool, paging: &Paging) -> tokio::task::JoinHandle<Vec<Result<Value, Error>>> {
    tokio::spawn(PaginatedStream::get(pool, "/rows").paging(paging.clone()).collect())
}

/// The one error of a read, which names the strategy.
async fn error_of(read: tokio::task::JoinHandle<Vec<Result<Value, Error>>>) -> Error {
    let error = soon("the end of a read", read).await.unwrap().pop().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
    assert!(error.to_string().contains("Troubled"), "{error}");
    error
}

/// A read that has come as far as its strategy: where there is little time, its first page may
/// have been too late for that on a busy machine.
fn read_as_far_as_the_strategy(
    pool: &AwwPool,
    paging: &Paging,
) -> tokio::task::JoinHandle<Vec<Result<Value, Error>>> {
    let (pool, paging) = (pool.clone(), paging.clone());
    tokio::spawn(async move {
        loop {
            let reading = read(&pool, &paging);
            let rows = reading.await.unwrap();
            let kind = rows.last().and_then(|row| row.as_ref().err()).map(Error::kind);
            if !matches!(kind, Some(ErrorKind::Timeout | ErrorKind::DeadlineExceeded)) {
                return rows;
            }
        }
    })
}

#[tokio::test]
async fn case_27_a_strategy_that_never_returns_holds_up_its_own_reads_alone() {
    for in_first in [false, true] {
        let api = Hostile::new(35).start();
        // It is blocked for less time than a callback has.
        let pool = builder(&api).attempt_timeout(Duration::from_secs(120)).build().unwrap();
        let opens = Opens::new();
        let blocks = || Some(Trouble::Blocks(opens.barrier()));
        let strategy = match in_first {
            true => Troubled { first: blocks(), next: None },
            false => Troubled { first: None, next: blocks() },
        };
        let paging = Paging::custom(strategy);
        let reads: Vec<_> = (0..12).map(|_| read(&pool, &paging)).collect();
        opens.0.holds(8).await;
        // As many workers as there are would be blocked by now.
        works(&api, &pool).await;
        let dropped = read(&pool, &paging);
        dropped.abort();
        is_well(&api, &pool).await;
        for read in reads {
            let rows = soon("the end of a read", read).await.unwrap();
            let error = rows.into_iter().next_back().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ShuttingDown, "{error}");
        }
        assert_eq!(opens.0.entered(), 8, "a callback has a bounded number of threads");
    }
}

#[tokio::test]
async fn case_27_a_strategy_that_takes_longer_than_a_request_may_is_an_error_that_names_it() {
    for call_timeout in [false, true] {
        let api = Hostile::new(35).start();
        let limit = Duration::from_millis(400);
        let pool = match call_timeout {
            true => builder(&api).call_timeout(limit),
            false => builder(&api).attempt_timeout(limit),
        };
        let pool = pool.build().unwrap();
        let opens = Opens::new();
        let blocks = Some(Trouble::Blocks(opens.barrier()));
        let paging = Paging::custom(Troubled { first: None, next: blocks });
        let read_on = || read_as_far_as_the_strategy(&pool, &paging);
        let error = error_of(read_on()).await;
        assert_eq!(error.page(), Some(1));
        assert!(error.to_string().contains("400ms"), "{error}");
        // More than it has threads: those that get none are not waited for either.
        for read in (0..20).map(|_| read_on()).collect::<Vec<_>>() {
            error_of(read).await;
        }
        assert!(opens.0.entered() <= 8);
        // What comes late is late: later reads go by what they are told.
        drop(opens);
        until("it returns", async || {
            let rows = soon("a read", read(&pool, &paging)).await.unwrap();
            rows.into_iter().collect::<Result<Vec<_>, _>>().is_ok_and(|rows| rows == api.rows())
        })
        .await;
        // Its calls have as little time as the strategy.
        until("an answer", async || pool.get("/rows").await.is_ok()).await;
        ends(&pool).await;
    }
}

#[tokio::test]
async fn case_27_a_strategy_that_panics_ends_its_own_reads_alone() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).build().unwrap();
    for (first, next) in [(Some(Trouble::Panics), None), (None, Some(Trouble::Panics))] {
        let paging = Paging::custom(Troubled { first, next });
        for read in (0..20).map(|_| read(&pool, &paging)).collect::<Vec<_>>() {
            error_of(read).await;
        }
    }
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.worker_restarts, stats.serving), (0, 3));
    is_well(&api, &pool).await;
}

/// What blocks as it is dropped, in a strategy that fails with what blocks as it is dropped.
struct Ends {
    error: Arc<Barrier>,
    _end: BlocksAtItsEnd,
}

impl PageStrategy for Ends {
    fn next(&self, _: &PageView<'_>) -> Result<Option<PageRequest>, AnyError> {
        Err(Box::new(ErrorThatBlocks(Arc::clone(&self.error))))
    }
}

#[tokio::test]
async fn case_27_the_ends_of_strategies_and_of_their_errors_run_on_no_thread_of_the_pool() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).build().unwrap();
    let (opens, errors) = (Opens::new(), Opens::new());
    // The last to have the strategy is a pager, on the thread of a worker.
    for _ in 0..6 {
        let (error, end) = (errors.barrier(), BlocksAtItsEnd(opens.barrier()));
        let mut rows =
            PaginatedStream::get(&pool, "/rows").paging(Paging::custom(Ends { error, _end: end }));
        // Polled once and left: what comes of it meets nobody.
        let _ = futures::poll!(rows.next());
        std::thread::spawn(move || drop(rows));
    }
    opens.0.holds(6).await;
    is_well(&api, &pool).await;
}

/// Credentials whose callbacks are as they are told to be.
fn credentials(
    acquire: impl Fn() + Send + Sync + 'static,
    apply: impl Fn(&Request) + Send + Sync + 'static,
) -> Credentials {
    let acquire = move || {
        acquire();
        std::future::ready(Ok::<_, Error>("token"))
    };
    Credentials::from_callback(1, acquire, move |request, token| {
        apply(&request);
        bearer(request, token)
    })
}

fn good() -> Credentials {
    credentials(|| (), |_| ())
}

#[tokio::test]
async fn case_27_an_apply_that_never_returns_holds_up_its_own_calls_alone() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).heartbeat_timeout(Duration::from_millis(300));
    let pool = pool.replace_blocked_after(Duration::from_millis(3_500)).build().unwrap();
    let pool = pool.with_credentials(good()).unwrap();
    // More handles than a slot has threads to lose.
    let opens = Opens::new();
    let mut culprits = Vec::new();
    for _ in 0..8 {
        let barrier = opens.barrier();
        let blocked = pool.with_credentials(credentials(|| (), move |_| barrier.hold())).unwrap();
        culprits.extend((0..6).map(|_| {
            let blocked = blocked.clone();
            tokio::spawn(async move { blocked.get("/rows").await })
        }));
    }
    opens.0.holds(3).await;
    works(&api, &pool).await;
    for culprit in culprits {
        let error = soon("an answer", culprit).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
        assert!(error.to_string().contains("apply"), "{error}");
    }
    // On a busy machine a worker may seem blocked for a moment.
    let all_serve = async || soon("statistics", pool.stats()).await.unwrap().serving == 3;
    until("every worker serves", all_serve).await;
    is_well(&api, &pool).await;
}

#[tokio::test]
async fn case_27_an_apply_that_panics_or_fails_ends_its_own_calls_alone() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).build().unwrap().with_credentials(good()).unwrap();
    let panics = credentials(|| (), |_| Trouble::Panics.happen());
    let panics = pool.with_credentials(panics).unwrap();
    for answer in soon("answers", join_all((0..20).map(|_| panics.get("/rows")))).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Callback);
    }
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.worker_restarts, stats.serving), (0, 3));
    is_well(&api, &pool).await;
}

/// A pool that soon gives up a thread which an `acquire` blocks.
fn short_of_time(api: &HostileServer) -> AwwPool {
    let pool = builder(api).heartbeat_timeout(Duration::from_millis(300));
    pool.acquire_timeout(Duration::from_secs(1)).build().unwrap()
}

#[tokio::test]
async fn case_27_acquires_that_never_return_hold_up_their_own_calls_alone() {
    let api = Hostile::new(35).start();
    let pool = short_of_time(&api);
    let opens = Opens::new();
    // More than one manager after another may be given up.
    let culprits: Vec<_> = (0..6)
        .map(|_| {
            let barrier = opens.barrier();
            let blocks = credentials(move || barrier.hold(), |_| ());
            let blocked = pool.with_credentials(blocks).unwrap();
            tokio::spawn(async move { blocked.get("/rows").await })
        })
        .collect();
    opens.0.holds(1).await;
    // A handle whose token nobody has yet waits for a thread that is free of them.
    let other = pool.with_credentials(good()).unwrap();
    soon("an answer", other.get("/rows")).await.unwrap();
    for culprit in culprits {
        let error = soon("an answer", culprit).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token, "{error}");
    }
    let late = pool.with_credentials(good()).unwrap();
    works(&api, &late).await;
    is_well(&api, &pool).await;
}

#[tokio::test]
async fn case_27_an_acquire_that_blocks_again_and_again_is_not_called_until_it_is_back() {
    let api = Hostile::new(35).start();
    let pool = short_of_time(&api);
    let opens = Opens::new();
    let barrier = opens.barrier();
    let blocked = pool.with_credentials(credentials(move || barrier.hold(), |_| ())).unwrap();
    let mut says = String::new();
    until("it is not called", async || {
        says = soon("an answer", blocked.get("/rows")).await.unwrap_err().to_string();
        says.contains("too many threads")
    })
    .await;
    assert_eq!(opens.0.entered(), 4);
    works(&api, &pool.with_credentials(good()).unwrap()).await;
    drop(opens);
    until("it is called again", async || blocked.get("/rows").await.is_ok()).await;
    is_well(&api, &pool).await;
}

#[tokio::test]
async fn case_27_the_ends_of_credentials_and_of_their_errors_run_on_no_thread_of_the_pool() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).build().unwrap();
    let (opens, errors) = (Opens::new(), Opens::new());
    for _ in 0..6 {
        let (end, error) = (BlocksAtItsEnd(opens.barrier()), errors.barrier());
        let acquire = move || {
            let _ = &end;
            std::future::ready(Err::<String, _>(ErrorThatBlocks(Arc::clone(&error))))
        };
        let handle = pool.with_credentials(Credentials::from_callback(1, acquire, bearer)).unwrap();
        let waits = opens.0.entered();
        let last = std::thread::spawn(move || {
            // The call is left as it waits, and its handle with it.
            let _ = futures::FutureExt::now_or_never(handle.get("/rows"));
        });
        opens.0.holds(waits + 1).await;
        drop(last);
    }
    works(&api, &pool.with_credentials(good()).unwrap()).await;
    is_well(&api, &pool).await;
}

/// An item whose building is trouble.
struct Item<const PANICS: bool>;

static BUILDING: Mutex<Option<Arc<Barrier>>> = Mutex::new(None);

impl<'de, const PANICS: bool> serde::Deserialize<'de> for Item<PANICS> {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        if PANICS {
            Trouble::Panics.happen();
        }
        let barrier = BUILDING.lock().unwrap().clone();
        barrier.unwrap().hold();
        Ok(Self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_27_items_that_block_or_panic_as_they_are_built_hold_up_their_consumer_alone() {
    let api = Hostile::new(35).start();
    let pool = builder(&api).build().unwrap();
    let opens = Opens::new();
    *BUILDING.lock().unwrap() = Some(opens.barrier());
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let mut rows = PaginatedStream::get(&pool, "/rows").items_as::<Item<false>>();
            std::thread::spawn(move || futures::executor::block_on(rows.next()).is_some())
        })
        .collect();
    opens.0.holds(6).await;
    let mut rows = PaginatedStream::get(&pool, "/rows").items_as::<Item<true>>();
    let error = soon("an item", rows.next()).await.unwrap().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
    is_well(&api, &pool).await;
    drop(opens);
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
}

/// An actor that does not come back from its first event.
struct Watcher(Arc<Barrier>);

impl actix::Actor for Watcher {
    type Context = actix::Context<Self>;
}

impl actix::Handler<Event> for Watcher {
    type Result = ();

    fn handle(&mut self, _: Event, _: &mut Self::Context) {
        self.0.hold();
    }
}

#[test]
fn case_27_observers_that_block_or_never_look_hold_nothing_up() {
    let opens = Opens::new();
    let watcher = Watcher(opens.barrier());
    // A System of the application, with the pool's actors on its Arbiters.
    actix::System::new().block_on(async move {
        let api = Hostile::new(35).start();
        let pool = builder(&api).build().unwrap();
        let thread = actix::Arbiter::new();
        let observer = <Watcher as actix::Actor>::start_in_arbiter(&thread.handle(), |_| watcher);
        let supervisor = pool.supervisor().await.unwrap();
        let subscribe = vantage_api_pool::messages::Subscribe::new(observer.recipient());
        supervisor.send(subscribe).await.unwrap();
        let _never_looks = pool.events();
        works(&api, &pool).await;
        opens.0.holds(1).await;
        is_well(&api, &pool).await;
        drop(opens);
    });
}

/// A recorder that does not come back from what is labelled with a trouble.
struct Recorder(Arc<Barrier>);

impl Recorder {
    fn look_at(&self, key: &metrics::Key) {
        match key.labels().find(|label| label.key() == "pool").map(metrics::Label::value) {
            Some("blocks") => self.0.hold(),
            Some("panics") => {
                self.0.entered.fetch_add(1, Ordering::SeqCst);
                Trouble::Panics.happen();
            }
            _ => {}
        }
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        self.look_at(key);
        metrics::Counter::noop()
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        _: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[tokio::test]
async fn case_27_a_metrics_recorder_that_blocks_or_panics_holds_nothing_up() {
    let opens = Opens::new();
    metrics::set_global_recorder(Recorder(opens.barrier())).ok().unwrap();
    let api = Hostile::new(35).start();
    for (label, times) in [("blocks", 1), ("panics", 3)] {
        let pool = builder(&api).metrics_label(label).build().unwrap();
        let before = opens.0.entered();
        works(&api, &pool).await;
        opens.0.holds(before + times).await;
        is_well(&api, &pool).await;
    }
}

/// The error of a read that begins with `token`, and nothing before it.
async fn refusal(rows: PaginatedStream, token: &ResumeToken) -> String {
    let mut rows = rows.resume_from(token.clone());
    let error = soon("an error", rows.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(soon("the end", rows.next()).await.is_none());
    error.to_string()
}

#[tokio::test]
async fn case_33_a_token_of_another_read_is_refused_and_the_error_says_what_differs() {
    let api = Hostile::new(35).start();
    let pool = AwwPool::new(1, None, false, api.url());
    let read = |endpoint: &str| PaginatedStream::get(&pool, endpoint);
    // Nothing is under way when it is dropped.
    let mut rows = read("/rows?sort=id").mode(ReadMode::Sequential);
    for _ in 0..13 {
        soon("a row", rows.next()).await.unwrap().unwrap();
    }
    let token = rows.resume_token();
    drop(rows);
    let asked = api.log(|log| log.seen.len());
    for (rows, what) in [
        (read("/rows"), "another endpoint"),
        (read("/rows?sort=name"), "another endpoint"),
        (read("/others?sort=id"), "another endpoint"),
        (read("/rows?sort=id").paging(Paging::page_number().first_page(0)), "another paging"),
        (read("/rows?sort=id").paging(Paging::page_number().page_size("n", 7)), "another paging"),
        (read("/rows?sort=id").paging(Paging::none()), "another paging"),
        (read("/rows?sort=id").envelope(Envelope::bare_array()), "another envelope"),
        (
            read("/x").paging(Paging::none()).envelope(Envelope::items_at("rows")),
            "another endpoint and another paging and another envelope",
        ),
    ] {
        let error = refusal(rows, &token).await;
        assert!(error.contains(&format!("with {what}")), "{what}: {error}");
        assert!(!error.contains("sort"), "{error}");
    }
    // Before a page was read and after the last one too, and it survives being passed on.
    let fresh = read("/rows").resume_token();
    assert!(refusal(read("/others"), &fresh).await.contains("another endpoint"));
    let passed_on = read("/others").resume_from(fresh).resume_token();
    assert!(refusal(read("/others"), &passed_on).await.contains("another endpoint"));
    assert_eq!(api.log(|log| log.seen.len()), asked, "nothing is sent for it");
    let mut rows = read("/rows?sort=id");
    while let Some(row) = soon("a row", rows.next()).await {
        row.unwrap();
    }
    assert!(rows.resume_token().is_end());
    assert!(refusal(read("/rows"), &rows.resume_token()).await.contains("another endpoint"));
    // What has nothing to do with the place does not matter.
    let kept: ResumeToken = token.to_text().parse().unwrap();
    let other = AwwPool::builder(api.url()).workers(2).build().unwrap();
    let rest = PaginatedStream::get(&other, "/rows?sort=id").mode(ReadMode::Sequential);
    let rest = rest.prefetch(1).resume_from(kept).collect::<Vec<_>>();
    let rest: Result<Vec<_>, _> = soon("the rest", rest).await.into_iter().collect();
    assert_eq!(rest.unwrap(), api.rows()[13..]);
}

#[test]
fn case_33_a_token_of_another_version_is_refused_by_its_number() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let pool = AwwPool::new(1, None, false, "http://localhost");
    let text = PaginatedStream::get(&pool, "/rows").resume_token().to_text();
    let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    assert_eq!(bytes[0], 1);
    bytes[0] = 2;
    let elder = br#"{"index":1,"address":{"page":1},"taken":3,"full":10}"#;
    for (bytes, what) in [(bytes, "version 2"), (elder.to_vec(), "before 1")] {
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let error = text.parse::<ResumeToken>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(what), "{error}");
        let json = serde_json::to_string(&text).unwrap();
        let error = serde_json::from_str::<ResumeToken>(&json).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn case_33_a_cursor_of_a_vista_under_another_path_other_conditions_or_order_is_refused() {
    let next = "paging.next";
    for (style, paging) in [
        (Style::Link(Form::Absolute), ", paging: { by: link }"),
        (Style::NextUrl(next, Form::Query), ", paging: { by: next_url, next: paging.next }"),
    ] {
        let others = Hostile::new(35).start().rows();
        let api = Hostile::new(35).style(style).collection("/others", others).start();
        let pool = AwwPool::new(1, None, false, api.url());
        let vista = |path: &str| {
            let source = PoolApi::new(pool.clone()).filtering(Filtering::Local);
            let yaml = format!(
                "name: rows\napi: {{ endpoint: {path}{paging} }}\n\
                 columns: {{ id: {{ type: int, flags: [id] }}, name: {{ type: string }} }}"
            );
            source.vista_factory().from_yaml(&yaml).unwrap()
        };
        let rows = vista("rows");
        let (page, next) = soon("a piece", rows.fetch_cursor(None, 4)).await.unwrap();
        assert_eq!(page.rows.len(), 4);
        let next = next.unwrap();
        let narrowed = rows.clone().with_condition("id", FilterOp::Eq, 1).unwrap();
        for other in [vista("others"), narrowed] {
            let refused = soon("a refusal", other.fetch_cursor(Some(next.clone()), 4)).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("another endpoint"), "{paging}: {error}");
        }
        let (page, _) = soon("a piece", rows.fetch_cursor(Some(next), 4)).await.unwrap();
        let ids: Vec<_> = page.rows.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["4", "5", "6", "7"]);
    }
}

#[tokio::test]
async fn case_30_calls_beyond_their_deadline_or_patience_are_answered_among_thousands_that_are_not()
{
    let opens = tokio::sync::Semaphore::new(0);
    let opens = Arc::new(opens);
    let gate = Arc::clone(&opens);
    let server = RawServer::start(move |mut peer| {
        let gate = Arc::clone(&gate);
        async move {
            while peer.head().await.is_some() {
                drop(gate.acquire().await);
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    let pool = AwwPool::builder(server.url()).workers(1).connections_per_worker(2);
    // The first two calls stay on the worker, however long it is held up.
    let pool = pool.max_queued(10_000).heartbeat_timeout(Duration::from_secs(10));
    let pool = pool.call_timeout(Duration::from_secs(180)).build().unwrap();
    let request = |n: u64| match n % 4 {
        0 => Request::get("/rows").timeout(Duration::from_millis(200 + n)),
        1 => Request::get("/rows").queue_timeout(Duration::from_millis(200 + n)),
        _ => Request::get("/rows").queue_timeout(Duration::from_secs(3_600)),
    };
    let holders = join_all((0..2).map(|_| pool.get("/rows")));
    let calls = join_all((0..2_000).map(|n| pool.request(request(n))));
    let opening = async {
        let late = async || soon("statistics", pool.stats()).await.unwrap().calls_failed >= 1_000;
        until("those that are late are answered", late).await;
        opens.add_permits(100);
    };
    let all = futures::future::join3(holders, calls, opening);
    let (holders, answers, ()) = soon("all answers", all).await;
    assert!(holders.iter().all(Result::is_ok), "{holders:?}");
    for (n, answer) in answers.into_iter().enumerate() {
        let kind = answer.map(drop).map_err(|error| error.kind());
        let expected = match n % 4 {
            0 => Err(ErrorKind::DeadlineExceeded),
            1 => Err(ErrorKind::PoolTimeout),
            _ => Ok(()),
        };
        assert_eq!(kind, expected, "{n}");
    }
}
