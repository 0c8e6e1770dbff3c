//! What cannot be found out is asked, and nothing ends early without saying so.

use super::*;

#[test]
fn a_round_number_of_rows_is_not_the_whole_set() {
    for size in [10, 20, 25, 50, 100] {
        let said = question("https://h/api/rows", |_| answer(&json!(rows(0, size))));
        assert!(
            said.starts_with(&format!("{size} rows came, as many as a page may have")),
            "{said}"
        );
        assert!(
            said.contains("page=2") && said.contains("--paging") && said.contains("by: none"),
            "{said}"
        );
    }
}

#[test]
fn an_odd_number_of_rows_is_a_guess_that_says_so() {
    let draft = draft("https://h/api/rows", |_| answer(&json!(rows(0, 37))));
    has(&draft, &["{ by: none }"]);
    assert!(draft.contains("a guess: 37 rows came"), "{draft}");
}

#[test]
fn a_page_that_says_that_it_is_all_is_asked_for_smaller() {
    // It ignores the parameter of every place.
    for beside in [json!({ "next": null }), json!({ "has_more": false }), json!({ "last": true })] {
        let said = question("https://h/api/rows", |request| {
            let mut body = beside.clone();
            body["items"] = rows(0, request.size("limit", 50, 50)).into();
            answer(&body)
        });
        assert!(said.starts_with("with `limit` a page has 2 of the rows"), "{said}");
        assert!(said.contains("page=2") && said.contains("offset=2"), "{said}");
    }
    // A set that is one page has the rows that a smaller page leaves.
    let draft = draft("https://h/api/rows", |request| {
        let from = request.number("offset").unwrap_or(0);
        let found = rows(from, request.size("limit", 500, 500));
        answer(&json!({ "total": TOTAL, "items": found }))
    });
    has(&draft, &["{ by: offset, param: offset,", "total: total"]);
}

#[test]
fn a_count_that_may_be_of_the_page_is_no_proof_that_it_is_all() {
    for key in ["count", "itemCount", "record_count"] {
        let said =
            question("https://h/api/rows", |_| answer(&json!({ key: 50, "items": rows(0, 50) })));
        assert!(said.starts_with("50 rows came, as many as a page may have"), "{said}");
    }
}

// mongoose-paginate-v2#78: page 0 is refused; 503 of a page says nothing of where pages begin.
#[test]
fn page_2_is_no_proof_where_page_1_was_not_seen() {
    let said = question("https://h/api/rows", |request| match request.number("page") {
        Some(1) => Response::new(503, [], ""),
        page => answer(&json!(rows(page.unwrap_or(0) * 20, 20))),
    });
    assert!(said.contains("page=1` (status 503)") && !said.contains("`page=2`"), "{said}");
}

#[test]
fn a_terminal_obeys_nothing_of_an_answer() {
    let lists: serde_json::Map<String, Value> =
        (0..1_000).map(|at| (format!("\u{1b}[2J\u{9b}{at}"), json!(rows(0, 7)))).collect();
    let said = question("https://h/api/search", |_| answer(&json!(lists)));
    assert!(!said.replace("\n  -> ", "").contains(char::is_control), "{said:?}");
    assert!(said.contains("and 990 more"), "{said}");
    let long = format!("{}\u{1b}", "x".repeat(1_000_000));
    let said = question("https://h/api/search", |_| {
        answer(&json!({ &long: rows(0, 7), "b": rows(0, 7), "\u{1b}": rows(0, 6) }))
    });
    assert!(said.len() < 3_000 && !said.replace("\n  -> ", "").contains(char::is_control));
    // Names of parameters are those of keys.
    let mut discovery = Discovery::new("https://h/api/rows", Settings::default()).unwrap();
    for _ in 0..2 {
        let Step::Request(request) = discovery.next_step() else { panic!("it has ended") };
        assert!(!request.purpose.contains(char::is_control), "{:?}", request.purpose);
        let body = json!({ "items": rows(0, 7), "\u{1b}[cursor\u{7}": "abc", "\u{1b}page": 1 });
        discovery.on_response(answer(&body));
    }
}

// dlt-hub/dlt#2816, #3358: the flag was not understood, or the cursor never ended.
#[test]
fn more_without_a_way_to_it_is_a_question() {
    for body in [
        json!({ "data": rows(0, 7), "has_more": true, "vid_offset": 7 }),
        json!({ "data": rows(0, 7), "total": 99 }),
        json!({ "data": rows(0, 7), "nextPageToken": "abc" }),
        json!({ "data": rows(0, 7), "isLast": false }),
        json!({ "data": rows(0, 7), "meta": { "total_pages": 4 } }),
        json!({ "data": rows(0, 7), "next": "https://h/api/rows?page=2" }),
    ] {
        let said = question("https://h/api/rows", |_| answer(&body));
        assert!(said.starts_with("more rows follow the 7 of the first page, as "), "{said}");
        assert!(said.contains("the same rows again"), "{said}");
    }
}

// dlt's detection takes the list of a record for rows, and its `next_…` for paging.
#[test]
fn one_row_is_no_list() {
    let order = json!({ "id": 7, "next_delivery": "2024-01-01", "pages": 3, "lines": rows(0, 3) });
    let said = question("https://h/api/orders/7", |_| answer(&order));
    assert!(said.contains("looks like one row"), "{said}");
}

#[test]
fn lists_that_are_alike_are_a_question() {
    let both = json!({ "users": rows(0, 7), "groups": rows(0, 7) });
    let said = question("https://h/api/search", |_| answer(&both));
    assert!(said.contains("`groups`, `users`") && said.contains("--items PATH"), "{said}");
    let settings = Settings::default().items("groups").paging("{ by: none }").table("all");
    let draft = drafted("https://h/api/search", settings, |_| answer(&both)).unwrap();
    has(&draft, &["items: groups", "paging: { by: none }", "- name: all"]);
}

#[test]
fn pages_that_repeat_rows_are_no_proof() {
    let said = question("https://h/api/rows", |request| {
        // It takes an offset in pages.
        let from = request.number("offset").map_or(0, |_| 5);
        answer(&json!({ "rows": rows(from, 10), "total": TOTAL }))
    });
    assert!(said.contains("some of the rows again"), "{said}");
}

// api-platform/api-platform#1380: the next URL is there past the end as well.
#[test]
fn a_next_url_to_an_empty_page_is_a_guess() {
    let draft = draft("https://h/products", |request| {
        let page = request.number("page").unwrap_or(1);
        let found = if page == 1 { rows(0, 30) } else { Vec::new() };
        let next = format!("/products?page={}", page + 1);
        answer(&json!({ "hydra:member": found, "hydra:view": { "hydra:next": next } }))
    });
    assert!(draft.contains("a guess: ") && draft.contains("has no rows"), "{draft}");
}

#[test]
fn a_later_page_is_no_beginning() {
    for query in ["page=2", "page[number]=7", "offset=50", "$skip=10", "startAt=1"] {
        let url = format!("https://h/rows?{query}");
        let said = Discovery::new(&url, Settings::default()).unwrap_err().to_string();
        assert!(said.contains("later page"), "{said}");
    }
    for query in ["page=1", "page=0", "offset=0", "from=2024", "start=2024-01-01", "page=abc"] {
        assert!(Discovery::new(&format!("https://h/rows?{query}"), Settings::default()).is_ok());
    }
}

#[test]
fn refusals_say_what_to_do() {
    for (status, headers, words) in [
        (401, vec![("www-authenticate", "Bearer realm=\"x\"")], "--bearer-env VARIABLE"),
        (
            401,
            vec![("www-authenticate", "Basic realm=\"x\"")],
            "--basic-env USER_VARIABLE:VARIABLE",
        ),
        (401, vec![("www-authenticate", "Token")], "--header-env"),
        (403, vec![], "authenticate"),
        (404, vec![], "slash"),
        (405, vec![], "--method POST"),
        (422, vec![], "parameter"),
        (429, vec![], "limit"),
        (500, vec![], "500"),
    ] {
        let body = "{\"secret\":\"hunter2\"}";
        let said = question("https://h/rows", |_| Response::new(status, headers.clone(), body));
        assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_is_no_json_says_what_it_is() {
    for (body, words) in [
        ("<html></html>", "HTML"),
        ("{\"id\": 1}\n{\"id\": 2}\n", "NDJSON"),
        ("hello", "not JSON"),
        ("", "no body"),
        ("[]", "no rows"),
        ("{\"error\": \"x\"}", "`error`"),
        ("[[1, 2]]", "lists of values"),
        ("[1, 2]", "not objects"),
    ] {
        let said = question("https://h/rows", |_| Response::new(200, [], body));
        assert!(said.contains(words), "{said}");
    }
}

mod any {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|flag| json!(flag)),
            (0_u64..300).prop_map(|number| json!(number)),
            "[a-z/?=:.]{0,12}".prop_map(|text| json!(text)),
            (0_u64..12).prop_map(|size| json!(rows(0, size))),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let key = prop::sample::select(vec![
                "next",
                "data",
                "items",
                "total",
                "count",
                "page",
                "pages",
                "has_more",
                "links",
                "meta",
                "href",
                "cursor",
                "next_page",
                "offset",
                "id",
                "rel",
                "isLast",
                "x",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|fields| {
                    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        /// Whatever comes: it ends within the bound, and says something.
        #[test]
        fn answers_lead_to_a_draft_or_a_question(pages in prop::collection::vec(value(), 1..4)) {
            let at = std::cell::Cell::new(0);
            let done = drafted("https://h/v1/rows?page=1", Settings::default(), |_| {
                at.set(at.get() + 1);
                answer(&pages[at.get() % pages.len()])
            });
            match done {
                Ok(draft) => prop_assert!(draft.contains("paging:")),
                Err(error) => prop_assert!(!error.what.is_empty() && !error.advice.is_empty()),
            }
        }
    }
}
