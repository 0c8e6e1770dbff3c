//! The short ways to a call, against a server that expects what they say.

use crate::support::{mock, soon};
use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, ErrorKind};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, method, path},
};

async fn serving(verb: &str, sent: Option<Value>) -> (MockServer, AwwPool) {
    let server = mock::server().await;
    let mock = Mock::given(method(verb)).and(path("/rows/7"));
    let mock = match &sent {
        Some(body) => mock.and(body_json(body)).and(header("content-type", "application/json")),
        None => mock,
    };
    let answer = ResponseTemplate::new(200).set_body_json(json!({"id": 7}));
    mock.respond_with(answer).expect(1).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).workers(1).build().unwrap();
    (server, pool)
}

#[tokio::test]
async fn each_verb_sends_its_value_as_json_once() {
    let body = json!({"name": "x"});
    let (_server, pool) = serving("POST", Some(body.clone())).await;
    assert_eq!(soon("an answer", pool.post("/rows/7", &body)).await.unwrap().status(), 200);
    let (_server, pool) = serving("PUT", Some(body.clone())).await;
    soon("an answer", pool.put("/rows/7", &body)).await.unwrap();
    let (_server, pool) = serving("PATCH", Some(body.clone())).await;
    soon("an answer", pool.patch("/rows/7", &body)).await.unwrap();
    let (_server, pool) = serving("DELETE", None).await;
    soon("an answer", pool.delete("/rows/7")).await.unwrap();
}

#[tokio::test]
async fn get_json_reads_the_type_that_is_asked_for_or_says_that_it_is_none() {
    let (_server, pool) = serving("GET", None).await;
    let row: Value = soon("a row", pool.get_json("/rows/7")).await.unwrap();
    assert_eq!(row["id"], 7);
    let (_server, pool) = serving("GET", None).await;
    let error = soon("an answer", pool.get_json::<Vec<u8>>("/rows/7")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_value_that_is_no_json_is_refused_before_anything_is_sent() {
    let server = mock::server().await;
    let pool = AwwPool::builder(server.uri()).workers(1).build().unwrap();
    let no_json = std::collections::HashMap::from([((1, 2), 3)]);
    let error = soon("an answer", pool.post("/rows", &no_json)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn stream_reads_the_items_of_all_pages() {
    let server = mock::server().await;
    let page = |rows: Value| ResponseTemplate::new(200).set_body_json(rows);
    let pages = json!({"data": [1, 2], "pagination": {"total_pages": 1}});
    Mock::given(path("/rows")).respond_with(page(pages)).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).workers(1).build().unwrap();
    let rows: Vec<Value> = soon("the rows", pool.stream("/rows").try_collect()).await.unwrap();
    assert_eq!(rows, [1, 2]);
}
