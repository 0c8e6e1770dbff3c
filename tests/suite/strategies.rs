//! Every way to page, over hostile APIs: which requests it makes, which rows come of them,
//! and where it refuses to go.

use std::time::Duration;

use crate::support::{
    hostile::{Answer, Form, Hostile, HostileServer, Log, Shape, Style, Total},
    mock::{self, Pages, numbered, param, refusal},
    soon,
};
use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging,
    events::Event,
    paging::{PageRequest, PageStrategy, PageView, ReadMode},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path, query_param},
};

fn pool(api: &HostileServer) -> AwwPool {
    AwwPool::builder(api.url()).backoff_base(Duration::from_millis(1)).build().unwrap()
}

fn rows_by(api: &HostileServer, paging: Paging) -> PaginatedStream {
    PaginatedStream::get(pool(api), "/rows").paging(paging)
}

/// The same from a mock.
fn mocked(api: &MockServer, paging: Paging) -> PaginatedStream {
    let pool = AwwPool::builder(api.uri()).backoff_base(Duration::from_millis(1));
    PaginatedStream::get(pool.build().unwrap(), "/rows").paging(paging)
}

/// Reads to the end: the items before the end, and the error that was the end.
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

async fn read_all(stream: PaginatedStream) -> Vec<Value> {
    let (items, error) = read(stream).await;
    assert!(error.is_none(), "{error:?}");
    items
}

fn by_offset() -> Hostile {
    Hostile::new(95).style(Style::Offset).params("offset", "limit")
}

fn offsets(limit: u64) -> Paging {
    Paging::offset_limit("offset", "limit", limit)
}

/// A server for each strategy that chains pages, and the paging that reads it.
fn chains() -> Vec<(&'static str, Hostile, Paging)> {
    let cursor = |at| Hostile::new(95).style(Style::Cursor(at)).params("after", "limit");
    let next = |form| Hostile::new(95).style(Style::NextUrl("links.next", form));
    let link = |form| Hostile::new(95).style(Style::Link(form));
    let by_cursor = |at: &str| Paging::cursor("after", at).page_size("limit", 10);
    let by_url = Paging::next_url("links.next");
    vec![
        ("cursor", cursor("next"), by_cursor("next")),
        ("cursor in pagination", cursor("pagination.next"), by_cursor("pagination.next")),
        ("absolute URL", next(Form::Absolute), by_url.clone()),
        ("query alone", next(Form::Query), by_url.clone()),
        ("relative URL", next(Form::Relative), by_url.page_size("per_page", 7)),
        ("link", link(Form::Absolute), Paging::link_header()),
        ("relative link", link(Form::Query), Paging::link_header().page_size("per_page", 4)),
    ]
}

#[tokio::test]
async fn accept_21_cursors_next_urls_and_links_list_every_row() {
    for (name, hostile, paging) in chains() {
        let api = hostile.start();
        for prefetch in [1, 4] {
            let items = read_all(rows_by(&api, paging.clone()).prefetch(prefetch)).await;
            assert_eq!(items, api.rows(), "{name}, prefetch {prefetch}");
        }
        let pages = api.log(Log::pages);
        let unique = pages.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(pages.len(), 2 * unique, "{name}: {pages:?}");
    }
}

#[tokio::test]
async fn accept_21_a_next_page_elsewhere_is_refused_and_nothing_is_sent_there() {
    let other = Hostile::new(95).style(Style::Link(Form::Absolute)).start();
    for style in [Style::Link(Form::At(other.url())), Style::NextUrl("next", Form::At(other.url()))]
    {
        let paging = match style {
            Style::Link(_) => Paging::link_header(),
            _ => Paging::next_url("next"),
        };
        let api = Hostile::new(95).style(style).start();
        // A port more or a path that it is not below is not what was allowed.
        let allowed = paging.clone().allow_origin(format!("{}/exports", other.url()));
        for paging in [paging, allowed.allow_origin("http://127.0.0.1")] {
            let (items, error) = read(rows_by(&api, paging)).await;
            let error = error.expect("an error");
            assert_eq!((error.kind(), error.page()), (ErrorKind::ForeignOrigin, Some(2)));
            assert!(error.to_string().contains("allow_origin"), "{error}");
            assert_eq!(items, api.rows()[..10]);
        }
    }
    assert_eq!(other.log(|log| log.connections), 0);
}

#[tokio::test]
async fn pages_elsewhere_take_nothing_from_the_limit_of_a_token() {
    let other = Hostile::new(95).style(Style::Link(Form::Absolute)).start();
    let api = Hostile::new(95).style(Style::Link(Form::At(other.url()))).start();
    // The next permit is there after three hours.
    let pool = AwwPool::builder(api.url()).rate_limit_per_token("0.0001".parse().unwrap());
    let acquire = async || Ok::<_, std::io::Error>("token");
    let pool = pool.with_auth_callback(1, acquire, |request, _| request).build().unwrap();
    let paging = Paging::link_header().allow_origin(other.url());
    assert_eq!(read_all(PaginatedStream::get(&pool, "/rows").paging(paging)).await, api.rows());
}

#[tokio::test]
async fn accept_21_a_next_page_that_is_allowed_by_name_goes_without_credentials() {
    let other = Hostile::new(95).style(Style::Link(Form::Absolute)).start();
    let api = Hostile::new(95).style(Style::Link(Form::At(other.url()))).start();
    let pool = AwwPool::builder(api.url())
        .default_header("x-api-key", "canary")
        .default_header("cookie", "canary=1")
        .default_header("user-agent", "reader")
        .default_header("accept", "application/json")
        .with_auth_callback(
            1,
            async || Ok::<_, std::io::Error>("canary"),
            |request, token| request.header("authorization", token).unwrap(),
        )
        .build()
        .unwrap();
    let paging = Paging::link_header().allow_origin(other.url());
    let items = read_all(PaginatedStream::get(&pool, "/rows").paging(paging)).await;
    assert_eq!(items, api.rows());
    let own = api.log(|log| log.seen.clone());
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].header("x-api-key"), Some("canary"));
    assert_eq!(own[0].header("authorization"), Some("canary"));
    let elsewhere = other.log(|log| log.seen.clone());
    assert_eq!(elsewhere.len(), 9);
    for seen in elsewhere {
        assert!(seen.headers.iter().all(|(_, value)| !value.contains("canary")), "{seen:?}");
        assert_eq!(
            (seen.header("user-agent"), seen.header("accept")),
            (Some("reader"), Some("application/json"))
        );
    }
}

#[tokio::test]
async fn accept_21_the_next_page_is_asked_for_when_a_page_arrives_and_no_further_than_the_prefetch()
{
    let (_, hostile, paging) = chains().swap_remove(0);
    let api = hostile.start();
    let mut stream = rows_by(&api, paging).prefetch(3);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    api.wait_for("the window is full", |log| log.pages().len() == 3 && log.in_flight == 0).await;
    for _ in 1..10 {
        stream.next().await.unwrap().unwrap();
    }
    assert_eq!(api.log(|log| (log.pages().len(), log.max_in_flight)), (3, 1));
}

#[tokio::test]
async fn accept_23_an_api_that_does_not_page_gets_no_parameters() {
    let api = mock::server().await;
    let rows = Mock::given(path("/rows")).respond_with(Pages(numbered(0..10)));
    rows.expect(1).mount(&api).await;
    assert_eq!(read_all(mocked(&api, Paging::none())).await, numbered(0..10));
    assert_eq!(mock::last(&api).await.url.query(), None);
}

#[tokio::test]
async fn accept_09_dropping_a_read_by_cursors_cancels_its_page_and_asks_for_no_more() {
    let (_, hostile, paging) = chains().swap_remove(0);
    let api = hostile.closed().start();
    (1..=2).for_each(|page| api.open(page));
    let mut stream = rows_by(&api, paging).prefetch(4);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    api.wait_for("the third page under way", |log| log.pages().len() == 3).await;
    drop(stream);
    api.wait_for("the aborted page", |log| log.aborted == 1 && log.in_flight == 0).await;
    api.open_all();
    assert_eq!(api.log(Log::pages), [1, 2, 3]);
}

#[tokio::test]
async fn accept_11_an_error_comes_after_the_rows_before_it_and_ends_the_read() {
    let mut cases = chains();
    cases.push(("offsets", by_offset(), offsets(10)));
    for (name, hostile, paging) in cases {
        let api = hostile.on_page(4, Answer::Status(400)).start();
        let mut stream = rows_by(&api, paging).prefetch(5);
        let mut items = Vec::new();
        let error = soon("the error", async {
            loop {
                match stream.next().await.expect("no end before the error") {
                    Ok(item) => items.push(item),
                    Err(error) => return error,
                }
            }
        })
        .await;
        assert_eq!((error.page(), error.kind()), (Some(4), ErrorKind::Status), "{name}");
        assert_eq!(items, api.rows()[..items.len()], "{name}");
        assert!([3 * 4, 3 * 7, 3 * 10].contains(&items.len()), "{name}: {}", items.len());
        assert!(stream.next().await.is_none(), "{name}: something followed the error");
    }
}

#[tokio::test]
async fn accept_12_an_empty_page_in_the_middle_ends_nothing_and_its_rows_are_missed() {
    let mut cases = chains();
    cases.retain(|(name, ..)| !name.contains("rel"));
    cases.push(("offsets", by_offset(), offsets(10)));
    for (name, hostile, paging) in cases {
        let api = hostile.on_page(4, Answer::NoRows).start();
        let mut expected = api.rows();
        expected.drain(30..40);
        let (items, error) = read(rows_by(&api, paging.clone()).prefetch(3)).await;
        assert_eq!((items, error.unwrap().kind()), (expected.clone(), ErrorKind::Incomplete));
        let lenient = paging.totals_are_estimates(true);
        assert_eq!(read_all(rows_by(&api, lenient).prefetch(3)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn accept_14_a_next_page_that_was_there_before_is_a_loop() {
    for (name, hostile, paging) in chains().into_iter().filter(|(name, ..)| !name.contains("rel")) {
        let api = hostile.leads_back(5, 2).start();
        let (items, error) = read(rows_by(&api, paging).prefetch(4)).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::PageLoop, "{name}");
        assert_eq!(items, api.rows()[..50], "{name}");
        // It could be another page by now, so it is looked at.
        assert_eq!(api.log(Log::pages), [1, 2, 3, 4, 5, 2], "{name}");
    }
}

#[tokio::test]
async fn accept_14_a_server_that_ignores_the_cursor_is_a_loop() {
    let body = json!({ "data": numbered(0..10), "next": "c10" });
    let api = mock::answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let (items, error) = read(mocked(&api, Paging::cursor("after", "next"))).await;
    assert_eq!((items.len(), error.unwrap().kind()), (10, ErrorKind::PageLoop));
}

#[tokio::test]
async fn accept_16_offset_paging_sends_offsets_verbatim() {
    let api = mock::server().await;
    for offset in (0..95).step_by(10) {
        let body =
            json!({ "data": numbered(offset..95.min(offset + 10)), "pagination": { "total": 95 } });
        Mock::given(path("/rows"))
            .and(query_param("offset", offset.to_string()))
            .and(query_param("limit", "10"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .expect(1)
            .mount(&api)
            .await;
    }
    assert_eq!(read_all(mocked(&api, offsets(10)).prefetch(1)).await, numbered(0..95));
    let requests = mock::received(&api).await;
    let sent: Vec<_> = requests.iter().filter_map(|request| param(request, "offset")).collect();
    assert_eq!(sent, (0..10).map(|page| (page * 10).to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn accept_18_a_capped_limit_changes_the_stride_without_gap_or_doubled_rows() {
    for hostile in [
        by_offset(),
        by_offset().total(Total::Absent),
        by_offset().without_pagination(),
        by_offset().claims_page_size(100),
        by_offset().not_found_past_end(),
    ] {
        let api = hostile.page_size(5, 20).start();
        for prefetch in [1, 6] {
            let paging = offsets(100).not_found_ends(true);
            let items = read_all(rows_by(&api, paging).prefetch(prefetch)).await;
            assert_eq!(items, api.rows(), "prefetch {prefetch}");
        }
    }
}

#[tokio::test]
async fn accept_18_pages_of_changing_length_are_read_without_gap_or_doubled_rows() {
    for total in [Total::InPagination, Total::Absent, Total::InContentRange("items")] {
        let api = by_offset().total(total).uneven(|row| 3 + row * row % 11).start();
        for prefetch in [1, 6] {
            let envelope = match total {
                Total::InContentRange(_) => Envelope::default().total_in_header("content-range"),
                _ => Envelope::default(),
            };
            let stream = rows_by(&api, offsets(10)).prefetch(prefetch).envelope(envelope);
            assert_eq!(read_all(stream).await, api.rows(), "{total:?}, prefetch {prefetch}");
        }
    }
}

#[tokio::test]
async fn accept_18_numbered_pages_that_are_capped_are_read_whole_whatever_size_is_claimed() {
    for claimed in [None, Some(100)] {
        let mut hostile = Hostile::new(95).page_size(5, 20);
        if let Some(size) = claimed {
            hostile = hostile.claims_page_size(size);
        }
        let api = hostile.start();
        let paging = Paging::page_number().page_size("per_page", 100);
        assert_eq!(read_all(rows_by(&api, paging)).await, api.rows(), "{claimed:?}");
        assert_eq!(api.log(|log| log.pages().len()), 5, "{claimed:?}");
    }
}

#[tokio::test]
async fn accept_10_offsets_are_fetched_in_parallel_once_the_total_is_known() {
    let api = by_offset().delay(|page| Duration::from_millis(page % 3 * 5)).closed().start();
    api.open(1);
    let rows = read_all(rows_by(&api, offsets(10)).prefetch(5));
    let (rows, ()) = tokio::join!(rows, api.open_all_at("five pages at once", 5));
    assert_eq!(rows, api.rows());
    assert_eq!(api.log(|log| log.max_in_flight), 5);
    let mut pages = api.log(Log::pages);
    pages.sort_unstable();
    assert_eq!(pages, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn accept_24_the_total_is_found_wherever_it_stands() {
    let bare = || Hostile::new(95).shape(Shape::Bare);
    for (hostile, envelope) in [
        (
            Hostile::new(95).total(Total::At("pagination.count")),
            Envelope::default().total_at("pagination.count"),
        ),
        (
            bare().total(Total::InContentRange("items")),
            Envelope::bare_array().total_in_header("Content-Range"),
        ),
        (
            bare().total(Total::InHeader("x-total-count")),
            Envelope::bare_array().total_in_header("X-Total-Count"),
        ),
    ] {
        let api = hostile.start();
        let stream = PaginatedStream::get(pool(&api), "/rows").envelope(envelope).prefetch(20);
        assert_eq!(read_all(stream).await, api.rows());
        let mut pages = api.log(Log::pages);
        pages.sort_unstable();
        assert_eq!(pages, (1..=10).collect::<Vec<_>>(), "no page past the total");
    }
}

/// One read for each combination of a strategy, a way to tell the end, and a mode.
#[tokio::test]
async fn every_strategy_in_every_mode_reads_every_row_in_order() {
    let modes =
        [ReadMode::Parallel, ReadMode::Overlap, ReadMode::Sequential, ReadMode::DedicatedThread];
    let mut cases = chains();
    cases.push(("numbers", Hostile::new(95), Paging::page_number()));
    cases.push(("offsets", by_offset(), offsets(25)));
    for (name, hostile, paging) in cases {
        let api = hostile.start();
        for (mode, prefetch) in modes.into_iter().zip([4, 3, 2, 5]) {
            let stream = rows_by(&api, paging.clone()).mode(mode).prefetch(prefetch);
            assert_eq!(read_all(stream).await, api.rows(), "{name}, {mode:?}");
        }
    }
}

/// Sets, sizes, caps, strategies, totals and modes at random; each case is named by its seed.
#[tokio::test]
async fn a_set_of_any_size_is_read_once_and_in_order_by_any_strategy() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (rows, asked) = (random.u64(0..120), random.u64(1..30));
        let (size, cap) = (random.u64(1..30), random.u64(1..30));
        let mut api = Hostile::new(rows).page_size(size.min(cap), cap).params("at", "size");
        match random.u8(0..4) {
            0 => api = api.total(Total::Absent),
            1 => api = api.without_pagination(),
            2 => api = api.claims_page_size(asked),
            _ => {}
        }
        if random.bool() {
            api = api.not_found_past_end();
        }
        let (style, paging) = match random.u8(0..5) {
            0 => (Style::Numbered, Paging::page_number().page_param("at")),
            1 => (Style::Offset, Paging::offset_limit("at", "size", asked)),
            2 => (Style::Cursor("links.next"), Paging::cursor("at", "links.next")),
            3 => (Style::NextUrl("links.next", Form::Query), Paging::next_url("links.next")),
            _ => (Style::Link(Form::Absolute), Paging::link_header()),
        };
        if !matches!(style, Style::Numbered | Style::Offset) {
            let (least, spread) = (random.u64(1..9), random.u64(1..9));
            api = api.uneven(move |row| least + row % spread);
        }
        let api = api.style(style.clone()).start();
        let mode = random
            .choice([ReadMode::Parallel, ReadMode::Overlap, ReadMode::Sequential])
            .unwrap_or_default();
        let paging = paging.page_size("size", asked).not_found_ends(true);
        let stream = rows_by(&api, paging).mode(mode).prefetch(random.usize(1..8));
        assert_eq!(read_all(stream).await, api.rows(), "seed {seed}: {style:?}, {mode:?}");
    }
}

/// Calls after each other: whatever the pool was about to send has arrived before them.
async fn barrier(pool: &AwwPool) {
    for _ in 0..5 {
        soon("an answer", pool.get("/elsewhere")).await.unwrap_err();
    }
}

#[tokio::test]
async fn overlap_has_one_request_under_way_and_runs_ahead_as_far_as_the_prefetch() {
    let api = Hostile::new(95).closed().start();
    api.open(1);
    let pool = pool(&api);
    let mut stream = PaginatedStream::get(&pool, "/rows").mode(ReadMode::Overlap).prefetch(3);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    api.wait_for("the second page under way", |log| log.pages().len() == 2).await;
    barrier(&pool).await;
    assert_eq!(api.log(Log::pages), [1, 2]);
    api.open_all();
    api.wait_for("the window is full", |log| log.pages().len() == 3 && log.in_flight == 0).await;
    barrier(&pool).await;
    assert_eq!(api.log(Log::pages), [1, 2, 3]);
    assert_eq!(read_all(stream).await, api.rows()[1..]);
}

#[tokio::test]
async fn sequential_asks_for_a_page_when_the_one_before_it_is_consumed() {
    for (name, hostile, paging) in
        [("numbers", Hostile::new(95), Paging::page_number()), chains().swap_remove(0)]
    {
        let api = hostile.start();
        let pool = pool(&api);
        let stream = PaginatedStream::get(&pool, "/rows").paging(paging);
        let mut stream = stream.mode(ReadMode::Sequential).prefetch(8);
        for taken in 0..30 {
            soon("a row", stream.next()).await.unwrap().unwrap();
            if taken % 10 == 0 {
                barrier(&pool).await;
            }
            let pages = api.log(|log| log.pages().len());
            assert_eq!(pages, taken / 10 + 1, "{name}, after {taken} rows");
        }
    }
}

/// A read of each strategy that is resumed at any row, in memory and as text, goes on with the
/// next row.
#[tokio::test]
async fn a_read_is_resumed_after_any_row_and_loses_and_doubles_none() {
    let mut cases = chains();
    cases.push(("numbers", Hostile::new(95), Paging::page_number()));
    cases.push((
        "numbers without a total",
        Hostile::new(95).without_pagination(),
        Paging::default(),
    ));
    cases.push(("offsets", by_offset(), offsets(10)));
    cases.push(("capped offsets", by_offset().page_size(4, 4), offsets(10)));
    cases.push(("custom", Hostile::new(95), Paging::custom(ByNumber)));
    for (name, hostile, paging) in cases {
        let api = hostile.start();
        let pool = pool(&api);
        let stream = || PaginatedStream::get(&pool, "/rows").paging(paging.clone());
        for taken in [0, 1, 4, 9, 10, 11, 47, 90, 94, 95] {
            let mut first = stream();
            for _ in 0..taken {
                soon("a row", first.next()).await.unwrap().unwrap();
            }
            let token = first.resume_token();
            drop(first);
            let text = token.to_text();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert_eq!(text.parse::<vantage_api_pool::paging::ResumeToken>().unwrap(), token);
            let kept = serde_json::to_string(&token).unwrap();
            assert_eq!(
                serde_json::from_str::<vantage_api_pool::paging::ResumeToken>(&kept).unwrap(),
                token
            );
            // And once more before anything was read.
            let again = stream().resume_from(token).resume_token();
            let rest = read_all(stream().resume_from(again)).await;
            assert_eq!(rest, api.rows()[taken..], "{name}, after {taken} rows");
        }
    }
}

#[tokio::test]
async fn a_read_that_has_ended_is_resumed_as_an_empty_one_that_asks_for_nothing() {
    let api = mock::serving(25).await;
    let mut stream = mocked(&api, Paging::default());
    soon("the end", async { while stream.next().await.is_some() {} }).await;
    let token = stream.resume_token();
    assert!(token.is_end());
    assert!(read_all(mocked(&api, Paging::default()).resume_from(token)).await.is_empty());
    assert_eq!(mock::count(&api).await, 3);
}

#[tokio::test]
async fn a_read_that_failed_is_resumed_with_the_page_that_failed() {
    let api = mock::server().await;
    Mock::given(query_param("page", "4"))
        .respond_with(refusal(400))
        .up_to_n_times(1)
        .expect(1)
        .mount(&api)
        .await;
    Mock::given(path("/rows")).respond_with(Pages(numbered(0..95))).mount(&api).await;
    let mut stream = mocked(&api, Paging::default());
    let error = soon("the error", async {
        loop {
            if let Some(Err(error)) = stream.next().await {
                return error;
            }
        }
    })
    .await;
    assert_eq!(error.page(), Some(4));
    let token = stream.resume_token();
    let rest = read_all(mocked(&api, Paging::default()).resume_from(token)).await;
    assert_eq!(rest, numbered(30..95));
}

#[tokio::test]
async fn a_token_of_another_paging_is_refused_and_no_token_shows_where_it_leads() {
    let api = Hostile::new(95).style(Style::NextUrl("next", Form::Absolute)).start();
    let mut stream = rows_by(&api, Paging::next_url("next"));
    for _ in 0..11 {
        soon("a row", stream.next()).await.unwrap().unwrap();
    }
    let token = stream.resume_token();
    assert!(!format!("{token:?} {stream:?}").contains("http"), "{token:?}");
    for paging in [Paging::page_number(), offsets(10), Paging::cursor("a", "b"), Paging::none()] {
        let (items, error) = read(rows_by(&api, paging).resume_from(token.clone())).await;
        assert_eq!((items.len(), error.unwrap().kind()), (0, ErrorKind::Config));
    }
    for text in ["", "x", "e30", "%%%"] {
        let error = text.parse::<vantage_api_pool::paging::ResumeToken>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn accept_66_each_page_is_told_with_its_rows() {
    for (name, hostile, paging) in [
        ("numbers", Hostile::new(25), Paging::page_number()),
        ("offsets", by_offset(), offsets(40)),
    ] {
        let api = hostile.start();
        let pool = pool(&api);
        let mut events = pool.events();
        let items = read_all(PaginatedStream::get(&pool, "/rows").paging(paging)).await;
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Event::PageRead { page, rows, .. } = event {
                told.push((page, rows));
            }
        }
        let pages: Vec<_> = told.iter().map(|(page, _)| *page).collect();
        assert_eq!(pages, (1..=pages.len() as u64).collect::<Vec<_>>(), "{name}");
        let rows: u64 = told.iter().map(|(_, rows)| rows).sum();
        assert_eq!(rows, items.len() as u64, "{name}");
    }
}

/// Asks for numbered pages until one is short.
struct ByNumber;

impl PageStrategy for ByNumber {
    fn first(&self) -> PageRequest {
        PageRequest::new().param("page", "1")
    }

    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        assert!(page.headers().contains_key("content-type"));
        let body: Value = page.json()?;
        assert_eq!(body["data"].as_array().map(Vec::len), Some(page.rows()));
        let request = PageRequest::to("/rows").param("page", (page.index() + 2).to_string());
        Ok((page.rows() == 10).then_some(request))
    }
}

#[tokio::test]
async fn a_custom_strategy_says_what_to_ask_for() {
    let api = mock::serving(95).await;
    assert_eq!(read_all(mocked(&api, Paging::custom(ByNumber))).await, numbered(0..95));
    let requests = mock::received(&api).await;
    let sent: Vec<_> = requests.iter().map(|request| request.url.query().unwrap()).collect();
    assert_eq!(sent, (1..=10).map(|page| format!("page={page}")).collect::<Vec<_>>());
}

/// Fails, or panics, after the second page.
struct Breaks {
    panics: bool,
}

impl PageStrategy for Breaks {
    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        match page.index() {
            0 => Ok(Some(PageRequest::new().param("page", "2"))),
            _ if self.panics => panic!("a strategy that does not want to go on"),
            _ => Err("no".into()),
        }
    }
}

#[tokio::test]
async fn a_custom_strategy_that_fails_or_panics_ends_the_read_with_its_error() {
    let api = mock::serving(95).await;
    for (panics, kind) in [(false, ErrorKind::Decode), (true, ErrorKind::Callback)] {
        let (items, error) = read(mocked(&api, Paging::custom(Breaks { panics }))).await;
        let error = error.unwrap();
        assert_eq!((error.kind(), error.page()), (kind, Some(2)));
        assert_eq!(items, numbered(0..10));
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_before_anything_is_sent() {
    let api = Hostile::new(95).start();
    for (paging, what) in [
        (offsets(0), "page_size"),
        (Paging::none().page_size("n", 5), "page_size"),
        (Paging::custom(ByNumber).page_size("n", 5), "page_size"),
        (offsets(5).first_page(0), "first_page"),
        (Paging::page_number().page_param(""), "paging"),
        (Paging::page_number().page_size("page", 5), "paging"),
        (Paging::cursor("after", ""), "paging"),
        (Paging::link_header().page_param("page"), "page_param"),
        (Paging::next_url("next").page_size("", 5), "page_size"),
        (Paging::page_number().allow_origin("https://other.example"), "allow_origin"),
        (Paging::link_header().allow_origin("other.example"), "allow_origin"),
        (Paging::link_header().allow_origin("https://a:canary@other.example"), "allow_origin"),
    ] {
        let (_, error) = read(rows_by(&api, paging.clone())).await;
        let error = error.unwrap_or_else(|| panic!("{paging:?} was accepted"));
        assert_eq!(error.kind(), ErrorKind::Config, "{paging:?}");
        assert!(error.to_string().contains(what), "{paging:?}: {error}");
        assert!(!format!("{paging:?} {error} {error:?}").contains("canary"), "{paging:?}");
    }
    assert_eq!(api.log(|log| log.connections), 0);
}

#[tokio::test]
async fn a_flag_at_a_place_of_its_own_ends_a_read_by_cursors() {
    let body = |ids: [u64; 2], has_more: bool| {
        let body = json!({ "data": ids, "has_more": has_more, "next": "again" });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let api = mock::server().await;
    let again = Mock::given(query_param("after", "again"));
    again.respond_with(body([3, 4], false)).expect(1).mount(&api).await;
    Mock::given(any()).respond_with(body([1, 2], true)).expect(1).mount(&api).await;
    let stream = mocked(&api, Paging::cursor("after", "next"))
        .envelope(Envelope::default().has_next_at("has_more"));
    assert_eq!(read_all(stream).await, [1, 2, 3, 4].map(Value::from));
}
