//! Public reports of other clients that lost rows, doubled them or never ended, as inputs. What the ways
//! to page have in common is in the other modules.

use serde_json::{Value, json};
use vantage_api_pool::{Envelope, Error, ErrorKind, PaginatedStream, Paging};

use super::{
    ids, read,
    server::{Asked, Plan, Reply, Serve, Set},
    ways::{pool, rows},
};

/// The numbers that were read, the error, and how many requests it took, of a set of 35 rows.
async fn reading(
    paging: Paging,
    envelope: Envelope,
    serve: Serve,
) -> (Vec<u64>, Option<Error>, usize) {
    let server = Plan::of(serve, rows(35), 10).start();
    let stream = PaginatedStream::get(pool(&server.url()), "/rows").paging(paging);
    let (read, error) = read(stream.envelope(envelope).prefetch(3)).await;
    (ids(&read), error, server.traffic().requests)
}

async fn assert_whole(paging: Paging, envelope: Envelope, serve: Serve) {
    let (read, error, _) = reading(paging, envelope, serve).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, (0..35).collect::<Vec<_>>());
}

async fn assert_fails(paging: Paging, envelope: Envelope, serve: Serve, kind: ErrorKind) {
    let (read, error, requests) = reading(paging, envelope, serve).await;
    assert_eq!(error.expect("an error").kind(), kind, "{read:?}");
    assert!(requests < 15, "{requests} requests");
}

fn after(asked: &Asked, set: &Set) -> super::server::Sheet {
    set.sheet(asked.number("after").unwrap_or(0), asked.number("limit"))
}

fn by_cursor() -> Paging {
    Paging::cursor("after", "next")
}

/// airbytehq/airbyte#81516: the last page names itself again and again, since it includes the moment at
/// which it begins, and more than one row has that moment.
#[tokio::test]
async fn a_next_page_that_is_the_last_one_again_ends_by_its_size_or_as_a_loop() {
    let serve: Serve = |asked, set| {
        let start = asked.number("start_time").unwrap_or(0);
        let sheet = set.sheet(start, None);
        // The rows of the last moment come again.
        let next = sheet.next.unwrap_or(set.rows.len() - 2);
        let next = format!("/rows?start_time={next}");
        Reply::ok(&json!({ "count": sheet.rows.len(), "data": sheet.rows, "next_page": next }))
    };
    let paging = || Paging::next_url("next_page");
    assert_fails(paging(), Envelope::default(), serve, ErrorKind::PageLoop).await;
    assert_whole(paging().short_page_ends(true), Envelope::default(), serve).await;
}

/// boto/botocore#3778, apache/iceberg-go#1484: tokens that go in a circle of two.
#[tokio::test]
async fn tokens_in_a_circle_of_two_are_a_loop() {
    let serve: Serve = |asked, set| {
        let sheet = after(asked, set);
        let next = if sheet.start == 10 { "20" } else { "10" };
        Reply::ok(&json!({ "data": sheet.rows, "next": next }))
    };
    assert_fails(by_cursor(), Envelope::default(), serve, ErrorKind::PageLoop).await;
}

/// airbytehq/PyAirbyte#1174, lancedb/lancedb#4138: a server that ignores the cursor, and a client that
/// stops after a page as if there were no more.
#[tokio::test]
async fn a_cursor_that_is_ignored_is_a_loop_and_no_end() {
    let serve: Serve = |_, set| {
        let sheet = set.sheet(0, None);
        Reply::ok(&json!({ "data": sheet.rows, "next": "c10", "has_next_page": true }))
    };
    let envelope = Envelope::default().has_next_at("has_next_page");
    assert_fails(by_cursor(), envelope, serve, ErrorKind::PageLoop).await;
}

/// microsoftgraph/msgraph-sdk-java#493, microsoftgraph/msgraph-sdk-javascript#129, openai/openai-node#2561:
/// pages without rows, the first one among them, that name a next page.
#[tokio::test]
async fn pages_without_rows_are_followed_to_those_with_rows() {
    let serve: Serve = |asked, set| {
        let place = asked.number("after").unwrap_or(0);
        // Each page with rows is behind three without.
        let (empty, start) = (place % 4 != 3, place / 4 * 10);
        let sheet = set.sheet(start, None);
        let rows = if empty { Vec::new() } else { sheet.rows };
        let goes_on = empty || sheet.next.is_some();
        let next = goes_on.then(|| format!("?after=s{}", place + 1));
        let mut body = json!({ "value": rows });
        match next {
            Some(next) => body["@odata.nextLink"] = next.into(),
            None => body["@odata.deltaLink"] = "?delta=d1".into(),
        }
        Reply::ok(&body)
    };
    let paging = Paging::next_url("@odata.nextLink");
    assert_whole(paging, Envelope::items_at("value"), serve).await;
}

/// dlt-hub/dlt#4429: a total that is `null` on each page.
#[tokio::test]
async fn a_total_that_is_null_is_no_total() {
    let serve: Serve = |asked, set| {
        let sheet = set.sheet(asked.number("offset").unwrap(), asked.number("limit"));
        Reply::ok(&json!({ "data": sheet.rows, "total": null }))
    };
    let envelope = Envelope::default().total_at("total");
    assert_whole(Paging::offset_limit("offset", "limit", 10), envelope, serve).await;
}

/// dlt-hub/dlt#2816: an API that hands out its last page again beyond the end, where a flag says that it
/// is the last one.
#[tokio::test]
async fn a_flag_that_says_no_ends_a_read_by_offsets_before_the_last_page_comes_again() {
    let serve: Serve = |asked, set| {
        let sheet = set.sheet(asked.number("offset").unwrap().min(30), None);
        Reply::ok(&json!({ "results": sheet.rows, "hasMore": sheet.more }))
    };
    let envelope = Envelope::items_at("results").has_next_at("hasMore");
    assert_whole(Paging::offset("offset"), envelope, serve).await;
}

/// google/go-github#1825: the `Link` header of an early page names a last page that is beyond the end.
#[tokio::test]
async fn a_last_page_beyond_the_end_is_an_empty_one() {
    let serve: Serve = |asked, set| {
        let page = asked.number("page").unwrap_or(1);
        let sheet = set.sheet((page - 1) * 10, None);
        let mut links = "</rows?page=1>; rel=\"first\"".to_owned();
        if sheet.next.is_some() {
            let next = page + 1;
            links += &format!(", </rows?page={next}>; rel=\"next\", </rows?page=6>; rel=\"last\"");
        }
        Reply::ok(&sheet.rows.into()).header("Link", links)
    };
    assert_whole(Paging::page_number(), Envelope::bare_array(), serve).await;
}

/// gnikyt/Basic-Shopify-API#45, savchukoleksii in zf-fr/zfr-shopify#119: the previous page is linked
/// before the next one, and the client goes back and forth.
#[tokio::test]
async fn the_previous_page_is_not_the_next_one() {
    let serve: Serve = |asked, set| {
        let sheet = after(asked, set);
        let mut links = Vec::new();
        if sheet.start > 0 {
            let start = sheet.start - 10;
            links.push(format!("<http://other.example/rows?after=c{start}>; rel=\"previous\""));
        }
        if let Some(next) = sheet.next {
            let host = asked.header("host").unwrap();
            links.push(format!("<http://{host}/rows?limit=10&after=c{next}>; rel={{next}}"));
        }
        let links = links.join(", ").replace("{next}", "next");
        Reply::ok(&sheet.rows.into()).header("Link", links)
    };
    let paging = Paging::link_header().page_size("limit", 10);
    assert_whole(paging, Envelope::bare_array(), serve).await;
}

/// mvisonneau/gitlab-ci-pipelines-exporter#340: the number of pages is missing where it is large.
#[tokio::test]
async fn a_header_with_the_number_of_pages_may_be_missing() {
    let serve: Serve = |asked, set| {
        let page = asked.number("page").unwrap_or(1);
        let sheet = set.sheet((page - 1) * 10, None);
        let next = sheet.next.map(|_| (page + 1).to_string()).unwrap_or_default();
        Reply::ok(&sheet.rows.into()).header("x-next-page", next)
    };
    let envelope = Envelope::bare_array().total_pages_in_header("x-total-pages");
    let envelope = envelope.next_page_in_header("x-next-page");
    assert_whole(Paging::page_number(), envelope, serve).await;
}

/// datacite/lupo#834, Azure/data-api-builder#557: `hasNextPage` is true on the last page, whose cursor
/// leads to a page without rows.
#[tokio::test]
async fn a_connection_that_always_has_a_next_page_ends_without_losing_a_row() {
    let serve: Serve = |asked, set| {
        let start = asked.json()["after"].as_str().map_or(0, super::server::number_in);
        let sheet = set.sheet(start, None);
        let end = start + sheet.rows.len();
        let page = match sheet.rows.is_empty() {
            true => json!({ "hasNextPage": true, "endCursor": null }),
            false => json!({ "hasNextPage": true, "endCursor": format!("c{end}") }),
        };
        Reply::ok(&json!({ "data": { "rows": { "nodes": sheet.rows, "pageInfo": page } } }))
    };
    let paging = Paging::cursor("after", "data.rows.pageInfo.endCursor").post(&json!({}));
    let envelope = Envelope::items_at("data.rows.nodes");
    assert_whole(paging.clone(), envelope.clone(), serve).await;
    let named = envelope.has_next_at("data.rows.pageInfo.hasNextPage");
    let (read, error, _) = reading(paging, named, serve).await;
    assert_eq!((read.len(), error.unwrap().kind()), (35, ErrorKind::Incomplete));
}

/// Glitchedpixel-io/media-api#66: the cursor is never null, and the last one leads to itself.
#[tokio::test]
async fn a_cursor_that_is_never_null_ends_with_the_page_without_rows() {
    let serve: Serve = |asked, set| {
        let sheet = after(asked, set);
        let next = sheet.start + sheet.rows.len();
        Reply::ok(&json!({ "items": sheet.rows, "page": { "next": format!("c{next}") } }))
    };
    let paging = Paging::cursor("after", "page.next");
    assert_whole(paging, Envelope::items_at("items"), serve).await;
}

/// elastic/elasticsearch#9136: a sorted scroll that returns the same documents for ever.
#[tokio::test]
async fn a_scroll_that_returns_the_same_documents_is_a_loop() {
    let serve: Serve = |_, set| {
        let hits = set.sheet(0, None).rows;
        Reply::ok(&json!({ "_scroll_id": "s", "hits": { "hits": hits } }))
    };
    let paging = Paging::cursor("scroll_id", "_scroll_id").post(&json!({}));
    assert_fails(paging, Envelope::items_at("hits.hits"), serve, ErrorKind::PageLoop).await;
}

/// opensearch-project/data-prepper#3374, opensearch-project/OpenSearch#15869: rows that share the values
/// they are sorted by are skipped where a page ends.
#[tokio::test]
async fn rows_that_share_the_key_of_the_last_one_are_no_silent_loss() {
    let serve: Serve = |asked, set| {
        let body = asked.json();
        let is_after = |row: &Value| {
            body["search_after"].as_str().is_none_or(|at| row["at"].as_str().unwrap() > at)
        };
        let start = set.rows.iter().take_while(|row| !is_after(row)).count();
        let sheet = set.sheet(start, body["size"].as_u64().map(|size| size as usize));
        Reply::ok(&sheet.rows.into())
    };
    let paging = Paging::keyset("search_after", "at").page_size("size", 7).post(&json!({}));
    let (read, error, _) = reading(paging, Envelope::bare_array(), serve).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Incomplete);
    assert!(read.len() <= 7, "{read:?}");
}

/// PostgREST/postgrest#2824: a range that begins at the end of the set gets an empty 206, not a 416.
#[tokio::test]
async fn a_range_at_the_end_is_an_empty_part_or_none() {
    let serve: Serve = |asked, set| {
        let range = asked.header("range").unwrap().trim_start_matches("items=");
        let (first, _) = range.split_once('-').unwrap();
        let sheet = set.sheet(first.parse().unwrap(), Some(7));
        let told = match sheet.rows.len() {
            0 => "items */*".to_owned(),
            rows => format!("items {}-{}/*", sheet.start, sheet.start + rows - 1),
        };
        Reply::ok(&sheet.rows.into()).with_status(206).header("content-range", told)
    };
    assert_whole(Paging::range("items", 7), Envelope::bare_array(), serve).await;
}

/// PostgREST/postgrest#3766, cardano-community/koios-artifacts#271: the range is ignored, and the whole
/// set comes with a 200.
#[tokio::test]
async fn a_range_that_is_ignored_is_the_whole_set_once() {
    let serve: Serve = |_, set| {
        set.sheet(0, None);
        Reply::ok(&set.rows.clone().into()).header("content-range", "0-34/35")
    };
    let (read, error, _) = reading(Paging::range("items", 10), Envelope::bare_array(), serve).await;
    let is_once = error.is_none() && read == (0..35).collect::<Vec<_>>();
    assert!(is_once || error.is_some(), "{read:?}");
    assert!(read.len() <= 35, "{read:?}");
}

/// mozilla-services/cliquet#366: where the rows fill the pages, the last page leads to the one before it.
#[tokio::test]
async fn a_last_page_that_leads_to_the_one_before_is_a_loop() {
    let serve: Serve = |asked, set| {
        let sheet = set.sheet(asked.number("after").unwrap_or(0), Some(7));
        let next = sheet.next.unwrap_or(21);
        Reply::ok(&json!({ "data": sheet.rows, "next": format!("c{next}") }))
    };
    assert_fails(by_cursor(), Envelope::default(), serve, ErrorKind::PageLoop).await;
}

/// MCPJam/inspector#4462: a cursor that is an empty text is taken for the end, which a total contradicts.
#[tokio::test]
async fn an_empty_cursor_is_the_end_unless_a_total_says_more() {
    let serve: Serve = |asked, set| {
        let sheet = after(asked, set);
        let next = if sheet.start == 0 { "" } else { "c20" };
        Reply::ok(&json!({ "data": sheet.rows, "next": next, "total": sheet.total }))
    };
    let envelope = Envelope::default().total_at("total");
    assert_fails(by_cursor(), envelope, serve, ErrorKind::Incomplete).await;
}

/// forcedotcom/cli#2968: the place of the second page of a result is joined with a slash too many.
#[tokio::test]
async fn the_pages_of_a_result_are_all_at_its_own_path() {
    let serve: Serve = |asked, set| match asked.path.as_str() {
        "/rows" => Reply::ok(&json!({ "id": "7/5" })),
        "/jobs/7%2F5" => Reply::ok(&json!({ "state": "JobComplete" })),
        path => {
            assert_eq!(path, "/jobs/7%2F5/results");
            let sheet = set.sheet(asked.number("locator").unwrap_or(0), None);
            let next = sheet.next.map_or("null".into(), |next| format!("MD{next}"));
            Reply::ok(&sheet.rows.into()).header("sforce-locator", next)
        }
    };
    let yaml = "{ by: export, job: id, poll: 'jobs/{job}', status: state, done: JobComplete, \
                results_from: 'jobs/{job}/results', param: locator, header: Sforce-Locator, \
                interval: 1ms }";
    let paging: Paging = serde_yaml_ng::from_str(yaml).unwrap();
    assert_whole(paging, Envelope::bare_array(), serve).await;
}

/// airbytehq/airbyte#34883: a page in the middle has a row less than the others, and the client takes it
/// for the last one.
#[tokio::test]
async fn a_page_with_a_row_less_is_the_last_one_only_where_nothing_else_is_said() {
    let serve: Serve = |asked, set| {
        let mut sheet = set.sheet((asked.number("page").unwrap() - 1) * 10, None);
        if sheet.start == 10 {
            sheet.rows.pop();
        }
        Reply::ok(&json!({ "data": sheet.rows, "has_more": sheet.more }))
    };
    let expected: Vec<u64> = (0..35).filter(|id| *id != 19).collect();
    let flagged = Envelope::items_at("data").has_next_at("has_more");
    let (read, error, _) = reading(Paging::page_number(), flagged, serve).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, expected);
    let patient = Paging::page_number().short_page_ends(false);
    let (read, error, _) = reading(patient, Envelope::items_at("data"), serve).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, expected);
}

/// stripe/stripe-python#649, stripe/stripe-dotnet#2819: rows come from the newest to the oldest, and the
/// next page begins after the oldest one.
#[tokio::test]
async fn a_keyset_follows_rows_in_descending_order() {
    let serve: Serve = |asked, set| {
        let before = asked.number("starting_after").unwrap_or(set.rows.len());
        let older: Vec<_> = set.rows[..before].iter().rev().take(10).cloned().collect();
        set.sheet(0, None);
        Reply::ok(&json!({ "has_more": before > older.len(), "data": older }))
    };
    let paging = Paging::keyset("starting_after", "id").page_size("limit", 10);
    let envelope = Envelope::items_at("data").has_next_at("has_more");
    let (read, error, requests) = reading(paging, envelope, serve).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, (0..35).rev().collect::<Vec<_>>());
    assert_eq!(requests, 4);
}

/// a11global/facebook-ads-performance-downloader#20: a job that has failed, with a status that the client
/// does not know, is polled for ever.
#[tokio::test]
async fn a_job_with_an_unknown_status_ends_in_time_and_a_known_failure_at_once() {
    let serve: Serve = |asked, _| match asked.path.as_str() {
        "/rows" => Reply::ok(&json!({ "report_run_id": 7 })),
        _ => Reply::ok(&json!({ "async_status": "Job Failed", "percent": 0 })),
    };
    let with = |more: &str| -> Paging {
        let yaml = "{ by: export, job: report_run_id, poll: 'runs/{job}', status: async_status, \
                    done: Job Completed, interval: 5ms, MORE }";
        serde_yaml_ng::from_str(&yaml.replace("MORE", more)).unwrap()
    };
    for (more, kind) in [
        ("within: 40ms", ErrorKind::DeadlineExceeded),
        ("failed: [Job Failed, Job Skipped]", ErrorKind::ApiError),
    ] {
        assert_fails(with(more), Envelope::default(), serve, kind).await;
    }
}
