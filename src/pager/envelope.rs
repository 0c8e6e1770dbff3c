//! [pure] Where the items, the totals and the end are in a page. How a page is
//! taken apart is `decode`'s business.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, header::CONTENT_RANGE};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Where a page holds its items and what it says about the set.
///
/// The default is the standard envelope, and a bare array is read as well:
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
/// # let _ = (nested, bare);
/// ```
#[derive(Clone, Debug)]
pub struct Envelope {
    pub(super) items: Vec<String>,
    pub(super) accepts_bare_array: bool,
    pub(super) pagination: Vec<String>,
    pub(super) total: Option<Vec<String>>,
    pub(super) total_header: Option<String>,
    pub(super) has_next: Vec<String>,
    pub(super) no_content_is_empty: bool,
    /// One item per line, and nothing else.
    pub(super) is_lines: bool,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { accepts_bare_array: true, ..Self::items_at("data") }
    }
}

impl Envelope {
    /// Items in the list at `path`: keys joined by dots, such as `result.rows`.
    #[must_use]
    pub fn items_at(path: &str) -> Self {
        Self {
            items: keys(path),
            accepts_bare_array: false,
            pagination: keys("pagination"),
            total: None,
            total_header: None,
            has_next: Vec::new(),
            no_content_is_empty: false,
            is_lines: false,
        }
    }

    /// The body is the list of items, with nothing around it.
    #[must_use]
    pub fn bare_array() -> Self {
        Self { accepts_bare_array: true, ..Self::items_at("") }
    }

    /// One item per line (NDJSON, JSON Lines): blank lines are skipped, the last line may
    /// lack its end, and an empty body is a page without items. A line that is cut or is no
    /// item is an [`ErrorKind::Decode`](crate::ErrorKind::Decode) that names it, and so is an
    /// answer whose content type is that of a JSON document, of HTML or of XML. Only a
    /// [header](Self::total_in_header) can hold a total.
    #[must_use]
    pub fn ndjson() -> Self {
        Self { is_lines: true, ..Self::items_at("") }
    }

    /// Where the object with `page`, `per_page`, `total`, `total_pages`,
    /// `has_next` is. The default is `pagination`.
    #[must_use]
    pub fn pagination_at(mut self, path: &str) -> Self {
        self.pagination = keys(path);
        self
    }

    /// Where the number of items in the whole set is, when it is not in the
    /// `pagination` object.
    #[must_use]
    pub fn total_at(mut self, path: &str) -> Self {
        self.total = Some(keys(path));
        self
    }

    /// The response header that holds the number of items in the whole set: a number, or
    /// for `Content-Range` the complete length of `items 0-9/95` (RFC 9110 section 14.4),
    /// where `*` is unknown. A range of bytes says nothing about items.
    #[must_use]
    pub fn total_in_header(mut self, name: &str) -> Self {
        self.total_header = Some(name.to_ascii_lowercase());
        self
    }

    /// Where a flag says whether further pages follow, such as `has_more`, when it is not
    /// `has_next` in the `pagination` object.
    #[must_use]
    pub fn has_next_at(mut self, path: &str) -> Self {
        self.has_next = keys(path);
        self
    }

    /// Reads a 204, and a 200 with an empty body, as a page without items. By default they are
    /// an [`ErrorKind::Decode`](crate::ErrorKind::Decode). A 202 (Accepted) without items always
    /// is: it says that there is no result yet, which
    /// [`ResponseRule::poll`](crate::ResponseRule::poll) waits for.
    #[must_use]
    pub fn no_content_is_empty(mut self, yes: bool) -> Self {
        self.no_content_is_empty = yes;
        self
    }

    /// The number of items in the whole set, as far as `headers` hold it.
    pub(super) fn total_in(&self, headers: &HeaderMap) -> Option<u64> {
        let name = self.total_header.as_ref()?;
        let value = headers.get(name)?.to_str().ok()?.trim();
        if name != CONTENT_RANGE.as_str() {
            return value.parse().ok();
        }
        let (range, total) = value.rsplit_once('/')?;
        let is_of_bytes = range.get(..5).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
        total.trim().parse().ok().filter(|_| !is_of_bytes)
    }

    /// The same envelope with the items in the list under `key` of the body.
    pub(crate) fn with_items_under(mut self, key: &str) -> Self {
        self.items = vec![key.to_owned()];
        self.accepts_bare_array = false;
        self
    }
}

pub(super) fn keys(path: &str) -> Vec<String> {
    path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// What a page says about the set. Every field is what the server claims; what has another
/// shape is left out, so that a strange hint never fails a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page: Option<u64>,
    pub(crate) per_page: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) total_pages: Option<u64>,
    pub(crate) has_next: Option<bool>,
}

/// The key of a field, borrowed from the page where it stands there as it is.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Something that a page says, as far as it makes sense.
pub(super) enum Hint {
    /// A number, or digits in a string.
    Count(u64),
    Flag(bool),
    Set(Meta),
    Other,
}

impl Hint {
    pub(super) fn count(self) -> Option<u64> {
        if let Self::Count(count) = self { Some(count) } else { None }
    }

    pub(super) fn flag(self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(flag) } else { None }
    }

    pub(super) fn set(self) -> Option<Meta> {
        if let Self::Set(meta) = self { Some(meta) } else { None }
    }
}

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HintVisitor)
    }
}

struct HintVisitor;

impl<'de> Visitor<'de> for HintVisitor {
    type Value = Hint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hint of any kind")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Hint, E> {
        Ok(Hint::Count(count))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Hint, E> {
        Ok(Hint::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Hint, E> {
        Ok(Hint::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Hint, E> {
        Ok(text.trim().parse().map_or(Hint::Other, Hint::Count))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Hint, E> {
        Ok(Hint::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Hint, E> {
        Ok(Hint::Other)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Hint, S::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Hint::Other)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Hint, M::Error> {
        let mut meta = Meta::default();
        while let Some((Key(key), hint)) = map.next_entry::<Key<'de>, Hint>()? {
            match &*key {
                "page" => meta.page = hint.count(),
                "per_page" => meta.per_page = hint.count(),
                "total" => meta.total = hint.count(),
                "total_pages" => meta.total_pages = hint.count(),
                "has_next" => meta.has_next = hint.flag(),
                _ => {}
            }
        }
        Ok(Hint::Set(meta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_gives_the_total_of_items_and_never_of_bytes() {
        let envelope = Envelope::default().total_in_header("Content-Range");
        for (value, total) in [
            ("items 0-9/95", Some(95)),
            ("0-9/95", Some(95)),
            ("items */95", Some(95)),
            ("rows 0-9/ 95 ", Some(95)),
            ("items 0-9/*", None),
            ("bytes 0-9/95", None),
            ("BYTES 0-9/95", None),
            ("items 0-9", None),
            ("95", None),
            ("items 0-9/-1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-range", value.parse().unwrap());
            assert_eq!(envelope.total_in(&headers), total, "{value:?}");
        }
    }
}
