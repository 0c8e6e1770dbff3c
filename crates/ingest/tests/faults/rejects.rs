//! Rows that the table does not take.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply},
    setup::{ROWS, Setup, all, committed, ended, page, pages},
};

#[tokio::test]
async fn rows_that_are_none_are_set_aside_with_the_reason_and_counted() {
    let rejected = [
        (json!({ "name": "nobody" }), "it has no key: id"),
        (json!({ "id": null, "name": "null" }), "it has no key: id"),
        (json!({ "id": "four", "name": "four" }), "`id` holds no int"),
        (json!({ "id": 5, "at": "soon" }), "`at` holds no timestamp"),
        (json!(7), "an object"),
        (json!("text"), "an object"),
        (json!([1, 2]), "an object"),
    ];
    let mut rows = vec![json!({ "id": 1, "at": "2024-01-01T00:00:00Z" })];
    rows.extend(rejected.iter().map(|(row, _)| row.clone()));
    rows.push(json!({ "id": 2, "name": "two" }));
    let mut setup = Setup::new(ROWS, move |_| Reply::json(&json!({ "data": rows })));
    setup.replace(
        "id: id }",
        "id: id, columns: { id: int, at: timestamp }, api: { paging: { by: none } } }",
    );
    let report = setup.complete().await;

    let stream = &report.streams[0];
    assert_eq!(setup.ids("rows"), all(1..=2));
    let counts = (stream.counts.read, stream.counts.written, stream.counts.rejected);
    assert_eq!(counts, (9, 2, 7), "{stream}");
    assert_eq!(
        stream.remarks,
        ["7 rows were set aside into `_apipool_rejects`, the first one because it has no key: id"]
    );
    let rejects: Vec<String> = setup.query("SELECT \"row\" FROM _apipool_rejects ORDER BY rowid");
    let reasons: Vec<String> = setup.query("SELECT reason FROM _apipool_rejects ORDER BY rowid");
    assert_eq!((rejects.len(), reasons.len()), (rejected.len(), rejected.len()));
    for ((row, words), (reject, reason)) in rejected.iter().zip(rejects.iter().zip(&reasons)) {
        let reject: Value = serde_json::from_str(reject).unwrap();
        assert_eq!(reject, *row);
        assert!(reason.contains(words), "{row}: {reason}");
    }
}

#[tokio::test]
async fn rejects_are_committed_as_soon_as_they_are_as_many_as_rows_that_are() {
    let gate = Gate::default();
    let behind = gate.clone();
    let rows: Vec<_> = (1..=40).map(|id| json!({ "id": format!("no. {id}") })).collect();
    let mut setup = Setup::new(ROWS, move |request| {
        let page = page(&rows, request);
        if request.page() < 4 { page } else { page.behind(&behind) }
    });
    setup.replace("id: id }", "id: id, columns: { id: int } }");
    // Never because of their age.
    setup.replace("rows: 10 }", "rows: 10, every: 1h }");
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 3).await;
        let rejects: Vec<i64> = setup.query("SELECT count(*) FROM _apipool_rejects");
        assert_eq!(rejects, [30]);
        gate.open();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert_eq!(report.streams[0].counts.rejected, 40, "{report}");
}

/// A table whose `v` is never null, written in this mode.
fn checked(write: &str) -> Setup {
    let mut setup = Setup::new(ROWS, |_| Reply::status(404));
    let checks =
        format!("table: rows, write: {write}, checks: {{ columns: {{ v: [not_null] }} }},");
    setup.replace("table: rows,", &checks);
    setup
}

/// These rows, each with a value.
fn valued(ids: RangeInclusive<usize>) -> Vec<Value> {
    ids.map(|id| json!({ "id": id, "v": id })).collect()
}

#[tokio::test]
async fn a_row_that_is_set_aside_does_not_make_its_old_version_one_that_is_gone() {
    let setup = checked("sync");
    setup.api.answer(pages(valued(1..=15)));
    setup.complete().await;
    let mut rows = valued(1..=14);
    rows[1]["v"] = Value::Null;
    setup.api.answer(pages(rows));
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=15));
    let remarks = report.streams[0].remarks.join("; ");
    assert!(remarks.contains("`_apipool_rejects`") && remarks.contains("`v`"), "{report}");
    assert!(remarks.contains("no row was deleted"), "{report}");
    // Without one, rows that are gone are deleted.
    setup.api.answer(pages(valued(1..=14)));
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=14));
}

#[tokio::test]
async fn a_run_whose_rows_are_all_set_aside_fails_and_deletes_none() {
    for write in ["append", "merge", "sync", "replace"] {
        let setup = checked(write);
        setup.api.answer(pages(valued(1..=25)));
        setup.complete().await;
        // The API has renamed it.
        setup.api.answer(pages((1..=25).map(|id| json!({ "number": id, "v": id })).collect()));
        for _ in 0..2 {
            let stream =
                setup.fail(&["all 25 rows", "`_apipool_rejects`", "it has no key: id"]).await;
            assert_eq!((stream.counts.written, stream.counts.rejected), (0, 25), "{stream}");
            assert_eq!(setup.ids("rows"), all(1..=25), "{write}");
        }
        let last = setup.job().last_run().await.unwrap().unwrap();
        assert!(last.to_string().contains("it has no key: id"), "{last}");
    }
}

#[tokio::test]
async fn a_table_is_not_replaced_if_a_row_that_is_set_aside_may_be_one_of_it() {
    let setup = checked("replace");
    setup.api.answer(pages(valued(1..=20)));
    setup.complete().await;
    let mut rows = valued(1..=19);
    rows[3] = json!({ "v": 4 });
    setup.api.answer(pages(rows.clone()));
    setup.fail(&["1 row", "`_apipool_rejects`", "it has no key: id", "stays as it was"]).await;
    assert_eq!(setup.ids("rows"), all(1..=20));
    // A row that tells its key is known to be set aside.
    rows[3] = json!({ "id": 4, "v": null });
    setup.api.answer(pages(rows));
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.rejected, 1, "{report}");
    assert_eq!(setup.ids("rows").len(), 18);
}
