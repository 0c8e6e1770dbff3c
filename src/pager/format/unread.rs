//! [pure] What a body is that could not be read as a page: its form and the names of keys, never a
//! value. Knows nothing of why it could not be read.

use std::collections::BTreeMap;

use http::{StatusCode, header::CONTENT_TYPE};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::{
    error::shown_name,
    header_value::header_text,
    pager::envelope::Envelope,
    path::{Key, Step},
    response::{BYTE_ORDER_MARK, Response},
};

/// The most keys that are named.
const MOST_KEYS: usize = 12;
/// The longest body whose form is looked at, in bytes: longer ones would keep the thread.
const LONGEST: usize = 1 << 20;
/// The most characters of a content type that are shown.
const TYPE_WIDTH: usize = 60;
/// The first bytes of gzip (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What the body is instead of a page of `envelope`, such as `the body is HTML or XML, and its
/// content type is text/html`. `None` if there is nothing to say.
pub(super) fn instead_of_page(envelope: &Envelope, response: &Response) -> Option<String> {
    let form = form(envelope, response);
    match (form, content_type(envelope, response)) {
        (Some(form), Some(kind)) => Some(format!("{form}, and its content type is {kind}")),
        (None, Some(kind)) => Some(format!("its content type is {kind}")),
        (form, None) => form,
    }
}

fn form(envelope: &Envelope, response: &Response) -> Option<String> {
    let body = response.body();
    if body.is_empty() {
        let is_no_content = response.status() == StatusCode::NO_CONTENT;
        let what = if is_no_content { "a 204 has no body" } else { "the body is empty" };
        return Some(what.into());
    }
    if body.starts_with(&GZIP) {
        return Some("the body looks like gzip, which no `Content-Encoding` says".into());
    }
    if body.len() > LONGEST {
        return None;
    }
    let text = str::from_utf8(body).ok()?;
    let text = text.trim_start_matches(BYTE_ORDER_MARK).trim();
    if text.starts_with('<') {
        return Some("the body is HTML or XML".into());
    }
    if !envelope.is_lines && is_lines(text) {
        return Some(
            "the body has one JSON document per line, which `envelope: { ndjson: true }` reads"
                .into(),
        );
    }
    place(envelope, text)
}

/// Whether the first two lines are one object each.
fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_object = |line: &str| {
        line.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
    };
    match (lines.next(), lines.next()) {
        (Some(first), Some(second)) => is_object(first) && is_object(second),
        _ => false,
    }
}

/// What is as far along the path of the items as there is anything.
fn place(envelope: &Envelope, text: &str) -> Option<String> {
    let mut value: &str = serde_json::from_str::<&RawValue>(text).ok()?.get();
    let (mut at, steps) = (Vec::new(), envelope.items.readings().next_back()?);
    for step in steps {
        let Step::Key(key) = step else { break };
        let fields = serde_json::from_str::<BTreeMap<Key<'_>, &RawValue>>(value).ok();
        let Some(found) = fields.and_then(|fields| {
            fields.into_iter().find(|(Key(name), _)| name == key).map(|(_, found)| found)
        }) else {
            break;
        };
        value = found.get();
        at.push(key.as_str());
    }
    let kind = match value.as_bytes().first()? {
        b'{' => match keys(value) {
            Some(keys) => format!("an object with the keys {keys}"),
            None => "an object without keys".into(),
        },
        b'[' => "a list".into(),
        b'"' => "a string".into(),
        b'n' => "null".into(),
        b't' | b'f' => "a boolean".into(),
        _ => "a number".into(),
    };
    match at.is_empty() {
        true => Some(format!("the body is {kind}")),
        false => Some(format!("`{}` is {kind}", at.join("."))),
    }
}

/// The keys of a page that is an object. Those that may be data are not shown.
pub(in crate::pager) fn keys(body: &str) -> Option<String> {
    let fields: BTreeMap<Key<'_>, IgnoredAny> = serde_json::from_str(body).ok()?;
    let mut names: Vec<_> = fields
        .keys()
        .take(MOST_KEYS)
        .map(|Key(key)| match shown_name(key) {
            Some(name) => format!("`{name}`"),
            None => "…".into(),
        })
        .collect();
    names.dedup();
    if fields.len() > MOST_KEYS && names.last().is_some_and(|last| last != "…") {
        names.push("…".into());
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// The content type of a response, unless it is the one that is expected.
fn content_type(envelope: &Envelope, response: &Response) -> Option<String> {
    let named = header_text(response.headers().get(CONTENT_TYPE)?);
    let name = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = name == "application/json" || name.ends_with("+json");
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/+.-_".contains(letter);
    let is_shown = !name.is_empty() && name.len() <= TYPE_WIDTH && name.chars().all(is_plain);
    (is_shown && (!is_json || envelope.is_lines)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(envelope: &Envelope, status: u16, kind: &str, body: &'static [u8]) -> String {
        let mut response = Response::new(StatusCode::from_u16(status).unwrap(), body);
        if !kind.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        instead_of_page(envelope, &response).unwrap_or_default()
    }

    #[test]
    fn it_is_said_what_a_body_is() {
        let rows = Envelope::items_at("data.items");
        for (status, kind, body, expected) in [
            (204, "", "", "a 204 has no body"),
            (200, "", "", "the body is empty"),
            (
                200,
                "text/html; charset=utf-8",
                "\u{feff}\n<!doctype html>",
                "the body is HTML or XML, and its content type is text/html",
            ),
            (
                200,
                "application/json",
                "{\"id\":1}\n\n{\"id\":2}\n",
                "the body has one JSON document per line, which `envelope: { ndjson: true }` reads",
            ),
            (200, "", "{\"data\":{\"rows\":[1]}}", "`data` is an object with the keys `rows`"),
            (200, "", "{\"data\":{\"items\":null}}", "`data.items` is null"),
            (
                200,
                "",
                "{\"error\":\"x\",\"a\":1}",
                "the body is an object with the keys `a`, `error`",
            ),
            (200, "", "{\"data\":\"canary\"}", "`data` is a string"),
            (200, "", "[[1]]", "the body is a list"),
            (200, "", "{}", "the body is an object without keys"),
            (200, "text/plain", "7 8", "its content type is text/plain"),
            (200, "application/problem+json", "7 8", ""),
            (200, "a b/<c>", "{", ""),
        ] {
            assert_eq!(said(&rows, status, kind, body.as_bytes()), expected, "{body}");
        }
        let zipped = said(&rows, 200, "", b"\x1f\x8b\x08\x00");
        assert_eq!(zipped, "the body looks like gzip, which no `Content-Encoding` says");
        let lines = said(&Envelope::ndjson(), 200, "application/json", b"{\"id\":1}\n{\"id\":2}\n");
        assert_eq!(lines, "its content type is application/json");
    }

    #[test]
    fn keys_that_may_be_data_are_not_named() {
        for body in [
            r#"{"someone@example.com": 1}"#,
            r#"{"5f0c3e9a7b1d4c2e8f6a1": 1, "+49 30 1234": 2}"#,
            r#"{"a key\nof two lines": 1}"#,
        ] {
            assert_eq!(keys(body).unwrap(), "…", "{body}");
        }
        assert_eq!(keys(r#"{"@odata.nextLink":1,"$top":2}"#).unwrap(), "`$top`, `@odata.nextLink`");
        let many: BTreeMap<_, _> = (10..40).map(|key| (format!("k{key}"), 0)).collect();
        let named = keys(&serde_json::to_string(&many).unwrap()).unwrap();
        assert!(named.ends_with(", `k21`, …"), "{named}");
    }
}
