//! Settings as data: each way to sign in against a server that asks for it, and what is wrong
//! with bad ones.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::StreamExt;
use serde_json::json;
use vantage_api_pool::{AwwPool, Error, ErrorKind, Paging, PoolConfig};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{basic_auth, bearer_token, body_string_contains, header, method, path, query_param},
};

use crate::support::{mock, soon};

fn pool(yaml: &str) -> Result<AwwPool, Error> {
    PoolConfig::from_yaml(yaml)?.builder()?.build()
}

/// A server that answers `/rows` where `matcher` holds.
async fn asking_for(matcher: impl wiremock::Match + 'static) -> MockServer {
    let server = mock::server().await;
    let rows = Mock::given(path("/rows")).and(matcher);
    rows.respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

async fn signs_in(server: &MockServer, auth: &str) {
    let yaml = format!("base_url: {}\nauth: {auth}\n", server.uri());
    let pool = pool(&yaml).unwrap();
    for target in ["/rows", "/rows?page=2"] {
        let answer = soon("an answer", pool.get(target)).await;
        assert!(answer.is_ok(), "{auth}: {answer:?}");
    }
}

#[tokio::test]
async fn each_way_to_sign_in_is_one_that_servers_take() {
    signs_in(&asking_for(bearer_token("s3cret")).await, "{ bearer: s3cret }").await;
    let basic = "{ basic: { user: ada, password: 's3 cret' } }";
    signs_in(&asking_for(basic_auth("ada", "s3 cret")).await, basic).await;
    let key = "{ header: { name: X-Api-Key, value: s3cret } }";
    signs_in(&asking_for(header("x-api-key", "s3cret")).await, key).await;
    let key = "{ query: { name: api_key, value: 's3 & cret' } }";
    signs_in(&asking_for(query_param("api_key", "s3 & cret")).await, key).await;

    let file = std::env::temp_dir().join(format!("secret-of-{}", std::process::id()));
    fs::write(&file, "from-a-file\n").unwrap();
    let auth = format!("{{ bearer: {{ file: {}, reread_every: 10m }} }}", file.display());
    signs_in(&asking_for(bearer_token("from-a-file")).await, &auth).await;
    fs::remove_file(file).unwrap();

    let server = asking_for(bearer_token("granted")).await;
    let answer = json!({ "access_token": "granted", "token_type": "bearer", "expires_in": 3600 });
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains("scope=read+write"))
        .and(body_string_contains("audience=api"))
        .and(body_string_contains("client_secret=s3cret"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .expect(1)
        .mount(&server)
        .await;
    let auth = format!(
        "\n  oauth2: {{ token_url: '{}/token', client_id: me, client_secret: s3cret, \
         scopes: [read, write], params: {{ audience: api }}, credentials_in_body: true }}",
        server.uri()
    );
    signs_in(&server, &auth).await;
}

/// The URL of a next page, as many frameworks make it, is the URL that was asked for with another
/// page number.
#[tokio::test]
async fn a_key_in_the_query_is_sent_once_and_is_in_no_resume_token() {
    const KEY: &str = "s3cret key+";
    let server = mock::server().await;
    let url = server.uri();
    Mock::given(path("/rows"))
        .respond_with(move |request: &wiremock::Request| {
            let pairs: Vec<_> = request.url.query_pairs().into_owned().collect();
            let keys = pairs.iter().filter(|(name, _)| name == "api_key").collect::<Vec<_>>();
            if !matches!(keys[..], [(_, key)] if key == KEY) {
                return mock::refusal(401);
            }
            let page = pairs.iter().find(|(name, _)| name == "page");
            let page = page.map_or(1, |(_, page)| page.parse::<u32>().unwrap());
            let mut next = url::Url::parse(&format!("{url}/rows")).unwrap();
            next.query_pairs_mut()
                .append_pair("api_key", KEY)
                .append_pair("page", &(page + 1).to_string());
            let next = (page < 3).then(|| next.to_string());
            ResponseTemplate::new(200).set_body_json(json!({ "data": [page], "next": next }))
        })
        .mount(&server)
        .await;
    let yaml = format!(
        "base_url: {}\nauth: {{ query: {{ name: api_key, value: '{KEY}' }} }}",
        server.uri()
    );
    let pool = pool(&yaml).unwrap();
    let mut stream = pool.stream("/rows").paging(Paging::next_url("next")).prefetch(1);
    for page in 1..=3 {
        assert_eq!(soon("a row", stream.next()).await.unwrap().unwrap(), page);
        let token = URL_SAFE_NO_PAD.decode(stream.resume_token().to_text()).unwrap();
        let token = String::from_utf8_lossy(&token);
        assert!(!token.contains("s3cret"), "{token}");
    }
    assert!(soon("the end", stream.next()).await.is_none());
    let first = soon("an answer", pool.get("/rows")).await.unwrap();
    assert!(!format!("{first:?}").contains("s3cret"));
}

#[tokio::test]
async fn several_secrets_are_several_tokens_in_turn() {
    let server = mock::answering(ResponseTemplate::new(200)).await;
    let pool = pool(&format!("base_url: {}\nauth: {{ bearer: [one, two] }}", server.uri()));
    let pool = pool.unwrap();
    for _ in 0..4 {
        soon("an answer", pool.get("/rows")).await.unwrap();
    }
    let mut tokens = Vec::new();
    for request in server.received_requests().await.unwrap() {
        tokens.push(mock::header(&request, "authorization").unwrap().to_owned());
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens, ["Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn settings_are_in_force_as_the_builder_would_have_them() {
    let server = mock::answering(ResponseTemplate::new(403)).await;
    let yaml = format!(
        "
base_url: {}
workers: 1
max_attempts: 4
backoff_base: 1ms
backoff_cap: 0
limit_statuses: [403]
hedge: {{ at_percentile: 0.9, at_most: 0.1 }}
circuit_breaker: {{ minimum_calls: 2, open_time: 250ms, failure_statuses: [503], per_handle: false }}
response_rules:
  - {{ action: retry, status: 403, header_present: x-never }}
retry_budget: {{ share_of_calls: 0.5, per_second: 20 }}
default_headers: {{ X-Tenant: blue }}
call_timeout: 1m 30s
use_dampener: true
",
        server.uri()
    );
    let pool = pool(&yaml).unwrap();
    let error = soon("an error", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.status().map(|status| status.as_u16()), error.attempts()), (Some(403), 4));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 4);
    assert_eq!(mock::header(&requests[0], "x-tenant"), Some("blue"));
}

#[test]
fn a_bad_setting_is_named_with_its_line_and_no_secret_is_shown() {
    for (yaml, named) in [
        ("workers: 3", "base_url"),
        ("base_url: ftp://x", "base_url: must start with http"),
        ("base_url: http://x\nworker: 3", "unknown field `worker`"),
        ("base_url: http://x\nworkers: 0", "workers: must be from 1 to 1024"),
        ("base_url: http://x\nworkers: many", "workers: invalid type"),
        ("base_url: http://x\n\ncall_timeout: soon", "line 3"),
        ("base_url: http://x\nhedge: {}", "either `after` or `at_percentile`"),
        ("base_url: http://x\nhedge: { after: 0 }", "hedge"),
        ("base_url: http://x\nretry_budget: { share: 1 }", "unknown field `share`"),
        ("base_url: http://x\ncircuit_breaker: { open_time: 0 }", "open_time"),
        ("base_url: http://x\nresponse_rules: [{ action: nap }]", "unknown variant `nap`"),
        ("base_url: http://x\nauth: canary", "auth: must be a map with one of the keys bearer"),
        ("base_url: http://x\nauth: { bearer: canary, query: canary }", "one of the keys"),
        ("base_url: http://x\nauth: { berer: canary }", "unknown variant `berer`"),
        ("base_url: http://x\nauth: { bearer: 5551234 }", "bearer: has a value of another form"),
        ("base_url: http://x\nauth: { bearer: [] }", "token"),
        ("base_url: http://x\nauth: { basic: { user: canary } }", "missing field `password`"),
        ("base_url: http://x\nauth: { basic: { user: 'a:b', password: canary } }", "a colon"),
        ("base_url: http://x\nauth: { header: { name: 'a b', value: canary } }", "header"),
        (
            "base_url: http://x\nauth: { header: { name: transfer-encoding, value: canary } }",
            "header",
        ),
        ("base_url: http://x\nauth: { query: { name: '', value: canary } }", "query"),
        (
            "base_url: http://x\nauth: { oauth2: { token_url: nowhere, client_id: a, client_secret: canary } }",
            "token URL",
        ),
        ("base_url: http://x\nproxy: 5551234", "proxy: must be a text"),
        ("canary", "must be a map of the settings"),
        ("[canary]", "must be a map of the settings"),
        ("base_url: http://x\nno_proxy: localhost", "no_proxy: has no meaning without proxy"),
        ("base_url: http://x\nroot_certificates: canary", "root_certificate: holds no certificate"),
        ("base_url: http://x\nroot_certificates: { canary: 1 }", "one value or a list of them"),
        ("base_url: http://x\nsigning_key: canary", "signing_key: must have at least 32 bytes"),
        ("base_url: http://x\ndefault_headers: { a: 5551234 }", "must be a text"),
        ("base_url: http://x\ndefault_headers: { a: true }", "must be a text"),
        ("base_url: http://x\ndefault_headers: [canary]", "a map"),
        ("base_url: http://x\ndefault_headers: 5551234", "must be a map of names"),
        ("base_url: http://x\nauth: [canary]", "a map"),
        ("base_url: http://x\nhedge: { after: 1, at_percentile: 0.5 }", "either `after` or"),
        ("base_url: http://x\nhedge: { at: 1 }", "unknown field `at`"),
        (
            "base_url: http://x\nresponse_rules: [{ action: poll, status: 202, interval: 1, retry_after: 2 }]",
            "response_rule 1, poll: retry_after has no meaning for it",
        ),
        ("base_url: http://x\ndefault_headers: canary", "must be a map of names"),
        ("base_url: http://x\nproxy: http://p\nno_proxy: 'a/b'", "no_proxy: \"a/b\""),
    ] {
        let Err(error) = pool(yaml) else { panic!("{yaml} is not an error") };
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Config, "{yaml}: {shown}");
        assert!(error.to_string().contains(named), "{yaml}: {shown}");
        assert!(!shown.contains("canary") && !shown.contains("5551234"), "{yaml}: {shown}");
    }
}

#[test]
fn what_is_a_secret_is_in_no_debug_output() {
    let config = PoolConfig::from_yaml(
        "
base_url: https://api.example.com
auth: { basic: { user: ada, password: canary } }
proxy: http://canary:canary@proxy:3128
signing_key: canary-canary-canary-canary-canary-canary
default_headers: { authorization: canary }
",
    )
    .unwrap();
    let shown = format!("{config:?}");
    let builder = config.builder().unwrap();
    let shown = format!("{shown} {builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(builder.call_timeout(Duration::from_secs(1)).build().is_ok());
}
