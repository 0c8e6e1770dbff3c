//! Paging that is decided from the first page: it says what it has decided, reads every row by it, and
//! on doubt says what to write instead of reading one page.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    paging::ResumeToken,
    retry::ResponseRule,
    vantage::{ApiTable, PoolTableExt},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, numbered, param},
    soon,
};

type Serve = fn(&Request, &[Value]) -> ResponseTemplate;

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn number(request: &Request, name: &str) -> Option<usize> {
    param(request, name).map(|text| text.parse().unwrap())
}

fn some(rows: &[Value], start: usize) -> Value {
    rows.iter().skip(start).take(10).cloned().collect()
}

fn by_link(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let page = number(request, "page").unwrap_or(0);
    let page_of_rows = ok(some(rows, page * 10));
    let results = page * 10 + 10 < rows.len();
    let link = format!("</rows?page={}>; rel=\"next\"; results=\"{results}\"", page + 1);
    page_of_rows.insert_header("link", link)
}

fn by_url(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let start = number(request, "$skip").unwrap_or(0);
    let mut body = json!({ "data": some(rows, start) });
    if start + 10 < rows.len() {
        body["@odata.nextLink"] = format!("{}?$skip={}", request.url.path(), start + 10).into();
    } else {
        body["@odata.count"] = rows.len().into();
    }
    ok(body)
}

fn by_page(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let page = number(request, "page").unwrap_or(1);
    let pages = rows.len().div_ceil(10);
    ok(json!({
        "data": some(rows, (page - 1) * 10),
        "pagination": { "page": page, "total_pages": pages, "total": rows.len() },
    }))
}

fn by_offset(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let start = number(request, "startAt").unwrap_or(0);
    ok(json!({ "data": some(rows, start), "startAt": start, "total": rows.len() }))
}

fn by_cursor(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let start = param(request, "pageToken").map_or(0, |text| text[1..].parse().unwrap());
    let next = (start + 10 < rows.len()).then(|| format!("t{}", start + 10));
    ok(json!({ "data": some(rows, start), "nextPageToken": next }))
}

fn ways() -> [(&'static str, Serve, &'static str); 5] {
    [
        ("link", by_link, "`by: link`"),
        ("url", by_url, r"`next: @odata\.nextLink`"),
        ("page", by_page, "`by: page`"),
        ("offset", by_offset, "`param: startAt`"),
        ("cursor", by_cursor, "`param: pageToken`"),
    ]
}

async fn server(serve: Serve, rows: Vec<Value>) -> MockServer {
    mock::answering(move |request: &Request| serve(request, &rows)).await
}

type Warnings = Arc<Mutex<Vec<String>>>;

fn stream(server: &MockServer, warnings: &Warnings) -> PaginatedStream {
    let pool = AwwPool::builder(server.uri()).signing_key([7; 32]).build().unwrap();
    let told = Arc::clone(warnings);
    let stream = PaginatedStream::get(pool, "/rows").paging(Paging::auto());
    stream.on_warning(move |what| told.lock().unwrap().push(what.to_owned()))
}

async fn read(mut rows: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    let mut read = Vec::new();
    while let Some(row) = soon("a row", rows.next()).await {
        match row {
            Ok(row) => read.push(row),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

/// dlt-hub/dlt#2505: a next URL under a key with a dot is not found, and one page is read.
#[tokio::test]
async fn what_is_decided_is_told_and_reads_every_row() {
    for (name, serve, told) in ways() {
        for count in [11, 20, 35, 95] {
            let server = server(serve, numbered(0..count)).await;
            let warnings = Warnings::default();
            let (rows, error) = read(stream(&server, &warnings).prefetch(3)).await;
            assert!(error.is_none(), "{name}, {count}: {error:?}");
            assert_eq!(rows, numbered(0..count), "{name}, {count}");
            let warnings = warnings.lock().unwrap();
            let first = warnings.first().unwrap();
            assert!(first.contains("auto") && first.contains(told), "{name}: {warnings:?}");
            assert!(first.contains("(sure)") || first.contains("(likely)"), "{first}");
        }
    }
}

#[tokio::test]
async fn a_set_of_one_page_is_known_by_what_the_page_says() {
    for (name, serve, _) in ways().into_iter().filter(|way| !["link", "url"].contains(&way.0)) {
        for count in [1, 10] {
            let server = server(serve, numbered(0..count)).await;
            let warnings = Warnings::default();
            let (rows, error) = read(stream(&server, &warnings)).await;
            assert!(error.is_none(), "{name}, {count}: {error:?}");
            assert_eq!(rows, numbered(0..count), "{name}");
            assert!(warnings.lock().unwrap()[0].contains("the last one"), "{name}");
        }
    }
}

/// dlt-hub/dlt#4428, dlt-hub/dlt#2816: on doubt one page is taken for all, or pages never end.
#[tokio::test]
async fn on_doubt_nothing_is_read_and_what_to_write_is_told() {
    for (body, says) in [
        (json!(numbered(0..20)), "`by: none`"),
        (json!({ "data": numbered(0..7) }), "`by: none`"),
        (json!({ "data": numbered(0..10), "has_more": true }), "`by: keyset`"),
        (json!({ "data": numbered(0..10), "pagination": { "total": 50 } }), "more follow"),
        (json!({ "data": numbered(0..10), "next": "opaque" }), "`by: cursor`"),
        (json!({ "data": numbered(0..10), "next": "/a", "links": { "next": "/b" } }), "both"),
    ] {
        let told = body.clone();
        let server = mock::answering(move |_: &Request| ok(told.clone())).await;
        let (rows, error) = read(stream(&server, &Warnings::default())).await;
        let error = error.unwrap();
        assert_eq!((rows.len(), error.kind()), (0, ErrorKind::PaginationMissing), "{body}");
        assert!(error.to_string().contains(says), "{body}: {error}");
        assert_eq!(mock::count(&server).await, 1);
    }
}

/// A cursor whose parameter has another name than it seems leads to the same page again.
#[tokio::test]
async fn a_wrong_guess_is_a_loop_and_never_rows_twice() {
    let server =
        mock::answering(|_: &Request| ok(json!({ "data": numbered(0..10), "next_cursor": "c" })))
            .await;
    let (rows, error) = read(stream(&server, &Warnings::default())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::PageLoop, "{error}");
    assert_eq!(rows, numbered(0..10));
}

#[tokio::test]
async fn what_was_decided_holds_for_a_read_that_is_resumed() {
    for (name, serve, _) in ways() {
        let server = server(serve, numbered(0..35)).await;
        let warnings = Warnings::default();
        let mut begun = stream(&server, &warnings);
        for taken in 0..=35 {
            let token: ResumeToken = begun.resume_token().to_text().parse().unwrap();
            let told = Warnings::default();
            let before = mock::count(&server).await;
            let (rest, error) = read(stream(&server, &told).resume_from(token)).await;
            assert!(error.is_none(), "{name}, {taken}: {error:?}");
            assert_eq!(rest, numbered(taken..35), "{name}, after {taken}");
            if taken > 0 {
                let is_again = |told: &String| told.contains("auto");
                assert!(!told.lock().unwrap().iter().any(is_again), "{name}");
            }
            assert!(taken < 35 || mock::count(&server).await <= before + 5, "{name}");
            let next = soon("a row", begun.next()).await;
            assert_eq!(next.is_some(), taken < 35, "{name}");
        }
    }
}

#[tokio::test]
async fn a_table_decides_by_its_yaml_alone() {
    for (name, serve, _) in ways() {
        let server = server(serve, numbered(0..35)).await;
        let settings: ApiTable = serde_yaml_ng::from_str("paging: { by: auto }").unwrap();
        let pool = AwwPool::builder(server.uri()).build().unwrap();
        let api = PoolApi::new(pool).table("rows", settings);
        let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
        assert_eq!(soon("the rows", table.list_values()).await.unwrap().len(), 35, "{name}");
        assert_eq!(soon("the count", table.get_count()).await.unwrap(), 35, "{name}");
    }
    let envelope = Envelope::default();
    let posted = ApiTable::new().envelope(envelope).paging(Paging::auto().post(&json!({})));
    assert!(posted.check_paging().unwrap_err().to_string().contains("auto"));
}

#[tokio::test]
async fn a_set_that_is_not_there_is_empty_if_that_is_set() {
    let server = mock::answering(ResponseTemplate::new(404)).await;
    let rows = |rules: Vec<ResponseRule>| {
        let pool = AwwPool::builder(server.uri()).response_rules(rules).build().unwrap();
        PaginatedStream::get(pool, "/rows").paging(Paging::auto())
    };
    let ignored = ResponseRule::ignore().status(404).path("rows");
    let (read_rows, error) = read(rows(vec![ignored])).await;
    assert!(read_rows.is_empty() && error.is_none(), "{error:?}");
    let (_, error) = read(rows(Vec::new())).await;
    assert_eq!(error.unwrap().status().unwrap().as_u16(), 404);
}
