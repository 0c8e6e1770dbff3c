//! The ways in which other programs lose or double rows without a word.

use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply, Request},
    setup::{ROWS, Setup, all, ended, numbered, page},
};

const WAYS: &str = "
tables:
  - { name: by_page, id: id, api: { endpoint: rows } }
  - name: by_offset
    id: id
    api: { endpoint: rows, paging: { by: offset, param: offset, size_param: limit, size: 10 } }
  - name: by_cursor
    id: id
    api: { endpoint: rows, paging: { by: cursor, param: after, next: next } }
  - { name: by_link, id: id, api: { endpoint: rows, paging: { by: link } } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: by_page, write: append }
      - { table: by_offset, write: append }
      - { table: by_cursor, write: append }
      - { table: by_link, write: append }
";

/// The page that is asked for in one of four ways, with what leads to the next one in all of them.
fn page_in_any_way(rows: &[Value], request: &Request) -> Reply {
    let by_number = request.number("page").map(|page| (page - 1) * 10);
    let by_row = request.number("offset").or_else(|| request.number("after"));
    let start = by_number.or(by_row).unwrap_or(0);
    let data: Vec<_> = rows.iter().skip(start).take(10).collect();
    let next = start + 10;
    if next >= rows.len() {
        return Reply::json(
            &json!({ "data": data, "next": null, "pagination": { "total": rows.len() } }),
        );
    }
    let body = json!({ "data": data, "next": next, "pagination": { "total": rows.len() } });
    let link = format!("</rows?page={}>; rel=\"next\"", next / 10 + 1);
    Reply::json(&body).header("Link", &link)
}

#[tokio::test]
async fn an_exclusive_last_page() {
    let rows = numbered(1..=100);
    let setup = Setup::new(WAYS, move |request| page_in_any_way(&rows, request));
    let report = setup.complete().await;
    for stream in &report.streams {
        assert_eq!(setup.ids(&stream.stream), all(1..=100), "{stream}");
        assert_eq!(stream.counts.pages, 10, "{stream}");
    }
}

#[tokio::test]
async fn a_setting_of_parallel_requests_that_is_ignored() {
    for prefetch in [2, 6] {
        let (rows, gate) = (numbered(1..=200), Gate::default());
        let behind = gate.clone();
        let mut setup = Setup::new(ROWS, move |request| {
            let page = page(&rows, request);
            // How many pages there are is said by the first one, which is asked for alone.
            if request.page() == 1 { page } else { page.behind(&behind) }
        });
        setup.replace("table: rows,", &format!("table: rows, prefetch: {prefetch},"));
        let job = setup.job();
        let meanwhile = async {
            setup.api.wait_for(|seen| seen.most_waiting >= prefetch).await;
            gate.open();
        };
        let (report, ()) = tokio::join!(ended(&job), meanwhile);
        assert!(report.is_complete(), "{report}");
        assert_eq!(setup.ids("rows"), all(1..=200));
        assert_eq!(setup.api.most_waiting(), prefetch);
    }
}

#[tokio::test]
async fn paging_that_stops_after_the_first_page_unless_a_path_is_given() {
    for rows in [95, 100] {
        // It says nothing at all of pages.
        let all_rows = numbered(1..=rows);
        let setup = Setup::new(ROWS, move |request| {
            let first = (request.page() - 1) * 10;
            let data: Vec<_> = all_rows.iter().skip(first).take(10).collect();
            Reply::json(&json!(data))
        });
        setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=rows));
    }
}

#[tokio::test]
async fn an_api_that_pages_in_another_way_than_it_is_asked() {
    let rows = numbered(1..=10);
    // It has a next page, at a place that nobody has named.
    let setup = Setup::new(ROWS, move |_| Reply::json(&json!({ "data": rows, "next": "10" })));
    setup.fail(&["every page is the same"]).await;
    assert_eq!(setup.ids("rows"), all(1..=10));
}

#[tokio::test]
async fn a_next_page_that_the_paging_of_another_api_does_not_see() {
    let rows = numbered(1..=10);
    for paging in ["by: link", "by: next_url, next: links.next", "by: cursor, param: c, next: nxt"]
    {
        let rows = rows.clone();
        let next = json!({ "data": rows, "next": "/rows?page=2" });
        let mut setup = Setup::new(ROWS, move |_| Reply::json(&next));
        setup.replace("id: id", &format!("id: id, api: {{ paging: {{ {paging} }} }}"));
        setup.fail(&["`next`"]).await;
    }
    let next = json!({ "data": rows, "next": "/rows?page=2" });
    let mut setup = Setup::new(ROWS, move |_| Reply::json(&next));
    setup.replace("id: id", "id: id, api: { paging: { by: none } }");
    let report = setup.complete().await;
    let [remark] = report.streams[0].remarks.as_slice() else { panic!("{report}") };
    assert!(remark.contains("`next`"), "{remark}");
}

#[tokio::test]
async fn a_limit_of_a_hundred_pages() {
    let rows = numbered(1..=1500);
    let setup = Setup::new(ROWS, move |request| page(&rows, request));
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=1500));
    assert_eq!(report.streams[0].counts.pages, 150);
}
