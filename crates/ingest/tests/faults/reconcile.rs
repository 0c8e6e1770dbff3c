//! Totals that are not those of the rows.

use serde_json::json;

use crate::setup::{ROWS, Setup, all, numbered, page_of_total};

fn setup(total: usize) -> Setup {
    let rows = numbered(1..=30);
    Setup::new(ROWS, move |request| page_of_total(&rows, total, request))
}

#[tokio::test]
async fn a_total_that_is_not_that_of_the_rows_fails_the_stream_and_both_are_named() {
    for total in [25, 35] {
        let setup = setup(total);
        setup.fail(&[&total.to_string(), "30"]).await;
        assert_eq!(setup.ids("rows"), all(1..=30), "{total}");
    }
}

#[tokio::test]
async fn a_total_that_is_not_that_of_the_rows_is_a_remark_where_that_is_enough() {
    for total in [25, 35] {
        let mut setup = setup(total);
        setup.replace("table: rows,", "table: rows, reconcile: warn,");
        let report = setup.complete().await;
        let said = format!("the API says that it has {total} rows, and 30 rows were read");
        assert_eq!(report.streams[0].remarks.first(), Some(&said));
        assert_eq!(setup.ids("rows"), all(1..=30), "{total}");
        assert_eq!(setup.complete().await.streams[0].run, 2);
    }
}

/// Rows 1 to 50, of which the first five are deleted once two pages are read: what follows moves up.
fn shrinking(write: &str) -> Setup {
    let mut setup = Setup::new(ROWS, |request| page_of_total(&numbered(1..=50), 50, request));
    setup.replace("table: rows,", &format!("table: rows, prefetch: 1, write: {write},"));
    setup
}

fn shrink(setup: &Setup) {
    setup.api.answer(|request| {
        let first = if request.page() > 2 { 6 } else { 1 };
        let rows = numbered(first..=50);
        page_of_total(&rows, rows.len(), request)
    });
}

#[tokio::test]
async fn a_total_that_gets_less_while_rows_are_read_deletes_none() {
    let setup = shrinking("sync");
    setup.complete().await;
    shrink(&setup);
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=50), "{report}");
    let remarks = report.streams[0].remarks.join("; ");
    assert!(
        remarks.contains("from 50 to 45") && remarks.contains("no row was deleted"),
        "{report}"
    );

    let setup = shrinking("replace");
    setup.complete().await;
    shrink(&setup);
    setup.fail(&["from 50 to 45", "the table stays as it was"]).await;
    assert_eq!(setup.ids("rows"), all(1..=50));

    let setup = shrinking("merge");
    shrink(&setup);
    let report = setup.complete().await;
    assert!(report.streams[0].remarks.join("; ").contains("from 50 to 45"), "{report}");
}

#[tokio::test]
async fn rows_that_are_inserted_in_front_come_twice_and_that_is_told() {
    let setup = shrinking("sync");
    setup.api.answer(|request| {
        let mut rows = numbered(1..=50);
        if request.page() > 2 {
            rows.splice(0..0, numbered(51..=52));
        }
        page_of_total(&rows, rows.len(), request)
    });
    let report = setup.complete().await;
    let remarks = report.streams[0].remarks.join("; ");
    for said in ["from 50 to 52", "52 rows have 50 different keys"] {
        assert!(remarks.contains(said), "{report}");
    }
}

#[tokio::test]
async fn keys_that_many_rows_have_are_told() {
    let setup = Setup::new(ROWS, |request| {
        let rows: Vec<_> = (1..=30).map(|n| json!({ "id": n % 6, "n": n })).collect();
        page_of_total(&rows, rows.len(), request)
    });
    let report = setup.complete().await;
    assert!(report.streams[0].remarks[0].contains("30 rows have 6 different keys"), "{report}");
    setup.api.answer(|request| page_of_total(&numbered(1..=30), 30, request));
    assert!(setup.complete().await.streams[0].remarks.is_empty());
}
