//! What is fetched ahead for one stream: which pages, as far as the window and the horizon
//! reach, and in which order they are handed over. What a page means, and where the set
//! ends, is decided by the reader. Knows no actor: whoever polls it drives it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{BoxStream, FuturesUnordered, unfold},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::{
    reorder::Reorder,
    target::{Arrival, Target},
};
use crate::{dispatch::Dispatcher, error::Error};

/// A page on its way to the reader, with its place in the window.
pub(super) struct Delivery {
    pub(super) page: Result<Arrival, Error>,
    pub(super) place: OwnedSemaphorePermit,
}

/// The reader's end: pages in order, several at a time where several are there.
pub(super) struct Feed {
    pub(super) pages: mpsc::UnboundedReceiver<Vec<Delivery>>,
    /// How many pages of the set may be asked for.
    horizon: watch::Sender<u64>,
}

impl Feed {
    pub(super) fn set_horizon(&self, pages: u64) {
        self.horizon.send_if_modified(|told| std::mem::replace(told, pages) != pages);
    }
}

/// The pages that are fetched ahead for one stream. It outlives the pager that looks after it.
pub(super) struct Ahead<T: Send + 'static> {
    dispatcher: Arc<Dispatcher>,
    target: Arc<Target<T>>,
    /// Counts the pagers. Only the last one drives: an earlier one may come back to life on
    /// a thread that was given up.
    pagers: u64,
    /// The page to ask for next.
    next: u64,
    horizon: u64,
    /// News of the horizon. It ends when the reader has gone.
    horizons: BoxStream<'static, u64>,
    /// One permit for each page that may be under way or wait for the reader.
    window: Arc<Semaphore>,
    /// The wait for room in the window.
    room: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>>,
    fetches: FuturesUnordered<BoxFuture<'static, (u64, Delivery)>>,
    arrived: Reorder<Delivery>,
    /// How many permits a page takes: more than one for pages so large that the
    /// byte budget binds before the prefetch does.
    cost: u32,
    /// Bounded by the window: each page in it holds its place.
    pages: mpsc::UnboundedSender<Vec<Delivery>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Nothing fetched yet, and the end that the reader holds.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        target: Arc<Target<T>>,
        horizon: u64,
    ) -> (Self, Feed) {
        let (pages, delivered) = mpsc::unbounded_channel();
        let (set_horizon, news) = watch::channel(horizon);
        let horizons = unfold(news, async |mut news| {
            news.changed().await.ok()?;
            let horizon = *news.borrow_and_update();
            Some((horizon, news))
        });
        let ahead = Self {
            window: Arc::new(Semaphore::new(target.prefetch)),
            dispatcher,
            target,
            pagers: 0,
            next: 0,
            horizon,
            horizons: horizons.boxed(),
            room: None,
            fetches: FuturesUnordered::new(),
            arrived: Reorder::new(),
            cost: 1,
            pages,
        };
        (ahead, Feed { pages: delivered, horizon: set_horizon })
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
        while let Poll::Ready(news) = self.horizons.poll_next_unpin(cx) {
            match news {
                Some(horizon) => self.horizon = horizon,
                None => return Poll::Ready(()),
            }
        }
        loop {
            while let Poll::Ready(Some((index, delivery))) = self.fetches.poll_next_unpin(cx) {
                self.arrived.insert(index, delivery);
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
    fn hand_over(&mut self) -> Result<(), mpsc::error::SendError<Vec<Delivery>>> {
        let pages: Vec<_> = std::iter::from_fn(|| self.arrived.pop()).collect();
        match pages.last().map(|last| &last.page) {
            Some(Ok(arrival)) => self.cost = self.target.cost(arrival.response.body().len()),
            // Nothing after an error is read.
            Some(Err(_)) => self.next = u64::MAX,
            None => return Ok(()),
        }
        self.pages.send(pages)
    }

    /// Asks for as many pages as the horizon and the window allow, and returns whether
    /// it asked for any. A place in the window is taken before the request is made.
    fn ask(&mut self, cx: &mut Context<'_>) -> bool {
        let first = self.next;
        while self.next < self.horizon {
            let Some(place) = self.place(cx) else { break };
            let page = self.target.fetch(&self.dispatcher, self.next, None);
            let index = self.next;
            self.fetches
                .push(Box::pin(async move { (index, Delivery { page: page.await, place }) }));
            self.next += 1;
        }
        self.next > first
    }

    /// A place in the window, or `None` until there is room.
    fn place(&mut self, cx: &mut Context<'_>) -> Option<OwnedSemaphorePermit> {
        if self.room.is_none() {
            if let Ok(place) = Arc::clone(&self.window).try_acquire_many_owned(self.cost) {
                return Some(place);
            }
            self.room = Some(Box::pin(Arc::clone(&self.window).acquire_many_owned(self.cost)));
        }
        let Poll::Ready(place) = self.room.as_mut()?.as_mut().poll(cx) else { return None };
        self.room = None;
        place.ok()
    }
}
