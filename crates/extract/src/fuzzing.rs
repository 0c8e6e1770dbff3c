//! What must hold for any body, as functions that panic if it does not. The fuzzers in `fuzz/` and
//! bounded property tests call the same functions. Not part of the published crate.

#![allow(clippy::panic)]

use std::time::Duration;

use serde_json::Value;

use crate::{
    css::Css, csv::Csv, error::ExtractError, extraction::Extraction, field::Field, limits::Limits,
    regex::Regex, xml::Xml,
};

const TIME: Duration = Duration::from_millis(500);
/// How long after its limit work may go on.
const GRACE: Duration = Duration::from_millis(250);
const ITEMS: u64 = 1_000;

fn limited(extraction: Result<Extraction, ExtractError>) -> Extraction {
    let limits = Limits::default().time(TIME).memory(1 << 20).items(ITEMS);
    let limited = extraction.and_then(|extraction| extraction.limits(limits));
    limited.unwrap_or_else(|error| panic!("{error}"))
}

/// The time that this thread was on a CPU, which does not depend on how busy the machine is.
fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

const URL: &str = "http://h/a?b=c";

fn joined(next: &str) -> Option<url::Url> {
    url::Url::parse(URL).ok()?.join(next.trim()).ok()
}

/// A body is a page of items with the fields that were asked for, the same whenever it is read, or
/// it is refused.
fn check(extraction: &Extraction, body: &[u8], fields: &[&str]) {
    for content_type in [None, Some("text/plain; charset=utf-16le")] {
        let extraction = extraction.clone().content_types(["*/*"]);
        let begun = cpu();
        let page = extraction.page(body, content_type, Some(URL));
        let took = cpu().zip(begun).map(|(after, before)| after - before);
        assert!(took.is_none_or(|took| took < TIME + GRACE), "it took {took:?}");
        let again = extraction.page(body, content_type, Some(URL));
        let is_timed =
            [&page, &again].map(|page| page.as_ref().err().and_then(ExtractError::limit));
        assert!(is_timed.contains(&Some("time")) || page == again, "{page:?}, then {again:?}");
        let Ok(page) = page else { continue };
        let page: Value = serde_json::from_str(&page).unwrap_or_else(|error| panic!("{error}"));
        let Some(items) = page["data"].as_array() else { panic!("no list of items") };
        assert!(!items.is_empty() && items.len() as u64 <= ITEMS);
        for item in items {
            let Some(item) = item.as_object() else { panic!("an item is not an object") };
            assert!(fields.iter().all(|field| item.contains_key(*field)), "{item:?}");
            assert_eq!(item.len(), fields.len(), "{item:?}");
        }
        if let Some(next) = page["next"].as_str() {
            // It is absolute, without a fragment, unless it is not a URL at all.
            let url = url::Url::parse(next);
            assert!(url.is_ok_and(|url| url.fragment().is_none()) || joined(next).is_none());
        }
    }
}

/// The names of the fields are those of the body: each of its items has the same ones, once.
fn check_names(extraction: &Extraction, body: &[u8]) {
    let Ok(page) = extraction.page(body, None, None) else { return };
    let page: Value = serde_json::from_str(&page).unwrap_or_else(|error| panic!("{error}"));
    let Some(items) = page["data"].as_array() else { panic!("no list of items") };
    let names = |item: &Value| -> Vec<String> {
        let Some(item) = item.as_object() else { panic!("an item is not an object") };
        item.keys().cloned().collect()
    };
    let first = items.first().map(names);
    assert!(first.as_ref().is_some_and(|names| !names.is_empty()), "{page}");
    assert!(items.iter().all(|item| Some(names(item)) == first), "{page}");
}

/// A body as HTML.
pub fn css(body: &[u8]) {
    let css = Css::new("li, tr.row, div > p")
        .field("own", ".")
        .field("name", "b, a")
        .field("url", Field::new("a").attr("href"))
        .field("all", Field::new("td, i").list())
        .next("a[rel=next]")
        .total("span");
    let fields = ["own", "name", "url", "all"];
    #[cfg(feature = "tree")]
    check(&limited(css.clone().tree().build()), body, &fields);
    check(&limited(css.build()), body, &fields);
}

/// A body as XML.
pub fn xml(body: &[u8]) {
    let xml = Xml::new("a")
        .field("own", ".")
        .field("b", "b")
        .field("c", Field::new("@c").integer())
        .field("all", Field::new("//b").list())
        .next("/r/@next")
        .total("/r/n");
    check(&limited(xml.build()), body, &["own", "b", "c", "all"]);
}

/// A body as CSV.
pub fn csv(body: &[u8]) {
    let named = Csv::new().names(["a", "b"]).comment(b'#');
    check(&limited(named.build()), body, &["a", "b"]);
    // The fields are those of the header.
    let headed = limited(Csv::new().delimiter(b';').trims(true).build());
    check_names(&headed, body);
    check_names(&limited(Csv::new().build()), body);
}

/// A body that a pattern is sought in.
pub fn regex(body: &[u8]) {
    let regex = Regex::new(r"(?s)<(?<tag>\w+)(?<rest>[^>]*)>|(?<word>[a-z]*)")
        .next("next=(\\S+)")
        .total("of (\\d+)");
    check(&limited(regex.build()), body, &["tag", "rest", "word"]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            9 => prop::sample::select(parts).prop_map(|part| part.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    const HTML: &[&str] = &[
        "<li>",
        "</li>",
        "<tr class=row>",
        "</tr>",
        "<td>",
        "</td>",
        "<div>",
        "</div>",
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<a href='/x?a&amp;b'>",
        "<a rel=next href=?p=2>",
        "</a>",
        "<i>",
        "</i>",
        "<br>",
        "<ul>",
        "</ul>",
        "<table>",
        "</table>",
        "text",
        " &eacute; ",
        "&#x41",
        "<!-- c -->",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<span>",
        "</span>",
        "12",
        "<",
        ">",
        "<img>",
        "</",
        "<textarea>",
        "<title>",
        "<select>",
        "<svg>",
        "</svg>",
        "<![CDATA[",
        "]]>",
    ];
    const XML: &[&str] = &[
        "<r next='?p=2'>",
        "</r>",
        "<a c='7'>",
        "<a>",
        "</a>",
        "<b>",
        "</b>",
        "<b/>",
        "<n>",
        "</n>",
        "12",
        "text",
        "&lt;",
        "&#65;",
        "&x;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml ?>",
        "<!DOCTYPE a>",
        "<a",
        " c=",
        "'",
        ">",
        "<",
    ];
    const CSV: &[&str] = &["a", "b", ",", ";", "\"", "\"\"", "\n", "\r\n", " ", "#", "x,y\n", "é"];

    proptest! {
        #[test]
        fn any_body_is_a_page_or_refused(
            html in body(HTML), markup in body(XML), table in body(CSV),
        ) {
            css(&html);
            regex(&html);
            xml(&markup);
            csv(&table);
        }
    }
}
