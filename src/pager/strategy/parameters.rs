//! [pure] The query parameters that request a page, and where a read begins.

use std::borrow::Cow;

use super::{Mode, PageAddress, PageRequest, Paging};
use crate::error::Error;

impl Paging {
    /// The name of the query parameter that says which page is requested, if there is one.
    pub(super) fn param(&self) -> Option<&str> {
        match &self.mode {
            Mode::Number { param, .. } | Mode::Offset { param } | Mode::Cursor { param, .. } => {
                Some(param)
            }
            Mode::NextUrl { .. } | Mode::Link {} | Mode::Custom(_) | Mode::None {} => None,
        }
    }

    /// The names of the query parameters that paging sets.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        self.param().into_iter().chain(self.size_param.as_deref()).collect()
    }

    /// The API's number for the page with this index; if it does not number pages, they count
    /// from 1.
    pub(crate) fn number(&self, index: u64) -> u64 {
        let first = match self.mode {
            Mode::Number { first, .. } => first.unwrap_or(1),
            Mode::Offset { .. }
            | Mode::Cursor { .. }
            | Mode::NextUrl { .. }
            | Mode::Link {}
            | Mode::Custom(_)
            | Mode::None {} => 1,
        };
        first.saturating_add(index)
    }

    /// The address of the first page.
    pub(crate) fn start(&self) -> PageAddress {
        match &self.mode {
            Mode::Number { .. } => PageAddress::Page(0),
            Mode::Offset { .. } => PageAddress::Offset(0),
            Mode::Cursor { .. }
            | Mode::NextUrl { .. }
            | Mode::Link {}
            | Mode::Custom(_)
            | Mode::None {} => PageAddress::Start,
        }
    }

    /// Whether a read by this paging can get to such an address.
    pub(in crate::pager) fn leads_to(&self, address: &PageAddress) -> bool {
        match &self.mode {
            Mode::Number { .. } => matches!(address, PageAddress::Page(_)),
            Mode::Offset { .. } => matches!(address, PageAddress::Offset(_)),
            Mode::Cursor { .. } => matches!(address, PageAddress::Start | PageAddress::Cursor(_)),
            Mode::NextUrl { .. } | Mode::Link {} => matches!(
                address,
                PageAddress::Start | PageAddress::Url(_) | PageAddress::Untrusted(_)
            ),
            Mode::Custom(_) => matches!(
                address,
                PageAddress::Start | PageAddress::Custom(_) | PageAddress::Untrusted(_)
            ),
            Mode::None {} => *address == PageAddress::Start,
        }
    }

    /// What a custom strategy requests first.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`](crate::ErrorKind::Callback) when it panics.
    pub(in crate::pager) fn first_request(&self) -> Result<Option<PageRequest>, Error> {
        let Mode::Custom(custom) = &self.mode else { return Ok(None) };
        custom.first().map(Some)
    }

    /// The query parameters that request a page, with another size if `size` is given.
    pub(crate) fn query<'a>(
        &'a self,
        address: &'a PageAddress,
        size: Option<u64>,
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        let value = match address {
            PageAddress::Page(index) => Some(self.number(*index).to_string().into()),
            PageAddress::Offset(row) => Some(row.to_string().into()),
            PageAddress::Cursor(cursor) => Some(cursor.into()),
            PageAddress::Start
            | PageAddress::Url(_)
            | PageAddress::Untrusted(_)
            | PageAddress::Custom(_) => None,
        };
        let place = self.param().zip(value).filter(|_| self.leads_to(address));
        let own = self.size_param.as_deref().zip(self.size).filter(|_| self.is_paged());
        let own = own.map(|(name, own)| (name, size.unwrap_or(own).to_string().into()));
        place.into_iter().chain(own).collect()
    }
}
