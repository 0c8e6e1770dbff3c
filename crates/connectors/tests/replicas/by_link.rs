//! APIs whose pages have the URL of the next one: in a `Link` header, or in the body.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{Call, TOKEN, copied, numbered, ok, part, replica, rows, status};

/// A page of a list with a `Link` to the next one, unless it is the last. The link repeats the
/// parameters `kept`.
fn linked(
    call: &Call<'_>,
    set: &[Value],
    size: &str,
    most: usize,
    kept: &[&str],
) -> ResponseTemplate {
    let size_of_page = call.number(size).unwrap_or(20).min(most);
    let from = call.number("page").unwrap_or(1) - 1;
    let body = ok(Value::from(part(set, from * size_of_page, size_of_page)));
    if (from + 1) * size_of_page >= set.len() {
        return body;
    }
    let kept = kept.iter().filter_map(|name| Some(format!("{name}={}&", call.query(name)?)));
    let kept: String = kept.collect();
    let url = format!("{}?{kept}{size}={size_of_page}&page={}", call.path(), from + 2);
    body.insert_header("link", format!(r#"<{url}>; rel="next""#).as_str())
}

#[tokio::test]
async fn github() {
    let repositories = rows(130, |n| {
        json!({ "id": n + 1, "name": format!("r{n}"), "full_name": format!("ada/r{n}"),
                "owner": { "login": "ada" }, "updated_at": "2026-01-01T00:00:00Z" })
    });
    let issues = |of: usize| {
        rows(
            if of == 3 { 120 } else { of % 2 },
            move |n| json!({ "id": of * 1000 + n, "number": n + 1, "updated_at": "2026-01-01T00:00:00Z" }),
        )
    };
    let (all, refusals) = (repositories.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        if !call.is_bearer() || call.header("user-agent").is_empty() {
            return status(401, json!({ "message": "Bad credentials" }));
        }
        assert_eq!(call.header("x-github-api-version"), "2022-11-28");
        let refusal = refusals.fetch_add(1, SeqCst);
        let limit = |remaining: &str, text: &str| {
            status(403, json!({ "message": text }))
                .insert_header("x-ratelimit-remaining", remaining)
        };
        match (refusal, call.path()) {
            (0, _) => limit("0", "API rate limit exceeded").insert_header("retry-after", "1"),
            (1, _) => limit("9", "You have exceeded a secondary rate limit")
                .insert_header("retry-after", "1"),
            (_, "/user/repos") => linked(call, &all, "per_page", 100, &[]),
            (_, "/user/starred") => ok(json!([])),
            (_, path) => {
                assert_eq!(call.query("state").as_deref(), Some("all"));
                let name = path.strip_prefix("/repos/ada/r").unwrap();
                let of = name.strip_suffix("/issues").unwrap().parse().unwrap();
                let kept = ["state", "sort", "direction"];
                linked(call, &issues(of), "per_page", 100, &kept)
            }
        }
    })
    .await;
    let variables = [("GITHUB_URL", &*server.uri()), ("GITHUB_TOKEN", TOKEN)];
    let copied = copied("github", &variables).await;
    copied.has("repositories", "id", &repositories);
    let all: Vec<Value> = (0..130).flat_map(issues).collect();
    copied.has("issues", "id", &all);
}

#[tokio::test]
async fn gitlab() {
    let projects = rows(250, |n| {
        json!({ "id": n + 1, "path_with_namespace": format!("ada/p{n}"),
                "last_activity_at": "2026-01-01T00:00:00.123Z" })
    });
    let issues = rows(230, |n| {
        let at = format!("2026-01-01T{:02}:00:00.000Z", n / 20);
        json!({ "id": 9000 + n, "iid": n, "project_id": 1, "updated_at": at })
    });
    let (all, all_issues) = (projects.clone(), issues.clone());
    let server = replica(move |call| {
        if call.header("private-token") != TOKEN {
            return status(401, json!({ "message": "401 Unauthorized" }));
        }
        let size = call.number("per_page").unwrap_or(20).min(100);
        if call.path() == "/projects" {
            // The keyset wants an order, and tells no total.
            let wanted = [("pagination", "keyset"), ("order_by", "id"), ("sort", "asc")];
            assert!(wanted.iter().all(|(name, value)| call.query(name).as_deref() == Some(value)));
            let from = call.number("id_after").unwrap_or(0);
            let body = ok(Value::from(part(&all, from, size)));
            if from + size >= all.len() {
                return body;
            }
            let url = format!(
                "/projects?membership=true&pagination=keyset&order_by=id&sort=asc&per_page={size}\
                 &id_after={}",
                from + size
            );
            return body.insert_header("link", format!(r#"<{url}>; rel="next""#).as_str());
        }
        linked(call, &all_issues, "per_page", 100, &["scope", "order_by", "sort"])
    })
    .await;
    let variables = [("GITLAB_URL", &*server.uri()), ("GITLAB_TOKEN", TOKEN)];
    let copied = copied("gitlab", &variables).await;
    copied.has("projects", "id", &projects);
    copied.has("issues", "id", &issues);
}

#[tokio::test]
async fn shopify() {
    let orders = rows(
        600,
        |n| json!({ "id": n + 1, "updated_at": "2026-01-01T00:00:00-05:00", "total_price": "9.90" }),
    );
    let all = orders.clone();
    let server = replica(move |call| {
        if call.header("x-shopify-access-token") != TOKEN {
            return status(401, json!({ "errors": "[API] Invalid API key or access token" }));
        }
        let (path, table) = (call.path(), call.path()[1..].trim_end_matches(".json").to_owned());
        let set: &[Value] = if table == "orders" { &all } else { &[] };
        let size = call.number("limit").unwrap_or(50).min(250);
        let from = call.number("page_info").unwrap_or(0);
        if from > 0 && call.names().len() != 2 {
            let what = "When using page_info, only limit and fields may be passed";
            return status(400, json!({ "errors": { "page_info": what } }));
        }
        if table == "orders" && from == 0 {
            assert_eq!(call.query("status").as_deref(), Some("any"));
        }
        let body = ok(json!({ table: part(set, from, size) }))
            .insert_header("x-shopify-shop-api-call-limit", "1/40");
        if from + size >= set.len() {
            return body;
        }
        let url = format!("{path}?limit={size}&page_info={}", from + size);
        body.insert_header("link", format!(r#"<{url}>; rel="next""#).as_str())
    })
    .await;
    let variables =
        [("SHOPIFY_URL", &*server.uri()), ("SHOPIFY_TOKEN", TOKEN), ("SHOPIFY_SHOP", "a")];
    copied("shopify", &variables).await.has("orders", "id", &orders);
}

/// The link to a next page is on each page; its attribute says that there is nothing on it.
#[tokio::test]
async fn sentry() {
    let issues = rows(
        250,
        |n| json!({ "id": n.to_string(), "title": "t", "lastSeen": "2026-01-01T00:00:00Z" }),
    );
    let all = issues.clone();
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!({ "detail": "Invalid token" }));
        }
        let set: &[Value] = if call.path().ends_with("/issues/") { &all } else { &[] };
        let size = call.number("per_page").unwrap_or(100).min(100);
        let from = call.query("cursor").map_or(0, |cursor| {
            let page: usize = cursor.split(':').nth(1).unwrap().parse().unwrap();
            assert!(page * size < set.len(), "a page without results is not asked for");
            page * size
        });
        let (page, results) = (from / size + 1, from + size < set.len());
        let link = format!(
            r#"<{0}?cursor=0:{1}:1>; rel="previous"; results="false"; cursor="0:{1}:1", <{0}?cursor=0:{page}:0&per_page={size}>; rel="next"; results="{results}"; cursor="0:{page}:0""#,
            call.path(),
            page.saturating_sub(2),
        );
        ok(Value::from(part(set, from, size))).insert_header("link", link.as_str())
    })
    .await;
    let variables =
        [("SENTRY_URL", &*server.uri()), ("SENTRY_TOKEN", TOKEN), ("SENTRY_ORGANIZATION", "acme")];
    copied("sentry", &variables).await.has("issues", "id", &issues);
}

/// Empty pages that name a next one, and a key with a dot.
#[tokio::test]
async fn microsoft_graph() {
    let users = rows(230, |n| json!({ "id": format!("u{n}"), "displayName": "Ü", "mail": null }));
    let all = users.clone();
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!({ "error": { "code": "InvalidAuthenticationToken" } }));
        }
        let set: &[Value] = if call.path() == "/users" { &all } else { &[] };
        let size = call.number("$top").unwrap_or(100).min(100);
        let place = call.query("$skiptoken").unwrap_or_default();
        let place = place.split_once('-').unwrap_or(("0", "rows"));
        let from: usize = place.0.parse().unwrap();
        let is_empty = place.1 == "empty";
        let next = if is_empty { from } else { from + size };
        let kind = if is_empty || next >= set.len() { "rows" } else { "empty" };
        let mut body = json!({ "@odata.context": "…", "value":
            if is_empty { Vec::new() } else { part(set, from, size) } });
        if next < set.len() {
            let url = format!("{}?$top={size}&$skiptoken={next}-{kind}", call.path());
            body["@odata.nextLink"] = url.into();
        }
        ok(body)
    })
    .await;
    let variables = [("GRAPH_URL", &*server.uri()), ("GRAPH_TOKEN", TOKEN)];
    copied("microsoft-graph", &variables).await.has("users", "id", &users);
}

/// A path from the host, without the parameters of the first page; a limit is a 403.
#[tokio::test]
async fn salesforce() {
    let accounts = rows(4500, |n| {
        json!({ "attributes": { "type": "Account" }, "Id": format!("001{n:05}"), "Name": "a",
                "SystemModstamp": "2026-01-01T00:00:00.000+0000" })
    });
    let (all, calls) = (accounts.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!([{ "errorCode": "INVALID_SESSION_ID" }]));
        }
        if calls.fetch_add(1, SeqCst) == 1 {
            return status(403, json!([{ "errorCode": "REQUEST_LIMIT_EXCEEDED" }]))
                .insert_header("retry-after", "1");
        }
        let path = call.path().strip_prefix("/services/data/v59.0/query").unwrap();
        let from = match path.strip_prefix("/01g-") {
            Some(from) => {
                assert!(call.names().is_empty(), "a locator takes no parameters");
                from.parse().unwrap()
            }
            None if call.query("q").unwrap().ends_with("FROM Account") => 0,
            None => all.len(),
        };
        let rest = part(&all, from, 2000);
        let total = if from == all.len() { 0 } else { all.len() };
        let mut body = json!({ "totalSize": total, "done": true, "records": rest });
        if from + 2000 < all.len() {
            body["done"] = false.into();
            let next = format!("/services/data/v59.0/query/01g-{}", from + 2000);
            body["nextRecordsUrl"] = next.into();
        }
        ok(body)
    })
    .await;
    let variables = [("SALESFORCE_INSTANCE_URL", &*server.uri()), ("SALESFORCE_TOKEN", TOKEN)];
    copied("salesforce", &variables).await.has("accounts", "Id", &accounts);
}

#[tokio::test]
async fn twilio() {
    let messages = rows(2100, |n| {
        json!({ "sid": format!("SM{n}"), "date_sent": "Thu, 01 Jan 2026 00:00:00 +0000",
                "status": "sent", "body": "a" })
    });
    let (all, calls) = (messages.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        // `AC1:canary-4f1d` in Base64.
        if call.header("authorization") != "Basic QUMxOmNhbmFyeS00ZjFk" {
            return status(401, json!({ "code": 20003 }));
        }
        if calls.fetch_add(1, SeqCst) == 1 {
            let limited = status(429, json!({ "code": 20429, "message": "Too Many Requests" }));
            return limited.insert_header("retry-after", "1");
        }
        let key = if call.path().ends_with("Messages.json") { "messages" } else { "calls" };
        let set: &[Value] = if key == "messages" { &all } else { &[] };
        let size = call.number("PageSize").unwrap_or(50).min(1000);
        let page = call.number("Page").unwrap_or(0);
        let next = ((page + 1) * size < set.len())
            .then(|| format!("{}?PageSize={size}&Page={}&PageToken=PA", call.path(), page + 1));
        let rest = part(set, page * size, size);
        ok(json!({ key: rest, "page": page, "next_page_uri": next }))
    })
    .await;
    let variables = [
        ("TWILIO_URL", &*server.uri()),
        ("TWILIO_ACCOUNT_SID", "AC1"),
        ("TWILIO_AUTH_TOKEN", TOKEN),
    ];
    copied("twilio", &variables).await.has("messages", "sid", &messages);
}

#[tokio::test]
async fn datasette() {
    let set = numbered(2345);
    let all = set.clone();
    let server = replica(move |call| {
        assert_eq!(call.path(), "/world/countries.json");
        let size = call.number("_size").unwrap_or(100).min(1000);
        let from = call.number("_next").unwrap_or(0);
        let next = (from + size < all.len()).then(|| (from + size).to_string());
        let url = |next: &String| {
            format!(
                "http://{}{}?_shape=objects&_size={size}&_next={next}",
                call.header("host"),
                call.path()
            )
        };
        let next_url = next.as_ref().map(url);
        ok(json!({ "rows": part(&all, from, size), "next": next, "next_url": next_url }))
    })
    .await;
    let variables = [
        ("DATASETTE_URL", &*server.uri()),
        ("DATASETTE_DATABASE", "world"),
        ("DATASETTE_TABLE", "countries"),
    ];
    copied("datasette", &variables).await.has("countries", "id", &set);
}

#[tokio::test]
async fn django_rest_framework() {
    let set = numbered(333);
    let all = set.clone();
    let server = replica(move |call| {
        if call.header("authorization") != format!("Token {TOKEN}") {
            return status(401, json!({ "detail": "Invalid token." }));
        }
        assert_eq!(call.path(), "/api/rows/");
        let page = call.number("page").unwrap_or(1);
        if (page - 1) * 100 >= all.len() {
            return status(404, json!({ "detail": "Invalid page." }));
        }
        let url = |page: usize| format!("http://{}/api/rows/?page={page}", call.header("host"));
        let next = (page * 100 < all.len()).then(|| url(page + 1));
        let rest = part(&all, (page - 1) * 100, 100);
        ok(json!({ "count": all.len(), "next": next, "previous": null, "results": rest }))
    })
    .await;
    let url = format!("{}/api", server.uri());
    let variables = [("DJANGO_URL", &*url), ("DJANGO_TOKEN", TOKEN), ("DJANGO_LIST", "rows")];
    copied("django-rest-framework", &variables).await.has("rows", "id", &set);
}
