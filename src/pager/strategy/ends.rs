//! [pure] Settings of where a set ends: extra signs of the end, and usual signs to ignore.

use http::StatusCode;

use serde::{Deserialize, Serialize};

use super::{Mode, Paging};
use crate::error::{Error, ErrorKind};

/// How many pages in a row may be empty by default.
const DEFAULT_EMPTY_PAGES: u32 = 1000;

/// The settings of the end of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ends {
    pub(super) not_found_ends: bool,
    pub(super) not_found_is_empty: bool,
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
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            not_found_ends: false,
            not_found_is_empty: false,
            max_empty_pages: DEFAULT_EMPTY_PAGES,
            totals_are_estimates: false,
            short_page_ends: None,
            zero_cursor_ends: false,
            row_cap: None,
            link: None,
            expired: Vec::new(),
            restarts: 0,
        }
    }
}

impl Ends {
    /// # Errors
    /// [`ErrorKind::Config`], naming a setting that this paging mode does not support.
    pub(super) fn check(&self, mode: &Mode) -> Result<(), Error> {
        let is_computed = matches!(mode, Mode::Number { .. } | Mode::Offset { .. } | Mode::None {});
        let invalid = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        if self.zero_cursor_ends && !matches!(mode, Mode::Cursor { .. }) {
            return invalid("zero_cursor_ends: has a meaning for cursors only");
        }
        if self.short_page_ends.is_some() && *mode == (Mode::None {}) {
            return invalid("short_page_ends: has no meaning for an API that does not page");
        }
        if self.restarts > 0 && is_computed {
            return invalid("restart_when_expired: has a meaning only where pages name each other");
        }
        if self.row_cap == Some(0) {
            return invalid("row_cap: must be at least 1");
        }
        Ok(())
    }
}

impl Paging {
    /// Reads a 404 past the first page as the end of the set, unless the page before it says that
    /// more follow. By default it is an error. A 416 there always means the end.
    #[must_use]
    pub fn not_found_ends(mut self, yes: bool) -> Self {
        self.ends.not_found_ends = yes;
        self
    }

    /// Reads a 404 on the first page as a set without items. By default it is an error.
    #[must_use]
    pub fn not_found_is_empty(mut self, yes: bool) -> Self {
        self.ends.not_found_is_empty = yes;
        self
    }

    /// How many pages in a row may be empty while a signal says that more follow: 1,000 by default.
    /// Filters that a server applies after paging leave some pages without rows. One more empty
    /// page is an [`ErrorKind::Incomplete`].
    #[must_use]
    pub fn max_empty_pages(mut self, pages: u32) -> Self {
        self.ends.max_empty_pages = pages;
        self
    }

    /// Allows a read to end before it has as many rows or pages as a total says, and reports that
    /// as an [`Event::PagingWarning`](crate::events::Event::PagingWarning). For totals that are
    /// estimates or count hidden rows. By default this is an [`ErrorKind::Incomplete`].
    #[must_use]
    pub fn totals_are_estimates(mut self, yes: bool) -> Self {
        self.ends.totals_are_estimates = yes;
        self
    }

    /// Whether a page with fewer rows than the first one is the last.
    ///
    /// For numbered and offset pages the default is yes if nothing else marks the end; with `false`
    /// only a page without rows is the last one, for APIs that leave rows out of their pages. If
    /// pages name each other the default is no; with `true` a short page is the last one even if it
    /// names a next one, for APIs whose cursors and URLs never end.
    #[must_use]
    pub fn short_page_ends(mut self, yes: bool) -> Self {
        self.ends.short_page_ends = Some(yes);
        self
    }

    /// Treats the cursor 0 as the end, like `SCAN` in Redis. By default it is followed, and is an
    /// error if it leads to the first page.
    #[must_use]
    pub fn zero_cursor_ends(mut self, yes: bool) -> Self {
        self.ends.zero_cursor_ends = yes;
        self
    }

    /// The API returns at most the first `rows` rows of a set, at least 1, as search APIs do. No
    /// page that begins after them is requested, and a read that reaches them is an
    /// [`ErrorKind::Incomplete`] unless a total says that there are no more.
    #[must_use]
    pub fn row_cap(mut self, rows: u64) -> Self {
        self.ends.row_cap = Some(rows);
        self
    }

    /// Treats a response with this status and with `text` in its body as an expired cursor or URL,
    /// as a 410 always is: `expired_with(422, "cursor")`. It ends the read with
    /// [`ErrorKind::CursorExpired`] instead of another error.
    #[must_use]
    pub fn expired_with(mut self, status: u16, text: &str) -> Self {
        self.ends.expired.push((status, text.to_owned()));
        self
    }

    /// Restarts a read, at most this many times, when the place of its next page
    /// [has expired](Self::expired_with), and skips as many rows as were already read. The result
    /// is not a snapshot of the set: rows inserted or deleted before that place are missing or
    /// repeated. Each restart is reported as an
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning). By default a read never
    /// restarts.
    #[must_use]
    pub fn restart_when_expired(mut self, times: u32) -> Self {
        self.ends.restarts = times;
        self
    }

    pub(in crate::pager) fn restarts(&self) -> u32 {
        self.ends.restarts
    }

    /// Whether a response says that the place of a page has expired.
    pub(in crate::pager) fn expires_with(&self, status: StatusCode, body: &[u8]) -> bool {
        let says = |text: &str| String::from_utf8_lossy(body).contains(text);
        status == StatusCode::GONE
            || self.ends.expired.iter().any(|(of, text)| *of == status.as_u16() && says(text))
    }

    /// Ignores a link to the next page if it has this attribute with this value, for APIs that put
    /// a next link on every page: `link_ends_with("results", "false")`.
    #[must_use]
    pub fn link_ends_with(mut self, attribute: &str, value: &str) -> Self {
        self.ends.link = Some((attribute.to_owned(), value.to_owned()));
        self
    }
}
