//! Totals that are not those of the rows.

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
