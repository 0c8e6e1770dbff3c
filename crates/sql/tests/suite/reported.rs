//! Queries of public bug reports of other programs, beside the same ones over local rows.

use serde_json::json;
use vantage_api_sql::ApiSession;

use crate::{
    support::{Api, Pages},
    world::{ITEMS, PAGE, World, config, described, local, rows, shown, try_rows},
};

const SETTINGS: [(&str, &str); 3] = [
    ("", ""),
    ("filters: { style: suffixes }", "trust_total: 1h"),
    (
        "filters: { style: suffixes, lists: requests }, sorting: { style: prefixed, param: sort }",
        "collation: binary, nulls: highest, fields: fields, trust_total: 1h, prefetch: 3",
    ),
];

async fn assert_same(queries: &[&str]) {
    let context = local(ITEMS);
    for (api, sql) in SETTINGS {
        let world = World::new(Pages::Numbered);
        let session = world.session(Pages::Numbered, api, sql);
        for query in queries {
            let own = query.replace("other.", "");
            let mut expected = shown(&context.sql(&own).await.unwrap().collect().await.unwrap());
            let mut found = rows(&session, query).await;
            if !query.contains("ORDER BY") {
                expected.sort();
                found.sort();
            }
            assert_eq!(found, expected, "{api}: {query}\n{:#?}", world.items.asked());
        }
    }
}

/// apache/datafusion 25263: two columns of one name in a subquery, one of which is joined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_looked_up_in_the_column_that_is_joined_among_two_of_one_name() {
    assert_same(&[
        "SELECT s.id, a.id, b.id, tag FROM items s JOIN (SELECT a.id, b.id, a.t || '!' AS tag \
         FROM items a JOIN other.groups b ON a.grp = b.id) ON s.id = a.id",
        "SELECT s.id, a.id, b.id, tag FROM other.groups s JOIN (SELECT a.id, b.id, a.t || '!' AS tag \
         FROM items a JOIN other.groups b ON a.grp = b.id) ON s.id = b.id",
        "SELECT s.id, a.id, b.id, tag FROM (SELECT a.id, b.id, a.t || '!' AS tag \
         FROM items a JOIN other.groups b ON a.grp = b.id) JOIN other.groups s ON s.id = a.id",
    ])
    .await;
}

/// duckdb/duckdb 22924, spiceai/spiceai 12406, apache/datafusion 14204 and 14335: a limit in a side of a
/// join is one of that side alone, and one above it is none of either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_keys_of_a_join_do_not_change_each_others_rows() {
    assert_same(&[
        "SELECT g.id, i.id FROM other.groups g JOIN (SELECT id, grp FROM items ORDER BY id LIMIT 9) i \
         ON i.grp = g.id ORDER BY i.id",
        "SELECT g.id, i.id FROM other.groups g JOIN (SELECT id, grp FROM items ORDER BY id OFFSET 40) i \
         ON i.grp = g.id WHERE g.id < 4 ORDER BY i.id",
        "SELECT count(*) FROM (SELECT id, grp FROM items LIMIT 5) i LEFT JOIN other.groups g ON i.id = g.id",
        "SELECT count(*) FROM (SELECT i.id FROM items i FULL JOIN other.groups g ON i.id = g.id LIMIT 60)",
        "SELECT count(*) FROM items i FULL JOIN other.groups g ON i.id = g.id WHERE i.id IS NULL",
    ])
    .await;
}

/// apache/datafusion 24038, StarRocks/starrocks 60022: what is counted of a total that is trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_count_rows_and_not_what_becomes_of_them() {
    assert_same(&[
        "SELECT count(*) FROM items",
        "SELECT count(*), count(1), count(id), count(n) FROM items",
        "SELECT count(*) FROM (SELECT id FROM items)",
        "SELECT count(*) FROM (SELECT DISTINCT n FROM items)",
        "SELECT count(*) FROM (SELECT sum(n) FROM items WHERE id > 1000 GROUP BY n)",
        "SELECT count(*) FROM items WHERE id > 1000",
        "SELECT sum(n) FROM items WHERE id > 1000",
        "SELECT count(*) FROM items i, other.groups g",
        "SELECT count(*) FROM (SELECT id FROM items UNION ALL SELECT id FROM other.groups)",
        "SELECT (SELECT count(*) FROM items) - (SELECT count(*) FROM items WHERE n IS NULL)",
        "SELECT count(*) FROM items HAVING count(*) > 7",
    ])
    .await;
}

/// turbot/steampipe-postgres-fdw 3, 27, 43 and 52, turbot/steampipe-plugin-sdk 845, turbot/steampipe 1201:
/// values of a path that come of lists, subqueries, joins of several tables and expressions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_path_come_of_whatever_a_query_compares_them_to() {
    let api = Api::start(Pages::Numbered, PAGE);
    let code = |code: &str, size: i64| json!({ "code": code, "size": size });
    api.put("countries", vec![code("de", 80), code("fr", 60), code("li", 1)]);
    let cities = [("de", "Bonn"), ("de", "Ulm"), ("fr", "Lyon"), ("li", "Vaduz")];
    let cities = cities.map(|(country, name)| json!({ "country": country, "name": name }));
    api.put("cities", cities.to_vec());
    let yaml = "  - name: countries
    id: code
    columns: { code: text, size: int }
    api: { paging: { by: page }, envelope: { items: data, total: total } }
  - name: cities
    columns: { name: text }
    api: { endpoint: \"countries/{country}/cities\", paging: { by: page }, envelope: { items: data, total: total } }
";
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &described(&api, yaml)).unwrap();
    for (sql, expected, requests) in [
        ("SELECT name FROM cities WHERE country = 'de' OR country = 'li'", "Bonn Ulm Vaduz", 2),
        (
            "SELECT name FROM cities WHERE country IN (SELECT code FROM countries WHERE size > 50)",
            "Bonn Lyon Ulm",
            3,
        ),
        (
            "SELECT name FROM countries k LEFT JOIN cities c ON c.country = k.code \
             AND c.name IN ('Ulm', 'Vaduz') WHERE k.size <> 60",
            "Ulm Vaduz",
            3,
        ),
        (
            "SELECT c.name FROM countries k, cities c WHERE c.country = lower(upper(k.code)) AND k.size = 1",
            "Vaduz",
            2,
        ),
        (
            "SELECT d.name FROM countries k JOIN cities c ON c.country = k.code \
             JOIN cities d ON d.country = c.country WHERE k.code = 'fr'",
            "Lyon",
            3,
        ),
        (
            "WITH big AS (SELECT code FROM countries WHERE size > 70) \
             SELECT name FROM cities c JOIN big ON big.code = c.country",
            "Bonn Ulm",
            2,
        ),
    ] {
        let mut found = rows(&session, sql).await;
        found.sort();
        assert_eq!(found.join(" "), expected, "{sql}");
        let asked = api.asked();
        assert!(asked.len() <= requests, "{sql}: {asked:#?}");
    }
    let one = "SELECT name FROM cities WHERE country = (SELECT max(code) FROM countries)";
    let error = try_rows(&session, one).await.unwrap_err().to_string();
    assert!(error.contains("`cities`") && error.contains("`country`"), "{error}");
}

/// apache/datafusion 14394 and 14550: rows that are inserted come from columns that may be null or may
/// not, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_inserted_whatever_may_be_null_where_they_come_from() {
    let world = World::new(Pages::Numbered);
    let session = world.session(Pages::Numbered, "writes: { style: rest }", "");
    for (sql, count) in [
        ("INSERT INTO items (t, id) SELECT name, id + 100 FROM other.groups WHERE id < 2", "2"),
        ("INSERT INTO items (id, n) SELECT id + 200, n FROM items WHERE id < 3", "2"),
        ("INSERT INTO items (id, t) SELECT * FROM (VALUES (300, 'a'), (301, NULL)) v", "2"),
        ("INSERT INTO items (id) SELECT count(*) + 400 FROM items", "1"),
    ] {
        assert_eq!(rows(&session, sql).await, [count], "{sql}");
    }
    assert_eq!(rows(&session, "SELECT count(*) FROM items").await, [(ITEMS + 7).to_string()]);
    assert_eq!(
        rows(&session, "SELECT t FROM items WHERE id IN (101, 301) ORDER BY id").await.len(),
        2
    );
}
