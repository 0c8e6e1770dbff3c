//! APIs that give a token on the last page of a read, with which the next one asks for what has changed.
//!
//! The inputs of some tests are those of public bug reports of other programs, by repository and number.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{
    api::{Reply, Request},
    setup::{Setup, all},
};

/// As Google Calendar has it.
const SYNC_TOKEN: &str = "
tables:
  - name: rows
    id: id
    api: { envelope: { items: items }, paging: { by: cursor, param: pageToken, next: nextPageToken } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        delta: { token: nextSyncToken, param: syncToken, expired_with: [[400, EXPIRED_SYNC_TOKEN]] }
        commit: { rows: 10 }
";

/// As Microsoft Graph has it.
const DELTA_LINK: &str = "
tables:
  - name: rows
    id: id
    api:
      endpoint: 'users/delta?$select=id'
      envelope: { items: value }
      paging: { by: next_url, next: \"['@odata.nextLink']\" }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: rows, delta: { token: \"['@odata.deltaLink']\", param: $deltatoken } }
";

/// As Zendesk's incremental export has it.
const EXPORT: &str = "
tables:
  - name: rows
    id: id
    api:
      endpoint: incremental/tickets/cursor.json
      envelope: { items: tickets, is_last: end_of_stream }
      paging: { by: cursor, param: cursor, next: after_cursor }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: rows, delta: { token: after_cursor, param: cursor, first: { start_time: '0' } } }
";

fn row(id: usize) -> Value {
    json!({ "id": id, "status": "confirmed" })
}

/// What has changed after `from` changes of so many, ten at most, as Google Calendar answers.
fn changes(request: &Request, last: usize) -> Reply {
    let from = request.number("pageToken").or(request.number("syncToken")).unwrap_or(0);
    let rows: Vec<_> = (from + 1..=last).take(10).map(row).collect();
    let to = from + rows.len();
    let next = if to < last { "nextPageToken" } else { "nextSyncToken" };
    Reply::json(&json!({ "items": rows, next: to.to_string() }))
}

fn google(last: usize) -> (Setup, Arc<AtomicUsize>) {
    let last = Arc::new(AtomicUsize::new(last));
    let of_api = Arc::clone(&last);
    let setup =
        Setup::new(SYNC_TOKEN, move |request| changes(request, of_api.load(Ordering::SeqCst)));
    (setup, last)
}

/// The values of a parameter in the requests after the first `skipped` ones.
fn sent(setup: &Setup, skipped: usize, name: &str) -> Vec<Option<String>> {
    let requests = setup.api.requests().into_iter().skip(skipped);
    requests.map(|request| request.param(name).map(str::to_owned)).collect()
}

/// webhookdb/webhookdb#538: a later run begins with the token, which goes with each of its pages.
#[tokio::test]
async fn a_later_run_asks_for_what_has_changed_since_the_token() {
    let (setup, last) = google(25);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=25));
    last.store(40, Ordering::SeqCst);
    let asked = setup.api.requests().len();
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.read, 15, "{report}");
    let token = Some("25".to_owned());
    assert_eq!(sent(&setup, asked, "syncToken"), [token.clone(), token]);
    assert_eq!(setup.ids("rows"), all(1..=40));
    // Nothing has changed: an empty page with a token.
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.read, 0, "{report}");
    assert!(!report.to_string().contains("reads everything"), "{report}");
    // The empty page has a newer token, which the next run sends.
    last.store(41, Ordering::SeqCst);
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.read, 1, "{report}");
}

/// microsoftgraph/microsoft-graph-docs#2350, elastic/connectors#4370: an expired token.
#[tokio::test]
async fn an_expired_token_is_a_read_of_everything_and_the_report_says_so() {
    for (status, body) in [(410, "{}"), (400, r#"{"error": "EXPIRED_SYNC_TOKEN"}"#)] {
        let (setup, last) = google(25);
        setup.complete().await;
        last.store(30, Ordering::SeqCst);
        setup.api.answer(move |request| match request.param("syncToken") {
            Some("25") => Reply::text(body).with_status(status),
            _ => changes(request, 30),
        });
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.read, 30, "{report}");
        assert!(report.to_string().contains("the token of the last run has expired"), "{report}");
        assert_eq!(setup.ids("rows"), all(1..=30));
        let asked = setup.api.requests().len();
        setup.complete().await;
        assert_eq!(sent(&setup, asked, "syncToken"), [Some("30".to_owned())]);
    }
}

#[tokio::test]
async fn a_read_of_everything_that_was_interrupted_goes_on_and_does_not_use_the_expired_token() {
    let (setup, last) = google(25);
    setup.complete().await;
    last.store(45, Ordering::SeqCst);
    let answer = |is_broken: bool| {
        move |request: &Request| match (request.param("syncToken"), request.param("pageToken")) {
            (Some(_), _) => Reply::status(410),
            (_, Some("20")) if is_broken => Reply::status(404),
            _ => changes(request, 45),
        }
    };
    setup.api.answer(answer(true));
    setup.fail(&["404"]).await;
    let asked = setup.api.requests().len();
    setup.api.answer(answer(false));
    setup.complete().await;
    assert_eq!(sent(&setup, asked, "pageToken").first(), Some(&Some("20".to_owned())));
    assert!(sent(&setup, asked, "syncToken").iter().all(Option::is_none));
    assert_eq!(setup.ids("rows"), all(1..=45));
}

#[tokio::test]
async fn a_token_that_expires_while_its_run_is_interrupted_is_a_read_of_everything() {
    let (setup, last) = google(25);
    setup.complete().await;
    last.store(45, Ordering::SeqCst);
    setup.api.answer(|request| match request.param("pageToken") {
        Some("35") => Reply::status(404),
        _ => changes(request, 45),
    });
    setup.fail(&["404"]).await;
    setup.api.answer(|request| match request.param("syncToken") {
        Some(_) => Reply::status(410),
        None => changes(request, 45),
    });
    let report = setup.complete().await;
    assert!(report.to_string().contains("the token of the last run has expired"), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=45));
    let asked = setup.api.requests().len();
    setup.api.answer(|request| changes(request, 45));
    setup.complete().await;
    assert_eq!(sent(&setup, asked, "syncToken"), [Some("45".to_owned())]);
}

/// A token is kept at the end of a run alone; any other error is not a sign of an expired one.
#[tokio::test]
async fn a_run_that_fails_keeps_the_token_of_the_one_before() {
    let (setup, last) = google(25);
    setup.complete().await;
    last.store(45, Ordering::SeqCst);
    setup.api.answer(|request| match request.param("pageToken") {
        Some("35") => Reply::status(404),
        _ => changes(request, 45),
    });
    setup.fail(&["404"]).await;
    setup.api.answer(|request| changes(request, 45));
    let asked = setup.api.requests().len();
    let report = setup.complete().await;
    assert_eq!(sent(&setup, asked, "pageToken"), [Some("35".to_owned())], "{report}");
    assert_eq!(setup.ids("rows"), all(1..=45));

    setup.api.answer(|_| Reply::status(403));
    setup.fail(&["403"]).await;
    setup.api.answer(|request| changes(request, 46));
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.read, 1, "{report}");
}

#[tokio::test]
async fn a_last_page_without_a_token_is_told_of_and_the_next_run_reads_everything() {
    let setup = Setup::new(SYNC_TOKEN, |_| Reply::json(&json!({ "items": [row(1)] })));
    for _ in 0..2 {
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.read, 1);
        assert!(report.to_string().contains("no token at `nextSyncToken`"), "{report}");
    }
}

/// langflow-ai/openrag#2310, elastic/connectors#4370: an empty last page has the link, and the delta link outlives the process. Items come twice, and marked as gone.
#[tokio::test]
async fn a_token_in_a_url_is_its_parameter() {
    let setup = Setup::new(DELTA_LINK, |request| {
        let link = |name: &'static str, query: &str| match name {
            "@odata.nextLink" => (name, format!("/users/delta?{query}")),
            _ => (name, format!("https://graph.microsoft.com/v1.0/users/delta?{query}")),
        };
        let (rows, (key, url)) = match (request.param("$deltatoken"), request.param("$skiptoken")) {
            (None, None) => (vec![row(1), row(2)], link("@odata.nextLink", "$skiptoken=a")),
            (None, Some("a")) => (vec![], link("@odata.nextLink", "$skiptoken=b")),
            (None, Some("b")) => (vec![row(2), row(3)], link("@odata.nextLink", "$skiptoken=c")),
            (None, Some("c")) => (vec![], link("@odata.deltaLink", "$deltatoken=x%3D")),
            (Some("x="), None) => {
                let gone = json!({ "id": 2, "@removed": { "reason": "deleted" } });
                (vec![row(4), gone], link("@odata.deltaLink", "$deltatoken=y"))
            }
            other => panic!("{other:?}"),
        };
        Reply::json(&json!({ "value": rows, key: url }))
    });
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=3));
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=4));
    let gone: Vec<i64> = setup.query(r#"SELECT id FROM rows WHERE "@removed" IS NOT NULL"#);
    assert_eq!(gone, [2]);
}

#[tokio::test]
async fn parameters_of_the_first_read_are_not_sent_with_a_token() {
    let last = Arc::new(AtomicUsize::new(25));
    let of_api = Arc::clone(&last);
    let setup = Setup::new(EXPORT, move |request| {
        let (cursor, start) = (request.number("cursor"), request.param("start_time"));
        assert!(cursor.is_some() || start == Some("0"));
        let (from, last) = (cursor.unwrap_or(0), of_api.load(Ordering::SeqCst));
        let rows: Vec<_> = (from + 1..=last).take(10).map(row).collect();
        let to = from + rows.len();
        Reply::json(&json!({ "tickets": rows, "end_of_stream": to == last,
                             "after_cursor": to.to_string() }))
    });
    setup.complete().await;
    last.store(40, Ordering::SeqCst);
    let asked = setup.api.requests().len();
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=40));
    assert_eq!(sent(&setup, asked, "cursor"), [Some("25".to_owned()), Some("35".to_owned())]);
    assert_eq!(sent(&setup, asked, "start_time"), [None, None]);
}
