//! A range of the pages of a request, which one of several processes reads.

use std::{fmt, num::NonZeroU64};

use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vantage_api_pool::{
    Error, PaginatedStream,
    paging::{Page, ResumeToken},
};

/// Pages that follow each other, after those rows of the first page that were read before.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PageRange {
    /// The number of the page that was read before, and its rows.
    pub(crate) read: Option<(u64, Vec<String>)>,
    /// The pages that are to be read.
    pub(crate) rest: Option<Rest>,
}

/// The pages of a range.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Rest {
    /// How many pages of the set are before them.
    pub(crate) before: u64,
    /// How many there are; up to the end of the set if it does not say.
    pub(crate) pages: Option<NonZeroU64>,
    /// Where they begin, signed with [`KEY`].
    pub(crate) start: ResumeToken,
}

/// The key of tokens in plans. It is not a secret: whoever may send a plan may say what is read, and what
/// the token is checked for is whether it is of the same read.
pub(crate) const KEY: [u8; 32] = *b"a place in a set, told by a plan";

impl PageRange {
    /// The number and the rows of the page that was read before.
    ///
    /// # Errors
    /// If one of them is not JSON.
    pub(super) fn first(&self) -> serde_json::Result<Option<(u64, Vec<Box<RawValue>>)>> {
        let Some((number, rows)) = &self.read else { return Ok(None) };
        let rows = rows.iter().map(|row| RawValue::from_string(row.clone()));
        Ok(Some((*number, rows.collect::<serde_json::Result<_>>()?)))
    }
}

impl Rest {
    /// Its pages of all of the set.
    pub(super) fn of(
        &self,
        rows: PaginatedStream<Box<RawValue>>,
    ) -> impl Stream<Item = Result<Page<Box<RawValue>>, Error>> + Send + Unpin + use<> {
        let mut rows = rows.signing_key(&KEY).resume_from(self.start.clone());
        let pages = self.pages.map_or(u64::MAX, NonZeroU64::get);
        if self.pages.is_some() {
            // None beyond the range is requested.
            rows = rows.max_pages(pages);
        }
        rows.pages().take(usize::try_from(pages).unwrap_or(usize::MAX))
    }
}

/// Which pages of the set it has, as plans show them.
impl fmt::Display for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |rest: &Rest| match self.read {
            Some(_) => 1,
            None => rest.before + 1,
        };
        match (&self.rest, &self.read) {
            (None, None) => f.write_str("none"),
            (None, Some(_)) => f.write_str("1"),
            (Some(rest), _) => match rest.pages {
                Some(pages) => write!(f, "{}-{}", first(rest), rest.before + pages.get()),
                None => write!(f, "{}-", first(rest)),
            },
        }
    }
}

/// Without its rows and its token.
impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageRange({self})")
    }
}
