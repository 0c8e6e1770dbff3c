//! The consumer's end of a paged read: settings before it starts, items while it runs.

mod limits;
mod page;
mod state;

pub use page::Page;
use state::{ResumePoint, StreamState};

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{Stream, stream};
use serde::de::DeserializeOwned;

use super::{
    endpoint::{Endpoint, Headers},
    envelope::Envelope,
    format::{ItemDecoder, Typed, decode_by},
    mode::ReadMode,
    page_path::PagePath,
    reader::Reader,
    resume_token::ResumeToken,
    strategy::{PageAddress, Paging, Position},
};
use crate::{dispatch::PoolLink, error::Error, priority::Priority, signer::Signer};

/// The items of a paged endpoint, in server order.
///
/// Nothing is requested before the stream is first polled. The first page is requested alone;
/// after it, pages are fetched in parallel as far as [`Paging`] and [`mode`](Self::mode) allow,
/// with at most [`prefetch`](Self::prefetch) of them in flight or in memory, and are delivered
/// in order. A consumer that stops reading stops the requests; dropping the stream cancels them.
///
/// A stream yields at most one error, as its last item, after every item of the pages before it
/// and perhaps some items of the failed page. A stream that ends without an error has seen no sign
/// that rows are missing; [`Paging`] says what the signs are, and has settings to ignore some.
/// Items are built one by one, on the thread that reads them; one of 256 KiB or more is built on
/// another, so that no poll takes long.
///
/// ```no_run
/// use futures::StreamExt;
/// use vantage_api_pool::{AwwPool, PaginatedStream};
///
/// # async fn demo() -> Result<(), vantage_api_pool::Error> {
/// let pool = AwwPool::new(3, None, false, "http://localhost:8080/v1");
/// let mut countries = PaginatedStream::get(&pool, "/countries").prefetch(8);
/// while let Some(country) = countries.next().await {
///     println!("{}", country?["name"]);
/// }
/// # Ok(()) }
/// ```
pub struct PaginatedStream<T: Send + 'static = serde_json::Value> {
    state: StreamState<T>,
    signer: Signer,
    /// The last total that the API reported, set once the stream has ended.
    told: Option<u64>,
}

impl PaginatedStream<serde_json::Value> {
    /// Reads the items of `endpoint` as JSON values. The endpoint may have a query; the page
    /// parameters are added to it.
    pub fn get(pool: impl Into<PoolLink>, endpoint: impl Into<String>) -> Self {
        Self::decoded_by(pool, endpoint, Typed::new())
    }

    /// The same stream with each item built as a `T`, straight from the page's bytes.
    #[must_use]
    pub fn items_as<T: DeserializeOwned + Send + 'static>(self) -> PaginatedStream<T> {
        let state = match self.state {
            StreamState::Idle { link, endpoint, start, token, .. } => {
                let decoder = decode_by(Typed::<T>::new());
                StreamState::Idle { link, endpoint, decoder, start, token }
            }
            state => StreamState::Done(state.place()),
        };
        PaginatedStream { state, signer: self.signer, told: None }
    }
}

impl<T: Send + 'static> PaginatedStream<T> {
    /// A stream whose items are built by `decoder`.
    pub(crate) fn decoded_by<D: ItemDecoder<Item = T>>(
        pool: impl Into<PoolLink>,
        endpoint: impl Into<String>,
        decoder: D,
    ) -> Self {
        let endpoint = Box::new(Endpoint::new(endpoint.into()));
        let link = pool.into();
        let signer = link.signer.clone();
        let decoder = decode_by(decoder);
        let state = StreamState::Idle { link, endpoint, decoder, start: None, token: None };
        Self { state, signer, told: None }
    }

    /// The rows from the page at `address` on, which begins with row `row` of the set.
    pub(crate) fn beginning_at(mut self, address: PageAddress, row: u64) -> Self {
        if let StreamState::Idle { start, .. } = &mut self.state {
            *start = Some(Position::at(address, row));
        }
        self
    }

    /// No page after the first `rows` rows of the set is requested until it is polled for.
    pub(crate) fn needing(self, rows: u64) -> Self {
        self.set(|endpoint| endpoint.needed = Some(rows))
    }

    /// At most this many pages are in flight, waiting for the consumer or being consumed: 3 by
    /// default. With 1, the next page is still in flight while one is consumed. Settings have no
    /// effect once the stream was polled.
    #[must_use]
    pub fn prefetch(self, pages: usize) -> Self {
        self.set(|endpoint| endpoint.prefetch = pages.clamp(1, u32::MAX as usize >> 3))
    }

    /// At most about this many bytes of pages are in memory, including the page being consumed:
    /// 64 MiB by default. An arrived page counts with its real size, a page in flight with the
    /// size of the largest page so far; one page is always fetched. Before the size of pages is
    /// known, only as many are in flight as would fit if each had
    /// [`max_body_bytes`](crate::PoolBuilder::max_body_bytes), and then that many again for each
    /// page that arrives. Pages far larger than all before them may exceed the budget by the
    /// pages that are in flight at that moment.
    #[must_use]
    pub fn byte_budget(self, bytes: usize) -> Self {
        self.set(|endpoint| endpoint.byte_budget = bytes)
    }

    /// How the API pages: numbered pages from 1, unless set otherwise.
    #[must_use]
    pub fn paging(self, paging: Paging) -> Self {
        self.set(|endpoint| endpoint.paging = paging)
    }

    /// The priority of the pages among waiting calls. The default is that of the Vantage scope
    /// in which the stream is made or first polled, see [`Priority`].
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        self.set(|endpoint| endpoint.priority = Some(priority))
    }

    /// Where a page holds its items: the standard envelope, unless set otherwise.
    #[must_use]
    pub fn envelope(self, envelope: Envelope) -> Self {
        self.set(|endpoint| endpoint.envelope = Arc::new(envelope))
    }

    /// Sends a header with the request for each page, such as a version that this endpoint needs.
    /// Pages at [another origin](Paging::allow_origin) get it only if its name begins with `Accept`.
    /// Of a name that is given twice, the last value counts. One that is not legal in HTTP fails the
    /// read with [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest). Headers are no part
    /// of a [`ResumeToken`](super::ResumeToken): a value may be a secret that changes.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(|endpoint| endpoint.headers.push((name.into(), value.into())))
    }

    /// The same for several headers.
    pub(crate) fn headers(self, headers: &Headers) -> Self {
        self.set(|endpoint| endpoint.headers.extend_from_slice(headers))
    }

    /// How far the read runs ahead of its consumer, and on which thread:
    /// [`ReadMode::Parallel`], unless set otherwise.
    #[must_use]
    pub fn mode(self, mode: ReadMode) -> Self {
        self.set(|endpoint| endpoint.mode = mode)
    }

    /// Calls `told` with each finding about the pages that is also an
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning), while the stream is polled.
    #[must_use]
    pub fn on_warning(self, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.set(|endpoint| endpoint.on_warning = Some(Arc::new(told)))
    }

    /// Calls `told` with the text or the number at a place in the body of each page that has one there,
    /// also of a page without items, in the order of the pages and before the items of the page: for a
    /// token on the last page with which a later read asks for what has changed.
    #[must_use]
    pub fn on_text_at(self, place: PagePath, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.set(|endpoint| endpoint.on_text = Some((place, Arc::new(told))))
    }

    /// Resumes at the place of the stream that returned `token`. A token from a read of another
    /// endpoint (including its query), with another [`Paging`] or another [`Envelope`], is an
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the stream is polled, and the error
    /// says what differs. So is a token that was not signed with the
    /// [key](crate::PoolBuilder::signing_key) of this pool. In these cases nothing is sent.
    ///
    /// ```no_run
    /// use futures::StreamExt;
    /// use vantage_api_pool::{AwwPool, PaginatedStream, paging::ResumeToken};
    ///
    /// # async fn demo(key: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = AwwPool::builder("https://api.example.com").signing_key(key).build()?;
    /// let mut rows = PaginatedStream::get(&pool, "/rows");
    /// rows.next().await;
    /// let kept: String = rows.resume_token().to_text();
    /// // … perhaps in another process …
    /// let token: ResumeToken = kept.parse()?;
    /// let mut rest = PaginatedStream::get(&pool, "/rows").resume_from(token);
    /// # rest.next().await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn resume_from(mut self, token: ResumeToken) -> Self {
        if let StreamState::Idle { token: kept, .. } = &mut self.state {
            *kept = Some(token);
        }
        self
    }

    /// Signs and checks the [resume tokens](Self::resume_token) of this stream with `key`, rather
    /// than with [that of the pool](crate::PoolBuilder::signing_key): for a program that stores
    /// them where nobody else writes, and reads them in another process.
    #[must_use]
    pub fn signing_key(mut self, key: &[u8; 32]) -> Self {
        if let (StreamState::Idle { .. }, Some(signer)) = (&self.state, Signer::new(key)) {
            self.signer = signer;
        }
        self
    }

    /// Where the stream stands: after the last item it has yielded. A stream that
    /// [resumes](Self::resume_from) there yields the rest of the set, with no row missing or
    /// repeated if the set has not changed. After an error it resumes with what failed, and after
    /// the end it is empty.
    ///
    /// The page that the stream was in is fetched again.
    #[must_use]
    pub fn resume_token(&self) -> ResumeToken {
        match self.state.place() {
            ResumePoint::Own(position, identity) => {
                ResumeToken::signed(position, identity, &self.signer)
            }
            ResumePoint::Unverified(token) => token,
        }
    }

    /// Which page of the read the last yielded item was on.
    pub(crate) fn page_at_hand(&self) -> Option<u64> {
        match &self.state {
            StreamState::Reading(reader, _) => Some(reader.at_hand),
            _ => None,
        }
    }

    /// The total of items in the set, as the latest page that was read reported it.
    pub(crate) fn told_total(&self) -> Option<u64> {
        match &self.state {
            StreamState::Reading(reader, _) => reader.told,
            _ => self.told,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Endpoint)) -> Self {
        if let StreamState::Idle { endpoint, .. } = &mut self.state {
            change(endpoint);
        }
        self
    }

    /// The rest of the current page, or the whole next page, in order. Empty pages are skipped.
    /// `None` after the last page and after an error.
    pub async fn next_page(&mut self) -> Option<Result<Vec<T>, Error>> {
        std::future::poll_fn(|cx| self.poll(cx, Reader::poll_page)).await
    }

    /// Some items of one page, at most `most` at a time. The items are consumed while they are in
    /// the CPU caches, and their memory is reused for the next ones.
    pub(crate) async fn next_items(&mut self, most: usize) -> Option<Result<Vec<T>, Error>> {
        let next = |reader: &mut Reader<T>, cx: &mut Context<'_>| reader.poll_items(most, cx);
        std::future::poll_fn(|cx| self.poll(cx, next)).await
    }

    /// The pages, in order and without empty ones: each with its bytes, its items and the
    /// [`ResumeToken`] after it. For consumers that keep checkpoints, and for those that decode
    /// several pages at a time because one thread cannot keep up with the API.
    ///
    /// Each page has been validated: it is a page, and whether the set goes on or ends after it is
    /// known. Whether its items have the requested type shows when they are built. The rest of a
    /// page that was begun, possibly empty, comes first.
    ///
    /// ```no_run
    /// use futures::StreamExt;
    /// use vantage_api_pool::{AwwPool, Error, PaginatedStream, paging::Page};
    ///
    /// fn population(page: Page<serde_json::Value>) -> Result<u64, Error> {
    ///     page.map(|row| Ok(row?["population"].as_u64().unwrap_or_default())).sum()
    /// }
    ///
    /// # async fn demo(pool: AwwPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let pages = PaginatedStream::get(&pool, "/countries").prefetch(16).pages();
    /// let mut sums = pages
    ///     .map(|page| tokio::spawn(async { population(page?) }))
    ///     .buffered(4); // four at a time, in order
    /// let mut total = 0;
    /// while let Some(sum) = sums.next().await {
    ///     total += sum??;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn pages(mut self) -> impl Stream<Item = Result<Page<T>, Error>> + Send + Unpin {
        let read = Arc::new((self.state.place().identity().clone(), self.signer.clone()));
        stream::poll_fn(move |cx| {
            let next = ready!(self.poll(cx, Reader::poll_whole));
            let total = self.told_total();
            let page = |(page, after)| Page { page, after, total, read: Arc::clone(&read) };
            Poll::Ready(next.map(|next| next.map(page)))
        })
    }

    /// Polls the reader, once there is one.
    fn poll<I>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Reader<T>, &mut Context<'_>) -> Poll<Option<Result<I, Error>>>,
    ) -> Poll<Option<Result<I, Error>>> {
        let end = loop {
            match &mut self.state {
                StreamState::Reading(reader, _) => {
                    let next = ready!(read(reader, cx));
                    if matches!(next, Some(Ok(_))) {
                        return Poll::Ready(next);
                    }
                    self.told = reader.told;
                    break next;
                }
                StreamState::Opening { opening, place } => {
                    match ready!(opening.as_mut().poll(cx)) {
                        Ok(reader) => {
                            self.state =
                                StreamState::Reading(Box::new(reader), place.identity().clone());
                        }
                        Err(error) => break Some(Err(error)),
                    }
                }
                StreamState::Idle { .. } => {
                    let place = self.state.place();
                    let done = StreamState::Done(place.clone());
                    if let StreamState::Idle { link, endpoint, decoder, .. } =
                        std::mem::replace(&mut self.state, done)
                    {
                        let position = match &place {
                            ResumePoint::Own(position, _) => position.clone(),
                            ResumePoint::Unverified(token) => {
                                if let Err(error) = token.check(&endpoint.identity(), &self.signer)
                                {
                                    return Poll::Ready(Some(Err(error)));
                                }
                                token.position.clone()
                            }
                        };
                        let opening = Box::pin(Reader::open(link, *endpoint, decoder, position));
                        self.state = StreamState::Opening { opening, place };
                    }
                }
                StreamState::Done(_) => return Poll::Ready(None),
            }
        };
        self.state = StreamState::Done(self.state.place());
        Poll::Ready(end)
    }
}

impl<T: Send + 'static> Stream for PaginatedStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx, Reader::poll_item)
    }
}

// No field is ever pinned.
impl<T: Send + 'static> Unpin for PaginatedStream<T> {}

impl<T: Send + 'static> fmt::Debug for PaginatedStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            StreamState::Idle { .. } => "idle",
            StreamState::Opening { .. } => "opening",
            StreamState::Reading(..) => "reading",
            StreamState::Done(_) => "done",
        };
        f.debug_struct("PaginatedStream").field("state", &state).finish_non_exhaustive()
    }
}
