//! [pure] Where a page holds its items, its totals and its end markers. How a page is parsed is
//! the business of `format`, and what makes a page of another format that of `extractor`.

mod data;

use std::fmt;

use http::{HeaderMap, header::CONTENT_RANGE};
use serde::Deserialize;

use super::{
    extractor::{Extraction, Extractor},
    facts::{Fact, HINTS, Location, PageInfo, Remarks, Said, complete_length, unreadable},
};
use crate::{header_value::header_text, path::Path, response::Mismatch};

/// Where a page holds its items and its metadata about the set.
///
/// The default is the standard envelope; a bare array is accepted as well:
///
/// ```json
/// { "data": [ … ],
///   "pagination": { "page": 1, "per_page": 10, "total": 95,
///                   "total_pages": 10, "has_next": true, "has_prev": false } }
/// ```
///
/// Every field of `pagination` is optional, and so is the object.
///
/// ```
/// use vantage_api_pool::Envelope;
///
/// let nested = Envelope::items_at("result.rows").total_at("result.count");
/// let bare = Envelope::bare_array().total_in_header("x-total-count");
/// let hits = Envelope::items_at("hits.hits[]._source").total_at("hits.total.value");
/// let graph = Envelope::items_at("value").total_at("@odata.count");
/// # let _ = (nested, bare, hits, graph);
/// ```
///
/// # Paths
///
/// A path is a list of keys joined by dots, such as `result.rows`.
///
/// - A key that exists exactly as written wins, so `@odata.count` is found although it has a dot.
///   `\.` always means a dot inside a key, and so does the form `['odata.count']`. A path may
///   begin with `$` (`$.result.rows`).
/// - A path that begins with `/` is a JSON Pointer (RFC 6901): `/result/rows`, `/links/0`.
/// - `errors[0]` is an element of a list, `errors[-1]` the last one, `links[rel=next].href` the
///   element that is an object with this value, and `groups[].members[]` means every element:
///   items may be in several lists or inside the elements of one, as in `hits.hits[]._source`.
///   `permissions[*]` means every element of a list or every value of an object, for items that are
///   in an object by their ids; the keys of that object are not part of the items.
///
/// A path that no page of a read had, not even as `null`, is probably a typo; a stream reports
/// it at its end as an [`Event::PagingWarning`](crate::events::Event::PagingWarning).
///
/// # Values that cannot be read
///
/// A count may be written as `95`, `95.0` or `"95"`, a flag as `true`, `"true"` or `1`. Any other
/// value at a configured path is an [`ErrorKind::Decode`](crate::ErrorKind::Decode), because it
/// might mean that the set goes on. In the `pagination` object such a value is ignored and
/// reported as a warning.
///
/// # As data
///
/// In YAML and other formats there is either `items`, a path, which is `.` if the body is the
/// list, or `ndjson: true`. `or_bare_array` says whether a body that is a list is accepted as
/// well. The paths are `pagination`, `total`, `total_pages`, `page`, `page_size`, `has_next` or
/// `is_last`, and `next_page`; all but the first take the suffix `_header` to name a header
/// field instead. The other settings have the names of their methods:
///
/// ```yaml
/// { items: result.rows, total: result.count, null_is_empty: true }
/// ```
#[derive(Clone, Deserialize)]
#[serde(try_from = "data::Data")]
pub struct Envelope {
    pub(super) items: Path,
    pub(super) accepts_bare_array: bool,
    pub(super) pagination: Path,
    /// Keys of the `pagination` object.
    pub(super) hints: [Path; HINTS.len()],
    /// Facts at configured places.
    pub(super) named: Vec<(Fact, Location)>,
    pub(super) no_content_is_empty: bool,
    pub(super) null_is_empty: bool,
    pub(super) lossy_text: bool,
    /// One item per line, and nothing else.
    pub(super) is_lines: bool,
    /// What makes the page of the body.
    extraction: Option<Extraction>,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { accepts_bare_array: true, ..Self::items_at("data") }
    }
}

impl Envelope {
    /// Items are in the list at `path`, such as `result.rows`, or in several lists, see
    /// [above](Self#paths).
    #[must_use]
    pub fn items_at(path: &str) -> Self {
        // `rows[]` is every element of the list at `rows`.
        let list = path.strip_suffix("[]").map(Path::parse).filter(|list| !list.is_spread());
        let items = list.unwrap_or_else(|| Path::parse(path));
        Self {
            accepts_bare_array: items.is_root(),
            items,
            hints: hints(&Path::parse("pagination")),
            pagination: Path::parse("pagination"),
            named: Vec::new(),
            no_content_is_empty: false,
            null_is_empty: false,
            lossy_text: false,
            is_lines: false,
            extraction: None,
        }
    }

    /// The body is the list of items, with nothing around it.
    #[must_use]
    pub fn bare_array() -> Self {
        Self::items_at("")
    }

    /// One item per line (NDJSON, JSON Lines). Blank lines are skipped, the last line needs no line
    /// break, and an empty body is a page without items. A truncated line, or one that is not an
    /// item, is an [`ErrorKind::Decode`](crate::ErrorKind::Decode) that names the line, and so is a
    /// response whose content type is a JSON document, HTML or XML. Metadata about the set can only
    /// come from headers.
    ///
    /// The [default](Self::default) envelope and a [bare array](Self::bare_array) read a response
    /// as lines if its content type is `application/x-ndjson`, `application/jsonl`,
    /// `application/ndjson` or `application/x-jsonlines`.
    #[must_use]
    pub fn ndjson() -> Self {
        Self { is_lines: true, ..Self::items_at("") }
    }

    /// The standard envelope, which `extractor` makes out of bodies of another format. It has no
    /// form as data.
    #[must_use]
    pub fn extracted_by(extractor: impl Extractor) -> Self {
        Self { extraction: Some(Extraction::new(extractor)), ..Self::items_at("data") }
    }

    /// The path of the object with `page`, `per_page`, `total`, `total_pages` and `has_next`. The
    /// default is `pagination`; with an empty path these keys are in the body itself, beside the
    /// items.
    #[must_use]
    pub fn pagination_at(mut self, path: &str) -> Self {
        self.pagination = Path::parse(path);
        self.hints = hints(&self.pagination);
        self
    }

    /// The path of the number of items in the whole set, if it is not `total` in the `pagination`
    /// object.
    #[must_use]
    pub fn total_at(self, path: &str) -> Self {
        self.with(Fact::Total, Location::Body(Path::parse(path)))
    }

    /// The response header with the number of items in the whole set: a number, or for
    /// `Content-Range` the complete length of `items 0-9/95` (RFC 9110 section 14.4), where `*`
    /// means unknown. A range of bytes is ignored.
    #[must_use]
    pub fn total_in_header(self, name: &str) -> Self {
        self.with(Fact::Total, Location::header(name))
    }

    /// The path of the number of pages, such as `meta.last_page`, if it is not `total_pages` in the
    /// `pagination` object.
    #[must_use]
    pub fn total_pages_at(self, path: &str) -> Self {
        self.with(Fact::TotalPages, Location::Body(Path::parse(path)))
    }

    /// The response header with the number of pages, such as `X-Total-Pages`.
    #[must_use]
    pub fn total_pages_in_header(self, name: &str) -> Self {
        self.with(Fact::TotalPages, Location::header(name))
    }

    /// The path of the number of items on a full page, if it is not `per_page` in the `pagination`
    /// object.
    #[must_use]
    pub fn page_size_at(self, path: &str) -> Self {
        self.with(Fact::PerPage, Location::Body(Path::parse(path)))
    }

    /// The path of the page number, if it is not `page` in the `pagination` object.
    #[must_use]
    pub fn page_at(self, path: &str) -> Self {
        self.with(Fact::Page, Location::Body(Path::parse(path)))
    }

    /// The path of a flag for whether more pages follow, such as `has_more`, if it is not
    /// `has_next` in the `pagination` object. If pages name each other, the flag decides whether
    /// there is a next page, and a cursor or a URL beside it only says where it is.
    #[must_use]
    pub fn has_next_at(self, path: &str) -> Self {
        self.with(Fact::HasNext, Location::Body(Path::parse(path)))
    }

    /// The response header with a flag for whether more pages follow, as
    /// [`has_next_at`](Self::has_next_at).
    #[must_use]
    pub fn has_next_in_header(self, name: &str) -> Self {
        self.with(Fact::HasNext, Location::header(name))
    }

    /// The path of a flag that marks the last page, such as `end_of_stream`: the opposite of
    /// [`has_next_at`](Self::has_next_at).
    #[must_use]
    pub fn is_last_at(self, path: &str) -> Self {
        self.with(Fact::IsLast, Location::Body(Path::parse(path)))
    }

    /// The path of a reference to the next page, such as its number at `meta.next_page`, which is
    /// `null`, empty or missing on the last page. It only says whether a page follows;
    /// [`Paging`](crate::Paging) sets how that page is requested.
    #[must_use]
    pub fn next_page_at(self, path: &str) -> Self {
        self.with(Fact::NextPage, Location::Body(Path::parse(path)))
    }

    /// The response header with a reference to the next page, such as `X-Next-Page`, as
    /// [`next_page_at`](Self::next_page_at).
    #[must_use]
    pub fn next_page_in_header(self, name: &str) -> Self {
        self.with(Fact::NextPage, Location::header(name))
    }

    /// Reads a 204, and a 200 with an empty body, as a page without items. By default they are an
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode). A 202 (Accepted) without items is always an
    /// error, because the result is not ready yet;
    /// [`ResponseRule::poll`](crate::retry::ResponseRule::poll) waits for it.
    #[must_use]
    pub fn no_content_is_empty(mut self, yes: bool) -> Self {
        self.no_content_is_empty = yes;
        self
    }

    /// Replaces invalid text by U+FFFD: bytes that are not UTF-8, and unpaired escaped surrogates,
    /// such as `"\ud83d"` where a server has cut an emoji in two. By default a page with invalid
    /// UTF-8, and an item with an unpaired surrogate, is an
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) that names the place.
    #[must_use]
    pub fn lossy_text(mut self, yes: bool) -> Self {
        self.lossy_text = yes;
        self
    }

    /// Reads `null` in place of a list of items as an empty list, which is how some servers write
    /// one. By default it is an [`ErrorKind::Decode`](crate::ErrorKind::Decode).
    #[must_use]
    pub fn null_is_empty(mut self, yes: bool) -> Self {
        self.null_is_empty = yes;
        self
    }

    /// What makes a page of the body, unless the body is one.
    pub(crate) fn extraction(&self) -> Option<&Extraction> {
        self.extraction.as_ref()
    }

    /// Whether the metadata is in an object of its own, under keys.
    pub(super) fn has_pagination_object(&self) -> bool {
        self.pagination.is_plain() && !self.pagination.is_root()
    }

    /// The same with one more place, which replaces an earlier one of the same kind.
    fn with(mut self, fact: Fact, place: Location) -> Self {
        self.named.retain(|(other, at)| {
            let is_same = *other == fact || other.is_flag() && fact.is_flag();
            !is_same || at.is_header() != place.is_header()
        });
        self.named.push((fact, place));
        self
    }

    /// The same envelope with the items in the list under `key` of the body.
    pub(crate) fn with_items_under(mut self, key: &str) -> Self {
        self.items = Path::key(key);
        self.accepts_bare_array = false;
        self
    }

    /// Whether a flag says where the set ends.
    pub(super) fn has_flag(&self) -> bool {
        self.named.iter().any(|(fact, _)| fact.is_flag())
    }

    /// The name of a fact in a page.
    pub(super) fn name_of(&self, fact: Fact) -> String {
        let is_it = |named: Fact| named == fact || fact == Fact::HasNext && named == Fact::IsLast;
        if let Some((_, place)) = self.named.iter().find(|(named, _)| is_it(*named)) {
            return place.name();
        }
        let hint = HINTS.iter().find(|(_, hint)| *hint == fact).map_or("", |(name, _)| name);
        self.pagination.join(hint).to_string()
    }

    /// Reads facts from header fields.
    ///
    /// # Errors
    /// If a field that a setting names cannot be read.
    pub(super) fn read_headers(
        &self,
        headers: &HeaderMap,
        info: &mut PageInfo,
    ) -> Result<(), Mismatch> {
        for (index, (fact, place)) in self.named.iter().enumerate() {
            let Location::Header(name) = place else { continue };
            let mut latest: Option<Said> = None;
            for value in headers.get_all(name) {
                info.remarks.add(Remarks::place(index));
                let text = header_text(value);
                let said = match *fact {
                    Fact::Total if name == CONTENT_RANGE.as_str() => {
                        let length = complete_length(text.trim());
                        Said::Count(length.map_err(|_| unreadable(Fact::Total, name))?)
                    }
                    fact => fact.read(text.trim()).map_err(|_| unreadable(fact, name))?,
                };
                if latest.is_some_and(|latest| latest != said) {
                    let what = format!("the header field `{name}` says different things");
                    return Err(Mismatch::from(what));
                }
                latest = Some(said);
            }
            if let Some(said) = latest {
                info.take(*fact, said);
            }
        }
        Ok(())
    }
}

// Resume tokens hash it: an envelope without an extractor looks as it did before there were any.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Envelope");
        shown
            .field("items", &self.items)
            .field("accepts_bare_array", &self.accepts_bare_array)
            .field("pagination", &self.pagination)
            .field("hints", &self.hints)
            .field("named", &self.named)
            .field("no_content_is_empty", &self.no_content_is_empty)
            .field("null_is_empty", &self.null_is_empty)
            .field("lossy_text", &self.lossy_text)
            .field("is_lines", &self.is_lines);
        if let Some(extraction) = &self.extraction {
            shown.field("extraction", extraction);
        }
        shown.finish()
    }
}

fn hints(pagination: &Path) -> [Path; HINTS.len()] {
    HINTS.map(|(key, _)| pagination.join(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_field_that_occurs_twice_says_one_thing_or_is_an_error() {
        let envelope = Envelope::bare_array().total_in_header("X-Total");
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-total", value.parse().unwrap());
            }
            let mut info = PageInfo::default();
            envelope.read_headers(&headers, &mut info).map(|()| info.total)
        };
        assert_eq!(read(&["6"]).unwrap(), Some(6));
        assert_eq!(read(&["6", "6"]).unwrap(), Some(6));
        assert_eq!(read(&[]).unwrap(), None);
        for values in [["6", "7"].as_slice(), &["many"], &["1,234"]] {
            assert!(read(values).is_err(), "{values:?}");
        }
    }
}
