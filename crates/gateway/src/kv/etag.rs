//! [pure] Entity tags (RFC 9110, section 8.8.3): the version of a value, and the conditions that
//! name versions.

use std::{fmt, str::FromStr};

/// The version of one value: strong, and never used twice, even if the same bytes are written
/// again. As text it is quoted, as in `ETag` and `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag {
    store: u64,
    version: u64,
}

impl ETag {
    /// `store` tells the file from others, so that a tag of an older file matches nothing.
    pub(super) fn new(store: u64, version: u64) -> Self {
        Self { store, version }
    }

    fn opaque(self) -> String {
        format!("{:x}-{:x}", self.store, self.version)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.opaque())
    }
}

/// What `If-Match` or `If-None-Match` says: any version, or one of a list.
///
/// ```
/// use vantage_api_gateway::kv::Tags;
///
/// let tags: Tags = r#""1-a", W/"1-b""#.parse()?;
/// assert_eq!("*".parse::<Tags>()?, Tags::any());
/// assert!("1-a".parse::<Tags>().is_err());
/// # drop(tags);
/// # Ok::<(), vantage_api_gateway::kv::TagsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags(Listed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Listed {
    Any,
    Of(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    opaque: String,
    weak: bool,
}

impl Tags {
    /// Any version: `*`.
    #[must_use]
    pub fn any() -> Self {
        Self(Listed::Any)
    }

    /// The strong comparison, of which weak tags are never a part.
    fn match_strongly(&self, tag: ETag) -> bool {
        match &self.0 {
            Listed::Any => true,
            Listed::Of(tags) => {
                let opaque = tag.opaque();
                tags.iter().any(|tag| !tag.weak && tag.opaque == opaque)
            }
        }
    }

    /// The weak comparison.
    fn match_weakly(&self, tag: ETag) -> bool {
        match &self.0 {
            Listed::Any => true,
            Listed::Of(tags) => {
                let opaque = tag.opaque();
                tags.iter().any(|tag| tag.opaque == opaque)
            }
        }
    }
}

impl From<ETag> for Tags {
    fn from(tag: ETag) -> Self {
        Self(Listed::Of(vec![Tag { opaque: tag.opaque(), weak: false }]))
    }
}

/// A list of entity tags that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither `*` nor a list of quoted entity tags, such as \"1-a\", W/\"1-b\"")]
pub struct TagsError;

impl FromStr for Tags {
    type Err = TagsError;

    fn from_str(text: &str) -> Result<Self, TagsError> {
        let mut rest = text.trim_matches([' ', '\t']);
        if rest == "*" {
            return Ok(Self::any());
        }
        let mut tags = Vec::new();
        // Empty elements of a list are ignored (RFC 9110, section 5.6.1.2).
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let inner = quoted.strip_prefix('"').ok_or(TagsError)?;
            let (opaque, after) = inner.split_once('"').ok_or(TagsError)?;
            if opaque.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return Err(TagsError);
            }
            tags.push(Tag { opaque: opaque.to_owned(), weak });
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(TagsError);
            }
        }
        if tags.is_empty() { Err(TagsError) } else { Ok(Self(Listed::Of(tags))) }
    }
}

/// What must hold for a call to be carried out. The default asks for nothing.
///
/// ```
/// use vantage_api_gateway::kv::{Precondition, Tags};
///
/// // Only if there is no value yet.
/// assert_eq!(Precondition::absent().if_none_match, Some(Tags::any()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The current version is one of these, by strong comparison.
    pub if_match: Option<Tags>,
    /// The current version is none of these, by weak comparison.
    pub if_none_match: Option<Tags>,
}

/// Which half of a condition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    IfMatch,
    IfNoneMatch,
}

impl Precondition {
    /// There is no value: the first of several writers wins.
    #[must_use]
    pub fn absent() -> Self {
        Self { if_match: None, if_none_match: Some(Tags::any()) }
    }

    /// The value is the one of this version.
    #[must_use]
    pub fn unchanged(tag: ETag) -> Self {
        Self { if_match: Some(tag.into()), if_none_match: None }
    }

    /// Whether it holds for what is there now, in the order of RFC 9110, section 13.2.2.
    pub(super) fn check(&self, current: Option<ETag>) -> Result<(), Unmet> {
        if let Some(tags) = &self.if_match
            && !current.is_some_and(|tag| tags.match_strongly(tag))
        {
            return Err(Unmet::IfMatch);
        }
        if let Some(tags) = &self.if_none_match
            && current.is_some_and(|tag| tags.match_weakly(tag))
        {
            return Err(Unmet::IfNoneMatch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: ETag = ETag { store: 0xab, version: 0x1f };

    fn tags(text: &str) -> Tags {
        text.parse().unwrap()
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        assert_eq!(TAG.to_string(), "\"ab-1f\"");
        assert_eq!(tags("\"ab-1f\""), TAG.into());
        assert_eq!(tags(" * "), Tags::any());
        // A comma may be within a tag.
        assert!(tags("\"a,b\" ,, W/\"ab-1f\",").match_weakly(TAG));
        assert!(!tags("\"a,b\", W/\"ab-1f\"").match_strongly(TAG));
        for bad in
            ["", ",", "ab-1f", "\"ab-1f", "'a'", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", "\"a b\""]
        {
            assert_eq!(bad.parse::<Tags>(), Err(TagsError), "{bad}");
        }
    }

    #[test]
    fn conditions_hold_in_the_order_of_the_standard() {
        let condition = |if_match: Option<&str>, if_none_match: Option<&str>| Precondition {
            if_match: if_match.map(tags),
            if_none_match: if_none_match.map(tags),
        };
        assert_eq!(condition(None, None).check(None), Ok(()));
        assert_eq!(condition(Some("*"), None).check(None), Err(Unmet::IfMatch));
        assert_eq!(condition(Some("*"), None).check(Some(TAG)), Ok(()));
        assert_eq!(condition(Some("\"ab-1e\""), None).check(Some(TAG)), Err(Unmet::IfMatch));
        assert_eq!(Precondition::unchanged(TAG).check(Some(TAG)), Ok(()));
        assert_eq!(Precondition::absent().check(None), Ok(()));
        assert_eq!(Precondition::absent().check(Some(TAG)), Err(Unmet::IfNoneMatch));
        assert_eq!(condition(None, Some("\"x\"")).check(Some(TAG)), Ok(()));
        assert_eq!(condition(Some("\"x\""), Some("*")).check(Some(TAG)), Err(Unmet::IfMatch));
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_none(text in "[ ,*W/\"a\\-é]{0,12}") {
            if let Ok(Tags(Listed::Of(tags))) = text.parse::<Tags>() {
                prop_assert_eq!(tags.len() * 2, text.matches('"').count());
            }
        }
    }
}
