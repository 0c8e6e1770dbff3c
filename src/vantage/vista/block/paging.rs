//! [pure] How a table is handed out page by page, in YAML.

use serde::{Deserialize, Serialize};
use vantage_core::Result;

use super::incorrect;
use crate::pager::Paging;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagingBlock {
    by: By,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size_param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default)]
    not_found_ends: bool,
    #[serde(default)]
    fail_on_change: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    None,
    Page,
}

impl PagingBlock {
    /// # Errors
    /// `IncorrectUsage` for a setting that this way of paging lacks or does not have.
    pub(super) fn settings(&self) -> Result<Paging> {
        let mut paging = match self.by {
            By::None => Paging::none(),
            By::Page => Paging::page_number(),
        };
        if let Some(param) = &self.param {
            self.only(&[By::Page], "param")?;
            paging = paging.page_param(param);
        }
        if let Some(first) = self.first {
            self.only(&[By::Page], "first")?;
            paging = paging.first_page(first);
        }
        paging = match (&self.size_param, self.size) {
            (Some(param), Some(size)) => {
                self.only(&[By::Page], "size")?;
                paging.page_size(param, size)
            }
            (None, None) => paging,
            _ => return Err(incorrect("`size` and `size_param` belong together")),
        };
        Ok(paging.not_found_ends(self.not_found_ends).fail_on_change(self.fail_on_change))
    }

    fn only(&self, ways: &[By], setting: &str) -> Result<()> {
        match ways.contains(&self.by) {
            true => Ok(()),
            false => Err(incorrect(&format!("this way of paging has no `{setting}`"))),
        }
    }
}
