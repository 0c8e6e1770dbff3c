//! What pages say about the end of their set: what says that more follow is heard, wherever it
//! stands and however it is written.

mod field;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    events::Event,
    paging::{PageRequest, PageStrategy, PageView, UrlPart},
    retry::ResponseRule,
};
use vantage_dataset::prelude::*;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{mock, soon};

/// What was asked for.
struct Asked {
    path: String,
    params: HashMap<String, String>,
    /// How many requests came before.
    before: u64,
}

impl Asked {
    fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// The number in a parameter.
    fn number(&self, name: &str) -> u64 {
        self.param(name).map_or(0, |number| number.parse().unwrap())
    }
}

async fn api(answer: impl Fn(&Asked) -> ResponseTemplate + Send + Sync + 'static) -> MockServer {
    let count = AtomicU64::new(0);
    let respond = move |request: &Request| {
        let before = count.fetch_add(1, Ordering::SeqCst);
        let params = request.url.query_pairs().into_owned().collect();
        answer(&Asked { path: request.url.path().to_owned(), params, before })
    };
    mock::answering(respond).await
}

// So that a literal can be given.
#[allow(clippy::needless_pass_by_value)]
fn body(json: impl ToString) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(json.to_string(), "application/json")
}

/// Page `number`, counted from 1, of those given; 404 past them.
fn numbered(pages: Vec<Value>) -> impl Fn(&Asked) -> ResponseTemplate + Send + Sync + 'static {
    move |asked| match pages.get(asked.number("page") as usize - 1) {
        Some(page) => body(page),
        None => ResponseTemplate::new(404),
    }
}

/// The page that the cursor in `after` is the number of, from 0.
fn by_cursor(pages: Vec<Value>) -> impl Fn(&Asked) -> ResponseTemplate + Send + Sync + 'static {
    move |asked| body(&pages[asked.number("after") as usize])
}

fn pool(server: &MockServer) -> AwwPool {
    AwwPool::builder(server.uri()).build().unwrap()
}

fn rows(server: &MockServer, paging: Paging, envelope: Envelope) -> PaginatedStream {
    PaginatedStream::get(pool(server), "/rows").paging(paging).envelope(envelope)
}

async fn read(mut stream: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    soon("the stream ends", async {
        let mut items = Vec::new();
        loop {
            match stream.next().await {
                Some(Ok(item)) => items.push(item),
                Some(Err(error)) => return (items, Some(error)),
                None => return (items, None),
            }
        }
    })
    .await
}

/// The rows of a read that ends well.
async fn whole(stream: PaginatedStream) -> Vec<Value> {
    let (items, error) = read(stream).await;
    assert!(error.is_none(), "{error:?} after {items:?}");
    items
}

/// The rows before the error of a read that cannot be whole, and what it says.
async fn incomplete(stream: PaginatedStream) -> (Vec<Value>, String) {
    let (items, error) = read(stream).await;
    let error = error.unwrap_or_else(|| panic!("ended well after {items:?}"));
    assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
    (items, error.to_string())
}

/// The rows of a read that ends well, and the warnings that were told.
async fn warned(
    server: &MockServer,
    paging: Paging,
    envelope: Envelope,
) -> (Vec<Value>, Vec<String>) {
    let pool = pool(server);
    let mut events = pool.events();
    let (tell, told) = std::sync::mpsc::channel();
    let stream = PaginatedStream::get(&pool, "/rows")
        .paging(paging)
        .envelope(envelope)
        .on_warning(move |warning| tell.send(warning.to_owned()).unwrap());
    let items = whole(stream).await;
    let mut warnings = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::PagingWarning { message, .. } = event {
            warnings.push(message);
        }
    }
    assert_eq!(told.try_iter().collect::<Vec<_>>(), warnings);
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!(stats.paging_warnings, warnings.len() as u64);
    (items, warnings)
}

fn ids(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(Value::from).collect()
}

#[tokio::test]
async fn case_01_a_key_with_dots_is_found_as_it_is_written() {
    let server = api(|asked| match asked.param("$skiptoken") {
        None => body(json!({ "@odata.nextLink": "/rows?$skiptoken=abc", "@odata.count": 3, "value": [1, 2] })),
        Some(_) => body(json!({ "@odata.count": 3, "value": [3] })),
    })
    .await;
    for link in ["@odata.nextLink", r"@odata\.nextLink", "/@odata.nextLink"] {
        let envelope = Envelope::items_at("value").total_at("@odata.count");
        let paging = Paging::next_url(link);
        assert_eq!(whole(rows(&server, paging, envelope)).await, ids([1, 2, 3]), "{link}");
    }
}

#[tokio::test]
async fn case_01_items_and_flags_at_keys_with_dots_are_found() {
    let server = api(numbered(vec![
        json!({ "odata.rows": { "a.b": [1, 2] }, "more.pages": true }),
        json!({ "odata.rows": { "a.b": [3] }, "more.pages": false }),
    ]))
    .await;
    let envelope = Envelope::items_at("odata.rows.a.b").has_next_at("more.pages");
    assert_eq!(whole(rows(&server, Paging::default(), envelope)).await, ids([1, 2, 3]));
}

#[tokio::test]
async fn case_01_a_place_that_no_page_has_is_told() {
    let server = api(|_| body(json!({ "data": [1, 2] }))).await;
    let (items, warnings) =
        warned(&server, Paging::next_url("links.next"), Envelope::default()).await;
    assert_eq!(items, ids([1, 2]));
    assert!(warnings.len() == 1 && warnings[0].contains("`links.next`"), "{warnings:?}");
    let null = api(|_| body(json!({ "data": [1], "links": { "next": null } }))).await;
    let (_, warnings) = warned(&null, Paging::next_url("links.next"), Envelope::default()).await;
    assert!(warnings.is_empty(), "{warnings:?}");
    let envelope = Envelope::default().total_at("meta.count").has_next_in_header("x-more");
    let (_, warnings) = warned(&null, Paging::none(), envelope).await;
    let told = warnings.join();
    assert!(told.contains("`meta.count`") && told.contains("`x-more`"), "{told}");
}

trait Join {
    fn join(&self) -> String;
}

impl Join for Vec<String> {
    fn join(&self) -> String {
        self.as_slice().join("; ")
    }
}

// So that a literal can be given.
#[allow(clippy::needless_pass_by_value)]
fn flagged(rows: &[u64], has_next: bool, more: Value) -> Value {
    let mut pagination = json!({ "has_next": has_next });
    pagination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "data": rows, "pagination": pagination })
}

#[tokio::test]
async fn case_01_a_table_described_in_yaml_has_the_same_paths_and_settings() {
    let server = api(|asked| match (asked.path.as_str(), asked.param("$skip")) {
        ("/graph", None) => body(json!({
            "@odata.nextLink": "http://inner.example/graph?$skip=2", "@odata.count": 3,
            "value": [{ "id": 1 }, { "id": 2 }],
        })),
        ("/graph", Some(_)) => body(json!({ "@odata.count": 3, "value": [{ "id": 3 }] })),
        ("/hits", _) => body(json!({
            "hits": { "hits": [{ "_source": { "id": 7 } }], "total": { "value": 9 } },
        })),
        ("/missing", _) => ResponseTemplate::new(404),
        (path, _) => panic!("{path}"),
    })
    .await;
    let yaml = "
name: graph
api:
  envelope: { items: value, total: '@odata.count' }
  paging: { by: next_url, next: '@odata.nextLink', next_url_part: path_and_query }
columns: { id: { type: int, flags: [id] } }
---
name: hits
api:
  envelope: { items: 'hits.hits[]._source', total: hits.total.value }
  paging: { by: none, totals_are_estimates: true }
columns: { id: { type: int, flags: [id] } }
---
name: short
api:
  endpoint: hits
  envelope: { items: 'hits.hits[]._source', total: hits.total.value }
  paging: { by: none }
columns: { id: { type: int, flags: [id] } }
---
name: missing
api: { paging: { by: page } }
columns: { id: { type: int, flags: [id] } }
";
    let ignored = ResponseRule::ignore().status(404).path("missing");
    let pool = AwwPool::builder(server.uri()).response_rule(ignored).build().unwrap();
    let factory = PoolApi::new(pool).vista_factory().with_yaml(yaml).unwrap();
    for (name, rows) in
        [("graph", Some(3)), ("hits", Some(1)), ("short", None), ("missing", Some(0))]
    {
        let listed = soon(name, factory.build(name).unwrap().list_values()).await;
        match (listed, rows) {
            (Ok(listed), Some(rows)) => assert_eq!(listed.len(), rows, "{name}"),
            (Err(error), None) => assert_eq!(error.context["kind"], "incomplete", "{error}"),
            (listed, _) => panic!("{name}: {listed:?}"),
        }
    }
}

#[tokio::test]
async fn case_02_a_flag_is_followed_past_short_and_empty_pages() {
    let pages = |more: Value| {
        vec![
            flagged(&[1, 2], true, more.clone()),
            flagged(&[], true, more.clone()),
            flagged(&[5], false, more),
        ]
    };
    for more in [
        json!({}),
        json!({ "total": 0 }),
        json!({ "total_pages": 0 }),
        json!({ "total": 1 }),
        json!({ "total_pages": 1 }),
        json!({ "total": 2, "total_pages": 1 }),
    ] {
        let server = api(numbered(pages(more.clone()))).await;
        let stream = rows(&server, Paging::default(), Envelope::default());
        assert_eq!(whole(stream).await, ids([1, 2, 5]), "{more}");
        let offsets = pages(more.clone());
        let server = api(move |asked| body(&offsets[asked.number("offset") as usize / 2])).await;
        let stream = rows(&server, Paging::offset_limit("offset", "limit", 2), Envelope::default());
        assert_eq!(whole(stream).await, ids([1, 2, 5]), "by offset, {more}");
    }
}

#[tokio::test]
async fn case_02_an_empty_first_page_with_a_flag_is_followed() {
    let pages = vec![flagged(&[], true, json!({})), flagged(&[7], false, json!({}))];
    let server = api(numbered(pages)).await;
    assert_eq!(whole(rows(&server, Paging::default(), Envelope::default())).await, ids([7]));
}

#[tokio::test]
async fn case_02_a_total_of_nothing_beside_rows_says_nothing() {
    let page = |rows: &[u64]| json!({ "data": rows, "pagination": { "total": 0 } });
    let server = api(numbered(vec![page(&[1, 2]), page(&[3, 4]), page(&[])])).await;
    let (items, warnings) = warned(&server, Paging::default(), Envelope::default()).await;
    assert_eq!(items, ids([1, 2, 3, 4]));
    assert!(warnings.len() == 1 && warnings[0].contains("`pagination.total` is 0"), "{warnings:?}");
}

#[tokio::test]
async fn case_02_what_was_decided_against_is_told() {
    let pages =
        vec![flagged(&[1, 2], true, json!({ "total": 2 })), flagged(&[3], false, json!({}))];
    let server = api(numbered(pages)).await;
    let (items, warnings) = warned(&server, Paging::default(), Envelope::default()).await;
    assert_eq!(items, ids([1, 2, 3]));
    assert!(warnings.len() == 1 && warnings[0].contains("more pages follow"), "{warnings:?}");
}

#[tokio::test]
async fn case_05_a_next_page_that_no_setting_names_is_no_end() {
    // Short and long pages are searched in different ways.
    for padding in [0, 2 << 20] {
        let page = json!({ "data": [1, 2], "text": "x".repeat(padding), "next": "/rows?page=2" });
        let server = api(move |_| body(&page)).await;
        for paging in [
            Paging::link_header(),
            Paging::next_url("links.next"),
            Paging::cursor("after", "next_cursor"),
        ] {
            let (items, error) = incomplete(rows(&server, paging, Envelope::default())).await;
            assert_eq!(items, ids([1, 2]));
            assert!(error.contains("`next`"), "{error}");
        }
        // The user says that it is one page.
        let (items, warnings) = warned(&server, Paging::none(), Envelope::default()).await;
        assert_eq!(items, ids([1, 2]));
        assert!(warnings.len() == 1 && warnings[0].contains("`next`"), "{warnings:?}");
    }
}

#[tokio::test]
async fn case_05_what_says_that_there_is_one_page_is_believed() {
    for page in [
        json!({ "data": [1, 2], "next": "/help", "pagination": { "has_next": false } }),
        json!({ "data": [1, 2], "next": "/help", "pagination": { "total": 2 } }),
        json!({ "data": [1, 2], "next": "/help", "links": { "next": null } }),
        json!({ "data": [1, 2], "next": null }),
        json!({ "data": [1, 2], "items": [{ "next": "/rows?page=2" }] }),
    ] {
        let server = api(move |_| body(&page)).await;
        let paging = Paging::next_url("links.next");
        assert_eq!(whole(rows(&server, paging, Envelope::default())).await, ids([1, 2]));
    }
    // What lines have are items, whatever their keys are called.
    let lines = |_: &Asked| {
        let lines = "{\"next\": \"x\"}\n";
        ResponseTemplate::new(200).set_body_raw(lines, "application/x-ndjson")
    };
    let server = api(lines).await;
    let read = whole(rows(&server, Paging::link_header(), Envelope::bare_array())).await;
    assert_eq!(read, [json!({ "next": "x" })]);
    // From the second page on it is known where a page names the next one.
    let server = api(|asked| match asked.param("page") {
        None => body(json!({ "data": [1], "links": { "next": "?page=2" }, "next": "/help" })),
        Some(_) => body(json!({ "data": [2], "next": "/help" })),
    })
    .await;
    let paging = Paging::next_url("links.next");
    assert_eq!(whole(rows(&server, paging, Envelope::default())).await, ids([1, 2]));
}

#[tokio::test]
async fn case_03_a_short_page_with_a_link_to_the_next_is_not_the_last() {
    let page = |rows: Value, next: bool| {
        let page = body(rows);
        if next { page.insert_header("link", "</rows?page=9>; rel=\"next\"") } else { page }
    };
    let server = api(move |asked| match asked.number("page") {
        1 => page(json!([1, 2, 3]), true),
        2 => page(json!([4, 5]), true),
        _ => page(json!([6]), false),
    })
    .await;
    let stream = rows(&server, Paging::default(), Envelope::bare_array());
    assert_eq!(whole(stream).await, ids(1..=6));
}

fn linked(line: &'static [u8]) -> impl Fn(&Asked) -> ResponseTemplate + Send + Sync + 'static {
    move |asked| match asked.param("page") {
        None => {
            let value = reqwest::header::HeaderValue::from_bytes(line).unwrap();
            body(json!([1, 2])).insert_header("link", value)
        }
        Some(_) => body(json!([3])),
    }
}

#[tokio::test]
async fn case_04_a_link_line_is_read_as_octets() {
    for line in [
        &b"</rows?page=2>; rel=\"next\"; title=\"caf\xe9\""[..],
        b"</a\xff>; rel=\"prev\", </rows?page=2>; rel=\"next\"",
        "</rows?page=2>; rel=next; title=\"Ubersicht \u{fc}\"".as_bytes(),
    ] {
        let server = api(linked(line)).await;
        let stream = rows(&server, Paging::link_header(), Envelope::bare_array());
        assert_eq!(whole(stream).await, ids([1, 2, 3]), "{:?}", String::from_utf8_lossy(line));
    }
}

#[tokio::test]
async fn case_04_a_link_line_that_cannot_be_read_is_no_end() {
    for line in [
        &b"/rows?page=2; rel=\"next\""[..],
        b"</rows?page=2>; rel=\"next",
        b"junk, </rows?page=2>; rel=\"next\"",
        b"</rows?page=2; rel=next",
    ] {
        let server = api(linked(line)).await;
        let (items, error) =
            read(rows(&server, Paging::link_header(), Envelope::bare_array())).await;
        let error = error.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(line)));
        assert_eq!((items.len(), error.kind()), (0, ErrorKind::Decode), "{error}");
        assert!(error.to_string().contains("`Link`"), "{error}");
    }
    let server = api(linked(b"junk without a relation")).await;
    let stream = rows(&server, Paging::link_header(), Envelope::bare_array());
    assert_eq!(whole(stream).await, ids([1, 2]));
}

#[tokio::test]
async fn case_05_more_without_a_way_to_it_is_an_error_that_names_both() {
    for end in [json!({ "next_cursor": null }), json!({ "next_cursor": "" }), json!({})] {
        let mut page = json!({ "results": [1, 2], "has_more": true });
        page.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        let server = api(move |_| body(&page)).await;
        let envelope = || Envelope::items_at("results").has_next_at("has_more");
        for paging in [Paging::cursor("after", "next_cursor"), Paging::next_url("next_cursor")] {
            let (items, error) = incomplete(rows(&server, paging, envelope())).await;
            assert_eq!(items, ids([1, 2]));
            for what in ["`has_more`", "`next_cursor`", "page 1", "`results`"] {
                assert!(error.contains(what), "{end}: {error}");
            }
        }
        let (_, error) = incomplete(rows(&server, Paging::link_header(), envelope())).await;
        assert!(error.contains("`Link`"), "{error}");
        let (_, error) = incomplete(rows(&server, Paging::none(), envelope())).await;
        assert!(error.contains("the paging `none`"), "{error}");
    }
}

#[tokio::test]
async fn case_06_flags_may_be_numbers_and_texts() {
    for [yes, no] in [
        [json!(1), json!(0)],
        [json!("true"), json!("false")],
        [json!("True"), json!("False")],
        [json!("1"), json!("0")],
        [json!(1.0), json!(0.0)],
    ] {
        let page = |rows: Value, more: &Value| json!({ "data": rows, "has_more": more });
        let pages =
            vec![page(json!([1, 2, 3]), &yes), page(json!([4, 5]), &yes), page(json!([6]), &no)];
        let server = api(numbered(pages)).await;
        let envelope = || Envelope::default().has_next_at("has_more");
        assert_eq!(whole(rows(&server, Paging::default(), envelope())).await, ids(1..=6), "{yes}");
        // The cursor stays.
        let page = |rows: Value, more: &Value, next: &str| json!({ "data": rows, "has_more": more, "next": next });
        let pages = vec![page(json!([1]), &yes, "1"), page(json!([2]), &no, "0")];
        let server = api(by_cursor(pages)).await;
        let paging = Paging::cursor("after", "next");
        assert_eq!(whole(rows(&server, paging, envelope())).await, ids([1, 2]), "{yes}");
    }
}

#[tokio::test]
async fn case_06_a_flag_of_another_type_is_an_error() {
    for flag in [json!("yes"), json!(2), json!([]), json!({ "a": 1 })] {
        let page = json!({ "data": [1], "has_more": flag });
        let server = api(move |_| body(&page)).await;
        for paging in [Paging::default(), Paging::cursor("after", "next")] {
            let envelope = Envelope::default().has_next_at("has_more");
            let (_, error) = read(rows(&server, paging, envelope)).await;
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::Decode);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("`has_more`"), "{source}");
        }
    }
}

#[tokio::test]
async fn case_07_a_scroll_with_one_cursor_is_read_to_its_empty_page() {
    let server = api(|asked| {
        let rows = match asked.before {
            0 => json!([1, 2]),
            1 => json!([3, 4]),
            2 => json!([5]),
            _ => json!([]),
        };
        body(json!({ "data": rows, "scroll": "S" }))
    })
    .await;
    let stream = rows(&server, Paging::cursor("scroll", "scroll"), Envelope::default());
    assert_eq!(whole(stream).await, ids(1..=5));
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn case_07_places_may_come_again_as_long_as_they_lead_to_other_rows() {
    let server = api(|asked| {
        let (rows, next) = match asked.before {
            0 => (json!([1]), json!("a")),
            1 => (json!([2]), json!("b")),
            2 => (json!([3]), json!("a")),
            3 => (json!([4]), json!("b")),
            _ => (json!([5]), json!(null)),
        };
        body(json!({ "data": rows, "next": next }))
    })
    .await;
    let stream = rows(&server, Paging::cursor("after", "next"), Envelope::default());
    assert_eq!(whole(stream).await, ids(1..=5));
}

#[tokio::test]
async fn case_07_a_circle_is_an_error_before_any_row_comes_twice() {
    let server = api(|asked| {
        let (row, next) = match asked.param("after") {
            None => (1, "a"),
            Some("a") => (2, "b"),
            Some("b") => (3, "c"),
            _ => (4, "a"),
        };
        body(json!({ "data": [row], "next": next, "asked": asked.before }))
    })
    .await;
    let (items, error) =
        read(rows(&server, Paging::cursor("after", "next"), Envelope::default())).await;
    assert_eq!((items, error.unwrap().kind()), (ids(1..=4), ErrorKind::PageLoop));
}

#[tokio::test]
async fn case_08_many_empty_pages_with_new_cursors_are_read() {
    let server = api(|asked| {
        let number = asked.number("after");
        let rows = if number == 300 { json!([7]) } else { json!([]) };
        let next = (number < 300).then(|| (number + 1).to_string());
        body(json!({ "data": rows, "next": next }))
    })
    .await;
    let paging = || Paging::cursor("after", "next");
    assert_eq!(whole(rows(&server, paging(), Envelope::default())).await, ids([7]));
    let (_, error) =
        incomplete(rows(&server, paging().max_empty_pages(10), Envelope::default())).await;
    assert!(error.contains("11 pages") && error.contains("max_empty_pages"), "{error}");
}

#[tokio::test]
async fn case_09_a_relative_url_is_read_from_the_url_that_answered() {
    let server = api(|asked| match asked.path.as_str() {
        "/v1/rows" => ResponseTemplate::new(301).insert_header("location", "/v1/tenants/7/rows/"),
        "/v1/tenants/7/rows/" => body(json!({ "data": [1], "next": "page/2" })),
        "/v1/tenants/7/rows/page/2" => body(json!({ "data": [2], "next": null })),
        path => panic!("{path}"),
    })
    .await;
    let pool = AwwPool::builder(format!("{}/v1", server.uri())).build().unwrap();
    let stream = PaginatedStream::get(pool, "/rows").paging(Paging::next_url("next"));
    assert_eq!(whole(stream).await, ids([1, 2]));
}

#[tokio::test]
async fn case_12_a_list_that_is_null_is_empty_by_setting_and_named_otherwise() {
    for (page, envelope) in [
        (json!({ "data": null }), Envelope::default()),
        (json!({ "r": { "rows": null } }), Envelope::items_at("r.rows")),
        (json!(null), Envelope::bare_array()),
        (json!({ "g": [{ "m": null }] }), Envelope::items_at("g[].m[]")),
        (json!({ "g": [{ "m": null }] }), Envelope::items_at("g[0].m")),
    ] {
        let answer = page.clone();
        let server = api(move |_| body(&answer)).await;
        let lenient = envelope.clone().null_is_empty(true);
        assert!(whole(rows(&server, Paging::default(), lenient)).await.is_empty(), "{page}");
        let (_, error) = read(rows(&server, Paging::default(), envelope)).await;
        let error = error.unwrap_or_else(|| panic!("{page}"));
        assert_eq!(error.kind(), ErrorKind::Decode, "{page}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("null"), "{page}: {source}");
    }
}

#[tokio::test]
async fn case_38_a_chained_read_that_is_short_of_its_total_is_an_error() {
    let page = json!({ "count": 1237, "next": "/rows?page=2", "results": [1, 2, 3] });
    let server = api(move |_| body(&page)).await;
    let envelope = || Envelope::items_at("results").total_at("count");
    for paging in [
        Paging::next_url("links.next"),
        Paging::cursor("after", "meta.cursor"),
        Paging::link_header(),
        Paging::none(),
    ] {
        let (_, error) = incomplete(rows(&server, paging.clone(), envelope())).await;
        for what in ["`count` is 1237", "3 rows", "`next`"] {
            assert!(error.contains(what), "{error}");
        }
        let (items, warnings) =
            warned(&server, paging.totals_are_estimates(true), envelope()).await;
        assert_eq!(items, ids([1, 2, 3]));
        assert!(warnings[0].contains("`count` is 1237"), "{warnings:?}");
    }
}

/// Ends after the first page.
struct One;

impl PageStrategy for One {
    fn next(
        &self,
        _: &PageView<'_>,
    ) -> std::result::Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}

#[tokio::test]
async fn case_38_a_custom_strategy_that_ends_short_of_a_total_is_an_error() {
    let page = json!({ "data": [1], "pagination": { "total": 3 } });
    let server = api(move |_| body(&page)).await;
    incomplete(rows(&server, Paging::custom(One), Envelope::default())).await;
}

#[tokio::test]
async fn case_38_a_resumed_read_counts_the_rows_before_it() {
    let page = |rows: Value, next: Value| json!({ "data": rows, "next": next, "total": 5 });
    let pages = vec![
        page(json!([1, 2]), json!("1")),
        page(json!([3, 4]), json!("2")),
        page(json!([5]), json!(null)),
    ];
    let server = api(by_cursor(pages)).await;
    let stream =
        || rows(&server, Paging::cursor("after", "next"), Envelope::default().total_at("total"));
    for taken in 0..=5 {
        let mut begun = stream();
        for _ in 0..taken {
            soon("a row", begun.next()).await.unwrap().unwrap();
        }
        let rest = whole(stream().resume_from(begun.resume_token())).await;
        assert_eq!(rest, ids(taken + 1..=5));
    }
}

#[tokio::test]
async fn case_50_a_part_of_the_urls_of_a_proxied_api_is_followed_by_setting() {
    let server = api(|asked| match (asked.path.as_str(), asked.param("page")) {
        ("/api/rows", None) => {
            body(json!({ "data": [1], "next": "http://inner.example:8000/rows?page=2" }))
        }
        ("/api/rows", Some("2")) => body(json!({ "data": [2], "next": null })),
        (path, _) => panic!("{path}"),
    })
    .await;
    let pool = AwwPool::builder(format!("{}/api", server.uri())).build().unwrap();
    let stream = |paging| PaginatedStream::get(&pool, "/rows").paging(paging);
    let by_url = Paging::next_url("next");
    let (_, error) = read(stream(by_url.clone())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ForeignOrigin);
    let text = error.to_string();
    assert!(text.contains("http://inner.example:8000/rows,"), "{text}");
    assert!(text.contains("next_url_part") && !text.contains("page=2"), "{text}");
    assert_eq!(whole(stream(by_url.next_url_part(UrlPart::Query))).await, ids([1, 2]));

    let server = api(|asked| match asked.param("page") {
        None => body(json!({ "data": [1], "next": "http://inner.example/rows?page=2" })),
        Some(_) => body(json!({ "data": [2] })),
    })
    .await;
    let paging = Paging::next_url("next").next_url_part(UrlPart::PathAndQuery);
    assert_eq!(whole(rows(&server, paging, Envelope::default())).await, ids([1, 2]));
}

#[tokio::test]
async fn case_52_a_parameter_without_effect_is_named() {
    let server = api(|_| body(json!({ "data": [1, 2], "pagination": { "total": 9 } }))).await;
    let paging = Paging::default().page_param("pgae");
    let (_, error) = read(rows(&server, paging, Envelope::default())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::PageLoop);
    assert!(error.to_string().contains("`pgae` has no effect"), "{error}");
}

#[tokio::test]
async fn case_53_a_flag_may_say_that_a_page_is_the_last() {
    let page = |row: u64, is_last: Value| json!({ "data": [row], "end_of_stream": is_last, "after_url": "/rows?after=1" });
    for [yes, no] in [[json!(true), json!(false)], [json!(1), json!(0)]] {
        let server = api(by_cursor(vec![page(1, no), page(2, yes)])).await;
        let envelope = || Envelope::default().is_last_at("end_of_stream");
        let stream = rows(&server, Paging::next_url("after_url"), envelope());
        assert_eq!(whole(stream).await, ids([1, 2]));
    }
}

#[tokio::test]
async fn case_53_a_short_page_is_the_last_by_setting() {
    let server = api(|asked| {
        let first = asked.number("after");
        let rows: Vec<u64> = (first..first + 2).filter(|row| *row < 5).collect();
        body(json!({ "data": rows, "next": (first + 2).to_string() }))
    })
    .await;
    let paging = Paging::cursor("after", "next").short_page_ends(true);
    assert_eq!(whole(rows(&server, paging, Envelope::default())).await, ids(0..5));
    // As many pages as are fetched ahead may have been asked for before the last one was read.
    assert!((3..=5).contains(&server.received_requests().await.unwrap().len()));
}

#[tokio::test]
async fn case_54_an_attribute_of_a_link_may_tell_the_end() {
    let server = api(|asked| {
        let at = asked.number("cursor");
        let rows: Vec<u64> = if at < 3 { vec![at] } else { Vec::new() };
        let results = at < 2;
        let link = format!("</rows?cursor={}>; rel=\"next\"; results=\"{results}\"", at + 1);
        body(json!(rows)).insert_header("link", link.as_str())
    })
    .await;
    let paging = Paging::link_header().link_ends_with("results", "false");
    assert_eq!(whole(rows(&server, paging, Envelope::bare_array())).await, ids(0..3));
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn case_55_a_416_past_the_end_is_the_end() {
    let set = |total: &'static str| {
        api(move |asked| match asked.number("offset") {
            0 => body(json!([1, 2])),
            2 => body(json!([3, 4])),
            _ => ResponseTemplate::new(416).insert_header("content-range", total),
        })
    };
    let paging = || Paging::offset_limit("offset", "limit", 2);
    let server = set("items */4").await;
    assert_eq!(whole(rows(&server, paging(), Envelope::bare_array())).await, ids(1..=4));
    let server = set("items */9").await;
    let (items, _) = incomplete(rows(&server, paging(), Envelope::bare_array())).await;
    assert_eq!(items, ids(1..=4));
    let first = api(|_| ResponseTemplate::new(416)).await;
    let (_, error) = read(rows(&first, paging(), Envelope::bare_array())).await;
    assert_eq!(error.unwrap().status().unwrap(), 416);
}

#[tokio::test]
async fn case_57_a_cap_of_rows_is_an_error_that_names_it() {
    let page = |asked: &Asked| {
        let first = asked.number("offset");
        let rows: Vec<u64> = (first..first + 2).filter(|row| *row < 6).collect();
        body(json!({ "data": rows, "total": 50 }))
    };
    let server = api(page).await;
    let paging = Paging::offset_limit("offset", "limit", 2).row_cap(6);
    let envelope = Envelope::default().total_at("total");
    let (items, error) = incomplete(rows(&server, paging.clone(), envelope)).await;
    assert_eq!(items, ids(0..6));
    assert!(error.contains("row_cap") && error.contains('6'), "{error}");
    let highest = server.received_requests().await.unwrap();
    assert!(highest.iter().all(|request| !request.url.as_str().contains("offset=6")));
    // Without any total nobody knows whether there is more.
    incomplete(rows(&server, paging, Envelope::default())).await;
}

/// Three pages by cursor, of which the cursor of the second has expired the first time.
async fn expiring(status: u16, text: &'static str) -> MockServer {
    let expired = AtomicU64::new(0);
    api(move |asked| match asked.param("after") {
        None => body(json!({ "data": [1, 2], "next": "a" })),
        Some("a") => body(json!({ "data": [3], "next": "b" })),
        Some(_) if expired.fetch_add(1, Ordering::SeqCst) == 0 => {
            ResponseTemplate::new(status).set_body_string(text)
        }
        Some(_) => body(json!({ "data": [4], "next": null })),
    })
    .await
}

#[tokio::test]
async fn case_58_an_expired_cursor_has_a_name() {
    let paging = || Paging::cursor("after", "next");
    for (status, text, paging) in [
        (410, "gone", paging()),
        (422, "the cursor is stale", paging().expired_with(422, "cursor")),
        (400, "EXPIRED", paging().expired_with(400, "EXPIRED")),
    ] {
        let server = expiring(status, text).await;
        let (items, error) = read(rows(&server, paging, Envelope::default())).await;
        let error = error.unwrap();
        assert_eq!((items, error.kind()), (ids([1, 2, 3]), ErrorKind::CursorExpired));
        assert_eq!(error.status().unwrap(), status);
        assert!(error.to_string().contains("restart_when_expired"), "{error}");
    }
    let server = expiring(422, "something else").await;
    let other = paging().expired_with(422, "cursor");
    let (_, error) = read(rows(&server, other, Envelope::default())).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Status);
}

#[tokio::test]
async fn case_58_a_read_begins_again_by_setting_and_says_so() {
    let server = expiring(410, "").await;
    let paging = Paging::cursor("after", "next").restart_when_expired(1);
    let (items, warnings) = warned(&server, paging, Envelope::default()).await;
    assert_eq!(items, ids([1, 2, 3, 4]));
    assert!(warnings.len() == 1 && warnings[0].contains("not one state"), "{warnings:?}");
}

#[tokio::test]
async fn case_58_a_read_that_began_again_is_resumed_at_any_row() {
    for taken in 0..=4 {
        let server = expiring(410, "").await;
        let paging = || Paging::cursor("after", "next").restart_when_expired(1);
        let pool = pool(&server);
        let stream = || PaginatedStream::get(&pool, "/rows").paging(paging());
        let mut begun = stream();
        for _ in 0..taken {
            soon("a row", begun.next()).await.unwrap().unwrap();
        }
        let rest = whole(stream().resume_from(begun.resume_token())).await;
        assert_eq!(rest, ids(taken + 1..=4), "after {taken}");
    }
}

#[tokio::test]
async fn case_60_items_lie_in_several_lists_and_within_elements() {
    let page = json!({
        "hits": { "hits": [{ "_source": 1 }, { "_source": 2 }], "total": { "value": 2 } },
        "groups": [{ "members": [3, 4] }, { "members": [] }, { "members": [5] }],
        "lists": [[6], [7, 8]],
    });
    let server = api(move |_| body(&page)).await;
    for (path, expected) in [
        ("hits.hits[]._source", ids([1, 2])),
        ("groups[].members[]", ids([3, 4, 5])),
        ("lists[-1]", ids([7, 8])),
        ("/lists/0", ids([6])),
        ("lists[][]", ids([6, 7, 8])),
    ] {
        let envelope = Envelope::items_at(path);
        assert_eq!(whole(rows(&server, Paging::none(), envelope)).await, expected, "{path}");
    }
    let hits = Envelope::items_at("hits.hits[]._source").total_at("hits.total.value");
    assert_eq!(whole(rows(&server, Paging::default(), hits)).await, ids([1, 2]));
    for path in ["hits.hits[]._id", "groups[].nobody[]", "nowhere[]", "hits[]"] {
        let (_, error) = read(rows(&server, Paging::none(), Envelope::items_at(path))).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::Decode, "{path}");
    }
}

#[tokio::test]
async fn case_64_the_names_of_what_pages_say_can_be_told() {
    let pages = |meta: fn(u64) -> Value| {
        api(move |asked| {
            let page = asked.number("page");
            let mut answer = json!({ "data": [page] });
            answer.as_object_mut().unwrap().extend(meta(page).as_object().unwrap().clone());
            // Rows until page 3, and none that is short before.
            if page > 3 { ResponseTemplate::new(404) } else { body(answer) }
        })
    };
    type Says = fn(u64) -> Value;
    let cases: [(Says, Envelope); 5] = [
        (
            |_| json!({ "meta": { "last_page": 3 } }),
            Envelope::default().total_pages_at("meta.last_page"),
        ),
        (|_| json!({ "totalPages": "3" }), Envelope::default().total_pages_at("totalPages")),
        (|_| json!({ "total_pages": 3 }), Envelope::default().pagination_at("")),
        (|_| json!({ "total": 3 }), Envelope::default().pagination_at("")),
        (
            |page| json!({ "meta": { "next_page": (page < 3).then_some(page + 1) } }),
            Envelope::default().next_page_at("meta.next_page"),
        ),
    ];
    for (meta, envelope) in cases {
        let server = pages(meta).await;
        let stream = rows(&server, Paging::default(), envelope.clone());
        assert_eq!(whole(stream).await, ids(1..=3), "{envelope:?}");
    }
}

#[tokio::test]
async fn case_64_header_fields_tell_of_pages() {
    let server = api(|asked| {
        let page = asked.number("page");
        let next = if page < 3 { (page + 1).to_string() } else { String::new() };
        match page {
            1..=3 => body(json!([page]))
                .insert_header("x-total-pages", "3")
                .insert_header("x-next-page", next.as_str())
                .insert_header("x-more", if page < 3 { "true" } else { "false" }),
            _ => ResponseTemplate::new(404),
        }
    })
    .await;
    let bare = Envelope::bare_array;
    for envelope in [
        bare().total_pages_in_header("X-Total-Pages"),
        bare().next_page_in_header("X-Next-Page"),
        bare().has_next_in_header("X-More"),
    ] {
        let stream = rows(&server, Paging::default(), envelope.clone());
        assert_eq!(whole(stream).await, ids(1..=3), "{envelope:?}");
    }
}

#[tokio::test]
async fn case_65_a_total_that_is_named_and_cannot_be_read_is_an_error() {
    let read_with = |total: Value| async move {
        let server = api(move |_| body(json!({ "data": [1], "count": total }))).await;
        read(rows(&server, Paging::default(), Envelope::default().total_at("count"))).await
    };
    for total in [json!(1.0), json!("1"), json!("1.0")] {
        let (items, error) = read_with(total.clone()).await;
        assert!(error.is_none() && items.len() == 1, "{total}: {error:?}");
    }
    for total in [json!("1,234"), json!("many"), json!(6.5), json!([6]), json!(-1)] {
        let (_, error) = read_with(total.clone()).await;
        let error = error.unwrap_or_else(|| panic!("{total}"));
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.kind() == ErrorKind::Decode && source.contains("`count`"), "{source}");
    }
    let headers = |values: &'static [&'static str]| {
        api(move |_| {
            values
                .iter()
                .fold(body(json!([1])), |page, value| page.append_header("x-total", *value))
        })
    };
    let envelope = || Envelope::bare_array().total_in_header("x-total");
    let server = headers(&["1", "1"]).await;
    assert_eq!(whole(rows(&server, Paging::default(), envelope())).await, ids([1]));
    for values in [&["1", "2"][..], &["1,234"], &["many"]] {
        let server = headers(values).await;
        let (_, error) = read(rows(&server, Paging::default(), envelope())).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::Decode, "{values:?}");
    }
}

#[tokio::test]
async fn case_66_totals_bind_numbered_and_offset_pages() {
    let server = api(|asked| {
        let rows = match asked.number("page") {
            1 => json!([1, 2, 3]),
            2 => json!([4, 5]),
            3 => json!([6]),
            page => panic!("page {page}"),
        };
        body(rows).insert_header("content-range", "items 0-2/6")
    })
    .await;
    let envelope = || Envelope::bare_array().total_in_header("content-range");
    assert_eq!(whole(rows(&server, Paging::default(), envelope())).await, ids(1..=6));
    let server = api(|asked| {
        let rows = match asked.number("page") {
            1 => json!([1, 2, 3]),
            2 => json!([4, 5]),
            _ => json!([]),
        };
        body(rows).insert_header("content-range", "items 0-2/6")
    })
    .await;
    let (items, error) = incomplete(rows(&server, Paging::default(), envelope())).await;
    assert_eq!(items, ids(1..=5));
    assert!(error.contains("`content-range` is 6") && error.contains("5 rows"), "{error}");
}

#[tokio::test]
async fn case_66_a_404_after_a_page_that_says_more_is_no_end() {
    let server = api(numbered(vec![flagged(&[1, 2], true, json!({}))])).await;
    let paging = Paging::default().not_found_ends(true);
    let (items, error) = incomplete(rows(&server, paging, Envelope::default())).await;
    assert_eq!(items, ids([1, 2]));
    assert!(error.contains("`pagination.has_next`") && error.contains("page 2"), "{error}");
}

#[tokio::test]
async fn case_66_a_part_of_a_set_is_not_the_whole() {
    let part = |range: &'static str| {
        api(move |_| {
            let page = ResponseTemplate::new(206).set_body_raw("[1,2]", "application/json");
            page.insert_header("content-range", range)
        })
    };
    for range in ["items 0-1/6", "0-1/6"] {
        let server = part(range).await;
        let stream = rows(&server, Paging::none(), Envelope::bare_array());
        let (_, error) = incomplete(stream).await;
        assert!(error.contains("`content-range` is 6"), "{error}");
    }
    let server = part("0-1/2").await;
    assert_eq!(whole(rows(&server, Paging::none(), Envelope::bare_array())).await, ids([1, 2]));
}

#[tokio::test]
async fn case_67_a_key_that_occurs_twice_is_told_and_more_is_heard() {
    let server = api(|asked| match asked.param("after") {
        None => body(r#"{"data":[1],"next":"/rows?after=1","next":null}"#),
        Some(_) => body(r#"{"data":[2],"next":null}"#),
    })
    .await;
    let (items, warnings) = warned(&server, Paging::next_url("next"), Envelope::default()).await;
    assert_eq!(items, ids([1, 2]));
    assert!(warnings.len() == 1 && warnings[0].contains("twice"), "{warnings:?}");
    let server = api(|asked| match asked.number("page") {
        1 => body(r#"{"data":[1],"has_more":false,"has_more":true}"#),
        _ => body(r#"{"data":[],"has_more":false}"#),
    })
    .await;
    let envelope = Envelope::default().has_next_at("has_more");
    let (items, warnings) = warned(&server, Paging::default(), envelope).await;
    assert_eq!((items, warnings.len()), (ids([1]), 1));
}

#[tokio::test]
async fn case_69_a_link_with_the_page_itself_as_its_anchor_counts() {
    let server = api(|asked| match asked.param("page") {
        None => body(json!([1])).insert_header("link", "</rows?page=2>; rel=next; anchor=\"\""),
        Some(_) => {
            body(json!([2])).insert_header("link", "</rows?page=3>; rel=next; anchor=\"/another\"")
        }
    })
    .await;
    let stream = rows(&server, Paging::link_header(), Envelope::bare_array());
    assert_eq!(whole(stream).await, ids([1, 2]));
}

#[tokio::test]
async fn case_70_the_next_page_is_named_in_a_list_of_links() {
    let links = |next: Option<&str>| {
        let mut links = vec![json!({ "rel": "self", "href": "/rows", "relation": "self" })];
        let next = next.map(|href| json!({ "rel": "next", "href": href, "relation": "next" }));
        links.splice(0..0, next);
        json!({ "data": [links.len() - 1], "links": links })
    };
    let server = api(move |asked| match asked.param("page") {
        None => body(links(Some("/rows?page=2"))),
        Some(_) => body(links(None)),
    })
    .await;
    for path in ["links[rel=next].href", "links[relation=\"next\"].href"] {
        let stream = rows(&server, Paging::next_url(path), Envelope::default());
        assert_eq!(whole(stream).await, ids([1, 0]), "{path}");
    }
    let server = api(|asked| match asked.param("page") {
        None => body(json!({ "data": [1], "links": ["/rows?page=2"] })),
        Some(_) => body(json!({ "data": [2], "links": [] })),
    })
    .await;
    for path in ["/links/0", "links[0]", "links[-1]"] {
        let stream = rows(&server, Paging::next_url(path), Envelope::default());
        assert_eq!(whole(stream).await, ids([1, 2]), "{path}");
    }
}

#[tokio::test]
async fn case_74_a_cursor_of_0_ends_by_setting_and_never_begins_again() {
    let server = api(|asked| match asked.param("cursor") {
        None | Some("0") => body(json!({ "data": [1, 2], "cursor": 5 })),
        Some(_) => body(json!({ "data": [3], "cursor": 0 })),
    })
    .await;
    let paging = || Paging::cursor("cursor", "cursor");
    let stream = rows(&server, paging().zero_cursor_ends(true), Envelope::default());
    assert_eq!(whole(stream).await, ids([1, 2, 3]));
    let (items, error) = read(rows(&server, paging(), Envelope::default())).await;
    let error = error.unwrap();
    assert_eq!((items, error.kind()), (ids([1, 2, 3]), ErrorKind::PageLoop));
    assert!(error.to_string().contains("zero_cursor_ends"), "{error}");
}

#[tokio::test]
async fn case_76_a_404_on_the_first_page_is_an_empty_set_by_a_rule() {
    let server = api(|_| ResponseTemplate::new(404)).await;
    for paging in [
        Paging::default(),
        Paging::offset_limit("offset", "limit", 5),
        Paging::cursor("after", "next"),
        Paging::none(),
    ] {
        let rule = ResponseRule::ignore().status(404);
        let pool = AwwPool::builder(server.uri()).response_rule(rule).build().unwrap();
        let empty = PaginatedStream::get(pool, "/rows").paging(paging.clone());
        assert!(whole(empty).await.is_empty(), "{paging:?}");
        let (_, error) = read(rows(&server, paging, Envelope::default())).await;
        assert_eq!(error.unwrap().status().unwrap(), 404);
    }
}
