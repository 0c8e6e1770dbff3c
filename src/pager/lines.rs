//! [pure] Bodies of one JSON item per line (NDJSON, JSON Lines): where the items are, and
//! whether each line is one.

use http::{HeaderMap, header::CONTENT_TYPE};

use crate::{
    header_value::header_text,
    response::{BYTE_ORDER_MARK, Mismatch, Response},
};

/// What may stand before an item: the white space of JSON (RFC 8259 section 2), and the mark
/// with which each of several files begins.
const WHITE: [char; 5] = [' ', '\t', '\n', '\r', BYTE_ORDER_MARK];

/// Refuses an answer that is no lines, or not all of them: the end of a cut one looks like that
/// of any other.
pub(super) fn check(response: &Response) -> Result<(), Mismatch> {
    if response.overruns() {
        return Err("the body may go on behind its end".into());
    }
    check_type(response.headers())
}

/// Refuses an answer that calls itself something else than lines of items, such as the
/// object with which an API reports an error.
fn check_type(headers: &HeaderMap) -> Result<(), Mismatch> {
    let named = headers.get(CONTENT_TYPE).map(header_text).unwrap_or_default();
    let name = named.split(';').next().unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let is_document = name == "application/json"
        || name.ends_with("+json")
        || name.ends_with("/html")
        || name.ends_with("xml");
    if is_document { Err("the body calls itself a document, not lines".into()) } else { Ok(()) }
}

/// The offset of the first item in `text`.
pub(super) fn first(text: &str) -> Option<usize> {
    next(text, 0)
}

/// The offset of the first item in `text` from `at` on.
fn next(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?.trim_start_matches(WHITE);
    (!rest.is_empty()).then(|| text.len() - rest.len())
}

/// The line of `text` with the item at `at`, which may lack its end if it is the last, and
/// where to go on after it.
pub(super) fn line(text: &str, at: usize) -> Option<(&str, usize)> {
    let at = next(text, at)?;
    let rest = text.get(at..)?;
    let line = rest.split('\n').next()?;
    Some((line, at + line.len()))
}

/// The number of the line that ends at `end`, from 1.
pub(super) fn number(text: &str, end: usize) -> usize {
    text.get(..end).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_not_taken_for_lines() {
        let is_taken = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, name.parse().unwrap());
            check_type(&headers).is_ok()
        };
        for name in ["application/x-ndjson", "application/jsonl; charset=utf-8", "text/plain"] {
            assert!(is_taken(name), "{name}");
        }
        for name in ["Application/JSON", "application/problem+json", "text/html; charset=utf-8"] {
            assert!(!is_taken(name), "{name}");
        }
        assert!(check_type(&HeaderMap::new()).is_ok());
    }
}
