//! What later runs ask for.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{
    api::{Reply, Request},
    setup::{Setup, all},
    single::{self, mark},
};

const CHANGES: &str = "
tables:
  - { name: rows, id: id, api: { paging: { by: none } } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: rows, incremental: { field: updated_at, param: since } }
";

/// A moment in any of the layouts of these tests; without a zone it is in UTC.
fn moment(text: &str) -> DateTime<Utc> {
    let text = text.replace('Z', "+0000").replace(' ', "T");
    let read = |text: &str| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    read(&text).or_else(|_| read(&format!("{text}+0000"))).unwrap().to_utc()
}

fn row(id: usize, updated_at: &str) -> Value {
    json!({ "id": id, "updated_at": updated_at })
}

/// The rows that were changed at the moment that is asked for or later, or all.
fn changed(rows: &[Value], request: &Request) -> Reply {
    let since = request.param("since").map(moment);
    let is_new = |row: &&Value| {
        let updated_at = row["updated_at"].as_str().map(moment);
        since.is_none_or(|since| updated_at.is_some_and(|moment| moment >= since))
    };
    let rows: Vec<_> = rows.iter().filter(is_new).collect();
    Reply::json(&json!({ "data": rows }))
}

fn serve(setup: &Setup, rows: &[Value]) {
    let rows = rows.to_vec();
    setup.api.answer(move |request| changed(&rows, request));
}

fn setup(rows: &[Value]) -> Setup {
    let rows = rows.to_vec();
    Setup::new(CHANGES, move |request| changed(&rows, request))
}

/// What was asked for last.
fn asked(setup: &Setup) -> Option<String> {
    setup.api.requests().last().and_then(|request| request.param("since").map(str::to_owned))
}

// jberkel/sms-backup-plus#714, singer-io/tap-hubspot#226
#[tokio::test]
async fn a_row_from_the_future_does_not_hide_the_later_ones() {
    let mut rows = vec![row(1, "2024-01-01T00:00:00Z"), row(2, "9999-12-31T00:00:00Z")];
    let setup = setup(&rows);
    setup.complete().await;
    rows.push(row(3, &Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)));
    serve(&setup, &rows);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=3));
}

// dlt-hub/dlt#4363
#[tokio::test]
async fn a_mark_of_zero_does_not_go_back_by_the_lookback() {
    const SINCE: &str = ", incremental: { field: at, param: since, format: unix, lookback: 5s }";
    let setup = single::setup("id: id, ", SINCE, &[r#"{"id": 1, "at": 0}"#]);
    setup.complete().await;
    for _ in 0..2 {
        single::serve(&setup, &[r#"{"id": 2, "at": -5}"#]);
        setup.complete().await;
        assert_eq!(asked(&setup).as_deref(), Some("-5"));
        assert_eq!(mark(&setup).await.as_deref(), Some("0"));
    }
    assert_eq!(setup.ids("rows"), [1, 2]);
}

// airbytehq/airbyte-python-cdk#605
#[tokio::test]
async fn rows_without_the_field_are_kept_and_do_not_move_the_mark() {
    let rows = [
        row(1, "2024-01-01T00:00:00Z"),
        json!({ "id": 2, "updated_at": null }),
        json!({ "id": 3 }),
    ];
    let setup = setup(&rows);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=3));
    assert_eq!(mark(&setup).await.as_deref(), Some("2024-01-01T00:00:00Z"));
}

// singer-io/tap-salesforce#198
#[tokio::test]
async fn a_run_that_reads_nothing_leaves_the_mark_where_it_is() {
    let setup = setup(&[row(1, "2024-01-01T00:00:00Z")]);
    setup.complete().await;
    serve(&setup, &[]);
    setup.complete().await;
    let rows = [row(2, "2024-01-01T00:00:00Z")];
    serve(&setup, &rows);
    setup.complete().await;
    assert_eq!(asked(&setup).as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(setup.ids("rows"), [1, 2]);
}

// airbytehq/airbyte#27818
#[tokio::test]
async fn the_last_row_need_not_be_the_latest() {
    let rows =
        [row(1, "2021-12-10T10:21:35.208000+00:00"), row(2, "2021-12-10T10:21:35.003000+00:00")];
    let setup = setup(&rows);
    setup.complete().await;
    assert_eq!(mark(&setup).await.as_deref(), Some("2021-12-10T10:21:35.208000+00:00"));
}

// duplicati/duplicati#6048
#[tokio::test]
async fn the_hour_that_is_there_twice_at_the_end_of_summer_time_is_told_apart() {
    let setup = setup(&[row(1, "2024-10-27T02:30:00+02:00"), row(2, "2024-10-27T02:10:00+01:00")]);
    setup.complete().await;
    setup.complete().await;
    assert_eq!(asked(&setup).as_deref(), Some("2024-10-27T01:10:00Z"));
}

// tonyg/python-rfc3339#1
#[tokio::test]
async fn rows_whose_offsets_have_no_colon_are_appended_once() {
    let rows = [row(1, "2024-10-27T02:30:00+0200"), row(2, "2024-10-27T02:10:00+0100")];
    let mut setup = setup(&rows);
    setup.replace("incremental:", "write: append, incremental:");
    for _ in 0..3 {
        setup.complete().await;
        assert_eq!(setup.ids("rows"), [1, 2]);
    }
}

// Termix-SSH/Termix#1138
#[tokio::test]
async fn moments_of_two_layouts_are_compared_as_moments() {
    let setup = setup(&[row(1, "2026-07-29T09:06:55Z"), row(2, "2026-07-29 10:11:21")]);
    setup.complete().await;
    setup.complete().await;
    assert_eq!(asked(&setup).as_deref(), Some("2026-07-29T10:11:21Z"));
}

// airbytehq/airbyte#84400, airbytehq/airbyte#79687
#[tokio::test]
async fn no_digit_of_a_second_is_lost_on_the_way_to_the_next_run() {
    let mut rows = vec![row(1, "2026-03-01T10:00:00.123456789Z")];
    let setup = setup(&rows);
    setup.complete().await;
    rows.push(row(2, "2026-03-01T10:00:00.123456999Z"));
    serve(&setup, &rows);
    setup.complete().await;
    assert_eq!(asked(&setup).as_deref(), Some("2026-03-01T10:00:00.123456789Z"));
    assert_eq!(setup.ids("rows"), [1, 2]);
}

// dlt-hub/dlt#1576
#[tokio::test]
async fn a_field_that_no_row_has_is_told() {
    let setup = single::setup(
        "id: id, ",
        ", incremental: { field: updated_at }",
        &[r#"{"id": 1, "meta": {"updated_at": "2024-01-01T00:00:00Z"}}"#],
    );
    let report = setup.run().await;
    assert!(report.to_string().contains("updated_at"), "{report}");
}

// dlt-hub/dlt#3397
#[tokio::test]
async fn a_field_that_gets_another_name_moves_the_mark() {
    let mut setup = setup(&[row(1, "2024-01-01T00:00:00Z")]);
    setup.replace("incremental:", "columns: { changed: { from: updated_at } }, incremental:");
    setup.complete().await;
    assert_eq!(mark(&setup).await.as_deref(), Some("2024-01-01T00:00:00Z"));
}
