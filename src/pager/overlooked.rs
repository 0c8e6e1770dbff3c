//! [pure] Finds a reference to a next page at a place that no setting names, which tells that the
//! paging of an endpoint is configured for another API.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::path::Key;

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
    Search { path: "", depth: 0 }.through(page)
}

/// A key without its case and without marks: `@odata.nextLink` is `odatanextlink`.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether the value of such a key says that there is a next page: a text, a number above zero,
/// `true`, or an object with a URL in `href`.
fn is_said(value: &str) -> bool {
    #[derive(Deserialize)]
    struct Link<'a> {
        #[serde(borrow)]
        href: Key<'a>,
    }
    match value.as_bytes().first() {
        Some(b'"') => value.len() > 2,
        Some(b'0'..=b'9') => value.parse() != Ok(0.0),
        Some(b't') => true,
        Some(b'{') => serde_json::from_str::<Link<'_>>(value)
            .is_ok_and(|Link { href: Key(href) }| !href.is_empty()),
        _ => false,
    }
}

/// Looks through an object at a path.
struct Search<'a> {
    path: &'a str,
    depth: usize,
}

impl Search<'_> {
    /// What is not an object has no keys.
    fn through(self, text: &str) -> Option<String> {
        serde_json::Deserializer::from_str(text).deserialize_map(self).ok()?
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(Key(key)) = map.next_key()? {
            let text = map.next_value::<&RawValue>()?.get();
            let name = plain(&key);
            if found.is_some() {
                continue;
            }
            if NEXT.contains(&name.as_str()) {
                found = is_said(text).then(|| below(self.path, &key));
            } else if AROUND.contains(&name.as_str()) && self.depth < MOST_DEPTH {
                let path = below(self.path, &key);
                found = Search { path: &path, depth: self.depth + 1 }.through(text);
            }
        }
        Ok(found)
    }
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
        ] {
            assert_eq!(next_page(page).as_deref(), Some(path), "{page}");
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
