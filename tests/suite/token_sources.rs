//! Where tokens come from: ready-made sources, what they say when they fail, and that no
//! secret is in it.

use std::{
    error::Error as StdError,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    mock::{self, header},
    raw_server::RawServer,
    soon,
};
use futures::future::LocalBoxFuture;
use vantage_api_pool::{
    AwwPool, Error, ErrorKind, PoolBuilder, Request, Response, Token,
    tokens::{ClientCredentials, EnvTokens, FileTokens, StaticTokens, TokenSource, bearer},
};
use wiremock::{
    Mock, MockServer, Request as Received, Respond, ResponseTemplate,
    matchers::{bearer_token, method, path},
};

const CANARY: &str = "canary-3e7a";

/// A pool whose threads never seem to be blocked: such a token manager loses its tokens.
fn builder(url: String) -> PoolBuilder {
    let builder = AwwPool::builder(url).heartbeat_timeout(Duration::from_secs(10));
    builder.backoff_base(Duration::from_millis(1))
}

/// An API that takes one token at a time.
struct Api {
    server: MockServer,
    valid: Arc<Mutex<String>>,
}

impl Api {
    async fn taking(token: &str) -> Self {
        let valid = Arc::new(Mutex::new(token.to_owned()));
        let current = Arc::clone(&valid);
        let answer = move |request: &Received| {
            let bearer = format!("Bearer {}", current.lock().unwrap());
            let is_valid = header(request, "authorization") == Some(bearer.as_str());
            ResponseTemplate::new(if is_valid { 200 } else { 401 })
        };
        Self { server: mock::answering(answer).await, valid }
    }

    fn take_only(&self, token: &str) {
        token.clone_into(&mut self.valid.lock().unwrap());
    }

    fn pool(&self, source: impl TokenSource) -> AwwPool {
        builder(self.server.uri()).token_source(1, source, bearer).build().unwrap()
    }

    async fn requests(&self) -> usize {
        mock::count(&self.server).await
    }
}

/// An API that takes any token.
async fn open_api() -> MockServer {
    mock::answering(ResponseTemplate::new(200)).await
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
    let api = mock::server().await;
    for token in ["one", "two"] {
        let rows = Mock::given(path("/rows")).and(bearer_token(token));
        rows.respond_with(ResponseTemplate::new(200)).expect(2).mount(&api).await;
    }
    let tokens = StaticTokens::new(["one", "two"]);
    let pool = builder(api.uri()).token_source(2, tokens, bearer).build().unwrap();
    for _ in 0..4 {
        pool.get("/rows").await.unwrap();
    }
    let used = mock::bearers(&api).await.into_iter().collect::<Vec<_>>();
    assert_eq!(used, [("one".into(), 2), ("two".into(), 2)]);

    let other = Api::taking("another").await;
    let error = other.pool(StaticTokens::new(["one"])).get("/").await.unwrap_err();
    assert_eq!((error.kind(), other.requests().await), (ErrorKind::Unauthorized, 2));
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
    let api = Api::taking(&value).await;
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
    let api = Api::taking("first").await;
    let pool = api.pool(FileTokens::new([&path]));
    pool.get("/").await.unwrap();
    fs::write(&path, "second\n").unwrap();
    pool.get("/").await.unwrap();
    assert_eq!(api.requests().await, 2, "it is not read again without need");
    api.take_only("second");
    pool.get("/").await.unwrap();
    assert_eq!(api.requests().await, 4, "one 401, one repeat");
}

#[tokio::test]
async fn a_token_file_is_read_again_in_time() {
    let path = file("token-in-time");
    fs::write(&path, "first").unwrap();
    let api = Api::taking("first").await;
    let pool = api.pool(FileTokens::new([&path]).reread_every(Duration::from_millis(600)));
    pool.get("/").await.unwrap();
    fs::write(&path, "second").unwrap();
    // Nobody calls meanwhile, and then the API knows the new one only. The next to come may have
    // been read before.
    let before = pool.stats().await.unwrap().token_refreshes;
    let renewed = async { while pool.stats().await.unwrap().token_refreshes < before + 2 {} };
    soon("the file is read again", renewed).await;
    api.take_only("second");
    pool.get("/").await.unwrap();
    assert_eq!(api.requests().await, 2, "no 401");
}

#[tokio::test]
async fn a_token_file_that_holds_no_token_is_named_and_not_quoted() {
    let contents: [(&str, Option<Vec<u8>>, &str); 4] = [
        ("token-missing", None, "does not exist"),
        ("token-empty", Some(b" \n\t ".to_vec()), "is empty"),
        ("token-large", Some(CANARY.repeat(10_000).into_bytes()), "is larger than 64 KiB"),
        ("token-binary", Some([CANARY.as_bytes(), &[0xff, 0xfe]].concat()), "is not UTF-8"),
    ];
    let api = Api::taking("none").await;
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
    assert_eq!(api.requests().await, 0);
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_an_error_and_is_not_quoted() {
    let api = Api::taking("none").await;
    let token = format!("{CANARY}\r\nx-evil: 1");
    let error = api.pool(StaticTokens::new([&token])).get("/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(!words(&error).contains(CANARY));
    // A callback may return its error, too.
    let apply = |request: Request, token: &str| request.header("x-api-key", token);
    let pool = builder(api.server.uri()).token_source(1, StaticTokens::new([&token]), apply);
    let error = pool.build().unwrap().get("/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(!words(&error).contains(CANARY));
    assert_eq!(api.requests().await, 0);
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
                    std::thread::sleep(Duration::from_secs(8));
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
        let api = open_api().await;
        let is_well = Arc::new(AtomicBool::new(true));
        let source = Troubled { trouble, is_well: Arc::clone(&is_well) };
        let pool = builder(api.uri())
            .acquire_timeout(Duration::from_secs(2))
            // A thread counts as blocked after both times: later than a busy machine leaves it
            // without a turn.
            .heartbeat_timeout(Duration::from_secs(3))
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
        // From here on the first slot's token has an answer of its own.
        let back = Mock::given(bearer_token("of-slot-0"));
        let back = back.respond_with(ResponseTemplate::new(200).set_body_string("back"));
        back.with_priority(1).mount(&api).await;
        soon("the slot serves again", async {
            let is_back = |answer: Result<Response, Error>| {
                answer.is_ok_and(|answer| answer.body().as_ref() == b"back")
            };
            while !is_back(pool.get("/rows").await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }))
    .await;
}

/// A token endpoint.
struct Endpoint(MockServer);

impl Endpoint {
    async fn answering(answer: impl Respond + 'static) -> Self {
        let server = mock::server().await;
        let tokens = Mock::given(method("POST")).and(path("/oauth/token"));
        tokens.respond_with(answer).mount(&server).await;
        Self(server)
    }

    /// Hands out `token-1`, `token-2` and so on, the n-th for `lifetime(n)` seconds.
    async fn issuing(lifetime: impl Fn(usize) -> u64 + Send + Sync + 'static) -> Self {
        let issued = AtomicUsize::new(0);
        Self::answering(move |_: &Received| {
            let n = issued.fetch_add(1, Ordering::SeqCst) + 1;
            grant(&format!("token-{n}"), lifetime(n))
        })
        .await
    }

    fn source(&self) -> ClientCredentials {
        ClientCredentials::new(format!("{}/oauth/token", self.0.uri()), "the id", CANARY)
    }

    /// The `Authorization` and the body of each request.
    async fn asked(&self) -> Vec<(String, String)> {
        let requests = mock::received(&self.0).await.into_iter();
        let asked = requests.map(|request| {
            let authorization = header(&request, "authorization").unwrap_or("none").to_owned();
            (authorization, String::from_utf8(request.body).unwrap())
        });
        asked.collect()
    }
}

fn grant(token: &str, lifetime: u64) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(serde_json::json!({
        "access_token": token, "token_type": "Bearer", "expires_in": lifetime,
    }))
}

#[tokio::test]
async fn client_credentials_bring_a_token_for_each_slot() {
    let (api, endpoint) = (open_api().await, Endpoint::issuing(|_| 3_600).await);
    let source = endpoint.source().scope("read").scope("write").param("audience", "rows");
    assert!(!format!("{source:?}").contains(CANARY));
    let pool = builder(api.uri()).token_source(2, source, bearer).build().unwrap();
    for _ in 0..6 {
        pool.get("/rows").await.unwrap();
    }
    let used = mock::bearers(&api).await.into_iter().collect::<Vec<_>>();
    assert_eq!(used, [("token-1".into(), 3), ("token-2".into(), 3)]);
    let asked = endpoint.asked().await;
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
    let (api, endpoint) = (open_api().await, Endpoint::issuing(|_| 3_600).await);
    let own = AwwPool::new(1, None, false, endpoint.0.uri());
    let source = endpoint.source().credentials_in_body().through(own.clone());
    let pool = builder(api.uri()).token_source(1, source, bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    let (authorization, body) = endpoint.asked().await[0].clone();
    assert_eq!(authorization, "none");
    assert!(body.contains("client_id=the+id") && body.contains(CANARY), "{body}");
    assert_eq!(own.stats().await.unwrap().calls_ok, 1);
}

#[tokio::test]
async fn a_token_of_an_endpoint_is_renewed_before_it_expires() {
    let lifetime = |n| if n == 1 { 4 } else { 3_600 };
    let (api, endpoint) = (open_api().await, Endpoint::issuing(lifetime).await);
    let pool = builder(api.uri()).token_source(1, endpoint.source(), bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    // Nobody calls meanwhile.
    let renewed = async { while pool.stats().await.unwrap().token_refreshes < 2 {} };
    soon("the renewal", renewed).await;
    // The old one may serve until its margin, and no call is refused.
    soon("the new token is used", async {
        while !mock::bearers(&api).await.contains_key("token-2") {
            pool.get("/rows").await.unwrap();
        }
    })
    .await;
    assert_eq!(endpoint.asked().await.len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_a_clear_error_without_a_secret() {
    let echo = format!("{{\"error\":\"{CANARY}\",\"error_description\":\"{CANARY}\"}}");
    let refusal = r#"{"error":"invalid_client"}"#;
    let cut = format!("{{\"access_token\":\"{CANARY}\"");
    let empty = r#"{"access_token":"","token_type":"bearer"}"#;
    let cases: [(&str, u16, String, &str); 7] = [
        ("down", 503, CANARY.into(), "answered 503"),
        ("missing", 404, CANARY.into(), "status 404"),
        ("refusal", 401, refusal.into(), "refused: invalid_client"),
        ("echo", 400, echo, "the token endpoint refused"),
        ("cut", 200, cut, "not a token response"),
        ("html", 200, format!("<html>{CANARY}</html>"), "not a token response"),
        ("empty", 200, empty.into(), "empty token"),
    ];
    let api = open_api().await;
    for (name, status, body, what) in cases {
        let answer = ResponseTemplate::new(status).set_body_raw(body, "application/json");
        let endpoint = Endpoint::answering(answer).await;
        let pool = builder(api.uri()).token_source(1, endpoint.source(), bearer).build().unwrap();
        let error = soon(name, pool.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token, "{name}: {error}");
        let words = words(&error);
        assert!(words.contains(what), "{name}: {words}");
        assert!(!words.contains(CANARY), "{name}: {words}");
        let asked = endpoint.asked().await.len();
        assert!((1..=3).contains(&asked), "{name}: {asked}");
    }
    assert_eq!(mock::count(&api).await, 0);
}

#[tokio::test]
async fn an_endpoint_that_is_slow_is_waited_for_as_long_as_is_allowed() {
    let silent = RawServer::start(|mut peer| async move {
        peer.head().await;
        peer.closed().await;
    });
    let api = open_api().await;
    let source = ClientCredentials::new(format!("{}/token", silent.url()), "id", CANARY);
    let limit = Duration::from_millis(300);
    let pool = builder(api.uri()).acquire_timeout(limit).token_source(1, source, bearer);
    let error = soon("an answer", pool.build().unwrap().get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(error.to_string().contains("acquire_timeout"), "{error}");
}

#[tokio::test]
async fn the_other_slots_serve_on_when_the_endpoint_fails() {
    let endpoint = Endpoint::answering(ResponseTemplate::new(500)).await;
    let once = Mock::given(path("/oauth/token")).respond_with(grant("token-1", 3_600));
    once.up_to_n_times(1).with_priority(1).mount(&endpoint.0).await;
    let api = open_api().await;
    let pool = builder(api.uri()).token_source(2, endpoint.source(), bearer).build().unwrap();
    pool.get("/rows").await.unwrap();
    assert_eq!(pool.get("/rows").await.unwrap_err().kind(), ErrorKind::Token);
    for _ in 0..100 {
        soon("a call", pool.get("/rows")).await.unwrap();
    }
    let used = mock::bearers(&api).await.into_iter().collect::<Vec<_>>();
    assert_eq!(used, [("token-1".into(), 101)]);
}
