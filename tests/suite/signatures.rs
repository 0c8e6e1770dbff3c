//! Ways to sign in with a key that is never sent: assertions at a token endpoint, and requests that
//! are signed.

use std::{fs, path::PathBuf, sync::LazyLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
        RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolConfig};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, header},
    soon,
};

const CANARY: &str = "canary-5c1d";

/// Keys that are used in these tests alone.
const PKCS8: &str = include_str!("keys/pkcs8.pem");
const PKCS1: &str = include_str!("keys/pkcs1.pem");

/// The public part of both.
static PUBLIC: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = PrivateKeyDer::from_pem_slice(PKCS8.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    key.public().as_ref().to_vec()
});

fn pool(server: &MockServer, auth: &Value) -> Result<AwwPool, Error> {
    let settings = json!({
        "base_url": format!("{}/api", server.uri()),
        "backoff_base": "1ms",
        "heartbeat_timeout": "10s",
        "auth": auth,
    });
    PoolConfig::from_yaml(&settings.to_string())?.builder()?.build()
}

/// A path that no other test uses.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("signatures-{name}-{}", std::process::id()))
}

/// A token endpoint at `/token` that takes each assertion, and an API that takes its token.
async fn with_assertions() -> MockServer {
    mock::answering(|request: &Request| match request.url.path() {
        "/token" => ResponseTemplate::new(200)
            .set_body_json(json!({ "access_token": "granted", "expires_in": 3600 })),
        _ if header(request, "authorization") == Some("Bearer granted") => {
            ResponseTemplate::new(200)
        }
        _ => ResponseTemplate::new(401),
    })
    .await
}

/// What the token endpoint was asked with, except the assertion, and the header and the claims of
/// the assertion, which `key` signed.
async fn asked(
    server: &MockServer,
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> (Vec<(String, String)>, Value, Value) {
    let asked = mock::received(server).await;
    let asked = asked.iter().rfind(|request| request.url.path() == "/token").unwrap();
    let form = url::form_urlencoded::parse(&asked.body).into_owned();
    let (assertion, rest): (Vec<_>, Vec<_>) = form.partition(|(name, _)| name == "assertion");
    let (signed, signature) = assertion[0].1.rsplit_once('.').unwrap();
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(signed.as_bytes(), &decoded(signature)).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&decoded(part)).unwrap();
    (rest, json(head), json(claims))
}

#[tokio::test]
async fn an_assertion_is_signed_and_exchanged_for_a_token() {
    let server = with_assertions().await;
    let url = format!("{}/token", server.uri());
    let auth = json!({ "oauth2": {
        "token_url": url, "client_id": "me", "scopes": ["read", "write"],
        "jwt": { "key": PKCS8, "key_id": "k1", "claims": { "sub": "ada" }, "lifetime": "2m" },
    }});
    let pool = pool(&server, &auth).unwrap();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let (form, head, claims) = asked(&server, &RSA_PKCS1_2048_8192_SHA256, &PUBLIC).await;
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
    assert_eq!(
        form,
        [("grant_type".to_owned(), grant), ("scope".to_owned(), "read write".to_owned())]
    );
    assert_eq!(head, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("me"), &json!("ada")));
    assert_eq!(claims["aud"], json!(url));
    let second = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(second("exp") - second("iat"), 120);
    assert!(chrono::Utc::now().timestamp().abs_diff(second("iat").cast_signed()) < 3600);
}

#[tokio::test]
async fn keys_may_be_in_each_usual_form_and_algorithm() {
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = elliptic.public_key_raw().to_vec();
    let in_one_line = PKCS8.replace('\n', "\\n");
    let account =
        json!({ "type": "service_account", "private_key": PKCS8, "private_key_id": "k7" });
    for (key, name, algorithm, public) in [
        (
            PKCS1.to_owned(),
            "RS512",
            &RSA_PKCS1_2048_8192_SHA512 as &dyn VerificationAlgorithm,
            PUBLIC.as_slice(),
        ),
        (in_one_line, "RS256", &RSA_PKCS1_2048_8192_SHA256, PUBLIC.as_slice()),
        (account.to_string(), "RS256", &RSA_PKCS1_2048_8192_SHA256, PUBLIC.as_slice()),
        (elliptic.serialize_pem(), "ES256", &ECDSA_P256_SHA256_FIXED, point.as_slice()),
    ] {
        let server = with_assertions().await;
        let is_account = key.starts_with('{');
        let auth = json!({ "oauth2": {
            "token_url": format!("{}/token", server.uri()), "client_id": "me",
            "jwt": { "key": key, "algorithm": name },
        }});
        soon("an answer", pool(&server, &auth).unwrap().get("/rows")).await.unwrap();
        let (_, head, _) = asked(&server, algorithm, public).await;
        assert_eq!(head["alg"], name);
        assert_eq!(head["kid"], if is_account { json!("k7") } else { Value::Null });
    }
}

#[tokio::test]
async fn a_key_file_is_read_for_each_assertion_and_named_if_it_cannot_be() {
    let server = with_assertions().await;
    let path = file("key");
    let auth = json!({ "oauth2": {
        "token_url": format!("{}/token", server.uri()), "client_id": "me",
        "jwt": { "key_file": path },
    }});
    let error = soon("an error", pool(&server, &auth).unwrap().get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    for content in [CANARY.to_owned(), format!("-----BEGIN PRIVATE KEY-----\n{CANARY}")] {
        fs::write(&path, content).unwrap();
        let pool = pool(&server, &auth).unwrap();
        let error = soon("an error", pool.get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token);
        assert!(!format!("{error} {error:?}").contains(CANARY));
    }
    assert!(mock::received(&server).await.is_empty());
    let pool = pool(&server, &auth).unwrap();
    for key in [PKCS8, PKCS1] {
        fs::write(&path, key).unwrap();
        soon("an answer", pool.get("/rows")).await.unwrap();
        asked(&server, &RSA_PKCS1_2048_8192_SHA256, &PUBLIC).await;
        pool.invalidate_token(0).await.unwrap();
    }
    fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn what_can_never_be_signed_is_refused_before_anything_is_sent() {
    let server = with_assertions().await;
    let url = format!("{}/token", server.uri());
    let oauth2 = |rest: Value| {
        let mut client = json!({ "token_url": url, "client_id": "me" });
        client.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "oauth2": client })
    };
    let hmac = |rest: Value| {
        let mut signature = json!({ "key": CANARY, "message": "{body}" });
        signature.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "hmac": signature })
    };
    for (auth, what) in [
        (oauth2(json!({ "jwt": { "key": CANARY } })), "not PEM"),
        (oauth2(json!({ "jwt": { "key": PKCS8, "algorithm": "ES256" } })), "does not fit"),
        (oauth2(json!({ "jwt": { "key": PKCS8, "algorithm": "HS256" } })), "RS256"),
        (oauth2(json!({ "jwt": { "key": PKCS8, "lifetime": "1ms" } })), "lifetime"),
        (oauth2(json!({ "jwt": {} })), "either `key` or `key_file`"),
        (oauth2(json!({ "jwt": { "key": PKCS8 }, "client_secret": CANARY })), "`jwt` stands"),
        (hmac(json!({})), "would not be sent"),
        (hmac(json!({ "headers": { "X-S": "{signatur}" } })), "unknown placeholder"),
        (hmac(json!({ "query": { "s": "{signature}" }, "algorithm": "md5" })), "sha512"),
        (hmac(json!({ "query": { "s": "{signature}" }, "signature_encoding": "text" })), "hex"),
        (hmac(json!({ "query": { "s": "{signature}" }, "key_encoding": CANARY })), "another form"),
        (
            json!({ "aws": {
                "access_key_id": "a", "secret_access_key": CANARY, "region": "", "service": "s3",
            }}),
            "region",
        ),
    ] {
        let error = pool(&server, &auth).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(CANARY) && !shown.contains("BEGIN"), "{shown}");
    }
    assert!(mock::received(&server).await.is_empty());
}

#[tokio::test]
async fn each_attempt_is_signed_over_what_is_sent() {
    let server = mock::answering(|request: &Request| {
        let stamp = header(request, "x-timestamp").unwrap();
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{query}", request.url.path());
        let mut message = format!("{stamp}{}{url}", request.method).into_bytes();
        message.extend_from_slice(&request.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, CANARY.as_bytes()), &message);
        let expected: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let is_signed = header(request, "x-signature").unwrap() == format!("v1={expected}");
        ResponseTemplate::new(if is_signed { 200 } else { 401 })
    })
    .await;
    let auth = json!({ "hmac": {
        "key": CANARY, "message": "{timestamp}{method}{path_and_query}{body}",
        "headers": { "X-Timestamp": "{timestamp}", "X-Signature": "v1={signature}" },
    }});
    let pool = pool(&server, &auth).unwrap();
    let spaced = vantage_api_pool::Request::get("/rows").query(&[("q", "a b&c/ü")]).unwrap();
    soon("an answer", pool.request(spaced)).await.unwrap();
    let post = vantage_api_pool::Request::post("/rows").json(&json!({ "a": "ü" })).unwrap();
    soon("an answer", pool.request(post)).await.unwrap();
    for request in mock::received(&server).await {
        assert!(!format!("{request:?}").contains(CANARY), "the key is not sent");
    }
}

#[tokio::test]
async fn a_request_for_aws_has_its_key_and_its_time_and_not_its_secret() {
    let server = mock::answering(ResponseTemplate::new(200)).await;
    let auth = json!({ "aws": {
        "access_key_id": "AKIDEXAMPLE", "secret_access_key": CANARY, "session_token": "temporary",
        "region": "eu-west-1", "service": "execute-api",
    }});
    soon("an answer", pool(&server, &auth).unwrap().get("/rows?b=1&a=2")).await.unwrap();
    let request = mock::received(&server).await.remove(0);
    let authorization = header(&request, "authorization").unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(authorization.contains("/eu-west-1/execute-api/aws4_request"), "{authorization}");
    assert_eq!(header(&request, "x-amz-security-token"), Some("temporary"));
    assert!(header(&request, "x-amz-date").is_some());
    assert!(!format!("{request:?}").contains(CANARY));
}
