//! Handles of one pool, each with credentials of its own, that try to stop each other.

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use futures::{
    future::{BoxFuture, join_all},
    poll,
};
use tokio::sync::watch;
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, Response, retry::CircuitBreaker,
    tokens::Credentials,
};

use crate::support::{raw_server::RawServer, soon};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";

/// Longer than any call takes, so that a call which is held fails at once.
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 250\r\ncontent-length: 0\r\n\r\n";

/// A server that is busy at `/busy`, fails at `/broken`, and answers at `/gated` once the gate
/// is open.
struct Api {
    server: RawServer,
    gate: watch::Sender<bool>,
}

impl Api {
    fn start() -> Self {
        let (gate, gated) = watch::channel(false);
        let server = RawServer::start(move |mut peer| {
            let mut gated = gated.clone();
            async move {
                while let Some((head, _)) = peer.head_and_body().await {
                    let answer = match head.split(' ').nth(1).unwrap_or_default() {
                        "/busy" => BUSY,
                        "/broken" => "HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n",
                        "/gated" => {
                            let _ = gated.wait_for(|is_open| *is_open).await;
                            OK
                        }
                        _ => OK,
                    };
                    peer.write(answer.as_bytes()).await;
                }
            }
        });
        Self { server, gate }
    }

    /// A pool and two handles of it, whose tokens go out in `x-token`.
    fn pool(&self, set: impl FnOnce(PoolBuilder) -> PoolBuilder) -> [AwwPool; 3] {
        let pool = set(AwwPool::builder(self.server.url())).build().unwrap();
        let tenant = |name| pool.with_credentials(credentials(name)).unwrap();
        let (a, b) = (tenant("A"), tenant("B"));
        [pool, a, b]
    }

    fn open(&self) {
        self.gate.send_replace(true);
    }
}

fn credentials(token: &'static str) -> Credentials {
    let acquire = move || ready(Ok::<_, std::io::Error>(token));
    let apply = |request: Request, token: &str| request.header("x-token", token);
    Credentials::from_callback(1, acquire, apply)
}

async fn get(pool: &AwwPool, target: &str) -> Result<Response, Error> {
    soon("an answer", pool.get(target)).await
}

async fn kind(pool: &AwwPool, target: &str) -> Option<ErrorKind> {
    get(pool, target).await.err().map(|error| error.kind())
}

/// So many calls that have been made, and how many of them were refused.
async fn begin(pool: &AwwPool, calls: usize) -> (Vec<BoxFuture<'static, bool>>, usize) {
    let mut begun = Vec::new();
    let mut refused = 0;
    for _ in 0..calls {
        let pool = pool.clone();
        let mut call: BoxFuture<'static, _> = Box::pin(async move { pool.get("/gated").await });
        match poll!(Pin::new(&mut call)) {
            std::task::Poll::Pending => {
                begun.push(Box::pin(async move { call.await.is_ok() }) as BoxFuture<'static, bool>);
            }
            std::task::Poll::Ready(answer) => {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::QueueFull);
                refused += 1;
            }
        }
    }
    (begun, refused)
}

#[tokio::test]
async fn security_10_a_503_holds_the_handle_that_got_it() {
    let api = Api::start();
    let [pool, a, b] = api.pool(|pool| pool);
    let error = get(&a, "/busy").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert_eq!(kind(&a, "/rows").await, Some(ErrorKind::DeadlineExceeded));
    assert_eq!((kind(&b, "/rows").await, kind(&pool, "/rows").await), (None, None));
    // What another one is told at the same time is told to all.
    assert_eq!(kind(&b, "/busy").await, Some(ErrorKind::DeadlineExceeded));
    let third = pool.with_credentials(credentials("C")).unwrap();
    for handle in [&a, &b, &pool, &third] {
        assert_eq!(kind(handle, "/rows").await, Some(ErrorKind::DeadlineExceeded));
    }
    assert_eq!(api.server.seen().heads.len(), 4);
}

#[tokio::test]
async fn security_10_a_503_of_the_pool_itself_holds_all() {
    let api = Api::start();
    let [pool, a, b] = api.pool(|pool| pool);
    assert_eq!(kind(&pool, "/busy").await, Some(ErrorKind::DeadlineExceeded));
    for handle in [&a, &b, &pool] {
        assert_eq!(kind(handle, "/rows").await, Some(ErrorKind::DeadlineExceeded));
    }
    assert_eq!(api.server.seen().heads.len(), 1);
}

#[tokio::test]
async fn security_10_the_failures_of_a_handle_open_its_own_breaker() {
    for per_handle in [true, false] {
        let api = Api::start();
        let breaker = CircuitBreaker::default().minimum_calls(10);
        let breaker = breaker.open_time(Duration::from_secs(60)).per_handle(per_handle);
        let [pool, a, b] = api.pool(|pool| pool.circuit_breaker(breaker).max_attempts(1));
        for _ in 0..10 {
            assert_eq!(kind(&a, "/broken").await, Some(ErrorKind::Status));
        }
        assert_eq!(kind(&a, "/rows").await, Some(ErrorKind::CircuitOpen));
        let others = (!per_handle).then_some(ErrorKind::CircuitOpen);
        assert_eq!((kind(&b, "/rows").await, kind(&pool, "/rows").await), (others, others));
    }
}

#[tokio::test]
async fn security_10_failures_of_a_handle_cost_others_no_retries() {
    let api = Api::start();
    let [pool, a, b] =
        api.pool(|pool| pool.retry_budget(0.0, 0).max_attempts(2).backoff_base(Duration::ZERO));
    let attempts = async |handle| get(handle, "/broken").await.unwrap_err().attempts();
    let mut of_a = Vec::new();
    for _ in 0..20 {
        of_a.push(attempts(&a).await);
    }
    assert_eq!((of_a[0], of_a[19]), (2, 1));
    assert_eq!((attempts(&b).await, attempts(&pool).await), (2, 2));
}

#[tokio::test]
async fn security_10_a_handle_fills_no_more_than_its_share_of_the_queue() {
    let api = Api::start();
    let [pool, a, b] = api.pool(|pool| pool.workers(1).connections_per_worker(1).max_queued(199));
    for handle in [&pool, &a, &b] {
        get(handle, "/rows").await.unwrap();
    }
    let (of_a, refused) = begin(&a, 300).await;
    assert_eq!((of_a.len(), refused), (100, 200));
    // Whoever else comes gets in, and again no one fills it.
    let (of_b, _) = begin(&b, 300).await;
    assert_eq!(of_b.len(), 50);
    let third = pool.with_credentials(credentials("C")).unwrap();
    let (of_third, _) = begin(&third, 300).await;
    assert_eq!(of_third.len(), 25);
    let (own, _) = begin(&pool, 300).await;
    assert_eq!(own.len(), 25);
    api.open();
    let all = of_a.into_iter().chain(of_b).chain(of_third).chain(own);
    let answered = soon("every answer", join_all(all)).await;
    assert_eq!((answered.len(), answered.iter().all(|is_ok| *is_ok)), (200, true));
    let (mut again, refused) = begin(&a, 50).await;
    assert_eq!(refused, 0);
    assert!(soon("an answer", again.remove(0)).await);
}

#[tokio::test]
async fn security_10_a_rate_key_is_one_of_its_handle() {
    let api = Api::start();
    let [pool, a, b] =
        api.pool(|pool| pool.rate_limit_per_key("0.001".parse().unwrap()).burst_per_key(1));
    let call = async |handle: &AwwPool| {
        let call = handle.request(Request::get("/rows").rate_key("user-7"));
        soon("an answer", call).await.err().map(|error| error.kind())
    };
    for handle in [&a, &b, &pool] {
        assert_eq!(call(handle).await, None);
    }
    for handle in [&a, &b, &pool, &a.clone()] {
        assert_eq!(call(handle).await, Some(ErrorKind::DeadlineExceeded));
    }
    assert_eq!(api.server.seen().heads.len(), 3);
}

#[tokio::test]
async fn security_10_the_end_of_a_handle_is_no_other_ones() {
    let api = Arc::new(Api::start());
    let [pool, a, b] = api.pool(|pool| pool);
    for handle in [&a, &b] {
        get(handle, "/rows").await.unwrap();
    }
    let (of_a, _) = begin(&a, 3).await;
    let (of_b, _) = begin(&b, 3).await;
    soon("the end of A", a.shutdown(Duration::ZERO)).await;
    assert_eq!(soon("what A asked for", join_all(of_a)).await, [false; 3]);
    for handle in [&a, &a.clone()] {
        assert_eq!(kind(handle, "/rows").await, Some(ErrorKind::ShuttingDown));
    }
    let error = soon("an error", a.invalidate_token(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    assert_eq!((kind(&b, "/rows").await, kind(&pool, "/rows").await), (None, None));
    // What is under way may finish.
    let end = b.shutdown(Duration::from_secs(50));
    let mut end: BoxFuture<'_, ()> = Box::pin(end);
    assert!(poll!(Pin::new(&mut end)).is_pending());
    assert_eq!(kind(&b, "/rows").await, Some(ErrorKind::ShuttingDown));
    api.open();
    let (of_b, ()) = soon("the end of B", futures::future::join(join_all(of_b), end)).await;
    assert_eq!(of_b, [true; 3]);
    assert_eq!(kind(&pool, "/rows").await, None);
    // One that ends before the pool has begun.
    let [pool, a, b] = api.pool(|pool| pool);
    soon("the end of A", a.shutdown(Duration::ZERO)).await;
    assert_eq!(kind(&a, "/rows").await, Some(ErrorKind::ShuttingDown));
    assert_eq!((kind(&b, "/rows").await, kind(&pool, "/rows").await), (None, None));
}

#[tokio::test]
async fn security_10_a_handle_changes_nothing_for_the_whole_pool() {
    let api = Api::start();
    let [pool, a, _] = api.pool(|pool| pool);
    let refused = [
        soon("an answer", a.resize(1)).await.unwrap_err(),
        soon("an answer", a.set_rate(Some("0.001".parse().unwrap()))).await.unwrap_err(),
        soon("an answer", a.supervisor()).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    soon("an answer", pool.resize(1)).await.unwrap();
    soon("an answer", pool.set_rate(None)).await.unwrap();
}

#[tokio::test]
async fn security_10_default_credentials_are_the_pools_own() {
    let api = Api::start();
    let [pool, a, _] = api.pool(|pool| {
        pool.default_header("Authorization", "Basic POOL")
            .default_header("cookie", "session=POOL")
            .default_header("x-app", "shop")
    });
    get(&pool, "/rows").await.unwrap();
    get(&a, "/rows").await.unwrap();
    let own = Request::get("/rows").header("authorization", "Basic OWN").unwrap();
    soon("an answer", a.request(own)).await.unwrap();
    let fields = |head: &String| -> Vec<String> {
        let names = ["authorization", "cookie", "x-app", "x-token"];
        let lines = head.lines().map(str::to_ascii_lowercase);
        let mut fields: Vec<_> = lines
            .filter(|line| names.iter().any(|name| line.starts_with(&format!("{name}: "))))
            .collect();
        fields.sort();
        fields
    };
    let seen: Vec<_> = api.server.seen().heads.iter().map(|(_, head)| fields(head)).collect();
    assert_eq!(
        seen,
        [
            vec!["authorization: basic pool", "cookie: session=pool", "x-app: shop"],
            vec!["x-app: shop", "x-token: a"],
            vec!["authorization: basic own", "x-app: shop", "x-token: a"],
        ]
    );
}
