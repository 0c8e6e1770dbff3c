//! Lists and rows: pages, offsets, cursors, columns, validators.

use serde_json::json;
use vantage_api_gateway::TableConfig;
use vantage_vista::{Capability, Vista, VistaCapabilities};

use crate::support::{Served, chained, cities, cities_mock, open};

fn served() -> Served {
    Served::start(open().table("cities", TableConfig::new(cities()).page_size(4, 10)))
}

fn ids(served: &Served, query: &str) -> Vec<String> {
    let answer = served.get(&format!("/api/v1/tables/cities?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let rows = answer.json()["data"].as_array().unwrap().clone();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_page_has_its_rows_and_says_what_is_around_it() {
    let served = served();
    let page = served.get("/api/v1/tables/cities?page=2&per_page=3").json();
    let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["4", "5", "6"]);
    let expected = json!({
        "page": 2, "per_page": 3, "total": 10, "total_pages": 4,
        "has_next": true, "has_prev": true,
    });
    assert_eq!(page["pagination"], expected);
    let expected = json!({ "id": "4", "name": "Paris", "country": "FR", "population": 2_100_000 });
    assert_eq!(page["data"][0], expected);
}

#[test]
fn pages_offsets_and_cursors_read_the_same_rows() {
    let served = served();
    let all: Vec<String> = (1..=10).map(|id| id.to_string()).collect();
    for size in [1, 3, 10] {
        let mut pages = Vec::new();
        for page in 1..=10_usize.div_ceil(size) {
            pages.extend(ids(&served, &format!("page={page}&per_page={size}")));
        }
        assert_eq!(pages, all);
        let mut offsets = Vec::new();
        for offset in (0..10).step_by(size) {
            offsets.extend(ids(&served, &format!("offset={offset}&limit={size}")));
        }
        assert_eq!(offsets, all);
        let (mut cursor, mut read) = (String::new(), Vec::new());
        loop {
            let path = format!("/api/v1/tables/cities?cursor={cursor}&limit={size}");
            let page = served.get(&path).json();
            for row in page["data"].as_array().unwrap() {
                read.push(row["id"].as_str().unwrap().to_owned());
            }
            assert_eq!(
                page["pagination"]["has_next"],
                !page["pagination"]["next_cursor"].is_null()
            );
            match page["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(read, all);
    }
}

#[test]
fn the_last_page_and_those_beyond_say_that_nothing_follows() {
    let served = served();
    for (query, rows, has_prev) in
        [("page=3", 2, true), ("page=9", 0, true), ("per_page=10", 10, false)]
    {
        let page = served.get(&format!("/api/v1/tables/cities?{query}")).json();
        assert_eq!(page["data"].as_array().unwrap().len(), rows, "{query}");
        assert_eq!(page["pagination"]["has_next"], false, "{query}");
        assert_eq!(page["pagination"]["has_prev"], has_prev, "{query}");
    }
}

#[test]
fn a_total_is_left_out_if_it_is_not_wanted() {
    let served = served();
    let total = |query: &str| {
        served.get(&format!("/api/v1/tables/cities?{query}")).json()["pagination"]["total"].clone()
    };
    assert_eq!(total("count=none"), json!(null));
    assert_eq!(total("count=exact"), json!(10));
    assert_eq!(total("count=exact&country=eq.FR"), json!(3));
}

#[test]
fn a_table_that_has_no_window_is_read_from_its_start_alone() {
    let mock = cities_mock().with_capabilities(VistaCapabilities::new().with(Capability::Insert));
    let served = Served::start(
        open().table("cities", TableConfig::new(Vista::new("cities", mock)).page_size(4, 10)),
    );
    assert_eq!(ids(&served, "per_page=3"), ["1", "2", "3"]);
    let refused = served.get("/api/v1/tables/cities?page=2");
    assert_eq!((refused.status, refused.kind().as_str()), (400, "unsupported_query"));
}

#[test]
fn columns_are_selected_in_the_order_that_is_asked_for() {
    let served = served();
    let page = served.get("/api/v1/tables/cities?select=population,id&per_page=1");
    assert!(page.text().starts_with(r#"{"data":[{"population":3700000,"id":"1"}]"#));
    let row = served.get("/api/v1/tables/cities/7?select=name");
    assert_eq!(row.text(), r#"{"name":"Riga"}"#);
}

#[test]
fn one_row_has_a_validator_of_the_whole_row() {
    let served = served();
    let row = served.get("/api/v1/tables/cities/7");
    assert_eq!(row.json()["name"], "Riga");
    assert!(row.field("secret").is_none() && !row.text().contains("canary"));
    let part = served.get("/api/v1/tables/cities/7?select=name");
    assert_eq!(part.etag(), row.etag());
    let etag = row.etag();
    let again = served.send("GET", "/api/v1/tables/cities/7", &[("if-none-match", &etag)], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.etag(), etag);
    let other = [("if-match", "\"other\"")];
    assert_eq!(served.send("GET", "/api/v1/tables/cities/7", &other, "").status, 412);
    assert_eq!(served.get("/api/v1/tables/cities/77").kind(), "not_found");
}

#[test]
fn a_list_has_a_validator_too() {
    let served = served();
    let path = "/api/v1/tables/cities?country=eq.LV";
    let etag = served.get(path).etag();
    let again = served.send("GET", path, &[("if-none-match", &format!("\"x\", W/{etag}"))], "");
    assert_eq!(again.status, 304);
    assert_ne!(served.get("/api/v1/tables/cities?country=eq.FR").etag(), etag);
}

#[test]
fn a_head_has_the_fields_of_a_get_and_no_body() {
    let served = served();
    for path in ["/api/v1/tables/cities", "/api/v1/tables/cities/7", "/api/v1/tables/none"] {
        let (get, head) = (served.get(path), served.send("HEAD", path, &[], ""));
        assert_eq!((head.status, head.body.len()), (get.status, 0));
        assert_eq!(head.field("etag"), get.field("etag"));
        if get.status == 200 {
            assert_eq!(head.field("content-length"), get.field("content-length"));
        }
    }
}

#[test]
fn the_tables_are_listed_with_what_may_be_done() {
    let served = served();
    let tables = served.get("/api/v1/tables").json();
    let cities = &tables["data"][0];
    assert_eq!(cities["name"], "cities");
    assert_eq!((&cities["operations"], &cities["page_size"]), (&json!([]), &json!(4)));
    let names: Vec<_> =
        cities["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["id", "name", "country", "population"]);
}

#[test]
fn a_table_whose_pages_name_each_other_is_read_by_cursors() {
    let config = TableConfig::new(chained(cities())).page_size(4, 4);
    let served = Served::start(open().table("cities", config));
    let (mut cursor, mut read) = (String::new(), Vec::new());
    loop {
        let page = served.get(&format!("/api/v1/tables/cities?cursor={cursor}"));
        assert!(!page.text().contains("canary") && !page.text().contains("upstream"));
        let page = page.json();
        read.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()));
        match page["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(read.len(), 10);
    let lines = [("accept", "application/x-ndjson")];
    let stream = served.send("GET", "/api/v1/tables/cities", &lines, "");
    assert_eq!(stream.text().lines().count(), 10);
    // The first rows can be read without one, and what then follows is told by a way to get there.
    let first = served.get("/api/v1/tables/cities").json();
    assert_eq!(first["pagination"]["has_next"], true);
    let refused = served.get("/api/v1/tables/cities?page=2");
    assert!(refused.status == 400 && refused.text().contains("cursor"), "{}", refused.text());
}
