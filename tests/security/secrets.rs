//! What settings and messages show of themselves.

use vantage_api_pool::{messages::OpenStream, retry::CircuitBreaker, vantage::ApiTable};

#[test]
fn security_17_no_query_is_shown() {
    let path = "/rows?api_key=canary";
    let shown = [
        format!("{:?}", OpenStream::new(path)),
        format!("{:?}", ApiTable::new().path(path)),
        format!("{:?}", ApiTable::new().item_path("/rows/{id}?api_key=canary")),
        format!("{:?}", CircuitBreaker::default().health_check(path)),
    ];
    for shown in shown {
        assert!(shown.contains("/rows") && !shown.contains("canary"), "{shown}");
    }
}
