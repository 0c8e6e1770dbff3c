//! [pure] The limits of a read: rows, pages, items of a page and time. Each limit has the
//! name of its setting, for errors.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

/// The limits of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) max_rows: u64,
    pub(crate) max_pages: u64,
    pub(crate) max_page_items: u64,
    pub(crate) deadline: Option<Duration>,
    /// The time of the deadline, once the read has begun.
    pub(crate) until: Option<Instant>,
}

impl Bounds {
    /// No limits.
    pub(crate) const NONE: Self = Self {
        max_rows: u64::MAX,
        max_pages: u64::MAX,
        max_page_items: u64::MAX,
        deadline: None,
        until: None,
    };

    /// The same for a read that begins now, or has begun before.
    pub(crate) fn begun(self, now: Instant) -> Self {
        let until = self.until.or_else(|| now.checked_add(self.deadline?));
        Self { until, ..self }
    }

    /// The same with any number of rows.
    pub(crate) fn of_any_rows(self) -> Self {
        Self { max_rows: u64::MAX, ..self }
    }

    /// How many items of its next page a read may take after `rows` rows.
    pub(super) fn next_items(&self, rows: u64) -> u64 {
        self.max_page_items.min(self.max_rows.saturating_sub(rows))
    }

    /// How long a read may still take. `None` without a deadline.
    pub(super) fn left(&self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now()))
    }

    /// The error of a page with `items` items, one of which is too many.
    pub(super) fn passed_by(&self, items: u64) -> Error {
        self.check_items(items).err().unwrap_or_else(|| self.too_many_rows())
    }

    /// # Errors
    /// [`ErrorKind::SetTooLarge`] for more than [`max_rows`](Self::max_rows).
    pub(crate) fn check_rows(&self, rows: u64) -> Result<(), Error> {
        if rows > self.max_rows { Err(self.too_many_rows()) } else { Ok(()) }
    }

    fn too_many_rows(&self) -> Error {
        too_large(format!("the read has more than the {} rows that max_rows allows", self.max_rows))
    }

    /// # Errors
    /// [`ErrorKind::SetTooLarge`] for more than [`max_pages`](Self::max_pages).
    pub(super) fn check_pages(&self, pages: u64) -> Result<(), Error> {
        let most = self.max_pages;
        if pages <= most {
            return Ok(());
        }
        Err(too_large(format!("the read has more than the {most} pages that max_pages allows")))
    }

    /// # Errors
    /// [`ErrorKind::SetTooLarge`] for more than [`max_page_items`](Self::max_page_items).
    pub(super) fn check_items(&self, items: u64) -> Result<(), Error> {
        let most = self.max_page_items;
        if items <= most {
            return Ok(());
        }
        let what = format!("the page has more than the {most} items that max_page_items allows");
        Err(too_large(what))
    }

    /// # Errors
    /// [`ErrorKind::DeadlineExceeded`] after the [`deadline`](Self::deadline).
    pub(super) fn check_time(&self, now: impl FnOnce() -> Instant) -> Result<(), Error> {
        if self.until.is_none_or(|until| now() < until) {
            return Ok(());
        }
        let limit = self.deadline.unwrap_or_default();
        let what = format!("the read has not ended within {limit:?}, as its deadline says");
        Err(Error::new(ErrorKind::DeadlineExceeded, what))
    }
}

fn too_large(what: String) -> Error {
    Error::new(ErrorKind::SetTooLarge, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_reached_and_not_passed_and_named_in_its_error() {
        let bounds = Bounds { max_rows: 3, max_pages: 2, max_page_items: 2, ..Bounds::NONE };
        assert!(bounds.check_rows(3).is_ok() && bounds.check_pages(2).is_ok());
        assert!(bounds.check_items(2).is_ok());
        for (outcome, named) in [
            (bounds.check_rows(4), "more than the 3 rows that max_rows"),
            (bounds.check_pages(3), "more than the 2 pages that max_pages"),
            (Err(bounds.passed_by(2)), "more than the 3 rows that max_rows"),
            (Err(bounds.passed_by(3)), "more than the 2 items that max_page_items"),
            (bounds.check_items(3), "more than the 2 items that max_page_items"),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SetTooLarge);
            assert!(error.to_string().contains(named), "{error}");
        }
        assert_eq!([bounds.next_items(0), bounds.next_items(2), bounds.next_items(9)], [2, 1, 0]);
    }

    #[test]
    fn the_time_of_a_read_counts_from_its_first_beginning() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let bounds = Bounds { deadline: Some(second), ..Bounds::NONE };
        assert!(bounds.check_time(|| now + second).is_ok());
        let begun = bounds.begun(now).begun(now + second);
        assert!(begun.check_time(|| now).is_ok());
        assert_eq!(begun.left(|| now), Some(second));
        let error = begun.check_time(|| now + second).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.to_string().contains("within 1s, as its deadline"), "{error}");
        let endless = Bounds { deadline: Some(Duration::MAX), ..Bounds::NONE };
        assert_eq!(endless.begun(now).left(|| now), None);
    }
}
