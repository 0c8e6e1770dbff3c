//! [pure] Validators and conditional requests (RFC 9110 section 13), over whole representations.
//!
//! An entity tag is a hash of the bytes. A compressed variant has the tag of the plain one with a
//! suffix, and counts as it in conditions.

use actix_web::http::{
    StatusCode,
    header::{HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH},
};
use twox_hash::XxHash3_128;

use crate::{
    Problem,
    compress::Coding,
    tag_list::{TagList, Unmet, judge},
};

/// A strong entity tag, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(format!("{:032x}", XxHash3_128::oneshot(bytes)))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        quoted(&self.0)
    }

    /// The tag of a compressed variant: as proxies write it when they compress.
    pub(crate) fn variant_header(&self, coding: Coding) -> HeaderValue {
        quoted(&format!("{}-{}", self.0, coding.name()))
    }

    /// Whether a client means this one, or a variant of it.
    fn is(&self, given: &str) -> bool {
        match given.strip_prefix(self.0.as_str()).map(|rest| rest.strip_prefix('-')) {
            Some(Some(coding)) => Coding::ALL.iter().any(|known| known.name() == coding),
            _ => given == self.0,
        }
    }
}

fn quoted(tag: &str) -> HeaderValue {
    // Hexadecimal digits are legal in a field.
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The conditions of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
}

impl Conditions {
    /// # Errors
    /// 400 if a field is not a list of entity tags.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            if_match: TagList::of_fields(headers, &IF_MATCH)?,
            if_none_match: TagList::of_fields(headers, &IF_NONE_MATCH)?,
        })
    }

    /// Conditions as one text each, as in the operation of a batch.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn if_match(text: &str) -> Result<Self, Problem> {
        let tags = TagList::parse(text).ok_or_else(|| TagList::refused(&IF_MATCH))?;
        Ok(Self { if_match: Some(tags), if_none_match: None })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Whether a client that reads what has this tag has it already.
    ///
    /// # Errors
    /// 412 if `If-Match` names other tags.
    pub(crate) fn not_modified(&self, tag: &Tag) -> Result<bool, Problem> {
        match self.judge(Some(tag)) {
            Ok(()) => Ok(false),
            Err(Unmet::IfNoneMatch) => Ok(true),
            Err(Unmet::IfMatch) => Err(failed(Some(tag))),
        }
    }

    /// Judges a write to what has this tag now, or is not there.
    ///
    /// # Errors
    /// 412 if the condition is not met.
    pub(crate) fn write(&self, current: Option<&Tag>) -> Result<(), Problem> {
        self.judge(current).map_err(|_| failed(current))
    }

    fn judge(&self, current: Option<&Tag>) -> Result<(), Unmet> {
        let is_current = current.map(|tag| |given: &str| tag.is(given));
        judge(self.if_match.as_ref(), self.if_none_match.as_ref(), is_current.as_ref())
    }
}

fn failed(current: Option<&Tag>) -> Problem {
    let problem = Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition_failed",
        "the row is not in the state that the request names",
    );
    match current {
        Some(tag) => problem.with_header(actix_web::http::header::ETAG, tag.header()),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn conditions(fields: &[(HeaderName, &'static str)]) -> Result<Conditions, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        Conditions::of(&headers)
    }

    #[test]
    fn a_read_is_judged_by_the_tag_of_any_variant() {
        let tag = Tag("a1".to_owned());
        for (given, expected) in [
            ("\"a1\"", true),
            ("\"a1-gzip\"", true),
            ("W/\"a1\"", true),
            ("\"b\", W/\"a1\"", true),
            ("*", true),
            ("\"b\",\"c\"", false),
        ] {
            let conditions = conditions(&[(IF_NONE_MATCH, given)]).unwrap();
            assert_eq!(conditions.not_modified(&tag).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn a_write_needs_a_strong_tag_of_the_current_state() {
        let tag = Tag("a1".to_owned());
        let is_met = |fields: &[_], current| conditions(fields).unwrap().write(current).is_ok();
        assert!(is_met(&[(IF_MATCH, "\"a1\"")], Some(&tag)));
        assert!(is_met(&[(IF_MATCH, "\"x\""), (IF_MATCH, "\"a1-gzip\"")], Some(&tag)));
        assert!(!is_met(&[(IF_MATCH, "W/\"a1\"")], Some(&tag)));
        assert!(!is_met(&[(IF_MATCH, "*")], None));
        assert!(is_met(&[(IF_NONE_MATCH, "*")], None));
        assert!(!is_met(&[(IF_NONE_MATCH, "*")], Some(&tag)));
        assert!(!is_met(&[(IF_NONE_MATCH, "W/\"a1\"")], Some(&tag)));
        assert!(is_met(&[(IF_NONE_MATCH, "\"x\"")], Some(&tag)));
    }
}
