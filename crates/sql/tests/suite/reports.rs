//! The inputs of public bug reports of other programs.

use serde_json::json;

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, described, rows},
};
use vantage_api_sql::ApiSession;

fn texts(ignores_case: bool, api: &str, sql: &str) -> (Api, ApiSession) {
    let server = match ignores_case {
        true => Api::ignoring_case(Pages::Numbered, PAGE),
        false => Api::start(Pages::Numbered, PAGE),
    };
    let words = ["INDIA", "India", "india ", "Österreich", "zebra", "Zebra", "a%b", "a_b", "axb"];
    let rows = words.iter().enumerate();
    let rows =
        rows.map(|(id, word)| json!({ "id": id, "word": word, "n": (id % 3 != 0).then_some(id) }));
    server.put("words", rows.collect());
    let yaml = format!(
        "  - name: words
    id: id
    columns: {{ id: int, word: text, n: int }}
    api: {{ paging: {{ by: page, size_param: per_page, size: 7 }}, envelope: {{ items: data, total: total }}, {api} }}
    sql: {{ {sql} }}
"
    );
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &described(&server, &yaml)).unwrap();
    (server, session)
}

const ALL: &str = "filters: { style: suffixes, trims_texts: false, operators: { ne: \"{field}__ne={value}\" } }, \
                   sorting: { style: prefixed, param: sort }";

/// trinodb/trino 23567 and 18413, hugr-lab/mssql-extension 272: a filter means the same whether it is
/// sent or not, also to an API that ignores case.
#[tokio::test]
async fn texts_are_equal_as_in_sql_whatever_the_api_compares() {
    for ignores_case in [false, true] {
        let (_, session) = texts(ignores_case, ALL, "");
        for (condition, expected) in [
            ("word = 'India'", vec!["1"]),
            ("word IN ('INDIA', 'zebra')", vec!["0", "4"]),
            ("word LIKE 'Ind%'", vec!["1"]),
            ("word <> 'India' AND id < 3", vec!["0", "2"]),
            ("word ILIKE 'india'", vec!["0", "1"]),
            ("word LIKE 'a\\%b'", vec!["6"]),
            ("word LIKE 'a_b'", vec!["6", "7", "8"]),
            ("word >= 'z'", vec!["3", "4"]),
        ] {
            let sql = format!("SELECT id FROM words WHERE {condition}");
            let mut found = rows(&session, &sql).await;
            found.sort();
            assert_eq!(found, expected, "{condition}, {ignores_case}");
        }
    }
}

/// trinodb/trino 7177: texts are ordered by the API only if it has the same order.
#[tokio::test]
async fn texts_are_ordered_as_in_sql() {
    let (api, session) = texts(false, ALL, "");
    let first = "SELECT word FROM words ORDER BY word LIMIT 3";
    assert_eq!(rows(&session, first).await, ["INDIA", "India", "Zebra"]);
    assert!(api.asked().iter().all(|url| !url.contains("sort=")));
    let (api, session) = texts(false, ALL, "collation: binary, nulls: last");
    assert_eq!(rows(&session, first).await, ["INDIA", "India", "Zebra"]);
    assert!(api.asked().iter().all(|url| url.contains("sort=word")));
}

/// turbot/steampipe-postgres-fdw 291, apache/datafusion 8683: a limit is not a limit of rows that are
/// left out later.
#[tokio::test]
async fn a_limit_counts_the_rows_that_pass_every_filter() {
    let (api, session) = texts(true, ALL, "");
    for sql in [
        "SELECT id FROM words WHERE word = 'zebra' LIMIT 1",
        "SELECT id FROM words WHERE id > 1 AND id % 4 = 0 LIMIT 2",
        "SELECT id FROM words WHERE word = 'india' OR id = 4 LIMIT 1",
    ] {
        assert!(rows(&session, sql).await.contains(&"4".to_owned()), "{sql}: {:?}", api.asked());
    }
}

/// laurenz/oracle_fdw 613: nor is one above a join a limit of its sides.
#[tokio::test]
async fn a_limit_above_a_join_is_none_below_it() {
    let (_, session) = texts(false, ALL, "");
    let sql = "SELECT a.id FROM words a JOIN words b ON a.id = b.n WHERE b.word = 'axb' LIMIT 1";
    assert_eq!(rows(&session, sql).await, ["8"]);
}

/// pgsql-io/multicorn2 90: nulls neither differ from a value nor equal it.
#[tokio::test]
async fn nulls_differ_from_nothing() {
    let (_, session) = texts(false, ALL, "");
    for (condition, count) in [
        ("n <> 1", "5"),
        ("NOT (n = 1)", "5"),
        ("n NOT IN (1, 2)", "4"),
        ("n NOT IN (1, NULL)", "0"),
        ("n IN (1, NULL)", "1"),
        ("n IS NULL", "3"),
        ("n IS DISTINCT FROM 1", "8"),
        ("n = NULL", "0"),
    ] {
        let sql = format!("SELECT count(*) FROM words WHERE {condition}");
        assert_eq!(rows(&session, &sql).await, [count], "{condition}");
    }
}

/// turbot/steampipe-postgres-fdw 39: a value of another query.
#[tokio::test]
async fn a_column_is_compared_to_the_value_of_another_query() {
    let (_, session) = texts(false, ALL, "");
    let sql = "SELECT word FROM words WHERE id = (SELECT max(n) FROM words)";
    assert_eq!(rows(&session, sql).await, ["axb"]);
}

/// trinodb/trino 24217, spiceai/docs 1602: where nulls come is said by the query, not by the API.
#[tokio::test]
async fn nulls_come_where_the_query_wants_them() {
    for nulls in ["", "nulls: highest"] {
        let (_, session) = texts(false, ALL, nulls);
        for (order, first) in
            [("n", "1"), ("n NULLS FIRST", "-"), ("n DESC", "-"), ("n DESC NULLS LAST", "8")]
        {
            let sql = format!("SELECT n FROM words ORDER BY {order} LIMIT 1");
            assert_eq!(rows(&session, &sql).await, [first], "{nulls}, {order}");
        }
    }
}
