//! [pure] Entity tags (RFC 9110, section 8.8.3): the version of a value, and the conditions that
//! name versions.

use std::{fmt, str::FromStr};

use crate::tag_list::{ListedTag, TagList, Unmet, judge};

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

    /// Whether a client means this one.
    fn means(self) -> impl Fn(&str) -> bool {
        let opaque = self.opaque();
        move |given| given == opaque
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
pub struct Tags(pub(super) TagList);

impl Tags {
    /// Any version: `*`.
    #[must_use]
    pub fn any() -> Self {
        Self(TagList::Any)
    }
}

impl From<ETag> for Tags {
    fn from(tag: ETag) -> Self {
        Self(TagList::Of(vec![ListedTag { opaque: tag.opaque(), is_weak: false }]))
    }
}

/// A list of entity tags that is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither `*` nor a list of quoted entity tags, such as \"1-a\", W/\"1-b\"")]
pub struct TagsError;

impl FromStr for Tags {
    type Err = TagsError;

    fn from_str(text: &str) -> Result<Self, TagsError> {
        TagList::parse(text).map(Self).ok_or(TagsError)
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
        let if_match = self.if_match.as_ref().map(|Tags(list)| list);
        let if_none_match = self.if_none_match.as_ref().map(|Tags(list)| list);
        judge(if_match, if_none_match, current.map(ETag::means).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: ETag = ETag { store: 0xab, version: 0x1f };

    fn tags(text: &str) -> Tags {
        text.parse().unwrap()
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
}
