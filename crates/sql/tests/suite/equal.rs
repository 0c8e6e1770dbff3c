//! Queries of every kind give the rows that they give over the same rows in memory, whatever the API
//! is asked for and however it pages.

use crate::{
    queries::{Query, made},
    support::Pages,
    world::{ITEMS, World, local, shown, try_rows},
};

const QUERIES: usize = 60;

/// How the API may be asked: settings of `api`, and of `sql`.
const SETTINGS: [Setting; 9] = [
    ("projection alone", "", ""),
    ("fields", "", "fields: fields"),
    ("equalities", "filters: { style: equality }", ""),
    ("comparisons", "filters: { style: suffixes }", ""),
    ("comparisons that are checked", "filters: { style: suffixes }, filtering: checked", ""),
    (
        "every comparison",
        "filters: { style: suffixes, operators: { ne: \"{field}__ne={value}\" } }",
        "collation: binary",
    ),
    ("lists as requests", "filters: { style: suffixes, lists: requests }", "max_keys: 3"),
    ("orders", "sorting: { style: prefixed, param: sort }", "collation: binary, nulls: highest"),
    (
        "everything",
        "filters: { style: suffixes, max_in_values: 4 }, sorting: { style: prefixed, param: sort }",
        "collation: binary, nulls: highest, fields: fields, trust_total: 1h, prefetch: 3",
    ),
];

async fn expected(queries: &[Query]) -> Vec<Vec<String>> {
    let context = local(ITEMS);
    let mut expected = Vec::new();
    for Query { sql, is_ordered } in queries {
        let sql = sql.replace("other.", "");
        let batches = context.sql(&sql).await.unwrap().collect().await;
        let mut rows = shown(&batches.unwrap_or_else(|error| panic!("{sql}: {error}")));
        if !is_ordered {
            rows.sort();
        }
        expected.push(rows);
    }
    expected
}

/// How an API is asked, and how it is in messages.
type Setting = (&'static str, &'static str, &'static str);

async fn check(
    pages: Pages,
    (name, api, sql): Setting,
    queries: &[Query],
    expected: &[Vec<String>],
) {
    let world = World::new(pages);
    let session = world.session(pages, api, sql);
    for (Query { sql, is_ordered }, expected) in queries.iter().zip(expected) {
        let found = try_rows(&session, sql).await;
        let mut found = found.unwrap_or_else(|error| panic!("{name}, {pages:?}: {sql}: {error}"));
        if !is_ordered {
            found.sort();
        }
        let asked = world.items.asked();
        assert_eq!(&found, expected, "{name}, {pages:?}: {sql}\n{asked:#?}");
    }
}

/// Checks the same queries with each of these, whose rows in memory are looked up once.
async fn check_all(settings: impl IntoIterator<Item = (Pages, Setting)>, seed: u64) {
    let queries = made(QUERIES, seed);
    let expected = expected(&queries).await;
    for (pages, setting) in settings {
        check(pages, setting, &queries, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_have_the_rows_of_the_same_queries_in_memory_whatever_is_pushed_down() {
    check_all(SETTINGS.map(|setting| (Pages::Numbered, setting)), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_have_the_rows_of_the_same_queries_in_memory_however_the_api_pages() {
    check_all(Pages::ALL.map(|pages| (pages, SETTINGS[8])), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_apis_that_take_nothing_have_the_same_rows_however_they_page() {
    check_all(Pages::ALL.map(|pages| (pages, SETTINGS[0])), 12).await;
}
