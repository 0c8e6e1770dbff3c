//! What is fetched ahead for one stream: which pages, as far as the window and the horizon
//! horizon, and in which order they are handed over. What a page means, and where the set
//! ends, is decided by the reader. Knows no actor: whoever polls it drives it.

use std::{
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
    reorder::Reorder,
    strategy::{PageAddress, Seen, Stride, is_zero},
    token::Position,
    window::{PagePermit, Window},
};
use crate::{
    dispatch::Caller,
    error::{Error, ErrorKind},
};

/// A page on its way to the reader, with its permit of the window.
pub(super) struct QueuedPage {
    pub(super) page: Result<FetchedPage, Error>,
    /// Where it is; `None` for what is an error without a request.
    pub(super) address: Option<PageAddress>,
    pub(super) permit: Option<PagePermit>,
}

/// Which pages of the set may be asked for.
#[derive(Clone, Copy)]
pub(super) struct Horizon {
    /// How many, from the first of the set on.
    pub(super) pages: u64,
    /// Where they begin, if they are asked for by their first row.
    pub(super) stride: Stride,
}

impl Horizon {
    /// Whether the other one says nothing else. The strides of a read lie on one line, until it
    /// begins again elsewhere.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.pages == other.pages && self.stride.rows_each == other.stride.rows_each
    }
}

/// Where the pages are that are asked for.
enum Route {
    /// Where their place in the set says.
    Numbered,
    /// Where the horizon says.
    ByRow,
    /// The API does not page.
    Once,
    /// Where the page before says: here is the next one, once that is known.
    Chained { next: Option<PageAddress>, seen: Seen, first: Option<u64> },
}

/// The pages that are fetched ahead for one stream. It outlives the pager that looks after it.
pub(super) struct Prefetcher {
    caller: Caller,
    endpoint: Arc<Endpoint>,
    /// Counts the pagers. Only the last one drives: an earlier one may come back to life on
    /// a thread that was given up.
    pagers: u64,
    /// The page to ask for next.
    next: u64,
    route: Route,
    horizon: Horizon,
    /// News of the horizon. It ends when the reader has gone.
    news: BoxStream<'static, Horizon>,
    /// A permit for each page that may be under way or in memory.
    window: Arc<Window>,
    fetches: FuturesUnordered<BoxFuture<'static, (u64, QueuedPage)>>,
    arrived: Reorder<QueuedPage>,
    /// How many pages have come.
    come: usize,
    /// How many bytes the largest of them has; each that is under way is taken for as large.
    largest: usize,
    /// Bounded by the window: each page in it holds its permit.
    pages: mpsc::UnboundedSender<Vec<QueuedPage>>,
}

impl Prefetcher {
    /// Nothing fetched yet, and the ends that the reader holds: what comes, and how far it may
    /// go.
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
        let window = Window::new(endpoint.window(), endpoint.byte_budget, caller.page_bytes());
        let prefetcher = Self {
            window,
            route: Route::of(&endpoint, start),
            caller,
            endpoint,
            pagers: 0,
            next: start.index,
            horizon,
            news: news.boxed(),
            fetches: FuturesUnordered::new(),
            arrived: Reorder::from(start.index),
            come: 0,
            largest: 0,
            pages,
        };
        (prefetcher, delivered, set_horizon)
    }

    pub(super) fn window(&self) -> &Arc<Window> {
        &self.window
    }

    /// Forgets what was fetched from page `index` on, and what is under way is cancelled. The
    /// pager goes on there when it is woken.
    pub(super) fn begin_again(&mut self, index: u64, horizon: Horizon) {
        self.fetches.clear();
        self.arrived = Reorder::from(index);
        self.next = index;
        self.horizon = horizon;
    }

    /// Goes on at `address`, where the page that came last was not followed to.
    pub(super) fn go_on(&mut self, address: PageAddress) {
        if let Route::Chained { next, .. } = &mut self.route {
            *next = Some(address);
        }
    }

    /// Takes in another pager, and returns its number.
    pub(super) fn next_pager(&mut self) -> u64 {
        self.pagers += 1;
        self.pagers
    }

    /// Goes on as far as possible. Ready when nobody reads any more, or another pager than
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

    /// Hands over all that is in order in one go, so that the reader wakes once.
    fn hand_over(&mut self) -> Result<(), mpsc::error::SendError<Vec<QueuedPage>>> {
        let pages = self.arrived.take_ready();
        match pages.last().map(|last| &last.page) {
            // Nothing after an error is read.
            Some(Err(_)) => self.next = u64::MAX,
            Some(Ok(_)) => {}
            None => return Ok(()),
        }
        self.pages.send(pages)
    }

    /// Charges a page what it is, before another is asked for.
    fn charge(&mut self, QueuedPage { page, permit, .. }: &mut QueuedPage) {
        let bytes = page.as_ref().map_or(0, |fetched| fetched.response.body().len());
        self.come = self.come.saturating_add(1);
        self.largest = self.largest.max(bytes);
        if let Some(permit) = permit {
            permit.charge(bytes);
        }
    }

    /// Takes note of where the page after this one is. A page from where the read has been,
    /// with what it got there, is a loop.
    fn follow(&mut self, queued: &mut QueuedPage) {
        let Route::Chained { next, seen, first } = &mut self.route else { return };
        let Ok(FetchedPage { scan: Some(scan), .. }) = &queued.page else { return };
        let is_first_again = first.is_some_and(|first| first == scan.content && scan.items > 0);
        first.get_or_insert(scan.content);
        let at_zero =
            matches!(&queued.address, Some(PageAddress::Cursor(cursor)) if is_zero(cursor));
        let what = if is_first_again && at_zero {
            "the cursor 0 leads to the first page again; if it means the end, set \
             Paging::zero_cursor_ends"
        } else if seen.returns_to(&(&queued.address, scan.content)) {
            "a page leads back to where the read has been"
        } else {
            *next = scan.next.clone().filter(|_| scan.goes_on);
            return;
        };
        *next = None;
        queued.page = Err(Error::new(ErrorKind::PageLoop, what));
    }

    /// Asks for as many pages as the horizon and the window allow, and returns whether
    /// it asked for any. A permit of the window is taken before the request is made.
    fn ask(&mut self, cx: &mut Context<'_>) -> bool {
        let first = self.next;
        while self.next < self.horizon.pages && self.may_ask() {
            let to_come = self.largest.saturating_mul(self.fetches.len() + 1);
            let Some(permit) = self.window.poll_acquire(self.expected(), to_come, cx) else {
                break;
            };
            let index = self.next;
            let Some(address) = self.route.turn_to(index, &self.horizon) else { break };
            let page = self.endpoint.fetch(&self.caller, index, address.clone(), None);
            let deliver = move |page| {
                (index, QueuedPage { page, address: Some(address), permit: Some(permit) })
            };
            self.fetches.push(page.map(deliver).boxed());
            self.next += 1;
        }
        self.next > first
    }

    /// Whether it is known where the next page is, and the mode allows to ask for it.
    fn may_ask(&self) -> bool {
        let under_way = self.fetches.len();
        let is_free = self.endpoint.mode != ReadMode::Overlap || under_way == 0;
        is_free && self.route.is_known() && under_way < self.width()
    }

    /// How large the next page is, as far as one knows.
    fn expected(&self) -> usize {
        if self.come == 0 { self.largest_body() } else { self.largest }
    }

    fn largest_body(&self) -> usize {
        self.caller.dispatcher.config.settings.max_body_bytes
    }

    /// So many pages may be under way: as many as fill the byte budget however large they are,
    /// for each that has come. What comes next may be larger, so it is not all at once.
    fn width(&self) -> usize {
        let filling = self.endpoint.byte_budget.div_ceil(self.largest_body().max(1)).max(1);
        filling.saturating_mul(self.come.max(1))
    }
}

impl Route {
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

    /// Where page `index` is, which is the next one.
    fn turn_to(&mut self, index: u64, horizon: &Horizon) -> Option<PageAddress> {
        match self {
            Self::Numbered => Some(PageAddress::Page(index)),
            Self::ByRow => Some(PageAddress::Offset(horizon.stride.row_of(index))),
            Self::Once => Some(PageAddress::Start),
            Self::Chained { next, .. } => next.take(),
        }
    }
}
