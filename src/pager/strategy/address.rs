//! [pure] Where one page of a read is, and which other origins are allowed. Either may hold a
//! credential, so neither is printed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::PageRequest;

/// Where one page of a read is.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PageAddress {
    /// The start of a read in which each page names the next one.
    Start,
    /// The page with this index, counted from 0.
    Page(u64),
    /// The page that begins with this row, counted from 0.
    Offset(u64),
    Cursor(String),
    /// The page that begins with this value, and with rows that the page before had as well.
    After {
        value: String,
        /// Hashes of the rows before that have this value.
        tied: Vec<u64>,
        /// How many rows the page before had.
        rows: u64,
        /// The most rows of a page after which more came; 0 if there was none.
        full: u64,
    },
    Url(String),
    /// A URL of the pool's API that was named by a page fetched without credentials. It is not
    /// requested.
    Untrusted(String),
    /// The results of an export that are left, the first of which goes on at the cursor.
    Results {
        urls: Vec<String>,
        cursor: Option<String>,
        /// Where the job is polled for other URLs, and how many results it has, if it names them by
        /// URLs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<(String, usize)>,
    },
    /// The request of a custom strategy.
    Custom(PageRequest),
}

/// Base URLs as they were given. A URL that is refused later may hold a password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Origins(pub(super) Vec<String>);

/// How much of the URL of a next page is followed, see
/// [`Paging::next_url_part`](crate::Paging::next_url_part).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UrlPart {
    /// All of it.
    #[default]
    Whole,
    /// Its path and its query, at the host of the pool's base URL.
    PathAndQuery,
    /// Its query, with the path of the endpoint.
    Query,
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allowed", self.0.len())
    }
}

impl fmt::Debug for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("Start"),
            Self::Page(index) => write!(f, "Page({index})"),
            Self::Offset(row) => write!(f, "Offset({row})"),
            Self::Cursor(_) => f.write_str("Cursor(…)"),
            Self::After { .. } => f.write_str("After(…)"),
            Self::Url(_) => f.write_str("Url(…)"),
            Self::Untrusted(_) => f.write_str("Untrusted(…)"),
            Self::Results { .. } => f.write_str("Results(…)"),
            Self::Custom(_) => f.write_str("Custom(…)"),
        }
    }
}
