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
pub(super) struct Delivery<T> {
    pub(super) page: Result<Arrival<T>, Error>,
    pub(super) place: OwnedSemaphorePermit,
}

/// The reader's end: pages in order, several at a time where several are there.
pub(super) struct Feed<T> {
    pub(super) pages: mpsc::UnboundedReceiver<Vec<Delivery<T>>>,
    /// How many pages of the set may be asked for.
    horizon: watch::Sender<u64>,
}

impl<T> Feed<T> {
    pub(super) fn set_horizon(&self, pages: u64) {
        self.horizon.send_if_modified(|told| std::mem::replace(told, pages) != pages);
    }
}

/// The pages that are fetched ahead for one stream. It outlives the pager that looks after it.
pub(super) struct Ahead<T: Send + 'static> {
    dispatcher: Arc<Dispatcher>,
    target: Arc<Target<T>>,
    /// The page to ask for next.
    next: u64,
    horizon: u64,
    /// News of the horizon. It ends when the reader has gone.
    horizons: BoxStream<'static, u64>,
    /// One permit for each page that may be under way or wait for the reader.
    window: Arc<Semaphore>,
    /// The wait for room in the window.
    room: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>>,
    fetches: FuturesUnordered<BoxFuture<'static, (u64, Delivery<T>)>>,
    arrived: Reorder<Delivery<T>>,
    /// How many permits a page takes: more than one for pages so large that the
    /// byte budget binds before the prefetch does.
    cost: u32,
    /// Bounded by the window: each page in it holds its place.
    pages: mpsc::UnboundedSender<Vec<Delivery<T>>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Nothing fetched yet, and the end that the reader holds.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        target: Arc<Target<T>>,
        horizon: u64,
    ) -> (Self, Feed<T>) {
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

    /// Goes on as far as possible. Ready when nobody reads any more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
    fn hand_over(&mut self) -> Result<(), mpsc::error::SendError<Vec<Delivery<T>>>> {
        let pages: Vec<_> = std::iter::from_fn(|| self.arrived.pop()).collect();
        match pages.last().map(|last| &last.page) {
            Some(Ok(arrival)) => self.cost = self.target.cost(arrival.body().len()),
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
