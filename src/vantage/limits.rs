//! [pure] How large the sets may be that tables read as a whole.

use std::time::Duration;

use super::{ApiTable, PoolApi};
use crate::pager::Bounds;

impl Bounds {
    /// Those of a table, unless set otherwise.
    pub(super) const OF_TABLES: Self = Self {
        max_rows: 1_000_000,
        max_pages: 100_000,
        max_page_items: 500_000,
        deadline: Some(Duration::from_secs(60 * 60)),
        ..Self::NONE
    };
}

/// Those bounds of a table that are not as for the whole API.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnBounds {
    max_rows: Option<u64>,
    max_pages: Option<u64>,
    max_page_items: Option<u64>,
    deadline: Option<Duration>,
}

impl OwnBounds {
    /// The bounds of a table of an API with `common` ones.
    pub(super) fn or(self, common: Bounds) -> Bounds {
        Bounds {
            max_rows: self.max_rows.unwrap_or(common.max_rows),
            max_pages: self.max_pages.unwrap_or(common.max_pages),
            max_page_items: self.max_page_items.unwrap_or(common.max_page_items),
            deadline: self.deadline.or(common.deadline),
            ..common
        }
    }
}

impl PoolApi {
    /// How many rows a list of a table may have, and whatever else reads a whole set: counts
    /// and aggregates that the API does not make, orders that are made on rows, windows, joins,
    /// a delete of all rows. 1,000,000 by default; rows that conditions leave out do not count.
    /// One more is an error of the kind `set_too_large`, which names this setting. Streams of
    /// rows have no such limit.
    #[must_use]
    pub fn max_rows(self, rows: u64) -> Self {
        self.with(|settings| settings.bounds.max_rows = rows)
    }

    /// How many pages such a read may have of each set that it reads, at least 1: 100,000 by
    /// default. A set that goes on behind them is an error as for [`max_rows`](Self::max_rows).
    #[must_use]
    pub fn max_pages(self, pages: u64) -> Self {
        self.with(|settings| settings.bounds.max_pages = pages.max(1))
    }

    /// How many items one page of such a read may have: 500,000 by default. A page with more is
    /// an error as for [`max_rows`](Self::max_rows).
    #[must_use]
    pub fn max_page_items(self, items: u64) -> Self {
        self.with(|settings| settings.bounds.max_page_items = items)
    }

    /// How long such a read may take as a whole: an hour by default. One that takes longer is an
    /// error of the kind `deadline_exceeded`, which names this setting.
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        self.with(|settings| settings.bounds.deadline = Some(time))
    }
}

impl ApiTable {
    /// How many rows a list of the table may have, see [`PoolApi::max_rows`].
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.bounds.max_rows = Some(rows);
        self
    }

    /// How many pages a list of the table may have, see [`PoolApi::max_pages`].
    pub fn max_pages(mut self, pages: u64) -> Self {
        self.bounds.max_pages = Some(pages.max(1));
        self
    }

    /// How many items a page of a list of the table may have, see
    /// [`PoolApi::max_page_items`].
    pub fn max_page_items(mut self, items: u64) -> Self {
        self.bounds.max_page_items = Some(items);
        self
    }

    /// How long a list of the table may take, see [`PoolApi::deadline`].
    pub fn deadline(mut self, time: Duration) -> Self {
        self.bounds.deadline = Some(time);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_table_does_not_set_is_as_for_the_api() {
        let common = Bounds { max_pages: 7, ..Bounds::OF_TABLES };
        let own = ApiTable::new().max_rows(3).max_page_items(2).bounds.or(common);
        assert_eq!((own.max_rows, own.max_pages, own.max_page_items), (3, 7, 2));
        assert_eq!(own.deadline, Some(Duration::from_secs(3_600)));
    }
}
