//! APIs whose pages have a cursor that the next request sends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use serde_json::{Value, json};

use crate::support::{TOKEN, copied, ok, part, replica, rows, status};

#[tokio::test]
async fn hubspot() {
    let contacts = rows(250, |n| {
        json!({ "id": (n + 1).to_string(), "properties": { "email": "a@b.c" },
                "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z" })
    });
    let all = contacts.clone();
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!({ "status": "error", "category": "INVALID_AUTHENTICATION" }));
        }
        let set: &[Value] = if call.path() == "/crm/v3/objects/contacts" { &all } else { &[] };
        let size = call.number("limit").unwrap_or(10).min(100);
        let from = call.number("after").unwrap_or(0);
        let mut body = json!({ "results": part(set, from, size) });
        // After the last page there is no `paging` at all.
        if from + size < set.len() {
            body["paging"] = json!({ "next": { "after": (from + size).to_string(), "link": "…" } });
        }
        ok(body)
    })
    .await;
    let variables = [("HUBSPOT_URL", &*server.uri()), ("HUBSPOT_TOKEN", TOKEN)];
    copied("hubspot", &variables).await.has("contacts", "id", &contacts);
}

/// The search is a POST with the cursor in its body, and overload is a 529.
#[tokio::test]
async fn notion() {
    let pages = rows(240, |n| {
        json!({ "object": "page", "id": format!("p{n}"), "url": "u",
                "created_time": "2026-01-01T00:00:00.000Z",
                "last_edited_time": "2026-01-01T00:00:00.000Z" })
    });
    let users = rows(3, |n| json!({ "id": format!("u{n}"), "name": "a", "type": "person" }));
    let (all, all_users, calls) = (pages.clone(), users.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        if !call.is_bearer() || call.header("notion-version") != "2022-06-28" {
            return status(401, json!({ "object": "error", "code": "unauthorized" }));
        }
        if calls.fetch_add(1, SeqCst) == 1 {
            return status(529, json!({ "object": "error", "code": "service_overload" }))
                .insert_header("retry-after", "1");
        }
        if !call.is_post() {
            assert_eq!(call.path(), "/users");
            return ok(json!({ "results": all_users, "has_more": false, "next_cursor": null }));
        }
        let body = call.json();
        let is_pages = body["filter"]["value"] == "page";
        let set: &[Value] = if is_pages { &all } else { &[] };
        let size = body["page_size"].as_u64().unwrap_or(100).min(100) as usize;
        let from = match &body["start_cursor"] {
            Value::Null => 0,
            cursor => cursor.as_str().unwrap()[1..].parse().unwrap(),
        };
        let next = (from + size < set.len()).then(|| format!("c{}", from + size));
        let rest = part(set, from, size);
        ok(json!({ "results": rest, "has_more": next.is_some(), "next_cursor": next }))
    })
    .await;
    let variables = [("NOTION_URL", &*server.uri()), ("NOTION_TOKEN", TOKEN)];
    let copied = copied("notion", &variables).await;
    copied.has("pages", "id", &pages);
    copied.has("users", "id", &users);
}

/// Errors are 200s, a page may be short before the end, and the last cursor is an empty text.
#[tokio::test]
async fn slack() {
    let users = rows(450, |n| json!({ "id": format!("U{n}"), "name": "a", "updated": 1 }));
    let channels = rows(3, |n| json!({ "id": format!("C{n}"), "name": "a", "created": 1 }));
    let messages = |of: &str| {
        let of = of.to_owned();
        rows(
            210,
            move |n| json!({ "ts": format!("17{n}.000100-{of}"), "user": "U1", "text": "hi" }),
        )
    };
    let (all, all_channels, calls) = (users.clone(), channels.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        if !call.is_bearer() {
            return ok(json!({ "ok": false, "error": "invalid_auth" }));
        }
        match calls.fetch_add(1, SeqCst) {
            0 => return status(429, json!({ "ok": false })).insert_header("retry-after", "1"),
            1 => {
                let limited = ok(json!({ "ok": false, "error": "ratelimited" }));
                return limited.insert_header("retry-after", "1");
            }
            _ => {}
        }
        let (key, set) = match call.path() {
            "/users.list" => ("members", all.clone()),
            "/conversations.list" => ("channels", all_channels.clone()),
            "/conversations.history" => ("messages", messages(&call.query("channel").unwrap())),
            other => panic!("{other}"),
        };
        let from = call.query("cursor").map_or(0, |cursor| cursor[1..].parse().unwrap());
        // Fewer than were asked for.
        let size = call.number("limit").unwrap_or(100).min(200) - usize::from(from == 0) * 7;
        let is_last = from + size >= set.len();
        let next = if is_last { String::new() } else { format!("c{}", from + size) };
        let mut body = json!({ "ok": true, key: part(&set, from, size) });
        if !next.is_empty() || key != "messages" {
            body["response_metadata"] = json!({ "next_cursor": next });
        }
        if key == "messages" {
            body["has_more"] = (!is_last).into();
        }
        ok(body)
    })
    .await;
    let variables = [("SLACK_URL", &*server.uri()), ("SLACK_TOKEN", TOKEN)];
    let copied = copied("slack", &variables).await;
    copied.has("users", "id", &users);
    copied.has("channels", "id", &channels);
    let all: Vec<Value> = ["C0", "C1", "C2"].iter().flat_map(|of| messages(of)).collect();
    copied.has("messages", "ts", &all);
}

/// `page[size]` chooses pages by cursor; the last page has a cursor too.
#[tokio::test]
async fn zendesk() {
    let tickets = rows(
        310,
        |n| json!({ "id": n + 1, "updated_at": "2026-01-01T00:00:00Z", "status": "open", "subject": "s" }),
    );
    let all = tickets.clone();
    let server = replica(move |call| {
        // `ada/token:canary-4f1d` in Base64.
        if call.header("authorization") != "Basic YWRhL3Rva2VuOmNhbmFyeS00ZjFk" {
            return status(401, json!({ "error": "Couldn't authenticate you" }));
        }
        if call.path() == "/incremental/tickets/cursor.json" {
            assert!(call.query("cursor").is_some() || call.query("start_time").is_some());
            let (from, size) = (call.number("cursor").unwrap_or(0), 100);
            return ok(json!({ "tickets": part(&all, from, size),
                              "after_cursor": (from + size).min(all.len()).to_string(),
                              "end_of_stream": from + size >= all.len() }));
        }
        let key = call.path()[1..].trim_end_matches(".json").to_owned();
        let set: &[Value] = &[];
        let size = call.number("page[size]").expect("the size chooses the way").min(100);
        let from = call.number("page[after]").unwrap_or(0);
        let meta = json!({ "has_more": from + size < set.len(),
                           "after_cursor": (from + size).to_string(), "before_cursor": "0" });
        ok(json!({ key: part(set, from, size), "meta": meta, "links": { "next": "…" } }))
    })
    .await;
    let variables = [
        ("ZENDESK_URL", &*server.uri()),
        ("ZENDESK_SUBDOMAIN", "acme"),
        ("ZENDESK_EMAIL", "ada"),
        ("ZENDESK_TOKEN", TOKEN),
    ];
    copied("zendesk", &variables).await.has("tickets", "id", &tickets);
}

/// The token of the next page is missing at the end; projects are paged by offset.
#[tokio::test]
async fn jira() {
    let issues = rows(230, |n| {
        json!({ "id": n.to_string(), "key": format!("A-{n}"), "fields": {
            "summary": "s", "status": { "name": "Open" },
            "created": "2026-01-01T00:00:00.000+0000", "updated": "2026-01-01T00:00:00.000+0000" } })
    });
    let projects =
        rows(70, |n| json!({ "id": n.to_string(), "key": format!("P{n}"), "name": "p" }));
    let (all, all_projects) = (issues.clone(), projects.clone());
    let server = replica(move |call| {
        // `ada:canary-4f1d` in Base64.
        if call.header("authorization") != "Basic YWRhOmNhbmFyeS00ZjFk" {
            return status(401, json!({ "errorMessages": ["…"] }));
        }
        let size = call.number("maxResults").unwrap_or(50);
        if call.path() == "/project/search" {
            // It serves fewer than were asked for, and says so.
            let (from, size) = (call.number("startAt").unwrap_or(0), size.min(25));
            return ok(json!({ "startAt": from, "maxResults": size, "total": all_projects.len(),
                "isLast": from + size >= all_projects.len(), "values": part(&all_projects, from, size) }));
        }
        assert_eq!(call.path(), "/search/jql");
        assert!(call.query("jql").unwrap().contains(">="), "a search needs a condition");
        assert!(call.query("fields").unwrap().contains("updated"));
        let from = call.query("nextPageToken").map_or(0, |token| token[1..].parse().unwrap());
        let size = size.min(100);
        let mut body = json!({ "issues": part(&all, from, size), "isLast": from + size >= all.len() });
        if from + size < all.len() {
            body["nextPageToken"] = format!("t{}", from + size).into();
        }
        ok(body)
    })
    .await;
    let variables = [
        ("JIRA_URL", &*server.uri()),
        ("JIRA_SITE", "acme"),
        ("JIRA_EMAIL", "ada"),
        ("JIRA_TOKEN", TOKEN),
    ];
    let copied = copied("jira", &variables).await;
    copied.has("issues", "key", &issues);
    copied.has("projects", "key", &projects);
}

/// Short pages, and limits that are 403s.
#[tokio::test]
async fn google_calendar() {
    let calendars = rows(2, |n| json!({ "id": format!("c{n}@example.com"), "summary": "s" }));
    let events = rows(
        300,
        |n| json!({ "id": format!("e{n}"), "summary": "s", "updated": "2026-01-01T00:00:00.000Z" }),
    );
    let (all_calendars, all, calls) = (calendars.clone(), events.clone(), AtomicUsize::new(0));
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!({ "error": { "code": 401 } }));
        }
        if calls.fetch_add(1, SeqCst) == 1 {
            let errors = json!([{ "domain": "usageLimits", "reason": "rateLimitExceeded" }]);
            return status(403, json!({ "error": { "code": 403, "errors": errors } }));
        }
        if call.path() == "/users/me/calendarList" {
            return ok(json!({ "items": all_calendars, "nextSyncToken": "s" }));
        }
        assert!(call.path().starts_with("/calendars/c"));
        let from = call.number("pageToken").unwrap_or(0);
        let size = call.number("maxResults").unwrap_or(250).min(100);
        let mut body = json!({ "items": part(&all, from, size) });
        let key = if from + size < all.len() { "nextPageToken" } else { "nextSyncToken" };
        body[key] = (from + size).to_string().into();
        ok(body)
    })
    .await;
    let variables = [("GOOGLE_CALENDAR_URL", &*server.uri()), ("GOOGLE_TOKEN", TOKEN)];
    let copied = copied("google-calendar", &variables).await;
    copied.has("calendars", "id", &calendars);
    let both: Vec<Value> = events.iter().chain(&events).cloned().collect();
    copied.has("events", "id", &both);
}

/// The cursor expires once in the middle: the read begins anew, and says so.
#[tokio::test]
async fn airtable() {
    let records = rows(350, |n| {
        let fields = if n % 2 == 0 { json!({ "Name": "a" }) } else { json!({}) };
        json!({ "id": format!("rec{n}"), "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields })
    });
    let (all, has_expired) = (records.clone(), AtomicBool::new(false));
    let server = replica(move |call| {
        if !call.is_bearer() {
            return status(401, json!({ "error": { "type": "AUTHENTICATION_REQUIRED" } }));
        }
        assert_eq!(call.path(), "/app1/Tasks");
        let size = call.number("pageSize").unwrap_or(100).min(100);
        let from = call
            .query("offset")
            .map_or(0, |offset| offset.strip_prefix("itr/").unwrap().parse().unwrap());
        if from == 200 && !has_expired.swap(true, SeqCst) {
            let error = json!({ "type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE" });
            return status(422, json!({ "error": error }));
        }
        let mut body = json!({ "records": part(&all, from, size) });
        if from + size < all.len() {
            body["offset"] = format!("itr/{}", from + size).into();
        }
        ok(body)
    })
    .await;
    let variables = [
        ("AIRTABLE_URL", &*server.uri()),
        ("AIRTABLE_TOKEN", TOKEN),
        ("AIRTABLE_BASE", "app1"),
        ("AIRTABLE_TABLE", "Tasks"),
    ];
    let copied = copied("airtable", &variables).await;
    copied.has("records", "id", &records);
    assert!(!copied.remarks("records").is_empty(), "that it is not a snapshot is told");
}

#[tokio::test]
async fn intercom() {
    let contacts =
        rows(120, |n| json!({ "id": format!("c{n}"), "email": "a@b.c", "updated_at": 1 }));
    let all = contacts.clone();
    let server = replica(move |call| {
        if !call.is_bearer() || call.header("intercom-version") != "2.14" {
            return status(401, json!({ "type": "error.list" }));
        }
        let key = if call.path() == "/contacts" { "data" } else { "conversations" };
        let set: &[Value] = if key == "data" { &all } else { &[] };
        let size = call.number("per_page").unwrap_or(50).min(150);
        let from = call.query("starting_after").map_or(0, |after| after[1..].parse().unwrap());
        let next = (from + size < set.len())
            .then(|| json!({ "page": 2, "starting_after": format!("c{}", from + size) }));
        ok(json!({ key: part(set, from, size), "total_count": set.len(),
                   "pages": { "type": "pages", "next": next } }))
    })
    .await;
    let variables = [("INTERCOM_URL", &*server.uri()), ("INTERCOM_TOKEN", TOKEN)];
    copied("intercom", &variables).await.has("contacts", "id", &contacts);
}
