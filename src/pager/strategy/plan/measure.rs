//! [pure] How many pages there are, according to the pages.

use super::{Plan, Stride};
use crate::pager::facts::PageInfo;

impl Plan {
    /// The number of pages, for a read whose pages are those of the API.
    pub(super) fn pages(&self, info: &PageInfo) -> Option<u64> {
        info.total_pages.filter(|_| self.is_whole || self.start > 0)
    }

    /// How many items a page has, as far as known. A server may claim a larger size than it gives.
    pub(super) fn size(&self, info: &PageInfo) -> Option<u64> {
        let claimed = info.per_page.filter(|size| *size > 0);
        let given = Some(self.full).filter(|size| *size > 0);
        [claimed, given].into_iter().flatten().min().or(self.paging.size())
    }

    /// How many pages there are, if page `index` or an earlier one says so. A total below the rows
    /// already read is ignored.
    pub(super) fn measure(&self, index: u64, info: &PageInfo, next: Stride) -> Option<u64> {
        let is_all = |total: &u64| self.rows <= *total;
        let total = info.total.filter(is_all);
        let pages = self.pages(info).filter(|pages| index < *pages);
        let is_disproved = info.total.is_some() && total.is_none();
        let earlier = self.known.filter(|_| !is_disproved);
        if self.paging.is_by_offset() {
            let by_rows = |total: u64| {
                let left = total.saturating_sub(next.row).div_ceil(next.rows_each);
                (index + 1).saturating_add(left)
            };
            return total.map(by_rows).or(pages).or(earlier);
        }
        pages.or_else(|| Some(total?.div_ceil(self.size(info)?))).or(earlier)
    }
}
