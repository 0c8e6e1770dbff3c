//! Ways to sign in that settings as data have: refresh tokens that are replaced with each use,
//! requests for a token at any endpoint, and where a token is sent.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{Duration, Utc};
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolConfig};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, header},
    soon,
};

const CANARY: &str = "canary-5c1d";

/// A pool whose threads never seem to be blocked: such a token manager loses its tokens.
fn pool(server: &MockServer, auth: &str) -> Result<AwwPool, Error> {
    let yaml = format!(
        "base_url: {}/api\nbackoff_base: 1ms\nheartbeat_timeout: 10s\nauth: {auth}\n",
        server.uri()
    );
    PoolConfig::from_yaml(&yaml)?.builder()?.build()
}

/// A path that no other test uses.
fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sign-in-{name}-{}", std::process::id()));
    for ending in ["", ".lock", ".new"] {
        let _ = fs::remove_file(format!("{}{ending}", path.display()));
    }
    path
}

fn form(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn field(request: &Request, name: &str) -> Option<String> {
    form(request).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A token endpoint at `/token` whose refresh tokens serve once, and an API that takes each of its
/// tokens: `refresh-0` brings `token-1` and `refresh-1`, and so on.
async fn rotating() -> (MockServer, Arc<Mutex<HashSet<String>>>) {
    rotating_after(std::time::Duration::ZERO).await
}

/// The same, with the first response of the token endpoint late by so much.
async fn rotating_after(delay: std::time::Duration) -> (MockServer, Arc<Mutex<HashSet<String>>>) {
    let used: Arc<Mutex<HashSet<String>>> = Arc::default();
    let seen = Arc::clone(&used);
    let count = AtomicUsize::new(0);
    let server = mock::answering(move |request: &Request| {
        if request.url.path() != "/token" {
            let bearer = header(request, "authorization").unwrap_or_default();
            return ResponseTemplate::new(if bearer.starts_with("Bearer token-") {
                200
            } else {
                401
            });
        }
        assert_eq!(field(request, "grant_type").as_deref(), Some("refresh_token"));
        let refresh = field(request, "refresh_token").unwrap();
        if !refresh.starts_with("refresh-") || !seen.lock().unwrap().insert(refresh) {
            return ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_grant" }));
        }
        let next = count.fetch_add(1, Ordering::SeqCst) + 1;
        let granted = ResponseTemplate::new(200).set_body_json(json!({
            "access_token": format!("token-{next}"), "token_type": "bearer", "expires_in": 3600,
            "refresh_token": format!("refresh-{next}"),
        }));
        if next == 1 { granted.set_delay(delay) } else { granted }
    })
    .await;
    (server, used)
}

fn by_refresh_token(server: &MockServer, first: &str, rest: &str) -> String {
    format!(
        "{{ oauth2: {{ token_url: '{}/token', client_id: me, client_secret: {CANARY}, \
         refresh_token: {first}{rest} }} }}",
        server.uri()
    )
}

#[tokio::test]
async fn a_refresh_token_that_is_replaced_is_kept_for_the_next_process() {
    let (server, used) = rotating().await;
    let path = file("kept");
    let auth = by_refresh_token(&server, "refresh-0", &format!(", keep_in: '{}'", path.display()));
    for process in 0..3 {
        let pool = pool(&server, &auth).unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        pool.invalidate_token(0).await.unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        assert_eq!(used.lock().unwrap().len(), 2 * (process + 1));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A new one in the settings begins anew, whatever is in the file.
    let auth = auth.replace("refresh-0", "refresh-anew");
    soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap();
    assert!(used.lock().unwrap().contains("refresh-anew"));
    let kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept["refresh_token"], "refresh-7");
}

#[tokio::test]
async fn processes_that_share_a_refresh_token_use_none_twice() {
    let (server, used) = rotating().await;
    let path = file("shared");
    let auth = by_refresh_token(&server, "refresh-0", &format!(", keep_in: '{}'", path.display()));
    let pools: Vec<_> = (0..4).map(|_| pool(&server, &auth).unwrap()).collect();
    for _ in 0..3 {
        let calls = pools.iter().map(|pool| async {
            pool.invalidate_token(0).await.unwrap();
            soon("an answer", pool.get("/rows")).await.unwrap();
        });
        futures::future::join_all(calls).await;
    }
    assert!(used.lock().unwrap().len() >= 12);
}

#[tokio::test]
async fn without_a_file_the_latest_refresh_token_is_used_as_long_as_the_pool_lives() {
    let (server, used) = rotating().await;
    let pool = pool(&server, &by_refresh_token(&server, "refresh-0", "")).unwrap();
    for _ in 0..3 {
        soon("an answer", pool.get("/rows")).await.unwrap();
        pool.invalidate_token(0).await.unwrap();
    }
    assert!(used.lock().unwrap().contains("refresh-2"));
    let asked = mock::received(&server).await;
    let asked = asked.iter().find(|request| request.url.path() == "/token").unwrap();
    assert!(header(asked, "authorization").unwrap().starts_with("Basic "));
}

/// meltano/sdk#3727, golang/oauth2#398: many endpoints send no refresh token when one is used.
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays_in_use() {
    let server = mock::answering(|request: &Request| {
        if request.url.path() != "/token" {
            return ResponseTemplate::new(200);
        }
        assert_eq!(field(request, "refresh_token").as_deref(), Some("for-good"));
        let granted =
            json!({ "access_token": "granted", "refresh_token": "", "expires_in": "3600" });
        ResponseTemplate::new(200).set_body_json(granted)
    })
    .await;
    let path = file("for-good");
    let kept = format!(", keep_in: '{}'", path.display());
    for rest in ["", &kept] {
        let pool = pool(&server, &by_refresh_token(&server, "for-good", rest)).unwrap();
        for _ in 0..3 {
            soon("an answer", pool.get("/rows")).await.unwrap();
            pool.invalidate_token(0).await.unwrap();
        }
    }
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_before_a_refresh_token_is_spent() {
    let (server, used) = rotating().await;
    let path = file("nowhere").join("token");
    let auth = by_refresh_token(&server, "refresh-0", &format!(", keep_in: '{}'", path.display()));
    let error = soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token, "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(used.lock().unwrap().is_empty());

    let strange = file("strange");
    fs::write(&strange, CANARY).unwrap();
    let auth =
        by_refresh_token(&server, "refresh-0", &format!(", keep_in: '{}'", strange.display()));
    let error = soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap_err();
    assert!(error.to_string().contains("was not written by"), "{error}");
    assert!(!format!("{error} {error:?}").contains(CANARY));
    assert!(used.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refresh_token_whose_replacement_comes_late_is_not_used_again() {
    for keep_in in [String::new(), format!(", keep_in: '{}'", file("late").display())] {
        let (server, used) = rotating_after(std::time::Duration::from_millis(600)).await;
        let auth = by_refresh_token(&server, "refresh-0", &keep_in);
        let auth = format!("{auth}\nacquire_timeout: 200ms");
        let pool = pool(&server, &auth).unwrap();
        let granted = async { while pool.get("/rows").await.is_err() {} };
        soon("an answer", granted).await;
        let requests = mock::received(&server).await;
        let asked = requests.iter().filter(|request| request.url.path() == "/token").count();
        assert_eq!(used.lock().unwrap().len(), asked, "one was used twice");
        assert!(asked > 1, "the first response came in time");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_refresh_token_is_written_into_no_file_of_others() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let (server, _) = rotating().await;
    let (path, other) = (file("planted"), file("other"));
    fs::write(&other, "kept").unwrap();
    symlink(&other, format!("{}.new", path.display())).unwrap();
    let auth = by_refresh_token(&server, "refresh-0", &format!(", keep_in: '{}'", path.display()));
    soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    for ending in ["", ".lock"] {
        let file = fs::metadata(format!("{}{ending}", path.display())).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{ending}");
    }
}

#[tokio::test]
async fn a_client_without_a_secret_sends_its_id_in_the_body() {
    let server = mock::answering(|request: &Request| {
        if request.url.path() == "/token" {
            assert_eq!(header(request, "authorization"), None);
            assert_eq!(field(request, "client_id").as_deref(), Some("me"));
            assert_eq!(field(request, "client_secret"), None);
            let granted = json!({ "access_token": "granted", "token_type": "bearer" });
            return ResponseTemplate::new(200).set_body_json(granted);
        }
        ResponseTemplate::new(200)
    })
    .await;
    let auth = format!(
        "{{ oauth2: {{ token_url: '{}/token', client_id: me, refresh_token: r }} }}",
        server.uri()
    );
    soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap();
}

/// A login that opens a session, which the API at `/api` takes while it is the latest one. Where the
/// session is, `answer` says; how it is sent, `sent`.
async fn sessions(
    answer: impl Fn(&str) -> ResponseTemplate + Send + Sync + 'static,
    sent: impl Fn(&Request) -> Option<String> + Send + Sync + 'static,
) -> (MockServer, Arc<AtomicUsize>) {
    let (opened, closed) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let expired = Arc::clone(&closed);
    let server = mock::answering(move |request: &Request| {
        if request.url.path() == "/login" {
            let session = format!("session-{}", opened.fetch_add(1, Ordering::SeqCst) + 1);
            return answer(&session);
        }
        let session = sent(request).unwrap_or_default();
        let number = session.strip_prefix("session-").and_then(|number| number.parse().ok());
        let is_open = number.is_some_and(|number: usize| number > expired.load(Ordering::SeqCst));
        ResponseTemplate::new(if is_open { 200 } else { 401 })
    })
    .await;
    (server, closed)
}

#[tokio::test]
async fn a_session_is_opened_by_a_request_and_again_when_it_has_ended() {
    fn by(
        name: &'static str,
        start: &'static str,
    ) -> impl Fn(&Request) -> Option<String> + Send + Sync {
        move |request| header(request, name)?.strip_prefix(start).map(str::to_owned)
    }
    let json_body = |session: &str| {
        ResponseTemplate::new(200).set_body_json(json!({ "data": { "session": session } }))
    };
    let in_json = sessions(json_body, by("x-session", "")).await;
    let in_header = sessions(
        |session| ResponseTemplate::new(204).insert_header("X-Auth-Token", session),
        by("authorization", "Token token="),
    )
    .await;
    let in_cookie = sessions(
        |session| {
            let cookies = ResponseTemplate::new(200).append_header("set-cookie", "lang=en; Path=/");
            // The last one counts.
            let cookies = cookies.append_header("set-cookie", "sid=; Max-Age=0");
            cookies.append_header("set-cookie", format!("sid={session}; HttpOnly; Path=/"))
        },
        by("cookie", "sid="),
    )
    .await;
    let beside_a_redirect = sessions(
        |session| {
            let cookie = format!("sid={session}; HttpOnly; Path=/");
            let away = ResponseTemplate::new(302).insert_header("location", "/welcome");
            away.insert_header("set-cookie", cookie)
        },
        by("cookie", "sid="),
    )
    .await;
    let as_text = sessions(
        |session| ResponseTemplate::new(200).set_body_string(format!("{session}\n")),
        |request| mock::param(request, "key"),
    )
    .await;
    let ways = [
        (
            &in_json,
            "header: { name: X-Session, value: ",
            "json: { user: ada, password: canary-5c1d }, token: data.session",
            " }",
        ),
        (
            &in_header,
            "header: { name: Authorization, prefix: 'Token token=', value: ",
            "form: { user: ada }, token_header: x-auth-token",
            " }",
        ),
        (
            &in_cookie,
            "cookie: { name: sid, value: ",
            "method: get, basic: { user: ada, password: canary-5c1d }, token_cookie: sid",
            " }",
        ),
        (
            &beside_a_redirect,
            "cookie: { name: sid, value: ",
            "form: { user: ada, password: canary-5c1d }, token_cookie: sid",
            " }",
        ),
        (
            &as_text,
            "query: { name: key, value: ",
            "headers: { x-login: canary-5c1d }, token: '.'",
            " }",
        ),
    ];
    for ((server, closed), start, request, end) in ways {
        let auth = format!(
            "{{ {start}{{ token_request: {{ url: '{}/login', {request} }} }}{end} }}",
            server.uri()
        );
        let pool = pool(server, &auth).unwrap();
        for session in 1..4 {
            for _ in 0..2 {
                soon("an answer", pool.get("/rows?page=1")).await.expect(start);
            }
            closed.store(session, Ordering::SeqCst);
        }
        let logins = mock::received(server).await;
        let logins: Vec<_> =
            logins.iter().filter(|request| request.url.path() == "/login").collect();
        assert_eq!(logins.len(), 3, "{start}");
        let shown = format!("{pool:?}");
        assert!(!shown.contains("canary") && !shown.contains("session-"), "{shown}");
    }
    let login = mock::received(&in_json.0).await;
    assert_eq!(login[0].body_json::<Value>().unwrap()["user"], "ada");
    let login = mock::received(&in_header.0).await;
    assert_eq!(form(&login[0]), [("user".to_owned(), "ada".to_owned())]);
}

#[tokio::test]
async fn how_long_a_session_lasts_is_read_as_seconds_or_as_a_moment() {
    type Told = fn() -> Value;
    let ways: [(Told, &str); 8] = [
        (|| json!(4), "expires: life"),
        (|| json!("4"), "expires: life"),
        (|| json!((Utc::now() + Duration::seconds(4)).timestamp()), "expires: life"),
        (|| json!((Utc::now() + Duration::seconds(4)).timestamp_millis()), "expires: life"),
        (|| json!((Utc::now() + Duration::seconds(4)).to_rfc3339()), "expires: life"),
        (|| json!(null), "expires: life, lifetime: 4s"),
        (|| json!("whenever"), "lifetime: 4s, expires: life"),
        (|| json!({}), "lifetime: 4s"),
    ];
    for (told, setting) in ways {
        let (server, _) = sessions(
            move |_| {
                let answer = json!({ "access_token": "session-9", "life": told() });
                ResponseTemplate::new(200).set_body_json(answer)
            },
            |request| header(request, "authorization")?.strip_prefix("Bearer ").map(str::to_owned),
        )
        .await;
        let auth = format!(
            "{{ bearer: {{ token_request: {{ url: '{}/login', {setting} }} }} }}",
            server.uri()
        );
        let pool = pool(&server, &auth).unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        // Nobody calls meanwhile.
        let renewed = async {
            while pool.stats().await.unwrap().token_refreshes < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        soon("the renewal", renewed).await;
    }
}

#[tokio::test]
async fn an_endpoint_without_a_token_is_a_clear_error_and_no_secret_is_shown() {
    for (answer, request, says) in [
        (ResponseTemplate::new(403).set_body_string(CANARY), "", "refused (status 403)"),
        (ResponseTemplate::new(200).set_body_json(json!({ "a": CANARY })), "", "`access_token`"),
        (
            ResponseTemplate::new(200).set_body_json(json!({ "a": { "b": CANARY } })),
            ", token: a",
            "`a` of its body",
        ),
        (ResponseTemplate::new(200), ", token: '.'", "as its body"),
        (ResponseTemplate::new(200), ", token_header: x-key", "in the header `x-key`"),
        (
            ResponseTemplate::new(200).insert_header("set-cookie", format!("b={CANARY}")),
            ", token_cookie: a",
            "in the cookie `a`",
        ),
        (ResponseTemplate::new(500).set_body_string(CANARY), "", "no response to use"),
    ] {
        let server = mock::answering(answer).await;
        let auth = format!(
            "{{ bearer: {{ token_request: {{ url: '{}/login?key={CANARY}', json: {CANARY}{request} }} }} }}",
            server.uri()
        );
        let error =
            soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token, "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    }
}

#[tokio::test]
async fn of_several_ways_to_sign_in_the_first_that_has_its_values_is_used() {
    let server = mock::answering(ResponseTemplate::new(200)).await;
    for (token, user, sent) in
        [("t", "u", "Bearer t"), ("t", "", "Bearer t"), ("", "u", "Basic dTpwdw==")]
    {
        let auth =
            format!("[{{ bearer: '{token}' }}, {{ basic: {{ user: '{user}', password: pw }} }}]");
        soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap();
        assert_eq!(header(&mock::last(&server).await, "authorization"), Some(sent));
    }
    for (auth, says) in [
        (format!("[{{ bearer: '' }}, {{ basic: {{ user: '', password: {CANARY} }} }}]"), "none of"),
        (format!("[{{ bearer: {CANARY} }}, {{ basc: a }}]"), "unknown variant `basc`"),
        (format!("[{{ bearer: {CANARY} }}, {CANARY}]"), "one of the keys"),
        ("[]".into(), "none of"),
    ] {
        let Err(error) = pool(&server, &auth) else { panic!("{auth} is not an error") };
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}

#[tokio::test]
async fn a_cookie_joins_those_of_the_request() {
    let server = mock::answering(ResponseTemplate::new(200)).await;
    let pool = pool(&server, "{ cookie: { name: sid, value: s3cret } }").unwrap();
    let request = vantage_api_pool::Request::get("/rows").header("cookie", "lang=en").unwrap();
    soon("an answer", pool.request(request)).await.unwrap();
    let asked = mock::last(&server).await;
    assert_eq!(header(&asked, "cookie"), Some("lang=en; sid=s3cret"));
}

#[test]
fn what_is_wrong_with_a_way_to_sign_in_is_named() {
    let request = "bearer: { token_request: { url: 'http://x/login'";
    let client = "oauth2: { token_url: 'http://x/token', client_id: a";
    for (auth, says) in [
        ("bearer: { evn: A }".to_owned(), "one of the keys env, file"),
        ("bearer: { env: A, file: b }".into(), "one of the keys env, file"),
        ("bearer: {}".into(), "one of the keys env, file"),
        (format!("{request}, tokn: a }} }}"), "unknown field `tokn`"),
        ("bearer: { token_request: { json: {} } }".into(), "missing field `url`"),
        ("bearer: { token_request: { url: /login } }".into(), "http or https URL"),
        (format!("{request}, json: {{}}, form: {{}} }} }}"), "either `json` or `form`"),
        (format!("{request}, token: a, token_header: b }} }}"), "one of `token`"),
        (format!("{request}, method: 'a b' }} }}"), "method"),
        (format!("{request}, lifetime: 0 }} }}"), "lifetime"),
        (format!("{request}, headers: {{ 'a b': {CANARY} }} }} }}"), "request is illegal"),
        (format!("{request}, basic: {{ user: 'a:b', password: {CANARY} }} }} }}"), "illegal"),
        (format!("{client} }}"), "`client_secret` is missing, or `refresh_token`"),
        (format!("{client}, client_secret: {CANARY}, keep_in: f }}"), "`keep_in`"),
        (format!("{client}, refresh_token: '' }}"), "refresh token is empty"),
        (format!("{client}, refresh_tokn: {CANARY} }}"), "unknown field `refresh_tokn`"),
        (format!("cookie: {{ name: 'a b', value: {CANARY} }}"), "cookie"),
        (format!("header: {{ name: a, prefix: \"x\\n\", value: {CANARY} }}"), "header"),
    ] {
        let yaml = format!("base_url: http://x\nauth: {{ {auth} }}");
        let built = PoolConfig::from_yaml(&yaml).and_then(PoolConfig::builder);
        let Err(error) = built.and_then(vantage_api_pool::PoolBuilder::build) else {
            panic!("{auth} is not an error")
        };
        assert_eq!(error.kind(), ErrorKind::Config, "{auth}: {error}");
        assert!(error.to_string().contains(says), "{auth}: {error}");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{auth}: {error:?}");
    }
    let yaml = "base_url: http://x\nauth: { cookie: { name: a, value: b } }\ndefault_headers: { Cookie: c=d }";
    let error = PoolConfig::from_yaml(yaml).unwrap().builder().unwrap_err();
    assert!(error.to_string().contains("default_headers"), "{error}");
}
