//! Settings that are refused when the gateway is built.

use std::time::Duration;

use vantage_api_gateway::{
    Cors, Gateway, Limits, Ops, TableConfig,
    auth::{Principal, Tokens},
};
use vantage_vista::{Capability, Vista, VistaCapabilities};

use crate::support::{cities, cities_mock};

fn error_of(config: TableConfig) -> String {
    let builder = Gateway::builder().without_auth().table("cities", config);
    builder.build().unwrap_err().to_string()
}

fn tokens() -> Tokens {
    Tokens::digests([(Tokens::digest_of("x"), Principal::new("ada"))]).unwrap()
}

#[test]
fn a_gateway_without_authentication_is_for_this_host_alone() {
    let error = Gateway::builder().build().unwrap_err().to_string();
    assert!(error.contains("without_auth"), "{error}");
    for address in [([0, 0, 0, 0], 80), ([192, 0, 2, 1], 80)] {
        let error = Gateway::builder().without_auth().bind(address).build().unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(Gateway::builder().auth(tokens()).bind(address).build().is_ok());
    }
    assert!(Gateway::builder().without_auth().bind(([127, 0, 0, 9], 80)).build().is_ok());
    assert!(Gateway::builder().without_auth().auth(tokens()).build().is_err());
}

#[test]
fn a_table_that_does_not_fit_what_is_said_of_it_is_refused() {
    let config = || TableConfig::new(cities());
    for (config, what) in [
        (config().columns(["id", "colour"]), "columns: there is no column \"colour\""),
        (config().columns(["id", "id"]), "columns: \"id\" is named twice"),
        (config().columns(Vec::<String>::new()), "columns: "),
        (config().page_size(0, 10), "page_size(0, 10)"),
        (config().page_size(20, 10), "page_size(20, 10)"),
        (config().operations(Ops::INSERT), "writable: name the columns"),
        (config().operations(Ops::PATCH).writable(["secret"]), "writable: \"secret\" is not shown"),
        (config().writable(["name"]), "writable: nothing is written"),
        (
            config().operations(Ops::PATCH).writable(["id"]).write_only(["name"]),
            "write_only: \"name\"",
        ),
        (config().filterable(["secret"]), "filterable: \"secret\" is not shown"),
        (config().require_filter(["secret"]), "require_filter: \"secret\""),
        (config().max_bulk_rows(3), "max_bulk_rows: neither patch nor delete"),
        (config().relations(["mayor"]), "relations: there is no relation \"mayor\""),
    ] {
        let error = error_of(config);
        assert!(error.starts_with("table cities: ") && error.contains(what), "{error}");
    }
    let reads = cities_mock().with_capabilities(VistaCapabilities::new().with(Capability::Window));
    let config = TableConfig::new(Vista::new("cities", reads)).operations(Ops::DELETE);
    assert!(error_of(config).contains("the table has no delete"));
}

#[test]
fn two_tables_cannot_have_one_name_and_a_name_is_part_of_a_path() {
    let table = || TableConfig::new(cities());
    let build = |names: [&str; 2]| {
        let builder = Gateway::builder().without_auth();
        let builder = builder.table(names[0], table()).table(names[1], table());
        builder.build().map(drop).map_err(|error| error.to_string())
    };
    assert!(build(["a", "a"]).unwrap_err().contains("table a: two tables"));
    for name in ["", "a/b", "a b", "..", "ü", &"x".repeat(65)] {
        assert!(build(["a", name]).is_err(), "{name}");
    }
    assert!(build(["a", "b-2_C"]).is_ok());
}

#[test]
fn other_settings_are_checked_too() {
    let builder = || Gateway::builder().without_auth();
    let with = |limits| builder().limits(limits).build().unwrap_err().to_string();
    let none = Limits { max_in_flight: 0, ..Limits::default() };
    assert!(with(none).contains("max_in_flight must be at least 1"));
    let none = Limits { request_timeout: Duration::ZERO, ..Limits::default() };
    assert!(with(none).contains("request_timeout must be 1 ms to 24 h"));
    for prefix in ["", "/", "api", "/api/", "/a//b", "/..", "/ü", "/{id}"] {
        let error = builder().prefix(prefix).build().unwrap_err().to_string();
        assert!(error.contains("prefix"), "{prefix}: {error}");
    }
    assert!(builder().cursor_secret([7; 31]).build().is_err());
    for origin in ["*", "https://*.example.com", "https://example.com/", "example.com", "null"] {
        assert!(Cors::origins([origin]).is_err(), "{origin}");
    }
}

#[test]
fn nothing_that_is_printed_has_rows_or_tokens() {
    let config = TableConfig::new(cities());
    let text = format!("{config:?}");
    let gateway = Gateway::builder().auth(tokens()).table("cities", config);
    let text = format!("{text} {gateway:?}");
    let text = format!("{text} {:?}", gateway.build().unwrap());
    assert!(!text.contains("canary") && !text.contains(&Tokens::digest_of("x")), "{text}");
}
