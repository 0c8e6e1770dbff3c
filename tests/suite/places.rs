//! Ways to say where a page is beside numbers and cursors in the query: bodies, headers, ranges, the
//! last row. Each is read in order, resumed anywhere, and refuses loops and contradictions.

use std::{
    collections::HashSet,
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
    paging::ResumeToken,
    vantage::{ApiCondition, ApiTable},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, header, param},
    soon,
};

/// What a request asks for: the first row or the value before it, and how many rows.
type Serve = fn(&Request, &[Value]) -> ResponseTemplate;

/// A way of paging, and a server of it.
struct Way {
    name: &'static str,
    paging: Paging,
    envelope: Envelope,
    serve: Serve,
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn number(request: &Request, name: &str) -> Option<usize> {
    param(request, name).map(|text| text.parse().unwrap())
}

fn body(request: &Request) -> Value {
    assert_eq!(request.method.as_str(), "POST");
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!(request.url.query(), None);
    request.body_json().unwrap()
}

fn some(rows: &[Value], start: usize, size: usize) -> Value {
    rows.iter().skip(start).take(size).cloned().collect()
}

fn by_id(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let after = param(request, "after").map(|id| id.parse::<i64>().unwrap());
    let rest = rows.iter().filter(|row| after.is_none_or(|id| row["id"].as_i64().unwrap() > id));
    let page: Vec<_> = rest.take(number(request, "limit").unwrap()).collect();
    let last = page.last().map_or(0, |row| row["id"].as_u64().unwrap());
    ok(json!({ "data": page, "has_more": last + 1 < rows.len() as u64 }))
}

fn since(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let since = param(request, "since").unwrap_or_default();
    let rest = rows.iter().filter(|row| row["at"].as_str().unwrap() >= since.as_str());
    ok(rest.take(number(request, "limit").unwrap()).cloned().collect())
}

fn by_header(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let start: usize = param(request, "locator").map_or(0, |text| text[1..].parse().unwrap());
    let next = if start + 10 < rows.len() { format!("L{}", start + 10) } else { "null".into() };
    ok(some(rows, start, 10)).insert_header("sforce-locator", next)
}

fn search_by_page(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let asked = body(request);
    assert_eq!(asked["filter"], json!({ "status": "open" }));
    let (page, size) = (asked["page"]["number"].as_u64(), asked["page"]["size"].as_u64());
    let (page, size) = (page.unwrap() as usize, size.unwrap() as usize);
    ok(json!({ "data": some(rows, (page - 1) * size, size) }))
}

fn search_by_offset(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let asked = body(request);
    let (from, size) = (asked["from"].as_u64().unwrap(), asked["size"].as_u64().unwrap());
    ok(json!({ "hits": { "hits": some(rows, from as usize, size as usize) } }))
}

fn search_after(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let asked = body(request);
    let start = match &asked["search_after"] {
        Value::Null => 0,
        after => {
            assert!(after[1].is_string(), "{after}");
            after[0].as_u64().unwrap() + 1
        }
    };
    let hit = |row: &Value| json!({ "_source": row, "sort": [row["id"], "x"] });
    let hits = some(rows, start as usize, asked["size"].as_u64().unwrap() as usize);
    let hits: Vec<_> = hits.as_array().unwrap().iter().map(hit).collect();
    ok(json!({ "hits": { "hits": hits } }))
}

fn graphql(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let asked = body(request);
    assert!(asked["query"].as_str().unwrap().contains("$after"));
    let after = asked["variables"]["after"].as_str();
    let start = after.map_or(0, |cursor| cursor[1..].parse().unwrap());
    let size = asked["variables"]["first"].as_u64().unwrap() as usize;
    let has_next = start + size < rows.len();
    let page = json!({ "endCursor": format!("c{}", start + size), "hasNextPage": has_next });
    let nodes = some(rows, start, size);
    ok(json!({ "data": { "rows": { "nodes": nodes, "pageInfo": page } } }))
}

fn search_by_keyset(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let asked = body(request);
    let after = asked["after"].as_u64().map_or(0, |id| id + 1);
    ok(some(rows, after as usize, asked["size"].as_u64().unwrap() as usize))
}

fn range(request: &Request, rows: &[Value], total: &str) -> ResponseTemplate {
    let asked = header(request, "range").unwrap().strip_prefix("items=").unwrap();
    let (first, last) = asked.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    if first >= rows.len() {
        let told = format!("items */{}", rows.len());
        return ResponseTemplate::new(416).insert_header("content-range", told);
    }
    let page = some(rows, first, last + 1 - first);
    let end = first + page.as_array().unwrap().len() - 1;
    let told = format!("items {first}-{end}/{total}");
    ResponseTemplate::new(206).set_body_json(page).insert_header("content-range", told)
}

fn ways() -> Vec<Way> {
    let way = |name, paging, envelope, serve| Way { name, paging, envelope, serve };
    let bare = Envelope::bare_array;
    let query = "query ($after: String, $first: Int) { rows { nodes { id } } }";
    vec![
        way(
            "keyset",
            Paging::keyset("after", "id").page_size("limit", 10),
            Envelope::default(),
            by_id,
        ),
        way(
            "keyset with a flag",
            Paging::keyset("after", "id").page_size("limit", 10),
            Envelope::items_at("data").has_next_at("has_more"),
            by_id,
        ),
        way(
            "inclusive keyset",
            Paging::keyset("since", "at").inclusive(true).page_size("limit", 10),
            bare(),
            since,
        ),
        way(
            "cursor in a header",
            Paging::header_cursor("locator", "Sforce-Locator"),
            bare(),
            by_header,
        ),
        way(
            "page in a body",
            Paging::page_number()
                .page_param("page.number")
                .page_size("page.size", 10)
                .post(&json!({ "filter": { "status": "open" }, "page": {} })),
            Envelope::default(),
            search_by_page,
        ),
        way(
            "offset in a body",
            Paging::offset_limit("from", "size", 10).post(&json!({})),
            Envelope::items_at("hits.hits"),
            search_by_offset,
        ),
        way(
            "list in a body",
            Paging::cursor("search_after", "hits.hits[-1].sort")
                .page_size("size", 10)
                .post(&json!({ "sort": ["id", "name"] })),
            Envelope::items_at("hits.hits[]._source"),
            search_after,
        ),
        way(
            "GraphQL",
            Paging::cursor("variables.after", "data.rows.pageInfo.endCursor")
                .page_size("variables.first", 10)
                .post(&json!({ "query": query })),
            Envelope::items_at("data.rows.nodes").has_next_at("data.rows.pageInfo.hasNextPage"),
            graphql,
        ),
        way(
            "keyset in a body",
            Paging::keyset("after", "id").page_size("size", 10).post(&json!({})),
            bare(),
            search_by_keyset,
        ),
        way(
            "form",
            Paging::offset_limit("from", "size", 10).post(&json!({ "q": "a b" })).as_form(true),
            bare(),
            |request, rows| {
                let asked = header(request, "content-type");
                assert_eq!(asked, Some("application/x-www-form-urlencoded"));
                let form: std::collections::HashMap<String, String> =
                    url::form_urlencoded::parse(&request.body).into_owned().collect();
                assert_eq!(form["q"], "a b");
                let number = |name: &str| form[name].parse().unwrap();
                ok(some(rows, number("from"), number("size")))
            },
        ),
        way("range", Paging::range("items", 10), bare(), |request, rows| {
            range(request, rows, &rows.len().to_string())
        }),
        way("range without a total", Paging::range("items", 10), bare(), |request, rows| {
            range(request, rows, "*")
        }),
        way("offset alone", Paging::offset("start"), bare(), |request, rows| {
            assert!(param(request, "limit").is_none());
            ok(some(rows, number(request, "start").unwrap(), 10))
        }),
    ]
}

/// Rows in order of both fields. At most four have the same time.
fn rows(count: u64) -> Vec<Value> {
    let row = |id: u64| json!({ "id": id, "at": format!("2024-01-01T00:00:{:02}Z", id / 4) });
    (0..count).map(row).collect()
}

async fn server(serve: Serve, rows: Vec<Value>) -> MockServer {
    mock::answering(move |request: &Request| serve(request, &rows)).await
}

impl Way {
    fn read(&self, server: &MockServer) -> PaginatedStream {
        let pool = AwwPool::builder(server.uri()).backoff_base(Duration::from_millis(1));
        let pool = pool.signing_key([7; 32]).build().unwrap();
        let stream = PaginatedStream::get(pool, "/rows").paging(self.paging.clone());
        stream.envelope(self.envelope.clone())
    }
}

/// Reads to the end: the items, and the error that was the end.
async fn read(mut stream: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    soon("the stream ends", async {
        let mut items = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) => items.push(item),
                Err(error) => return (items, Some(error)),
            }
        }
        (items, None)
    })
    .await
}

#[tokio::test]
async fn every_row_is_read_in_order_whatever_the_size_of_the_set() {
    for way in ways() {
        for count in [0, 1, 9, 10, 11, 40, 95] {
            let server = server(way.serve, rows(count)).await;
            for prefetch in [1, 4] {
                let (items, error) = read(way.read(&server).prefetch(prefetch)).await;
                assert!(error.is_none(), "{}, {count}: {error:?}", way.name);
                assert_eq!(items, rows(count), "{}, {count}", way.name);
            }
        }
    }
}

#[tokio::test]
async fn a_read_resumes_after_any_row_in_another_process() {
    for way in ways() {
        let server = server(way.serve, rows(35)).await;
        let mut stream = way.read(&server);
        for taken in 0..=35 {
            if [0, 1, 9, 10, 11, 17, 20, 34, 35].contains(&taken) {
                let token = stream.resume_token();
                assert!(!format!("{token:?}").contains("2024"));
                let token: ResumeToken = token.to_text().parse().unwrap();
                let (rest, error) = read(way.read(&server).resume_from(token)).await;
                assert!(error.is_none(), "{}, {taken}: {error:?}", way.name);
                assert_eq!(rest, rows(35)[taken..], "{}, {taken}", way.name);
            }
            let next = soon("a row", stream.next()).await;
            assert_eq!(next.is_some(), taken < 35, "{}", way.name);
        }
    }
}

#[tokio::test]
async fn a_place_that_has_no_effect_is_told_and_never_read_twice() {
    for way in ways() {
        let serve = way.serve;
        let first: Arc<Mutex<Option<ResponseTemplate>>> = Arc::default();
        let server = mock::answering(move |request: &Request| {
            let mut first = first.lock().unwrap();
            first.get_or_insert_with(|| serve(request, &rows(95))).clone()
        })
        .await;
        let (items, error) = read(way.read(&server)).await;
        let error = error.expect(way.name);
        let kinds = [ErrorKind::PageLoop, ErrorKind::PaginationMissing, ErrorKind::Incomplete];
        assert!(kinds.contains(&error.kind()), "{}: {error}", way.name);
        assert_eq!(items, rows(10), "{}", way.name);
    }
}

#[tokio::test]
async fn a_set_that_ends_before_its_total_is_an_error() {
    for way in ways().into_iter().filter(|way| !way.name.contains("range")) {
        let serve = way.serve;
        let server = mock::answering(move |request: &Request| {
            serve(request, &rows(25)).insert_header("x-total", "40")
        })
        .await;
        let told = Way { envelope: way.envelope.total_in_header("x-total"), ..way };
        let (items, error) = read(told.read(&server)).await;
        let error = error.expect(told.name);
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{}: {error}", told.name);
        assert_eq!(items, rows(25), "{}", told.name);
    }
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again_even_by_post() {
    for way in ways() {
        let serve = way.serve;
        let failed = Mutex::new(HashSet::new());
        let server = mock::answering(move |request: &Request| {
            let place = format!("{}{:?}{:?}", request.url, request.body, header(request, "range"));
            match failed.lock().unwrap().insert(place) {
                true => mock::refusal(503),
                false => serve(request, &rows(35)),
            }
        })
        .await;
        let (items, error) = read(way.read(&server)).await;
        assert!(error.is_none(), "{}: {error:?}", way.name);
        assert_eq!(items, rows(35), "{}", way.name);
    }
}

#[tokio::test]
async fn a_read_that_is_dropped_asks_for_no_more() {
    for way in ways() {
        let server = server(way.serve, rows(950)).await;
        let pool = AwwPool::builder(server.uri()).build().unwrap();
        let stream = PaginatedStream::get(&pool, "/rows").paging(way.paging.clone());
        let mut stream = stream.envelope(way.envelope.clone()).prefetch(2);
        soon("a row", stream.next()).await.unwrap().unwrap();
        drop(stream);
        let ended = soon("the end", pool.shutdown(Duration::from_secs(60))).await;
        assert!(mock::count(&server).await <= 4, "{}: {ended:?}", way.name);
    }
}

#[tokio::test]
async fn a_table_is_read_and_counted_by_each_of_them() {
    for way in ways() {
        let server = server(way.serve, rows(35)).await;
        let pool = AwwPool::builder(server.uri()).build().unwrap();
        let settings = ApiTable::new().paging(way.paging.clone()).envelope(way.envelope.clone());
        let written = serde_json::to_string(&settings).unwrap();
        let settings: ApiTable = serde_json::from_str(&written).unwrap();
        let api = PoolApi::new(pool).table("rows", settings);
        let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
        let all = soon("the rows", table.list_values()).await.unwrap();
        assert_eq!(all.len(), 35, "{}", way.name);
        let keys: Vec<_> = all.keys().cloned().collect();
        assert_eq!(keys, (0..35).map(|id| id.to_string()).collect::<Vec<_>>(), "{}", way.name);
    }
}

/// CrossRef/rest-api-doc#303, Glitchedpixel-io/media-api#66: the cursor is there for ever, and
/// stands still on the page without rows.
#[tokio::test]
async fn a_cursor_that_never_ends_is_followed_to_the_page_without_rows() {
    let by_header = server(
        |request, rows| {
            let start = param(request, "after").map_or(0, |text| text[1..].parse().unwrap());
            let next = rows.len().min(start + 10);
            ok(some(rows, start, 10)).insert_header("x-next", format!("c{next}"))
        },
        rows(35),
    )
    .await;
    let by_body = server(
        |request, rows| {
            let asked = body(request);
            let start = asked["after"]["n"].as_u64().unwrap() as usize;
            let next = rows.len().min(start + 10);
            ok(json!({ "data": some(rows, start, 10), "next": next }))
        },
        rows(35),
    )
    .await;
    // dlt-hub/dlt#4428: the first request needs a cursor as well.
    let first = Paging::cursor("after.n", "next").post(&json!({ "after": { "n": 0 } }));
    for (server, paging, envelope) in [
        (&by_header, Paging::header_cursor("after", "X-Next"), Envelope::bare_array()),
        (&by_body, first, Envelope::default()),
    ] {
        let way = Way { name: "never null", paging, envelope, serve: by_id };
        let (items, error) = read(way.read(server)).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(items, rows(35));
    }
}

/// datacite/lupo#834: `hasNextPage` stays true, and the page after the last has no rows.
#[tokio::test]
async fn a_flag_that_stays_true_beside_no_way_on_is_told() {
    let server = server(
        |request, rows| {
            let after = body(request)["variables"]["after"].as_str().map(str::to_owned);
            let start = after.map_or(0, |cursor| cursor[1..].parse().unwrap());
            let nodes = some(rows, start, 10);
            let is_empty = start >= rows.len();
            let cursor = if is_empty { Value::Null } else { json!(format!("c{}", start + 10)) };
            let page = json!({ "endCursor": cursor, "hasNextPage": true });
            ok(json!({ "data": { "rows": { "nodes": nodes, "pageInfo": page } } }))
        },
        rows(25),
    )
    .await;
    let way = ways().into_iter().find(|way| way.name == "GraphQL").unwrap();
    let (items, error) = read(way.read(&server)).await;
    assert_eq!((items, error.unwrap().kind()), (rows(25), ErrorKind::Incomplete));
}

#[tokio::test]
async fn ties_that_a_keyset_would_lose_are_an_error() {
    let tied = |count: u64| -> Vec<Value> {
        (0..count).map(|id| json!({ "id": id, "at": "2024-01-01T00:00:00Z" })).collect()
    };
    let page = |inclusive, size| {
        let paging = Paging::keyset("since", "at").page_size("limit", size);
        if inclusive { paging.inclusive(true) } else { paging }
    };
    for (paging, count, kept, says) in [
        // Two rows of one page, which a next page would begin after.
        (page(false, 10), 5, 0, "the setting `inclusive`"),
        // As many as a page holds, or more.
        (page(true, 10), 10, 10, "more rows have the same `at`"),
        (page(true, 10), 25, 10, "more rows have the same `at`"),
    ] {
        let server = server(since, tied(count)).await;
        let way = Way { name: "ties", paging, envelope: Envelope::bare_array(), serve: since };
        let (items, error) = read(way.read(&server)).await;
        let error = error.expect("an error");
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(items.len(), kept);
    }
    let server = server(since, tied(9)).await;
    let way = Way {
        name: "ties",
        paging: page(true, 10),
        envelope: Envelope::bare_array(),
        serve: since,
    };
    assert_eq!(read(way.read(&server)).await.0, tied(9));
}

#[tokio::test]
async fn rows_that_are_sent_otherwise_each_time_end_an_inclusive_keyset() {
    fn signed_anew(request: &Request, rows: &[Value]) -> ResponseTemplate {
        static SENT: AtomicUsize = AtomicUsize::new(0);
        let from = param(request, "since");
        let rows = rows
            .iter()
            .filter(|row| from.as_deref().is_none_or(|from| row["at"].as_str() >= Some(from)));
        let rows = rows.take(10).map(|row| {
            let url = format!("/files?signature={}", SENT.fetch_add(1, Ordering::SeqCst));
            json!({ "at": row["at"], "url": url })
        });
        ok(rows.collect())
    }
    let rows: Vec<_> = (0..15).map(|n| json!({ "at": format!("2024-01-{:02}", n + 1) })).collect();
    let server = server(signed_anew, rows).await;
    let paging = Paging::keyset("since", "at").page_size("limit", 10).inclusive(true);
    let way = Way { name: "signed", paging, envelope: Envelope::bare_array(), serve: signed_anew };
    let (_, error) = read(way.read(&server)).await;
    let error = error.expect("an error");
    assert_eq!(error.kind(), ErrorKind::PageLoop, "{error}");
    assert!(error.to_string().contains("sent alike"), "{error}");
}

#[tokio::test]
async fn what_the_api_says_fills_no_placeholder() {
    fn by_name(request: &Request, rows: &[Value]) -> ResponseTemplate {
        let after = &body(request)["after"];
        let start = rows.iter().position(|row| row["id"] == *after).map_or(0, |place| place + 1);
        ok(some(rows, start, 10))
    }
    let rows: Vec<_> = (0..25).map(|n| json!({ "id": format!("{{since.{n:02}}}") })).collect();
    let server = server(by_name, rows.clone()).await;
    let paging = Paging::keyset("after", "id").page_size("size", 10).post(&json!({}));
    let way = Way { name: "in braces", paging, envelope: Envelope::bare_array(), serve: by_name };
    let (items, error) = read(way.read(&server)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, rows);
}

#[tokio::test]
async fn errors_beside_the_data_of_graphql_are_an_error_by_a_rule() {
    let answer = json!({
        "data": { "rows": { "nodes": [{ "id": 1 }], "pageInfo": { "hasNextPage": false } } },
        "errors": [{ "message": "half of it is missing" }],
    });
    let server = mock::answering(ok(answer)).await;
    let yaml = format!(
        "base_url: {}\nresponse_rules: [{{ action: fail, status: 200, json_present: errors }}]",
        server.uri()
    );
    let Ok(config) = vantage_api_pool::PoolConfig::from_yaml(&yaml) else { panic!("{yaml}") };
    let way = ways().into_iter().find(|way| way.name == "GraphQL").unwrap();
    let pool = config.builder().unwrap().build().unwrap();
    let stream = PaginatedStream::get(pool, "/graphql").paging(way.paging).envelope(way.envelope);
    let (items, error) = read(stream).await;
    assert!(items.is_empty() && error.is_some(), "{items:?} {error:?}");
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_name() {
    let body = json!({});
    for (paging, says) in [
        (Paging::keyset("after", ""), "keyset"),
        (Paging::keyset("after", "a[].b"), "keyset"),
        (Paging::keyset("after", "id").inclusive(true), "inclusive"),
        (
            Paging::keyset("a", "id").inclusive(true).page_size("n", 5).short_page_ends(true),
            "short_page_ends",
        ),
        (Paging::cursor("after", "next").inclusive(true), "inclusive"),
        (Paging::header_cursor("after", "no header"), "header_cursor"),
        (Paging::range("items", 0), "range"),
        (Paging::range("two words", 5), "range"),
        (Paging::range("items", 5).page_size("n", 5), "page_size"),
        (Paging::range("items", 5).post(&body), "post"),
        (Paging::link_header().post(&body), "post"),
        (Paging::cursor("q.after", "next").post(&json!({ "q": "text" })), "`q.after`"),
        (Paging::page_number().post(&json!([])), "`page`"),
        (Paging::page_number().as_form(true), "as_form"),
        (Paging::page_number().post(&json!({ "a": {} })).as_form(true), "as_form"),
        (Paging::page_number().page_param("a.b").post(&json!({})).as_form(true), "as_form"),
    ] {
        let pool = AwwPool::new(1, None, false, "http://127.0.0.1:9");
        let stream = PaginatedStream::get(pool, "/rows").paging(paging);
        let (_, error) = futures::executor::block_on(read_alone(stream));
        let error = error.expect(says);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn the_headers_of_a_table_go_with_each_of_its_requests_and_nowhere_else() {
    let elsewhere = server(|_, rows| ok(some(rows, 10, 10)), rows(15)).await;
    let next = format!("{}/rows", elsewhere.uri());
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/rows/7" => ok(json!({ "id": "7" })),
        _ => ok(json!({ "data": some(&rows(15), 0, 10), "next": next })),
    })
    .await;
    let settings = format!(
        "{{ headers: {{ Prefer: count=exact, X-Version: '2', Accept: text/json }}, \
         item_endpoint: true, writes: {{ style: rest }}, \
         paging: {{ by: next_url, next: next, allow_origins: ['{}'] }} }}",
        elsewhere.uri()
    );
    let settings: ApiTable = serde_yaml_ng::from_str(&settings).unwrap();
    let pool = AwwPool::builder(server.uri()).default_header("x-version", "1").build().unwrap();
    let api = PoolApi::new(pool).table("rows", settings);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    assert_eq!(soon("the rows", table.list_values()).await.unwrap().len(), 15);
    soon("a row", table.get_value("7".to_owned())).await.unwrap().unwrap();
    soon("an end", table.delete("7".to_owned())).await.unwrap();
    let asked = mock::received(&server).await;
    assert!(asked.iter().any(|request| request.method.as_str() == "DELETE"));
    for request in asked {
        let sent = |name| header(&request, name);
        let sent = (sent("prefer"), sent("x-version"), sent("accept"));
        assert_eq!(sent, (Some("count=exact"), Some("2"), Some("text/json")), "{}", request.url);
    }
    for request in mock::received(&elsewhere).await {
        assert_eq!((header(&request, "prefer"), header(&request, "x-version")), (None, None));
        assert_eq!(header(&request, "accept"), Some("text/json"));
    }
    let stream = PaginatedStream::get(AwwPool::new(1, None, false, server.uri()), "/rows");
    let (_, error) = read(stream.header("no name", "x")).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn conditions_go_into_the_body_where_it_has_a_place_for_them() {
    let server = mock::answering(|request: &Request| {
        assert_eq!(request.method.as_str(), "POST");
        let asked: Value = request.body_json().unwrap();
        let after = asked["filter"]["after"].as_str().unwrap().to_owned();
        let least = asked["filter"]["id"].as_u64().unwrap();
        let found = rows(40).into_iter().filter(|row| {
            row["at"].as_str().unwrap() > after.as_str() && row["id"].as_u64().unwrap() >= least
        });
        let from = asked["from"].as_u64().unwrap() as usize;
        ok(found.skip(from).take(asked["size"].as_u64().unwrap() as usize).collect())
    })
    .await;
    let settings = "{ endpoint: 'search?least=20&lang=en', envelope: { items: . },
        paging: { by: offset, param: from, size_param: size, size: 7,
            post: { filter: { after: '{since}', id: '{least:number}' } } } }";
    let settings: ApiTable = serde_yaml_ng::from_str(settings).unwrap();
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let api = PoolApi::new(pool).table("rows", settings.clone());
    let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    let since = ApiCondition::eq("since", "2024-01-01T00:00:06Z");
    let found = soon("the rows", table.with_condition(since).list_values()).await.unwrap();
    assert_eq!(
        found.into_keys().collect::<Vec<_>>(),
        (28..40).map(|id| id.to_string()).collect::<Vec<_>>()
    );
    for request in mock::received(&server).await {
        assert_eq!(request.url.query(), Some("lang=en"));
    }
    let unasked = mock::answering(ResponseTemplate::new(200)).await;
    let pool = AwwPool::builder(unasked.uri()).build().unwrap();
    let table =
        Table::<PoolApi, EmptyEntity>::new("rows", PoolApi::new(pool).table("rows", settings));
    let error = soon("an end", table.list_values()).await.unwrap_err();
    assert!(error.to_string().contains("nothing fills `{since}`"), "{error}");
    assert_eq!(mock::count(&unasked).await, 0);
}

/// The same without a limit, for a stream that sends nothing.
async fn read_alone(mut stream: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    match stream.next().await {
        Some(Err(error)) => (Vec::new(), Some(error)),
        _ => (Vec::new(), None),
    }
}

/// Items in an object by their ids come in its order; without the sign for it they are an error.
#[tokio::test]
async fn items_in_an_object_by_their_ids_are_read_where_the_path_says_so() {
    let server = mock::answering(|request: &Request| {
        let start = number(request, "start").unwrap();
        let rows = some(&rows(25), start, 10);
        let by_id: serde_json::Map<String, Value> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (format!("k{:02}", row["id"]), row.clone()))
            .collect();
        ok(json!({ "meta": { "count": 25 }, "permissions": by_id }))
    })
    .await;
    let way = |items: &str| Way {
        name: "object",
        paging: Paging::offset("start"),
        envelope: Envelope::items_at(items).total_at("meta.count"),
        serve: by_id,
    };
    let (items, error) = read(way("permissions[*]").read(&server)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, rows(25));
    let (items, error) = read(way("permissions").read(&server)).await;
    assert_eq!((items.len(), error.unwrap().kind()), (0, ErrorKind::Decode));
}
