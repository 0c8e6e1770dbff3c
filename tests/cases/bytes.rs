//! Bytes that are unusual and still mean something, and bytes that mean nothing.

use std::collections::HashMap;

use vantage_api_pool::{AwwPool, Error, PoolBuilder, Request, Response};

use crate::support::{
    raw_server::{Peer, RawServer},
    soon,
};

/// An answer with these header lines and this body.
fn answer(status: &str, head: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n\r\n", body.len());
    [b"HTTP/1.1 ", status.as_bytes(), b"\r\n", head, length.as_bytes(), body].concat()
}

/// A server that gives each target its answer, and all others a 404.
fn routes(answers: &[(&str, Vec<u8>)]) -> RawServer {
    let answers: HashMap<String, Vec<u8>> =
        answers.iter().map(|(target, answer)| ((*target).to_owned(), answer.clone())).collect();
    RawServer::start(move |mut peer: Peer| {
        let answers = answers.clone();
        async move {
            while let Some(head) = peer.head().await {
                let answer = answers.get(head.split(' ').nth(1).unwrap()).cloned();
                let answer = answer.unwrap_or_else(|| self::answer("404 Not Found", b"", b""));
                peer.write(&answer).await;
            }
        }
    })
}

fn targets(server: &RawServer) -> Vec<String> {
    let heads = server.seen().heads;
    heads.iter().map(|(_, head)| head.split(' ').nth(1).unwrap().to_owned()).collect()
}

fn builder(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url()).workers(1).max_attempts(1)
}

async fn get(server: &RawServer, target: &str) -> Result<Response, Error> {
    soon("the call", builder(server).build().unwrap().get(target)).await
}

#[tokio::test]
async fn case_09_an_answer_tells_the_url_that_gave_it() {
    let server = routes(&[
        ("/v1/rows?a=1", answer("301 Moved", b"location: /v1/x/../y\r\n", b"")),
        ("/v1/y", answer("307 Moved", b"location: tenants/7/rows/?q=%20#part\r\n", b"")),
        ("/v1/tenants/7/rows/?q=%20", answer("200 OK", b"", b"[]")),
        ("/v1/plain", answer("200 OK", b"", b"[]")),
    ]);
    for (target, url) in [("/v1/rows?a=1", "/v1/tenants/7/rows/?q=%20"), ("v1/plain", "/v1/plain")]
    {
        let response = get(&server, target).await.unwrap();
        assert_eq!(response.url().unwrap().to_string(), format!("{}{url}", server.url()));
    }
    let error = get(&server, "/v1/none").await.unwrap_err();
    assert_eq!(error.response().unwrap().url().unwrap().path(), "/v1/none");
}

#[tokio::test]
async fn case_09_the_url_of_an_answer_holds_no_token_that_was_put_into_the_query() {
    let server = routes(&[
        ("/old?key=canary", answer("302 Found", b"location: /new?page=2\r\n", b"")),
        ("/new?page=2&key=canary", answer("200 OK", b"", b"[]")),
    ]);
    let acquire = || std::future::ready(Ok::<_, Error>("canary"));
    let apply = |request: Request, token: &str| request.query(&[("key", token)]).unwrap();
    let pool = builder(&server).with_auth_callback(1, acquire, apply).build().unwrap();
    let response = soon("the call", pool.get("/old")).await.unwrap();
    assert_eq!(response.url().unwrap().path_and_query().unwrap(), "/new?page=2");
    assert!(!format!("{response:?}").contains("canary"));
}

#[tokio::test]
async fn case_04_a_location_is_followed_whatever_its_octets() {
    let server = routes(&[
        ("/utf8", answer("302 Found", "location: /caf\u{e9}\r\n".as_bytes(), b"")),
        ("/latin1", answer("302 Found", b"location: /caf\xe9\r\n", b"")),
        ("/caf%C3%A9", answer("200 OK", b"", b"[1]")),
        ("/caf%E9", answer("200 OK", b"", b"[2]")),
    ]);
    for (target, body) in [("/utf8", "[1]"), ("/latin1", "[2]")] {
        assert_eq!(get(&server, target).await.unwrap().text().unwrap(), body, "{target}");
    }
}
