//! Who may do what.

use std::time::Duration;

use async_trait::async_trait;
use vantage_api_gateway::{
    Gateway, Limits, Ops, TableConfig,
    auth::{AuthError, Authenticator, Credentials, Principal, Tokens},
};
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};
use vantage_vista::{FilterOp, Vista};

use crate::support::{ADA, BOB, Served, cities, cities_mock, closed};

const TABLE: &str = "/api/v1/tables/cities";

#[test]
fn credentials_are_needed_and_tokens_in_headers_alone_are_credentials() {
    let served = Served::start(closed().table("cities", TableConfig::new(cities())));
    for fields in
        [ADA, BOB, ("authorization", "bearer token-of-bob"), ("x-api-key", "token-of-ada")]
    {
        assert_eq!(served.send("GET", TABLE, &[fields], "").status, 200, "{fields:?}");
    }
    for fields in [
        ("x", "y"),
        ("authorization", "Bearer token-of-eve"),
        ("x-api-key", "token-of-ad"),
        ("cookie", "token=token-of-ada"),
    ] {
        let refused = served.send("GET", TABLE, &[fields], "");
        assert_eq!((refused.status, refused.kind().as_str()), (401, "unauthorized"), "{fields:?}");
        assert_eq!(refused.field("www-authenticate"), Some("Bearer realm=\"gateway\""));
    }
    for fields in [
        vec![("authorization", "Basic YWRhOmFkYQ==")],
        vec![("authorization", "Bearer ")],
        vec![ADA, BOB],
        vec![ADA, ADA],
    ] {
        let refused = served.send("GET", TABLE, &fields, "");
        assert_eq!((refused.status, refused.kind().as_str()), (400, "invalid_credentials"));
    }
    let query = served.get(&format!("{TABLE}?access_token=token-of-ada"));
    assert_eq!(query.status, 401);
}

#[test]
fn nothing_but_whether_it_lives_is_told_without_credentials() {
    let served = Served::start(closed().table("cities", TableConfig::new(cities())));
    for path in ["/health", "/ready"] {
        assert_eq!(served.get(&format!("/api/v1{path}")).status, 200, "{path}");
    }
    for path in [
        "/stats",
        "/metrics",
        "/openapi.json",
        "/tables",
        "/tables/cities",
        "/tables/none",
        "/tables/cities/1",
        "/batch",
        "/kv",
        "/kv/x",
        "/nothing",
        "",
        "/tables/%",
    ] {
        assert_eq!(served.get(&format!("/api/v1{path}")).status, 401, "{path}");
    }
}

#[test]
fn tables_are_opened_to_roles() {
    let config = TableConfig::new(cities())
        .operations(Ops::ALL)
        .writable(["name"])
        .writable_by(["editor"])
        .max_bulk_rows(3);
    let secret = TableConfig::new(cities()).readable_by(["editor"]);
    let served = Served::start(closed().table("cities", config).table("secret", secret));
    let send = |who, method: &str, path: &str| {
        let fields = [("content-type", "application/json"), who];
        served.send(method, path, &fields, r#"{"name": "X"}"#).status
    };
    for (method, path, of_ada) in [
        ("GET", "/api/v1/tables/cities/1", 200),
        ("PATCH", "/api/v1/tables/cities/1", 200),
        ("POST", TABLE, 201),
        ("DELETE", "/api/v1/tables/cities/1", 204),
        ("PATCH", "/api/v1/tables/cities?id=eq.2", 200),
    ] {
        let of_bob = if method == "GET" { 200 } else { 405 };
        assert_eq!(send(BOB, method, path), of_bob, "{method} {path}");
        assert_eq!(send(ADA, method, path), of_ada, "{method} {path}");
    }
    assert_eq!(send(ADA, "GET", "/api/v1/tables/secret"), 200);
    // For others it is as if it were not there.
    assert_eq!(send(BOB, "GET", "/api/v1/tables/secret"), 404);
    assert_eq!(send(BOB, "POST", "/api/v1/tables/secret"), 404);
    let batch =
        r#"{"operations": [{"op": "patch", "table": "cities", "id": "2", "row": {"name": "Y"}}]}"#;
    let fields = [("content-type", "application/json"), BOB];
    let answer = served.send("POST", "/api/v1/batch", &fields, batch);
    assert_eq!(answer.json()["results"][0]["status"], 405);
}

#[test]
fn a_scope_confines_reads_and_writes() {
    let mock = cities_mock();
    let config = TableConfig::new(Vista::new("cities", mock.clone()))
        .operations(Ops::ALL)
        .writable(["id", "name", "country"])
        .max_bulk_rows(100)
        .scope(|principal, cities| match principal.id.as_str() {
            "ada" => Ok(cities),
            _ => cities.with_condition("country", FilterOp::Eq, "LV"),
        });
    let served = Served::start(closed().table("cities", config));
    let send = |who, method: &str, path: &str, body: &str| {
        let fields = [("content-type", "application/json"), who];
        served.send(method, path, &fields, body)
    };
    assert_eq!(send(BOB, "GET", TABLE, "").json()["pagination"]["total"], 4);
    assert_eq!(send(ADA, "GET", TABLE, "").json()["pagination"]["total"], 10);
    assert_eq!(send(BOB, "GET", "/api/v1/tables/cities/1", "").status, 404);
    assert_eq!(send(BOB, "PATCH", "/api/v1/tables/cities/1", r#"{"name": "X"}"#).status, 404);
    assert_eq!(send(BOB, "DELETE", "/api/v1/tables/cities/1", "").status, 204);
    assert!(mock.get_record("1").is_some());
    let put = send(BOB, "PUT", "/api/v1/tables/cities/1", r#"{"name": "X"}"#);
    assert_eq!(put.status, 409);
    let moved = send(BOB, "PATCH", "/api/v1/tables/cities/7", r#"{"country": "DE"}"#);
    assert_eq!(moved.status, 409);
    let made = send(BOB, "POST", TABLE, r#"{"id": "x", "name": "X", "country": "DE"}"#);
    assert_eq!(made.status, 409);
    let deleted = send(BOB, "DELETE", &format!("{TABLE}?id=in.(1,2,7)"), "");
    assert_eq!(deleted.json()["affected"], 1);
    assert_eq!(mock.len(), 9);
}

#[test]
fn a_network_that_fails_to_log_in_too_often_is_refused() {
    let limits = Limits { max_failed_logins: 3, ..Limits::default() };
    let served = Served::start(closed().limits(limits).table("cities", TableConfig::new(cities())));
    let wrong = [("x-api-key", "wrong")];
    for _ in 0..3 {
        assert_eq!(served.send("GET", TABLE, &wrong, "").status, 401);
    }
    // Also with the right token: a guess would not be noticed otherwise.
    for fields in [wrong, [ADA]] {
        let refused = served.send("GET", TABLE, &fields, "");
        assert_eq!((refused.status, refused.kind().as_str()), (429, "too_many_failed_logins"));
        let wait: u64 = refused.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));
    }
}

fn limit(quota: u32) -> RateLimitPolicyEnforcer {
    let policy = RateLimitPolicy::fixed_window("hourly", quota, Duration::from_secs(3_600));
    RateLimitPolicyEnforcer::new([policy]).unwrap()
}

#[test]
fn each_principal_has_its_own_quota_and_is_told_of_no_other() {
    let served = Served::start(
        closed().limit_principals(limit(2)).table("cities", TableConfig::new(cities())),
    );
    let get = |who| served.send("GET", TABLE, &[who], "");
    let first = get(ADA);
    assert!(first.field("ratelimit").unwrap().starts_with("\"hourly\";r=1;t="), "{first:?}");
    assert_eq!(get(ADA).status, 200);
    let refused = get(ADA);
    assert_eq!((refused.status, refused.kind().as_str()), (429, "quota_exceeded"));
    assert!(refused.field("retry-after").is_some());
    assert!(get(BOB).field("ratelimit").unwrap().starts_with("\"hourly\";r=1;t="));
}

#[test]
fn a_network_is_limited_before_its_credentials_are_looked_at() {
    let served = Served::start(
        closed().limit_addresses(limit(1)).table("cities", TableConfig::new(cities())),
    );
    assert_eq!(served.send("GET", TABLE, &[ADA], "").status, 200);
    let wrong = served.send("GET", TABLE, &[("x-api-key", "wrong")], "");
    assert_eq!((wrong.status, wrong.kind().as_str()), (429, "quota_exceeded"));
}

#[test]
fn clients_behind_a_trusted_proxy_are_told_apart() {
    let limits = Limits { max_failed_logins: 1, ..Limits::default() };
    let builder = || closed().limits(limits.clone()).table("cities", TableConfig::new(cities()));
    let get = |served: &Served, from: &str, key: &str| {
        served.send("GET", TABLE, &[("x-forwarded-for", from), ("x-api-key", key)], "").status
    };
    let served = Served::start(builder().trust_proxies(["127.0.0.0/8"]));
    assert_eq!(get(&served, "192.0.2.1", "wrong"), 401);
    assert_eq!(get(&served, "192.0.2.1", "token-of-ada"), 429);
    assert_eq!(get(&served, "203.0.113.9, 192.0.2.1", "token-of-ada"), 429);
    assert_eq!(get(&served, "192.0.2.2", "token-of-ada"), 200);
    // Nobody else is believed.
    let served = Served::start(builder());
    assert_eq!(get(&served, "192.0.2.1", "wrong"), 401);
    assert_eq!(get(&served, "192.0.2.2", "token-of-ada"), 429);
}

struct Broken;

#[async_trait]
impl Authenticator for Broken {
    async fn authenticate(&self, _: &Credentials) -> Result<Option<Principal>, AuthError> {
        Err("the database of users at db.internal is gone".into())
    }
}

#[test]
fn an_authenticator_that_fails_opens_nothing_and_tells_nothing() {
    let builder = Gateway::builder().auth(Broken).table("cities", TableConfig::new(cities()));
    let served = Served::start(builder);
    let refused = served.send("GET", TABLE, &[ADA], "");
    assert_eq!((refused.status, refused.kind().as_str()), (503, "authentication_unavailable"));
    assert!(!refused.text().contains("db.internal"));
}

#[test]
fn tokens_are_read_from_files_and_shown_nowhere() {
    let digest = Tokens::digest_of("s3cret");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("# who may\n\n{digest} ada editor,admin\n")).unwrap();
    let tokens = Tokens::file(file.path()).unwrap();
    assert!(!format!("{tokens:?}").contains(&digest));
    let served = Served::start(
        Gateway::builder()
            .auth(tokens)
            .table("cities", TableConfig::new(cities()).readable_by(["admin"])),
    );
    assert_eq!(served.send("GET", TABLE, &[("x-api-key", "s3cret")], "").status, 200);
    for (text, what) in [
        ("abc ada", "token 1: not 64 hexadecimal digits"),
        (digest.as_str(), "token 1: no principal"),
        ("", "there is no token"),
    ] {
        std::fs::write(file.path(), text).unwrap();
        let error = Tokens::file(file.path()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    std::fs::write(file.path(), format!("{digest} a\n{digest} b")).unwrap();
    assert!(Tokens::file(file.path()).unwrap_err().to_string().contains("token 2: its digest"));
    assert!(Tokens::file("/nowhere/tokens").unwrap_err().to_string().contains("/nowhere/tokens"));
}
