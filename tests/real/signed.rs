//! Signatures of requests that botocore computes too, and assertions that PyJWT verifies.

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, ErrorKind, PaginatedStream, Paging, PoolConfig, Request,
};

use crate::{
    rows::{self, assert_same},
    servers::{Program, Server},
    source::within,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const KEY: &str = include_str!("../suite/keys/pkcs8.pem");

fn pool(server: &Server, folder: &str, auth: &Value) -> AwwPool {
    let url = format!("{}/{folder}", server.url());
    let settings = json!({ "base_url": url, "auth": auth, "max_attempts": 1 });
    PoolConfig::from_yaml(&settings.to_string()).unwrap().builder().unwrap().build().unwrap()
}

fn aws(server: &Server, service: &str, secret: &str) -> AwwPool {
    let auth = json!({ "aws": {
        "access_key_id": "AKIDEXAMPLE", "secret_access_key": secret, "region": "eu-west-1",
        "service": service,
    }});
    pool(server, "aws", &auth)
}

async fn all(pool: &AwwPool) -> Vec<Value> {
    let stream = PaginatedStream::get(pool, "/rows")
        .paging(Paging::page_number().page_size("size", 200))
        .envelope(Envelope::items_at("rows").total_at("total"));
    within("all rows", stream.try_collect()).await.unwrap()
}

#[tokio::test]
async fn requests_are_signed_as_botocore_signs_them() {
    let server = Server::start(Program::Signed);
    for service in ["execute-api", "s3"] {
        let pool = aws(&server, service, SECRET);
        assert_same("rows", &all(&pool).await, &rows::all());
        for target in [
            "/rows?b=2&a=1&a=0&empty=",
            "/a b/ü/(c)/*~/a+b/%20",
            "/rows?q=a%20b+c%2Fd&é=ü&(1)*~=a/b:c&r&n=%00&s=a=b&a-b=1&a=2",
            "/rows?",
        ] {
            let answer = within("a row", pool.get(target)).await;
            answer.unwrap_or_else(|error| panic!("{service} {target}: {error}"));
        }
        let post = Request::post("/rows").json(&json!({ "name": "ü" })).unwrap();
        within("a write", pool.request(post.header("x-tag", " a  b ").unwrap())).await.unwrap();
        let wrong = within("a refusal", aws(&server, service, "other").get("/rows")).await;
        assert_eq!(wrong.unwrap_err().status().unwrap().as_u16(), 403);
    }
}

#[tokio::test]
async fn assertions_are_verified_by_pyjwt() {
    let server = Server::start(Program::Signed);
    let url = format!("{}/jwt/token", server.url());
    let auth = |issuer: &str, claims: Value| {
        json!({ "oauth2": {
            "token_url": url, "client_id": issuer, "jwt": { "key": KEY, "claims": claims },
        }})
    };
    assert_same("rows", &all(&pool(&server, "jwt", &auth("me", json!({})))).await, &rows::all());
    let elsewhere = pool(&server, "jwt", &auth("me", json!({ "aud": "https://elsewhere" })));
    let error = within("a refusal", elsewhere.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Token);
    assert!(error.to_string().contains("invalid_grant"), "{error}");
}
