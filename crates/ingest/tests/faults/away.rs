//! An API that goes away in the middle of a run, refuses for a while, or wants another token.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::{
    api::{Gate, Reply},
    setup::{
        ROWS, Setup, all, check_failure, committed, ended, held_from, numbered, page, pages, until,
    },
};

/// That no page before the one at which the API went away was asked for twice.
fn check_pages_before(setup: &Setup, first: usize) {
    for page in 1..first {
        assert_eq!(setup.api.count("/rows", page), 1, "page {page}");
    }
}

#[tokio::test]
async fn an_api_that_comes_back_in_time_costs_no_row() {
    let setup = Setup::new(ROWS, held_from(5, &Gate::default()));
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 4).await;
        let owner = setup.owner();
        setup.api.go_away();
        setup.api.answer(pages(numbered(1..=100)));
        // The job opens its sink again when it restarts, and has not reached the API until then.
        until(|| setup.owner() != owner).await;
        setup.api.come_back();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=100));
    assert_eq!(report.streams[0].counts.read, 100, "{report}");
    check_pages_before(&setup, 5);
}

#[tokio::test]
async fn an_api_that_stays_away_fails_the_run_and_the_next_one_completes_it() {
    let setup = Setup::new(ROWS, held_from(5, &Gate::default()));
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 4).await;
        setup.api.go_away();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    check_failure(&report.streams[0], &["page 5"]);
    assert_eq!(setup.ids("rows"), all(1..=40));

    setup.api.answer(pages(numbered(1..=100)));
    setup.api.come_back();
    let before = setup.api.requests().len();
    let report = setup.complete().await;
    assert_eq!((report.streams[0].run, report.streams[0].counts.read), (1, 100), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=100));
    check_pages_before(&setup, 5);
    assert_eq!(setup.api.requests().len() - before, 6, "pages 5 to 10");
}

#[tokio::test]
async fn an_api_that_has_too_many_requests_is_waited_for() {
    let (rows, refusals) = (numbered(1..=100), AtomicUsize::new(0));
    let setup = Setup::new(ROWS, move |request| {
        let is_refused = request.page() == 5 && refusals.fetch_add(1, Ordering::Relaxed) < 2;
        match is_refused {
            true => Reply::status(429).header("Retry-After", "1"),
            false => page(&rows, request),
        }
    });
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=100));
    assert_eq!(setup.api.count("/rows", 5), 3);
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_replaced() {
    let (rows, issued) = (numbered(1..=100), Arc::new(AtomicUsize::new(0)));
    let of_api = Arc::clone(&issued);
    let setup = Setup::new(ROWS, move |request| match &*request.path {
        "/token" => {
            let number = of_api.fetch_add(1, Ordering::Relaxed) + 1;
            let token = format!("token-{number}");
            Reply::json(
                &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }),
            )
        }
        _ if request.authorization.is_empty() => Reply::status(401),
        _ if request.page() >= 5 && request.authorization == "Bearer token-1" => Reply::status(401),
        _ => page(&rows, request),
    })
    .with_settings(
        ", auth: { oauth2: { token_url: '${BASE}/token', client_id: me, client_secret: secret } }",
    );
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=100));
    assert_eq!(report.streams[0].counts.read, 100, "{report}");
    assert!(issued.load(Ordering::Relaxed) > 1);
    check_pages_before(&setup, 5);
}

#[tokio::test]
async fn what_was_strange_about_pages_before_a_restart_is_told() {
    let gate = Gate::default();
    let setup = Setup::new(ROWS, move |request| match request.page() {
        1 => {
            let pagination = json!({ "total": "many" });
            Reply::json(&json!({ "data": numbered(1..=10), "pagination": pagination }))
        }
        _ => Reply::status(404).behind(&gate),
    });
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 1).await;
        let owner = setup.owner();
        setup.api.go_away();
        setup.api.answer(|request| {
            let rows = if request.page() == 2 { numbered(11..=15) } else { Vec::new() };
            Reply::json(&json!({ "data": rows }))
        });
        // The job opens its sink again when it restarts, and has not reached the API until then.
        until(|| setup.owner() != owner).await;
        setup.api.come_back();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=15));
    let is_told = |remark: &String| remark.contains("`pagination`");
    assert!(report.streams[0].remarks.iter().any(is_told), "{report}");
}
