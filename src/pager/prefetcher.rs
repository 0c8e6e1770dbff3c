//! Prefetches the pages of one stream: which ones, within the window and the horizon, and in which
//! order they are delivered. The reader decides what a page means and where the set ends. Knows no
//! actor: whoever polls it drives it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, FuturesUnordered, unfold},
};
use tokio::sync::{mpsc, watch};

use super::{
    endpoint::{Endpoint, FetchedPage},
    mode::ReadMode,
    page_window::{PagePermit, PageWindow},
    strategy::{PageAddress, Position, Seen, Stride, is_zero},
};
use crate::{
    dispatch::Caller,
    error::{Error, ErrorKind},
};

/// A page on its way to the reader, with its permit of the window.
pub(super) struct QueuedPage {
    pub(super) page: Result<FetchedPage, Error>,
    pub(super) address: PageAddress,
    pub(super) permit: PagePermit,
}

/// Which pages of the set may be requested.
#[derive(Clone, Copy)]
pub(super) struct Horizon {
    /// How many, from the first of the set on.
    pub(super) pages: u64,
    /// Where pages begin, if they are requested by their first row.
    pub(super) stride: Stride,
}

impl Horizon {
    /// Whether the other one adds nothing. The strides of a read are on one line, until it restarts
    /// elsewhere.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.pages == other.pages && self.stride.rows_each == other.stride.rows_each
    }
}

/// How the addresses of pages are found.
enum Addressing {
    /// By their index in the set.
    Numbered,
    /// By the stride of the horizon.
    ByRow,
    /// The API does not page.
    Once,
    /// From the page before: `next` is the next one, once that is known.
    Chained { next: Option<PageAddress>, seen: Seen, first: Option<u64> },
}

/// The pages that are prefetched for one stream. It outlives the pager that drives it.
pub(super) struct Prefetcher {
    caller: Caller,
    endpoint: Arc<Endpoint>,
    /// Counts the pagers. Only the last one drives: an earlier one may come back to life on
    /// a thread that was given up.
    pagers: u64,
    /// The next page to request.
    next: u64,
    addressing: Addressing,
    horizon: Horizon,
    /// Updates of the horizon. It ends when the reader is dropped.
    news: BoxStream<'static, Horizon>,
    /// A permit for each page that may be in flight or in memory.
    pub(super) window: Arc<PageWindow>,
    fetches: FuturesUnordered<BoxFuture<'static, (u64, QueuedPage)>>,
    /// Pages that have arrived before one that is due.
    arrived: BTreeMap<u64, QueuedPage>,
    /// The next page to deliver.
    due: u64,
    /// How many pages have arrived.
    come: usize,
    /// The size of the largest of them in bytes; each page in flight counts as that large.
    largest: usize,
    /// The latest cursor, if it is given up at the end.
    cursor: Option<String>,
    /// Bounded by the window: each page in it holds its permit.
    pages: mpsc::UnboundedSender<Vec<QueuedPage>>,
}

impl Prefetcher {
    /// A prefetcher without pages, and the ends that the reader holds: the pages, and the horizon.
    pub(super) fn new(
        caller: Caller,
        endpoint: Arc<Endpoint>,
        start: &Position,
        horizon: Horizon,
    ) -> (Self, mpsc::UnboundedReceiver<Vec<QueuedPage>>, watch::Sender<Horizon>) {
        let (pages, delivered) = mpsc::unbounded_channel();
        let (set_horizon, news) = watch::channel(horizon);
        let news = unfold(news, async |mut news| {
            news.changed().await.ok()?;
            let horizon = *news.borrow_and_update();
            Some((horizon, news))
        });
        let window = PageWindow::new(endpoint.window(), endpoint.byte_budget, caller.page_bytes());
        let mut prefetcher = Self {
            window,
            addressing: Addressing::of(&endpoint, start),
            caller,
            endpoint,
            pagers: 0,
            next: start.index,
            horizon,
            news: news.boxed(),
            fetches: FuturesUnordered::new(),
            arrived: BTreeMap::new(),
            due: start.index,
            come: 0,
            largest: 0,
            cursor: None,
            pages,
        };
        prefetcher.note_cursor(start.address.as_ref());
        (prefetcher, delivered, set_horizon)
    }

    /// Cancels what is in flight, and requests nothing more: the reader has gone.
    pub(super) fn cancel(&mut self) {
        self.fetches.clear();
        self.next = u64::MAX;
    }

    fn note_cursor(&mut self, next: Option<&PageAddress>) {
        if let Some(PageAddress::Cursor(cursor)) = next
            && self.endpoint.paging.closes()
        {
            self.cursor = Some(cursor.clone());
        }
    }

    /// Cancels what is in flight once nobody reads any more, and returns what gives up the cursor at the
    /// API, if pager number `pager` is the last one.
    pub(super) fn close(&mut self, pager: u64) -> Option<BoxFuture<'static, ()>> {
        if pager != self.pagers {
            return None;
        }
        self.fetches.clear();
        self.endpoint.close(&self.caller, &self.cursor.take()?)
    }

    /// Drops what was fetched from page `index` on, and cancels what is in flight. The pager
    /// continues there when it is woken.
    pub(super) fn begin_again(&mut self, index: u64, horizon: Horizon) {
        self.fetches.clear();
        self.arrived.clear();
        (self.next, self.due) = (index, index);
        self.horizon = horizon;
    }

    /// Continues at `address`, if the link of the latest page was not followed.
    pub(super) fn go_on(&mut self, address: PageAddress) {
        if let Addressing::Chained { next, .. } = &mut self.addressing {
            *next = Some(address);
        }
    }

    /// Registers another pager, and returns its number.
    pub(super) fn next_pager(&mut self) -> u64 {
        self.pagers += 1;
        self.pagers
    }

    /// Makes as much progress as possible. Ready when nobody reads any more, or a pager other than
    /// number `pager` drives.
    pub(super) fn poll(&mut self, pager: u64, cx: &mut Context<'_>) -> Poll<()> {
        if pager != self.pagers {
            return Poll::Ready(());
        }
        while let Poll::Ready(news) = self.news.poll_next_unpin(cx) {
            match news {
                Some(horizon) => self.horizon = horizon,
                None => return Poll::Ready(()),
            }
        }
        loop {
            while let Poll::Ready(Some((index, mut queued))) = self.fetches.poll_next_unpin(cx) {
                self.charge(&mut queued);
                self.follow(&mut queued);
                self.arrived.insert(index, queued);
            }
            if self.hand_over().is_err() {
                return Poll::Ready(());
            }
            if !self.ask(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Delivers all pages that are in order at once, so that the reader wakes once.
    fn hand_over(&mut self) -> Result<(), mpsc::error::SendError<Vec<QueuedPage>>> {
        let mut pages = Vec::new();
        while let Some(page) = self.arrived.remove(&self.due) {
            pages.push(page);
            self.due += 1;
        }
        match pages.last().map(|last| &last.page) {
            // Nothing after an error is read.
            Some(Err(_)) => self.next = u64::MAX,
            Some(Ok(_)) => {}
            None => return Ok(()),
        }
        self.pages.send(pages)
    }

    /// Charges a page its real size, before another is requested.
    fn charge(&mut self, QueuedPage { page, permit, .. }: &mut QueuedPage) {
        let bytes = page.as_ref().map_or(0, |fetched| fetched.response.body().len());
        self.come = self.come.saturating_add(1);
        self.largest = self.largest.max(bytes);
        permit.charge(bytes);
    }

    /// Records the address of the page after this one. A page at an address where the read has
    /// been, with the same result as then, is a loop.
    fn follow(&mut self, queued: &mut QueuedPage) {
        if let Ok(FetchedPage { scan: Some(scan), .. }) = &queued.page {
            self.note_cursor(scan.next.as_ref());
        }
        let Addressing::Chained { next, seen, first } = &mut self.addressing else { return };
        let Ok(FetchedPage { scan: Some(scan), .. }) = &queued.page else { return };
        let is_first_again = first.is_some_and(|first| first == scan.content && scan.items > 0);
        first.get_or_insert(scan.content);
        let at_zero = matches!(&queued.address, PageAddress::Cursor(cursor) if is_zero(cursor));
        let what = if is_first_again && at_zero {
            "the cursor 0 leads to the first page again; if it means the end, set \
             `zero_cursor_ends`"
        } else if seen.returns_to(&(&queued.address, scan.content)) {
            "a page leads back to where the read has been"
        } else {
            *next = scan.next.clone().filter(|_| scan.goes_on);
            return;
        };
        *next = None;
        queued.page = Err(Error::new(ErrorKind::PageLoop, what));
    }

    /// Requests as many pages as the horizon and the window allow, and returns whether it requested
    /// any. A permit of the window is taken before the request is made.
    fn ask(&mut self, cx: &mut Context<'_>) -> bool {
        let first = self.next;
        while self.next < self.horizon.pages && self.may_ask() {
            let to_come = self.largest.saturating_mul(self.fetches.len() + 1);
            let Some(permit) = self.window.poll_acquire(self.expected(), to_come, cx) else {
                break;
            };
            let index = self.next;
            let Some(address) = self.addressing.turn_to(index, &self.horizon) else { break };
            let page = self.endpoint.fetch(&self.caller, index, address.clone(), None);
            let deliver = move |page| (index, QueuedPage { page, address, permit });
            self.fetches.push(page.map(deliver).boxed());
            self.next += 1;
        }
        self.next > first
    }

    /// Whether the address of the next page is known, and the mode allows its request.
    fn may_ask(&self) -> bool {
        let under_way = self.fetches.len();
        let is_free = self.endpoint.mode != ReadMode::Overlap || under_way == 0;
        is_free && self.addressing.is_known() && under_way < self.width()
    }

    /// The expected size of the next page, as far as known.
    fn expected(&self) -> usize {
        if self.come == 0 { self.largest_body() } else { self.largest }
    }

    fn largest_body(&self) -> usize {
        self.caller.dispatcher.config.settings.max_body_bytes
    }

    /// How many pages may be in flight: as many as fill the byte budget at their maximum
    /// size, and that many for each that has arrived. Later pages may be larger, so the
    /// limit grows slowly.
    fn width(&self) -> usize {
        let filling = self.endpoint.byte_budget.div_ceil(self.largest_body().max(1)).max(1);
        filling.saturating_mul(self.come.max(1))
    }
}

impl Addressing {
    fn of(endpoint: &Endpoint, start: &Position) -> Self {
        match &start.address {
            Some(PageAddress::Page(_)) => Self::Numbered,
            Some(PageAddress::Offset(_)) => Self::ByRow,
            Some(PageAddress::Start) if !endpoint.paging.is_paged() => Self::Once,
            first => Self::Chained { next: first.clone(), seen: Seen::default(), first: None },
        }
    }

    fn is_known(&self) -> bool {
        !matches!(self, Self::Chained { next: None, .. })
    }

    /// The address of page `index`, which is the next one.
    fn turn_to(&mut self, index: u64, horizon: &Horizon) -> Option<PageAddress> {
        match self {
            Self::Numbered => Some(PageAddress::Page(index)),
            Self::ByRow => Some(PageAddress::Offset(horizon.stride.row_of(index))),
            Self::Once => Some(PageAddress::Start),
            Self::Chained { next, .. } => next.take(),
        }
    }
}
