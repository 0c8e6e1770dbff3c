//! Each kind reads a paged site of the demo API: as a stream, resumed in its middle, and as a
//! Vantage table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{future::Future, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use vantage_api_extract::{
    Css, Csv, ExtractError, Extracted, Extraction, Field, Limits, Lines, Regex, Xml,
};
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Paging, PoolApi, Request, vantage::ApiTable,
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), future).await.expect("it ends")
}

fn demo() -> (DemoApi, AwwPool) {
    let options = DemoOptions { quota: 100_000, ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
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

/// A field of a country in each format.
fn typed(at: &str) -> Field {
    Field::new(at).integer().required()
}

/// Each kind with the file that it reads, and how that is paged.
fn kinds() -> Vec<(&'static str, Extraction, Option<Paging>)> {
    let css = Css::new("tr.row")
        .field("name", "td.name")
        .field("population", typed("td.population"))
        .next("a[rel=next]")
        .total(Field::new("p.range b"))
        .build();
    let xml = Xml::new("/rows/row")
        .field("name", "name")
        .field("population", typed("population"))
        .next("/rows/@next")
        .total("/rows/@total")
        .build();
    let csv = Csv::new().field("name", "name").field("population", typed("population")).build();
    let row = r"(?m)^.*\| name=(?<name>[^|]*) \| population=(?<people>\d+)$";
    let regex = Regex::new(row).field("population", typed("people")).build();
    let lines = Lines::new().matching(row).field("population", typed("people")).build();
    vec![
        ("countries.html", css.unwrap(), None),
        ("countries.xml", xml.unwrap(), None),
        ("countries.csv", csv.unwrap(), Some(Paging::link_header())),
        ("countries.txt", regex.unwrap(), Some(Paging::link_header())),
        ("countries.txt", lines.unwrap().allow_empty_after_first(), Some(Paging::page_number())),
    ]
}

fn stream(
    pool: &AwwPool,
    file: &str,
    kind: &Extraction,
    paging: Option<&Paging>,
) -> PaginatedStream {
    let stream = PaginatedStream::get(pool, format!("/{file}")).prefetch(8).extract(kind);
    match paging {
        Some(paging) => stream.paging(paging.clone()),
        None => stream,
    }
}

#[tokio::test]
async fn each_kind_reads_all_pages_in_order_and_from_their_middle() {
    let (api, pool) = demo();
    let names: Vec<&Value> = api.countries().iter().map(|row| &row["name"]).collect();
    let people: Vec<&Value> = api.countries().iter().map(|row| &row["population"]).collect();
    for (file, kind, paging) in kinds() {
        let rows = stream(&pool, file, &kind, paging.as_ref());
        let rows: Vec<Value> =
            soon(rows.try_collect()).await.unwrap_or_else(|e| panic!("{file}: {e:?}"));
        assert_eq!(rows.iter().map(|row| &row["name"]).collect::<Vec<_>>(), names, "{file}");
        assert_eq!(rows.iter().map(|row| &row["population"]).collect::<Vec<_>>(), people, "{file}");

        let mut first = stream(&pool, file, &kind, paging.as_ref());
        for _ in 0..17 {
            soon(first.next()).await.unwrap().unwrap();
        }
        let rest = stream(&pool, file, &kind, paging.as_ref()).resume_from(first.resume_token());
        let rest: Vec<Value> = soon(rest.try_collect()).await.unwrap();
        assert_eq!(rest.iter().map(|row| &row["name"]).collect::<Vec<_>>(), names[17..], "{file}");
    }
}

#[tokio::test]
async fn each_kind_is_a_table() {
    let (api, pool) = demo();
    for (file, kind, paging) in kinds() {
        let table = ApiTable::new().path(format!("/{file}")).extract(&kind);
        let table = match paging {
            Some(paging) => table.paging(paging),
            None => table,
        };
        let source = PoolApi::new(&pool).table("countries", table);
        let countries = Table::<_, EmptyEntity>::new("countries", source)
            .with_id_column("name")
            .with_column_of::<i64>("population");
        let rows = soon(countries.list_values()).await.unwrap();
        assert_eq!(rows.len(), api.countries().len(), "{file}");
        for (own, row) in api.countries().iter().zip(rows.values()) {
            assert_eq!(row["name"].as_text(), own["name"].as_str(), "{file}");
            let people = row["population"].as_integer().map(|n| i128::from(n) as i64);
            assert_eq!(people, own["population"].as_i64(), "{file}");
        }
    }
}

#[tokio::test]
async fn a_site_without_matches_fails_and_so_does_one_that_is_too_large() {
    let server = MockServer::builder().start().await;
    let html = "<table><tr class=other><td>1</td></tr></table>";
    let answer = ResponseTemplate::new(200).set_body_raw(html, "text/html");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).max_attempts(1).build().unwrap();
    let extraction = || Css::new("tr.row").field("n", "td").build().unwrap();
    let mut rows = PaginatedStream::get(&pool, "/rows").extract(&extraction());
    let error = soon(rows.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(1)));
    let source = std::error::Error::source(&error).unwrap();
    let reason = source.downcast_ref::<ExtractError>();
    assert!(matches!(reason, Some(ExtractError::NoItems { .. })), "{source}");

    let empty = PaginatedStream::get(&pool, "/rows").paging(Paging::none());
    let empty = empty.extract(&extraction().allow_empty());
    let rows: Vec<Value> = soon(empty.try_collect()).await.unwrap();
    assert!(rows.is_empty());

    let small = Css::new("tr.other").field("n", "td").build().unwrap();
    let small = small.limits(Limits::default().memory(16)).unwrap();
    let mut rows = PaginatedStream::get(&pool, "/rows").extract(&small);
    let error = soon(rows.next()).await.unwrap().unwrap_err();
    assert!(format!("{:?}", std::error::Error::source(&error)).contains("memory"), "{error:?}");
}

#[tokio::test]
async fn pages_are_extracted_on_threads_of_their_own() {
    struct Names;

    impl vantage_api_extract::Extract for Names {
        fn identity(&self) -> String {
            "thread names".into()
        }

        fn extract(
            &self,
            _: &vantage_api_extract::Body<'_>,
            items: &mut vantage_api_extract::Items,
        ) -> std::result::Result<(), ExtractError> {
            items.item(&std::thread::current().name())
        }
    }

    let (_api, pool) = demo();
    let names = Extraction::new(Names);
    let mut rows = PaginatedStream::get(&pool, "/countries.txt").extract(&names);
    let name = soon(rows.next()).await.unwrap().unwrap();
    assert!(name.as_str().unwrap().starts_with("extract-"), "{name}");
}

/// Pages that name the next one by a token, and by one of several links, as object storages and Atom do.
#[tokio::test]
async fn xml_is_followed_by_a_cursor_and_by_a_link_of_a_relation() {
    let server = MockServer::builder().start().await;
    let answer = |asked: &wiremock::Request| {
        let mut query = asked.url.query_pairs();
        let token = query.find(|(name, _)| name == "continuation-token" || name == "at");
        let from: u32 = token.map_or(0, |(_, token)| token[2..].parse().unwrap());
        let rows =
            |from| (from..17.min(from + 5)).map(|n| format!("<Contents><Key>{n}</Key></Contents>"));
        let rows: String = rows(from).collect();
        let next = from + 5;
        let body = match asked.url.path() {
            "/bucket" if next < 17 => {
                format!(
                    "<ListBucketResult>{rows}<NextContinuationToken>t={next}</NextContinuationToken></ListBucketResult>"
                )
            }
            "/bucket" => format!("<ListBucketResult>{rows}</ListBucketResult>"),
            _ => {
                let next = match next < 17 {
                    true => format!("<link rel=\"next\" href=\"?at=t%3D{next}\"/>"),
                    false => String::new(),
                };
                format!("<feed><link rel=\"self\" href=\"/feed\"/>{next}{rows}</feed>")
            }
        };
        ResponseTemplate::new(200).set_body_raw(body, "application/xml")
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let keys = async |path: &str, xml: Xml, paging: Option<Paging>| {
        let xml = xml.field("key", typed("Key")).build().unwrap();
        let paging = paging.or_else(|| xml.paging()).unwrap();
        let rows = PaginatedStream::get(&pool, path).envelope(xml.envelope()).paging(paging);
        let rows: Vec<Value> = soon(rows.try_collect()).await.unwrap();
        rows.iter().map(|row| row["key"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let all: Vec<u64> = (0..17).collect();
    let bucket = Xml::new("/ListBucketResult/Contents");
    let bucket = bucket.cursor("/ListBucketResult/NextContinuationToken");
    let paging = Paging::cursor("continuation-token", "next_cursor");
    assert_eq!(keys("/bucket", bucket, Some(paging)).await, all);
    let feed = Xml::new("/feed/Contents").next("/feed/link[@rel='next']/@href");
    assert_eq!(keys("/feed", feed, None).await, all);
}
