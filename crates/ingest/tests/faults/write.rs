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
