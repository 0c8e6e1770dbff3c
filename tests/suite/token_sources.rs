//! Where tokens come from: ready-made sources, what they say when they fail, and that no
//! secret is in it.

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{hostile::Hostile, raw_server::RawServer, soon};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use demo_api::Embedded;
use futures::future::LocalBoxFuture;
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, Token, TokenSource,
    tokens::{ClientCredentials, EnvTokens, FileTokens, StaticTokens, bearer},
};

const CANARY: &str = "canary-3e7a";

fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).backoff_base(Duration::from_millis(1))
}

/// An API that takes one token at a time and notes which it saw.
struct Api {
    server: RawServer,
    valid: Arc<Mutex<String>>,
}

impl Api {
    fn taking(token: &str) -> Self {
        let valid = Arc::new(Mutex::new(token.to_owned()));
        let current = Arc::clone(&valid);
        let server = RawServer::start(move |mut peer| {
            let current = Arc::clone(&current);
            async move {
                while let Some(head) = peer.head().await {
                    let line = format!("authorization: Bearer {}\r\n", current.lock().unwrap());
                    let status = if head.contains(&line) { "200 OK" } else { "401 Unauthorized" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    peer.write(answer.as_bytes()).await;
                }
            }
        });
        Self { server, valid }
    }

    fn take_only(&self, token: &str) {
        token.clone_into(&mut self.valid.lock().unwrap());
    }

    fn pool(&self, source: impl TokenSource) -> AwwPool {
        builder(self.server.url()).token_source(1, source, bearer).build().unwrap()
    }

    fn requests(&self) -> usize {
        self.server.seen().heads.len()
    }
}

/// Every word of an error and of what led to it.
fn words(error: &Error) -> String {
    let mut words = format!("{error:?}");
    let mut cause: Option<&dyn StdError> = Some(error);
    while let Some(error) = cause {
        words = format!("{words}\n{error}");
        cause = error.source();
    }
    words
}

/// A file of this test alone.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[tokio::test]
async fn static_tokens_are_one_for_each_slot() {
    let api = Hostile::new(5).start();
    let tokens = StaticTokens::new(["one", "two"]);
    let pool = builder(api.url()).token_source(2, tokens, bearer).build().unwrap();
    for _ in 0..4 {
        pool.get("/rows").await.unwrap();
    }
    let seen: BTreeSet<_> = api.log(|log| {
        log.seen.iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect()
    });
    assert_eq!(seen, BTreeSet::from(["Bearer one".into(), "Bearer two".into()]));

    let other = Api::taking("another");
    let error = other.pool(StaticTokens::new(["one"])).get("/").await.unwrap_err();
    assert_eq!((error.kind(), other.requests()), (ErrorKind::Unauthorized, 2));
}

#[tokio::test]
async fn a_source_that_cannot_serve_the_slots_is_refused_when_the_pool_is_built() {
    let none = Vec::<String>::new();
    let builders = [
        (
            "StaticTokens",
            builder("http://a".into()).token_source(3, StaticTokens::new(["x"]), bearer),
        ),
        ("EnvTokens", builder("http://a".into()).token_source(1, EnvTokens::new(none), bearer)),
        ("EnvTokens", builder("http://a".into()).token_source(1, EnvTokens::new(["A=B"]), bearer)),
        ("FileTokens", builder("http://a".into()).token_source(2, FileTokens::new(["/a"]), bearer)),
        (
            "reread_every",
            builder("http://a".into()).token_source(
                1,
                FileTokens::new(["/a"]).reread_every(Duration::ZERO),
                bearer,
            ),
        ),
        ("tokens", builder("http://a".into()).token_source(0, StaticTokens::new([""; 0]), bearer)),
        (
            "tokens",
            builder("http://a".into()).token_source(2_000, StaticTokens::new([""; 2_000]), bearer),
        ),
        (
            "ClientCredentials",
            builder("http://a".into()).token_source(
                1,
                ClientCredentials::new("no url", "id", CANARY),
                bearer,
            ),
        ),
    ];
    for (name, builder) in builders {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(!words(&error).contains(CANARY));
    }
}

#[tokio::test]
async fn a_token_comes_from_the_environment_and_a_missing_variable_is_named() {
    // Set by cargo, for as long as the test runs.
    let value = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let api = Api::taking(&value);
    api.pool(EnvTokens::new(["CARGO_MANIFEST_DIR"])).get("/").await.unwrap();
    let pool = api.pool(EnvTokens::new(["VANTAGE_TEST_NOT_SET"]));
    let error = pool.get("/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(error.to_string().contains("VANTAGE_TEST_NOT_SET is not set"), "{error}");
}

#[tokio::test]
async fn a_token_file_is_trimmed_and_read_again_after_a_401() {
    let path = file("token-after-401");
    fs::write(&path, "  first\r\n").unwrap();
    let api = Api::taking("first");
    let pool = api.pool(FileTokens::new([&path]));
    pool.get("/").await.unwrap();
    fs::write(&path, "second\n").unwrap();
    pool.get("/").await.unwrap();
    assert_eq!(api.requests(), 2, "it is not read again without need");
    api.take_only("second");
    pool.get("/").await.unwrap();
    assert_eq!(api.requests(), 4, "one 401, one repeat");
}

#[tokio::test]
async fn a_token_file_is_read_again_in_time() {
    let path = file("token-in-time");
    fs::write(&path, "first").unwrap();
    let api = Api::taking("first");
    let pool = api.pool(FileTokens::new([&path]).reread_every(Duration::from_millis(600)));
    pool.get("/").await.unwrap();
    fs::write(&path, "second").unwrap();
    // Nobody calls meanwhile, and then the API knows the new one only.
    let renewed = async { while pool.stats().await.unwrap().token_refreshes < 3 {} };
    soon("the file is read again", renewed).await;
    api.take_only("second");
    pool.get("/").await.unwrap();
    assert_eq!(api.requests(), 2, "no 401");
}

#[tokio::test]
async fn a_token_file_that_holds_no_token_is_named_and_not_quoted() {
    let contents: [(&str, Option<Vec<u8>>, &str); 4] = [
        ("token-missing", None, "does not exist"),
        ("token-empty", Some(b" \n\t ".to_vec()), "is empty"),
        ("token-large", Some(CANARY.repeat(10_000).into_bytes()), "is larger than 64 KiB"),
        ("token-binary", Some([CANARY.as_bytes(), &[0xff, 0xfe]].concat()), "is not UTF-8"),
    ];
    let api = Api::taking("none");
    for (name, content, what) in contents {
        let path = file(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let error = soon(name, api.pool(FileTokens::new([&path])).get("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token);
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(what), "{text}");
        assert!(!words(&error).contains(CANARY));
    }
    let folder = api.pool(FileTokens::new([env!("CARGO_TARGET_TMPDIR")]));
    let error = soon("a folder", folder.get("/")).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert_eq!(api.requests(), 0);
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_an_error_and_is_not_quoted() {
    let api = Api::taking("none");
    let token = format!("{CANARY}\r\nx-evil: 1");
    let error = api.pool(StaticTokens::new([&token])).get("/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(!words(&error).contains(CANARY));
    // A callback may return its error, too.
    let apply = |request: Request, token: &str| request.header("x-api-key", token);
    let pool = builder(api.server.url()).token_source(1, StaticTokens::new([&token]), apply);
    let error = pool.build().unwrap().get("/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(!words(&error).contains(CANARY));
    assert_eq!(api.requests(), 0);
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Error,
    Panic,
    Hang,
    Block,
}

/// Has trouble with slot 0 only, until it is well.
struct Troubled {
    trouble: Trouble,
    is_well: Arc<AtomicBool>,
}

impl TokenSource for Troubled {
    fn acquire(
        &self,
        slot: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn StdError + Send + Sync>>> {
        let is_fine = slot > 0 || self.is_well.load(Ordering::SeqCst);
        let trouble = self.trouble;
        Box::pin(async move {
            match trouble {
                _ if is_fine => Ok(Token::new(format!("of-slot-{slot}"))),
                Trouble::Error => Err("the token server is down".into()),
                Trouble::Panic => panic!("trouble"),
                Trouble::Hang => std::future::pending().await,
                Trouble::Block => {
                    std::thread::sleep(Duration::from_secs(3));
                    Err("blocked for long".into())
                }
            }
        })
    }
}

#[tokio::test]
async fn faults_10_the_other_slots_serve_on_whatever_the_trouble_with_one() {
    let troubles = [Trouble::Error, Trouble::Panic, Trouble::Hang, Trouble::Block];
    futures::future::join_all(troubles.map(async |trouble| {
        let api = Hostile::new(5).start();
        let is_well = Arc::new(AtomicBool::new(true));
        let source = Troubled { trouble, is_well: Arc::clone(&is_well) };
        let pool = builder(api.url())
            .acquire_timeout(Duration::from_secs(2))
            .token_source(3, source, bearer)
            .build()
            .unwrap();
        for _ in 0..9 {
            pool.get("/rows").await.unwrap();
        }
        is_well.store(false, Ordering::SeqCst);
        pool.invalidate_token(0).await.unwrap();
        // The first to need the token may hear of the trouble, and who asks beside it.
        let calls = futures::future::join_all((0..90).map(|_| pool.get("/rows")));
        let answers = soon("every call", calls).await;
        let well = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(well >= 50, "{trouble:?}: only {well} of 90");
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(error.kind(), ErrorKind::Token, "{trouble:?}: {error}");
        }
        // From then on nobody notices, while the slot is tried again and again.
        if !matches!(trouble, Trouble::Block) {
            for _ in 0..300 {
                soon("a call", pool.get("/rows")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        is_well.store(true, Ordering::SeqCst);
        let before = api.log(|log| log.seen.len());
        soon("the slot serves again", async {
            let back = "Bearer of-slot-0";
            let serves = || {
                api.log(|log| {
                    log.seen[before..].iter().any(|s| s.header("authorization") == Some(back))
                })
            };
            while !serves() {
                let _ = pool.get("/rows").await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }))
    .await;
}

/// A token endpoint, and what it was asked: the `Authorization` and the body.
struct Endpoint {
    server: Embedded,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Endpoint {
    /// Gives the answer of `answer` to the n-th request, from 1.
    fn start<F>(answer: F) -> Self
    where
        F: Fn(usize) -> HttpResponse + Send + Sync + 'static,
    {
        let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&asked), Arc::new(answer));
        let server = Embedded::start(move |listener| {
            let server = HttpServer::new(move || {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let handle = move |request: HttpRequest, body: String| {
                    let header = request.headers().get("authorization");
                    let header = header.map_or("none", |value| value.to_str().unwrap()).to_owned();
                    let mut noted = noted.lock().unwrap();
                    noted.push((header, body));
                    std::future::ready(answer(noted.len()))
                };
                App::new().route("/oauth/token", web::post().to(handle))
            });
            Ok(server.workers(1).disable_signals().listen(listener)?.run())
        });
        Self { server: server.unwrap(), asked }
    }

    /// Hands out `token-1`, `token-2` and so on, the n-th for `lifetime(n)` seconds.
    fn issuing(lifetime: impl Fn(usize) -> u64 + Send + Sync + 'static) -> Self {
        Self::start(move |n| grant(&format!("token-{n}"), lifetime(n)))
    }

    fn source(&self) -> ClientCredentials {
        let url = format!("http://{}/oauth/token", self.server.address());
        ClientCredentials::new(url, "the id", CANARY)
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn grant(token: &str, lifetime: u64) -> HttpResponse {
    let body = serde_json::json!({
        "access_token": token, "token_type": "Bearer", "expires_in": lifetime,
    });
    HttpResponse::Ok().content_type("application/json").body(body.to_string())
}

#[tokio::test]
async fn client_credentials_bring_a_token_for_each_slot() {
    let (api, endpoint) = (Hostile::new(5).start(), Endpoint::issuing(|_| 3_600));
    let source = endpoint.source().scope("read").scope("write").param("audience", "rows");
    assert!(!format!("{source:?}").contains(CANARY));
    let pool = builder(api.url()).token_source(2, source, bearer).build().unwrap();
    for _ in 0..6 {
        pool.get("/rows").await.unwrap();
    }
    let count = |token: &str| {
        let bearer = format!("Bearer {token}");
        let has = |value: Option<&str>| value == Some(bearer.as_str());
        api.log(|log| log.seen.iter().filter(|seen| has(seen.header("authorization"))).count())
    };
    assert_eq!((count("token-1"), count("token-2")), (3, 3));
    let asked = endpoint.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    for (authorization, body) in asked {
        // `the+id:canary-3e7a`, encoded as in a form first (RFC 6749 section 2.3.1).
        assert_eq!(authorization, "Basic dGhlK2lkOmNhbmFyeS0zZTdh");
        for part in ["grant_type=client_credentials", "scope=read+write", "audience=rows"] {
            assert!(body.split('&').any(|field| field == part), "{body}");
        }
    }
}

#[tokio::test]
async fn client_credentials_can_go_into_the_body_and_over_a_pool_of_the_callers() {
    let (api, endpoint) = (Hostile::new(5).start(), Endpoint::issuing(|_| 3_600));
    let own = AwwPool::new(1, None, false, format!("http://{}", endpoint.server.address()));
    let source = endpoint.source().credentials_in_body().through(own.clone());
    let pool = builder(api.url()).token_source(1, source, bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    let (authorization, body) = endpoint.asked.lock().unwrap()[0].clone();
    assert_eq!(authorization, "none");
    assert!(body.contains("client_id=the+id") && body.contains(CANARY), "{body}");
    assert_eq!(own.stats().await.unwrap().calls_ok, 1);
}

#[tokio::test]
async fn a_token_of_an_endpoint_is_renewed_before_it_expires() {
    let lifetime = |n| if n == 1 { 4 } else { 3_600 };
    let (api, endpoint) = (Hostile::new(5).start(), Endpoint::issuing(lifetime));
    let pool = builder(api.url()).token_source(1, endpoint.source(), bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    // Nobody calls meanwhile.
    let renewed = async { while pool.stats().await.unwrap().token_refreshes < 2 {} };
    soon("the renewal", renewed).await;
    // The old one may serve until its margin, and no call is refused.
    let next = Some("Bearer token-2");
    let uses_next =
        || api.log(|log| log.seen.last().is_some_and(|seen| seen.header("authorization") == next));
    soon("the new token is used", async {
        while !uses_next() {
            pool.get("/rows").await.unwrap();
        }
    })
    .await;
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_a_clear_error_without_a_secret() {
    let json = |status: u16, body: &str| {
        let status = actix_web::http::StatusCode::from_u16(status).unwrap();
        HttpResponse::build(status).content_type("application/json").body(body.to_owned())
    };
    let echo = format!("{{\"error\":\"{CANARY}\",\"error_description\":\"{CANARY}\"}}");
    let refusal = r#"{"error":"invalid_client"}"#;
    let cut = format!("{{\"access_token\":\"{CANARY}\"");
    let empty = r#"{"access_token":"","token_type":"bearer"}"#;
    let cases: [(&str, u16, String, &str); 7] = [
        ("down", 503, CANARY.into(), "answered 503"),
        ("missing", 404, CANARY.into(), "status 404"),
        ("refusal", 401, refusal.into(), "refused: invalid_client"),
        ("echo", 400, echo, "the token endpoint refused"),
        ("cut", 200, cut, "no token response"),
        ("html", 200, format!("<html>{CANARY}</html>"), "no token response"),
        ("empty", 200, empty.into(), "empty token"),
    ];
    let api = Hostile::new(5).start();
    for (name, status, body, what) in cases {
        let endpoint = Endpoint::start(move |_| json(status, &body));
        let pool = builder(api.url()).token_source(1, endpoint.source(), bearer).build().unwrap();
        let error = soon(name, pool.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token, "{name}: {error}");
        let words = words(&error);
        assert!(words.contains(what), "{name}: {words}");
        assert!(!words.contains(CANARY), "{name}: {words}");
        assert!((1..=3).contains(&endpoint.requests()), "{name}: {}", endpoint.requests());
    }
    assert_eq!(api.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn an_endpoint_that_is_slow_is_waited_for_as_long_as_is_allowed() {
    let silent = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.closed().await;
    });
    let api = Hostile::new(5).start();
    let source = ClientCredentials::new(format!("{}/token", silent.url()), "id", CANARY);
    let limit = Duration::from_millis(300);
    let pool = builder(api.url()).acquire_timeout(limit).token_source(1, source, bearer);
    let error = soon("an answer", pool.build().unwrap().get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(error.to_string().contains("acquire_timeout"), "{error}");
}

#[tokio::test]
async fn the_other_slots_serve_on_when_the_endpoint_fails() {
    let granted = AtomicUsize::new(0);
    let endpoint = Endpoint::start(move |_| match granted.fetch_add(1, Ordering::SeqCst) {
        0 => grant("token-1", 3_600),
        _ => HttpResponse::InternalServerError().finish(),
    });
    let api = Hostile::new(5).start();
    let pool = builder(api.url()).token_source(2, endpoint.source(), bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    assert_eq!(pool.get("/rows").await.unwrap_err().kind(), ErrorKind::Token);
    for _ in 0..100 {
        soon("a call", pool.get("/rows")).await.unwrap();
    }
}
