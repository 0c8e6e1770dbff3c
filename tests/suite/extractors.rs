//! Pages of other formats: an extractor makes the standard page, and all else works as ever.

use std::{error::Error as _, future::ready};

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi, Request,
    paging::{Extracting, Extractor, RawPage},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request as Asked, ResponseTemplate};

use crate::support::{
    mock::{answering, query},
    soon,
};

/// Each line is an item with its words as `id` and `name`; the last one, after an arrow, is where
/// the next page is.
struct Lines {
    separator: char,
}

impl Extractor for Lines {
    fn identity(&self) -> String {
        format!("lines {}", self.separator)
    }

    fn extract(&self, page: RawPage) -> Extracting {
        let text = std::str::from_utf8(page.response().body()).unwrap();
        assert!(!text.contains("panic"), "asked to");
        if text.contains('<') {
            return Box::pin(ready(Err("a page of HTML".into())));
        }
        let (rows, next) = text.split_once("->").unwrap_or((text, ""));
        let row = |line: &str| {
            let (id, name) = line.split_once(self.separator)?;
            Some(json!({ "id": id, "name": name, "index": page.index() }))
        };
        let rows: Vec<Value> = rows.lines().filter_map(row).collect();
        let page = json!({ "data": rows, "next": next.trim() }).to_string();
        // Some extractors work elsewhere.
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(page.into())
        })
    }
}

fn page_of(asked: &Asked) -> usize {
    let page = query(asked).into_iter().find(|(name, _)| name == "page");
    page.map_or(1, |(_, page)| page.parse().unwrap())
}

fn extracted() -> Envelope {
    Envelope::extracted_by(Lines { separator: ' ' })
}

/// Five pages of three lines, each of which names the next one.
async fn server() -> MockServer {
    answering(|asked: &Asked| {
        let page = page_of(asked);
        let lines = (0..3).map(|n| format!("{} row\n", (page - 1) * 3 + n)).collect::<String>();
        let next = if page < 5 { format!("-> /rows?page={}", page + 1) } else { String::new() };
        ResponseTemplate::new(200).set_body_raw(format!("{lines}{next}"), "text/plain")
    })
    .await
}

fn pool(server: &MockServer) -> AwwPool {
    AwwPool::builder(server.uri()).max_attempts(1).build().unwrap()
}

fn rows(pool: &AwwPool) -> PaginatedStream {
    let stream = PaginatedStream::get(pool, "/rows").prefetch(4);
    stream.paging(Paging::next_url("next")).envelope(extracted())
}

fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn pages_of_another_format_are_read_in_order_and_resumed_in_their_middle() {
    let server = server().await;
    let pool = pool(&server);
    let all: Vec<Value> = soon("the rows", rows(&pool).try_collect()).await.unwrap();
    assert_eq!(ids(&all), (0..15).collect::<Vec<_>>());
    assert_eq!((&all[2]["index"], &all[14]["index"]), (&json!(0), &json!(4)));

    let mut first = rows(&pool);
    for _ in 0..7 {
        soon("a row", first.try_next()).await.unwrap();
    }
    let token = first.resume_token();
    let rest = rows(&pool).resume_from(token.clone());
    let rest: Vec<Value> = soon("the rest", rest.try_collect()).await.unwrap();
    assert_eq!(ids(&rest), (7..15).collect::<Vec<_>>());

    let other = Envelope::extracted_by(Lines { separator: ';' });
    let mut other = rows(&pool).envelope(other).resume_from(token);
    let error = soon("a refusal", other.try_next()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("another envelope"), "{error}");
}

#[tokio::test]
async fn numbered_pages_and_tables_are_extracted_as_well() {
    let server = answering(|asked: &Asked| {
        let lines = if asked.url.path() == "/rows/4" {
            "4 alone".to_owned()
        } else {
            let first = (page_of(asked) - 1) * 3;
            (first..8.min(first + 3)).map(|n| format!("{n} row\n")).collect()
        };
        ResponseTemplate::new(200).set_body_raw(lines, "text/plain")
    })
    .await;
    let pool = pool(&server);
    let api = PoolApi::new(&pool).envelope(extracted()).item_endpoints(true);
    let table = Table::<_, EmptyEntity>::new("rows", api).with_id_column("id");
    let all = soon("the rows", table.list_values()).await.unwrap();
    assert_eq!(all.len(), 8);
    let one = soon("a row", table.get_value("4")).await.unwrap().unwrap();
    assert_eq!(one["name"].as_text(), Some("alone"));
}

#[tokio::test]
async fn a_body_of_which_no_page_is_made_is_an_error_that_says_why() {
    for (body, kind, source) in [
        ("<html>", ErrorKind::Decode, Some("a page of HTML")),
        ("panic", ErrorKind::Callback, None),
    ] {
        let answer = ResponseTemplate::new(200).set_body_raw(body, "text/html");
        let server = answering(answer).await;
        let pool = pool(&server);
        let error: Error = soon("an error", rows(&pool).try_next()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (kind, 1), "{error}");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), source);
        // The pool goes on.
        soon("an answer", pool.request(Request::get("/rows"))).await.unwrap();
    }
}

#[test]
fn an_extractor_is_shown_and_has_no_form_as_data() {
    let shown = format!("{:?}", extracted());
    assert!(shown.contains("lines "), "{shown}");
    assert!(!format!("{:?}", Envelope::default()).contains("extract"));
    assert!(serde_json::to_string(&extracted()).is_err());
}
