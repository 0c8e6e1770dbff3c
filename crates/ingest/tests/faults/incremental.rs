//! What is asked for in later runs: what is new since the last one that has ended.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    api::{Reply, Request},
    setup::{Setup, all, page},
};

const CHANGES: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        incremental: { field: updated_at, param: since, start: 2024-01-01T00:00:00Z, lookback: 1h }
        commit: { rows: 10 }
";

/// The moment so many hours after the start.
fn hour(hours: usize) -> String {
    format!("2024-01-{:02}T{:02}:00:00Z", 1 + hours / 24, hours % 24)
}

/// Row `id` was changed so many hours after the start.
fn row(id: usize) -> Value {
    json!({ "id": id, "name": "as it was", "updated_at": hour(id) })
}

/// The page of the rows that were changed since then.
fn changed_since(rows: &[Value], request: &Request) -> Reply {
    let since = request.param("since").unwrap_or_default();
    let is_new = |row: &&Value| row["updated_at"].as_str().unwrap() >= since;
    let rows: Vec<_> = rows.iter().filter(is_new).cloned().collect();
    page(&rows, request)
}

/// The moments that requests after the first `skipped` ones asked from, each once.
fn asked_from(setup: &Setup, skipped: usize) -> Vec<String> {
    let requests = setup.api.requests().into_iter().skip(skipped);
    let mut moments: Vec<_> =
        requests.map(|request| request.param("since").unwrap().to_owned()).collect();
    moments.dedup();
    moments
}

fn answer(setup: &Setup, rows: Vec<Value>) {
    setup.api.answer(move |request| changed_since(&rows, request));
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The second before the one in which the current or the last run began.
async fn began(setup: &Setup) -> String {
    let until = setup.job().status().await.unwrap().remove(0).1.until.unwrap();
    let until: DateTime<Utc> = until.parse().unwrap();
    (until.trunc_subsecs(0) - TimeDelta::seconds(1)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn mark(setup: &Setup) -> Option<String> {
    let states = setup.job().status().await.unwrap();
    states.into_iter().find_map(|(_, state)| state.mark)
}

#[tokio::test]
async fn later_runs_ask_from_the_mark_less_the_lookback_and_rows_are_merged() {
    let rows: Vec<_> = (1..=50).map(row).collect();
    let setup = Setup::new(CHANGES, |_| Reply::status(404));
    answer(&setup, rows.clone());
    setup.complete().await;
    assert_eq!(asked_from(&setup, 0), [hour(0)]);
    assert_eq!(mark(&setup).await, Some(hour(50)));

    let asked = setup.api.requests().len();
    let mut later = rows;
    later[48]["name"] = "late".into();
    later.extend((51..=60).map(row));
    answer(&setup, later);
    let report = setup.complete().await;
    assert_eq!(asked_from(&setup, asked), [hour(49)]);
    // Rows 49 and 50 again.
    assert_eq!(report.streams[0].counts.read, 12, "{report}");
    assert_eq!(setup.ids("rows"), all(1..=60));
    let late: Vec<i64> = setup.query("SELECT id FROM rows WHERE name = 'late'");
    assert_eq!(late, [49]);
    assert_eq!(mark(&setup).await, Some(hour(60)));
}

#[tokio::test]
async fn a_run_that_is_interrupted_does_not_move_the_mark() {
    let setup = Setup::new(CHANGES, |_| Reply::status(404));
    answer(&setup, (1..=20).map(row).collect());
    setup.complete().await;
    let (asked, rows) = (setup.api.requests().len(), (1..=60).map(row).collect::<Vec<_>>());
    let of_api = rows.clone();
    setup.api.answer(move |request| match request.page() {
        3 => Reply::status(404),
        _ => changed_since(&of_api, request),
    });
    setup.fail(&["404", "page 3"]).await;
    assert_eq!(mark(&setup).await, Some(hour(20)));
    assert_eq!(setup.ids("rows"), all(1..=38));

    answer(&setup, rows);
    setup.complete().await;
    assert_eq!(asked_from(&setup, asked), [hour(19)]);
    assert_eq!(setup.api.requests().into_iter().skip(asked).filter(|r| r.page() < 3).count(), 2);
    assert_eq!(setup.ids("rows"), all(1..=60));
    assert_eq!(mark(&setup).await, Some(hour(60)));
}

#[tokio::test]
async fn rows_at_the_mark_are_not_appended_again() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    setup.replace(", lookback: 1h", "");
    setup.replace("table: rows", "table: rows\n        write: append");
    answer(&setup, (1..=20).map(row).collect());
    setup.complete().await;
    // Another one of the same moment, which the API had not handed out yet.
    let mut rows: Vec<_> = (1..=20).map(row).collect();
    rows.push(json!({ "id": 21, "name": "at once", "updated_at": hour(20) }));
    answer(&setup, rows);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=21));
}

#[tokio::test]
async fn the_mark_of_a_run_that_goes_on_is_at_most_its_start() {
    let setup = Setup::new(CHANGES, |_| Reply::status(404));
    let mut rows: Vec<_> = (1..=30).map(row).collect();
    let of_api = rows.clone();
    setup.api.answer(move |request| match request.page() {
        3 => Reply::status(404),
        _ => changed_since(&of_api, request),
    });
    setup.fail(&["404", "page 3"]).await;
    let began = began(&setup).await;
    // A row is changed whose page was read, and later one whose page is asked for again.
    for id in [1, 30] {
        rows[id - 1]["updated_at"] = now().into();
        rows[id - 1]["name"] = "changed".into();
    }
    answer(&setup, rows.clone());
    setup.complete().await;
    assert_eq!(mark(&setup).await, Some(began));
    answer(&setup, rows);
    setup.complete().await;
    let changed: Vec<i64> = setup.query("SELECT id FROM rows WHERE name = 'changed' ORDER BY id");
    assert_eq!(changed, [1, 30]);
}

#[tokio::test]
async fn a_row_that_is_changed_after_its_page_was_read_is_found_by_the_next_run() {
    for write in ["merge", "append"] {
        let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
        setup.replace(", lookback: 1h", "");
        setup.replace("table: rows", &format!("table: rows\n        write: {write}"));
        setup.replace("commit: { rows: 10 }", "prefetch: 1");
        let rows: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new((1..=50).map(row).collect()));
        let of_api = Arc::clone(&rows);
        setup.api.answer(move |request| {
            let mut rows = of_api.lock().unwrap();
            // Pages are in the order of ids: the first two are read.
            if request.page() == 3 && rows[9]["name"] != "changed" {
                for id in [10, 45] {
                    rows[id - 1]["name"] = "changed".into();
                    rows[id - 1]["updated_at"] = now().into();
                }
            }
            changed_since(&rows, request)
        });
        setup.complete().await;
        let report = setup.complete().await;
        let changed: Vec<i64> =
            setup.query("SELECT id FROM rows WHERE name = 'changed' ORDER BY id");
        assert_eq!(changed, [10, 45], "{write}: {report}");
        let report = setup.complete().await;
        assert_eq!(setup.query::<i64>("SELECT count(*) FROM rows WHERE id = 45"), [1], "{report}");
    }
}
