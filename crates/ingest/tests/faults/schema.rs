//! Rows whose fields change between the pages of a run.

use serde_json::{Value, json};

use crate::{
    api::Reply,
    setup::{ROWS, Setup, all, pages},
};

/// Rows with a whole number in `n`.
fn plain(of: std::ops::RangeInclusive<usize>) -> Vec<Value> {
    of.map(|id| json!({ "id": id, "n": id })).collect()
}

/// A page as the table has it, one with another field, one with fractions and one with objects.
fn changing() -> Vec<Value> {
    let mut rows = plain(1..=10);
    rows.extend((11..=20).map(|id| json!({ "id": id, "n": id, "extra": "x" })));
    rows.extend((21..=30).map(|id| json!({ "id": id, "n": f64::from(id) + 0.5 })));
    rows.extend((31..=40).map(|id| json!({ "id": id, "n": { "a": id } })));
    rows
}

/// A table with the columns `id` and `n`, and the API after that, under a policy.
async fn changed(policy: &str, rows: Vec<Value>) -> Setup {
    let mut setup = Setup::new(ROWS, pages(plain(1..=10)));
    setup.complete().await;
    setup.replace("table: rows,", &format!("table: rows, schema: {policy},"));
    setup.api.answer(pages(rows));
    setup
}

#[tokio::test]
async fn a_table_evolves() {
    let setup = changed("evolve", changing()).await;
    let report = setup.complete().await;
    assert!(report.streams[0].remarks.is_empty(), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=40));
    let extra: Vec<usize> = setup
        .query::<i64>("SELECT id FROM rows WHERE extra = 'x' ORDER BY id")
        .into_iter()
        .map(number)
        .collect();
    assert_eq!(extra, all(11..=20));
    let whole: Vec<usize> = setup
        .query::<i64>("SELECT id FROM rows WHERE CAST(n AS REAL) = id ORDER BY id")
        .into_iter()
        .map(number)
        .collect();
    assert_eq!(whole, all(1..=20));
    let others: Vec<String> = setup.query("SELECT n FROM rows WHERE id IN (21, 31) ORDER BY id");
    assert_eq!(others, ["21.5", r#"{"a":31}"#]);
}

fn number(id: i64) -> usize {
    usize::try_from(id).unwrap()
}

#[tokio::test]
async fn a_frozen_table_fails_the_stream_and_the_next_run_completes_it() {
    for (second, words) in [
        (json!({ "id": 11, "n": 11, "extra": "x" }), "the table has no column for `extra`"),
        (json!({ "id": 11, "n": 11.5 }), "`n` holds no int"),
        (json!({ "id": 11, "n": { "a": 11 } }), "`n` holds no int"),
    ] {
        let mut rows = plain(1..=10);
        rows.push(second);
        let setup = changed("freeze", rows).await;
        let stream = setup.fail(&[words]).await;
        assert_eq!((stream.run, stream.counts.read), (2, 10), "{stream}");
        assert_eq!(setup.ids("rows"), all(1..=10));
        setup.api.answer(pages(plain(1..=40)));
        let report = setup.complete().await;
        assert_eq!(report.streams[0].run, 2, "{report}");
        assert_eq!(setup.ids("rows"), all(1..=40));
    }
}

#[tokio::test]
async fn fields_are_discarded_and_what_does_not_fit_is_set_aside() {
    let setup = changed("discard", changing()).await;
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=20));
    assert_eq!(
        report.streams[0].remarks,
        [
            "left out, as the table has no columns for them: extra",
            "20 rows were set aside into `_apipool_rejects`, the first one because `n` holds no int",
        ]
    );
    let columns: Vec<String> = setup.query("SELECT name FROM pragma_table_info('rows')");
    assert_eq!(columns, ["id", "n"]);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_in_quarantine() {
    let setup = changed("quarantine", changing()).await;
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=10));
    let said = "30 rows were set aside into `_apipool_rejects`, the first one because the table has no \
                column for `extra`";
    assert_eq!(report.streams[0].remarks, [said]);
    let reasons: Vec<String> = setup.query(
        "SELECT reason || ': ' || count(*) FROM _apipool_rejects GROUP BY reason ORDER BY 1",
    );
    assert_eq!(reasons, ["`n` holds no int: 20", "the table has no column for `extra`: 10"]);
}

#[tokio::test]
async fn what_was_strange_about_pages_is_told_of_a_run_that_a_row_fails() {
    let setup = changed("freeze", Vec::new()).await;
    setup.api.answer(|_| {
        let rows = json!([{ "id": 11, "n": 11.5 }]);
        Reply::json(&json!({ "data": rows, "pagination": { "total": "many" } }))
    });
    let stream = setup.fail(&["`n` holds no int"]).await;
    let is_told = |remark: &String| remark.contains("`pagination`");
    assert!(stream.remarks.iter().any(is_told), "{stream}");
}
