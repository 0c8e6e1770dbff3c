//! [pure] Bodies of one JSON item per line (NDJSON, JSON Lines): finds the items, and checks that
//! each line is one.

use bytestring::ByteString;
use http::{HeaderMap, header::CONTENT_TYPE};

use super::{
    items::{ItemList, PageFormat, Taken},
    text,
};
use crate::{
    header_value::header_text,
    pager::{envelope::Envelope, strategy::PageMetadata},
    path::Path,
    response::{BYTE_ORDER_MARK, Mismatch, Response},
};

/// Allowed before an item: the white space of JSON (RFC 8259 section 2), and the byte order mark,
/// with which each of several concatenated files begins.
const WHITE: [char; 5] = [' ', '\t', '\n', '\r', BYTE_ORDER_MARK];

/// The content types of such bodies.
const NAMES: [&str; 4] =
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/// One item per line, and nothing else: metadata can only come from header fields.
#[derive(Debug)]
pub(super) struct Ndjson;

impl PageFormat for Ndjson {
    fn text(&self, envelope: &Envelope, response: &Response) -> Result<ByteString, Mismatch> {
        let text = text::text(response.body(), envelope.lossy_text)?;
        // The end of a truncated one looks like any other.
        if response.overruns() {
            return Err("the body may go on behind its end".into());
        }
        check_type(response.headers())?;
        Ok(text)
    }

    fn find(&self, _: &Envelope, text: ByteString) -> ItemList {
        let first = next(&text, 0);
        ItemList { text, first, is_one_piece: true, places: None, format: &Self }
    }

    fn next(
        &self,
        items: &ItemList,
        taken: Taken,
    ) -> Option<Result<(usize, Option<usize>), Mismatch>> {
        let (start, end) = line(&items.text, taken.at)?;
        Some(Ok((start, Some(end))))
    }

    fn locate(&self, mismatch: Mismatch, items: &ItemList, taken: Taken) -> Mismatch {
        let end = line(&items.text, taken.at).map_or(taken.at, |(_, end)| end);
        mismatch.on_line(number(&items.text, end))
    }

    fn metadata(
        &self,
        envelope: &Envelope,
        _: Option<&Path>,
        headers: &HeaderMap,
        _: &ItemList,
        _: Taken,
    ) -> Result<PageMetadata, Mismatch> {
        PageMetadata::of_headers(envelope, headers)
    }
}

/// Whether the content type of a response is lines of items.
pub(super) fn is_named_by(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).map(header_text).unwrap_or_default();
    let name = named.split(';').next().unwrap_or_default().trim();
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Refuses a response whose content type is something other than lines of items, such as the
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

/// The offset of the first item in `text` from `at` on.
fn next(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?.trim_start_matches(WHITE);
    (!rest.is_empty()).then(|| text.len() - rest.len())
}

/// The start and end of the line with the next item from `at` on. The last one needs no line break.
fn line(text: &str, at: usize) -> Option<(usize, usize)> {
    let start = next(text, at)?;
    let length = text.get(start..)?.split('\n').next()?.len();
    Some((start, start + length))
}

/// The number of the line that ends at `end`, from 1.
fn number(text: &str, end: usize) -> usize {
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

    #[test]
    fn lines_are_known_by_what_they_call_themselves() {
        let is_named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, name.parse().unwrap());
            is_named_by(&headers)
        };
        for name in
            ["application/x-ndjson", "Application/JSONL; charset=utf-8", "application/ndjson"]
        {
            assert!(is_named(name), "{name}");
        }
        for name in ["application/json", "text/plain", "application/x-ndjson2"] {
            assert!(!is_named(name), "{name}");
        }
        assert!(!is_named_by(&HeaderMap::new()));
    }
}
