//! Limits of a stream: rows, pages, items of a page and time.

use std::time::Duration;

use super::PaginatedStream;
use crate::pager::Bounds;

impl<T: Send + 'static> PaginatedStream<T> {
    /// At most this many items are yielded: unlimited by default. After them, one more item is an
    /// [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that names this setting.
    #[must_use]
    pub fn max_rows(self, rows: u64) -> Self {
        self.set(|target| target.bounds.max_rows = rows)
    }

    /// At most this many pages are read, at least 1: unlimited by default. If the set has more,
    /// the stream ends with an [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that
    /// names this setting.
    #[must_use]
    pub fn max_pages(self, pages: u64) -> Self {
        self.set(|target| target.bounds.max_pages = pages.max(1))
    }

    /// A page has at most this many items: unlimited by default. A page with more is an
    /// [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that names this setting: before
    /// any of its items if the number is known by then, and otherwise after this many items.
    #[must_use]
    pub fn max_page_items(self, items: u64) -> Self {
        self.set(|target| target.bounds.max_page_items = items)
    }

    /// How long the whole read may take from the first poll of the stream, including the time of
    /// the consumer: unlimited by default. A page that is in flight at the deadline, or is due
    /// later, is an [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded) that names
    /// this setting. Each page has the pool's [`call_timeout`](crate::PoolBuilder::call_timeout) as
    /// well.
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        self.set(|target| target.bounds.deadline = Some(time))
    }

    /// All four limits at once, for a read that may have begun already.
    pub(crate) fn within(self, bounds: Bounds) -> Self {
        self.set(|target| target.bounds = bounds)
    }
}
