//! What an API is asked for, request by request.

use vantage_api_sql::datafusion::arrow::array::RecordBatch;

use crate::{
    support::Pages,
    world::{ITEMS, PAGE, World, plan, rows},
};

/// How many pages have so many rows.
fn pages(rows: usize) -> usize {
    rows.div_ceil(PAGE)
}

const ALL: &str =
    "filters: { style: suffixes }, sorting: { style: prefixed, param: sort, only: [id, n] }";

#[tokio::test]
async fn a_limit_asks_for_the_pages_that_it_needs() {
    for kind in Pages::ALL {
        let world = World::new(kind);
        let session = world.session(kind, ALL, "");
        for (limit, needed) in [(1, 1), (PAGE, 1), (PAGE + 1, 2), (3 * PAGE, 3)] {
            let sql = format!("SELECT id FROM items LIMIT {limit}");
            assert_eq!(rows(&session, &sql).await.len(), limit);
            let needed = if kind == Pages::None { 1 } else { needed };
            assert_eq!(world.items.asked().len(), needed, "{kind:?}, {limit}");
        }
        assert!(rows(&session, "SELECT id FROM items LIMIT 0").await.is_empty());
        assert!(world.items.asked().is_empty());
    }
}

#[tokio::test]
async fn a_whole_table_is_asked_for_page_by_page_and_each_page_once() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "");
    assert_eq!(rows(&session, "SELECT id FROM items").await.len(), ITEMS);
    let mut asked = world.items.asked();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), pages(ITEMS));
}

#[tokio::test]
async fn a_count_asks_for_nothing_once_a_trusted_total_is_known() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "trust_total: 1h");
    let count = "SELECT count(*) FROM items";
    for expected in [1, 0, 0] {
        assert_eq!(rows(&session, count).await, [ITEMS.to_string()]);
        assert_eq!(world.items.asked().len(), expected);
    }
    // Of another set another total is known.
    let some = "SELECT count(*) FROM items WHERE n > 5";
    let expected =
        world.items.rows("items").iter().filter(|row| row["n"].as_i64() > Some(5)).count();
    for requests in [1, 0] {
        assert_eq!(rows(&session, some).await, [expected.to_string()]);
        assert_eq!(world.items.asked().len(), requests);
    }
}

#[tokio::test]
async fn a_count_reads_every_page_if_totals_are_not_trusted_or_not_told() {
    for (kind, sql) in [(Pages::Numbered, ""), (Pages::Cursor, "trust_total: 1h")] {
        let world = World::new(kind);
        let session = world.session(kind, ALL, sql);
        for _ in 0..2 {
            assert_eq!(rows(&session, "SELECT count(*) FROM items").await, [ITEMS.to_string()]);
            assert_eq!(world.items.asked().len(), pages(ITEMS), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn filters_ask_for_exactly_the_pages_of_their_rows() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "");
    let found = rows(&session, "SELECT id FROM items WHERE t = 'zoo' AND id > 10").await;
    let expected = world.items.rows("items");
    let expected = expected.iter().filter(|row| row["t"] == "zoo" && row["id"].as_i64() > Some(10));
    assert_eq!(found.len(), expected.count());
    let asked = world.items.asked();
    assert_eq!(asked.len(), pages(found.len()), "{asked:?}");
    assert!(
        asked.iter().all(|url| url.contains("t=zoo") && url.contains("id__gt=10")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_table_that_says_nothing_of_filters_is_asked_for_none() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "");
    assert_eq!(rows(&session, "SELECT id FROM items WHERE id = 7").await, ["7"]);
    assert!(world.items.asked().iter().all(|url| !url.contains("id=")));
    let session =
        world.session(Pages::Numbered, "filtering: local, filters: { style: suffixes }", "");
    assert_eq!(rows(&session, "SELECT id FROM items WHERE id = 7").await, ["7"]);
    assert!(world.items.asked().iter().all(|url| !url.contains("id=")));
}

#[tokio::test]
async fn an_order_that_the_api_has_is_not_made_again() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "");
    let first = "SELECT id FROM items ORDER BY id DESC LIMIT 5";
    assert_eq!(rows(&session, first).await, ["53", "52", "51", "50", "49"]);
    let asked = world.items.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains("sort=-id"), "{asked:?}");
    let plan = plan(&session, first).await;
    assert!(!plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn an_order_with_nulls_is_made_here_unless_it_is_known_where_they_are() {
    let world = World::new(Pages::Numbered);
    let ascending = "SELECT n FROM items ORDER BY n NULLS LAST LIMIT 5";
    let descending = "SELECT n FROM items ORDER BY n DESC NULLS LAST LIMIT 5";
    for (nulls, sql, is_sent) in [
        ("", ascending, false),
        ("nulls: highest", ascending, true),
        ("nulls: highest", descending, false),
        ("nulls: last", descending, true),
        ("nulls: lowest", ascending, false),
    ] {
        let session = world.session(Pages::Numbered, ALL, nulls);
        rows(&session, sql).await;
        let asked = world.items.asked();
        assert_eq!(asked.iter().all(|url| url.contains("sort=")), is_sent, "{nulls}: {asked:?}");
        assert_eq!(asked.len(), if is_sent { 1 } else { pages(ITEMS) });
    }
}

#[tokio::test]
async fn lists_take_as_many_requests_as_their_form_does_and_no_more_than_they_may() {
    let ids = "SELECT id FROM items WHERE id IN (1, 2, 3, 50)";
    for (filters, sql, requests) in [
        ("filters: { style: suffixes }", "", 1),
        ("filters: { style: suffixes, max_in_values: 2 }", "", 2),
        ("filters: { style: equality, lists: requests }", "", 4),
        ("filters: { style: equality, lists: requests }", "max_keys: 3", pages(ITEMS)),
        ("filters: { style: equality }", "", pages(ITEMS)),
    ] {
        let world = World::new(Pages::Numbered);
        let session = world.session(Pages::Numbered, filters, sql);
        let mut found = rows(&session, ids).await;
        found.sort();
        assert_eq!(found, ["1", "2", "3", "50"]);
        let asked = world.items.asked();
        assert_eq!(asked.len(), requests, "{filters}: {asked:?}");
    }
    let either = "SELECT id FROM items WHERE id = 1 OR id = 2 OR id = 3";
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "filters: { style: suffixes }", "");
    assert_eq!(rows(&session, either).await.len(), 3);
    let asked = world.items.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains("id__in=1%2C2%2C3"), "{asked:?}");
}

#[tokio::test]
async fn only_the_fields_that_are_needed_are_asked_for() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "", "fields: fields");
    rows(&session, "SELECT t FROM items WHERE n + 1 > 3").await;
    let asked = world.items.asked();
    assert!(asked.iter().all(|url| url.contains("fields=n%2Ct")), "{asked:?}");
}

#[tokio::test]
async fn conditions_that_exclude_each_other_ask_for_nothing() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "");
    let none = "SELECT id FROM items WHERE id IN (1, 2) AND id IN (3, 4)";
    assert!(rows(&session, none).await.is_empty());
    assert!(world.items.asked().is_empty());
}

#[tokio::test]
async fn a_query_that_runs_twice_reads_twice() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, ALL, "");
    let query = session.sql("SELECT id FROM items").await.unwrap();
    for _ in 0..2 {
        let batches = query.clone().collect().await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, ITEMS);
    }
    assert_eq!(world.items.asked().len(), 2 * pages(ITEMS));
}
