//! Servers that refuse tokens, and what that costs those who hand tokens out.

use std::{
    future::ready,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures::future::join_all;
use vantage_api_pool::{
    AwwPool, ErrorKind, Request,
    retry::ResponseRule,
    tokens::{Credentials, TokenSource, bearer},
};

use crate::support::{raw_server::RawServer, soon};

const OK: &str = "200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAUTHORIZED: &str = "401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
const FORBIDDEN: &str = "403 Forbidden\r\ncontent-length: 0\r\n\r\n";

/// A server that answers as `answer` says to a request by its head.
fn server(answer: impl Fn(&str) -> &'static str + Send + Sync + 'static) -> RawServer {
    let answer = Arc::new(answer);
    RawServer::start(move |mut peer| {
        let answer = Arc::clone(&answer);
        async move {
            while let Some(head) = peer.head().await {
                peer.write(format!("HTTP/1.1 {}", answer(&head)).as_bytes()).await;
            }
        }
    })
}

/// Hands out `token-1`, `token-2` and so on, and counts them.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn acquired(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl TokenSource for Counting {
    fn acquire(
        &self,
        _: usize,
    ) -> futures::future::LocalBoxFuture<
        '_,
        Result<vantage_api_pool::Token, Box<dyn std::error::Error + Send + Sync>>,
    > {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(ready(Ok(format!("token-{number}").into())))
    }
}

/// The most tokens for a slot whose server refuses all of them: the first, two at once, and
/// then fewer and fewer.
fn most(since: Instant) -> usize {
    3 + (since.elapsed().as_secs() / 10) as usize
}

#[tokio::test]
async fn security_11_a_server_that_refuses_every_token_does_not_drive_the_source() {
    let rule = ResponseRule::renew_token().status(403);
    for (answer, slots) in [(UNAUTHORIZED, 1), (UNAUTHORIZED, 3), (FORBIDDEN, 1)] {
        let (server, source, since) =
            (server(move |_| answer), Counting::default(), Instant::now());
        let pool = AwwPool::builder(server.url()).response_rule(rule.clone());
        let pool = pool.token_source(slots, source.clone(), bearer).build().unwrap();
        for _ in 0..10 {
            let calls = join_all((0..30).map(|_| pool.get("/rows")));
            for answer in soon("every answer", calls).await {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unauthorized);
            }
        }
        assert!(source.acquired() <= slots * most(since), "{} tokens", source.acquired());
        // Nor are the calls repeated in vain.
        let repeated = (most(since) - 1) * 30 * slots;
        assert!(server.seen().heads.len() <= 300 + repeated, "{answer}");
    }
}

#[tokio::test]
async fn security_11_a_call_without_a_right_costs_no_token_that_serves_others() {
    let server = server(|head| if head.starts_with("GET /secret") { UNAUTHORIZED } else { OK });
    let (source, since) = (Counting::default(), Instant::now());
    let pool = AwwPool::builder(server.url()).token_source(1, source.clone(), bearer);
    let pool = pool.build().unwrap();
    for _ in 0..300 {
        let error = soon("an error", pool.get("/secret")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    assert!(source.acquired() <= most(since), "{} tokens", source.acquired());
}

#[tokio::test]
async fn security_11_a_server_that_refuses_each_token_now_and_then_does_not_drive_the_source() {
    // Each token but the newest is refused, and each is after one use.
    let uses = AtomicUsize::new(0);
    let server = server(move |_| match uses.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => UNAUTHORIZED,
        _ => OK,
    });
    let (source, since) = (Counting::default(), Instant::now());
    let pool = AwwPool::builder(server.url()).token_source(1, source.clone(), bearer);
    let pool = pool.build().unwrap();
    for _ in 0..300 {
        // Which of them are refused depends on where the last replay left off.
        let _ = soon("an answer", pool.get("/rows")).await;
    }
    let most = 7 + 300 / 10 + (since.elapsed().as_secs() / 10) as usize;
    assert!(source.acquired() <= most, "{} tokens", source.acquired());
}

#[tokio::test]
async fn security_11_a_handle_that_is_refused_drives_neither_its_own_source_nor_another() {
    let server = server(|head| if head.contains("x-tenant") { UNAUTHORIZED } else { OK });
    let (own, tenants) = (Counting::default(), Counting::default());
    let pool = AwwPool::builder(server.url()).token_source(1, own.clone(), bearer);
    let pool = pool.build().unwrap();
    let apply = |request: Request, token: &str| bearer(request.header("x-tenant", "a")?, token);
    let tenant = pool.with_credentials(Credentials::from_source(1, tenants.clone(), apply));
    let (tenant, since) = (tenant.unwrap(), Instant::now());
    for _ in 0..100 {
        let error = soon("an error", tenant.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    assert_eq!(own.acquired(), 1);
    assert!(tenants.acquired() <= most(since), "{} tokens", tenants.acquired());
}

#[tokio::test]
async fn security_11_a_token_that_was_revoked_is_renewed_once_for_all_its_calls() {
    let current = Arc::new(AtomicUsize::new(1));
    let valid = Arc::clone(&current);
    let server = server(move |head| {
        let valid = format!("token-{}\r\n", valid.load(Ordering::SeqCst));
        if head.contains(&valid) && !head.starts_with("GET /secret") { OK } else { UNAUTHORIZED }
    });
    let source = Counting::default();
    let pool = AwwPool::builder(server.url()).token_source(1, source.clone(), bearer);
    let pool = pool.build().unwrap();
    for round in 1..=20 {
        for answer in soon("every answer", join_all((0..50).map(|_| pool.get("/rows")))).await {
            let answer = answer.map_err(|error| io::Error::other(error.to_string()));
            assert_eq!(answer.unwrap().text().unwrap(), "ok", "round {round}");
        }
        assert_eq!(source.acquired(), round);
        current.fetch_add(1, Ordering::SeqCst);
    }
}
