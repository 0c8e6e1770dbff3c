//! [pure] The ways to page that a draft may have.

use crate::yaml::text;

/// How an API pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each page has the URL of the next one in its `Link` header, unless that has this attribute.
    Link { but: Option<(String, String)> },
    /// A header of each page is the URL of the next one.
    HeaderUrl { header: String },
    /// Each page has the URL of the next one.
    NextUrl { next: String },
    /// Pages have numbers.
    Page { param: String, first: u64 },
    /// Pages are asked for by the number of rows before them.
    Offset { param: String },
    /// Pages are asked for by a `Range` header.
    Range { unit: String, size: u64 },
    /// Each page has the cursor of the next one.
    Cursor { param: String, next: String },
    /// The next page begins after the last row.
    Keyset { param: String, field: String },
    /// One answer has the whole set.
    None,
    /// As the user has written it.
    Given(String),
}

impl Way {
    /// The parameter that says which page.
    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::Page { param, .. }
            | Self::Offset { param }
            | Self::Cursor { param, .. }
            | Self::Keyset { param, .. } => Some(param),
            Self::Link { .. }
            | Self::HeaderUrl { .. }
            | Self::NextUrl { .. }
            | Self::Range { .. }
            | Self::None
            | Self::Given(_) => None,
        }
    }

    /// Whether pages name the URL of the next one.
    pub(crate) fn is_by_url(&self) -> bool {
        matches!(self, Self::Link { .. } | Self::HeaderUrl { .. } | Self::NextUrl { .. })
    }

    /// Whether pages are at places that can be computed.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, Self::Page { .. } | Self::Offset { .. } | Self::Range { .. })
    }

    /// The keys of `paging` in a description.
    pub(crate) fn to_yaml(&self) -> String {
        match self {
            Self::Link { but: None } => "by: link".to_owned(),
            Self::Link { but: Some((name, value)) } => {
                format!("by: link, link_ends_with: [{}, {}]", text(name), text(value))
            }
            Self::HeaderUrl { header } => format!("by: header_url, header: {}", text(header)),
            Self::NextUrl { next } => format!("by: next_url, next: {}", text(next)),
            Self::Page { param, first: 1 } => format!("by: page, param: {}", text(param)),
            Self::Page { param, first } => {
                format!("by: page, param: {}, first: {first}", text(param))
            }
            Self::Offset { param } => format!("by: offset, param: {}", text(param)),
            Self::Range { unit, size } => format!("by: range, unit: {}, size: {size}", text(unit)),
            Self::Cursor { param, next } => {
                format!("by: cursor, param: {}, next: {}", text(param), text(next))
            }
            Self::Keyset { param, field } => {
                format!("by: keyset, param: {}, field: {}", text(param), text(field))
            }
            Self::None => "by: none".to_owned(),
            Self::Given(yaml) => yaml.clone(),
        }
    }
}
