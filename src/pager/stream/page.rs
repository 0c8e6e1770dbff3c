//! One page of a stream: its bytes, its items, and where the stream resumes after it.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    error::Error,
    pager::{
        page::OpenPage,
        resume_token::{ReadIdentity, ResumeToken},
        strategy::Position,
    },
    signer::Signer,
};

/// One page of a [`PaginatedStream`](crate::PaginatedStream), from
/// [`pages`](crate::PaginatedStream::pages): an iterator that builds its items as they are
/// taken.
///
/// It can be sent to another thread, which allows several pages to be decoded at a time. Each item
/// is built on the thread that takes it, however long it is. An item
/// that does not have the requested type is an [`ErrorKind::Decode`](crate::ErrorKind::Decode)
/// with the number of the page; a decoder that panics is an
/// [`ErrorKind::Callback`](crate::ErrorKind::Callback). The iterator ends after either.
///
/// ```no_run
/// use futures::StreamExt;
/// use vantage_api_pool::{AwwPool, PaginatedStream, paging::ResumeToken};
///
/// # async fn demo(pool: AwwPool, kept: ResumeToken) -> Result<(), vantage_api_pool::Error> {
/// let mut pages = PaginatedStream::get(&pool, "/rows").resume_from(kept).pages();
/// while let Some(page) = pages.next().await {
///     let page = page?;
///     let after = page.resume_token();
///     let rows: Vec<_> = page.collect::<Result<_, _>>()?;
///     // … the rows and `after` go into one transaction …
/// #   drop((rows, after));
/// }
/// # Ok(()) }
/// ```
pub struct Page<T: Send + 'static> {
    pub(super) page: OpenPage<T>,
    pub(super) after: Position,
    pub(super) total: Option<u64>,
    /// Which read it belongs to, and who signs its tokens.
    pub(super) read: Arc<(ReadIdentity, Signer)>,
}

impl<T: Send + 'static> Page<T> {
    /// The number of the page as the API counts it, from 1 unless set otherwise. If the API does
    /// not number its pages, the position of the page in the read.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.page.number
    }

    /// The body as it arrived. For a page that was partly read before, this includes the items
    /// already taken.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        self.page.response.body()
    }

    /// The JSON text of each item that was not taken yet, as it came: nothing is built, and no item
    /// is taken. The iterator ends after an error, that of a page with more items than
    /// [the stream may read](crate::PaginatedStream::max_rows).
    ///
    /// ```no_run
    /// # fn demo(page: vantage_api_pool::paging::Page<serde_json::Value>) -> Result<(), vantage_api_pool::Error> {
    /// for row in page.texts() {
    ///     println!("{}", row?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn texts(&self) -> impl Iterator<Item = Result<&str, Error>> {
        self.page.texts()
    }

    /// How many items the set has, as the last page so far that said so has it. APIs count while
    /// rows come and go, so it may differ from what is read.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Where the stream stands after all items of this page, whether they were taken or not. Keep
    /// it once they were taken: a stream that [resumes](crate::PaginatedStream::resume_from) there
    /// begins with the page after this one.
    #[must_use]
    pub fn resume_token(&self) -> ResumeToken {
        let (identity, signer) = &*self.read;
        ResumeToken::signed(self.after.clone(), identity.clone(), signer)
    }
}

impl<T: Send + 'static> Iterator for Page<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.page.next_item()
    }
}

impl<T: Send + 'static> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("number", &self.number()).finish_non_exhaustive()
    }
}
