//! How much a stream may take, and how long.

use std::time::Duration;

use super::PaginatedStream;
use crate::pager::Bounds;

impl<T: Send + 'static> PaginatedStream<T> {
    /// At most this many items are yielded: any number by default. One more is an
    /// [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that names this setting, after
    /// those that there may be.
    #[must_use]
    pub fn max_rows(self, rows: u64) -> Self {
        self.set(|target| target.bounds.max_rows = rows)
    }

    /// At most this many pages are read, at least 1: any number by default. If the set goes on
    /// behind them, the stream ends with an
    /// [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that names this setting.
    #[must_use]
    pub fn max_pages(self, pages: u64) -> Self {
        self.set(|target| target.bounds.max_pages = pages.max(1))
    }

    /// A page has at most this many items: any number by default. One with more is an
    /// [`ErrorKind::SetTooLarge`](crate::ErrorKind::SetTooLarge) that names this setting, if it
    /// can be told before any of them is built, and else after so many.
    #[must_use]
    pub fn max_page_items(self, items: u64) -> Self {
        self.set(|target| target.bounds.max_page_items = items)
    }

    /// How long the whole read may take from when the stream is first polled, the consumer's
    /// own time included: any time by default. A page that is under way then, and one whose turn
    /// comes later, is an [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded)
    /// that names this setting. Each page has the pool's
    /// [`call_timeout`](crate::PoolBuilder::call_timeout) besides.
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        self.set(|target| target.bounds.deadline = Some(time))
    }

    /// All four at once, of a read that may have begun.
    pub(crate) fn within(self, bounds: Bounds) -> Self {
        self.set(|target| target.bounds = bounds)
    }
}
