//! Rows that the table does not take.

use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply},
    setup::{ROWS, Setup, all, committed, ended, page},
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
    assert_eq!(stream.remarks, ["7 rows are in the rejects"]);
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
