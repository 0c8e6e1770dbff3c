//! An API that serves no row beyond a number: it is read in windows of time.

use serde_json::{Value, json};

use crate::support::{TOKEN, copied, ok, part, replica, rows, status};

/// 12,000 incidents within two days, and no row beyond the 10,000th.
#[tokio::test]
async fn pagerduty() {
    let incidents = rows(12_000, |n| {
        // In the order of their moments, four or five to a minute.
        let (hour, minute) = (n / 250, n % 250 * 60 / 250);
        let at = format!("2024-02-{:02}T{:02}:{minute:02}:00Z", 1 + hour / 24, hour % 24);
        json!({ "id": format!("P{n}"), "created_at": at, "status": "resolved", "title": "t" })
    });
    let all = incidents.clone();
    let server = replica(move |call| {
        if call.header("authorization") != format!("Token token={TOKEN}") {
            return status(401, json!({ "error": { "code": 2006 } }));
        }
        let (offset, size) = (call.number("offset").unwrap_or(0), call.number("limit").unwrap());
        if offset + size > 10_000 {
            let error = json!({ "code": 2001, "message": "Offset must be less than 10,000" });
            return status(400, json!({ "error": error }));
        }
        if call.path() == "/services" {
            return ok(json!({ "services": [], "more": false, "offset": offset, "total": null }));
        }
        let (since, until) = (call.query("since").unwrap(), call.query("until").unwrap());
        let within = |row: &&Value| {
            let at = row["created_at"].as_str().unwrap();
            since.as_str() <= at && at < until.as_str()
        };
        let set: Vec<Value> = all.iter().filter(within).cloned().collect();
        ok(json!({ "incidents": part(&set, offset, size), "more": offset + size < set.len(),
                   "offset": offset, "limit": size, "total": null }))
    })
    .await;
    let variables = [("PAGERDUTY_URL", &*server.uri()), ("PAGERDUTY_TOKEN", TOKEN)];
    copied("pagerduty", &variables).await.has("incidents", "id", &incidents);
}
