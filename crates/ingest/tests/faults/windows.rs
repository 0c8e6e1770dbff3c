//! Streams that are read in windows of time.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply, Request},
    setup::{Setup, all, ended, page},
};

const TEN_DAYS: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        write: append
        windows:
          from: since
          to: until
          step: 1d
          start: 2024-01-01T00:00:00Z
          end: 2024-01-11T00:00:00Z
";

const UNTIL_NOW: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        incremental: { field: updated_at, start: 2024-01-01T00:00:00Z }
        windows: { from: since, to: until, step: 100d }
";

/// As dates, of an API that reads the day that a window ends at as well.
const DAYS: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        write: append
        windows:
          from: since
          to: until
          step: 2d
          bounds: '[]'
          format: date
          start: 2024-01-01
          end: 2024-01-09
";

/// Row `id` was changed so many hours after the start of 2024.
fn row(id: usize) -> Value {
    let moment = format!("2024-01-{:02}T{:02}:00:00Z", 1 + id / 24, id % 24);
    json!({ "id": id, "updated_at": moment })
}

/// The page of the rows in a window, whose end is not in it.
fn in_window(rows: &[Value], request: &Request) -> Reply {
    let (since, until) = (request.param("since").unwrap(), request.param("until").unwrap());
    let is_within = |row: &&Value| {
        let moment = row["updated_at"].as_str().unwrap();
        since <= moment && moment < until
    };
    let rows: Vec<_> = rows.iter().filter(is_within).cloned().collect();
    page(&rows, request)
}

fn rows() -> Vec<Value> {
    (1..=239).map(row).collect()
}

/// Where a window begins and ends.
fn window(request: &Request) -> (DateTime<Utc>, DateTime<Utc>) {
    let moment = |name| -> DateTime<Utc> { request.param(name).unwrap().parse().unwrap() };
    (moment("since"), moment("until"))
}

/// The windows that were asked for after the first `skipped` requests, in their order; each begins
/// where the one before it ends.
fn asked(setup: &Setup, skipped: usize) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let requests = setup.api.requests().into_iter().skip(skipped);
    let windows: BTreeSet<_> = requests.map(|request| window(&request)).collect();
    let windows: Vec<_> = windows.into_iter().collect();
    for pair in windows.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{windows:?}");
    }
    windows
}

#[tokio::test]
async fn a_scan_in_windows_that_doubles_rows() {
    let rows = rows();
    let setup = Setup::new(TEN_DAYS, move |request| in_window(&rows, request));
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=239));
    assert_eq!(report.streams[0].counts.declared, Some(239), "{report}");
    let windows = asked(&setup, 0);
    let (first, last) = ("2024-01-01T00:00:00Z", "2024-01-11T00:00:00Z");
    assert_eq!(windows.len(), 10);
    assert_eq!(windows[0].0, first.parse::<DateTime<Utc>>().unwrap());
    assert_eq!(windows[9].1, last.parse::<DateTime<Utc>>().unwrap());
}

#[tokio::test]
async fn windows_whose_ends_are_in_them_double_no_row() {
    let setup = Setup::new(DAYS, |request| {
        let (since, until) = (request.param("since").unwrap(), request.param("until").unwrap());
        let mut rows = rows();
        rows.retain(|row| {
            let day = &row["updated_at"].as_str().unwrap()[..10];
            since <= day && day <= until
        });
        page(&rows, request)
    });
    setup.complete().await;
    // To the end of the ninth day.
    assert_eq!(setup.ids("rows"), all(1..=215));
}

#[tokio::test]
async fn windows_are_read_side_by_side() {
    let (rows, gate) = (rows(), Gate::default());
    let behind = gate.clone();
    let setup = Setup::new(TEN_DAYS, move |request| in_window(&rows, request).behind(&behind));
    let job = setup.job();
    let meanwhile = async {
        // The first page of each is asked for alone.
        setup.api.wait_for(|seen| seen.most_waiting >= 4).await;
        gate.open();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=239));
}

#[tokio::test]
async fn windows_of_several_runs_leave_no_gap() {
    let setup = Setup::new(UNTIL_NOW, |request| in_window(&rows(), request));
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=239));
    let first = asked(&setup, 0);
    assert_eq!(first[0].0, "2024-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());

    let before = setup.api.requests().len();
    setup.api.answer(|request| {
        let mut rows = rows();
        rows.push(json!({ "id": 240, "updated_at": "2024-06-01T00:00:00Z" }));
        in_window(&rows, request)
    });
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=240));
    let second = asked(&setup, before);
    // From the mark on, which the row of hour 239 has left.
    assert_eq!(second[0].0, "2024-01-10T23:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert!(second.last().unwrap().1 >= first.last().unwrap().1);
}

#[tokio::test]
async fn a_window_that_fails_does_not_cost_the_others_and_is_read_once_it_is_mended() {
    let third = "2024-01-03T00:00:00Z";
    let setup = Setup::new(TEN_DAYS, move |request| match request.param("since") {
        Some(since) if since == third && request.page() == 2 => Reply::status(404),
        _ => in_window(&rows(), request),
    });
    let stream = setup.fail(&["2024-01-03T00:00:00Z..2024-01-04T00:00:00Z", "404", "page 2"]).await;
    assert_eq!(stream.counts.read, 239 - 14, "{stream}");
    let there: Vec<usize> = (1..=57).chain(72..=239).collect();
    assert_eq!(setup.ids("rows"), there);

    let before = setup.api.requests().len();
    setup.api.answer(|request| in_window(&rows(), request));
    let report = setup.complete().await;
    assert_eq!((report.streams[0].run, report.streams[0].counts.read), (1, 239), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=239));
    let again: Vec<_> = setup.api.requests().into_iter().skip(before).collect();
    assert_eq!(again.len(), 2, "pages 2 and 3");
    assert!(again.iter().all(|request| request.param("since") == Some(third)), "{again:?}");
}
