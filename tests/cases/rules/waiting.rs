//! A 202, which says that there is no result yet.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, Request, retry::ResponseRule,
};

use super::answers::{answer, builder, ok, requests, server};
use crate::support::{raw_server::RawServer, soon};

fn soonest() -> Duration {
    Duration::from_millis(10)
}

fn polling(server: &RawServer) -> AwwPool {
    builder(server).response_rule(ResponseRule::poll(soonest()).status(202)).build().unwrap()
}

async fn read(pool: &AwwPool, envelope: Envelope, paging: Paging) -> Result<Vec<Value>, Error> {
    let stream = PaginatedStream::get(pool, "/rows").envelope(envelope).paging(paging);
    let read: Vec<_> = soon("the set", stream.collect()).await;
    read.into_iter().collect()
}

#[tokio::test]
async fn case_13_a_202_is_never_an_empty_set_however_it_is_read() {
    let lenient = || Envelope::default().no_content_is_empty(true);
    let pagings = || {
        [
            Paging::none(),
            Paging::page_number(),
            Paging::next_url("next"),
            Paging::cursor("next", "c"),
        ]
    };
    let bodies = ["", "[]", r#"{"data":[]}"#, r#"{"status":"PENDING"}"#, "null"];
    for body in bodies {
        for paging in pagings() {
            for envelope in [lenient(), Envelope::default()] {
                let server = server([answer("202 Accepted", body)]);
                let pool = builder(&server).build().unwrap();
                let error = read(&pool, envelope, paging.clone()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Decode, "{body}: {error}");
                assert!(error.to_string().contains("status 202"), "{body}: {error}");
            }
        }
    }
    let server = server([answer("202 Accepted\r\ncontent-type: application/x-ndjson", "")]);
    let pool = builder(&server).build().unwrap();
    let error = read(&pool, Envelope::ndjson(), Paging::none()).await.unwrap_err();
    assert!(error.to_string().contains("status 202"), "{error}");
}

#[tokio::test]
async fn case_13_only_a_204_and_a_200_may_be_empty() {
    let lenient = || Envelope::default().no_content_is_empty(true);
    for (status, is_empty) in [
        ("200 OK", true),
        ("204 No Content", true),
        ("201 Created", false),
        ("202 Accepted", false),
        ("203 Non-Authoritative", false),
    ] {
        let server = server([match status {
            "204 No Content" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            status => answer(status, ""),
        }]);
        let pool = builder(&server).build().unwrap();
        let rows = read(&pool, lenient(), Paging::none()).await;
        assert_eq!(rows.is_ok_and(|rows| rows.is_empty()), is_empty, "{status}");
    }
    // A page with rows is one, whatever its status.
    let server = server([answer("202 Accepted", "[1]")]);
    let pool = builder(&server).build().unwrap();
    assert_eq!(read(&pool, lenient(), Paging::none()).await.unwrap(), [1]);
}

#[tokio::test]
async fn case_13_a_202_is_no_page_where_pages_are_read_as_a_whole() {
    let server = server([answer("202 Accepted", "")]);
    let pool = builder(&server).build().unwrap();
    let stream = PaginatedStream::get(&pool, "/rows")
        .envelope(Envelope::default().no_content_is_empty(true))
        .items_as::<Value>();
    let pages: Vec<_> = soon("the set", stream.pages().collect()).await;
    let error = pages.into_iter().find_map(Result::err).expect("the end of the set");
    assert!(error.to_string().contains("status 202"), "{error}");
}

#[tokio::test]
async fn case_13_a_202_in_place_of_a_single_row_is_no_row() {
    use vantage_dataset::prelude::*;

    let pending = || answer("202 Accepted", r#"{"status":"PENDING"}"#);
    let row = json!({"id": 7, "name": "seven"});
    let table = |pool: AwwPool| {
        let api = vantage_api_pool::PoolApi::new(std::sync::Arc::new(pool)).item_endpoints(true);
        vantage_table::table::Table::<_, vantage_types::EmptyEntity>::new("rows", api)
            .with_id_column("id")
            .with_column_of::<String>("name")
    };
    let unready = server([pending()]);
    let rows = table(builder(&unready).build().unwrap());
    let error = soon("an answer", rows.get_value("7".to_owned())).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("202"), "{text}");
    // By rule it is waited for.
    let ready = server([pending(), pending(), ok(&row)]);
    let rows = table(polling(&ready));
    let found = soon("an answer", rows.get_value("7".to_owned())).await.unwrap().unwrap();
    assert_eq!((found["name"].as_text(), requests(&ready)), (Some("seven"), 3));
    // One that has the row says so by its id.
    let early = server([answer("202 Accepted", &row.to_string())]);
    let rows = table(builder(&early).build().unwrap());
    assert!(soon("an answer", rows.get_value("7".to_owned())).await.unwrap().is_some());
}

#[tokio::test]
async fn case_13_a_202_in_the_middle_of_a_set_ends_the_read_with_an_error() {
    let page = |n: u64| json!({"data": [n], "pagination": {"page": n, "per_page": 1, "total": 3}});
    let server = server([ok(&page(1)), answer("202 Accepted", ""), ok(&page(3))]);
    let pool = builder(&server).build().unwrap();
    let stream = PaginatedStream::get(&pool, "/rows")
        .envelope(Envelope::default().no_content_is_empty(true))
        .paging(Paging::page_number())
        .prefetch(1);
    let rows: Result<Vec<Value>, Error> = soon("the set", stream.try_collect()).await;
    assert!(rows.unwrap_err().to_string().contains("status 202"));
}

#[tokio::test]
async fn case_13_a_202_is_polled_by_rule_as_often_as_it_takes_and_costs_no_attempt() {
    let pending = || answer("202 Accepted", "");
    let server = server((0..7).map(|_| pending()).chain([ok(&json!({"data": [1, 2]}))]));
    let pool = polling(&server);
    let lenient = Envelope::default().no_content_is_empty(true);
    assert_eq!(read(&pool, lenient, Paging::none()).await.unwrap(), [1, 2]);
    assert_eq!(requests(&server), 8);
    let stats = soon("statistics", pool.stats()).await.unwrap();
    assert_eq!((stats.retries, stats.calls_ok), (0, 1));
}

#[tokio::test]
async fn case_13_a_retry_after_is_waited_for_and_a_zero_is_the_interval() {
    let at_once = answer("202 Accepted\r\nretry-after: 0", "");
    let later = answer("202 Accepted\r\nretry-after: 1", "");
    let server = server([at_once, later, ok(&json!(1))]);
    let pool = polling(&server);
    let mut events = pool.events();
    soon("an answer", pool.get("/report")).await.unwrap();
    let mut waits = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let vantage_api_pool::events::Event::RetryScheduled { wait, .. } = event {
            waits.push(wait);
        }
    }
    assert_eq!(waits, [soonest(), Duration::from_secs(1)]);
}

#[tokio::test]
async fn case_13_a_wait_that_would_pass_the_timeout_is_an_error_that_says_202() {
    let server = server([answer("202 Accepted\r\nretry-after: 3600", "")]);
    let error = soon("an answer", polling(&server).get("/report")).await.unwrap_err();
    assert_eq!((error.kind(), requests(&server)), (ErrorKind::DeadlineExceeded, 1));
    let text = error.to_string();
    assert!(text.contains("not ready") && text.contains("status 202"), "{text}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    // The interval alone.
    let pending = self::server([answer("202 Accepted", "")]);
    let rule = ResponseRule::poll(Duration::from_secs(3_600)).status(202);
    let pool = builder(&pending).response_rule(rule).build().unwrap();
    let error = soon("an answer", pool.get("/report")).await.unwrap_err();
    assert_eq!((error.kind(), requests(&pending)), (ErrorKind::DeadlineExceeded, 1));
    assert!(error.to_string().contains("status 202"), "{error}");
    // One that is never ready.
    let never = self::server([answer("202 Accepted", "")]);
    let call = Request::get("/report").timeout(Duration::from_millis(200));
    let error = soon("an answer", polling(&never).request(call)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn case_13_the_location_is_followed_by_setting_where_it_is_below_the_base() {
    let rule = || ResponseRule::poll(soonest()).status(202);
    for header in ["location", "operation-location"] {
        let moved = answer(&format!("202 Accepted\r\n{header}: /jobs/7"), "");
        let waiting = answer("202 Accepted", "");
        for (rule, paths) in [
            (rule(), ["/report", "/report", "/report"]),
            (rule().follow_location(), ["/report", "/jobs/7", "/jobs/7"]),
        ] {
            let server = server([moved.clone(), waiting.clone(), ok(&json!("done"))]);
            let pool = builder(&server).response_rule(rule).build().unwrap();
            soon("an answer", pool.get("/report")).await.unwrap();
            let heads = server.seen().heads;
            let seen: Vec<_> =
                heads.iter().filter_map(|(_, head)| head.split(' ').nth(1)).collect();
            assert_eq!(seen, paths, "{header}");
        }
    }
    let elsewhere = server([answer("202 Accepted\r\nlocation: http://other.example/jobs/7", "")]);
    let pool = builder(&elsewhere).response_rule(rule().follow_location()).build().unwrap();
    let error = soon("an answer", pool.get("/report")).await.unwrap_err();
    assert_eq!((error.kind(), requests(&elsewhere)), (ErrorKind::ForeignOrigin, 1));
}

#[tokio::test]
async fn case_13_a_job_that_runs_is_polled_by_what_its_200_says() {
    let state = |state: &str| ok(&json!({"status": state}));
    let server = server([state("QUEUED"), state("RUNNING"), state("COMPLETED")]);
    let rules =
        ["QUEUED", "RUNNING"].map(|state| ResponseRule::poll(soonest()).json("status", state));
    let pool = builder(&server).response_rules(rules).build().unwrap();
    let answer = soon("an answer", pool.get("/jobs/7")).await.unwrap();
    assert_eq!(answer.json::<Value>().unwrap()["status"], "COMPLETED");
    assert_eq!(requests(&server), 3);
}

#[tokio::test]
async fn case_13_a_write_that_was_accepted_is_not_sent_again() {
    for method in [http::Method::POST, http::Method::PUT, http::Method::DELETE] {
        let server = server([answer("202 Accepted", "")]);
        let request = Request::new(method, "/rows/1");
        let answer = soon("an answer", polling(&server).request(request)).await.unwrap();
        assert_eq!((answer.status().as_u16(), requests(&server)), (202, 1));
    }
}
