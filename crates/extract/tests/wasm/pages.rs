//! Components read pages of real servers: in order, from the middle, as a table; each page on its
//! own.

use std::{future::Future, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use vantage_api_extract::{ExtractError, Extracted, Extraction};
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Paging, PoolApi, Request, vantage::ApiTable,
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    guests::{LINES, PLAIN_WITH_NEXT, TEXTS, lines, made, one_item, text},
    opened,
};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), future).await.expect("it ends")
}

fn demo() -> (DemoApi, AwwPool) {
    let api = DemoApi::start(DemoOptions { quota: 100_000, ..DemoOptions::default() }).unwrap();
    let origin = api.origin();
    let acquire = move || {
        let origin = origin.clone();
        async move {
            let answer = AwwPool::builder(origin).build()?.request(Request::post("/token")).await?;
            let token: Value = answer.json()?;
            Ok::<_, vantage_api_pool::Error>(token["access_token"].as_str().unwrap().to_owned())
        }
    };
    let pool = AwwPool::builder(api.base_url())
        .with_auth_callback(1, acquire, vantage_api_pool::tokens::bearer)
        .build()
        .unwrap();
    (api, pool)
}

/// A server of numbered pages with these bodies.
async fn site(pages: Vec<String>) -> (MockServer, AwwPool) {
    let server = MockServer::builder().start().await;
    let answer = move |request: &wiremock::Request| {
        let page = request.url.query_pairs().find(|(name, _)| name == "page");
        let page: usize = page.map_or(1, |(_, page)| page.parse().unwrap());
        let body = pages.get(page - 1).cloned().unwrap_or_default();
        ResponseTemplate::new(200).set_body_raw(body, "text/plain; charset=iso-8859-1")
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).max_attempts(1).build().unwrap();
    (server, pool)
}

fn countries(pool: &AwwPool, lines: &Extraction) -> PaginatedStream {
    let stream = PaginatedStream::get(pool, "/countries.txt").prefetch(8);
    stream.extract(lines).paging(Paging::link_header())
}

fn name(row: &Value) -> &str {
    let line = row["line"].as_str().unwrap();
    line.split("name=").nth(1).unwrap().split(" |").next().unwrap()
}

#[tokio::test]
async fn a_component_reads_all_pages_in_order_and_from_their_middle() {
    let (api, pool) = demo();
    let names: Vec<_> = api.countries().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let lines = opened(lines());
    let rows: Vec<Value> = soon(countries(&pool, &lines).try_collect()).await.unwrap();
    assert_eq!(rows.iter().map(name).collect::<Vec<_>>(), names);

    let mut first = countries(&pool, &lines);
    for _ in 0..17 {
        soon(first.next()).await.unwrap().unwrap();
    }
    let rest = countries(&pool, &lines).resume_from(first.resume_token());
    let rest: Vec<Value> = soon(rest.try_collect()).await.unwrap();
    assert_eq!(rest.iter().map(name).collect::<Vec<_>>(), names[17..]);
}

#[tokio::test]
async fn a_component_is_a_table() {
    let (api, pool) = demo();
    let table = ApiTable::new().path("/countries.txt").extract(&opened(lines()));
    let source = PoolApi::new(&pool).table("countries", table.paging(Paging::link_header()));
    let countries = Table::<_, EmptyEntity>::new("countries", source).with_id_column("line");
    let rows = soon(countries.list_values()).await.unwrap();
    assert_eq!(rows.len(), api.countries().len());
}

#[tokio::test]
async fn pages_are_followed_by_what_a_component_names_and_text_is_decoded_for_it() {
    let pages = ["> ?page=2\na", "b\n>/rows?page=3", "c"].map(str::to_owned).to_vec();
    let (_server, pool) = site(pages).await;
    let lines = opened(made(&text(PLAIN_WITH_NEXT, LINES, TEXTS)));
    assert!(lines.paging().is_some());
    let rows = PaginatedStream::get(&pool, "/rows").extract(&lines);
    let rows: Vec<Value> = soon(rows.try_collect()).await.unwrap();
    assert_eq!(rows, ["a", "b", "c"].map(|line| json!({ "line": line })));

    let latin = Some("text/plain; charset=iso-8859-1");
    let page = lines.page(b">?page=2\n\xe9", latin, Some("http://h/rows?a=b")).unwrap();
    let next = r#""pagination":{"total":4},"next":"http://h/rows?page=2""#;
    assert_eq!(page, format!(r#"{{"data":[{{"line":"é"}}],{next}}}"#));
    let error = lines.page(b"a", Some("text/html"), None).unwrap_err();
    assert!(matches!(error, ExtractError::ContentType { .. }), "{error:?}");
    let error = lines.page(b"\xe9", Some("text/plain"), None).unwrap_err();
    assert_eq!(error, ExtractError::Encoding { encoding: "UTF-8" });
    let error = lines.page(b">?page=2", None, None).unwrap_err();
    assert!(error.to_string().contains("what `test.wasm` looks for"), "{error}");
}

// bytecodealliance/wasmtime#11086: an instance that has trapped cannot be called again.
#[tokio::test]
async fn a_trap_costs_its_page_and_the_pool_lives_on() {
    let pages = (1..=4).map(|page| if page == 3 { "!".to_owned() } else { page.to_string() });
    let (_server, pool) = site(pages.collect()).await;
    let lines = opened(lines());
    let rows = || {
        let rows = PaginatedStream::get(&pool, "/rows").extract(&lines);
        rows.paging(Paging::page_number()).prefetch(8)
    };
    let mut stream = rows();
    for page in ["1", "2"] {
        assert_eq!(soon(stream.next()).await.unwrap().unwrap()["line"], page);
    }
    let error = soon(stream.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(3)));
    let source = std::error::Error::source(&error).unwrap();
    let Some(ExtractError::Guest { extractor, page, reason }) = source.downcast_ref() else {
        panic!("{source:?}");
    };
    assert_eq!((extractor.as_str(), *page), ("test.wasm", 3));
    assert!(reason.contains("`unreachable`"), "{reason}");

    let mut again = rows();
    assert_eq!(soon(again.next()).await.unwrap().unwrap()["line"], "1");
    let other = PaginatedStream::get(&pool, "/rows").extract(&opened(one_item("", "")));
    let other: Vec<Value> = soon(other.paging(Paging::none()).try_collect()).await.unwrap();
    assert_eq!(other, [json!(1)]);
}

/// Each page adds one to a global and to a byte of memory. The item has half of their sum, and the
/// number of the page in two digits.
const COUNTING: &str = r#"
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store8 (i32.const 1500) (i32.add (i32.load8_u (i32.const 1500)) (i32.const 1)))
    (i32.store8 (i32.const 1300) (i32.add (i32.const 48) (i32.div_u
      (i32.add (global.get $calls) (i32.load8_u (i32.const 1500))) (i32.const 2))))
    (i32.store8 (i32.const 1301) (i32.add (i32.const 48)
      (i32.wrap_i64 (i64.div_u (local.get $index) (i64.const 10)))))
    (i32.store8 (i32.const 1302) (i32.add (i32.const 48)
      (i32.wrap_i64 (i64.rem_u (local.get $index) (i64.const 10)))))
    (i32.store (i32.const 1316) (i32.const 3))"#;

// traefik/traefik#10953: instances that are reused hold what others have left.
#[tokio::test]
async fn no_state_survives_between_pages() {
    let (_server, pool) = site((1..=40).map(|page| page.to_string()).collect()).await;
    let counting = one_item(COUNTING, "(global $calls (mut i32) (i32.const 0))");
    let counting = opened(counting);
    let rows = PaginatedStream::get(&pool, "/rows").extract(&counting);
    let rows = rows.paging(Paging::page_number()).prefetch(8).take(40);
    let rows: Vec<Value> = soon(rows.try_collect()).await.unwrap();
    assert_eq!(rows, (100..140).map(|row| json!(row)).collect::<Vec<_>>());
}
