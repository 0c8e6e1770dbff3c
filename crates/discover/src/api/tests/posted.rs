//! Searches, which take their parameters in the JSON body of a POST; and a next page in a header.

use super::*;

/// The draft of a search with this body.
fn searched(
    body: Value,
    settings: Settings,
    api: impl Fn(&Value) -> Response,
) -> Result<String, DiscoverError> {
    let url = "https://h/v1/search?version=2";
    drafted(url, settings.body(body), |received| {
        let request = received.request;
        assert_eq!(request.url.query(), Some("version=2"));
        api(request.post.as_ref().unwrap())
    })
}

fn number(body: &Value, key: &str) -> Option<u64> {
    assert!(body[key].is_null() || body[key].is_u64(), "{body}");
    body[key].as_u64()
}

#[test]
fn pages_by_number_are_found_in_a_body() {
    let api = |body: &Value| {
        assert_eq!(body["query"], "x");
        let page = number(body, "page").unwrap_or(1);
        let size = number(body, "per_page").unwrap_or(20).min(50);
        let rows = if page == 0 { Vec::new() } else { rows((page - 1) * size, size) };
        answer(&json!({ "total": TOTAL, "page": page, "results": rows }))
    };
    for body in [json!({ "query": "x" }), json!({ "query": "x", "page": 1, "per_page": 5 })] {
        let draft = searched(body, Settings::default(), api).unwrap();
        has(
            &draft,
            &[
                "{ by: page, param: page,",
                "size_param: per_page, size: 50,",
                "post: { query: x } }",
                "total: total",
                "endpoint: \"search?version=2\"",
                "base_url: \"https://h/v1\"",
            ],
        );
        assert!(!draft.contains("item_endpoint"), "{draft}");
    }
}

#[test]
fn an_offset_within_an_object_of_a_body_is_found() {
    let body =
        json!({ "filter": { "price": { "limit": "7" } }, "paging": { "limit": 10, "offset": 0 } });
    let draft = searched(body, Settings::default(), |body| {
        let paging = &body["paging"];
        assert_eq!(body["filter"], json!({ "price": { "limit": "7" } }));
        let (from, size) = (number(paging, "offset").unwrap(), number(paging, "limit").unwrap());
        answer(&json!({ "hits": rows(from, size.min(100)), "total_count": TOTAL }))
    });
    has(
        &draft.unwrap(),
        &[
            "{ by: offset, param: paging.offset,",
            "size_param: paging.limit, size: 100,",
            "post: { filter: { price: { limit: \"7\" } }, paging: {} } }",
        ],
    );
}

/// Notion and others: the cursor may look like a number and stays a text.
#[test]
fn a_cursor_goes_into_the_body() {
    for (body, param) in [
        (json!({ "start_cursor": null, "page_size": 10 }), "start_cursor"),
        (json!({ "page_size": 10 }), "start_cursor"),
        (json!({ "page_size": 10 }), "cursor"),
    ] {
        let draft = searched(body, Settings::default(), |body| {
            let from = match &body[param] {
                Value::Null => 0,
                cursor => cursor.as_str().expect("a text").parse().unwrap(),
            };
            let size = number(body, "page_size").unwrap_or(100).min(100);
            let next = (from + size < TOTAL).then(|| (from + size).to_string());
            answer(
                &json!({ "results": rows(from, size), "has_more": next.is_some(), "next_cursor": next }),
            )
        });
        has(
            &draft.unwrap(),
            &[&format!("{{ by: cursor, param: {param}, next: next_cursor,"), "post: {} }"],
        );
    }
}

#[test]
fn a_search_whose_way_is_not_found_is_a_question() {
    let error = searched(json!({}), Settings::default(), |_| {
        answer(&json!({ "items": rows(0, 20), "next": "https://h/v1/search?after=x" }))
    });
    assert!(error.unwrap_err().what.contains("more rows follow"));
    let settings = Settings::default().paging("{ by: cursor, param: after, next: next }");
    let draft = searched(json!({ "q": "${HOME}" }), settings, |_| {
        answer(&json!({ "items": rows(0, 20), "next": "x" }))
    });
    has(
        &draft.unwrap(),
        &["paging: { by: cursor, param: after, next: next, post: { q: \"$${HOME}\" } }"],
    );
}

#[test]
fn a_credential_in_a_body_is_refused_and_not_repeated() {
    for body in [json!({ "api_key": "hunter2" }), json!({ "a": [{ "access_token": "hunter2" }] })] {
        let error = searched(body, Settings::default(), |_| answer(&json!([]))).unwrap_err();
        assert!(error.what.contains("looks like a credential"), "{}", error.what);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn a_place_that_takes_no_get_is_asked_by_a_post() {
    let refused = |_: &Received<'_>| Response::new(405, [("allow", "POST")], "");
    let error = drafted("https://h/v1/search", Settings::default(), refused).unwrap_err();
    assert!(error.what.contains("405"), "{}", error.what);
    assert!(error.advice.contains("--method POST --body"), "{}", error.advice);
}

/// Kinto, whose lists have no other sign of a next page.
#[test]
fn a_header_may_be_the_url_of_the_next_page() {
    let draft = draft("https://h/v1/buckets/b/records", |request| {
        let from = request.number("_token").unwrap_or(0);
        let size = request.size("_limit", 50, 50);
        let next = request.url_with("_token", &(from + size));
        let headers = [("Next-Page", next), ("Total-Records", TOTAL.to_string())];
        let headers = if from + size < TOTAL { &headers[..] } else { &headers[1..] };
        with_headers(&json!({ "data": rows(from, size) }), headers)
    });
    has(&draft, &["{ by: header_url, header: next-page }"]);
}
