//! What those who run a gateway are told.

use vantage_api_gateway::TableConfig;
use vantage_api_pool::{AwwPool, retry::CircuitBreaker};

use crate::support::{ADA, BOB, Served, cities, closed, open};

#[test]
fn what_was_done_is_counted_by_route_and_never_by_id() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    for path in ["/tables/cities/1", "/tables/cities/2", "/tables/cities/none", "/nothing"] {
        served.get(&format!("/api/v1{path}"));
    }
    let stats = served.get("/api/v1/stats").json();
    let of = |name: &str| {
        let routes = stats["gateway"]["routes"].as_array().unwrap().clone();
        routes.into_iter().find(|route| route["route"] == name).unwrap()["statuses"].clone()
    };
    assert_eq!(of("/tables/{table}/{id}"), serde_json::json!([0, 2, 0, 1, 0]));
    assert_eq!(of("unknown"), serde_json::json!([0, 0, 0, 1, 0]));
    let metrics = served.get("/api/v1/metrics");
    assert_eq!(metrics.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = metrics.text();
    let line = "gateway_requests_total{route=\"/tables/{table}/{id}\",status=\"4xx\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("gateway_request_seconds_count{route=\"/tables/{table}/{id}\"} 3"));
    assert!(!text.contains("none"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn they_can_be_kept_for_operators() {
    let served = Served::start(closed().stats_roles(["editor"]));
    for path in ["/api/v1/stats", "/api/v1/metrics"] {
        assert_eq!(served.send("GET", path, &[ADA], "").status, 200);
        assert_eq!(served.send("GET", path, &[BOB], "").status, 403);
    }
}

#[test]
fn a_gateway_whose_pool_cannot_be_used_is_not_ready() {
    let pool = AwwPool::builder("http://127.0.0.1:9/")
        .circuit_breaker(CircuitBreaker::default().minimum_calls(1).open_time(crate::support::LONG))
        .max_attempts(1)
        .build()
        .unwrap();
    let served = Served::start(open().pool("upstream \"x\"", pool.clone()));
    assert_eq!(served.get("/api/v1/ready").status, 200);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(pool.get("/x")).unwrap_err();
    crate::support::until(|| served.get("/api/v1/ready").status == 503);
    let refused = served.get("/api/v1/ready");
    assert_eq!(refused.kind(), "not_ready");
    assert!(!refused.text().contains("upstream"));
    let text = served.get("/api/v1/metrics").text();
    assert!(text.contains("gateway_pool_breaker_open{pool=\"upstream \\\"x\\\"\"} 1"), "{text}");
    assert!(served.get("/api/v1/stats").json()["pools"]["upstream \"x\""]["calls_failed"] == 1);
    runtime.block_on(pool.shutdown(std::time::Duration::ZERO));
    crate::support::until(|| served.get("/api/v1/ready").status == 503);
}
