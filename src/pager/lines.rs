//! [pure] Bodies of one JSON item per line (NDJSON, JSON Lines): where the items are, and
//! whether each line is one.

use http::{HeaderMap, header::CONTENT_TYPE};
use serde::de::IgnoredAny;

use crate::http::{BYTE_ORDER_MARK, Mismatch, Response, header_text};

/// What may stand before an item: the white space of JSON (RFC 8259 section 2), and the mark
/// with which each of several files begins.
const WHITE: [char; 5] = [' ', '\t', '\n', '\r', BYTE_ORDER_MARK];

/// Refuses an answer that is no lines, or not all of them: the end of a cut one looks like that
/// of any other.
pub(super) fn check(response: &Response) -> Result<(), Mismatch> {
    if response.overruns() {
        return Err("the body goes on behind its declared end".into());
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

/// How many items `text` has.
///
/// # Errors
/// When a line is no item, or not the whole of one; the error names the line.
pub(super) fn count(text: &str) -> Result<usize, Mismatch> {
    let (mut at, mut items) = (0, 0);
    while let Some((line, end)) = line(text, at) {
        let read: Result<IgnoredAny, _> = serde_json::from_str(line);
        read.map_err(|error| Mismatch::from(error).on_line(number(text, end)))?;
        items += 1;
        at = end;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_skipped_and_the_last_line_may_lack_its_end() {
        for (text, items) in [
            ("", 0),
            ("\n \r\n", 0),
            ("{}", 1),
            ("{}\n", 1),
            ("\n{}\r\n\n\n[1]\n  7", 3),
            ("{\"a\":\"\\n\"}\n{}", 2),
            ("\u{feff}{}\n\u{feff}{}\n\u{feff}", 2),
        ] {
            assert_eq!(count(text).unwrap(), items, "{text:?}");
            assert_eq!(first(text).is_some(), items > 0);
        }
    }

    #[test]
    fn a_line_that_is_cut_or_holds_more_than_an_item_is_named() {
        for (text, line) in [("{}\n{\"a\":", 2), ("{}\n\n{} {}\n", 3), ("<html>", 1), ("{\n}", 1)] {
            let error = count(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line} ")), "{text:?}: {error}");
        }
    }

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
