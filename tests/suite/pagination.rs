//! What a paged stream delivers, and what it asks for, over hostile APIs.

use std::time::Duration;

use crate::support::{
    hostile::{Answer, Hostile, HostileServer, Log, Shape, Total},
    soon,
};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, paging::Page,
};

fn pool(api: &HostileServer) -> AwwPool {
    AwwPool::builder(api.url()).backoff_base(Duration::from_millis(1)).build().unwrap()
}

/// Reads to the end: the items before the end, and the error that was the end.
async fn read(mut stream: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    soon("the stream ends", async {
        let mut items = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) => items.push(item),
                Err(error) => {
                    assert!(stream.next().await.is_none(), "something followed the error");
                    return (items, Some(error));
                }
            }
        }
        assert!(stream.next().await.is_none(), "something followed the end");
        (items, None)
    })
    .await
}

async fn read_all(stream: PaginatedStream) -> Vec<Value> {
    let (items, error) = read(stream).await;
    assert!(error.is_none(), "{error:?}");
    items
}

#[tokio::test]
async fn every_row_arrives_in_server_order() {
    let api = Hostile::new(95).start();
    for prefetch in [1, 3, 50] {
        let items = read_all(PaginatedStream::get(pool(&api), "/rows").prefetch(prefetch)).await;
        assert_eq!(items, api.rows(), "prefetch {prefetch}");
    }
}

#[tokio::test]
async fn accept_10_pages_that_answer_out_of_order_are_put_in_order() {
    let api = Hostile::new(95).delay(|page| Duration::from_millis((page * 7) % 31)).start();
    assert_eq!(read_all(PaginatedStream::get(pool(&api), "/rows").prefetch(8)).await, api.rows());
}

#[tokio::test]
async fn faults_22_every_way_to_tell_the_end_gives_every_row_and_no_page_too_many() {
    let cases: [(&str, Hostile, Envelope); 5] = [
        ("total in the envelope", Hostile::new(95), Envelope::default()),
        ("no pagination object", Hostile::new(95).without_pagination(), Envelope::default()),
        (
            "total in a header",
            Hostile::new(95).shape(Shape::Bare).total(Total::InHeader("x-total")),
            Envelope::bare_array().total_in_header("X-Total"),
        ),
        ("no total", Hostile::new(95).total(Total::Absent), Envelope::default()),
        ("a full last page", Hostile::new(90).without_pagination(), Envelope::default()),
    ];
    for (name, hostile, envelope) in cases {
        let api = hostile.start();
        let prefetch = 3;
        let stream =
            PaginatedStream::get(pool(&api), "/rows").envelope(envelope).prefetch(prefetch);
        assert_eq!(read_all(stream).await, api.rows(), "{name}");
        let last = api.rows().len().div_ceil(10) as u64;
        let highest = api.log(|log| log.pages().into_iter().max()).unwrap();
        assert!(highest <= last + prefetch as u64, "{name}: page {highest} was asked for");
    }
}

#[tokio::test]
async fn faults_22_a_flag_that_always_says_more_is_followed_for_as_long_as_is_set() {
    let api = Hostile::new(95).total(Total::Absent).has_next_always().start();
    let paging = Paging::default().max_empty_pages(5);
    let (items, error) = read(PaginatedStream::get(pool(&api), "/rows").paging(paging)).await;
    assert_eq!((items, error.unwrap().kind()), (api.rows(), ErrorKind::Incomplete));
    let highest = api.log(|log| log.pages().into_iter().max()).unwrap();
    assert!(highest <= 10 + 6 + 3, "page {highest} was asked for");
}

#[tokio::test]
async fn with_a_total_each_page_is_asked_for_once() {
    let api = Hostile::new(95).start();
    read_all(PaginatedStream::get(pool(&api), "/rows").prefetch(4)).await;
    let mut pages = api.log(Log::pages);
    pages.sort_unstable();
    assert_eq!(pages, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn accept_13_a_404_past_the_end_ends_the_set_only_if_so_configured() {
    let api = Hostile::new(90).without_pagination().not_found_past_end().start();
    let stream = || PaginatedStream::get(pool(&api), "/rows");
    assert_eq!(read_all(stream().paging(Paging::default().not_found_ends(true))).await, api.rows());
    let (items, error) = read(stream()).await;
    assert_eq!(items, api.rows());
    assert_eq!(error.unwrap().status().unwrap(), 404);
}

#[tokio::test]
async fn faults_23_an_empty_page_in_the_middle_does_not_end_a_set_whose_total_says_more() {
    let api = Hostile::new(95).on_page(4, Answer::NoRows).start();
    let mut expected = api.rows();
    expected.drain(30..40);
    let stream = || PaginatedStream::get(pool(&api), "/rows");
    let (items, error) = read(stream()).await;
    assert_eq!((items, error.unwrap().kind()), (expected.clone(), ErrorKind::Incomplete));
    let lenient = stream().paging(Paging::default().totals_are_estimates(true));
    assert_eq!(read_all(lenient).await, expected);
}

#[tokio::test]
async fn accept_13_an_empty_set_is_an_empty_stream() {
    for hostile in [Hostile::new(0), Hostile::new(0).without_pagination()] {
        let api = hostile.start();
        assert!(read_all(PaginatedStream::get(pool(&api), "/rows")).await.is_empty());
        assert_eq!(api.log(|log| log.pages().len()), 1);
    }
}

#[tokio::test]
async fn faults_24_a_page_that_fails_for_ever_yields_its_error_once_after_the_rows_before_it() {
    let api = Hostile::new(95).on_page(4, Answer::Status(500)).start();
    let (items, error) = read(PaginatedStream::get(pool(&api), "/rows").prefetch(8)).await;
    let error = error.unwrap();
    assert_eq!(items, api.rows()[..30]);
    assert_eq!((error.kind(), error.page(), error.attempts()), (ErrorKind::Status, Some(4), 3));
}

#[tokio::test]
async fn a_page_that_fails_at_first_is_repeated_and_nothing_is_lost_or_doubled() {
    let api = Hostile::new(95).on_page(4, Answer::Status(503).times(2)).start();
    assert_eq!(read_all(PaginatedStream::get(pool(&api), "/rows")).await, api.rows());
}

#[tokio::test]
async fn faults_25_a_body_of_another_shape_is_an_error_that_names_the_page_and_shows_the_start_of_the_body()
 {
    for (answer, start) in [
        (Answer::Html, "<"),
        (Answer::ErrorEnvelope, "{\"error\""),
        (Answer::Empty, ""),
        (Answer::NoContent, ""),
        (Answer::Body("{\"data\":{}}".into()), "{\"data\":{}}"),
    ] {
        let api = Hostile::new(95).on_page(2, answer.clone()).start();
        let (items, error) = read(PaginatedStream::get(pool(&api), "/rows")).await;
        let error = error.unwrap_or_else(|| panic!("{answer:?} was read as rows"));
        assert_eq!(items, api.rows()[..10], "{answer:?}");
        assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(2)), "{answer:?}");
        assert!(error.body_start().unwrap().starts_with(start), "{answer:?}: {error:?}");
        assert_eq!(error.attempts(), 1, "a wrong shape is not repeated: {error:?}");
        let headers = error.response().unwrap().headers();
        let content_type = headers.get("content-type").map(|value| value.to_str().unwrap());
        match answer {
            Answer::Html => assert_eq!(content_type, Some("text/html")),
            Answer::ErrorEnvelope | Answer::Body(_) => {
                assert_eq!(content_type, Some("application/json"))
            }
            _ => assert_eq!(content_type, None, "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn faults_21_a_server_that_repeats_one_page_for_ever_is_reported() {
    let api = Hostile::new(95).ignores_page().start();
    let (items, error) = read(PaginatedStream::get(pool(&api), "/rows")).await;
    assert_eq!((items.len(), error.unwrap().kind()), (10, ErrorKind::PageLoop));

    let unpaged = Hostile::new(10).ignores_page().without_pagination().start();
    let (_, error) = read(PaginatedStream::get(pool(&unpaged), "/rows")).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::PaginationMissing);
    let stream = PaginatedStream::get(pool(&unpaged), "/rows").paging(Paging::none());
    assert_eq!(read_all(stream).await, unpaged.rows());
    assert!(unpaged.log(|log| log.seen.last().unwrap().query.is_empty()));
}

#[tokio::test]
async fn pages_are_counted_from_zero_and_named_as_configured() {
    let api = Hostile::new(35).first_page(0).params("p", "n").page_size(10, 20).strict().start();
    let paging = Paging::page_number().first_page(0).page_param("p").page_size("n", 100);
    let stream = PaginatedStream::get(pool(&api), "/rows").paging(paging);
    assert_eq!(read_all(stream).await, api.rows());
    assert_eq!(
        api.log(|log| log.seen[0].query.clone()),
        [("p".into(), "0".into()), ("n".into(), "100".into())]
    );
}

#[tokio::test]
async fn an_endpoint_with_a_query_keeps_it() {
    let api = Hostile::new(95).start();
    let items = read_all(PaginatedStream::get(pool(&api), "/rows?n=17")).await;
    assert_eq!(items, [json!({ "id": 17, "name": "row 17", "n": 17 })]);
}

#[tokio::test]
async fn accept_08_pages_are_fetched_in_parallel_up_to_the_prefetch_and_no_further() {
    let api = Hostile::new(200).closed().start();
    api.open(1);
    let rows = read_all(PaginatedStream::get(pool(&api), "/rows").prefetch(5));
    tokio::join!(rows, api.open_all_at("five pages at once", 5));
    assert_eq!(api.log(|log| log.max_in_flight), 5);
}

#[tokio::test]
async fn faults_31_a_consumer_that_stops_reading_stops_the_requests() {
    let api = Hostile::new(500).start();
    let mut stream = PaginatedStream::get(pool(&api), "/rows").prefetch(3);
    let first = soon("the first item", stream.next()).await.unwrap().unwrap();
    assert_eq!(first, api.rows()[0]);
    // The first page is in hand and two wait.
    api.wait_for("the window is full", |log| log.pages().len() == 3 && log.in_flight == 0).await;
    for _ in 1..10 {
        stream.next().await.unwrap().unwrap();
    }
    assert_eq!(api.log(|log| log.pages().len()), 3, "the window was exceeded");
    soon("the first item of the second page", stream.next()).await.unwrap().unwrap();
    api.wait_for("one more page", |log| log.pages().len() == 4 && log.in_flight == 0).await;
}

#[tokio::test]
async fn large_pages_narrow_the_window_to_the_byte_budget() {
    let api = Hostile::new(400).delay(|_| Duration::from_millis(5)).start();
    read_all(PaginatedStream::get(pool(&api), "/rows").prefetch(8).byte_budget(1)).await;
    assert_eq!(api.log(|log| log.max_in_flight), 1);
}

#[tokio::test]
async fn accept_07_the_first_rows_arrive_before_the_last_page_is_asked_for() {
    let api = Hostile::new(95).closed().start();
    api.open(1);
    let mut stream = PaginatedStream::get(pool(&api), "/rows").prefetch(2);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    assert!(api.log(|log| log.pages().into_iter().max()).unwrap() < 10);
}

#[tokio::test]
async fn faults_30_dropping_a_stream_cancels_its_pages_and_asks_for_no_more() {
    let api = Hostile::new(95).closed().start();
    api.open(1);
    // No timeout ends them.
    let never = Duration::from_secs(3_600);
    let pool = AwwPool::builder(api.url()).attempt_timeout(never).read_idle_timeout(never);
    let mut stream = PaginatedStream::get(pool.build().unwrap(), "/rows").prefetch(4);
    soon("the first row", stream.next()).await.unwrap().unwrap();
    api.wait_for("pages under way", |log| log.in_flight == 3).await;
    drop(stream);
    api.wait_for("aborted pages", |log| log.aborted == 3).await;
    api.open_all();
    assert_eq!(api.log(|log| log.pages().len()), 4);
}

#[tokio::test]
async fn with_a_prefetch_of_one_the_next_page_comes_while_one_is_consumed() {
    let api = Hostile::new(95).start();
    let mut stream = PaginatedStream::get(pool(&api), "/rows").prefetch(1);
    soon("the first item", stream.next()).await.unwrap().unwrap();
    api.wait_for("the next page", |log| log.pages().len() == 2 && log.in_flight == 0).await;
    assert_eq!(read_all(stream).await, api.rows()[1..]);
}

/// The items of all pages, each page taken apart on another thread.
async fn taken_apart<T: Send + 'static>(
    stream: PaginatedStream<T>,
) -> Vec<(u64, Vec<Result<T, Error>>)> {
    let take_apart = |page: Page<T>| (page.number(), std::thread::spawn(|| page.collect()).join());
    let pages = stream.pages().map(|page| take_apart(page.unwrap()));
    let pages = soon("the end", pages.collect::<Vec<_>>()).await;
    pages.into_iter().map(|(number, items)| (number, items.unwrap())).collect()
}

#[tokio::test]
async fn pages_are_taken_apart_elsewhere_in_order_whether_or_not_their_number_is_known() {
    let known = (Hostile::new(95).on_page(4, Answer::NoRows), vec![1, 2, 3, 5, 6, 7, 8, 9, 10]);
    let unknown = (Hostile::new(95).without_pagination(), (1..=10).collect());
    for (hostile, expected) in [known, unknown] {
        let api = hostile.start();
        let lenient = Paging::default().totals_are_estimates(true);
        let pages = taken_apart(PaginatedStream::get(pool(&api), "/rows").paging(lenient)).await;
        assert_eq!(pages.iter().map(|(number, _)| *number).collect::<Vec<_>>(), expected);
        let rows = api.rows().chunks(10).map(<[_]>::to_vec).collect::<Vec<_>>();
        for (number, items) in pages {
            let items: Result<Vec<_>, _> = items.into_iter().collect();
            assert_eq!(items.unwrap(), rows[number as usize - 1], "page {number}");
        }
    }
}

#[tokio::test]
async fn what_is_left_of_a_page_that_was_begun_or_resumed_is_taken_apart_first() {
    let api = Hostile::new(35).start();
    let pool = pool(&api);
    for taken in [1, 7, 10, 13] {
        let mut begun = PaginatedStream::get(&pool, "/rows");
        for _ in 0..taken {
            soon("an item", begun.next()).await.unwrap().unwrap();
        }
        let resumed = PaginatedStream::get(&pool, "/rows").resume_from(begun.resume_token());
        for stream in [begun, resumed] {
            let pages = taken_apart(stream).await;
            let rows = pages.into_iter().flat_map(|(_, items)| items).map(Result::unwrap);
            assert_eq!(rows.collect::<Vec<_>>(), api.rows()[taken..], "after {taken}");
        }
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_built_is_the_last_of_its_page_and_the_other_pages_come() {
    let api = Hostile::new(30).start();
    let mut rows = api.rows();
    rows[15] = json!({ "id": "none" });
    api.set_rows(rows);
    let pages = taken_apart(PaginatedStream::get(pool(&api), "/rows").items_as::<Row>()).await;
    let lengths: Vec<_> = pages.iter().map(|(number, items)| (*number, items.len())).collect();
    assert_eq!(lengths, [(1, 10), (2, 6), (3, 10)]);
    let error = pages[1].1[5].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(2)));
}

#[tokio::test]
async fn a_server_that_repeats_one_page_is_reported_to_who_takes_pages_apart_elsewhere() {
    let api = Hostile::new(95).ignores_page().start();
    let pages = PaginatedStream::get(pool(&api), "/rows").pages();
    let mut pages: Vec<_> = soon("the end", pages.collect()).await;
    assert_eq!(pages.pop().unwrap().unwrap_err().kind(), ErrorKind::PageLoop);
    assert_eq!(pages.len(), 1);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Row {
    id: u64,
    name: String,
}

#[tokio::test]
async fn items_are_built_as_the_type_that_was_asked_for() {
    let api = Hostile::new(25).start();
    let stream = PaginatedStream::get(pool(&api), "/rows").items_as::<Row>();
    let rows: Vec<Row> = soon("all rows", stream.map(Result::unwrap).collect()).await;
    assert_eq!(rows.len(), 25);
    assert_eq!(rows[24], Row { id: 24, name: "row 24".into() });
}

#[tokio::test]
async fn an_item_of_another_type_is_an_error_on_its_page() {
    let api = Hostile::new(25).start();
    let mut stream = PaginatedStream::get(pool(&api), "/rows").items_as::<u64>();
    let error = soon("an error", stream.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(1)));
}

#[derive(Debug)]
struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a type that does not want to be built")
    }
}

#[tokio::test]
async fn a_type_that_panics_while_it_is_built_is_an_error_and_the_pool_goes_on() {
    let api = Hostile::new(25).start();
    let pool = pool(&api);
    let mut stream = PaginatedStream::get(&pool, "/rows").items_as::<Panics>();
    let error = soon("an error", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback);
    assert_eq!(read_all(PaginatedStream::get(&pool, "/rows")).await, api.rows());
}

#[tokio::test]
async fn faults_20_a_set_that_grows_while_it_is_read_is_read_to_its_new_end() {
    let api =
        Hostile::new(40).claims_total(|page, total| if page < 3 { 30 } else { total }).start();
    assert_eq!(read_all(PaginatedStream::get(pool(&api), "/rows")).await, api.rows());
}

#[tokio::test]
async fn faults_20_a_set_that_shrinks_while_it_is_read_ends_at_its_new_end() {
    let api =
        Hostile::new(40).claims_total(|page, total| if page < 3 { 90 } else { total }).start();
    assert_eq!(read_all(PaginatedStream::get(pool(&api), "/rows")).await, api.rows());
}

#[tokio::test]
async fn two_hundred_streams_at_once_each_read_every_row() {
    let api = Hostile::new(45).start();
    let pool = pool(&api);
    let streams = (0..200).map(|_| read_all(PaginatedStream::get(&pool, "/rows")));
    let all = soon("all streams", futures::future::join_all(streams)).await;
    assert!(all.iter().all(|items| *items == api.rows()));
}
