//! Tables that are replaced by nothing.

use crate::{
    setup::check_failure,
    single::{serve, setup},
    support,
};

const ROWS: [&str; 2] = [r#"{"id": 1}"#, r#"{"id": 2}"#];
const NO_ROWS: [&str; 0] = [];

// dlt-hub/dlt#263
#[tokio::test]
async fn an_answer_without_rows_replaces_those_that_are_there() {
    for write in ["replace", "sync"] {
        let setup = setup("id: id, ", &format!(", write: {write}"), &ROWS);
        setup.complete().await;
        assert_eq!(setup.ids("rows"), [1, 2], "{write}");
        serve(&setup, &NO_ROWS);
        setup.complete().await;
        assert!(setup.ids("rows").is_empty(), "{write}");
        serve(&setup, &ROWS);
        setup.complete().await;
        assert_eq!(setup.ids("rows"), [1, 2], "{write}");
    }
}

// dlt-hub/dlt#263
#[tokio::test]
async fn an_answer_without_rows_replaces_the_files_that_are_there() {
    for sink in ["csv", "ndjson", "parquet"] {
        let mut setup = setup("id: id, ", ", name: cities, write: replace", &ROWS);
        setup.replace("sqlite", sink);
        setup.complete().await;
        assert_eq!(support::ids(&setup.db(), "parts"), [1, 2], "{sink}");
        serve(&setup, &NO_ROWS);
        setup.complete().await;
        assert!(support::ids(&setup.db(), "parts").is_empty(), "{sink}");
        support::assert_no_strays(&setup.db());
    }
}

// dlt-hub/dlt#3025
#[tokio::test]
async fn rows_stay_if_a_run_that_replaces_them_has_too_few() {
    let setup = setup("id: id, ", ", write: replace, checks: { rows: '>= 1' }", &ROWS);
    setup.complete().await;
    serve(&setup, &NO_ROWS);
    let report = setup.run().await;
    check_failure(&report.streams[0], &["0 rows written", "at least 1"]);
    assert_eq!(setup.ids("rows"), [1, 2]);
}
