//! Rows that a run reads again, since it asks for what is new from the greatest value on.

#![cfg(test)]

mod api;

use api::{Api, events};
use vantage_api_ingest::report::{Outcome, StreamReport};

/// How many rows a complete run has read, left out and written.
fn counts(report: &StreamReport) -> (u64, u64, u64) {
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    (report.counts.read, report.counts.repeated, report.counts.written)
}

#[tokio::test]
async fn rows_at_the_mark_are_appended_once_and_as_often_as_they_are_there() {
    const STREAM: &str = "write: append, incremental: { field: at, param: since, format: text }";
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("events.db");
    let api = Api::start();
    let mut rows = vec![(1, Some("a")), (2, Some("b")), (2, Some("b")), (2, Some("c"))];
    api.serve(&rows);
    assert_eq!(counts(&api.run(&db, STREAM).await), (4, 0, 4));
    rows.extend([(2, Some("b")), (2, Some("d")), (10, Some("e"))]);
    api.serve(&rows);
    let report = api.run(&db, STREAM).await;
    assert_eq!(counts(&report), (6, 3, 3));
    assert_eq!(report.remarks, ["3 rows had been written before"]);
    for _ in 0..2 {
        assert_eq!(counts(&api.run(&db, STREAM).await), (1, 1, 0));
    }
    assert_eq!(events(&db), ["a", "b", "b", "c", "b", "d", "e"]);
}

#[tokio::test]
async fn rows_that_come_late_are_appended_and_those_around_them_are_not() {
    const STREAM: &str =
        "write: append, incremental: { field: at, param: since, format: unix, lookback: 10s }";
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("events.db");
    let api = Api::start();
    let mut rows = vec![(100, Some("a")), (95, Some("b")), (80, Some("c"))];
    api.serve(&rows);
    assert_eq!(counts(&api.run(&db, STREAM).await), (3, 0, 3));
    rows.push((92, Some("d")));
    api.serve(&rows);
    assert_eq!(counts(&api.run(&db, STREAM).await), (3, 2, 1));
    assert_eq!(counts(&api.run(&db, STREAM).await), (3, 3, 0));
    rows.push((104, Some("e")));
    api.serve(&rows);
    assert_eq!(counts(&api.run(&db, STREAM).await), (4, 3, 1));
    // From here on only what is at 94 or later is read.
    assert_eq!(counts(&api.run(&db, STREAM).await), (3, 3, 0));
    assert_eq!(events(&db), ["a", "b", "c", "d", "e"]);
}
