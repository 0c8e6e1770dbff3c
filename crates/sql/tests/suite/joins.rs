//! Joins as look-ups.

use crate::{
    support::{Api, Pages},
    world::{GROUPS, ITEMS, PAGE, World, config, described, items, rows, try_rows},
};
use vantage_api_sql::ApiSession;

const EIGHT: &str = "SELECT items.id, t FROM (VALUES (1), (2), (3), (5), (8), (13), (21), (34)) k(id) \
                     JOIN items ON items.id = k.id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_of_eight_keys_asks_for_them_in_a_list_or_one_by_one() {
    let pages = ITEMS.div_ceil(PAGE);
    for (filters, sql, requests) in [
        ("filters: { style: suffixes }", "", 2),
        ("filters: { style: suffixes, max_in_values: 4 }", "", 2),
        ("filters: { style: equality }", "", 8),
        ("filters: { style: equality, lists: requests }", "", 8),
        ("filters: { style: equality }", "max_keys: 7", pages),
        ("filters: { style: suffixes }", "max_keys: 0", pages),
        ("", "", pages),
    ] {
        let world = World::new(Pages::Numbered);
        let session = world.session(Pages::Numbered, filters, sql);
        let found = rows(&session, EIGHT).await;
        assert_eq!(found.len(), 8, "{filters}");
        let asked = world.items.asked();
        assert_eq!(asked.len(), requests, "{filters}, {sql}: {asked:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_page_are_one_request() {
    let world = World::of(Pages::Numbered, 200, 100);
    let session = world.session(Pages::Numbered, "filters: { style: suffixes }", "");
    let few = EIGHT.replace(", (8), (13), (21), (34)", "");
    assert_eq!(rows(&session, &few).await.len(), 4);
    let asked = world.items.asked();
    assert_eq!(asked.len(), 1, "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_one_api_are_looked_up_in_another() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "filters: { style: suffixes }", "");
    let sql = "SELECT i.id FROM other.groups g JOIN items i ON i.grp = g.id WHERE g.id IN (2, 3)";
    let found = rows(&session, sql).await;
    let expected = world.items.rows("items");
    let expected = expected.iter().filter(|row| matches!(row["grp"].as_i64(), Some(2 | 3))).count();
    assert_eq!(found.len(), expected);
    let asked = world.items.asked();
    assert!(asked.iter().all(|url| url.contains("grp__in=")), "{asked:#?}");
}

/// trinodb/trino 7177 and hugr-lab/mssql-extension 272: an API may take texts for equal that are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_an_api_may_take_for_the_same_are_not_asked_for_one_by_one() {
    let api = Api::ignoring_case(Pages::Numbered, PAGE);
    api.put("items", items(ITEMS));
    let session = ApiSession::with_config(config()).unwrap();
    let yaml = "  - name: items
    id: id
    columns: { id: int, t: text }
    api: { paging: { by: page, size_param: per_page, size: 7 }, envelope: { items: data }, filters: { style: equality } }
";
    session.add("public", &described(&api, yaml)).unwrap();
    let sql = "SELECT items.id FROM (VALUES ('apple'), ('Apple')) k(t) JOIN items ON items.t = k.t";
    let found = rows(&session, sql).await;
    let expected = items(ITEMS);
    let expected = expected.iter().filter(|row| row["t"] == "apple" || row["t"] == "Apple").count();
    assert_eq!(found.len(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_below_another_is_read_for_the_rows_that_it_is_joined_to() {
    let api = Api::start(Pages::Numbered, PAGE);
    let row = |country: &str, name: &str| serde_json::json!({ "name": name, "in": country });
    let code = |code: &str, size: i64| serde_json::json!({ "code": code, "size": size });
    api.put("countries", vec![code("de", 80), code("fr", 60), code("li", 1)]);
    let cities = [("de", "Bonn"), ("de", "Ulm"), ("fr", "Lyon"), ("li", "Vaduz")];
    let cities = cities.map(|(country, name)| {
        let mut city = row(country, name);
        city["country"] = country.into();
        city
    });
    api.put("cities", cities.to_vec());
    let yaml = "  - name: countries
    id: code
    columns: { code: text, size: int }
    api: { paging: { by: page }, envelope: { items: data } }
  - name: cities
    columns: { name: text }
    api: { endpoint: \"countries/{country}/cities\", paging: { by: page }, envelope: { items: data } }
";
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &described(&api, yaml)).unwrap();
    assert_eq!(rows(&session, "SELECT * FROM cities WHERE country = 'li'").await, ["Vaduz | li"]);
    assert_eq!(api.asked().len(), 1);
    let mut two = rows(&session, "SELECT name FROM cities WHERE country IN ('li', 'fr')").await;
    two.sort();
    assert_eq!(two, ["Lyon", "Vaduz"]);
    assert_eq!(api.asked().len(), 2);
    let sql =
        "SELECT c.name FROM countries k JOIN cities c ON c.country = k.code WHERE k.size > 10";
    let mut joined = rows(&session, sql).await;
    joined.sort();
    assert_eq!(joined, ["Bonn", "Lyon", "Ulm"]);
    let asked = api.asked();
    assert_eq!(asked.len(), 3, "{asked:#?}");
    let refused = try_rows(&session, "SELECT name FROM cities").await.unwrap_err().to_string();
    assert!(refused.contains("`cities`") && refused.contains("`country`"), "{refused}");
    assert!(api.asked().is_empty());
}

/// apache/datafusion 17188 and 17196: keys of one partition are not those of all, and those of one
/// side are not those of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_have_all_rows_whichever_side_is_the_smaller() {
    let world = World::new(Pages::Numbered);
    let filters = "filters: { style: suffixes }";
    let session = world.session(Pages::Numbered, filters, "");
    for sql in [
        "SELECT i.id FROM items i JOIN other.groups g ON i.grp = g.id",
        "SELECT i.id FROM other.groups g JOIN items i ON i.grp = g.id",
        "SELECT i.id FROM other.groups g RIGHT JOIN items i ON i.grp = g.id WHERE g.id IS NOT NULL",
    ] {
        let found = rows(&session, sql).await;
        let all = items(ITEMS);
        let expected =
            all.iter().filter(|row| row["grp"].as_u64().is_some_and(|grp| grp < GROUPS as u64));
        assert_eq!(found.len(), expected.count(), "{sql}");
    }
    let all = "SELECT i.id FROM items i LEFT JOIN other.groups g ON i.grp = g.id AND g.id = 3";
    assert_eq!(rows(&session, all).await.len(), ITEMS);
}
