//! [pure] Settings of where a set ends: extra signs of the end, and usual signs to ignore.

use serde::{Deserialize, Serialize};

use crate::path::Path;

/// How many pages in a row may be empty by default.
const DEFAULT_EMPTY_PAGES: u32 = 1000;

/// The settings of the end of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ends {
    pub(super) not_found_ends: bool,
    pub(super) max_empty_pages: u32,
    pub(super) totals_are_estimates: bool,
    /// Defaults to true for pages at computed places, and to false if pages name each other.
    pub(super) short_page_ends: Option<bool>,
    pub(super) zero_cursor_ends: bool,
    pub(super) row_cap: Option<u64>,
    /// A link to the next page counts as none if this attribute has this value.
    #[serde(rename = "link_ends_with")]
    pub(super) link: Option<(String, String)>,
    /// Responses that mean, besides a 410, that the place of a page has expired: a status, and a
    /// text in the body.
    #[serde(rename = "expired_with")]
    pub(super) expired: Vec<(u16, String)>,
    #[serde(rename = "restart_when_expired")]
    pub(super) restarts: u32,
    /// The path of the place to go on at, in the body of such a response.
    #[serde(rename = "expired_next")]
    pub(super) expired_next: Option<Path>,
    #[serde(rename = "restart_after")]
    pub(super) after: Option<RestartAfter>,
}

/// Where a read goes on: at the rows after a value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestartAfter {
    pub(super) param: String,
    pub(super) field: Path,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            not_found_ends: false,
            max_empty_pages: DEFAULT_EMPTY_PAGES,
            totals_are_estimates: false,
            short_page_ends: None,
            zero_cursor_ends: false,
            row_cap: None,
            link: None,
            expired: Vec::new(),
            restarts: 0,
            expired_next: None,
            after: None,
        }
    }
}
