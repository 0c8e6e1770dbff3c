//! The pages of a scan in ranges, one for each process.

use std::{fmt, num::NonZeroU64};

use datafusion::error::Result;
use futures::StreamExt;
use vantage_api_pool::{
    paging::{Page, ResumeToken},
    vantage::PoolTableExt,
};

use crate::{
    error::SqlError,
    scan::{ApiScanExec, KEY, PageRange, Rest},
};

/// What the first page has told. It is not requested again: its rows go with the first range.
pub(super) struct Division {
    first: Option<(u64, Vec<String>)>,
    /// Where the second page begins, if there is one.
    after: Option<ResumeToken>,
    /// How many pages follow, as far as ranges are made of them.
    pub(super) pages: u64,
}

impl Division {
    /// Reads the first page of a scan. `None` if that is not one request with its next pages.
    ///
    /// # Errors
    /// If the page cannot be read.
    pub(super) async fn of(scan: &ApiScanExec) -> Result<Option<Self>> {
        let source = scan.source();
        let reads = source.reads(scan.request())?;
        let [read] = reads.as_slice() else { return Ok(None) };
        let rows = read.table.stream_json().await;
        let rows = rows.map_err(|error| SqlError::of_vantage(&source.name, &error))?;
        let mut pages = rows.prefetch(1).signing_key(&KEY).max_pages(1).pages();
        let failed = |error| SqlError::Page { table: source.name.clone(), source: error };
        let Some(page) = pages.next().await.transpose().map_err(failed)? else {
            return Ok(Some(Self { first: None, after: None, pages: 0 }));
        };
        if let Some(total) = page.total() {
            source.tell_total(&read.conditions, total);
        }
        let texts = page.texts().map(|row| row.map(str::to_owned));
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let (after, pages) = rest_of(&page);
        Ok(Some(Self { first: Some((page.number(), texts)), after, pages }))
    }

    /// A range for each of so many processes. Some have no pages if there are fewer of these.
    pub(super) fn ranges(&self, processes: usize) -> Vec<PageRange> {
        let lengths = split(self.pages, processes.max(1));
        let mut before = 0;
        let ranges = lengths.into_iter().enumerate().map(|(at, length)| {
            let start = self.after.as_ref().filter(|_| length > 0);
            // A page that was read whole is behind the place, which may be in it.
            let start = start.and_then(|after| match before {
                0 => after.ahead(0, &KEY).or_else(|| Some(after.clone())),
                before => after.ahead(before, &KEY),
            });
            // The last one has no end: rows that come meanwhile are read.
            let own = NonZeroU64::new(length).filter(|_| before + length < self.pages);
            let rest = start.map(|start| Rest { before: before + 1, pages: own, start });
            before += length;
            PageRange { read: self.first.clone().filter(|_| at == 0), rest }
        });
        ranges.collect()
    }
}

/// Where the pages after the first one begin, and how many there are: one range, if they cannot be
/// counted.
fn rest_of<T: Send + 'static>(first: &Page<T>) -> (Option<ResumeToken>, u64) {
    let after = first.resume_token();
    if after.is_end() {
        return (None, 0);
    }
    let total = first.total().filter(|_| after.ahead(0, &KEY).is_some());
    let all = total.map(|total| total.div_ceil(after.page_size().max(1)));
    (Some(after), all.map_or(1, |all| all.saturating_sub(1).max(1)))
}

/// So many pages for each of some parts, as evenly as they can be divided.
fn split(pages: u64, parts: usize) -> Vec<u64> {
    let count = parts as u64;
    (0..count).map(|part| pages / count + u64::from(part < pages % count)).collect()
}

/// Without rows and tokens.
impl fmt::Debug for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Division").field("pages", &self.pages).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_divided_evenly() {
        assert_eq!(split(1_999, 2), [1_000, 999]);
        assert_eq!(split(2, 3), [1, 1, 0]);
        assert_eq!(split(0, 2), [0, 0]);
    }

    #[test]
    fn a_set_of_one_page_is_one_range() {
        let division = Division { first: Some((1, vec!["{}".into()])), after: None, pages: 0 };
        let shown: Vec<_> = division.ranges(2).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1", "none"]);
    }
}
