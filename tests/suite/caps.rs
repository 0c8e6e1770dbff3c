//! APIs that return no row beyond a number: a read that reaches it says so, and asks for nothing
//! beyond.

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    vantage::{ApiTable, PoolTableExt},
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, header, numbered, param},
    soon,
};

fn number(request: &Request, name: &str) -> Option<usize> {
    param(request, name).map(|text| text.parse().unwrap())
}

/// `count` rows, of which `offset` and `limit`, a range, or a cursor reach the first `cap` alone.
/// A request that reaches beyond is refused. `told` is the total that it tells.
async fn capped(count: u64, cap: usize, told: Option<usize>) -> MockServer {
    mock::answering(move |request: &Request| {
        let range = header(request, "range").map(|range| {
            let (first, last) = range.trim_start_matches("items=").split_once('-').unwrap();
            (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap())
        });
        let (start, size) = match range {
            Some((first, last)) => (first, last + 1 - first),
            None => {
                let start = number(request, "offset").or_else(|| number(request, "after"));
                (start.unwrap_or(0), number(request, "limit").unwrap())
            }
        };
        let is_cursor = range.is_none() && param(request, "offset").is_none();
        if start >= cap || !is_cursor && start + size > cap {
            return mock::refusal(400);
        }
        let end = (start + size).min(cap);
        let rows: Vec<_> = numbered(0..count).into_iter().take(end).skip(start).collect();
        let next = Some(end).filter(|end| (*end as u64) < count);
        let mut body = json!({ "data": rows, "next": next });
        if let Some(total) = told {
            body["total"] = total.into();
        }
        ResponseTemplate::new(200).set_body_json(body)
    })
    .await
}

fn ways(size: u64) -> [(&'static str, Paging); 3] {
    [
        ("offset", Paging::offset_limit("offset", "limit", size)),
        ("range", Paging::range("items", size)),
        ("cursor", Paging::cursor("after", "next").page_size("limit", size)),
    ]
}

async fn read(server: &MockServer, paging: Paging) -> (Vec<Value>, Option<Error>) {
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let envelope = Envelope::default().total_at("total");
    let mut rows = PaginatedStream::get(pool, "/rows").paging(paging).envelope(envelope);
    let mut read = Vec::new();
    while let Some(row) = soon("a row", rows.next()).await {
        match row {
            Ok(row) => read.push(row),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

/// infiniflow/ragflow#13296, iDigBio/idigbio-search-api#18, jupyterhealth/jupyterhealth-exchange#204: rows beyond the cap
/// are missing in silence, or the last request is refused as a whole.
#[tokio::test]
async fn a_read_that_reaches_the_cap_fails_by_its_name_after_all_rows_below_it() {
    for told in [None, Some(100), Some(50)] {
        for size in [7, 10, 50, 60] {
            for (name, paging) in ways(size) {
                let server = capped(100, 50, told).await;
                let (rows, error) = read(&server, paging.row_cap(50)).await;
                let error = error.unwrap_or_else(|| panic!("{name}, {size}, {told:?}"));
                assert_eq!(error.kind(), ErrorKind::Incomplete, "{name}, {size}: {error}");
                assert!(error.to_string().contains("row_cap"), "{error}");
                assert_eq!(rows, numbered(0..50), "{name}, {size}, {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_set_below_the_cap_is_read_whole() {
    let mut random = fastrand::Rng::with_seed(7);
    for case in 0..40 {
        let (cap, size) = (random.usize(2..60), random.u64(1..20));
        let count = random.u64(0..cap as u64);
        let told = random.bool().then_some(count as usize);
        for (name, paging) in ways(size) {
            // A range in an empty set has no status of its own here.
            if name == "range" && count == 0 {
                continue;
            }
            let server = capped(count, cap, told).await;
            let (rows, error) = read(&server, paging.row_cap(cap as u64)).await;
            assert!(error.is_none(), "case {case}, {name}: {error:?}");
            assert_eq!(rows, numbered(0..count), "case {case}, {name}");
        }
    }
}

/// A total of exactly the cap means that there may be more: search engines count no further.
#[tokio::test]
async fn a_total_of_exactly_the_cap_is_no_count() {
    for (told, counted) in [(49, true), (50, false)] {
        let server = capped(100, 50, Some(told)).await;
        let pool = AwwPool::builder(server.uri()).build().unwrap();
        let yaml = "{ envelope: { items: data, total: total }, paging: { by: offset, param: offset, \
                    size_param: limit, size: 20, row_cap: 50 } }";
        let settings: ApiTable = serde_yaml_ng::from_str(yaml).unwrap();
        let api = PoolApi::new(pool).table("rows", settings);
        let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
        let count = soon("the count", table.get_count()).await;
        match counted {
            true => assert_eq!(count.unwrap(), 49),
            false => assert!(count.unwrap_err().to_string().contains("row_cap")),
        }
    }
}
