//! [pure] Where a read stands.

use serde::{Deserialize, Serialize};

use super::{LastRow, PageAddress, Paging, Window};
use crate::error::Error;

/// No set has more pages than this.
const MAX_INDEX: u64 = 1 << 48;

/// Where a read stands: at a page, and how many of its items were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pager) struct Position {
    /// The index of the page, from 0.
    pub(in crate::pager) index: u64,
    /// Where it is; `None` after the last page.
    pub(in crate::pager) address: Option<PageAddress>,
    pub(in crate::pager) taken: u64,
    /// How many items a full page has; 0 if that is not known.
    pub(in crate::pager) full: u64,
    /// How many rows of the set are before the page.
    #[serde(default)]
    pub(in crate::pager) rows: u64,
    /// The window that the page is in, as it was before the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pager) window: Option<Box<Window>>,
    /// The last row before the page, if the read may go on after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pager) last: Option<Box<LastRow>>,
    /// The paging that was decided by the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pager) decided: Option<Box<Paging>>,
}

impl Position {
    /// The start of a page which begins with this row of the set.
    pub(in crate::pager) fn at(address: PageAddress, rows: u64) -> Self {
        Self {
            index: 0,
            address: Some(address),
            taken: 0,
            full: 0,
            rows,
            window: None,
            last: None,
            decided: None,
        }
    }

    /// Moves to the start of another page, or to the end.
    pub(in crate::pager) fn go_to(&mut self, index: u64, address: Option<PageAddress>, rows: u64) {
        (self.index, self.address, self.taken, self.rows) = (index, address, 0, rows);
    }

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a position that a read by `paging`
    /// cannot be at.
    pub(in crate::pager) fn check(&self, paging: &Paging) -> Result<(), Error> {
        let leads_there = |address| self.index <= MAX_INDEX && paging.leads_to(address);
        let is_in_windows = self.window.is_none() || paging.windows.is_some();
        if is_in_windows && self.address.as_ref().is_none_or(leads_there) {
            return Ok(());
        }
        Err(Error::config("resume_from: the token is of a read with another paging"))
    }
}
