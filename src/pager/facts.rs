//! [pure] The metadata of a page about its set, and how it is written: counts and flags in the body
//! and in header fields.

use std::borrow::Cow;

use crate::{
    header_value::header_text,
    path::{Key, Path},
    response::Mismatch,
};
use http::{HeaderMap, StatusCode, header::CONTENT_RANGE};

/// A fact about the set that a page can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Page,
    PerPage,
    Total,
    TotalPages,
    HasNext,
    /// The opposite of `HasNext`.
    IsLast,
    /// A reference to the next page, which only says whether there is one.
    NextPage,
}

/// The keys of the `pagination` object.
pub(super) const HINTS: [(&str, Fact); 5] = [
    ("page", Fact::Page),
    ("per_page", Fact::PerPage),
    ("total", Fact::Total),
    ("total_pages", Fact::TotalPages),
    ("has_next", Fact::HasNext),
];

/// A configured place of a fact.
#[derive(Clone, Debug)]
pub(super) enum Location {
    Body(Path),
    /// The name of a header field, in lower case.
    Header(String),
}

/// The metadata of a page about its set, as far as it can be read. Every field is what the server
/// claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageInfo {
    pub(crate) page: Option<u64>,
    pub(crate) per_page: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) total_pages: Option<u64>,
    pub(crate) has_next: Option<bool>,
    /// Whether it names a next page at a place that is read only for that.
    pub(crate) next_page: Option<bool>,
    /// Whether its `Link` header names a next page.
    pub(crate) has_next_link: bool,
    pub(crate) remarks: Remarks,
}

/// What to report about a page besides its facts: one bit for each place of the envelope that
/// it has, and some more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks(u32);

impl Remarks {
    /// A reference to the next page, or an explicit sign that there is none, is present.
    pub(super) const POINTER: Self = Self(1 << 31);
    /// One place holds different values: a key or a header field occurs twice.
    pub(super) const TWICE: Self = Self(1 << 30);
    /// The total comes from a partial response (206).
    pub(super) const PART: Self = Self(1 << 28);
    /// A value in the `pagination` object cannot be read.
    pub(super) const UNREADABLE: Self = Self(1 << 29);

    /// The place with this index in the envelope is present.
    pub(super) fn place(index: usize) -> Self {
        Self(1 << index.min(27))
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Location {
    pub(super) fn header(name: &str) -> Self {
        Self::Header(name.to_ascii_lowercase())
    }

    pub(super) fn is_header(&self) -> bool {
        matches!(self, Self::Header(_))
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Body(path) => path.to_string(),
            Self::Header(name) => name.clone(),
        }
    }
}

impl Fact {
    pub(super) fn is_flag(self) -> bool {
        matches!(self, Self::HasNext | Self::IsLast)
    }

    /// Reads the value of the fact, JSON or the text of a header field.
    pub(super) fn read(self, text: &str) -> Result<Said, Unreadable> {
        match self {
            Self::HasNext => Ok(Said::Flag(flag(text)?)),
            Self::IsLast => Ok(Said::Flag(flag(text)?.map(|is_last| !is_last))),
            Self::NextPage => match scalar(text)? {
                Some(name) => Ok(Said::Flag(Some(name.trim() != "false"))),
                None => Ok(Said::Flag(Some(false))),
            },
            Self::Page | Self::PerPage | Self::Total | Self::TotalPages => {
                Ok(Said::Count(count(text)?))
            }
        }
    }
}

/// The value at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Count(Option<u64>),
    Flag(Option<bool>),
}

/// A value at a place is not of the right kind, or cannot be read at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl PageInfo {
    /// Whether it says nothing at all about pages.
    pub(super) fn is_silent(&self) -> bool {
        Self { remarks: Remarks::default(), ..*self } == Self::default()
    }

    /// Fills in facts from another place that are not known yet.
    pub(super) fn fill_up(&mut self, other: &Self) {
        self.page = self.page.or(other.page);
        self.per_page = self.per_page.or(other.per_page);
        self.total = self.total.or(other.total);
        self.total_pages = self.total_pages.or(other.total_pages);
        self.has_next = self.has_next.or(other.has_next);
        self.remarks.add(other.remarks);
    }

    /// Adds a fact. One that is already known is kept.
    pub(super) fn take(&mut self, fact: Fact, said: Said) {
        match (fact, said) {
            (Fact::Page, Said::Count(page)) => self.page = self.page.or(page),
            (Fact::PerPage, Said::Count(size)) => self.per_page = self.per_page.or(size),
            (Fact::Total, Said::Count(total)) => self.total = self.total.or(total),
            (Fact::TotalPages, Said::Count(pages)) => self.total_pages = self.total_pages.or(pages),
            (Fact::HasNext | Fact::IsLast, Said::Flag(flag)) => {
                self.has_next = self.has_next.or(flag);
            }
            (Fact::NextPage, Said::Flag(flag)) => self.next_page = self.next_page.or(flag),
            _ => {}
        }
    }

    /// Reads the length of the whole set from a partial response (RFC 9110 section 15.3.7), if it
    /// is not known otherwise.
    pub(super) fn take_part(&mut self, status: StatusCode, headers: &HeaderMap) {
        if status != StatusCode::PARTIAL_CONTENT || self.total.is_some() {
            return;
        }
        let range = headers.get(CONTENT_RANGE).map(header_text);
        if let Some(Ok(Some(total))) = range.map(|range| complete_length(range.trim())) {
            self.total = Some(total);
            self.remarks.add(Remarks::PART);
        }
    }
}

/// The error of a value that cannot be read.
pub(super) fn unreadable(fact: Fact, place: &str) -> Mismatch {
    let wanted = match fact {
        Fact::Page | Fact::PerPage | Fact::Total | Fact::TotalPages => "a whole number",
        Fact::HasNext | Fact::IsLast => "a flag (true or false, 1 or 0)",
        Fact::NextPage => "the name or the number of a page",
    };
    Mismatch::from(format!("what is at `{place}` is not {wanted}"))
}

/// The text of a JSON scalar, or of a header field; `None` for `null` and for an empty text.
fn scalar(text: &str) -> Result<Option<Cow<'_, str>>, Unreadable> {
    match text.as_bytes().first() {
        None => Ok(None),
        Some(b'[' | b'{') => Err(Unreadable),
        Some(b'"') => {
            let text = serde_json::from_str::<Key<'_>>(text).map_or(text.into(), |Key(text)| text);
            Ok(Some(text).filter(|text| !text.trim().is_empty()))
        }
        Some(_) => Ok(Some(text.into()).filter(|_| text != "null")),
    }
}

fn count(text: &str) -> Result<Option<u64>, Unreadable> {
    // The usual form.
    if let Ok(count) = text.parse() {
        return Ok(Some(count));
    }
    scalar(text)?.map(|text| whole(text.trim())).transpose()
}

/// A count in any form: `95`, `95.0`, `9.5e1`.
fn whole(text: &str) -> Result<u64, Unreadable> {
    if let Ok(count) = text.parse() {
        return Ok(count);
    }
    // The largest below which every whole number is a float.
    const EXACT: f64 = (1_u64 << 53) as f64;
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    let count: f64 = text.parse().map_err(|_| Unreadable)?;
    let is_count = is_number && (0.0..=EXACT).contains(&count) && count.fract() == 0.0;
    if is_count { Ok(count as u64) } else { Err(Unreadable) }
}

fn flag(text: &str) -> Result<Option<bool>, Unreadable> {
    // The usual form.
    if let Ok(flag) = text.parse() {
        return Ok(Some(flag));
    }
    let Some(text) = scalar(text)? else { return Ok(None) };
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Ok(Some(true));
    }
    if text.eq_ignore_ascii_case("false") {
        return Ok(Some(false));
    }
    match whole(text)? {
        0 => Ok(Some(false)),
        1 => Ok(Some(true)),
        _ => Err(Unreadable),
    }
}

/// The complete length in a `Content-Range` (RFC 9110 section 14.4), unless it is of bytes or
/// unknown.
pub(super) fn complete_length(value: &str) -> Result<Option<u64>, Unreadable> {
    if value.is_empty() {
        return Ok(None);
    }
    let (range, total) = value.rsplit_once('/').ok_or(Unreadable)?;
    let is_of_bytes = range.get(..5).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
    match total.trim() {
        "*" => Ok(None),
        _ if is_of_bytes => Ok(None),
        total => total.parse().map(Some).map_err(|_| Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_in_every_form_that_is_a_whole_number() {
        for (text, count) in [
            ("6", Some(6)),
            ("6.0", Some(6)),
            ("\"6\"", Some(6)),
            ("\" 6 \"", Some(6)),
            ("6e0", Some(6)),
            ("18446744073709551615", Some(u64::MAX)),
            ("null", None),
            ("\"\"", None),
        ] {
            assert_eq!(Fact::Total.read(text).unwrap(), Said::Count(count), "{text}");
        }
        for text in ["\"1,234\"", "\"many\"", "6.5", "-1", "true", "[6]", "{}", "1e400", "\"inf\""]
        {
            assert!(Fact::Total.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_are_read_in_every_form_that_is_yes_or_no() {
        for (text, flag) in [
            ("true", Some(true)),
            ("\"True\"", Some(true)),
            ("1", Some(true)),
            ("\"1\"", Some(true)),
            ("0", Some(false)),
            ("0.0", Some(false)),
            ("\"FALSE\"", Some(false)),
            ("null", None),
        ] {
            assert_eq!(Fact::HasNext.read(text).unwrap(), Said::Flag(flag), "{text}");
            let opposite = Said::Flag(flag.map(|flag| !flag));
            assert_eq!(Fact::IsLast.read(text).unwrap(), opposite, "{text}");
        }
        for text in ["\"yes\"", "2", "-1", "[]", "{\"a\":1}", "\"maybe\""] {
            assert!(Fact::HasNext.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_the_next_page_says_whether_there_is_one() {
        for (text, is_there) in
            [("3", true), ("\"abc\"", true), ("null", false), ("\"\"", false), ("false", false)]
        {
            assert_eq!(Fact::NextPage.read(text).unwrap(), Said::Flag(Some(is_there)), "{text}");
        }
    }

    #[test]
    fn a_content_range_gives_the_total_of_items_and_never_of_bytes() {
        for (value, total) in [
            ("items 0-9/95", Some(95)),
            ("0-9/95", Some(95)),
            ("items */95", Some(95)),
            ("rows 0-9/ 95 ", Some(95)),
            ("items 0-9/*", None),
            ("bytes 0-9/95", None),
            ("BYTES 0-9/95", None),
            ("", None),
        ] {
            assert_eq!(complete_length(value).unwrap(), total, "{value:?}");
        }
        for value in ["items 0-9", "95", "items 0-9/-1", "items 0-9/many"] {
            assert!(complete_length(value).is_err(), "{value:?}");
        }
    }
}
