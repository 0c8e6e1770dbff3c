//! Pages as they are told of in public bug reports of other clients.

use super::*;

/// PostHog, NangoHQ: the parameter is not the API's, so the first page comes again and again,
/// and its total is far off.
#[tokio::test]
async fn case_38_the_first_page_again_is_no_set() {
    for total in [json!(10), json!(null)] {
        let page = json!({ "data": [1, 2], "total": total });
        let server = api(move |_| body(&page)).await;
        for paging in
            [Paging::page_number().page_param("p"), Paging::offset_limit("skip", "take", 2)]
        {
            let envelope = Envelope::default().total_at("total");
            let (items, error) = read(rows(&server, paging, envelope)).await;
            let kind = error.unwrap().kind();
            assert!(
                [ErrorKind::PageLoop, ErrorKind::PaginationMissing].contains(&kind),
                "{kind:?}"
            );
            assert_eq!(items, ids([1, 2]));
        }
    }
}

/// Spring Data REST: on each page but the last, the total is one more than the rows so far.
#[tokio::test]
async fn case_65_a_total_that_grows_with_every_page_is_followed() {
    let server = api(|asked| {
        let page = asked.number("page");
        let rows: Vec<u64> = (page * 2..(page * 2 + 2).min(7)).collect();
        let total = if page < 3 { (page + 1) * 2 + 1 } else { 7 };
        let numbers = json!({ "size": 2, "totalElements": total, "number": page });
        body(json!({ "_embedded": { "rows": rows }, "page": numbers }))
    })
    .await;
    let envelope = Envelope::items_at("_embedded.rows")
        .pagination_at("page")
        .total_at("page.totalElements")
        .page_size_at("page.size")
        .page_at("page.number");
    let paging = Paging::page_number().first_page(0);
    assert_eq!(whole(rows(&server, paging, envelope)).await, ids(0..7));
}

/// A SQL `COUNT(*) OVER()`: a page behind the last row has no row to tell the total.
#[tokio::test]
async fn case_02_a_total_of_nothing_on_a_page_behind_the_end_is_none() {
    let server = api(|asked| {
        let first = asked.number("offset");
        let rows: Vec<u64> = (first..first + 2).filter(|row| *row < 4).collect();
        let total = if rows.is_empty() { 0 } else { 5 };
        body(json!({ "data": rows, "total": total }))
    })
    .await;
    let paging = Paging::offset_limit("offset", "limit", 2).totals_are_estimates(true);
    let envelope = Envelope::default().total_at("total");
    assert_eq!(whole(rows(&server, paging, envelope)).await, ids(0..4));
}

/// An API that Airbyte reads: some pages have one row less than the others, and nothing tells of
/// a total.
#[tokio::test]
async fn case_53_only_an_empty_page_is_the_end_by_setting() {
    let pages = vec![json!([1, 2, 3]), json!([4, 5]), json!([6, 7, 8]), json!([9]), json!([])];
    let server = api(numbered(pages)).await;
    let paging = Paging::page_number().short_page_ends(false);
    assert_eq!(whole(rows(&server, paging, Envelope::bare_array())).await, ids(1..=9));
    let server = api(|asked| {
        let rows = match asked.number("offset") {
            0 => json!([1, 2, 3]),
            3 => json!([4, 5]),
            5 => json!([6]),
            _ => json!([]),
        };
        body(rows)
    })
    .await;
    let paging = Paging::offset_limit("offset", "limit", 3).short_page_ends(false);
    assert_eq!(whole(rows(&server, paging, Envelope::bare_array())).await, ids(1..=6));
}

/// PowerShell: a batch is handed out at one URL until it is whole, and each part but the last
/// links to that URL.
#[tokio::test]
async fn case_07_a_batch_at_one_url_is_read_to_its_end() {
    let server = api(|asked| {
        let part = body(json!([asked.before]));
        match asked.before {
            0..=3 => part.insert_header("link", "</rows?id=7>; rel=\"next\""),
            _ => part,
        }
    })
    .await;
    let stream = PaginatedStream::get(pool(&server), "/rows?id=7")
        .paging(Paging::link_header())
        .envelope(Envelope::bare_array());
    assert_eq!(whole(stream).await, ids(0..5));
}

/// Meraki: links with further attributes, and the next one twice; Shopify: the page before comes
/// first.
#[tokio::test]
async fn case_04_links_are_told_by_their_relation_alone() {
    for line in [
        "</rows?page=2>; rel=next; title=\"next; page\"; x",
        "</rows?page=2>; rel=next, </rows?page=2>; rel=next",
        "</rows?page=0>; rel=\"previous\", </rows?page=2>; rel=\"next\"",
        "</rows?page=2>;type=\"application/json\";rel=\"next\"",
        "<http://example.com/first,page>; rel=\"first\", </rows?page=2>; rel=\"next\"",
    ] {
        let server = api(move |asked| match asked.param("page") {
            None => body(json!([1])).insert_header("link", line),
            Some(_) => body(json!([2])),
        })
        .await;
        let stream = rows(&server, Paging::link_header(), Envelope::bare_array());
        assert_eq!(whole(stream).await, ids([1, 2]), "{line}");
    }
}

/// Slack, Rocket.Chat: cursor pages may be short or empty before the end.
#[tokio::test]
async fn case_08_short_and_empty_pages_lie_between_full_ones() {
    let page = |rows: Value, next: &str| json!({ "members": rows, "response_metadata": { "next_cursor": next } });
    let pages = vec![
        page(json!([1, 2, 3]), "1"),
        page(json!([4]), "2"),
        page(json!([]), "3"),
        page(json!([5, 6, 7]), ""),
    ];
    let server = api(by_cursor(pages)).await;
    let paging = Paging::cursor("after", "response_metadata.next_cursor").page_size("limit", 3);
    assert_eq!(whole(rows(&server, paging, Envelope::items_at("members"))).await, ids(1..=7));
}

/// NocoDB: with an offset, the last page says that it is not the last, and its number is a
/// fraction, which nobody named.
#[tokio::test]
async fn case_02_a_flag_that_is_wrong_on_the_last_page_costs_one_page() {
    let server = api(|asked| {
        let first = asked.number("offset");
        let rows: Vec<u64> = (first..first + 3).filter(|row| *row < 5).collect();
        let info = json!({ "totalRows": 5, "page": 1.04, "isLastPage": rows.is_empty() });
        body(json!({ "list": rows, "pageInfo": info }))
    })
    .await;
    let envelope =
        Envelope::items_at("list").total_at("pageInfo.totalRows").is_last_at("pageInfo.isLastPage");
    let paging = Paging::offset_limit("offset", "limit", 3);
    assert_eq!(whole(rows(&server, paging, envelope)).await, ids(0..5));
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

/// FHIR: a link that leads back to an earlier page.
#[tokio::test]
async fn case_07_a_bundle_that_leads_back_is_a_loop() {
    let bundle = |id: u64, next: &str| {
        json!({ "entry": [{ "resource": { "id": id } }],
                "link": [{ "relation": "self", "url": "x" }, { "relation": "next", "url": next }] })
    };
    let server = api(move |asked| match asked.number("page") {
        0 => body(bundle(0, "?page=1")),
        1 => body(bundle(1, "?page=2")),
        _ => body(bundle(2, "?page=1")),
    })
    .await;
    let envelope = Envelope::items_at("entry[].resource.id");
    let paging = Paging::next_url("link[relation=next].url");
    let (items, error) = read(rows(&server, paging, envelope)).await;
    assert_eq!((items, error.unwrap().kind()), (ids(0..3), ErrorKind::PageLoop));
}
