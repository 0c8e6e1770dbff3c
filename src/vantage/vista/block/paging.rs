//! [pure] How a table is handed out page by page, in YAML.

use serde::{Deserialize, Serialize};
use vantage_core::Result;

use super::incorrect;
use crate::pager::{Paging, UrlPart};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagingBlock {
    by: By,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// Where the cursor or the URL of the next page is in a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Base URLs that the next page may be at, besides the API's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow_origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size_param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default)]
    not_found_ends: bool,
    #[serde(default)]
    not_found_is_empty: bool,
    #[serde(default)]
    fail_on_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_empty_pages: Option<u32>,
    #[serde(default)]
    totals_are_estimates: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short_page_ends: Option<bool>,
    #[serde(default)]
    zero_cursor_ends: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_cap: Option<u64>,
    /// The attribute of a link to the next page and the value that make it none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link_ends_with: Option<(String, String)>,
    #[serde(default)]
    next_url_part: UrlPart,
    /// Statuses and texts of answers that mean that a cursor has expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expired_with: Vec<(u16, String)>,
    #[serde(default)]
    restart_when_expired: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    None,
    Page,
    Offset,
    Cursor,
    NextUrl,
    Link,
}

impl PagingBlock {
    pub(super) fn origins(&self) -> &[String] {
        &self.allow_origins
    }

    /// # Errors
    /// `IncorrectUsage` for a setting that this way of paging lacks or does not have.
    pub(super) fn settings(&self) -> Result<Paging> {
        let by = self.by;
        self.only(self.param.is_some(), &[By::Page, By::Offset, By::Cursor], "param")?;
        self.only(self.next.is_some(), &[By::Cursor, By::NextUrl], "next")?;
        self.only(self.first.is_some(), &[By::Page], "first")?;
        self.only(!self.allow_origins.is_empty(), &[By::NextUrl, By::Link], "allow_origins")?;
        self.only(by == By::None && self.size.is_some(), &[], "size")?;
        let size = match (&self.size_param, self.size) {
            (Some(param), Some(size)) => Some((param.as_str(), size)),
            (None, None) => None,
            _ => return Err(incorrect("`size` and `size_param` belong together")),
        };
        let lacks = |what: &str| incorrect(&format!("this way of paging needs `{what}`"));
        let param = || self.param.as_deref().ok_or_else(|| lacks("param"));
        let next = || self.next.as_deref().ok_or_else(|| lacks("next"));
        let mut paging = match by {
            By::None => Paging::none(),
            By::Page => Paging::page_number(),
            By::Offset => {
                let (size_param, size) = size.ok_or_else(|| lacks("size"))?;
                Paging::offset_limit(param()?, size_param, size)
            }
            By::Cursor => Paging::cursor(param()?, next()?),
            By::NextUrl => Paging::next_url(next()?),
            By::Link => Paging::link_header(),
        };
        if let Some(param) = &self.param {
            paging = paging.page_param(param);
        }
        if let Some(first) = self.first {
            paging = paging.first_page(first);
        }
        if let Some((param, size)) = size {
            paging = paging.page_size(param, size);
        }
        for origin in &self.allow_origins {
            paging = paging.allow_origin(origin);
        }
        let paging = self.ends(paging).next_url_part(self.next_url_part);
        paging.check()?;
        Ok(paging)
    }

    /// The settings of the end of the set.
    fn ends(&self, mut paging: Paging) -> Paging {
        if let Some(pages) = self.max_empty_pages {
            paging = paging.max_empty_pages(pages);
        }
        if let Some(yes) = self.short_page_ends {
            paging = paging.short_page_ends(yes);
        }
        if let Some(rows) = self.row_cap {
            paging = paging.row_cap(rows);
        }
        for (status, text) in &self.expired_with {
            paging = paging.expired_with(*status, text);
        }
        if let Some((attribute, value)) = &self.link_ends_with {
            paging = paging.link_ends_with(attribute, value);
        }
        paging
            .not_found_ends(self.not_found_ends)
            .not_found_is_empty(self.not_found_is_empty)
            .fail_on_change(self.fail_on_change)
            .totals_are_estimates(self.totals_are_estimates)
            .zero_cursor_ends(self.zero_cursor_ends)
            .restart_when_expired(self.restart_when_expired)
    }

    fn only(&self, is_set: bool, ways: &[By], setting: &str) -> Result<()> {
        match is_set && !ways.contains(&self.by) {
            true => Err(incorrect(&format!("this way of paging has no `{setting}`"))),
            false => Ok(()),
        }
    }
}
