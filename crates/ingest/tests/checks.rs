//! Checks of rows and of their number.

#![cfg(test)]

mod api;

use api::{Api, events};
use vantage_api_ingest::report::{Outcome, StreamReport};

fn failure(report: &StreamReport) -> &str {
    let Outcome::Failed(error) = &report.outcome else { panic!("{report}") };
    error
}

#[tokio::test]
async fn rows_for_which_a_check_does_not_hold_are_set_aside_or_fail_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (db, other) = (folder.path().join("events.db"), folder.path().join("other.db"));
    let api = Api::start();
    api.serve(&[(1, Some("a")), (2, None), (3, Some("a")), (4, Some("b")), (5_000, Some("c"))]);
    let checks = "columns: { what: [not_null, unique], at: [{ range: [0, 1000] }] }";
    let report = api.run(&db, &format!("checks: {{ {checks} }}")).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    assert_eq!((report.counts.written, report.counts.rejected), (2, 3));
    assert_eq!(events(&db), ["a", "b"]);
    let rejects = rusqlite::Connection::open(&db).unwrap();
    let mut rejects =
        rejects.prepare("select reason from _apipool_rejects order by rowid").unwrap();
    let reasons = rejects.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let reasons: Vec<String> = reasons.map(Result::unwrap).collect();
    assert_eq!(reasons, ["`what` is null", "`what` is not unique", "`at` is out of its range"]);
    let report = api.run(&other, &format!("checks: {{ on_fail: fail, {checks} }}")).await;
    assert_eq!(failure(&report), "`what` is null");
}

#[tokio::test]
async fn a_run_with_too_few_rows_replaces_nothing() {
    const STREAM: &str = "write: replace, checks: { rows: '>= 1' }";
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("events.db");
    let api = Api::start();
    api.serve(&[(1, Some("a"))]);
    assert_eq!(api.run(&db, STREAM).await.outcome, Outcome::Complete);
    api.serve(&[]);
    for _ in 0..2 {
        let report = api.run(&db, STREAM).await;
        assert_eq!(failure(&report), "0 rows written, and `checks` expects at least 1");
        assert_eq!(events(&db), ["a"]);
    }
    api.serve(&[(2, Some("b"))]);
    let report = api.run(&db, STREAM).await;
    assert_eq!((&report.outcome, report.run), (&Outcome::Complete, 4), "{report}");
    assert_eq!(events(&db), ["b"]);
}
