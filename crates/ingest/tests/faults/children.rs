//! Lists in the rows that become tables of their own: each item is there once, with its row.

use serde_json::{Value, json};

use crate::{
    api::{Reply, Request},
    setup::{ROWS, Setup, all, page, pages},
};

/// A row whose lists have these tags, and as many lines.
fn tagged(id: usize, tags: &[usize]) -> Value {
    let lines =
        tags.iter().map(|tag| json!({ "sku": format!("sku {tag}"), "at": { "shelf": tag } }));
    json!({ "id": id, "tags": tags, "order": { "lines": lines.collect::<Vec<_>>() } })
}

/// Rows with two tags each, which no other row has.
fn rows(of: std::ops::RangeInclusive<usize>) -> Vec<Value> {
    of.map(|id| tagged(id, &[10 * id, 10 * id + 1])).collect()
}

/// What the tables have of such rows.
fn items(of: impl IntoIterator<Item = usize>) -> Vec<String> {
    let items = of.into_iter().flat_map(|id| [(id, 0, 10 * id), (id, 1, 10 * id + 1)]);
    items.map(|(id, index, tag)| format!("{id}.{index}={tag}")).collect()
}

/// A table whose lists are tables, with these words in the stream.
fn setup(words: &str, rows: Vec<Value>) -> Setup {
    let mut setup = Setup::new(ROWS, pages(rows));
    setup.replace("table: rows,", &format!("table: rows, nested: children, {words}"));
    setup
}

fn tags(setup: &Setup) -> Vec<String> {
    setup.query(
        "SELECT _rows_id || '.' || _index || '=' || value FROM rows_tags \
         ORDER BY CAST(_rows_id AS INTEGER), _index, value",
    )
}

fn lines(setup: &Setup) -> Vec<String> {
    setup.query(
        "SELECT _rows_id || '.' || _index || '=' || at_shelf FROM rows_order_lines \
         WHERE sku = 'sku ' || at_shelf ORDER BY _rows_id, _index, at_shelf",
    )
}

fn check(setup: &Setup, expected: &[String]) {
    assert_eq!(tags(setup), expected);
    assert_eq!(lines(setup), expected);
}

fn without_page_3(rows: Vec<Value>) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| if request.page() == 3 { Reply::status(404) } else { page(&rows, request) }
}

#[tokio::test]
async fn items_of_a_row_that_comes_again_take_the_place_of_the_old_ones() {
    let setup = setup("", rows(1..=25));
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.written, 25, "{report}");
    check(&setup, &items(1..=25));
    let columns: Vec<String> = setup.query("SELECT name FROM pragma_table_info('rows')");
    assert_eq!(columns, ["id"]);

    let mut changed = vec![tagged(1, &[7]), tagged(2, &[]), json!({ "id": 3, "tags": null })];
    changed.extend(rows(4..=26));
    setup.api.answer(pages(changed));
    setup.complete().await;
    let mut expected = vec!["1.0=7".to_owned()];
    expected.extend(items(4..=26));
    check(&setup, &expected);
    assert_eq!(setup.ids("rows"), all(1..=26));
}

#[tokio::test]
async fn a_row_that_comes_twice_has_the_items_of_its_last_place() {
    // The first page is one commit.
    let mut twice = rows(1..=6);
    twice.extend([tagged(1, &[7]), tagged(2, &[]), tagged(7, &[70, 71]), tagged(7, &[8])]);
    twice.extend([tagged(3, &[9])]);
    let setup = setup("", twice);
    setup.complete().await;
    let mut expected = vec!["1.0=7".to_owned(), "3.0=9".to_owned()];
    expected.extend(items(4..=6));
    expected.push("7.0=8".to_owned());
    check(&setup, &expected);
}

#[tokio::test]
async fn items_go_with_the_rows_that_are_gone() {
    let setup = setup("write: sync,", rows(1..=30));
    setup.complete().await;
    setup.api.answer(without_page_3(rows(11..=40)));
    setup.fail(&["404", "page 3"]).await;
    assert_eq!(setup.ids("rows"), all(1..=30));
    setup.api.answer(pages(rows(11..=40)));
    setup.complete().await;
    check(&setup, &items(11..=40));
}

#[tokio::test]
async fn child_tables_are_replaced_with_the_table() {
    let setup = setup("write: replace,", rows(1..=30));
    setup.complete().await;
    setup.api.answer(without_page_3(rows(2..=40)));
    setup.fail(&["404", "page 3"]).await;
    check(&setup, &items(1..=30));
    setup.api.answer(pages(rows(2..=40)));
    setup.complete().await;
    check(&setup, &items(2..=40));

    setup.api.answer(pages(vec![json!({ "id": 1, "tags": [10, 11] })]));
    setup.complete().await;
    assert_eq!(tags(&setup), items(1..=1));
    assert!(lines(&setup).is_empty());
}

#[tokio::test]
async fn a_run_that_goes_on_appends_each_item_once() {
    let setup = setup("write: append,", rows(1..=40));
    setup.api.answer(without_page_3(rows(1..=40)));
    setup.fail(&["404", "page 3"]).await;
    check(&setup, &items(1..=20));
    setup.api.answer(pages(rows(1..=40)));
    setup.complete().await;
    check(&setup, &items(1..=40));
    setup.complete().await;
    assert_eq!(tags(&setup).len(), 160);
}

#[tokio::test]
async fn items_are_found_by_a_key_that_gets_another_type() {
    let mut all = rows(1..=10);
    all.extend((11..=20).map(|id| json!({ "id": format!("no. {id}"), "tags": [id] })));
    let setup = setup("", all.clone());
    setup.complete().await;
    let found = "SELECT count(*) FROM rows JOIN rows_tags ON _rows_id = id";
    assert_eq!(setup.query::<i64>(found), [30]);
    all.iter_mut().for_each(|row| row["tags"] = json!([1]));
    setup.api.answer(pages(all));
    setup.complete().await;
    assert_eq!(setup.query::<i64>(found), [20]);
    assert_eq!(setup.query::<i64>("SELECT count(*) FROM rows_tags"), [20]);
}

#[tokio::test]
async fn new_lists_and_fields_of_items_make_tables_and_columns() {
    let setup = setup("", vec![json!({ "id": 1, "tags": [10, 11] })]);
    setup.complete().await;
    let row = json!({ "id": 2, "tags": ["x", { "a": 1 }], "more": [[1, 2]] });
    setup.api.answer(pages(vec![row]));
    setup.complete().await;
    let values: Vec<Option<String>> =
        setup.query("SELECT CAST(value AS TEXT) FROM rows_tags ORDER BY _rows_id, _index");
    assert_eq!(values, [Some("10"), Some("11"), Some("x"), None].map(|v| v.map(str::to_owned)));
    assert_eq!(setup.query::<i64>("SELECT a FROM rows_tags WHERE a IS NOT NULL"), [1]);
    assert_eq!(setup.query::<String>("SELECT value FROM rows_more"), ["[1,2]"]);
}

#[tokio::test]
async fn a_schema_that_is_kept_has_no_new_child_tables() {
    for (policy, ids, remarks) in [
        ("discard", all(1..=2), ["left out, as the table has no columns for them: tags"]),
        (
            "quarantine",
            all(1..=1),
            ["1 row was set aside into `_apipool_rejects`: there is no child table for `tags`"],
        ),
    ] {
        let mut setup = setup("", vec![json!({ "id": 1 })]);
        setup.complete().await;
        setup.replace("nested: children,", &format!("nested: children, schema: {policy},"));
        setup.api.answer(pages(vec![json!({ "id": 1 }), json!({ "id": 2, "tags": [1] })]));
        let report = setup.complete().await;
        assert_eq!(report.streams[0].remarks, remarks, "{policy}");
        assert_eq!(setup.ids("rows"), ids, "{policy}");
        setup.replace(policy, "freeze");
        setup.fail(&["there is no child table for `tags`"]).await;
        let tables: Vec<String> = setup
            .query("SELECT name FROM sqlite_schema WHERE name LIKE 'rows%' AND type = 'table'");
        assert_eq!(tables, ["rows"]);
    }
}

#[tokio::test]
async fn a_row_is_set_aside_with_its_items() {
    let mut setup = setup("", rows(1..=10));
    setup.complete().await;
    setup.replace("nested: children,", "nested: children, schema: quarantine,");
    let mut mixed = rows(11..=12);
    mixed[0]["tags"] = json!([110, "x"]);
    mixed[1]["order"]["lines"][1]["at"]["shelf"] = json!("far away");
    mixed.extend(rows(13..=13));
    setup.api.answer(pages(mixed));
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.rejected, 2, "{report}");
    let reasons: Vec<String> = setup.query("SELECT reason FROM _apipool_rejects ORDER BY reason");
    assert_eq!(reasons, ["`order.lines.at_shelf` holds no int", "`tags.value` holds no int"]);
    check(&setup, &items((1..=10).chain([13])));
}

/// The page of the rows that were changed since then.
fn changed_since(rows: Vec<Value>) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| {
        let since = request.param("since").unwrap_or_default();
        let is_new = |row: &&Value| row["at"].as_str().is_some_and(|at| at >= since);
        page(&rows.iter().filter(is_new).cloned().collect::<Vec<_>>(), request)
    }
}

#[tokio::test]
async fn a_row_with_another_list_is_appended_again_and_the_others_are_not() {
    let words = "write: append, incremental: { field: at, param: since },";
    let mut setup = setup(words, Vec::new());
    // So that every run reads its rows in one go.
    setup.replace("commit: { rows: 10 }", "commit: { rows: 100 }");
    let at = |id: usize, tags: &[usize]| {
        let mut row = tagged(id, tags);
        row["at"] = json!("2024-01-01T00:00:00Z");
        row
    };
    setup.api.answer(changed_since(vec![at(1, &[10, 11]), at(2, &[20, 21])]));
    setup.complete().await;
    setup.api.answer(changed_since(vec![at(1, &[10, 11]), at(2, &[20]), at(3, &[30, 31])]));
    let report = setup.complete().await;
    let counts = report.streams[0].counts;
    assert_eq!((counts.repeated, counts.written), (1, 2), "{report}");
    assert_eq!(setup.ids("rows"), [1, 2, 2, 3]);
    let mut expected = items(1..=3);
    expected.insert(2, "2.0=20".to_owned());
    check(&setup, &expected);
}

#[tokio::test]
async fn items_stay_when_lists_are_no_tables_any_more() {
    for words in ["write: merge,", "write: sync,", "write: replace,"] {
        for nested in ["json", "flatten"] {
            let mut setup = setup(words, rows(1..=25));
            setup.complete().await;
            setup.replace("nested: children,", &format!("nested: {nested},"));
            setup.api.answer(pages(rows(1..=15)));
            setup.complete().await;
            check(&setup, &items(1..=25));
            let lists: Vec<String> = setup.query("SELECT tags FROM rows WHERE id = 1");
            assert_eq!(lists, ["[10,11]"], "{words} {nested}");
        }
    }
}
