//! nginx in front of the others: compressed answers, five requests to a connection, and next
//! URLs that lead past it.

use futures::{TryStreamExt, future::try_join_all};
use serde_json::Value;
use vantage_api_pool::{ErrorKind, Paging, Request, paging::UrlPart};

use crate::{
    django, fastapi,
    rows::{Row, assert_same},
    servers::{Program, Server},
    source::{Source, entities_are_whole, streams_are_whole, tables_are_whole, within},
};

fn before(program: Program) -> Server {
    Server::start(Program::Nginx(Server::shared(program).port()))
}

#[tokio::test]
async fn compressed_pages_over_short_lived_connections_are_read_whole() {
    let nginx = before(Program::FastApi);
    let source = fastapi::by_page(nginx.url());
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
    entities_are_whole::<Row>(&source).await;
    let by_links = Source { path: "links", paging: Paging::next_url("links.next"), ..source };
    streams_are_whole::<Row>(&by_links).await;
}

#[tokio::test]
async fn its_answers_are_compressed() {
    let nginx = before(Program::FastApi);
    let plain = reqwest::Client::builder().no_gzip().build().unwrap();
    let asked = plain.get(format!("{}/page?size=100", nginx.url()));
    let asked = asked.header("accept-encoding", "gzip").send();
    let answer = within("an answer", asked).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn many_reads_at_once_over_short_lived_connections_are_whole() {
    let nginx = before(Program::FastApi);
    let source = fastapi::by_page(nginx.url());
    let pool = source.pool();
    let reads = (0..16).map(|_| source.stream_of(&pool).prefetch(8).try_collect::<Vec<Value>>());
    for read in within("the reads", try_join_all(reads)).await.unwrap() {
        assert_same("a read", &read, &source.expected());
    }
    let stats = within("the counts", pool.stats()).await.unwrap();
    assert_eq!(stats.calls_failed, 0, "{stats}");
}

#[tokio::test]
async fn calls_that_may_be_sent_once_are_not_lost_when_connections_close() {
    let nginx = before(Program::Django);
    let pool = django::by_page(&nginx).pool();
    // Each closes a connection after its fifth request, and none of them may be repeated.
    for n in 0..40 {
        let note = Request::post("/api/notes/").json(&serde_json::json!({ "name": n.to_string() }));
        let answer = within("a note", pool.request(note.unwrap())).await.unwrap();
        assert_eq!(answer.status(), 201);
    }
    let notes = within("the notes", pool.get("/api/notes/")).await.unwrap();
    let notes: Value = notes.json().unwrap();
    assert_eq!(notes["count"], 40);
}

/// Django behind a proxy that does not tell it the host it was asked at.
fn unnamed(nginx: &Server) -> Source {
    Source { path: "unnamed/api/page/", paging: Paging::next_url("next"), ..django::by_page(nginx) }
}

#[tokio::test]
async fn a_next_url_past_the_proxy_is_refused() {
    let nginx = before(Program::Django);
    let read = unnamed(&nginx).stream().try_collect::<Vec<Value>>();
    let error = within("no read", read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignOrigin, "{error}");
}

#[tokio::test]
async fn a_next_url_past_the_proxy_is_named() {
    let nginx = before(Program::Django);
    let read = unnamed(&nginx).stream().try_collect::<Vec<Value>>();
    let error = within("no read", read).await.unwrap_err().to_string();
    let port = Server::shared(Program::Django).port().to_string();
    assert!(error.contains(&port), "{error}");
}

/// The proxy has another path before that of the server too.
#[tokio::test]
async fn of_a_next_url_past_the_proxy_the_query_is_followed() {
    let nginx = before(Program::Django);
    let paging = Paging::next_url("next").next_url_part(UrlPart::Query);
    let source = Source { paging, ..unnamed(&nginx) };
    streams_are_whole::<Row>(&source).await;
    tables_are_whole(&source).await;
}

#[tokio::test]
async fn of_a_next_url_with_the_path_of_the_proxy_path_and_query_are_followed() {
    let nginx = before(Program::Django);
    let paging = Paging::next_url("next").next_url_part(UrlPart::PathAndQuery);
    let source = Source { paging, path: "api/offset/", ..unnamed(&nginx) };
    streams_are_whole::<Row>(&source).await;
}

#[tokio::test]
async fn a_next_url_past_the_proxy_is_followed_where_that_is_allowed() {
    let nginx = before(Program::Django);
    let behind = Server::shared(Program::Django).url();
    let paging = Paging::next_url("next").allow_origin(behind);
    streams_are_whole::<Row>(&Source { paging, ..unnamed(&nginx) }).await;
}
