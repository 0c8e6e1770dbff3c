//! [pure] Lists of entity tags, as `If-Match` and `If-None-Match` have them (RFC 9110, sections
//! 8.8.3 and 13.1), and what follows from them. What has such tags is told elsewhere.

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::Problem;

/// Any tag, or one of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagList {
    Any,
    Of(Vec<ListedTag>),
}

/// A tag of a list, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedTag {
    pub(crate) opaque: String,
    pub(crate) is_weak: bool,
}

/// The condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    IfMatch,
    IfNoneMatch,
}

/// Judges the conditions of a request for what is there now: `is_current` says whether a tag is its
/// tag, and is `None` if there is nothing. In the order of RFC 9110, section 13.2.2.
pub(crate) fn judge(
    if_match: Option<&TagList>,
    if_none_match: Option<&TagList>,
    is_current: Option<&impl Fn(&str) -> bool>,
) -> Result<(), Unmet> {
    if if_match.is_some_and(|tags| !is_current.is_some_and(|is_it| tags.match_strongly(is_it))) {
        return Err(Unmet::IfMatch);
    }
    match if_none_match {
        Some(tags) if is_current.is_some_and(|is_it| tags.match_weakly(is_it)) => {
            Err(Unmet::IfNoneMatch)
        }
        _ => Ok(()),
    }
}

impl TagList {
    /// The list of a text, or `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim_matches([' ', '\t']);
        if rest == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        // Empty elements of a list are ignored (RFC 9110, section 5.6.1.2).
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
            if opaque.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return None;
            }
            tags.push(ListedTag { opaque: opaque.to_owned(), is_weak });
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Self::Of(tags))
    }

    /// The list that the fields of this name are together, if there are any.
    ///
    /// # Errors
    /// 400 for what is not a list: passed over, it would be a condition that is not held.
    pub(crate) fn of_fields(
        headers: &HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<Self>, Problem> {
        if !headers.contains_key(name) {
            return Ok(None);
        }
        let texts: Option<Vec<&str>> =
            headers.get_all(name).map(|field| std::str::from_utf8(field.as_bytes()).ok()).collect();
        let list = texts.and_then(|texts| Self::parse(&texts.join(",")));
        list.map(Some).ok_or_else(|| Self::refused(name))
    }

    /// The problem of a text that is not a list.
    pub(crate) fn refused(name: &HeaderName) -> Problem {
        Problem::bad_request("invalid_condition", "a condition cannot be read")
            .with_error(name.as_str(), "it must be `*` or entity tags, such as \"1-a\", \"1-b\"")
    }

    /// The strong comparison, of which weak tags are never a part.
    fn match_strongly(&self, is_it: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => tags.iter().any(|tag| !tag.is_weak && is_it(&tag.opaque)),
        }
    }

    /// The weak comparison.
    fn match_weakly(&self, is_it: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => tags.iter().any(|tag| is_it(&tag.opaque)),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderValue, IF_MATCH};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let parse = |text: &str| TagList::parse(text).unwrap();
        assert_eq!(parse(" * "), TagList::Any);
        // A comma may be within a tag.
        let list = parse("\"a,b\" ,, W/\"c\",");
        assert!(list.match_strongly(|tag| tag == "a,b") && list.match_weakly(|tag| tag == "c"));
        assert!(!list.match_strongly(|tag| tag == "c"));
        for bad in ["", ",", "a", "\"a", "'a'", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", "\"a b\""] {
            assert_eq!(TagList::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn several_fields_of_a_name_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(TagList::of_fields(&headers, &IF_MATCH).unwrap(), None);
        for value in ["\"a\"", "\"b\""] {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        let list = TagList::of_fields(&headers, &IF_MATCH).unwrap();
        assert_eq!(list, TagList::parse("\"a\", \"b\""));
        headers.append(IF_MATCH, HeaderValue::from_static("*"));
        assert_eq!(TagList::of_fields(&headers, &IF_MATCH).unwrap_err().status().as_u16(), 400);
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_none(text in "[ ,*W/\"a\\-é]{0,12}") {
            if let Some(TagList::Of(tags)) = TagList::parse(&text) {
                prop_assert_eq!(tags.len() * 2, text.matches('"').count());
            }
        }
    }
}
