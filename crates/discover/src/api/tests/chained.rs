//! APIs whose pages name the next one.

use super::*;

/// A cursor is where the next page begins, in letters.
fn cursor(at: u64) -> Option<String> {
    (at < TOTAL).then(|| format!("c{at}"))
}

fn at(request: &Received<'_>, param: &str) -> u64 {
    let cursor = request.param(param);
    cursor.and_then(|cursor| cursor.strip_prefix('c')?.parse().ok()).unwrap_or_default()
}

#[test]
fn slack_has_a_cursor_in_its_metadata() {
    let draft = draft("https://slack.com/api/users.list", |request| {
        let (from, size) = (at(request, "cursor"), request.size("limit", 50, 1000));
        let next = cursor(from + size).unwrap_or_default();
        answer(&json!({
            "ok": true, "members": rows(from, size), "response_metadata": { "next_cursor": next },
        }))
    });
    let paging = "{ by: cursor, param: cursor, next: response_metadata.next_cursor,";
    has(
        &draft,
        &["items: members", paging, "size_param: limit, size: 100 }", "endpoint: users.list"],
    );
    has(&draft, &["base_url: \"https://slack.com/api\"", "id: id"]);
}

#[test]
fn hubspot_leaves_the_paging_out_on_the_last_page() {
    let draft = draft("https://api.hubapi.com/crm/v3/objects/contacts", |request| {
        let (from, size) = (at(request, "after"), request.size("limit", 10, 100));
        let mut body = json!({ "results": rows(from, size) });
        if let Some(after) = cursor(from + size) {
            let link = request.url_with("after", &after);
            body["paging"] = json!({ "next": { "after": after, "link": link } });
        }
        answer(&body)
    });
    has(&draft, &["items: results", "size_param: limit, size: 100 }"]);
    assert!(draft.contains("next: paging.next.after") || draft.contains("next: paging.next.link"));
}

#[test]
fn google_and_kubernetes_call_their_parameters_otherwise() {
    let google = draft("https://www.googleapis.com/calendar/v3/calendars/c/events", |request| {
        let (from, size) = (at(request, "pageToken"), request.size("maxResults", 25, 2500));
        let mut body = json!({ "kind": "calendar#events", "items": rows(from, size) });
        if let Some(token) = cursor(from + size) {
            body["nextPageToken"] = token.into();
        }
        answer(&body)
    });
    has(
        &google,
        &[
            "{ by: cursor, param: pageToken, next: nextPageToken,",
            "size_param: maxResults, size: 100 }",
        ],
    );
    let kubernetes = draft("https://k8s/api/v1/pods", |request| {
        let (from, size) = (at(request, "continue"), request.size("limit", 30, 500));
        let token = cursor(from + size).unwrap_or_default();
        answer(&json!({ "metadata": { "continue": token }, "items": rows(from, size) }))
    });
    has(
        &kubernetes,
        &[
            "{ by: cursor, param: continue, next: metadata.continue,",
            "size_param: limit, size: 100 }",
        ],
    );
}

#[test]
fn airtable_calls_its_cursor_an_offset() {
    let draft = draft("https://api.airtable.com/v0/app1/tasks", |request| {
        let (from, size) = (at(request, "offset"), request.size("pageSize", 100, 100));
        let mut body = json!({ "records": rows(from, size) });
        if let Some(offset) = cursor(from + size) {
            body["offset"] = offset.into();
        }
        answer(&body)
    });
    assert!(draft.contains("by: cursor, param: offset, next: offset"), "{draft}");
}

#[test]
fn notion_and_intercom_have_a_flag_or_an_object() {
    let notion = draft("https://api.notion.com/v1/users", |request| {
        let (from, size) = (at(request, "start_cursor"), request.size("page_size", 100, 100));
        let next = cursor(from + size);
        answer(&json!({
            "object": "list", "results": rows(from, size), "next_cursor": next, "has_more": next.is_some(),
        }))
    });
    assert!(notion.contains("by: cursor, param: start_cursor, next: next_cursor"), "{notion}");
    has(&notion, &["has_next: has_more", "items: results"]);
    let intercom = draft("https://api.intercom.io/contacts", |request| {
        let (from, size) = (at(request, "starting_after"), request.size("per_page", 50, 150));
        let next = cursor(from + size).map(|after| json!({ "starting_after": after }));
        let pages =
            json!({ "type": "pages", "next": next, "page": 1, "per_page": size, "total_pages": 3 });
        answer(&json!({ "data": rows(from, size), "total_count": TOTAL, "pages": pages }))
    });
    let paging = "{ by: cursor, param: starting_after, next: pages.next.starting_after,";
    has(&intercom, &[paging, "total: total_count", "size_param: per_page, size: 100 }"]);
}

// dlt-hub/dlt#2505: such a key was not found, and one row was read.
#[test]
fn graph_has_a_url_under_a_key_with_a_dot() {
    let draft = draft("https://graph.microsoft.com/v1.0/users", |request| {
        let (from, size) = (at(request, "$skiptoken"), request.size("$top", 100, 999));
        let mut body = json!({ "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users", "value": rows(from, size) });
        if let Some(token) = cursor(from + size) {
            body["@odata.nextLink"] = request.url_with("$skiptoken", &token).into();
        }
        answer(&body)
    });
    has(&draft, &["items: value"]);
    assert!(draft.contains(r#"by: next_url, next: "@odata\\.nextLink""#), "{draft}");
}

#[test]
fn zendesk_salesforce_and_twilio_have_urls_at_several_places() {
    let zendesk = draft("https://x.zendesk.com/api/v2/tickets.json?page[size]=25", |request| {
        let (from, size) = (at(request, "page[after]"), request.size("page[size]", 25, 100));
        let next = cursor(from + size);
        let url = next.as_ref().map(|cursor| request.url_with("page[after]", &cursor));
        answer(&json!({
            "tickets": rows(from, size),
            "meta": { "has_more": next.is_some(), "after_cursor": next },
            "links": { "next": url },
        }))
    });
    has(
        &zendesk,
        &[
            "items: tickets",
            "has_next: meta.has_more",
            "size_param: \"page[size]\", size: 100 }",
            "endpoint: tickets.json",
        ],
    );
    assert!(zendesk.contains("by: next_url, next: links.next"), "{zendesk}");
    let salesforce = draft(
        "https://x.my.salesforce.com/services/data/v59.0/query?q=SELECT+Id+FROM+Account",
        |request| {
            let from = request
                .request
                .url
                .path()
                .rsplit('-')
                .next()
                .and_then(|at| at.parse().ok())
                .unwrap_or(0);
            let done = from + 60 >= TOTAL;
            let mut body = json!({ "totalSize": TOTAL, "done": done, "records": rows(from, 60) });
            if !done {
                body["nextRecordsUrl"] =
                    format!("/services/data/v59.0/query/01g-{}", from + 60).into();
            }
            answer(&body)
        },
    );
    has(
        &salesforce,
        &[
            "{ by: next_url, next: nextRecordsUrl }",
            "total: totalSize",
            "is_last: done",
            "endpoint: \"query?q=SELECT+Id+FROM+Account\"",
        ],
    );
    let twilio = draft("https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json", |request| {
        let (page, size) =
            (request.number("Page").unwrap_or(0), request.size("PageSize", 50, 1000));
        let more = (page + 1) * size < TOTAL;
        let next = more.then(|| {
            format!(
                "/2010-04-01/Accounts/AC1/Calls.json?PageSize={size}&Page={}&PageToken=PA{page}",
                page + 1
            )
        });
        answer(
            &json!({ "calls": rows(page * size, size), "page": page, "page_size": size, "next_page_uri": next, "uri": "/x" }),
        )
    });
    has(
        &twilio,
        &[
            "{ by: next_url, next: next_page_uri,",
            "items: calls",
            "size_param: PageSize, size: 100 }",
        ],
    );
}

#[test]
fn stripe_goes_on_after_the_last_row() {
    let draft = draft("https://api.stripe.com/v1/customers", |request| {
        let from = request.number("starting_after").map_or(0, |id| id + 1);
        let size = request.size("limit", 10, 100);
        answer(
            &json!({ "object": "list", "data": rows(from, size), "has_more": from + size < TOTAL }),
        )
    });
    has(
        &draft,
        &[
            "{ by: keyset, param: starting_after, field: id,",
            "has_next: has_more",
            "size_param: limit, size: 100 }",
        ],
    );
}

// Its next URL is there on the last page as well, and leads to empty pages for ever.
#[test]
fn sentry_says_in_an_attribute_that_a_link_leads_nowhere() {
    let draft = draft("https://sentry.io/api/0/projects/o/p/issues/", |request| {
        let from =
            request.param("cursor").and_then(|c| c.split(':').nth(1)?.parse().ok()).unwrap_or(0);
        let size = request.size("per_page", 100, 100);
        let results = from + size < TOTAL;
        let next = request.url_with("cursor", &format!("0:{}:0", from + size));
        let link = format!(
            "<{next}>; rel=\"next\"; results=\"{results}\"; cursor=\"0:{}:0\"",
            from + size
        );
        with_headers(&json!(rows(from, size)), &[("link", link)])
    });
    assert!(draft.contains("by: link, link_ends_with: [results, \"false\"]"), "{draft}");
}

#[test]
fn a_link_that_is_chosen_by_its_relation_is_found() {
    let draft = draft("https://h/fhir/Patient", |request| {
        let (from, size) = (at(request, "ct"), request.size("_count", 20, 100));
        let mut link = vec![json!({ "relation": "self", "url": request.request.url.as_str() })];
        link.extend(
            cursor(from + size)
                .map(|ct| json!({ "relation": "next", "url": request.url_with("ct", &ct) })),
        );
        let entry: Vec<_> =
            rows(from, size).into_iter().map(|row| json!({ "resource": row })).collect();
        answer(&json!({ "resourceType": "Bundle", "total": TOTAL, "link": link, "entry": entry }))
    });
    assert!(draft.contains("by: next_url, next: \"link[relation=next].url\""), "{draft}");
    has(&draft, &["items: \"entry[].resource\"", "total: total"]);
}

// dlt-hub/dlt#2280 and the like: next URLs behind a proxy name a host that cannot be reached.
#[test]
fn urls_of_another_host_are_asked_of_this_one() {
    let draft = draft("https://api.example.com/v1/rows", |request| {
        let from = at(request, "cursor");
        let next =
            cursor(from + 20).map(|cursor| format!("http://backend:8080/v1/rows?cursor={cursor}"));
        answer(&json!({ "data": rows(from, 20), "next": next }))
    });
    has(&draft, &["next_url_part: path_and_query }"]);
}

#[test]
fn a_cursor_that_only_a_number_is_keeps_its_name() {
    let draft = draft("https://h/v1/deals", |request| {
        let (from, size) = (request.number("start").unwrap_or(0), request.size("limit", 60, 500));
        let more = from + size < TOTAL;
        let pagination = json!({ "start": from, "limit": size, "more_items_in_collection": more, "next_start": more.then_some(from + size) });
        answer(
            &json!({ "success": true, "data": rows(from, size), "additional_data": { "pagination": pagination } }),
        )
    });
    has(
        &draft,
        &[
            "{ by: offset, param: start,",
            "size_param: limit, size: 100 }",
            "next_page: additional_data.pagination.next_start",
        ],
    );
}
