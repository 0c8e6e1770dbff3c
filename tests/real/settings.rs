//! Settings that do not fit the server: whatever is set, a read ends with all rows or with an
//! error where the server tells how many rows there are, or that there are more.

use futures::TryStreamExt;
use serde_json::Value;
use vantage_api_pool::{AwwPool, Envelope, PaginatedStream, Paging};

use crate::{
    rows,
    servers::{Program, Server},
    source::within,
};

type Ways = Vec<(String, Paging)>;

/// By parameters that some of the servers have, and that others do not know.
fn by_place() -> Ways {
    let mut ways = Ways::new();
    for param in ["page", "_page", "p", "page[number]"] {
        let paging = Paging::page_number().page_param(param);
        ways.push((format!("page {param}"), paging.clone()));
        ways.push((format!("page {param} from 0"), paging.first_page(0)));
    }
    for (offset, limit) in [("offset", "limit"), ("_start", "_limit"), ("skip", "top")] {
        ways.push((format!("offset {offset}"), Paging::offset_limit(offset, limit, 70)));
    }
    ways
}

/// By what one page says of the next, in places where some of the servers have it.
fn by_chain() -> Ways {
    let cursor = |param, path| (format!("cursor {param} at {path}"), Paging::cursor(param, path));
    let next = |path| (format!("next URL at {path}"), Paging::next_url(path));
    vec![
        ("none".to_owned(), Paging::none()),
        ("link header".to_owned(), Paging::link_header()),
        cursor("cursor", "next_page"),
        cursor("_next", "next"),
        cursor("after", "next_page"),
        next("next"),
        next("links.next"),
        next("next_url"),
        next("_links.next.href"),
        next("nxt"),
    ]
}

/// Sets whose pages tell how many rows there are: where the rows are and where the total is.
const SETS: [(Program, &str, &str, &str); 9] = [
    (Program::Django, "api/page/", "results", "count"),
    (Program::Django, "api/offset/", "results", "count"),
    (Program::Django, "jsonapi/rows", "data", "meta.pagination.count"),
    (Program::FastApi, "page", "items", "total"),
    (Program::FastApi, "offset", "items", "total"),
    (Program::FastApi, "cursor", "items", "total"),
    (Program::FastApi, "links", "items", "total"),
    (Program::Datasette, "real/rows.json?_shape=objects", "rows", "filtered_table_rows_count"),
    (Program::Eve, "rows", "_items", "_meta.total"),
];

/// How the read ends in a part of the set and without an error, if it does.
async fn is_short(
    program: Program,
    path: &str,
    envelope: &Envelope,
    (way, paging): (String, Paging),
) -> Option<String> {
    let pool = AwwPool::builder(Server::shared(program).url()).build().unwrap();
    let read = PaginatedStream::get(&pool, format!("/{path}"));
    let read = read.paging(paging).envelope(envelope.clone()).try_collect::<Vec<Value>>();
    let rows = within("the read", read).await.ok()?.len();
    // Datasette takes a parameter that it does not know for a condition, and says so: 0 of 0.
    let is_filtered = program == Program::Datasette && rows == 0;
    let is_whole = rows as i64 == rows::COUNT || is_filtered;
    (!is_whole).then(|| format!("{path}, {way}: {rows} rows"))
}

async fn none_is_short(ways: fn() -> Ways) {
    let mut short = Vec::new();
    for (program, path, items, total) in SETS {
        let envelope = Envelope::items_at(items).total_at(total);
        for way in ways() {
            short.extend(is_short(program, path, &envelope, way).await);
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[tokio::test]
async fn no_way_by_place_reads_a_part_of_a_set_in_silence() {
    none_is_short(by_place).await;
}

#[tokio::test]
async fn no_way_by_chain_reads_a_part_of_a_set_in_silence() {
    none_is_short(by_chain).await;
}

/// json-server has the total and the next page in headers.
#[tokio::test]
async fn no_way_by_place_ends_before_a_page_with_a_link_to_the_next() {
    let mut short = Vec::new();
    for path in ["rows?_page=1&_limit=50", "rows?_limit=50"] {
        for way in by_place() {
            short.extend(is_short(Program::JsonServer, path, &Envelope::bare_array(), way).await);
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[tokio::test]
async fn no_way_by_chain_ends_before_the_total_of_a_header() {
    let mut short = Vec::new();
    let envelope = Envelope::bare_array().total_in_header("x-total-count");
    for way in by_chain().into_iter().filter(|(way, _)| way != "link header") {
        short.extend(is_short(Program::JsonServer, "rows?_page=1&_limit=50", &envelope, way).await);
    }
    assert!(short.is_empty(), "{short:#?}");
}
