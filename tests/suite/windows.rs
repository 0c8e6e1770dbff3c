//! Sets that are read in windows of time: whatever the bounds, the cap and the order of the API, each
//! row comes once, or the read says which window it cannot read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    paging::{MomentFormat, ReadMode, ResumeToken, WindowBounds, Windows},
    vantage::{ApiTable, PoolTableExt},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, param},
    soon,
};

/// What an API does with its windows.
#[derive(Clone)]
struct Habits {
    bounds: WindowBounds,
    format: MomentFormat,
    /// It returns so many rows of a window at most, and refuses requests beyond.
    cap: usize,
    has_total: bool,
    is_in_order: bool,
}

/// The moment of a row: seconds after the beginning of 2024.
type At = i64;

const BEGIN: i64 = 1_704_067_200;

fn text(at: At) -> String {
    let (day, rest) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    assert!((0..31).contains(&day));
    format!("2024-01-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

/// The bound that a parameter says, in seconds; a day as an end is the whole day.
fn bound(request: &Request, name: &str, format: MomentFormat) -> Option<At> {
    let text = param(request, name)?;
    Some(match format {
        MomentFormat::Unix => text.parse::<i64>().unwrap() - BEGIN,
        MomentFormat::Date => (text[8..10].parse::<i64>().unwrap() - 1) * 86_400,
        _ => {
            let number = |at: usize| text[at..at + 2].parse::<i64>().unwrap();
            let day = match &text[..7] {
                "2024-01" => number(8) - 1,
                "2023-12" => number(8) - 32,
                _ => 100_000,
            };
            (day * 24 + number(11)) * 3600 + number(14) * 60 + number(17)
        }
    })
}

fn rows(of: &[At]) -> Vec<Value> {
    of.iter().enumerate().map(|(id, at)| json!({ "id": id, "at": text(*at) })).collect()
}

impl Habits {
    fn new(bounds: WindowBounds) -> Self {
        let format = MomentFormat::Rfc3339;
        Self { bounds, format, cap: usize::MAX, has_total: true, is_in_order: true }
    }

    fn answer(&self, request: &Request, of: &[At]) -> ResponseTemplate {
        let from = bound(request, "since", self.format);
        let to = bound(request, "until", self.format);
        let day = if self.format == MomentFormat::Date { 86_400 } else { 1 };
        let is_in = |at: At| {
            let at = at / day * day;
            let (after, before) = match self.bounds {
                WindowBounds::Start => {
                    (from.is_none_or(|from| at >= from), to.is_none_or(|to| at < to))
                }
                WindowBounds::Both => {
                    (from.is_none_or(|from| at >= from), to.is_none_or(|to| at <= to))
                }
                WindowBounds::End => {
                    (from.is_none_or(|from| at > from), to.is_none_or(|to| at <= to))
                }
                _ => (from.is_none_or(|from| at > from), to.is_none_or(|to| at < to)),
            };
            after && before
        };
        let mut found: Vec<(i64, Value)> = of.iter().copied().zip(rows(of)).collect();
        found.retain(|(at, _)| is_in(*at));
        found.sort_by_key(|(at, _)| *at);
        if !self.is_in_order {
            found.reverse();
        }
        let number = |name: &str| param(request, name).map(|text| text.parse::<usize>().unwrap());
        let (start, size) = (number("offset").unwrap_or(0), number("limit").unwrap());
        if start + size > self.cap {
            return mock::refusal(400);
        }
        let page: Vec<_> = found.iter().skip(start).take(size).map(|(_, row)| row).collect();
        let mut body = json!({ "data": page });
        if self.has_total {
            body["total"] = found.len().into();
        }
        ResponseTemplate::new(200).set_body_json(body)
    }

    async fn serve(&self, of: &[At]) -> MockServer {
        let (habits, of) = (self.clone(), of.to_vec());
        mock::answering(move |request: &Request| habits.answer(request, &of)).await
    }

    fn windows(&self, step: u64) -> Windows {
        let windows = Windows::new("since", "until", Duration::from_secs(step));
        let windows = windows.bounds(self.bounds).format(self.format);
        match self.format {
            MomentFormat::Unix => windows.start(BEGIN.to_string()),
            MomentFormat::Date => windows.start("2024-01-01").end("2024-01-31"),
            _ => windows.start("2024-01-01T00:00:00Z").end("2024-01-31T00:00:00Z"),
        }
    }

    fn paging(&self, size: u64, windows: Windows) -> Paging {
        let paging = Paging::offset_limit("offset", "limit", size).windows(windows);
        if self.cap < usize::MAX { paging.row_cap(self.cap as u64) } else { paging }
    }
}

fn stream(server: &MockServer, paging: Paging) -> PaginatedStream {
    let pool = AwwPool::builder(server.uri()).signing_key([7; 32]).build().unwrap();
    let envelope = Envelope::default().total_at("total");
    PaginatedStream::get(pool, "/rows").paging(paging).envelope(envelope)
}

async fn read(mut rows: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    let mut read = Vec::new();
    while let Some(row) = soon("a row", rows.next()).await {
        match row {
            Ok(row) => read.push(row),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

async fn whole(rows: PaginatedStream) -> Vec<Value> {
    let (read, error) = read(rows).await;
    assert!(error.is_none(), "{error:?}");
    read
}

/// The rows in the order of their ids.
fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

const ALL_BOUNDS: [WindowBounds; 4] =
    [WindowBounds::Start, WindowBounds::Both, WindowBounds::End, WindowBounds::Neither];

/// dailydotdev/daily-api#4040, Human-Lambdas/human-lambdas#192, dlt-hub/dlt#1991: what is exactly on
/// a bound is in two windows or in none.
#[tokio::test]
async fn each_row_comes_once_whatever_bounds_the_api_includes() {
    let of: Vec<At> = [1, 2, 3599, 3600, 3600, 3601, 7200, 7200, 7201, 86_399, 86_400].into();
    for bounds in ALL_BOUNDS {
        for format in [MomentFormat::Rfc3339, MomentFormat::Unix] {
            let habits = Habits { format, ..Habits::new(bounds) };
            let server = habits.serve(&of).await;
            for (step, size) in [(3600, 2), (1200, 10), (86_400 * 40, 3)] {
                let end = match format {
                    MomentFormat::Unix => (BEGIN + 90_000).to_string(),
                    _ => text(90_000),
                };
                let windows = habits.windows(step).field("at").end(end);
                let paging = habits.paging(size, windows);
                let read = whole(stream(&server, paging).prefetch(4)).await;
                assert_eq!(read, rows(&of), "{bounds:?}, {format:?}, {step}, {size}");
            }
        }
    }
}

/// pnp/Microsoft365-Analytics-Insights#358, databrickslabs/lakeflow-community-connectors#176: with
/// days as bounds the last day is lost, or the days between windows come twice.
#[tokio::test]
async fn days_that_the_api_includes_at_both_ends_are_read_once_and_whole() {
    let of: Vec<At> = (0..60).map(|hours| hours * 9000).collect();
    for bounds in [WindowBounds::Start, WindowBounds::Both] {
        let habits = Habits { format: MomentFormat::Date, ..Habits::new(bounds) };
        let server = habits.serve(&of).await;
        for has_field in [true, false] {
            let windows = habits.windows(86_400 * 2);
            let windows = if has_field { windows.field("at") } else { windows };
            let read = whole(stream(&server, habits.paging(7, windows))).await;
            assert_eq!(read, rows(&of), "{bounds:?}, {has_field}");
        }
    }
}

#[tokio::test]
async fn a_window_that_reaches_the_cap_is_cut_until_all_rows_are_read() {
    let mut of: Vec<At> = (0..300).map(|n| 1 + n * n * 7 % 500_000).collect();
    of.sort_unstable();
    for bounds in ALL_BOUNDS {
        for (has_total, is_in_order) in [(true, true), (true, false), (false, true)] {
            let habits = Habits { cap: 40, has_total, is_in_order, ..Habits::new(bounds) };
            let server = habits.serve(&of).await;
            let windows = habits.windows(86_400 * 10).field("at");
            let read = whole(stream(&server, habits.paging(15, windows))).await;
            assert_eq!(sorted(read), rows(&of), "{bounds:?}, {has_total}, {is_in_order}");
        }
    }
}

#[tokio::test]
async fn ties_beyond_the_cap_are_an_error_that_names_the_window() {
    let of: Vec<At> = [vec![5; 10], vec![1000; 60], vec![2000; 3]].concat();
    for (bounds, has_total) in ALL_BOUNDS.into_iter().flat_map(|one| [(one, true), (one, false)]) {
        let habits = Habits { cap: 40, has_total, ..Habits::new(bounds) };
        let server = habits.serve(&of).await;
        let windows = habits.windows(86_400).field("at");
        let (read, error) = read(stream(&server, habits.paging(20, windows))).await;
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
        let says = error.to_string();
        let is_named =
            says.contains("2024-01-01T00:16:40Z") || says.contains("2024-01-01T00:16:39Z");
        assert!(says.contains("row_cap") && is_named, "{bounds:?}: {says}");
        assert_eq!(read[..10], rows(&of)[..10]);
    }
}

#[tokio::test]
async fn ties_beyond_a_small_cap_end_the_read_whatever_the_bounds() {
    let of: Vec<At> = [1, 10, 10, 10, 10, 10, 20].into();
    for bounds in ALL_BOUNDS {
        let habits = Habits { cap: 3, has_total: false, ..Habits::new(bounds) };
        let server = habits.serve(&of).await;
        let windows = habits.windows(86_400).field("at");
        let (_, error) = read(stream(&server, habits.paging(3, windows)).max_pages(50)).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::Incomplete, "{bounds:?}");
    }
}

/// The API selects by the days of its own zone, while its rows have moments in UTC.
#[tokio::test]
async fn days_of_another_time_zone_lose_and_double_nothing() {
    let of: Vec<At> = (10..80).map(|hours| hours * 9000).collect();
    for offset in [9 * 3600, -8 * 3600] {
        for (cap, says_total) in [(usize::MAX, true), (20, false)] {
            let all = of.clone();
            let server = mock::answering(move |request: &Request| {
                let day = |name| bound(request, name, MomentFormat::Date).unwrap() / 86_400;
                let days = day("since")..=day("until");
                let is_in = |at: At| days.contains(&(at + offset).div_euclid(86_400));
                let mut found: Vec<_> = all.iter().copied().zip(rows(&all)).collect();
                found.retain(|(at, _)| is_in(*at));
                let number =
                    |name: &str| param(request, name).map_or(0, |text| text.parse().unwrap());
                let (start, size): (usize, usize) = (number("offset"), number("limit"));
                if start + size > cap {
                    return mock::refusal(400);
                }
                let total = found.len();
                let page: Vec<_> =
                    found.into_iter().skip(start).take(size).map(|(_, row)| row).collect();
                let mut body = json!({ "data": page });
                if says_total {
                    body["total"] = total.into();
                }
                ResponseTemplate::new(200).set_body_json(body)
            })
            .await;
            let format = MomentFormat::Date;
            let habits = Habits { format, cap, ..Habits::new(WindowBounds::Both) };
            let windows = habits.windows(86_400 * 3).field("at");
            let (read, error) = read(stream(&server, habits.paging(10, windows))).await;
            match error {
                None => assert_eq!(read, rows(&of), "{offset}"),
                Some(error) => {
                    assert_eq!(error.kind(), ErrorKind::Incomplete, "{offset}: {error}");
                    assert!(!says_total && error.to_string().contains("zone"), "{error}");
                }
            }
        }
    }
}

/// No window follows the last one, so it is sent to its end.
#[tokio::test]
async fn what_is_at_the_end_of_the_last_window_is_read_without_a_field() {
    let of: Vec<At> = [0, 1, 3599, 3600, 7199, 7200].into();
    let habits = Habits::new(WindowBounds::Both);
    let server = habits.serve(&of).await;
    for step in [3600, 5000, 86_400] {
        let windows = habits.windows(step).end(text(7200));
        assert_eq!(whole(stream(&server, habits.paging(10, windows))).await, rows(&of), "{step}");
    }
}

#[tokio::test]
async fn a_bound_of_the_endpoint_itself_is_sent_as_it_is() {
    let of: Vec<At> = [4, 5, 6, 3000, 7300].into();
    for (bounds, first) in
        [(WindowBounds::Neither, 2), (WindowBounds::End, 2), (WindowBounds::Start, 1)]
    {
        let habits = Habits::new(bounds);
        let server = habits.serve(&of).await;
        let pool = AwwPool::builder(server.uri()).build().unwrap();
        let windows = habits.windows(3600).field("at").end(text(8000));
        let stream = PaginatedStream::get(pool, format!("/rows?since={}", text(5)));
        let stream = stream.envelope(Envelope::default().total_at("total"));
        let read = whole(stream.paging(habits.paging(10, windows))).await;
        assert_eq!(read, rows(&of)[first..], "{bounds:?}");
        let asked = mock::received(&server).await;
        assert_eq!(param(&asked[0], "since").unwrap(), text(5), "{bounds:?}");
    }
}

#[tokio::test]
async fn without_a_total_or_an_order_a_cut_is_refused_and_not_made_blindly() {
    let of: Vec<At> = (0..60).collect();
    let unordered = Habits {
        cap: 40,
        has_total: false,
        is_in_order: false,
        ..Habits::new(WindowBounds::Start)
    };
    let ordered = Habits { is_in_order: true, ..unordered.clone() };
    for (habits, field) in [(unordered, Some("at")), (ordered, None)] {
        let server = habits.serve(&of).await;
        let windows = habits.windows(86_400);
        let windows = if let Some(field) = field { windows.field(field) } else { windows };
        let (read, error) = read(stream(&server, habits.paging(20, windows))).await;
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
        assert!(error.to_string().contains("2024-01-01T00:00:00Z"), "{error}");
        assert_eq!(read.len(), 40);
    }
}

/// Sets, bounds, steps, caps, formats, orders and modes at random; each case is named by its seed.
#[tokio::test]
async fn any_set_in_any_windows_is_read_once_or_says_why_not() {
    for seed in 0..80 {
        let mut random = fastrand::Rng::with_seed(seed);
        let spread = [20, 2000, 500_000][random.usize(0..3)];
        let mut of: Vec<At> =
            (0..random.usize(0..120)).map(|_| 1 + random.i64(0..spread)).collect();
        of.sort_unstable();
        let cap = if random.bool() { random.usize(5..60) } else { usize::MAX };
        let habits = Habits {
            bounds: ALL_BOUNDS[random.usize(0..4)],
            format: MomentFormat::Rfc3339,
            cap,
            has_total: random.bool(),
            is_in_order: random.bool(),
        };
        let server = habits.serve(&of).await;
        let step = [spread / 15 + 1, spread * 3][random.usize(0..2)] as u64;
        let windows = habits.windows(step).field("at").end(text(spread + 10));
        let paging = habits.paging(random.u64(1..20), windows);
        let mode =
            [ReadMode::Parallel, ReadMode::Overlap, ReadMode::Sequential][random.usize(0..3)];
        let stream = stream(&server, paging).mode(mode).prefetch(random.usize(1..6));
        let (read, error) = read(stream).await;
        let what = format!("seed {seed}: {:?}, {cap}, {mode:?}", habits.bounds);
        match error {
            None => assert_eq!(sorted(read), rows(&of), "{what}"),
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Incomplete, "{what}: {error}");
                assert!(
                    cap < usize::MAX && error.to_string().contains("row_cap"),
                    "{what}: {error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_read_in_windows_resumes_after_any_row() {
    let of: Vec<At> = (0..45).map(|n| n / 3 * 1200).collect();
    for (bounds, cap, has_total) in [
        (WindowBounds::Start, usize::MAX, true),
        (WindowBounds::Both, usize::MAX, true),
        (WindowBounds::Both, 11, true),
        (WindowBounds::Start, 11, false),
    ] {
        let habits = Habits { cap, has_total, ..Habits::new(bounds) };
        let server = habits.serve(&of).await;
        let begin = || {
            let windows = habits.windows(7200).field("at").end("2024-01-01T08:00:00Z");
            stream(&server, habits.paging(4, windows))
        };
        let mut begun = begin();
        for taken in 0..=of.len() {
            let token: ResumeToken = begun.resume_token().to_text().parse().unwrap();
            let rest = whole(begin().resume_from(token)).await;
            assert_eq!(rest, rows(&of)[taken..], "{bounds:?}, {cap}, after {taken}");
            let next = soon("a row", begun.next()).await;
            assert_eq!(next.is_some(), taken < of.len(), "{bounds:?}");
        }
    }
}

#[tokio::test]
async fn pages_of_windows_have_tokens_after_them() {
    have_tokens_after_them((0..45).map(|n| n * 600).collect()).await;
    // Pages end between rows that share the bound of a window.
    have_tokens_after_them((0..45).map(|n| n / 3 * 1200).collect()).await;
}

async fn have_tokens_after_them(of: Vec<At>) {
    let habits = Habits::new(WindowBounds::Both);
    let server = habits.serve(&of).await;
    let begin = || {
        let windows = habits.windows(7200).field("at").end("2024-01-01T08:00:00Z");
        stream(&server, habits.paging(4, windows))
    };
    let mut pages = begin().pages();
    let mut taken = 0;
    while let Some(page) = soon("a page", pages.next()).await {
        let page = page.unwrap();
        let token = page.resume_token();
        let mut rows_of_page: Vec<Value> = Vec::new();
        for row in page {
            rows_of_page.push(row.unwrap());
        }
        assert_eq!(rows_of_page, rows(&of)[taken..taken + rows_of_page.len()]);
        taken += rows_of_page.len();
        assert_eq!(whole(begin().resume_from(token)).await, rows(&of)[taken..]);
    }
    assert_eq!(taken, of.len());
}

#[tokio::test]
async fn parameters_without_effect_are_told_and_nothing_is_read_twice() {
    let of: Vec<At> = (0..8).map(|n| n * 3600).collect();
    let all = rows(&of);
    let server = mock::answering(move |_: &Request| {
        ResponseTemplate::new(200).set_body_json(json!({ "data": all, "total": 8 }))
    })
    .await;
    let habits = Habits::new(WindowBounds::Start);
    let windows = || habits.windows(7200);
    let (rows_read, error) = read(stream(&server, habits.paging(10, windows()))).await;
    let error = error.unwrap();
    assert_eq!((rows_read.len(), error.kind()), (8, ErrorKind::PageLoop), "{error}");
    assert!(error.to_string().contains("`since`"), "{error}");
    let by_field = windows().field("at");
    let (rows_read, error) = read(stream(&server, habits.paging(10, by_field))).await;
    let error = error.unwrap();
    assert_eq!((rows_read.len(), error.kind()), (0, ErrorKind::PaginationMissing), "{error}");
    let nameless = windows().field("when");
    let (_, error) = read(stream(&server, habits.paging(10, nameless))).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    assert!(error.to_string().contains("`when`"), "{error}");
}

#[tokio::test]
async fn an_open_end_sends_none_with_the_last_window() {
    let of: Vec<At> = (0..40).map(|n| n * 50_000).collect();
    let habits = Habits { cap: 30, ..Habits::new(WindowBounds::Start) };
    let server = habits.serve(&of).await;
    let windows = habits.windows(86_400 * 20_000).field("at").end("open");
    let read = whole(stream(&server, habits.paging(10, windows))).await;
    assert_eq!(read, rows(&of));
    let asked = mock::received(&server).await;
    assert!(asked.first().is_some_and(|first| param(first, "until").is_none()));
    assert!(asked.last().is_some_and(|last| param(last, "until").is_none()));
    assert!(asked.iter().any(|request| param(request, "until").is_some()));
}

#[tokio::test]
async fn a_read_in_windows_that_is_dropped_asks_for_no_more_and_limits_hold() {
    let of: Vec<At> = (0..400).map(|n| n * 600).collect();
    let habits = Habits::new(WindowBounds::Start);
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, own, set) = (Arc::clone(&asked), habits.clone(), of.clone());
    let server = mock::answering(move |request: &Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        own.answer(request, &set)
    })
    .await;
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let paging = habits.paging(10, habits.windows(12_000).field("at"));
    let rows_of = || {
        let envelope = Envelope::default().total_at("total");
        PaginatedStream::get(&pool, "/rows").paging(paging.clone()).envelope(envelope)
    };
    let (read_rows, error) = read(rows_of().max_rows(33)).await;
    assert_eq!(
        (read_rows, error.unwrap().kind()),
        (rows(&of)[..33].to_vec(), ErrorKind::SetTooLarge)
    );
    let (read_rows, error) = read(rows_of().max_pages(5)).await;
    assert_eq!((read_rows.len(), error.unwrap().kind()), (50, ErrorKind::SetTooLarge));
    let before = asked.load(Ordering::SeqCst);
    let mut dropped = rows_of().prefetch(2);
    soon("a row", dropped.next()).await.unwrap().unwrap();
    drop(dropped);
    let ended = soon("the end", pool.shutdown(Duration::from_secs(60))).await;
    assert!(asked.load(Ordering::SeqCst) - before <= 4, "{ended:?}");
}

/// From the YAML alone: a table in windows is counted by reading it, and a condition moves the start.
#[tokio::test]
async fn a_table_is_read_in_windows_from_where_a_condition_says() {
    let of: Vec<At> = (0..50).map(|n| n * 3600).collect();
    let habits = Habits { cap: 9, ..Habits::new(WindowBounds::Both) };
    let server = habits.serve(&of).await;
    let settings: ApiTable = serde_yaml_ng::from_str(
        "{ envelope: { items: data, total: total }, paging: { by: offset, \
         param: offset, size_param: limit, size: 4, row_cap: 9, windows: { from: since, to: until, \
         field: at, step: 1d, start: 2024-01-01T00:00:00Z, end: 2024-01-10, bounds: '[]' } } }",
    )
    .unwrap();
    let written = serde_json::to_string(&settings).unwrap();
    let settings: ApiTable = serde_json::from_str(&written).unwrap();
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let api = PoolApi::new(pool).table("rows", settings);
    let table = || Table::<PoolApi, EmptyEntity>::new("rows", api.clone()).with_id_column("id");
    assert_eq!(soon("the rows", table().list_values()).await.unwrap().len(), 50);
    assert_eq!(soon("the count", table().get_count()).await.unwrap(), 50);
    let later = Table::<PoolApi, EmptyEntity>::new("rows?since=2024-01-02T00:00:00Z", api.clone());
    let later = later.with_id_column("id");
    assert_eq!(soon("the rows", later.list_values()).await.unwrap().len(), 26);
}

#[test]
fn windows_that_contradict_themselves_are_refused_by_name() {
    let day = Duration::from_secs(86_400);
    let good = || Windows::new("since", "until", day).start("2024-01-01T00:00:00Z");
    for (windows, name) in [
        (Windows::new("since", "since", day), "`to`"),
        (Windows::new("offset", "until", day), "one parameter"),
        (Windows::new("since", "until", Duration::from_millis(1)), "`step`"),
        (good().granularity(Duration::from_millis(1)), "`granularity`"),
        (good().start("soon"), "`start`"),
        (good().end("2023-01-01T00:00:00Z"), "`end`"),
        (good().field(""), "`field`"),
        (Windows::new("since", "until", day * 5 / 2).format(MomentFormat::Date), "days"),
    ] {
        let settings =
            ApiTable::new().paging(Paging::offset_limit("offset", "limit", 5).windows(windows));
        let error = settings.check_paging().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
    let unknown = "{ paging: { by: none, windows: { from: a, to: b, step: 1d, size: 1 } } }";
    let error = serde_yaml_ng::from_str::<ApiTable>(unknown).unwrap_err();
    assert!(error.to_string().contains("size"), "{error}");
}

#[tokio::test]
async fn windows_without_a_start_send_nothing() {
    let habits = Habits::new(WindowBounds::Start);
    let server = habits.serve(&[]).await;
    let windows = Windows::new("since", "until", Duration::from_secs(86_400));
    let (_, error) = read(stream(&server, habits.paging(10, windows))).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("`start`") && error.to_string().contains("`since`"),
        "{error}"
    );
    assert_eq!(mock::count(&server).await, 0);
}

/// The set grows over the cap between the run that began in a window and the one that goes on there.
#[tokio::test]
async fn a_window_that_grows_over_the_cap_meanwhile_loses_and_doubles_nothing() {
    let habits = Habits { cap: 20, is_in_order: false, ..Habits::new(WindowBounds::Start) };
    let before: Vec<At> = (0..19).map(|n| n * 600).collect();
    let after: Vec<At> = (0..20).map(|n| n * 600).collect();
    let first = habits.serve(&before).await;
    let windows = || habits.windows(86_400).field("at").end("2024-01-02T00:00:00Z");
    let mut begun = stream(&first, habits.paging(4, windows()));
    for _ in 0..2 {
        soon("a row", begun.next()).await.unwrap().unwrap();
    }
    let token = begun.resume_token();
    let grown = habits.serve(&after).await;
    let rest = stream(&grown, habits.paging(4, windows())).resume_from(token);
    let (rest, error) = read(rest).await;
    // It is read on up to the cap, and says that the rest cannot be told from what was read.
    let error = error.expect("rows beyond the cap");
    assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
    let ids: Vec<i64> = rest.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (0..18).rev().collect();
    assert_eq!(ids, expected, "two rows were taken before, and none comes twice");
}

#[tokio::test]
async fn slices_of_pages_go_through_all_windows() {
    let of: Vec<At> = (0..40).map(|n| n * 600).collect();
    let habits = Habits::new(WindowBounds::Start);
    let server = habits.serve(&of).await;
    let windows = || habits.windows(6000).field("at").end("2024-01-01T06:40:00Z");
    let (mut read_rows, mut token) = (Vec::new(), None::<ResumeToken>);
    for _ in 0..10 {
        // The page that the slice before ended with is requested again.
        let mut slice = stream(&server, habits.paging(10, windows())).max_pages(2);
        if let Some(token) = token.take() {
            slice = slice.resume_from(token);
        }
        while let Some(Ok(row)) = soon("a row", slice.next()).await {
            read_rows.push(row);
        }
        token = Some(slice.resume_token());
    }
    assert_eq!(read_rows, rows(&of));
}

#[tokio::test]
async fn windows_of_an_endpoint_that_has_moved_ask_for_it_once() {
    let of: Vec<At> = (0..40).map(|n| n * 600).collect();
    let habits = Habits::new(WindowBounds::Start);
    let (own, set, moves) = (habits.clone(), of.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&moves);
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/rows" => {
            counted.fetch_add(1, Ordering::SeqCst);
            let query = request.url.query().unwrap_or_default();
            ResponseTemplate::new(301)
                .insert_header("location", format!("/v2/rows?{query}").as_str())
        }
        _ => own.answer(request, &set),
    })
    .await;
    let windows = habits.windows(6000).field("at").end("2024-01-01T06:40:00Z");
    assert_eq!(whole(stream(&server, habits.paging(10, windows))).await, rows(&of));
    assert_eq!(moves.load(Ordering::SeqCst), 1);
}
