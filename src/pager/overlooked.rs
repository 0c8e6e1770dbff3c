//! [pure] Finds a reference to a next page at a place that no setting names, which tells that the
//! paging of an endpoint is configured for another API.

use http::{HeaderMap, HeaderValue};

use crate::{header_value::header_text, path::each_field};

/// The keys of references to a next page and of flags that there is one, in small letters and
/// without other characters.
const NEXT: [&str; 19] = [
    "next",
    "nextpage",
    "nextpageurl",
    "nextpageuri",
    "nextpagelink",
    "nextpagetoken",
    "nextpagecursor",
    "nexturl",
    "nexturi",
    "nextlink",
    "odatanextlink",
    "nextcursor",
    "nexttoken",
    "nextoffset",
    "continuationtoken",
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
];

/// The keys of objects that are about a page or hold its items.
const AROUND: [&str; 12] = [
    "links",
    "meta",
    "metadata",
    "paging",
    "pagination",
    "page",
    "pageinfo",
    "cursor",
    "cursors",
    "responsemetadata",
    "data",
    "result",
];

/// How deep in the page is looked.
const MOST_DEPTH: usize = 4;

/// The path of a reference to a next page, or of a flag that there is one, in the JSON of a page
/// whose items may have been cut out.
pub(super) fn next_page(page: &str) -> Option<String> {
    find(page, "", 0)
}

/// Headers that name the next page, in small letters. `Link` has a meaning of its own.
const HEADERS: [&str; 8] = [
    "next-page",
    "x-next-page",
    "next-url",
    "x-next-url",
    "next-page-url",
    "x-next-page-url",
    "x-next-cursor",
    "x-next-token",
];

/// The header that names a next page.
pub(super) fn next_in_headers(headers: &HeaderMap) -> Option<&'static str> {
    let is_said = |value: &HeaderValue| {
        let value = header_text(value);
        !["", "null", "false", "0"].contains(&value.trim())
    };
    let mut said = HEADERS.iter().filter(|name| headers.get(**name).is_some_and(is_said));
    said.next().copied()
}

/// A key without its case and without marks: `@odata.nextLink` is `odatanextlink`.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether the value of such a key says that there is a next page: a text, a number above zero,
/// `true`, or an object with a URL in `href`.
fn is_said(value: &str) -> bool {
    let is_text = |value: &str| value.starts_with('"') && value.len() > 2;
    match value.as_bytes().first() {
        Some(b'0'..=b'9') => value.parse() != Ok(0.0),
        Some(b't') => true,
        Some(b'{') => {
            let mut has_url = false;
            let read = each_field(value, |key, field| has_url |= key == "href" && is_text(field));
            read.is_ok() && has_url
        }
        _ => is_text(value),
    }
}

/// Looks through an object at `path`. What is not an object has no keys.
fn find(object: &str, path: &str, depth: usize) -> Option<String> {
    let mut found = None;
    let read = each_field(object, |key, value| {
        if found.is_some() {
            return;
        }
        let name = plain(&key);
        if NEXT.contains(&name.as_str()) {
            found = is_said(value).then(|| below(path, &key));
        } else if AROUND.contains(&name.as_str()) && depth < MOST_DEPTH {
            found = find(value, &below(path, &key), depth + 1);
        }
    });
    read.ok().and(found)
}

fn below(path: &str, key: &str) -> String {
    let key = key.replace('.', r"\.");
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_where_apis_have_it() {
        for (page, path) in [
            (r#"{"results": [1], "next": "https://api.example/rows?page=2"}"#, "next"),
            (r#"{"items": [{"next": "x"}], "next_page": 2}"#, "next_page"),
            (r#"{"value": [], "@odata.nextLink": "/rows?$skip=1"}"#, r"@odata\.nextLink"),
            (r#"{"links": {"self": "/", "next": {"href": "/2"}}}"#, "links.next"),
            (r#"{"_links": {"next": {"href": "/2"}}}"#, "_links.next"),
            (r#"{"response_metadata": {"next_cursor": "dXNl"}}"#, "response_metadata.next_cursor"),
            (r#"{"data": {"pageInfo": {"hasNextPage": true}}}"#, "data.pageInfo.hasNextPage"),
            (r#"{"has_more": true, "data": []}"#, "has_more"),
            (r#"{"\u006eext": "/2"}"#, "next"),
            (r#"{"next": null, "next": "/2"}"#, "next"),
            // redux-json-api/redux-json-api#171
            (
                r#"{"links": {"next": {"meta": {}, "href": "/2?start=25\u0026count=25"}}}"#,
                "links.next",
            ),
        ] {
            assert_eq!(next_page(page).as_deref(), Some(path), "{page}");
        }
    }

    #[test]
    fn a_header_may_name_the_next_page() {
        let named = |name: &'static str, value: &'static str| {
            next_in_headers(&HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(named("next-page", "https://h/v1/x?_token=a").unwrap(), "next-page");
        assert_eq!(named("x-next-page", "2").unwrap(), "x-next-page");
        for (name, value) in [("x-next-page", ""), ("x-next-cursor", "null"), ("x-page", "2")] {
            assert_eq!(named(name, value), None, "{name}");
        }
    }

    #[test]
    fn what_says_nothing_of_a_next_page_is_none() {
        for page in [
            r#"{"results": [1], "next": null}"#,
            r#"{"next": "", "next_page": 0, "has_more": false, "links": {"next": {"href": ""}}}"#,
            r#"{"data": [{"next": "x"}], "user": {"next": "Tuesday"}, "nextSyncToken": "t"}"#,
            r#"{"next": [1], "links": ["next"], "meta": 1}"#,
            r#"[{"next": "x"}]"#,
            "{",
            "",
            "null",
        ] {
            assert_eq!(next_page(page), None, "{page}");
        }
        let deep = format!("{}{}{}", r#"{"data": "#.repeat(9), r#"{"next": "x"}"#, "}".repeat(9));
        assert_eq!(next_page(&deep), None);
    }
}
