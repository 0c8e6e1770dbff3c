//! APIs whose next page begins after the last row.

use serde_json::{Value, json};

use crate::support::{TOKEN, copied, ok, part, replica, rows, status};

#[tokio::test]
async fn stripe() {
    let customers = rows(350, |n| json!({ "id": format!("cus_{n}"), "created": 1, "email": null }));
    let all = customers.clone();
    let server = replica(move |call| {
        if !call.is_bearer() || call.header("stripe-version") != "2022-11-15" {
            return status(401, json!({ "error": { "type": "invalid_request_error" } }));
        }
        let set: &[Value] = if call.path() == "/customers" { &all } else { &[] };
        let size = call.number("limit").unwrap_or(10).min(100);
        let from = call.query("starting_after").map_or(0, |after| {
            set.iter().position(|row| row["id"] == *after).expect("a row of the list") + 1
        });
        let rest = part(set, from, size);
        ok(json!({ "object": "list", "data": rest, "has_more": from + size < set.len() }))
    })
    .await;
    let variables = [("STRIPE_URL", &*server.uri()), ("STRIPE_API_KEY", TOKEN)];
    copied("stripe", &variables).await.has("customers", "id", &customers);
}

/// A scroll moves on with each request, expires once while it is read, and is given up at the end.
#[tokio::test]
async fn elasticsearch_by_scroll() {
    let hits =
        rows(2500, |n| json!({ "_index": "docs", "_id": format!("d{n}"), "_source": { "a": n } }));
    let (all, open) = (hits.clone(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
    let scrolls = std::sync::Arc::clone(&open);
    let server = replica(move |call| {
        if call.header("authorization") != format!("ApiKey {TOKEN}") {
            return status(
                401,
                json!({ "error": { "type": "security_exception" }, "status": 401 }),
            );
        }
        let (body, mut open) = (call.json(), scrolls.lock().unwrap());
        let number = match (call.is_post(), call.path()) {
            (true, "/docs/_search") => {
                assert_eq!(call.query("scroll").as_deref(), Some("5m"));
                assert_eq!((&body["size"], &body["sort"]), (&json!(1000), &json!(["_doc"])));
                open.push(Some(0));
                open.len() - 1
            }
            (is_post, "/_search/scroll") => {
                let scroll = if is_post { json!("5m") } else { Value::Null };
                assert_eq!((&body["scroll"], &body["query"]), (&scroll, &Value::Null));
                let id = body["scroll_id"].as_str().expect("an id");
                let number = id.parse::<usize>().expect("a scroll");
                if !is_post {
                    open[number] = None;
                    return ok(json!({ "succeeded": true, "num_freed": 1 }));
                }
                number
            }
            other => panic!("{other:?}"),
        };
        if open.len() == 1 && open[0] == Some(2000) {
            open[0] = None;
        }
        let Some(from) = open[number] else {
            let cause = json!([{ "type": "search_context_missing_exception" }]);
            return status(404, json!({ "error": { "root_cause": cause }, "status": 404 }));
        };
        open[number] = Some(from + 1000);
        let page = part(&all, from, 1000);
        ok(json!({
            "_scroll_id": number.to_string(), "timed_out": false,
            "hits": { "total": { "value": all.len(), "relation": "eq" }, "hits": page },
        }))
    })
    .await;
    let variables = [
        ("ELASTICSEARCH_URL", &*server.uri()),
        ("ELASTICSEARCH_API_KEY", TOKEN),
        ("ELASTICSEARCH_INDEX", "docs"),
    ];
    let copied = copied("elasticsearch-scroll", &variables).await;
    copied.has("documents", "_id", &hits);
    assert!(copied.remarks("documents").contains("has expired"), "{}", copied.remarks("documents"));
    assert_eq!(open.lock().unwrap().len(), 2);
}

/// The sort values of the last hit are a list, and the first answer is not whole once.
#[tokio::test]
async fn elasticsearch() {
    let hits = rows(
        2500,
        |n| json!({ "_index": "docs", "_id": format!("d{n}"), "_source": { "a": n }, "sort": [n] }),
    );
    let (all, calls) = (hits.clone(), std::sync::atomic::AtomicUsize::new(0));
    let server = replica(move |call| {
        if call.header("authorization") != format!("ApiKey {TOKEN}") {
            return status(
                401,
                json!({ "error": { "type": "security_exception" }, "status": 401 }),
            );
        }
        assert!(call.is_post() && call.path() == "/docs/_search");
        let body = call.json();
        assert_eq!(body["sort"], json!(["id"]));
        let size = body["size"].as_u64().unwrap() as usize;
        let from = match &body["search_after"] {
            Value::Null => 0,
            after => after[0].as_u64().unwrap() as usize + 1,
        };
        let is_partial = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let rest = if is_partial { Vec::new() } else { part(&all, from, size) };
        ok(json!({ "timed_out": is_partial, "hits": { "hits": rest } }))
    })
    .await;
    let variables = [
        ("ELASTICSEARCH_URL", &*server.uri()),
        ("ELASTICSEARCH_API_KEY", TOKEN),
        ("ELASTICSEARCH_INDEX", "docs"),
    ];
    copied("elasticsearch", &variables).await.has("documents", "_id", &hits);
}
