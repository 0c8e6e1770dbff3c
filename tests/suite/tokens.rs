//! When tokens are acquired, renewed and replayed, and what becomes of a callback
//! that misbehaves.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    mock::{self, Pages, bearers, numbered, refusal},
    raw_server::{LIMIT, RawServer},
    soon,
};
use futures::future::join_all;
use tokio::{
    sync::{Barrier, Notify, watch},
    time::timeout,
};
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, Response, Token, messages::InvalidateToken,
};
use wiremock::{
    Mock, MockServer, Request as Received, ResponseTemplate,
    matchers::{any, path as path_of, query_param},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

/// A pool whose threads never seem to be blocked: such a worker loses calls that wait for a token,
/// and such a token manager its tokens and rests.
fn builder(url: String) -> PoolBuilder {
    let builder = AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10));
    builder.backoff_base(Duration::from_millis(1))
}

fn bearer(request: Request, token: &str) -> Request {
    request.header("authorization", &format!("Bearer {token}")).unwrap()
}

/// Counts acquires and hands out `token-1`, `token-2`, and so on.
#[derive(Clone, Default)]
struct Issuer(Arc<AtomicUsize>);

impl Issuer {
    fn next(&self) -> String {
        format!("token-{}", self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A pool with `slots` tokens that are there at once and do not expire.
    fn pool(&self, slots: usize, builder: PoolBuilder) -> AwwPool {
        let issuer = self.clone();
        let acquire = move || std::future::ready(Ok::<_, Error>(issuer.next()));
        builder.with_auth_callback(slots, acquire, bearer).build().unwrap()
    }
}

async fn get_many(pool: &AwwPool, calls: usize) -> Vec<Result<Response, Error>> {
    soon("every call is answered", join_all((0..calls).map(|_| pool.get("/rows")))).await
}

/// An API that takes any token.
async fn open_api() -> MockServer {
    mock::answering(ResponseTemplate::new(200)).await
}

fn has_token(head: &str, token: &str) -> bool {
    head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: bearer {token}")))
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn a_thousand_first_calls_acquire_each_token_once() {
    for slots in [1, 3] {
        let api = open_api().await;
        let issuer = Issuer::default();
        let acquire = {
            let issuer = issuer.clone();
            move || {
                let token = issuer.next();
                async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok::<_, Error>(token)
                }
            }
        };
        let pool = builder(api.uri()).with_auth_callback(slots, acquire, bearer).build().unwrap();
        let answers = get_many(&pool, 1_000).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(issuer.count(), slots);
        let tokens = bearers(&api).await;
        assert_eq!((tokens.len(), tokens.values().sum::<usize>()), (slots, 1_000));
        assert_eq!(pool.stats().await.unwrap().token_refreshes, slots as u64);
    }
}

#[tokio::test]
async fn faults_08_a_thousand_simultaneous_401s_refresh_once_and_each_call_is_replayed_once() {
    for slots in [1, 3] {
        let is_stale = move |head: &str| {
            path(head) == "/rows" && (1..=slots).any(|n| has_token(head, &format!("token-{n}")))
        };
        let all_arrived = Arc::new(Barrier::new(1_000));
        let api = RawServer::start(move |mut peer| {
            let all_arrived = Arc::clone(&all_arrived);
            async move {
                while let Some(head) = peer.head().await {
                    if is_stale(&head) {
                        all_arrived.wait().await;
                    }
                    peer.write(if is_stale(&head) { REFUSED } else { OK }).await;
                }
            }
        });
        let issuer = Issuer::default();
        // However long it takes until all have arrived, none is asked again.
        let patient = builder(api.url()).attempt_timeout(LIMIT).heartbeat_timeout(LIMIT);
        let patient = patient.replace_blocked_after(LIMIT).call_timeout(LIMIT);
        let pool = issuer.pool(slots, patient.workers(4).connections_per_worker(250));
        for _ in 0..slots {
            pool.get("/warm-up").await.unwrap();
        }

        let answers = get_many(&pool, 1_000).await;
        let failures: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!(failures.is_empty(), "{} failed: {}", failures.len(), failures[0]);
        assert_eq!(issuer.count(), 2 * slots);
        let seen = api.seen();
        let rows = || seen.heads.iter().map(|(_, head)| head).filter(|head| path(head) == "/rows");
        let stale = rows().filter(|head| is_stale(head)).count();
        let fresh = slots + 1..=2 * slots;
        let renewed = rows()
            .filter(|head| fresh.clone().any(|n| has_token(head, &format!("token-{n}"))))
            .count();
        assert_eq!((stale, renewed, seen.heads.len()), (1_000, 1_000, 2_000 + slots));
    }
}

#[tokio::test]
async fn faults_09_a_late_401_of_an_old_token_refreshes_nothing() {
    let release = Arc::new(Notify::new());
    let released = Arc::clone(&release);
    let api = RawServer::start(move |mut peer| {
        let released = Arc::clone(&released);
        async move {
            while let Some(head) = peer.head().await {
                let is_stale = has_token(&head, "token-1");
                if is_stale && path(&head) == "/slow" {
                    released.notified().await;
                }
                peer.write(if is_stale { REFUSED } else { OK }).await;
            }
        }
    });
    let issuer = Issuer::default();
    let pool = issuer.pool(1, builder(api.url()));
    let late = async {
        api.wait_for(|seen| seen.heads.len() == 1).await;
        pool.get("/fast").await.unwrap();
        assert_eq!(issuer.count(), 2);
        release.notify_one();
    };
    let (answer, ()) = soon("both calls", async { tokio::join!(pool.get("/slow"), late) }).await;
    assert_eq!(answer.unwrap().body().as_ref(), b"ok");
    assert_eq!(issuer.count(), 2, "the late refusal was of the old token");
    assert_eq!(api.seen().heads.len(), 4);
}

#[tokio::test]
async fn faults_11_a_401_for_ever_is_final_after_one_refresh_and_one_replay() {
    let api = mock::answering(refusal(401)).await;
    let issuer = Issuer::default();
    let error = issuer.pool(1, builder(api.uri())).get("/rows").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (401, 2));
    assert_eq!(issuer.count(), 2);
    assert_eq!(bearers(&api).await, BTreeMap::from([("token-1".into(), 1), ("token-2".into(), 1)]));
}

#[tokio::test]
async fn a_403_refreshes_nothing() {
    let api = mock::answering(refusal(403)).await;
    let issuer = Issuer::default();
    let error = issuer.pool(1, builder(api.uri())).get("/rows").await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 403));
    assert_eq!((issuer.count(), mock::count(&api).await), (1, 1));
}

#[tokio::test]
async fn without_tokens_a_401_is_final_at_once() {
    let api = mock::answering(refusal(401)).await;
    let error = builder(api.uri()).build().unwrap().get("/rows").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unauthorized, 1));
}

#[tokio::test]
async fn accept_64_tokens_that_are_revoked_under_load_cost_no_call() {
    let valid = Arc::new(AtomicUsize::new(1));
    let current = Arc::clone(&valid);
    let api = mock::answering(move |request: &Received| {
        let bearer = format!("Bearer token-{}", current.load(Ordering::SeqCst));
        let is_valid = mock::header(request, "authorization") == Some(bearer.as_str());
        if is_valid { ResponseTemplate::new(200) } else { refusal(401) }
    })
    .await;
    let issuer = Issuer::default();
    let pool = issuer.pool(1, builder(api.uri()));
    pool.get("/rows").await.unwrap();
    for round in 2..=5 {
        // Only the token that is issued next holds from now on.
        valid.store(round, Ordering::SeqCst);
        let answers = get_many(&pool, 300).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(issuer.count(), round);
    }
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Error,
    Panic,
    PanicBeforeTheFuture,
    Hang,
}

#[tokio::test]
async fn faults_10_an_acquire_that_fails_panics_or_hangs_is_every_waiters_error_and_then_recovers()
{
    let troubles = [Trouble::Error, Trouble::Panic, Trouble::PanicBeforeTheFuture, Trouble::Hang];
    join_all(troubles.map(async |trouble| {
        let api = open_api().await;
        let (issuer, healthy) = (Issuer::default(), Arc::new(AtomicBool::new(false)));
        let acquire = {
            let (issuer, healthy) = (issuer.clone(), Arc::clone(&healthy));
            move || {
                let (token, healthy) = (issuer.next(), healthy.load(Ordering::SeqCst));
                assert!(healthy || !matches!(trouble, Trouble::PanicBeforeTheFuture), "trouble");
                async move {
                    match trouble {
                        _ if healthy => Ok(token),
                        Trouble::Error => Err("the token server is down"),
                        Trouble::Hang => std::future::pending().await,
                        Trouble::Panic | Trouble::PanicBeforeTheFuture => panic!("trouble"),
                    }
                }
            }
        };
        let limit = Duration::from_millis(200);
        let pool = builder(api.uri())
            .acquire_timeout(limit)
            .with_auth_callback(1, acquire, bearer)
            .build()
            .unwrap();

        let started = Instant::now();
        for error in get_many(&pool, 100).await.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Token, "{trouble:?}: {error}");
            assert!(error.is_retryable());
        }
        // Rests of at least 0.1 s, 0.2 s, 0.4 s and so on: one more acquire for each doubling.
        while started.elapsed() < Duration::from_secs(1) || issuer.count() < 2 {
            assert!(started.elapsed() < Duration::from_secs(60), "no acquire after the rest");
            assert_eq!(pool.get("/rows").await.unwrap_err().kind(), ErrorKind::Token);
        }
        let doublings = (started.elapsed().as_secs_f64() / 0.1).log2() as usize;
        assert!(issuer.count() <= 2 + doublings, "{trouble:?}: {} acquires", issuer.count());
        assert_eq!(mock::count(&api).await, 0);

        healthy.store(true, Ordering::SeqCst);
        soon("the recovery", async {
            while let Err(error) = pool.get("/rows").await {
                assert_eq!(error.kind(), ErrorKind::Token, "{trouble:?}: {error}");
                tokio::time::sleep(error.retry_after().unwrap_or(limit)).await;
            }
        })
        .await;
    }))
    .await;
}

#[tokio::test]
async fn another_slot_serves_while_one_cools_down() {
    let api = open_api().await;
    let issuer = Issuer::default();
    let acquire = {
        let issuer = issuer.clone();
        move || {
            let token = issuer.next();
            let result = if token == "token-2" { Ok(token) } else { Err("down") };
            std::future::ready(result)
        }
    };
    let pool = builder(api.uri()).with_auth_callback(2, acquire, bearer).build().unwrap();
    assert_eq!(pool.get("/rows").await.unwrap_err().kind(), ErrorKind::Token);
    // For longer than the rest, after which the slot is tried again and fails again.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) || issuer.count() <= 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "the other slot was given up");
        if let Err(error) = pool.get("/rows").await {
            panic!("after {:?}: {error}", started.elapsed());
        }
    }
    assert_eq!(bearers(&api).await.into_keys().collect::<Vec<_>>(), ["token-2"]);
}

#[tokio::test]
async fn accept_59_a_call_that_waits_for_its_token_holds_no_connection() {
    let api = open_api().await;
    let issuer = Issuer::default();
    let (acquiring, mut acquired) = watch::channel(0);
    let acquire = {
        let issuer = issuer.clone();
        move || {
            let token = issuer.next();
            acquiring.send_modify(|count| *count += 1);
            async move {
                match token.as_str() {
                    "token-1" => std::future::pending().await,
                    _ => Ok::<_, Error>(token),
                }
            }
        }
    };
    let pool = builder(api.uri())
        .workers(1)
        .connections_per_worker(1)
        .with_auth_callback(2, acquire, bearer)
        .build()
        .unwrap();
    let waiting = pool.get("/rows");
    let served = async {
        soon("the first acquire", acquired.wait_for(|&count| count == 1)).await.unwrap();
        soon("the second call", pool.get("/rows")).await.unwrap();
    };
    tokio::select! {
        answer = waiting => panic!("{answer:?}"),
        () = served => {}
    }
}

#[tokio::test]
async fn three_tokens_serve_in_turn_whatever_the_number_of_workers() {
    for workers in [1, 3] {
        let api = open_api().await;
        let issuer = Issuer::default();
        let pool = issuer.pool(3, builder(api.uri()).workers(workers));
        for _ in 0..9 {
            pool.get("/rows").await.unwrap();
        }
        let counts = bearers(&api).await.into_values().collect::<Vec<_>>();
        assert_eq!((counts, issuer.count()), (vec![3, 3, 3], 3), "{workers} workers");
    }
}

#[tokio::test]
async fn accept_65_each_attempt_asks_for_the_current_token_again() {
    let api = mock::server().await;
    let once = Mock::given(any()).respond_with(refusal(503)).up_to_n_times(1);
    once.expect(1).mount(&api).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(1).mount(&api).await;
    let pool = Issuer::default().pool(2, builder(api.uri()));
    pool.get("/rows").await.unwrap();
    assert_eq!(bearers(&api).await.into_keys().collect::<Vec<_>>(), ["token-1", "token-2"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_no_call_waits_for_that() {
    let renewals = async { while !is_served_during_a_renewal().await {} };
    soon("a renewal before the token has come to its end", renewals).await;
}

/// Whether a call that comes while the token is renewed is answered. It is unless the machine is so
/// busy that the call comes after the end of the first token.
async fn is_served_during_a_renewal() -> bool {
    let limit = Duration::from_secs(5);
    let api = open_api().await;
    let issuer = Issuer::default();
    let (acquiring, mut acquires) = watch::channel(0);
    let release = Arc::new(Notify::new());
    let acquire = {
        let (issuer, release) = (issuer.clone(), Arc::clone(&release));
        move || {
            let (token, release) = (issuer.next(), Arc::clone(&release));
            acquiring.send_modify(|count| *count += 1);
            async move {
                if token == "token-2" {
                    release.notified().await;
                }
                let lifetime = if token == "token-1" { 4 } else { 3_600 };
                Ok::<_, Error>(Token::new(token).expires_in(Duration::from_secs(lifetime)))
            }
        }
    };
    let pool = builder(api.uri()).with_auth_callback(1, acquire, bearer).build().unwrap();
    let Ok(first) = timeout(limit, pool.get("/rows")).await else { return false };
    first.unwrap();
    // Nobody calls meanwhile.
    soon("the renewal begins", acquires.wait_for(|&count| count == 2)).await.unwrap();
    let Ok(second) = timeout(limit, pool.get("/rows")).await else { return false };
    second.unwrap();
    assert_eq!(bearers(&api).await, BTreeMap::from([("token-1".into(), 2)]));
    release.notify_one();
    soon("the new token is used", async {
        while !bearers(&api).await.contains_key("token-2") {
            pool.get("/rows").await.unwrap();
        }
    })
    .await;
    assert_eq!(issuer.count(), 2);
    true
}

#[tokio::test]
async fn the_future_of_acquire_need_not_be_send() {
    let api = open_api().await;
    let acquire = || async {
        let token = Rc::new("local".to_owned());
        tokio::task::yield_now().await;
        Ok::<_, Error>(token.as_str().to_owned())
    };
    let pool = builder(api.uri()).with_auth_callback(1, acquire, bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    assert_eq!(bearers(&api).await, BTreeMap::from([("local".into(), 1)]));
}

#[tokio::test]
async fn an_apply_that_panics_fails_its_call_and_the_pool_lives_on() {
    let api = open_api().await;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let apply = move |request: Request, token: &str| {
        assert!(!is_broken.load(Ordering::SeqCst), "the callback is broken");
        bearer(request, token)
    };
    let acquire = || std::future::ready(Ok::<_, Error>("token"));
    let pool = builder(api.uri()).with_auth_callback(1, acquire, apply).build().unwrap();
    for answer in get_many(&pool, 20).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Callback);
    }
    assert_eq!(mock::count(&api).await, 0);
    broken.store(false, Ordering::SeqCst);
    assert!(get_many(&pool, 20).await.iter().all(Result::is_ok));
    assert_eq!(pool.stats().await.unwrap().worker_restarts, 0);
}

#[tokio::test]
async fn an_apply_cannot_lead_a_request_elsewhere() {
    let (api, elsewhere) = (open_api().await, RawServer::answering(OK));
    let url = elsewhere.url();
    let apply = move |_: Request, token: &str| bearer(Request::get(format!("{url}/rows")), token);
    let acquire = || std::future::ready(Ok::<_, Error>("token"));
    let pool = builder(api.uri()).with_auth_callback(1, acquire, apply).build().unwrap();
    assert_eq!(pool.get("/rows").await.unwrap_err().kind(), ErrorKind::ForeignOrigin);
    assert_eq!(elsewhere.seen().connections, 0);
}

#[tokio::test]
async fn a_token_may_go_into_the_query() {
    let api = mock::server().await;
    Mock::given(path_of("/rows"))
        .and(query_param("page", "2"))
        .and(query_param("key", "a b&c=d"))
        .respond_with(Pages(numbered(0..30)))
        .expect(1)
        .mount(&api)
        .await;
    let acquire = || std::future::ready(Ok::<_, Error>("a b&c=d"));
    let apply = |request: Request, token: &str| request.query(&[("key", token)]).unwrap();
    let pool = builder(api.uri()).with_auth_callback(1, acquire, apply).build().unwrap();
    pool.get("/rows?page=2").await.unwrap();
    let query = mock::query(&mock::last(&api).await);
    assert_eq!(query, [("page".into(), "2".into()), ("key".into(), "a b&c=d".into())]);
}

#[tokio::test]
async fn a_token_that_was_declared_void_is_renewed_before_its_next_use() {
    let api = open_api().await;
    let issuer = Issuer::default();
    let pool = issuer.pool(2, builder(api.uri()).workers(3));
    assert!(get_many(&pool, 60).await.iter().all(Result::is_ok));
    let before = bearers(&api).await;
    pool.invalidate_token(0).await.unwrap();
    assert_eq!(issuer.count(), 2, "nothing is acquired before it is needed");
    assert!(get_many(&pool, 60).await.iter().all(Result::is_ok));
    // The tokens are acquired in any order: one is as before, the other one is gone.
    let after = bearers(&api).await;
    let stopped = before.iter().filter(|(token, count)| after[*token] == **count).count();
    assert_eq!((issuer.count(), after.len(), stopped), (3, 3, 1), "{before:?} {after:?}");

    pool.supervisor().await.unwrap().send(InvalidateToken::new(1)).await.unwrap().unwrap();
    assert!(get_many(&pool, 60).await.iter().all(Result::is_ok));
    assert_eq!((issuer.count(), bearers(&api).await.len()), (4, 4));
}

#[tokio::test]
async fn a_token_that_is_declared_void_while_it_is_acquired_is_never_sent() {
    let api = open_api().await;
    let issuer = Issuer::default();
    let (acquiring, mut acquires) = watch::channel(0);
    let release = Arc::new(Notify::new());
    let acquire = {
        let (issuer, release) = (issuer.clone(), Arc::clone(&release));
        move || {
            let (token, release) = (issuer.next(), Arc::clone(&release));
            acquiring.send_modify(|count| *count += 1);
            async move {
                if token == "token-1" {
                    release.notified().await;
                }
                Ok::<_, Error>(token)
            }
        }
    };
    let pool = builder(api.uri()).with_auth_callback(1, acquire, bearer).build().unwrap();
    let void = async {
        soon("the acquire", acquires.wait_for(|&count| count == 1)).await.unwrap();
        pool.invalidate_token(0).await.unwrap();
        release.notify_one();
    };
    let (answers, ()) = tokio::join!(get_many(&pool, 20), void);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bearers(&api).await, BTreeMap::from([("token-2".into(), 20)]));
    assert_eq!(issuer.count(), 2);
}

#[tokio::test]
async fn only_a_token_that_the_pool_has_can_be_declared_void() {
    let api = open_api().await;
    let with = Issuer::default().pool(2, builder(api.uri()));
    let without = builder(api.uri()).build().unwrap();
    for (pool, slot) in [(with, 2), (without, 0)] {
        let error = pool.invalidate_token(slot).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&format!("no token {slot}")), "{error}");
    }
}
