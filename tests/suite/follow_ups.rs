//! Cursors whose pages after the first one are requested elsewhere: scrolls, which move on with each
//! request and are given up at the end, and cursors that take a path of their own. And next pages whose
//! URL is in a header.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    paging::{FollowUp, ResumeToken},
    vantage::ApiTable,
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, numbered, param},
    soon,
};

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// What a server keeps of its scrolls.
#[derive(Default)]
struct Scrolls {
    /// For each that was opened: the next row, or none once it is gone.
    open: Vec<Option<u64>>,
    /// How many pages were asked for.
    pages: usize,
}

impl Scrolls {
    fn page(&mut self, number: usize, rows: u64, size: u64) -> ResponseTemplate {
        self.pages += 1;
        let Some(Some(from)) = self.open.get(number).copied() else {
            return ResponseTemplate::new(404).set_body_json(json!({ "error": {
                "root_cause": [{ "type": "search_context_missing_exception", "reason": "No secret" }],
            }, "status": 404 }));
        };
        let to = rows.min(from + size);
        self.open[number] = Some(to);
        let hits: Vec<_> =
            numbered(from..to).into_iter().map(|row| json!({ "_source": row })).collect();
        // elastic/elasticsearch#65381: the id may be another one on each page.
        let id = format!("scroll {number} {}", self.pages);
        ok(json!({ "_scroll_id": id, "hits": { "total": { "value": rows }, "hits": hits } }))
    }
}

/// A server with so many rows, whose answer to page number `n` goes through `answer`.
async fn scrolling(
    rows: u64,
    answer: impl Fn(usize, ResponseTemplate, &Mutex<Scrolls>) -> ResponseTemplate
    + Send
    + Sync
    + 'static,
) -> (MockServer, Arc<Mutex<Scrolls>>) {
    let scrolls = Arc::new(Mutex::new(Scrolls::default()));
    let kept = Arc::clone(&scrolls);
    let server = mock::answering(move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let number = |id: &Value| id.as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        match (request.method.as_str(), request.url.path()) {
            ("POST", "/docs/_search") => {
                assert_eq!(request.url.query(), Some("scroll=1m"));
                assert_eq!(body, json!({ "size": 10, "sort": ["id"] }));
                let mut own = kept.lock().unwrap();
                own.open.push(Some(0));
                let number = own.open.len() - 1;
                own.page(number, rows, 10)
            }
            ("POST", "/_search/scroll") => {
                assert_eq!(request.url.query(), None);
                assert_eq!(body["scroll"], "1m");
                assert_eq!(body.as_object().unwrap().len(), 2);
                let (page, asked) = {
                    let mut own = kept.lock().unwrap();
                    (own.page(number(&body["scroll_id"]), rows, 10), own.pages)
                };
                answer(asked, page, &kept)
            }
            ("DELETE", "/_search/scroll") => {
                assert_eq!(body.as_object().unwrap().len(), 1);
                let number: usize = number(&body["scroll_id"]);
                kept.lock().unwrap().open[number] = None;
                ok(json!({ "succeeded": true }))
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    (server, scrolls)
}

fn as_it_is(_: usize, page: ResponseTemplate, _: &Mutex<Scrolls>) -> ResponseTemplate {
    page
}

fn scroll() -> Paging {
    let follow_up = FollowUp::at("_search/scroll").post(&json!({ "scroll": "1m" }));
    Paging::cursor("scroll_id", "_scroll_id")
        .post(&json!({ "size": 10, "sort": ["id"] }))
        .follow_up(follow_up.forward_only(true).close("_search/scroll"))
        .expired_with(404, "search_context_missing")
}

fn pool(server: &MockServer) -> AwwPool {
    let pool = AwwPool::builder(server.uri()).signing_key([7; 32]);
    pool.backoff_base(Duration::from_millis(1)).build().unwrap()
}

fn stream(server: &MockServer, paging: Paging) -> PaginatedStream {
    let envelope = Envelope::items_at("hits.hits[]._source").total_at("hits.total.value");
    PaginatedStream::get(pool(server), "docs/_search?scroll=1m").paging(paging).envelope(envelope)
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

/// Waits until the server has no open scroll.
async fn closed(scrolls: &Mutex<Scrolls>) {
    soon("the scrolls to be closed", async {
        while scrolls.lock().unwrap().open.iter().any(Option::is_some) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_scroll_is_read_in_order_and_given_up_at_its_end() {
    for rows in [0, 7, 10, 30, 47] {
        let (server, scrolls) = scrolling(rows, as_it_is).await;
        let pool = pool(&server);
        let envelope = Envelope::items_at("hits.hits[]._source");
        let paging = scroll();
        let all = PaginatedStream::get(&pool, "docs/_search?scroll=1m").paging(paging);
        let (all, error) = read(all.envelope(envelope)).await;
        assert!(error.is_none(), "{rows}: {error:?}");
        assert_eq!(all, numbered(0..rows), "{rows}");
        closed(&scrolls).await;
        assert_eq!(scrolls.lock().unwrap().open, [None], "{rows}");
    }
}

#[tokio::test]
async fn a_scroll_that_is_dropped_is_given_up() {
    let (server, scrolls) = scrolling(1_000, as_it_is).await;
    let pool = pool(&server);
    let rows = PaginatedStream::get(&pool, "docs/_search?scroll=1m").paging(scroll());
    let mut rows = rows.envelope(Envelope::items_at("hits.hits[]._source"));
    for _ in 0..25 {
        soon("a row", rows.next()).await.unwrap().unwrap();
    }
    drop(rows);
    closed(&scrolls).await;
    let asked = scrolls.lock().unwrap().pages;
    assert!(asked < 20, "{asked}");
}

/// elastic/elasticsearch#26403, #9726, #19414: a context that is gone.
#[tokio::test]
async fn a_scroll_that_has_expired_is_an_error_or_begins_again() {
    let gone = |asked, page, scrolls: &Mutex<Scrolls>| {
        if asked == 3 {
            scrolls.lock().unwrap().open[0] = None;
        }
        page
    };
    let (server, _) = scrolling(57, gone).await;
    let (rows, error) = read(stream(&server, scroll())).await;
    let error = error.unwrap();
    assert_eq!((rows, error.kind()), (numbered(0..30), ErrorKind::CursorExpired));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    assert!(error.to_string().contains("restart_when_expired"), "{error}");
    let (server, scrolls) = scrolling(57, gone).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let rows = stream(&server, scroll().restart_when_expired(1));
    let rows = rows.on_warning(move |warning| heard.lock().unwrap().push(warning.to_owned()));
    let (rows, error) = read(rows).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(0..57));
    assert_eq!(scrolls.lock().unwrap().open.len(), 2);
    assert!(told.lock().unwrap().iter().any(|told| told.contains("after 30 rows")), "{told:?}");
}

/// The page of a request that is repeated would be missing.
#[tokio::test]
async fn no_page_of_a_scroll_is_requested_twice() {
    for status in [502, 503, 504] {
        let lost = move |asked, page, _: &Mutex<Scrolls>| match asked {
            3 => mock::refusal(status),
            _ => page,
        };
        let (server, scrolls) = scrolling(57, lost).await;
        let (rows, error) = read(stream(&server, scroll())).await;
        assert_eq!(error.unwrap().status().unwrap(), status);
        assert_eq!(rows, numbered(0..20));
        assert_eq!(scrolls.lock().unwrap().pages, 3);
    }
}

#[tokio::test]
async fn a_scroll_cannot_be_resumed_and_says_so_or_begins_again() {
    let (server, scrolls) = scrolling(57, as_it_is).await;
    let mut begun = stream(&server, scroll());
    for _ in 0..24 {
        soon("a row", begun.next()).await.unwrap().unwrap();
    }
    let token =
        |rows: &PaginatedStream| rows.resume_token().to_text().parse::<ResumeToken>().unwrap();
    let at = token(&begun);
    drop(begun);
    let (rows, error) = read(stream(&server, scroll()).resume_from(at)).await;
    let error = error.unwrap();
    assert_eq!((rows.len(), error.kind()), (0, ErrorKind::CursorExpired));
    assert!(error.to_string().contains("forward_only"), "{error}");
    assert_eq!(scrolls.lock().unwrap().open.len(), 1);

    // Within the first page nothing is lost yet, and with `restart_when_expired` nothing ever is.
    let (server, _) = scrolling(57, as_it_is).await;
    for taken in [4, 10, 24, 30, 57] {
        let mut begun = stream(&server, scroll().restart_when_expired(1));
        for _ in 0..taken {
            soon("a row", begun.next()).await.unwrap().unwrap();
        }
        let again = stream(&server, scroll().restart_when_expired(1)).resume_from(token(&begun));
        // Stopped again before it has come to where it was, it still stands there.
        let mut stopped =
            stream(&server, scroll().restart_when_expired(1)).resume_from(token(&begun));
        if let Some(row) = soon("a row", stopped.next()).await {
            assert_eq!(row.unwrap(), numbered(taken..taken + 1)[0]);
        }
        let (rest, error) = read(again).await;
        assert!(error.is_none(), "{taken}: {error:?}");
        assert_eq!(rest, numbered(taken..57), "{taken}");
    }
}

/// A server that says that there are more rows than come.
#[tokio::test]
async fn a_scroll_that_ends_before_its_total_is_not_complete() {
    let cut = |asked, page, _: &Mutex<Scrolls>| match asked {
        4.. => ok(
            json!({ "_scroll_id": "scroll 0 x", "hits": { "total": { "value": 57 }, "hits": [] } }),
        ),
        _ => page,
    };
    let (server, _) = scrolling(57, cut).await;
    let (rows, error) = read(stream(&server, scroll())).await;
    assert_eq!((rows.len(), error.unwrap().kind()), (30, ErrorKind::Incomplete));
}

/// A server that has lost its place.
#[tokio::test]
async fn a_scroll_that_repeats_a_page_is_a_loop() {
    let again = |_, _, _: &Mutex<Scrolls>| {
        let hits: Vec<_> =
            numbered(0..10).into_iter().map(|row| json!({ "_source": row })).collect();
        ok(
            json!({ "_scroll_id": "scroll 0 x", "hits": { "total": { "value": 57 }, "hits": hits } }),
        )
    };
    let (server, _) = scrolling(57, again).await;
    let (rows, error) = read(stream(&server, scroll())).await;
    assert_eq!((rows.len(), error.unwrap().kind()), (10, ErrorKind::PageLoop));
}

/// BasedHardware/omi#15153, MemberJunction/MJ#4439, spatie/dropbox-api#4: folders that are cut short,
/// since the rest is at another path.
#[tokio::test]
async fn a_cursor_is_sent_to_a_path_of_its_own_with_nothing_else() {
    let pages = AtomicUsize::new(0);
    let server = mock::answering(move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let from = match request.url.path() {
            "/2/files/list_folder" => {
                assert_eq!(body, json!({ "path": "", "recursive": true, "limit": 20 }));
                0
            }
            "/2/files/list_folder/continue" => {
                assert_eq!(body.as_object().unwrap().len(), 1);
                body["cursor"].as_str().unwrap()[2..].parse().unwrap()
            }
            path => panic!("{path}"),
        };
        // The limit is approximate there, and the first answer to a request may be lost.
        if pages.fetch_add(1, Ordering::SeqCst) == 2 {
            return mock::refusal(503);
        }
        let to = 57.min(from + if from == 0 { 7 } else { 21 });
        let next = format!("c-{to}");
        ok(json!({ "entries": numbered(from..to), "cursor": next, "has_more": to < 57 }))
    })
    .await;
    let settings: ApiTable = serde_yaml_ng::from_str(
        "{ endpoint: 2/files/list_folder, envelope: { items: entries, has_next: has_more }, paging: { \
         by: cursor, param: cursor, next: cursor, size_param: limit, size: 20, post: { path: '', \
         recursive: true }, follow_up: { path: 2/files/list_folder/continue, post: {} }, \
         expired_with: [[409, reset]] } }",
    )
    .unwrap();
    let written = serde_json::to_string(&settings).unwrap();
    let settings: ApiTable = serde_json::from_str(&written).unwrap();
    let api = PoolApi::new(pool(&server)).table("rows", settings);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    assert_eq!(soon("the rows", table.list_values()).await.unwrap().len(), 57);
}

#[tokio::test]
async fn a_cursor_may_be_followed_by_a_get_and_resumes_there() {
    let server = mock::answering(|request: &Request| match request.url.path() {
        "/query" => {
            assert_eq!(request.url.query(), Some("q=all"));
            ok(json!({ "data": numbered(0..10), "next": "a b&c" }))
        }
        "/query/more" => {
            assert_eq!(request.url.query(), Some("v=2&locator=a%20b%26c"));
            assert_eq!(param(request, "locator").unwrap(), "a b&c");
            assert!(request.body.is_empty());
            ok(json!({ "data": numbered(10..17), "next": null }))
        }
        path => panic!("{path}"),
    })
    .await;
    let rows = || {
        let paging = Paging::cursor("locator", "next").follow_up(FollowUp::at("query/more?v=2"));
        PaginatedStream::get(pool(&server), "query?q=all").paging(paging)
    };
    let (all, error) = read(rows()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(all, numbered(0..17));
    let mut begun = rows();
    for _ in 0..12 {
        soon("a row", begun.next()).await.unwrap().unwrap();
    }
    let (rest, error) = read(rows().resume_from(begun.resume_token())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rest, numbered(12..17));
}

#[tokio::test]
async fn a_follow_up_elsewhere_is_refused_before_it_is_sent() {
    let server =
        mock::answering(|_: &Request| ok(json!({ "data": numbered(0..10), "next": "x" }))).await;
    let paging = Paging::cursor("c", "next").follow_up(FollowUp::at("https://elsewhere.example/x"));
    let (rows, error) = read(PaginatedStream::get(pool(&server), "rows").paging(paging)).await;
    assert_eq!((rows.len(), error.unwrap().kind()), (10, ErrorKind::ForeignOrigin));
    assert_eq!(mock::count(&server).await, 1);
}

/// A server with 57 rows that names the next page in a header, as Kinto does.
async fn in_a_header(name: &'static str) -> MockServer {
    let server = mock::server().await;
    let uri = server.uri();
    let answer = move |request: &Request| {
        let from: u64 = param(request, "_token").map_or(0, |token| token.parse().unwrap());
        let page = ok(json!({ "data": numbered(from..57.min(from + 10)) }));
        match from + 10 < 57 {
            true => page.insert_header(name, format!("{uri}/rows?_token={}", from + 10)),
            false => page,
        }
    };
    let any = wiremock::Mock::given(wiremock::matchers::any());
    any.respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn the_url_of_a_next_page_may_be_a_header() {
    let server = in_a_header("Next-Page").await;
    let paging: Paging =
        serde_json::from_value(json!({ "by": "header_url", "header": "next-page" })).unwrap();
    assert_eq!(paging, Paging::header_url("next-page"));
    let rows = || PaginatedStream::get(pool(&server), "rows").paging(paging.clone());
    let (all, error) = read(rows()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(all, numbered(0..57));
    let mut begun = rows();
    for _ in 0..23 {
        soon("a row", begun.next()).await.unwrap().unwrap();
    }
    let (rest, error) = read(rows().resume_from(begun.resume_token())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rest, numbered(23..57));
    let elsewhere = in_a_header("Next-Page").await;
    let to = format!("{}/rows", elsewhere.uri());
    let server = mock::answering(move |_: &Request| {
        ok(json!({ "data": numbered(0..10) })).insert_header("Next-Page", to.as_str())
    })
    .await;
    let rows = PaginatedStream::get(pool(&server), "rows").paging(Paging::header_url("Next-Page"));
    let (rows, error) = read(rows).await;
    assert_eq!((rows.len(), error.unwrap().kind()), (10, ErrorKind::ForeignOrigin));
    assert_eq!(mock::count(&elsewhere).await, 0);
}

/// Kinto/kinto and others: pages whose next one nobody asks for.
#[tokio::test]
async fn a_header_with_a_next_page_that_no_setting_names_is_told() {
    for name in ["Next-Page", "X-Next-Page"] {
        let server = in_a_header(name).await;
        let rows = PaginatedStream::get(pool(&server), "rows").paging(Paging::link_header());
        let (rows, error) = read(rows).await;
        let error = error.unwrap();
        assert_eq!((rows.len(), error.kind()), (10, ErrorKind::Incomplete));
        assert!(
            error.to_string().contains(&format!("the header `{}`", name.to_lowercase())),
            "{error}"
        );
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let rows = PaginatedStream::get(pool(&server), "rows").paging(Paging::none());
        let rows = rows.on_warning(move |warning| heard.lock().unwrap().push(warning.to_owned()));
        let (rows, error) = read(rows).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(rows.len(), 10);
        assert!(told.lock().unwrap().iter().any(|told| told.contains("next page")), "{told:?}");
    }
}

#[test]
fn follow_ups_that_contradict_themselves_are_refused_by_name() {
    for (yaml, name) in [
        ("{ by: page, follow_up: { path: x } }", "follow_up"),
        ("{ by: cursor, param: c, next: n, follow_up: { path: '' } }", "follow_up"),
        ("{ by: cursor, param: c, next: n, follow_up: { path: x, close: '' } }", "follow_up"),
        ("{ by: header_url, header: 'no header' }", "header_url"),
        ("{ by: cursor, param: c.d, next: n, follow_up: { path: x, post: { c: 7 } } }", "`c.d`"),
    ] {
        let settings: ApiTable = serde_yaml_ng::from_str(&format!("paging: {yaml}")).unwrap();
        let error = settings.check_paging().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{yaml}");
        assert!(error.to_string().contains(name), "{yaml}: {error}");
    }
    for (yaml, name) in [
        ("{ by: cursor, param: c, next: n, follow_up: { post: {} } }", "`path`"),
        ("{ by: cursor, param: c, next: n, follow_up: { path: x, delete: y } }", "`delete`"),
    ] {
        let error = serde_yaml_ng::from_str::<ApiTable>(&format!("paging: {yaml}")).unwrap_err();
        assert!(error.to_string().contains(name), "{yaml}: {error}");
    }
}
