//! Bytes that are unusual and still mean something, and bytes that mean nothing.

use std::collections::HashMap;

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Error, PaginatedStream, Paging, PoolBuilder, Request, Response};

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

/// All of a read, or the error that it ends with.
async fn items(stream: PaginatedStream) -> Result<Vec<Value>, Error> {
    soon("the end of the read", stream.try_collect()).await
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

/// A page of the API below with a link to the next one.
fn linked(items: &str, next: &str) -> Vec<u8> {
    answer("200 OK", b"", format!(r#"{{"data":{items},"next":{next}}}"#).as_bytes())
}

#[tokio::test]
async fn case_10_a_token_in_the_query_is_set_once_though_each_next_url_echoes_it() {
    let server = routes(&[
        ("/rows?key=t", linked("[1]", r#""/rows?page=2&key=t""#)),
        ("/rows?page=2&key=t", linked("[2]", r#""/rows?k%65y=old&page=3""#)),
        ("/rows?page=3&key=t", linked("[3]", "null")),
    ]);
    let acquire = || std::future::ready(Ok::<_, Error>("t"));
    let apply = |request: Request, token: &str| {
        assert!(request.target().contains("/rows"), "apply sees the target");
        request.query(&[("key", token)])
    };
    let pool = builder(&server).with_auth_callback(1, acquire, apply).build().unwrap();
    let stream = PaginatedStream::get(pool, "/rows").paging(Paging::next_url("next"));
    assert_eq!(items(stream).await.unwrap(), [json!(1), json!(2), json!(3)]);
}

#[tokio::test]
async fn case_10_an_endpoint_that_names_a_page_is_read_page_by_page() {
    let page = |items: &str, next: bool| {
        let body = format!(r#"{{"data":{items},"pagination":{{"has_next":{next}}}}}"#);
        answer("200 OK", b"", body.as_bytes())
    };
    let server = routes(&[
        ("/rows?x=1&page=1", page("[1,2]", true)),
        ("/rows?x=1&page=2", page("[3]", false)),
        ("/rows?x=1&offset=0&limit=2", page("[1,2]", true)),
        ("/rows?x=1&offset=2&limit=2", page("[3]", false)),
    ]);
    let pool = builder(&server).build().unwrap();
    for (endpoint, paging) in [
        ("/rows?page=1&x=1", Paging::page_number()),
        ("/rows?limit=100&offset=7&x=1", Paging::offset_limit("offset", "limit", 2)),
    ] {
        let stream = PaginatedStream::get(pool.clone(), endpoint).paging(paging);
        assert_eq!(items(stream).await.unwrap(), [json!(1), json!(2), json!(3)], "{endpoint}");
    }
}

#[tokio::test]
async fn case_10_a_field_may_be_added_and_repeated() {
    let server = routes(&[
        ("/rows?ids=1&ids=2&ids=3", answer("200 OK", b"", b"[]")),
        ("/rows?a=1&ids=4", answer("200 OK", b"", b"[]")),
    ]);
    let pool = builder(&server).build().unwrap();
    let request = Request::get("/rows").query(&[("ids", 1), ("ids", 2)]).unwrap();
    let added = request.clone().add_query(&[("ids", 3)]).unwrap();
    soon("the call", pool.request(added)).await.unwrap();
    let set = request.query(&[("a", 1), ("ids", 4)]).unwrap();
    soon("the call", pool.request(set)).await.unwrap();
}
