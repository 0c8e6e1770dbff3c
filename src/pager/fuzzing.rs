//! What must hold for the bytes of any page: decoded in one pass, it has the same content as a tree
//! of the same bytes.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::{
    envelope::Envelope,
    facts::{Fact, PageInfo, Remarks, Said},
    format::{ItemList, Typed},
    overlooked,
    resume_token::ResumeToken,
};
use crate::{response::Response, signer::Signer};

/// Decodes `body` as a page of the standard envelope.
///
/// # Panics
/// If its items or metadata are not those of the tree, or if a page is refused although
/// the tree has a list in the right place.
pub fn page(body: &[u8]) {
    let page = decoded(body);
    if let Ok(text) = str::from_utf8(body) {
        // Whatever it finds, it comes to an end.
        overlooked::next_page(text);
    }
    // Skipped values are checked less than those that are built.
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return };
    let items = match &tree {
        Value::Array(items) => Some(items),
        tree => tree.get("data").and_then(Value::as_array),
    };
    assert!(page.is_none() || items.is_some(), "a page was made of something else");
    // A key that occurs twice may have had another value at first.
    let is_clear = items.is_some() && !occurs_twice(body, "data");
    assert!(page.is_some() || !is_clear, "a page was refused");
    if let (Some((page, info)), Some(items)) = (page, items) {
        assert_eq!(page, *items, "other items");
        // If a key occurs twice, the value that says that more follow wins.
        if !info.remarks.has(Remarks::TWICE) {
            let info = PageInfo { remarks: Remarks::default(), ..info };
            assert_eq!(info, hints(&tree), "other hints");
        }
    }
}

/// Reads `text` as a resume token.
///
/// # Panics
/// If a token changes when it is written again, or is accepted although nobody has signed it.
pub fn token(text: &str) {
    let Ok(token) = text.parse::<ResumeToken>() else { return };
    assert!(token.to_text().parse().is_ok_and(|again: ResumeToken| again == token));
    let forged = token.check(&token.identity, &Signer::of_this_process());
    assert!(forged.is_err(), "nobody has signed it");
}

fn decoded(body: &[u8]) -> Option<(Vec<Value>, PageInfo)> {
    let envelope = Envelope::default();
    let response = Response::new(StatusCode::OK, Bytes::copy_from_slice(body));
    let list = ItemList::of(&envelope, &response).ok()?;
    let (mut taken, mut items) = (list.start(), Vec::new());
    while let Some(item) = list.next(&mut taken, &Typed::new()) {
        items.push(item.ok()?);
    }
    Some((items, list.survey(&response, &envelope, None, taken).ok()?.info))
}

/// Whether `key` may be in `body` more than once, escapes included.
fn occurs_twice(body: &[u8], key: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    text.matches(key).count() > 1 || text.contains("\\u")
}

fn hints(tree: &Value) -> PageInfo {
    let hint = |name: &str| tree.get("pagination").filter(|value| value.is_object())?.get(name);
    let said = |name, fact: Fact| fact.read(&hint(name)?.to_string()).ok();
    let number = |name| match said(name, Fact::Total) {
        Some(Said::Count(count)) => count,
        _ => None,
    };
    let has_next = match said("has_next", Fact::HasNext) {
        Some(Said::Flag(flag)) => flag,
        _ => None,
    };
    PageInfo {
        page: number("page"),
        per_page: number("per_page"),
        total: number("total"),
        total_pages: number("total_pages"),
        has_next,
        ..PageInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_that_nobody_has_signed_is_not_taken(
            at in "\\{\"index\":[0-9]{1,20},\"address\":(null|\\{\"page\":[0-9]{1,20}\\}),\"taken\":0,\"full\":1\\}",
            by in "[A-Za-z0-9_-]{0,44}",
        ) {
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

            let of = r#"{"endpoint":"","paging":"","envelope":"","release":"2"}"#;
            let token = format!("\u{1}{{\"at\":{at},\"of\":{of},\"by\":\"{by}\"}}");
            super::token(&URL_SAFE_NO_PAD.encode(token));
        }

        #[test]
        fn a_page_holds_what_its_tree_holds(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"data\"", "\"pagination\"", "\"total\"", "7",
                    "\"7\"", "null", "true", "-1", "1e3", "18446744073709551616", "\"\\u00e9\"",
                ]),
                0..16,
            ),
        ) {
            super::page(parts.concat().as_bytes());
        }

        #[test]
        fn a_page_with_strange_hints_holds_its_items(
            items in prop::collection::vec("[0-9]{1,4}|null|true|\\[\\]|\\{\"a\":1\\}", 0..5),
            hint in "[0-9]{1,24}|\"[0-9 ]{1,5}\"|null|-1|1\\.5|\\[1,2,3\\]|\\{\\}|true",
            name in "page|per_page|total|total_pages|has_next",
            wrapped in any::<bool>(),
        ) {
            let hints = if wrapped { format!("{{\"{name}\":{hint}}}") } else { hint };
            super::page(format!("{{\"pagination\":{hints},\"data\":[{}]}}", items.join(",")).as_bytes());
        }
    }
}
