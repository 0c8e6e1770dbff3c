//! Filters, orders and searches, from URLs and from bodies; and how slips are named.

use serde_json::{Value, json};
use vantage_api_gateway::{Limits, TableConfig};
use vantage_vista::{Vista, VistaMetadata, mocks::MockShell};

use crate::support::{Served, cities, city, open};

fn served() -> Served {
    let limits = Limits { max_filters: 3, max_list_values: 4, ..Limits::default() };
    Served::start(open().limits(limits).table("cities", TableConfig::new(cities())))
}

fn names(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn filters_find_what_they_say() {
    let served = served();
    for (query, expected) in [
        ("name=eq.Riga", "Riga"),
        ("name=eq.%22Riga%22", "Riga"),
        ("country=neq.DE&country=neq.FR&population=lt.50000", "Ventspils"),
        ("country=eq.DE&population=gt.1080000", "Berlin"),
        ("country=eq.DE&population=gte.1080000", "Berlin,Cologne"),
        ("population=lte.55000", "Ventspils,Jelgava"),
        ("id=in.(4,7)", "Paris,Riga"),
        ("name=in.(Riga,%22Bonn%22)", "Bonn,Riga"),
        ("country=nin.(DE,FR)&population=not.lt.67000", "Riga,Liepaja"),
        ("country=not.in.(DE,FR)&population=not.gte.50000", "Ventspils"),
        ("name=like.*pa*", "Paris,Liepaja"),
        ("name=ilike.RI", "Paris,Riga"),
        ("name=is.null", ""),
        ("country=eq.DE&name=not.is.null&population=lt.1000000", "Bonn"),
        ("search=ber", "Berlin"),
        ("id=in.()", ""),
    ] {
        let answer = served.get(&format!("/api/v1/tables/cities?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(names(&answer.json()).join(","), expected, "{query}");
    }
}

#[test]
fn rows_come_in_the_order_of_one_column() {
    let served = served();
    let page =
        |order: &str| served.get(&format!("/api/v1/tables/cities?order={order}&per_page=2")).json();
    assert_eq!(names(&page("population.desc")), ["Berlin", "Paris"]);
    assert_eq!(names(&page("name")), ["Berlin", "Bonn"]);
    assert_eq!(names(&page("name.asc")), ["Berlin", "Bonn"]);
}

#[test]
fn a_body_asks_the_same_as_a_url() {
    let served = served();
    let body = r#"{"filter": {"country": "DE", "population": {"gte": 330000, "lt": 2000000}},
                   "order": "population.desc", "select": ["name"], "page": 1, "per_page": 5}"#;
    for method in ["POST", "QUERY"] {
        let answer = served.json(method, "/api/v1/tables/cities/query", body);
        assert_eq!(answer.json()["data"], json!([{ "name": "Cologne" }, { "name": "Bonn" }]));
    }
    for (filter, expected) in [
        (r#"{"id": {"in": ["4", "7"]}}"#, "Paris,Riga"),
        (r#"{"name": {"like": "*pa*"}}"#, "Paris,Liepaja"),
        (r#"{"name": null}"#, ""),
        (
            r#"{"country": {"nin": ["DE", "FR"]}, "population": {"neq": 67000}}"#,
            "Riga,Ventspils,Jelgava",
        ),
    ] {
        let body = format!("{{\"filter\": {filter}}}");
        let answer = served.json("POST", "/api/v1/tables/cities/query", &body);
        assert_eq!(names(&answer.json()).join(","), expected, "{filter}");
    }
}

/// The pointers of the errors of a refused request.
fn pointers(answer: &crate::support::Answer) -> Vec<String> {
    let json = answer.json();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_slip_is_named_and_what_exists_is_listed() {
    let served = served();
    for (query, pointer, listed) in [
        ("pgae=2", "pgae", "per_page"),
        ("colour=eq.red", "colour", "population"),
        ("name=Riga", "name", "eq, neq"),
        ("name=equals.Riga", "name", "eq, neq"),
        ("name=not.like.x", "name", "eq, neq"),
        ("population=gt.many", "population", "integer"),
        ("order=country", "order", "name and population"),
        ("order=name.down", "order", "name and population"),
        ("order=name,population", "order", "one column"),
        ("select=id,colour", "select", "id, name, country and population"),
        ("select=id,id", "select", "twice"),
        ("select=", "select", "id, name"),
        ("page=0", "page", "from 1"),
        ("page=-1", "page", "whole number"),
        ("page=1&page=2", "page", "twice"),
        ("per_page=501", "per_page", "1 to 500"),
        ("limit=0", "limit", "1 to 500"),
        ("page=1&offset=1", "offset", "page and per_page"),
        ("cursor=&page=1", "cursor", "cursor and limit"),
        ("cursor=abc", "cursor", "as it was given"),
        ("count=all", "count", "known, exact, none"),
        ("search=", "search", "a text"),
        ("or=(name.eq.a,name.eq.b)", "or", "all of them"),
        ("id=in.1,2", "id", "(a,b"),
        ("id=in.(1,2,3,4,5)", "id", "at most 4"),
        ("id=in.(%22a)", "id", "(a,b"),
        ("name=is.maybe", "name", "null, true or false"),
        ("name=like.a*b", "name", "anywhere"),
        ("id=neq.1&id=neq.2&id=neq.3&id=neq.4", "id", "at most 3"),
        ("access_token=token-of-ada", "access_token", "no such parameter"),
    ] {
        let answer = served.get(&format!("/api/v1/tables/cities?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(pointers(&answer).contains(&pointer.to_owned()), "{query}: {}", answer.text());
        assert!(answer.text().contains(listed), "{query}: {}", answer.text());
        assert!(!answer.text().contains("token-of-ada"));
    }
}

#[test]
fn all_slips_of_a_query_are_named_at_once() {
    let served = served();
    let answer = served.get("/api/v1/tables/cities?colour=eq.red&page=x&order=y");
    assert_eq!(pointers(&answer), ["colour", "page", "order"]);
}

#[test]
fn slips_in_a_body_are_named_by_where_they_are() {
    let served = served();
    for (body, status, pointer) in [
        (r#"{"filter": {"colour": 1}}"#, 400, "/filter/colour"),
        (r#"{"filter": {"name": {"is_not": 1}}}"#, 400, "/filter/name/is_not"),
        (r#"{"filter": {"name": [1]}}"#, 400, "/filter/name"),
        (r#"{"filter": {"population": "many"}}"#, 400, "/filter/population"),
        (r#"{"filter": {"id": {"in": "1"}}}"#, 400, "/filter/id/in"),
        (r#"{"filter": []}"#, 400, "filter"),
        (r#"{"wehre": {}}"#, 400, "wehre"),
        (r#"{"page": "1"}"#, 400, "page"),
        (r#"{"select": "id"}"#, 400, "select"),
        (r#"{"select": []}"#, 400, "select"),
        (r#"[]"#, 422, ""),
    ] {
        let answer = served.json("POST", "/api/v1/tables/cities/query", body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        if !pointer.is_empty() {
            assert_eq!(pointers(&answer), [pointer], "{body}");
        }
    }
}

#[test]
fn a_table_may_need_a_filter() {
    let config = TableConfig::new(cities()).require_filter(["country"]);
    let served = Served::start(open().table("cities", config));
    let refused = served.get("/api/v1/tables/cities");
    assert_eq!((refused.status, pointers(&refused)), (400, vec!["country".to_owned()]));
    assert_eq!(served.get("/api/v1/tables/cities?country=eq.DE").status, 200);
    assert_eq!(served.json("POST", "/api/v1/tables/cities/query", "{}").status, 400);
    assert_eq!(served.get("/api/v1/tables/cities/1").status, 200);
}

#[test]
fn a_column_that_is_not_shown_can_neither_be_filtered_nor_sorted_by() {
    let served = served();
    for query in ["secret=eq.canary-1", "secret=like.canary", "order=secret", "select=secret"] {
        let answer = served.get(&format!("/api/v1/tables/cities?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(!answer.text().contains("canary-2"));
    }
    let body = r#"{"filter": {"secret": {"like": "canary"}}}"#;
    assert_eq!(served.json("POST", "/api/v1/tables/cities/query", body).status, 400);
    // A search would look at columns that are not shown, if none said otherwise.
    assert_eq!(names(&served.get("/api/v1/tables/cities?search=canary").json()).len(), 0);
}

/// typesense/typesense#1530: what is not shown was found by looking for it.
#[test]
fn a_table_that_declares_no_columns_is_not_searched_for_what_is_not_shown() {
    let mock = MockShell::new().with_metadata(VistaMetadata::new().with_id_column("id"));
    mock.set_record("1", city("1", "Berlin", "DE", 3_700_000));
    let config = TableConfig::new(Vista::new("cities", mock)).columns(["id", "name"]);
    let served = Served::start(open().table("cities", config));
    assert_eq!(names(&served.get("/api/v1/tables/cities?name=eq.Berlin").json()), ["Berlin"]);
    for search in ["canary-1", "none"] {
        let refused = served.get(&format!("/api/v1/tables/cities?search={search}"));
        assert_eq!((refused.status, pointers(&refused)), (400, vec!["search".to_owned()]));
    }
}

#[test]
fn columns_can_be_taken_from_the_filters() {
    let config = TableConfig::new(cities()).filterable(["country"]);
    let served = Served::start(open().table("cities", config));
    assert_eq!(served.get("/api/v1/tables/cities?country=eq.DE").status, 200);
    assert_eq!(served.get("/api/v1/tables/cities?name=eq.Bonn").status, 400);
}

#[test]
fn a_cursor_is_good_for_the_list_that_it_was_given_with() {
    let served = served();
    let first = served.get("/api/v1/tables/cities?cursor=&limit=3&country=eq.DE").json();
    assert!(first["pagination"]["next_cursor"].is_null());
    let first = served.get("/api/v1/tables/cities?cursor=&limit=2&country=eq.DE").json();
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    let next = |filter: &str| {
        served.get(&format!("/api/v1/tables/cities?cursor={cursor}&limit=2{filter}"))
    };
    assert_eq!(names(&next("&country=eq.DE").json()), ["Cologne"]);
    for other in ["", "&country=eq.FR", "&country=eq.DE&order=name"] {
        assert_eq!(next(other).kind(), "invalid_cursor", "{other}");
    }
}
