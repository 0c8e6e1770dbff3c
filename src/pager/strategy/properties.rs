//! [pure] What is true of each way to page.

use http::StatusCode;

use super::{Export, FollowUp, Mode, PageAddress, Paging, custom::Custom};
use crate::{base_url::BaseUrl, error::Error};

impl Paging {
    /// Whether the place of every page can be computed, which allows requests in any order.
    pub(crate) fn is_addressable(&self) -> bool {
        matches!(self.mode, Mode::Number { .. } | Mode::Offset { .. } | Mode::Range { .. })
    }

    /// Whether pages are requested by the offset of their first row.
    pub(crate) fn is_by_offset(&self) -> bool {
        matches!(self.mode, Mode::Offset { .. } | Mode::Range { .. })
    }

    /// Whether pages are requested by a `Range` header.
    pub(in crate::pager) fn is_by_range(&self) -> bool {
        matches!(self.mode, Mode::Range { .. })
    }

    /// How many items a page is asked to have, if that is set.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether each page can be requested by a number or an offset, without another one.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        matches!(self.mode, Mode::Number { .. } | Mode::Offset { .. }) && !self.is_in_windows()
    }

    /// Whether the set may take more than one page.
    pub(crate) fn is_paged(&self) -> bool {
        self.mode != (Mode::None {})
    }

    /// Whether each page names the next one.
    pub(crate) fn is_chained(&self) -> bool {
        self.is_paged() && !self.is_addressable()
    }

    /// Whether the set is read from its start only: pages name each other, or it is cut in windows.
    pub(crate) fn is_sequential(&self) -> bool {
        self.is_chained() || self.is_in_windows()
    }

    /// Whether the set is cut in windows of time.
    pub(crate) fn is_in_windows(&self) -> bool {
        self.windows.is_some()
    }

    pub(super) fn is_led_by_urls(&self) -> bool {
        matches!(
            self.mode,
            Mode::NextUrl { .. }
                | Mode::HeaderUrl { .. }
                | Mode::Link {}
                | Mode::Export(_)
                | Mode::Custom(_)
        )
    }

    /// Whether a total is no place at which the API's row cap may have cut it.
    pub(crate) fn is_told_below_the_cap(&self, total: Option<u64>) -> bool {
        self.ends.row_cap.is_none_or(|cap| total != Some(cap))
    }

    pub(crate) fn is_not_found_the_end(&self) -> bool {
        self.ends.not_found_ends
    }

    pub(in crate::pager) fn most_rows(&self) -> Option<u64> {
        self.ends.row_cap
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

    /// Whether pages are linked by the `Link` header.
    pub(super) fn is_link(&self) -> bool {
        self.mode == (Mode::Link {})
    }

    /// What names the next page, for error messages.
    pub(in crate::pager) fn pointer_name(&self) -> String {
        match &self.mode {
            Mode::Cursor { next, .. } | Mode::NextUrl { next } => format!("`{next}`"),
            Mode::HeaderCursor { header, .. } | Mode::HeaderUrl { header } => {
                format!("the header `{header}`")
            }
            Mode::Keyset { field, .. } => format!("the `{field}` of the last row"),
            Mode::Link {} => "the `Link` header".into(),
            Mode::Export(_) => "the export".into(),
            Mode::Auto {} => "the first page".into(),
            Mode::Custom(_) => "the strategy".into(),
            Mode::Number { .. } | Mode::Offset { .. } | Mode::Range { .. } | Mode::None {} => {
                "the paging".into()
            }
        }
    }

    /// The same, requesting at most `items` items per page.
    pub(crate) fn at_most(mut self, items: u64) -> Self {
        self.size = self.size.map(|size| size.min(items.max(1)));
        self
    }

    /// The base URLs that are allowed by name, as they were given.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins.0
    }

    /// The base URLs that are allowed by name.
    pub(in crate::pager) fn allowed(&self) -> Result<Vec<BaseUrl>, Error> {
        let parsed = self.origins.0.iter().map(|origin| BaseUrl::parse(origin));
        parsed
            .collect::<Result<_, _>>()
            .map_err(|source| Error::config("allow_origin: is not a base URL").with_source(source))
    }

    /// The user's strategy, if there is one.
    pub(in crate::pager) fn strategy(&self) -> Option<&Custom> {
        match &self.mode {
            Mode::Custom(custom) => Some(custom),
            _ => None,
        }
    }

    /// How the pages after the first one are requested, if not from the endpoint.
    pub(in crate::pager) fn as_follow_up(&self) -> Option<&FollowUp> {
        self.follow_up.as_ref()
    }

    /// Whether each page can be requested once.
    pub(in crate::pager) fn is_forward_only(&self) -> bool {
        self.follow_up.as_ref().is_some_and(FollowUp::is_forward_only)
    }

    /// Whether the last cursor of a read is given up.
    pub(in crate::pager) fn closes(&self) -> bool {
        self.follow_up.as_ref().is_some_and(|follow_up| follow_up.closes_at().is_some())
    }

    /// Whether the cursor of a page is sent in a body, as JSON.
    pub(super) fn has_cursor_in_body(&self) -> bool {
        match &self.follow_up {
            Some(follow_up) => follow_up.body().is_some(),
            None => self.post.is_some(),
        }
    }

    /// Whether each read of the set makes a job.
    pub(crate) fn is_export(&self) -> bool {
        self.as_export().is_some()
    }

    /// The export, if it is one.
    pub(in crate::pager) fn as_export(&self) -> Option<&Export> {
        match &self.mode {
            Mode::Export(export) => Some(export),
            _ => None,
        }
    }

    /// Whether it is decided from the first page.
    pub(in crate::pager) fn is_auto(&self) -> bool {
        self.mode == (Mode::Auto {})
    }

    /// Where a custom strategy places the page with this row, and the first row of that page.
    pub(crate) fn page_with_row(&self, row: u64) -> Option<(PageAddress, u64)> {
        let Mode::Custom(custom) = &self.mode else { return None };
        custom.page_with_row(row).map(|(page, first)| (PageAddress::Custom(page), first))
    }
}
