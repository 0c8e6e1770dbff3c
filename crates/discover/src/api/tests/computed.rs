//! APIs whose pages are at places that can be computed.

use super::*;

/// A page by number of an API whose body is a list, with a `Link` header.
fn linked(request: &Received<'_>, has_last: bool) -> Response {
    let (page, size) = (request.number("page").unwrap_or(1), request.size("per_page", 30, 100));
    let last = TOTAL.div_ceil(size);
    let mut links = Vec::new();
    if page < last {
        links.push(format!("<{}>; rel=\"next\"", request.url_with("page", &(page + 1))));
    }
    if has_last {
        links.push(format!("<{}>; rel=\"last\"", request.url_with("page", &last)));
    }
    let limit = ("x-ratelimit-remaining", "59".to_owned());
    with_headers(&json!(rows((page - 1) * size, size)), &[("link", links.join(", ")), limit])
}

#[test]
fn github_has_links_and_numbers() {
    let with_last =
        draft("https://api.github.com/repos/o/r/issues", |request| linked(request, true));
    has(
        &with_last,
        &["{ by: page, param: page,", "size_param: per_page, size: 100 }", "items: \".\""],
    );
    assert!(with_last.contains("# the API tells of a limit: x-ratelimit-remaining: 59"));
    // Without it nobody knows how far the set goes, so pages are followed.
    let without = draft("https://gitlab.com/api/v4/projects", |request| linked(request, false));
    has(&without, &["{ by: link,", "size_param: per_page, size: 100 }"]);
}

#[test]
fn django_has_urls_that_can_be_computed() {
    let api = |request: &Received<'_>| {
        let page = request.number("page").unwrap_or(1);
        let next = (page * 20 < TOTAL).then(|| request.url_with("page", &(page + 1)));
        answer(
            &json!({ "count": TOTAL, "next": next, "previous": null, "results": rows((page - 1) * 20, 20) }),
        )
    };
    let draft = draft("https://h/api/rows/?ordering=id", api);
    has(
        &draft,
        &[
            "{ by: page, param: page }",
            "total: count",
            "next_page: next",
            "endpoint: \"rows/?ordering=id\"",
        ],
    );
}

#[test]
fn jira_and_pagerduty_have_offsets() {
    let jira = draft("https://x.atlassian.net/rest/api/3/project/search", |request| {
        let (from, size) =
            (request.number("startAt").unwrap_or(0), request.size("maxResults", 50, 50));
        answer(&json!({
            "startAt": from, "maxResults": size, "total": TOTAL, "isLast": from + size >= TOTAL, "values": rows(from, size),
        }))
    });
    has(
        &jira,
        &[
            "{ by: offset, param: startAt,",
            "size_param: maxResults, size: 50 }",
            "total: total",
            "is_last: isLast",
            "items: values",
        ],
    );
    let pagerduty = draft("https://api.pagerduty.com/incidents", |request| {
        let (from, size) = (request.number("offset").unwrap_or(0), request.size("limit", 25, 100));
        answer(
            &json!({ "incidents": rows(from, size), "offset": from, "limit": size, "total": null, "more": from + size < TOTAL }),
        )
    });
    has(
        &pagerduty,
        &["{ by: offset, param: offset,", "size_param: limit, size: 100 }", "has_next: more"],
    );
    assert!(!pagerduty.contains("total:"), "{pagerduty}");
}

#[test]
fn spring_counts_from_zero_and_laravel_from_one() {
    let spring = draft("https://h/api/orders", |request| {
        let (page, size) = (request.number("page").unwrap_or(0), request.size("size", 20, 2000));
        let pages = TOTAL.div_ceil(size);
        answer(&json!({
            "content": rows(page * size, size), "number": page, "size": size, "totalElements": TOTAL,
            "totalPages": pages, "first": page == 0, "last": page + 1 == pages, "sort": { "sorted": false },
        }))
    });
    has(
        &spring,
        &[
            "{ by: page, param: page, first: 0,",
            "size_param: size, size: 100 }",
            "total: totalElements",
            "is_last: last",
        ],
    );
    let laravel = draft("https://h/api/orders", |request| {
        let (page, size) = (request.number("page").unwrap_or(1), 15);
        let pages = TOTAL.div_ceil(size);
        let next = (page < pages).then(|| format!("https://h/api/orders?page={}", page + 1));
        answer(&json!({
            "data": rows((page - 1) * size, size), "current_page": page, "last_page": pages,
            "per_page": size, "total": TOTAL, "next_page_url": next, "from": (page - 1) * size + 1,
        }))
    });
    has(&laravel, &["{ by: page, param: page }", "total: total", "next_page: next_page_url"]);
}

// dlt-hub/dlt#1414: the total is on the first page alone.
#[test]
fn a_total_of_the_first_page_alone_is_told_as_such() {
    let draft = draft("https://h/api/datasets", |request| {
        let page = request.number("page").unwrap_or(1);
        let mut pagination = json!({ "perPage": 20, "currentPage": page });
        if page == 1 {
            pagination["total"] = TOTAL.into();
        }
        answer(&json!({ "data": rows((page - 1) * 20, 20), "pagination": pagination }))
    });
    assert!(draft.contains("total: pagination.total # 137 on the first page alone"), "{draft}");
}

#[test]
fn a_count_of_the_rows_of_a_page_is_no_total() {
    let draft = draft("https://h/api/rows", |request| {
        let page = request.number("page").unwrap_or(1);
        let found = rows((page - 1) * 20, 20);
        answer(
            &json!({ "count": found.len(), "page": page, "pages": TOTAL.div_ceil(20), "items": found }),
        )
    });
    has(&draft, &["{ by: page, param: page }", "total_pages: pages"]);
    assert!(!draft.contains("total: count"), "{draft}");
}

#[test]
fn ranges_are_headers() {
    let draft = draft("https://h/api/rows", |request| {
        let range = request.request.headers.iter().find(|(name, _)| name == "range");
        let range = range.and_then(|(_, value)| value.strip_prefix("rows=")?.split_once('-'));
        let (from, to) =
            range.map_or((0, 9), |(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
        let found = rows(from, to + 1 - from);
        let told = format!("rows {from}-{}/{TOTAL}", from + found.len() as u64 - 1);
        with_headers(&json!(found), &[("content-range", told)])
    });
    has(&draft, &["{ by: range, unit: rows, size: 10 }", "total_header: content-range"]);
}

#[test]
fn a_total_in_a_header_has_the_usual_parameters_tried() {
    let draft = draft("https://h/api/rows", |request| {
        let (from, size) = (request.number("offset").unwrap_or(0), request.size("limit", 20, 100));
        with_headers(&json!(rows(from, size)), &[("x-total-count", TOTAL.to_string())])
    });
    has(
        &draft,
        &[
            "{ by: offset, param: offset,",
            "total_header: x-total-count",
            "size_param: limit, size: 100 }",
        ],
    );
}

#[test]
fn where_nothing_tells_the_end_a_page_past_it_is_looked_at() {
    let api = |past: u16| {
        move |request: &Received<'_>| {
            let page = request.number("page").unwrap_or(1);
            let found = rows((page - 1).saturating_mul(20), 20);
            match (found.is_empty(), past) {
                (true, 404) => Response::new(404, [], "{}"),
                _ => answer(&json!(found)),
            }
        }
    };
    let not_found = draft("https://h/api/rows", api(404));
    has(&not_found, &["not_found_ends: true }"]);
    let empty = draft("https://h/api/rows", api(200));
    assert!(
        empty.contains("by: page, param: page") && !empty.contains("not_found_ends"),
        "{empty}"
    );
}

#[test]
fn a_count_that_is_of_each_page_ends_nothing() {
    // The set has 137 rows, and each page says that it has all of it.
    for size_is_taken in [true, false] {
        for beside in [json!({}), json!({ "next": null })] {
            let draft = draft("https://h/api/rows", |request| {
                let asked = request.size("limit", 50, 50);
                let size = if size_is_taken || beside == json!({}) { asked } else { 50 };
                let found = rows(request.number("offset").unwrap_or(0), size);
                let mut body = beside.clone();
                body["count"] = found.len().into();
                body["items"] = found.into();
                answer(&body)
            });
            assert!(!draft.contains("total: count"), "{draft}");
            if size_is_taken || beside == json!({}) {
                has(&draft, &["{ by: offset, param: offset,"]);
            } else {
                assert!(!draft.contains("by: none"), "{draft}");
            }
        }
    }
}

/// An API whose pages have no number in them, and begin with `first`.
fn silent(first: u64) -> impl Fn(&Received<'_>) -> Response {
    move |request| {
        let page = request.number("page").unwrap_or(first);
        let Some(at) = page.checked_sub(first) else { return Response::new(400, [], "{}") };
        let size = request.size("per_page", 20, 100);
        answer(&json!(rows(at.saturating_mul(size), size)))
    }
}

// uriyyo/fastapi-pagination#1570, aravindnc/mongoose-aggregate-paginate-v2#20: pages count from 0
// as well, and page 0 may be page 1.
#[test]
fn the_first_page_is_not_left_out() {
    for query in ["", "?page=0", "?page=1"] {
        let draft = draft(&format!("https://h/api/rows{query}"), silent(0));
        has(&draft, &["{ by: page, param: page, first: 0,", "endpoint: rows"]);
        has(&draft, &["size_param: per_page, size: 100 }"]);
        assert!(draft.contains("verified: "), "{draft}");
    }
    for query in ["", "?page=1"] {
        let draft = draft(&format!("https://h/api/rows{query}"), silent(1));
        has(&draft, &["{ by: page, param: page,", "endpoint: rows"]);
    }
    for query in ["", "?page=0", "?page=1"] {
        let draft = draft(&format!("https://h/api/rows{query}"), |request| {
            let page = request.number("page").unwrap_or(1).max(1);
            answer(&json!(rows((page - 1).saturating_mul(20), 20)))
        });
        has(&draft, &["{ by: page, param: page }", "endpoint: rows"]);
    }
    // A set of an odd number of rows, or with links.
    let linked = draft("https://h/api/rows?page=1", |request| {
        let page = request.number("page").unwrap_or(0);
        let next = ((page + 1) * 20 < TOTAL).then(|| request.url_with("page", &(page + 1)));
        answer(&json!({ "data": rows(page * 20, 20), "next": next }))
    });
    has(&linked, &["{ by: page, param: page, first: 0 }"]);
}

#[test]
fn a_set_on_one_page_is_asked_for_in_smaller_ones() {
    let draft = draft("https://h/api/rows", |request| {
        let (page, size) =
            (request.number("page").unwrap_or(1), request.size("per_page", 500, 500));
        let body = json!({ "rows": rows((page - 1) * size, size), "page": page, "per_page": size, "total": TOTAL });
        answer(&body)
    });
    has(&draft, &["{ by: page, param: page,", "total: total"]);
    assert!(draft.contains("verified: `page` is the number of the page"), "{draft}");
}
