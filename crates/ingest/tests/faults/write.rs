//! When rows that are there are deleted or replaced: at the end of a complete run, and not before.

use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply, Request},
    setup::{ROWS, Setup, all, committed, ended, numbered, page, pages},
};

/// Rows 1 to 50, which are called so.
fn called(name: &str) -> Vec<Value> {
    (1..=50).map(|id| json!({ "id": id, "name": name })).collect()
}

/// The names that there are, and how often.
fn names(setup: &Setup) -> Vec<String> {
    setup.query("SELECT name || ' ' || count(*) FROM rows GROUP BY name")
}

fn without_page_3(rows: Vec<Value>) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| if request.page() == 3 { Reply::status(404) } else { page(&rows, request) }
}

#[tokio::test]
async fn what_is_gone_is_deleted_at_the_end_of_a_complete_run() {
    let mut setup = Setup::new(ROWS, pages(numbered(1..=50)));
    setup.replace("table: rows,", "table: rows, write: sync,");
    setup.complete().await;
    setup.api.answer(without_page_3(numbered(11..=50)));
    setup.fail(&["404", "page 3"]).await;
    assert_eq!(setup.ids("rows"), all(1..=50));
    setup.api.answer(pages(numbered(11..=50)));
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(11..=50));
}

#[tokio::test]
async fn old_rows_are_there_until_all_new_ones_are() {
    let mut setup = Setup::new(ROWS, pages(called("old")));
    setup.replace("table: rows,", "table: rows, write: replace,");
    setup.complete().await;
    setup.api.answer(without_page_3(called("new")));
    setup.fail(&["404", "page 3"]).await;
    assert_eq!(names(&setup), ["old 50"]);

    let (rows, gate) = (called("new"), Gate::default());
    let behind = gate.clone();
    setup.api.answer(move |request| {
        let page = page(&rows, request);
        if request.page() == 5 { page.behind(&behind) } else { page }
    });
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 4).await;
        assert_eq!(names(&setup), ["old 50"]);
        gate.open();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(names(&setup), ["new 50"]);
    assert_eq!(setup.ids("rows"), all(1..=50));
}

#[tokio::test]
async fn what_ended_a_run_that_had_read_nothing_is_remembered_and_nothing_is_replaced() {
    for write in ["append", "merge", "sync", "replace"] {
        let mut setup = Setup::new(ROWS, |_| Reply::status(404));
        setup.replace("table: rows,", &format!("table: rows, write: {write},"));
        let last = async |setup: &Setup| setup.job().last_run().await.unwrap().unwrap().to_string();
        setup.fail(&["404"]).await;
        assert!(last(&setup).await.contains("FAILED") && last(&setup).await.contains("404"));
        // The run has not begun in a way in which the next one would have to go on.
        setup.replace("rows, write", "rows, prefetch: 2, write");
        setup.api.answer(pages(numbered(1..=20)));
        assert_eq!(setup.complete().await.streams[0].run, 1);
        setup.api.answer(|_| Reply::status(404));
        for _ in 0..2 {
            let stream = setup.fail(&["404"]).await;
            assert_eq!((stream.run, stream.counts.read), (2, 0), "{stream}");
            assert!(last(&setup).await.contains("404"), "{write}");
            assert_eq!(setup.ids("rows"), all(1..=20), "{write}");
        }
        setup.api.answer(pages(numbered(21..=30)));
        assert_eq!(setup.complete().await.streams[0].run, 2);
        assert!(!last(&setup).await.contains("FAILED"));
    }
}

#[tokio::test]
async fn a_run_whose_paging_is_corrected_begins_anew_where_no_row_comes_twice() {
    for (write, remarks) in [("merge", 1), ("sync", 1), ("replace", 1)] {
        let mut setup = Setup::new(ROWS, without_page_3(numbered(1..=50)));
        setup.replace("table: rows,", &format!("table: rows, write: {write},"));
        setup.fail(&["404", "page 3"]).await;
        setup.replace(
            "id: id }",
            "id: id, api: { paging: { by: page, param: page, size_param: n, size: 10 } } }",
        );
        setup.api.answer(pages(numbered(1..=50)));
        let report = setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=50), "{write}");
        let stream = &report.streams[0];
        let said = stream.remarks.iter().filter(|remark| remark.contains("begun anew"));
        assert_eq!((said.count(), stream.run, stream.counts.read), (remarks, 2, 50), "{stream}");
        assert!(setup.complete().await.streams[0].remarks.is_empty());
    }
}

#[tokio::test]
async fn a_run_that_has_appended_rows_says_how_to_begin_anew_once_its_paging_is_corrected() {
    let mut setup = Setup::new(ROWS, without_page_3(numbered(1..=50)));
    setup.replace("table: rows,", "table: rows, write: append,");
    setup.fail(&["404", "page 3"]).await;
    setup.replace(
        "id: id }",
        "id: id, api: { paging: { by: page, param: page, size_param: n, size: 10 } } }",
    );
    setup.api.answer(pages(numbered(1..=50)));
    setup.fail(&["other pages", "`apipool reset FILE JOB --drop`"]).await;
    assert_eq!(setup.ids("rows"), all(1..=20));
    setup.job().reset(None, true).await.unwrap();
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=50));
}

#[tokio::test]
async fn rows_without_a_key_that_are_all_read_again_take_the_place_of_those_of_before() {
    let mut setup = Setup::new(ROWS, pages(numbered(1..=30)));
    setup.replace("id: id ", "");
    setup.replace("{ name: rows, }", "{ name: rows }");
    for _ in 0..2 {
        setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=30));
    }
    setup.replace("table: rows,", "table: rows, write: append,");
    setup.complete().await;
    assert_eq!(setup.ids("rows").len(), 60, "as it is asked for");
}
