//! The consumer's end of a paged read: settings before it starts, items while it runs.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::{Stream, future::BoxFuture};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{
    actor::{self, Delivery, Outlet},
    decode::{ItemDecoder, Typed},
    envelope::Envelope,
    strategy::Paging,
    target::Target,
};
use crate::{
    dispatch::{Control, PoolLink},
    error::Error,
};

/// The items of a paged endpoint, in server order.
///
/// Nothing is asked for before the stream is first polled. The first page is asked
/// for alone; after it, pages are fetched in parallel, at most
/// [`prefetch`](Self::prefetch) of them under way or waiting, and delivered in
/// order. A consumer that stops reading stops the requests; dropping the stream
/// cancels them.
///
/// A stream yields at most one error, as its last item, after every item of the
/// pages before it. A stream that ends without an error is complete.
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
    state: State<T>,
}

/// Where a stream stands.
enum State<T: Send + 'static> {
    /// Not polled yet.
    Idle { link: PoolLink, target: Target<T> },
    /// The pool starts, if it has not yet, and then the pager. A failure is
    /// yielded, then the stream is done.
    Opening(BoxFuture<'static, Result<Feed<T>, Error>>),
    /// Pages come in. A pager that goes without having completed is an error.
    Reading { feed: Feed<T>, page: std::vec::IntoIter<T> },
    /// The last item or the one error was yielded.
    Done,
}

/// The receiving end of a pager.
struct Feed<T> {
    pages: mpsc::Receiver<Delivery<T>>,
    is_complete: Arc<AtomicBool>,
    /// Keeps the pool alive while the stream is read.
    _pool: Arc<dyn Control>,
}

impl PaginatedStream<serde_json::Value> {
    /// The items of `endpoint` as JSON values. The endpoint may have a query;
    /// the page parameters are added to it.
    pub fn get(pool: impl Into<PoolLink>, endpoint: impl Into<String>) -> Self {
        Self::decoded_by(pool, endpoint, Typed::new())
    }

    /// The same stream with each item built as a `T`, straight from the page's bytes.
    #[must_use]
    pub fn items_as<T: DeserializeOwned + Send + 'static>(self) -> PaginatedStream<T> {
        let state = match self.state {
            State::Idle { link, target } => {
                State::Idle { link, target: target.decoded_by(Typed::<T>::new()) }
            }
            _ => State::Done,
        };
        PaginatedStream { state }
    }
}

impl<T: Send + 'static> PaginatedStream<T> {
    /// A stream whose items `decoder` builds.
    pub(crate) fn decoded_by<D: ItemDecoder<Item = T>>(
        pool: impl Into<PoolLink>,
        endpoint: impl Into<String>,
        decoder: D,
    ) -> Self {
        let target = Target::new(endpoint.into(), decoder);
        Self { state: State::Idle { link: pool.into(), target } }
    }

    /// At most this many pages are under way or wait for the consumer: 3 by
    /// default, at least 1. Settings have no effect once the stream was polled.
    #[must_use]
    pub fn prefetch(self, pages: usize) -> Self {
        self.set(|target| target.prefetch = pages.clamp(1, u32::MAX as usize >> 3))
    }

    /// At most about this many bytes of pages wait for the consumer: 64 MiB by
    /// default. Pages so large that `prefetch` of them would exceed it are fetched
    /// fewer at a time, but always one.
    #[must_use]
    pub fn byte_budget(self, bytes: usize) -> Self {
        self.set(|target| target.byte_budget = bytes)
    }

    /// How the API pages: by page number from 1, unless set otherwise.
    #[must_use]
    pub fn paging(self, paging: Paging) -> Self {
        self.set(|target| target.paging = paging)
    }

    /// Where a page holds its items: the standard envelope, unless set otherwise.
    #[must_use]
    pub fn envelope(self, envelope: Envelope) -> Self {
        self.set(|target| target.envelope = Arc::new(envelope))
    }

    fn set(mut self, change: impl FnOnce(&mut Target<T>)) -> Self {
        if let State::Idle { target, .. } = &mut self.state {
            change(target);
        }
        self
    }

    /// The rest of the current page, or the next page as a whole, in order. An
    /// empty page is skipped. `None` after the last page and after an error.
    pub async fn next_page(&mut self) -> Option<Result<Vec<T>, Error>> {
        std::future::poll_fn(|cx| self.poll_page(cx)).await.map(|page| page.map(Iterator::collect))
    }

    /// Polls for items: what is left of the current page, or a page that has some.
    fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<std::vec::IntoIter<T>, Error>>> {
        loop {
            match &mut self.state {
                State::Idle { .. } => {
                    if let State::Idle { link, target } =
                        std::mem::replace(&mut self.state, State::Done)
                    {
                        self.state = State::Opening(Box::pin(open(link, target)));
                    }
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(feed) => self.state = State::Reading { feed, page: Vec::new().into_iter() },
                    Err(error) => return self.end(Some(error)),
                },
                State::Reading { page, .. } if page.len() > 0 => {
                    return Poll::Ready(Some(Ok(std::mem::take(page))));
                }
                State::Reading { feed, page } => match ready!(feed.pages.poll_recv(cx)) {
                    Some(Delivery { page: Ok(items), .. }) => *page = items.into_iter(),
                    Some(Delivery { page: Err(error), .. }) => return self.end(Some(error)),
                    None if feed.is_complete.load(Ordering::Acquire) => return self.end(None),
                    None => return self.end(Some(Error::gone())),
                },
                State::Done => return Poll::Ready(None),
            }
        }
    }

    fn end<I>(&mut self, error: Option<Error>) -> Poll<Option<Result<I, Error>>> {
        self.state = State::Done;
        Poll::Ready(error.map(Err))
    }
}

impl<T: Send + 'static> Stream for PaginatedStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let State::Reading { page, .. } = &mut self.state
                && let Some(item) = page.next()
            {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(self.poll_page(cx)) {
                Some(Ok(items)) => {
                    if let State::Reading { page, .. } = &mut self.state {
                        *page = items;
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

// No field is ever pinned.
impl<T: Send + 'static> Unpin for PaginatedStream<T> {}

async fn open<T: Send + 'static>(link: PoolLink, target: Target<T>) -> Result<Feed<T>, Error> {
    let control = link.0.connect().await?;
    let (sender, pages) = mpsc::channel(target.prefetch);
    let is_complete = Arc::new(AtomicBool::new(false));
    let outlet = Outlet { sender, is_complete: Arc::clone(&is_complete) };
    let dispatcher = Arc::clone(control.dispatcher());
    control.start_pager(Box::new(move || actor::start(dispatcher, target, outlet))).await?;
    Ok(Feed { pages, is_complete, _pool: control })
}

impl<T: Send + 'static> fmt::Debug for PaginatedStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Idle { .. } => "idle",
            State::Opening(_) => "opening",
            State::Reading { .. } => "reading",
            State::Done => "done",
        };
        f.debug_struct("PaginatedStream").field("state", &state).finish_non_exhaustive()
    }
}
