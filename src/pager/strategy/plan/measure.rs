//! [pure] How many pages there are, by what pages say.

use super::{Plan, Steps};
use crate::pager::facts::Meta;

impl Plan {
    /// The number of pages, for a read whose pages are those of the API.
    pub(super) fn pages(&self, meta: &Meta) -> Option<u64> {
        meta.total_pages.filter(|_| self.is_whole || self.start > 0)
    }

    /// How many items a page has by what is known of it. A server may claim a larger size than
    /// it gives.
    pub(super) fn size(&self, meta: &Meta) -> Option<u64> {
        let claimed = meta.per_page.filter(|size| *size > 0);
        let given = Some(self.full).filter(|size| *size > 0);
        [claimed, given].into_iter().flatten().min().or(self.paging.size())
    }

    /// How many pages there are, if page `index` or an earlier one says anything. What more
    /// was read than a total allows is no total.
    pub(super) fn measure(&self, index: u64, meta: &Meta, next: Steps) -> Option<u64> {
        let is_all = |total: &u64| self.rows <= *total;
        let total = meta.total.filter(is_all);
        let pages = self.pages(meta).filter(|pages| index < *pages);
        let is_disproved = meta.total.is_some() && total.is_none();
        let earlier = self.known.filter(|_| !is_disproved);
        if self.paging.is_by_offset() {
            let by_rows = |total: u64| {
                let left = total.saturating_sub(next.row).div_ceil(next.stride);
                (index + 1).saturating_add(left)
            };
            return total.map(by_rows).or(pages).or(earlier);
        }
        pages.or_else(|| Some(total?.div_ceil(self.size(meta)?))).or(earlier)
    }
}
