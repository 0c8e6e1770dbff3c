//! What is related to one row.

use serde_json::json;
use vantage_api_gateway::{Gateway, TableConfig};

use crate::support::{ADA, BOB, Served, cities, closed, countries, open};

#[test]
fn a_relation_is_read_by_the_rules_of_its_target() {
    let served = Served::start(
        open().table("countries", TableConfig::new(countries()).relations(["cities"])).table(
            "cities",
            TableConfig::new(cities())
                .columns(["id", "name"])
                // What is related to one row is few enough.
                .require_filter(["id"])
                .page_size(2, 3),
        ),
    );
    let page = served.get("/api/v1/tables/countries/LV/cities?page=2").json();
    assert_eq!(
        page["data"],
        json!([
            { "id": "9", "name": "Ventspils" }, { "id": "10", "name": "Jelgava" },
        ])
    );
    assert_eq!(page["pagination"]["total"], 4);
    let path = "/api/v1/tables/countries/LV/cities";
    for (query, status) in [
        ("per_page=3", 200),
        ("per_page=4", 400),
        ("name=eq.Riga", 200),
        ("population=gt.1", 400),
        ("select=secret", 400),
    ] {
        assert_eq!(served.get(&format!("{path}?{query}")).status, status, "{query}");
    }
    assert_eq!(served.get("/api/v1/tables/countries/XX/cities").status, 404);
    let unknown = served.get("/api/v1/tables/countries/LV/rivers");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("cities"));
    assert_eq!(served.send("POST", path, &[], "").field("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_cursor_of_one_row_is_not_good_for_another() {
    let served = Served::start(
        open()
            .table("countries", TableConfig::new(countries()).relations(["cities"]))
            .table("cities", TableConfig::new(cities())),
    );
    let first = served.get("/api/v1/tables/countries/LV/cities?cursor=&limit=2").json();
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    let next = |country: &str| {
        served.get(&format!("/api/v1/tables/countries/{country}/cities?cursor={cursor}&limit=2"))
    };
    assert_eq!(next("LV").json()["data"][0]["name"], "Ventspils");
    assert_eq!(next("FR").kind(), "invalid_cursor");
}

#[test]
fn a_relation_to_what_one_may_not_see_is_not_there() {
    let served = Served::start(
        closed()
            .table("countries", TableConfig::new(countries()).relations(["cities"]))
            .table("cities", TableConfig::new(cities()).readable_by(["editor"])),
    );
    let get = |who| served.send("GET", "/api/v1/tables/countries/LV/cities", &[who], "");
    assert_eq!((get(ADA).status, get(BOB).status), (200, 404));
    let tables = served.send("GET", "/api/v1/tables", &[BOB], "").text();
    assert!(!tables.contains("cities"), "{tables}");
}

#[test]
fn a_relation_leads_to_a_table_that_is_served() {
    let error = Gateway::builder()
        .without_auth()
        .table("countries", TableConfig::new(countries()).relations(["cities"]))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("\"cities\", which is not served"), "{error}");
}
