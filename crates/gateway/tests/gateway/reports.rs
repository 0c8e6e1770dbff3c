//! Public reports of faults in comparable software, each tried here.

use serde_json::json;
use vantage_api_gateway::{Ops, TableConfig};
use vantage_vista::{Vista, mocks::MockShell};

use crate::support::{ADA, Connection, Served, cities, cities_mock, city, closed, open, text};

pub(crate) const TABLE: &str = "/api/v1/tables/cities";

pub(crate) fn writable() -> (MockShell, Served) {
    let mock = cities_mock();
    let config = TableConfig::new(Vista::new("cities", mock.clone()))
        .operations(Ops::ALL)
        .writable(["id", "name", "population"])
        .max_bulk_rows(100);
    (mock, Served::start(open().table("cities", config)))
}

pub(crate) fn found(served: &Served, query: &str) -> usize {
    let answer = served.get(&format!("{TABLE}?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["data"].as_array().unwrap().len()
}

/// PostgREST/postgrest#701, #1384 and supabase/postgrest-js#164.
#[test]
fn values_may_have_the_characters_of_the_grammar() {
    let (mock, served) = writable();
    for name in ["x,y", "(in brackets)", "say \"hi\"", "back\\slash", "a.b", "not.eq.1", "*"] {
        mock.clear_records();
        mock.set_record("1", city("1", name, "XX", 1));
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let escaped: String = name.replace('\\', "\\\\").replace('"', "\\\"");
        let quoted: String = escaped.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(found(&served, &format!("name=in.(%22{quoted}%22,other)")), 1, "{name}");
        assert_eq!(found(&served, &format!("name=eq.%22{quoted}%22")), 1, "{name}");
        if !name.starts_with('"') {
            assert_eq!(found(&served, &format!("name=eq.{encoded}")), 1, "{name}");
        }
    }
}

/// PostgREST/postgrest#663, #2314 and supabase/postgrest-js#6.
#[test]
fn a_delete_without_a_filter_deletes_nothing() {
    let (mock, served) = writable();
    assert_eq!(served.send("DELETE", TABLE, &[], "").kind(), "filter_required");
    assert_eq!(served.json("PATCH", TABLE, r#"{"name": "X"}"#).kind(), "filter_required");
    assert_eq!(mock.len(), 10);
}

/// PostgREST/postgrest#1265.
#[test]
fn an_empty_array_inserts_nothing_and_says_so() {
    let (mock, served) = writable();
    let answer = served.json("POST", TABLE, "[]");
    assert_eq!((answer.status, answer.json()), (200, json!({ "data": [] })));
    assert_eq!(mock.len(), 10);
}

/// PostgREST/postgrest#1070.
#[test]
fn a_put_says_whether_its_row_is_new() {
    let (_, served) = writable();
    let put = |id: &str| served.json("PUT", &format!("{TABLE}/{id}"), r#"{"name": "X"}"#).status;
    assert_eq!((put("new"), put("new"), put("1")), (201, 200, 200));
}

/// PostgREST/postgrest#1048: a 405 for a body that was wrong.
#[test]
fn a_wrong_body_is_not_a_wrong_method() {
    let (_, served) = writable();
    assert_eq!(served.json("PUT", &format!("{TABLE}/1"), r#"{"population": 1}"#).status, 422);
}

/// PostgREST/postgrest#498 and hasura/graphql-engine#10126.
#[test]
fn large_integers_keep_all_their_digits() {
    let (mock, served) = writable();
    for number in
        ["9007199254740993", "750727362669608961", "-9223372036854775808", "9223372036854775807"]
    {
        let body = format!("{{\"population\": {number}}}");
        let patched = served.json("PATCH", &format!("{TABLE}/1"), &body);
        assert!(patched.text().contains(&format!("\"population\":{number}")), "{}", patched.text());
        assert_eq!(found(&served, &format!("population=eq.{number}")), 1);
    }
    let refused =
        served.json("PATCH", &format!("{TABLE}/1"), r#"{"population": 9223372036854775808999}"#);
    assert_eq!(refused.status, 422);
    assert_eq!(mock.get_record("1").unwrap()["population"], i64::MAX.into());
}

/// strapi/strapi#17372 and #16172: a filter by a hidden field was ignored, and all rows came.
#[test]
fn a_filter_that_cannot_be_is_not_left_out() {
    let (_, served) = writable();
    assert_eq!(served.get(&format!("{TABLE}?secret=eq.x")).status, 400);
}

/// ITISFoundation/osparc-simcore#9728: 500 beyond the end.
#[test]
fn beyond_the_end_is_an_empty_page() {
    let (_, served) = writable();
    for query in ["offset=100", "page=100", "offset=10"] {
        let page = served.get(&format!("{TABLE}?{query}")).json();
        assert_eq!((&page["data"], &page["pagination"]["total"]), (&json!([]), &json!(10)));
        assert_eq!(page["pagination"]["has_next"], false);
    }
}

/// daniel3303/Equibles#2924 and Apicurio/apicurio-registry#8732, #9189.
#[test]
fn no_number_of_a_page_overflows() {
    let (_, served) = writable();
    for number in [
        "2147483647",
        "9223372036854775807",
        "18446744073709551615",
        "99999999999999999999",
        "-1",
        "1e3",
        "0x1",
        "+1",
        " 1",
    ] {
        for query in ["page", "offset", "limit", "per_page"] {
            let answer = served.get(&format!("{TABLE}?{query}={}", number.replace(' ', "%20")));
            assert!(matches!(answer.status, 200 | 400), "{query}={number}: {}", answer.text());
        }
    }
}

/// payloadcms/payload#7021, nocodb/nocodb#725 and s2-streamstore/s2#635.
#[test]
fn an_id_may_have_slashes_and_the_like() {
    let (_, served) = writable();
    for id in ["foo/bar", "9x1F/VX+n9Z=", "Post#123", "a?b", "100%", "%2F", "ü", "query"] {
        let body = json!({ "id": id, "name": "X" }).to_string();
        let made = served.json("POST", TABLE, &body);
        assert_eq!(made.status, 201, "{}", made.text());
        let path = made.field("location").unwrap();
        assert_eq!(served.get(path).json()["id"], id);
        assert_eq!(served.json("PATCH", path, r#"{"name": "Y"}"#).status, 200, "{id}");
        assert_eq!(served.send("DELETE", path, &[], "").status, 204);
        assert_eq!(served.get(path).status, 404);
    }
}

/// surrealdb/surrealdb#1396: ids were stored as they stood in the path.
#[test]
fn an_id_in_a_path_is_decoded_before_it_is_stored() {
    let (mock, served) = writable();
    served.json("PUT", &format!("{TABLE}/Test%3FValue"), r#"{"name": "X"}"#);
    assert!(mock.get_record("Test?Value").is_some());
}

/// rails/rails#19056, jshttp/fresh#17 and ggml-org/llama.cpp#23849: tags that a proxy weakened or
/// appended to.
#[test]
fn a_tag_that_a_proxy_changed_still_says_not_modified() {
    let (_, served) = writable();
    let tag = served.get(&format!("{TABLE}/1")).etag();
    let appended = tag.replacen("\"", "", 1).replace('"', "");
    for given in
        [format!("W/{tag}"), format!("\"{appended}-gzip\""), format!("\"a,b\", {tag}"), "*".into()]
    {
        let fields = [("if-none-match", given.as_str())];
        assert_eq!(served.send("GET", &format!("{TABLE}/1"), &fields, "").status, 304, "{given}");
    }
}

/// kwhitley/apicache#225: what was kept was given without credentials.
#[test]
fn what_is_kept_is_not_given_without_credentials() {
    let config = TableConfig::new(cities()).cache_ttl(std::time::Duration::from_secs(60));
    let served = Served::start(closed().table("cities", config));
    assert_eq!(served.send("GET", TABLE, &[ADA], "").status, 200);
    assert_eq!(served.send("GET", TABLE, &[ADA], "").status, 200);
    assert_eq!(served.get(TABLE).status, 401);
    assert_eq!(served.send("GET", TABLE, &[("x-api-key", "wrong")], "").status, 401);
}

/// spec-first/connexion#1651 and gravitee-io/issues#648.
#[test]
fn a_preflight_needs_no_credentials() {
    let cors = vantage_api_gateway::Cors::origins(["https://app.example.com"]).unwrap();
    let served = Served::start(closed().cors(cors).table("cities", TableConfig::new(cities())));
    let fields = [("origin", "https://app.example.com"), ("access-control-request-method", "GET")];
    let answer = served.send("OPTIONS", TABLE, &fields, "");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"));
}

/// restlet/restlet-framework-java#266, arangodb/arangodb#193 and serverpod/relic#175.
#[test]
fn a_head_is_a_get_without_its_body() {
    let (_, served) = writable();
    let mut connection = Connection::open(served.address);
    for path in [TABLE, "/api/v1/tables/cities/none", "/api/v1/none"] {
        let head = connection.send("HEAD", path, &[], "");
        // A body would be taken for the next answer.
        let get = connection.send("GET", path, &[], "");
        assert_eq!(
            (head.status, head.field("content-length")),
            (get.status, get.field("content-length"))
        );
    }
    let refused = served.send("PUT", TABLE, &[], "{}");
    assert!(refused.field("allow").unwrap().contains("HEAD"));
}

/// directus/directus#14796: totals made lists 400 times slower.
#[test]
fn a_total_that_the_source_does_not_say_is_not_counted_unless_asked_for() {
    let (mock, served) = writable();
    found(&served, "page=1");
    assert_eq!(mock.calls().count, 0);
    mock.set_field("1", "name", text("X"));
}
