//! [pure] What else than the usual means the end of a set, and what does not: settings.

use http::StatusCode;

use serde::{Deserialize, Serialize};

use super::{Mode, Paging};
use crate::error::{Error, ErrorKind};

/// So many pages in a row may be empty unless set otherwise.
const DEFAULT_EMPTY_PAGES: u32 = 1000;

/// Settings of the end of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ends {
    pub(super) not_found_ends: bool,
    pub(super) not_found_is_empty: bool,
    pub(super) max_empty_pages: u32,
    pub(super) totals_are_estimates: bool,
    /// By default so for pages whose places are computed, and not where they name each other.
    pub(super) short_page_ends: Option<bool>,
    pub(super) zero_cursor_ends: bool,
    pub(super) row_cap: Option<u64>,
    /// A link to the next page with this value of this attribute is none.
    #[serde(rename = "link_ends_with")]
    pub(super) link: Option<(String, String)>,
    /// Answers that mean, besides a 410, that the place of a page is gone: a status, and a text
    /// in the body.
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
    /// [`ErrorKind::Config`], naming the setting that this way of paging does not have.
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
    /// Reads a 404 past the first page as the end of the set, unless the page before it says
    /// that more follow. By default it is an error. A 416 there is the end in any case.
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

    /// So many pages in a row may be empty while something says that more follow, 1,000 by
    /// default: filters that are applied to pages leave some without rows. One more is an
    /// [`ErrorKind::Incomplete`].
    #[must_use]
    pub fn max_empty_pages(mut self, pages: u32) -> Self {
        self.ends.max_empty_pages = pages;
        self
    }

    /// Lets a read end before it has as many rows or pages as a total says, which is told as
    /// an [`Event::PagingWarning`](crate::events::Event::PagingWarning): for totals that are
    /// estimates or count rows that are not shown. By default that is an [`ErrorKind::Incomplete`].
    #[must_use]
    pub fn totals_are_estimates(mut self, yes: bool) -> Self {
        self.ends.totals_are_estimates = yes;
        self
    }

    /// Whether a page with fewer rows than the first one is the last.
    ///
    /// Where pages have numbers or offsets it is by default, if nothing else tells of the end;
    /// with `false` only a page without rows is, for APIs that leave rows out of their pages.
    /// Where pages name each other it is not by default; with `true` it is, whatever it names as
    /// the next, for APIs whose cursors and URLs go on for ever.
    #[must_use]
    pub fn short_page_ends(mut self, yes: bool) -> Self {
        self.ends.short_page_ends = Some(yes);
        self
    }

    /// Takes the cursor 0 for none, as `SCAN` of Redis means it. By default it is followed, and
    /// is an error if it leads to the first page.
    #[must_use]
    pub fn zero_cursor_ends(mut self, yes: bool) -> Self {
        self.ends.zero_cursor_ends = yes;
        self
    }

    /// The API hands out no more than `rows` rows of a set, at least 1, as searches do: no page
    /// that begins behind them is asked for, and a read that comes to them is an
    /// [`ErrorKind::Incomplete`] unless a total says that they are all.
    #[must_use]
    pub fn row_cap(mut self, rows: u64) -> Self {
        self.ends.row_cap = Some(rows);
        self
    }

    /// Takes an answer with this status whose body has `text` in it for one that says that the
    /// cursor or the URL of a page has expired, besides a 410: `expired_with(422, "cursor")`. It
    /// ends the read with [`ErrorKind::CursorExpired`], where it would be another error.
    #[must_use]
    pub fn expired_with(mut self, status: u16, text: &str) -> Self {
        self.ends.expired.push((status, text.to_owned()));
        self
    }

    /// Begins a read again, so many times at most, when the place of its next page
    /// [has expired](Self::expired_with), and passes over as many rows as were read. What is
    /// read then is not one state of the set: rows that came or went before that place are
    /// missing or come twice. It is told as an
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning). By default no read begins
    /// again.
    #[must_use]
    pub fn restart_when_expired(mut self, times: u32) -> Self {
        self.ends.restarts = times;
        self
    }

    pub(in crate::pager) fn restarts(&self) -> u32 {
        self.ends.restarts
    }

    /// Whether an answer says that the place of a page is gone.
    pub(in crate::pager) fn expires_with(&self, status: StatusCode, body: &[u8]) -> bool {
        let says = |text: &str| String::from_utf8_lossy(body).contains(text);
        status == StatusCode::GONE
            || self.ends.expired.iter().any(|(of, text)| *of == status.as_u16() && says(text))
    }

    /// Takes a link to the next page for none if it has this attribute with this value, for
    /// APIs that name a next page on every one: `link_ends_with("results", "false")`.
    #[must_use]
    pub fn link_ends_with(mut self, attribute: &str, value: &str) -> Self {
        self.ends.link = Some((attribute.to_owned(), value.to_owned()));
        self
    }
}
