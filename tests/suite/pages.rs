//! Pages of a stream as a whole: their bytes, their items, and that a read which goes on after
//! one yields each row once.

use crate::support::{
    hostile::{Hostile, HostileServer},
    raw_server::RawServer,
    soon,
};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolBuilder,
    paging::{Page, ResumeToken},
};

const KEY: &[u8] = b"a key of thirty-two bytes or more";

fn builder(url: String) -> PoolBuilder {
    AwwPool::builder(url).signing_key(KEY)
}

/// The rows of a page and the token after it, which has been through its text.
fn apart(page: Page<Value>) -> (Vec<Value>, ResumeToken) {
    let token = page.resume_token().to_text().parse().unwrap();
    let texts = page.texts().map(|text| serde_json::from_str(text.unwrap()).unwrap());
    let texts: Vec<Value> = texts.collect();
    let items: Vec<_> = page.map(Result::unwrap).collect();
    assert_eq!(texts, items, "the texts are those of the items");
    (items, token)
}

/// Reads all pages, and the rest of the set in another pool after each of them.
async fn each_row_once(url: &str, stream: impl Fn(AwwPool) -> PaginatedStream, rows: &[Value]) {
    let pool = || builder(url.to_owned()).build().unwrap();
    let mut pages = stream(pool()).pages();
    let mut read = Vec::new();
    while let Some(page) = soon("a page", pages.next()).await {
        let (items, token) = apart(page.unwrap());
        read.extend(items);
        let rest = stream(pool()).resume_from(token.clone()).pages();
        let rest: Vec<_> = soon("the rest", rest.collect()).await;
        let rest: Vec<_> = rest.into_iter().flat_map(|page| apart(page.unwrap()).0).collect();
        assert_eq!([read.clone(), rest].concat(), rows, "after {} rows", read.len());
        assert_eq!(token.is_end(), read.len() == rows.len());
    }
    assert_eq!(read, rows);
}

#[tokio::test]
async fn a_read_that_goes_on_after_any_page_yields_each_row_once_however_the_api_pages() {
    let numbered = Paging::page_number;
    for (hostile, paging) in [
        (Hostile::new(35), numbered()),
        (Hostile::new(35).without_pagination(), numbered()),
        (Hostile::new(30), numbered()),
    ] {
        let api = hostile.start();
        let stream = |pool| PaginatedStream::get(pool, "/rows").paging(paging.clone());
        each_row_once(&api.url(), stream, &api.rows()).await;
    }
}

/// Serves five rows, two a page, by offset, cursor and link at once.
fn five_rows() -> RawServer {
    RawServer::start(async |mut peer| {
        while let Some(head) = peer.head().await {
            let at = |name: &str| {
                let (_, rest) = head.split_once(&format!("{name}="))?;
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                rest[..end].parse::<usize>().ok()
            };
            let from = at("offset").or_else(|| at("after")).unwrap_or_default();
            let rows: Vec<_> = (from..5).take(2).map(|id| json!({ "id": id })).collect();
            let next = Some(from + 2).filter(|next| *next < 5);
            let body = json!({ "data": rows, "next": next.map(|next| next.to_string()) });
            let link = next.map(|next| format!("link: </rows?after={next}>; rel=\"next\"\r\n"));
            let link = link.unwrap_or_default();
            let body = body.to_string();
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\n{link}content-length: {length}\r\n\r\n{body}");
            peer.write(answer.as_bytes()).await;
        }
    })
}

#[tokio::test]
async fn a_read_by_offsets_cursors_or_links_goes_on_after_any_page() {
    let server = five_rows();
    let rows: Vec<_> = (0..5).map(|id| json!({ "id": id })).collect();
    for paging in [
        Paging::offset_limit("offset", "limit", 2),
        Paging::cursor("after", "next"),
        Paging::link_header(),
    ] {
        let stream = |pool| PaginatedStream::get(pool, "/rows").paging(paging.clone());
        each_row_once(&server.url(), stream, &rows).await;
    }
}

#[tokio::test]
async fn a_page_has_the_bytes_that_came_and_the_token_of_one_that_was_begun_is_after_it() {
    let server = five_rows();
    let pool = builder(server.url()).build().unwrap();
    let read = || PaginatedStream::get(&pool, "/rows").paging(Paging::cursor("after", "next"));
    let mut begun = read();
    soon("a row", begun.next()).await.unwrap().unwrap();
    let page = soon("a page", begun.pages().next()).await.unwrap().unwrap();
    let body: Value = serde_json::from_slice(page.bytes()).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    assert_eq!(page.number(), 1);
    let (rows, token) = apart(page);
    assert_eq!(rows, [json!({ "id": 1 })]);
    let rest: Vec<_> = soon("the rest", read().resume_from(token).collect()).await;
    assert_eq!(rest.into_iter().next().unwrap().unwrap(), json!({ "id": 2 }));
}

#[tokio::test]
async fn the_texts_of_a_page_are_as_they_came_and_end_where_the_read_ends() {
    let body = r#"{"data":[ 1.0 ,{"a" : "\u00e9"}, 3],"pagination":{"total":3}}"#;
    let server = RawServer::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let pool = builder(server.url()).build().unwrap();
    for (rows, read) in [(3, 3), (2, 2), (0, 0)] {
        let stream = PaginatedStream::get(&pool, "/rows").paging(Paging::none());
        let page = soon("a page", stream.max_rows(rows).pages().next()).await.unwrap().unwrap();
        let texts: Vec<_> = page.texts().collect();
        let expected = ["1.0", r#"{"a" : "\u00e9"}"#, "3"];
        let whole: Vec<_> = texts.iter().filter_map(|text| text.as_ref().ok().copied()).collect();
        assert_eq!(whole, expected[..read]);
        let failures = texts.iter().filter_map(|text| text.as_ref().err().map(Error::kind));
        let expected = if read < 3 { vec![ErrorKind::SetTooLarge] } else { Vec::new() };
        assert_eq!(failures.collect::<Vec<_>>(), expected);
        let found = texts.len();
        assert_eq!(page.count(), found, "no item was taken");
    }
}

#[tokio::test]
async fn what_fails_after_a_page_fails_again_after_its_token_and_no_row_comes_twice() {
    let body = r#"{"data":[1,2],"pagination":{"total":5}}"#;
    let server = RawServer::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let pool = builder(server.url()).build().unwrap();
    let read = || PaginatedStream::get(&pool, "/rows").paging(Paging::none());
    let mut pages = read().pages();
    let (rows, token) = apart(soon("a page", pages.next()).await.unwrap().unwrap());
    assert_eq!(rows, [json!(1), json!(2)]);
    let kind = |page: Option<Result<Page<Value>, Error>>| page.unwrap().err().unwrap().kind();
    assert_eq!(kind(soon("an error", pages.next()).await), ErrorKind::Incomplete);
    let rest: Vec<_> = soon("the rest", read().resume_from(token).collect()).await;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].as_ref().unwrap_err().kind(), ErrorKind::Incomplete);
}

#[tokio::test]
async fn the_token_of_a_page_is_signed_and_of_its_read() {
    let api: HostileServer = Hostile::new(35).start();
    let pool = builder(api.url()).build().unwrap();
    let mut pages = PaginatedStream::get(&pool, "/rows").pages();
    let (_, token) = apart(soon("a page", pages.next()).await.unwrap().unwrap());
    let other = AwwPool::builder(api.url()).build().unwrap();
    for stream in [
        PaginatedStream::get(&other, "/rows"),
        PaginatedStream::get(&pool, "/others"),
        PaginatedStream::get(&pool, "/rows").envelope(Envelope::items_at("rows")),
    ] {
        let mut pages = stream.resume_from(token.clone()).pages();
        let error = soon("an error", pages.next()).await.unwrap().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
