//! Reading whole sets, single rows, counts and windows through Vantage.

use std::{future::Future, sync::Arc, time::Duration};

use crate::support::hostile::{
    Answer, Hostile, HostileServer, Log, Outcome, Seen, Shape, Style, Total,
};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    vantage::{ApiCondition, PoolTableExt},
};
use vantage_dataset::prelude::*;
use vantage_table::{pagination::Pagination, prelude::ColumnLike, table::Table};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    name: String,
    n: u64,
}

fn api(server: &HostileServer) -> PoolApi {
    let pool = AwwPool::builder(server.url()).build().unwrap();
    PoolApi::new(Arc::new(pool))
}

fn sized(server: &HostileServer, size: u64) -> PoolApi {
    api(server).paging(Paging::page_number().page_size("per_page", size))
}

fn rows(api: PoolApi) -> Table<PoolApi, Entry> {
    Table::new("rows", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("n")
}

fn window(api: PoolApi, skip: i64, limit: i64) -> Table<PoolApi, Entry> {
    rows(api).with(|table| table.set_pagination(Some(Pagination::window(skip, limit))))
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), work).await.expect("no wait lasts for ever")
}

async fn listed(table: &Table<PoolApi, Entry>) -> Vec<u64> {
    within(table.list()).await.unwrap().into_values().map(|entry| entry.id).collect()
}

async fn streamed<T>(
    stream: impl Stream<Item = vantage_core::Result<(String, T)>>,
) -> Vec<(String, T)> {
    within(stream.map(Result::unwrap).collect()).await
}

/// Two calls after each other that the server answers: whatever was on its way has arrived.
async fn barrier(server: &HostileServer, api: &PoolApi) {
    for _ in 0..2 {
        let elsewhere = Table::<PoolApi, Entry>::new("elsewhere", api.clone());
        assert!(within(elsewhere.list_values()).await.is_err());
    }
    assert!(server.log(|log| log.to("/elsewhere").len()) >= 2);
}

#[tokio::test]
async fn accept_01_a_list_holds_every_row_in_server_order() {
    let server = Hostile::new(95).start();
    for api in [api(&server), sized(&server, 50), sized(&server, 3)] {
        assert_eq!(listed(&rows(api)).await, (0..95).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn accept_02_an_item_endpoint_finds_a_row_of_a_later_page_with_one_request() {
    let server = Hostile::new(95).start();
    let found = within(rows(api(&server).item_endpoints(true)).get("57")).await.unwrap();
    assert_eq!(found, Some(Entry { id: 57, name: "row 57".into(), n: 57 }));
    assert_eq!(server.log(|log| (log.seen.len(), log.to("/rows/57").len())), (1, 1));
}

#[tokio::test]
async fn accept_02_a_get_without_item_endpoints_asks_for_the_id_and_takes_one_request() {
    let server = Hostile::new(95).start();
    let found = within(rows(api(&server)).get("57")).await.unwrap();
    assert_eq!(found.map(|entry| entry.n), Some(57));
    assert_eq!(server.log(|log| log.seen.len()), 1);
    assert_eq!(server.log(|log| log.seen[0].param("id").map(str::to_owned)).as_deref(), Some("57"));
}

#[tokio::test]
async fn an_api_that_ignores_the_id_yields_no_wrong_row() {
    let server = Hostile::new(95).ignores_filters().start();
    let table = rows(api(&server));
    assert_eq!(within(table.get("57")).await.unwrap().map(|entry| entry.id), Some(57));
    assert!(server.log(Log::pages).iter().all(|page| *page <= 7), "it reads on after the row");
    assert_eq!(within(table.get("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn accept_03_an_absent_row_is_none_and_a_failure_is_an_error() {
    let server = Hostile::new(25).start();
    for api in [api(&server), api(&server).item_endpoints(true)] {
        assert_eq!(within(rows(api).get("77")).await.unwrap(), None);
    }
    let missing = Hostile::new(25).on_any(Answer::Status(404)).start();
    assert_eq!(within(rows(api(&missing)).get("7")).await.unwrap(), None);
    assert!(within(rows(api(&missing)).list()).await.unwrap_err().is_not_found());
    let broken = Hostile::new(25).on_any(Answer::Status(500)).start();
    for api in [api(&broken), api(&broken).item_endpoints(true)] {
        let error = within(rows(api).get("7")).await.unwrap_err();
        assert_eq!(error.context["status"], "500");
    }
}

#[tokio::test]
async fn an_item_outside_the_narrowed_set_is_none() {
    let server = Hostile::new(25).start();
    let table = |api: PoolApi| {
        rows(api.item_endpoints(true)).with_condition(ApiCondition::eq("name", "row 7"))
    };
    assert_eq!(within(table(api(&server)).get("7")).await.unwrap().map(|entry| entry.n), Some(7));
    assert_eq!(within(table(api(&server)).get("8")).await.unwrap(), None);
    let narrowed = rows(api(&server)).with_id("7").unwrap();
    assert_eq!(within(narrowed.get("8")).await.unwrap(), None);
}

#[tokio::test]
async fn an_item_that_lacks_a_conditions_field_is_looked_for_in_the_list() {
    let item = Answer::Body(json!({ "id": 7 }).to_string());
    let server = Hostile::new(25).on_item(item).start();
    let table =
        |n: u64| rows(api(&server).item_endpoints(true)).with_condition(ApiCondition::eq("n", n));
    assert_eq!(within(table(7).get("7")).await.unwrap().map(|entry| entry.n), Some(7));
    assert_eq!(within(table(8).get("7")).await.unwrap(), None);
}

#[tokio::test]
async fn an_item_with_another_id_is_an_error() {
    let body = json!({ "id": 8, "name": "row 8", "n": 8 }).to_string();
    let server = Hostile::new(25).on_item(Answer::Body(body)).start();
    let error = within(rows(api(&server).item_endpoints(true)).get("7")).await.unwrap_err();
    assert!(error.to_string().contains("another id"), "{error}");
}

#[tokio::test]
async fn accept_04_a_count_is_the_length_of_the_list_and_costs_one_small_request() {
    let server = Hostile::new(95).start();
    assert_eq!(within(rows(sized(&server, 10)).get_count()).await.unwrap(), 95);
    assert_eq!(server.log(|log| log.seen.len()), 1);
    assert_eq!(
        server.log(|log| log.seen[0].param("per_page").map(str::to_owned)).as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn accept_04_a_count_without_a_total_reads_the_set() {
    for (default, cap) in [(10, 10), (7, 50)] {
        let server = Hostile::new(95)
            .page_size(default, cap)
            .total(Total::Absent)
            .without_pagination()
            .start();
        let table = rows(api(&server));
        assert_eq!(within(table.get_count()).await.unwrap(), 95);
        assert_eq!(listed(&table).await.len(), 95);
    }
}

#[tokio::test]
async fn accept_06_some_row_takes_one_request_for_one_row() {
    let server = Hostile::new(95).start();
    let (id, entry) = within(rows(sized(&server, 10)).get_some()).await.unwrap().unwrap();
    assert_eq!((id.as_str(), entry.n), ("0", 0));
    assert_eq!(server.log(|log| log.seen.len()), 1);
    assert_eq!(
        server.log(|log| log.seen[0].param("per_page").map(str::to_owned)).as_deref(),
        Some("1")
    );
    let empty = Hostile::new(0).start();
    assert!(within(rows(api(&empty)).get_some()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_yields_rows_before_the_last_page_is_asked_for() {
    let server = Hostile::new(95).closed().start();
    let table = rows(api(&server));
    let mut stream = table.stream_values();
    server.open(1);
    let (id, _) = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(id, "0");
    assert!(!server.log(Log::pages).contains(&10));
    server.open_all();
    let mut ids = vec![id];
    ids.extend(streamed(stream).await.into_iter().map(|(id, _)| id));
    let list = within(table.list_values()).await.unwrap();
    assert_eq!(ids, list.into_keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_consumer_stops_further_requests() {
    let server = Hostile::new(95).start();
    let api = api(&server).prefetch(2);
    let table = rows(api.clone());
    let mut stream = table.stream_values();
    within(stream.next()).await.unwrap().unwrap();
    barrier(&server, &api).await;
    let pages = server.log(Log::pages);
    assert!(
        pages.len() <= 3,
        "one page is consumed and two may wait, but {pages:?} were asked for"
    );
    assert_eq!(streamed(stream).await.len(), 94);
    assert!(server.log(|log| log.max_in_flight) <= 2);
}

#[tokio::test]
async fn a_prefetch_of_one_asks_for_one_page_after_the_other() {
    let server = Hostile::new(45).start();
    assert_eq!(listed(&rows(api(&server).prefetch(1))).await.len(), 45);
    assert_eq!(server.log(|log| log.max_in_flight), 1);
}

#[tokio::test]
async fn accept_09_dropping_a_stream_or_a_list_cancels_what_it_asked_for() {
    fn waits_for_a_later_page(log: &Log) -> bool {
        let waits = |seen: &Seen| seen.page > Some(1) && seen.outcome == Outcome::InFlight;
        log.seen.iter().any(waits)
    }
    let server = Hostile::new(95).closed().start();
    let api = api(&server);
    let table = rows(api.clone());
    let mut stream = table.stream_values();
    server.open(1);
    within(stream.next()).await.unwrap().unwrap();
    server.wait_for("page 2", waits_for_a_later_page).await;
    drop(stream);
    server.wait_for("the end of the stream", |log| log.in_flight == 0 && log.aborted > 0).await;

    barrier(&server, &api).await;
    let aborted = server.log(|log| log.aborted);
    let listing = tokio::spawn(async move { table.list_values().await.map(|_| ()) });
    server.wait_for("page 2 of the list", waits_for_a_later_page).await;
    listing.abort();
    server.wait_for("the end of the list", |log| log.in_flight == 0 && log.aborted > aborted).await;

    barrier(&server, &api).await;
    server.open_all();
    barrier(&server, &api).await;
    // Each of the two asked once for a page, of those that may be in flight, and then for none.
    // What was on its way at its end may arrive late.
    let pages = server.log(Log::pages);
    let times = |page| pages.iter().filter(|other| **other == page).count();
    assert!(pages.iter().all(|page| *page <= 4), "{pages:?}");
    assert!((1..=4).all(|page| times(page) <= 2), "{pages:?}");
}

#[tokio::test]
async fn pages_come_in_parallel_and_leave_in_order() {
    let server = Hostile::new(95).closed().start();
    let table = rows(api(&server).prefetch(3));
    let listing = tokio::spawn(async move { listed(&table).await });
    server.open(1);
    server.wait_for("two pages at once", |log| log.in_flight >= 2).await;
    server.open(3);
    server.wait_for("page 3", |log| log.answered(200) == 2).await;
    server.open_all();
    assert_eq!(within(listing).await.unwrap(), (0..95).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_empty_page_in_the_middle_does_not_end_the_set_and_its_rows_are_missed() {
    let server = Hostile::new(45).on_page(3, Answer::Body(empty_page(3, 45))).start();
    let expected: Vec<u64> = (0..20).chain(30..45).collect();
    let lenient = Paging::default().totals_are_estimates(true);
    assert_eq!(listed(&rows(api(&server).paging(lenient))).await, expected);
    let error = within(rows(api(&server)).list_values()).await.unwrap_err();
    assert_eq!(error.context.get("kind").map(String::as_str), Some("incomplete"), "{error:?}");
}

fn empty_page(page: u64, total: u64) -> String {
    let pagination = json!({ "page": page, "per_page": 10, "total": total, "has_next": true });
    json!({ "data": [], "pagination": pagination }).to_string()
}

#[tokio::test]
async fn without_a_total_a_short_page_ends_the_set() {
    let server = Hostile::new(25).total(Total::Absent).without_pagination().start();
    assert_eq!(listed(&rows(api(&server).prefetch(2))).await.len(), 25);
    assert!(server.log(Log::pages).len() <= 3 + 2, "{:?}", server.log(Log::pages));
}

#[tokio::test]
async fn a_404_past_the_end_ends_the_set_when_configured() {
    let hostile =
        || Hostile::new(20).total(Total::Absent).without_pagination().not_found_past_end();
    let server = hostile().start();
    let ending = api(&server).paging(Paging::page_number().not_found_ends(true));
    assert_eq!(listed(&rows(ending)).await.len(), 20);
    let error = within(rows(api(&server)).list()).await.unwrap_err();
    assert!(error.is_not_found());
}

#[tokio::test]
async fn an_id_of_an_earlier_page_keeps_one_row_and_is_counted() {
    let server = Hostile::new(25).duplicate_id(10).start();
    let api = api(&server);
    let table = rows(api.clone());
    let list = within(table.list_values()).await.unwrap();
    assert_eq!(list.len(), 24);
    assert_eq!(list["9"]["n"], 9.into());
    assert_eq!(api.duplicate_rows(), 1);
    assert_eq!(streamed(table.stream_values()).await.len(), 24);
    assert_eq!(api.duplicate_rows(), 2);
}

#[tokio::test]
async fn accept_15_rows_that_shift_while_they_are_read_are_all_there_once() {
    let server = Hostile::new(45).shifts().start();
    let api = api(&server).prefetch(1);
    assert_eq!(listed(&rows(api.clone())).await, (0..45).collect::<Vec<_>>());
    assert!(api.duplicate_rows() >= 4);
}

#[tokio::test]
async fn accept_40_one_id_twice_in_one_answer_is_an_error_that_names_it() {
    let server = Hostile::new(25).duplicate_id(15).start();
    let error = within(rows(api(&server)).list()).await.unwrap_err();
    assert!(error.to_string().contains("\"14\""), "{error}");
    let items: Vec<_> = within(rows(api(&server)).stream_values().collect()).await;
    assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
    assert!(items.last().unwrap().is_err());
    assert_eq!(items.len(), 11);
}

#[tokio::test]
async fn accept_40_rows_without_an_id_get_keys_by_their_position() {
    let server = Hostile::new(25).without_ids().start();
    let keys: Vec<String> =
        within(rows(api(&server)).list_values()).await.unwrap().into_keys().collect();
    assert_eq!(keys, (0..25).map(|position| format!("~row:{position}")).collect::<Vec<_>>());
    for api in [api(&server), api(&server).item_endpoints(true)] {
        let row = within(rows(api).get_value("~row:17")).await.unwrap().unwrap();
        assert_eq!(row["n"], 17.into());
    }
}

#[tokio::test]
async fn accept_38_items_are_found_where_the_envelope_says() {
    let shapes = [
        (Shape::Bare, Envelope::bare_array()),
        (Shape::At("result.rows"), Envelope::items_at("result.rows")),
    ];
    for (shape, envelope) in shapes {
        let server = Hostile::new(25).shape(shape).start();
        assert_eq!(listed(&rows(api(&server).envelope(envelope))).await.len(), 25, "{shape:?}");
    }
}

#[tokio::test]
async fn accept_38_items_are_found_under_the_name_of_a_table_with_placeholders() {
    let cities: Vec<_> =
        (0..25).map(|id| json!({ "id": id, "name": "x", "n": id, "country": "Peru" })).collect();
    let server =
        Hostile::with_rows(cities).at("/countries/{country}/cities").shape(Shape::Table).start();
    let api = api(&server).wrapped_by_table_name();
    let table = Table::<PoolApi, Entry>::new("countries/{country}/cities", api)
        .with_id_column("id")
        .with_condition(ApiCondition::eq("country", "Peru"));
    assert_eq!(listed(&table).await.len(), 25);
    assert_eq!(within(table.get_count()).await.unwrap(), 25);
}

#[tokio::test]
async fn accept_42_integers_keep_their_digits_and_a_float_field_reads_a_whole_number() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Measured {
        id: String,
        big: u64,
        area: f64,
    }
    let measured = [
        json!({ "id": "a", "big": u64::MAX, "area": 7 }),
        json!({ "id": "b", "big": 9_007_199_254_740_993_u64, "area": 0.5 }),
    ];
    let server = Hostile::with_rows(measured.to_vec()).start();
    let table = Table::<PoolApi, Measured>::new("rows", api(&server))
        .with_id_column("id")
        .with_column_of::<f64>("area");
    let list = within(table.list()).await.unwrap();
    assert_eq!(list["a"], Measured { id: "a".into(), big: u64::MAX, area: 7.0 });
    assert_eq!(list["b"].big, 9_007_199_254_740_993);
}

#[tokio::test]
async fn accept_16_an_aligned_window_is_one_request_for_its_page() {
    let server = Hostile::new(95).start();
    assert_eq!(listed(&window(sized(&server, 10), 20, 10)).await, (20..30).collect::<Vec<_>>());
    assert_eq!(server.log(Log::pages), [3]);
}

#[tokio::test]
async fn accept_17_a_window_holds_exactly_its_rows() {
    let server = Hostile::new(95).start();
    let unpaged = Hostile::new(95).total(Total::Absent).without_pagination().start();
    for (skip, limit) in
        [(0, 5), (3, 4), (25, 20), (50, 50), (90, 10), (91, 30), (95, 5), (500, 10)]
    {
        let expected: Vec<u64> = (0..95).skip(skip).take(limit).collect();
        for server in [&server, &unpaged] {
            for api in [api(server), sized(server, 10), sized(server, 50), sized(server, 7)] {
                let table = window(api, skip as i64, limit as i64);
                assert_eq!(listed(&table).await, expected, "[{skip}, {skip} + {limit})");
                let streamed = streamed(table.stream_values()).await;
                assert_eq!(streamed.len(), expected.len());
                let some = within(table.get_some()).await.unwrap().map(|(_, entry)| entry.id);
                assert_eq!(some, expected.first().copied());
            }
        }
    }
}

#[tokio::test]
async fn a_window_narrows_neither_a_count_nor_a_get() {
    let server = Hostile::new(95).start();
    let table = window(sized(&server, 10), 20, 10);
    assert_eq!(within(table.get_count()).await.unwrap(), 95);
    assert_eq!(within(table.get("7")).await.unwrap().map(|entry| entry.id), Some(7));
}

#[tokio::test]
async fn a_hook_that_refuses_reads_refuses_a_count_before_any_request() {
    let server = Hostile::new(25).start();
    let refuse = vantage_table::table::select_hook(|_| {
        Box::pin(async { Err(vantage_core::VantageError::other("not now")) })
    });
    let table = rows(api(&server)).with_hook(vantage_table::prelude::Hook::BeforeSelect(refuse));
    assert!(within(table.get_count()).await.is_err());
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn a_table_prints_with_numeric_columns() {
    let server = Hostile::new(25).start();
    let table = rows(api(&server));
    assert_eq!(table.columns()["n"].get_type(), "i64");
    within(vantage_cli_util::print_table(&table)).await.unwrap();
}

#[test]
fn it_works_inside_an_actix_system() {
    actix_web::rt::System::new().block_on(async {
        let server = Hostile::new(25).start();
        let table = rows(api(&server));
        assert_eq!(listed(&table).await.len(), 25);
        assert_eq!(within(table.get("7")).await.unwrap().map(|entry| entry.id), Some(7));
    });
}

#[test]
fn a_pool_is_built_outside_any_runtime_and_used_on_plain_tokio() {
    let server = Hostile::new(25).start();
    let table = rows(api(&server));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listing = runtime.spawn(async move { listed(&table).await.len() });
    assert_eq!(runtime.block_on(within(listing)).unwrap(), 25);
}

#[tokio::test]
async fn an_item_that_is_gone_is_no_row() {
    for status in [404, 410] {
        let server = Hostile::new(5).on_item(Answer::Status(status)).start();
        assert_eq!(within(rows(api(&server).item_endpoints(true)).get("3")).await.unwrap(), None);
    }
    let server = Hostile::new(5).on_item(Answer::Status(403)).start();
    let error = within(rows(api(&server).item_endpoints(true)).get("3")).await.unwrap_err();
    assert!(error.is_forbidden());
}

#[tokio::test]
async fn the_first_row_is_found_behind_an_empty_page_that_names_the_next_one() {
    let server = Hostile::new(25)
        .style(Style::Cursor("next"))
        .params("after", "per_page")
        .total(Total::Absent)
        .on_page(1, Answer::NoRows)
        .start();
    let table = rows(api(&server).paging(Paging::cursor("after", "next")));
    let all = within(table.list_values()).await.unwrap();
    let some = within(table.get_some_value()).await.unwrap();
    assert!(!all.is_empty());
    assert_eq!(some.map(|(key, _)| key).as_ref(), all.keys().next());
}

/// The tests' own threads have four times as much.
const SMALL_STACK: usize = 512 * 1024;

#[test]
fn reads_need_no_large_stack() {
    let server = Hostile::new(95).start();
    let table = rows(sized(&server, 10)).with(|table| {
        table.add_condition(ApiCondition::eq("name", "row 57"));
    });
    let reads = async move {
        assert_eq!(listed(&table).await, [57]);
        assert!(within(table.get("57")).await.unwrap().is_some());
        assert_eq!(within(table.get_count()).await.unwrap(), 1);
        assert_eq!(within(table.list_values()).await.unwrap().len(), 1);
        assert_eq!(streamed(table.stream_direct()).await.len(), 1);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK);
    thread.spawn(move || runtime.block_on(reads)).unwrap().join().unwrap();
}
